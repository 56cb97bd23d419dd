"""ISO base media boxes as pure functions: values and arrays in, box bytes out; and a walker for reading them.

A box under construction is a flat tuple of buffers, so that big tables are copied once, when the head is joined.
All numbers are big-endian (ISO/IEC 14496-12 §4.2). Sections are those of ISO/IEC 14496-12:2015.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.samples import Buffer, TrackType

Parts = tuple[Buffer, ...]
Integers = NDArray[np.signedinteger[Any]] | NDArray[np.unsignedinteger[Any]]

MOVIE_TIMESCALE = 90_000
"""Ticks a second of the movie: exact for 90 kHz stamps, so that edit lists are not rounded to milliseconds."""

UINT32_MAX = 0xFFFF_FFFF
_ONE, _UNIT = 1 << 16, 1 << 30
_MATRIX = struct.pack(">9i", _ONE, 0, 0, 0, _ONE, 0, 0, 0, _UNIT)
_TURNS = {0: (1, 0, 0, 1), 90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}
"""What a, b, c and d of a matrix are for an anticlockwise turn by so many degrees, ISO/IEC 14496-12 §8.3.2.3."""
_UNDETERMINED = struct.pack(">HH", 0x55C4, 0)
_HANDLERS: dict[TrackType, tuple[bytes, bytes]] = {
    "video": (b"vide", b"VideoHandler\0"),
    "audio": (b"soun", b"SoundHandler\0"),
}


class Mp4Error(ValueError):
    """An MP4 cannot be written or read; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One edit: `duration` in movie ticks, `media_time` in media ticks (31 bits), -1 for an empty edit."""

    duration: int
    media_time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where one box lies in a buffer: its header from `start`, its body from `body` up to `end`."""

    kind: bytes
    start: int
    body: int
    end: int


def size_of(parts: Parts) -> int:
    """How many bytes the parts have together."""
    return sum(map(len, parts))


def box(kind: bytes, *content: Buffer | Parts) -> Parts:
    """Put a box around the content, ISO/IEC 14496-12 §4.2."""
    flat = [part for item in content for part in (item if isinstance(item, tuple) else (item,))]
    size = 8 + sum(map(len, flat))
    if size > UINT32_MAX:
        raise Mp4Error(f"a {kind.decode('latin-1')} box of {size} bytes is larger than 4 GiB")
    return (struct.pack(">I4s", size, kind), *flat)


def full_box(kind: bytes, *content: Buffer | Parts, version: int = 0, flags: int = 0) -> Parts:
    """Put a box with version and flags around the content, ISO/IEC 14496-12 §4.2."""
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def ftyp(brands: Sequence[bytes]) -> Parts:
    """File type; the first brand is the major one, ISO/IEC 14496-12 §4.3."""
    return box(b"ftyp", brands[0], struct.pack(">I", 0x200), *brands)


def mdat_header(media_bytes: int) -> Parts:
    """Begin a media data box of so many bytes, with a 64-bit size only if needed, ISO/IEC 14496-12 §8.1.1."""
    if media_bytes + 8 <= UINT32_MAX:
        return (struct.pack(">I4s", media_bytes + 8, b"mdat"),)
    return (struct.pack(">I4sQ", 1, b"mdat", media_bytes + 16),)


def mvhd(*, duration: int, next_track_id: int) -> Parts:
    """Movie header; `duration` in movie ticks, ISO/IEC 14496-12 §8.2.2."""
    version, times = _times(struct.pack(">I", MOVIE_TIMESCALE), duration)
    rate_and_volume = struct.pack(">IH10x", 0x10000, 0x100)
    return full_box(b"mvhd", times, rate_and_volume, _MATRIX, bytes(24), _u32(next_track_id), version=version)


def tkhd(track_type: TrackType, *, track_id: int, duration: int, width: int, height: int, degrees: int = 0) -> Parts:
    """Track header, enabled and in the movie; `duration` in movie ticks, ISO/IEC 14496-12 §8.3.2.

    Sizes are pixels of the pictures as they are coded, which players turn anticlockwise by `degrees`: 0, 90, 180 or
    270.
    """
    version, times = _times(struct.pack(">II", track_id, 0), duration)
    layout = struct.pack(">8xhhHH", 0, 0, 0x100 if track_type == "audio" else 0, 0)
    size = _u32(width << 16, height << 16)
    return full_box(b"tkhd", times, layout, _turned(degrees, width, height), size, version=version, flags=3)


def elst(edits: Sequence[Edit]) -> Parts:
    """Edit list at normal speed, ISO/IEC 14496-12 §8.6.6."""
    wide = any(edit.duration > UINT32_MAX for edit in edits)
    entry = struct.Struct(">QqI" if wide else ">IiI")
    entries = b"".join(entry.pack(edit.duration, edit.media_time, 0x10000) for edit in edits)
    return full_box(b"elst", _u32(len(edits)), entries, version=int(wide))


def mdhd(*, timescale: int, duration: int) -> Parts:
    """Media header of undetermined language; `duration` in media ticks, ISO/IEC 14496-12 §8.4.2."""
    version, times = _times(struct.pack(">I", timescale), duration)
    return full_box(b"mdhd", times, _UNDETERMINED, version=version)


def hdlr(track_type: TrackType) -> Parts:
    """Say whether this is audio or video (handler reference), ISO/IEC 14496-12 §8.4.3."""
    handler, name = _HANDLERS[track_type]
    return full_box(b"hdlr", bytes(4), handler, bytes(12), name)


def media_header(track_type: TrackType) -> Parts:
    """Video or sound media header with defaults (vmhd, smhd), ISO/IEC 14496-12 §12.1.2 and §12.2.2."""
    if track_type == "video":
        return full_box(b"vmhd", bytes(8), flags=1)
    return full_box(b"smhd", bytes(4))


def dinf() -> Parts:
    """Say that the media is in this same file (data information), ISO/IEC 14496-12 §8.7.1 and §8.7.2."""
    return box(b"dinf", full_box(b"dref", _u32(1), full_box(b"url ", flags=1)))


def stsd(entries: Sequence[bytes]) -> Parts:
    """Sample descriptions, each entry box as it is, ISO/IEC 14496-12 §8.5.2."""
    return full_box(b"stsd", _u32(len(entries)), *entries)


def stts(deltas: Integers) -> Parts:
    """Decode time deltas, one a sample in media ticks, ISO/IEC 14496-12 §8.6.1.2."""
    return full_box(b"stts", *_run_table(deltas))


def ctts(offsets: Integers) -> Parts:
    """Composition minus decode time, one a sample in media ticks; version 1 if any is negative, §8.6.1.3."""
    return full_box(b"ctts", *_run_table(offsets), version=int(int(offsets.min()) < 0))


def cslg(*, least: int, greatest: int, end: int) -> Parts:
    """Composition to decode, for signed offsets whose composition runs from 0 to `end`, ISO/IEC 14496-12 §8.6.1.4."""
    values = (max(0, -least), least, greatest, 0, end)
    wide = end > UINT32_MAX >> 1
    return full_box(b"cslg", struct.pack(">5q" if wide else ">5i", *values), version=int(wide))


def stss(sync: NDArray[np.bool_]) -> Parts:
    """Sync samples by number, counted from 1, ISO/IEC 14496-12 §8.6.2."""
    numbers = np.flatnonzero(sync) + 1
    return full_box(b"stss", _u32(len(numbers)), _table(numbers))


def stsc(counts: Integers, entries: Integers) -> Parts:
    """Say how many samples each chunk has and which sample entry (from 1) they use, ISO/IEC 14496-12 §8.7.4."""
    changes = (counts[1:] != counts[:-1]) | (entries[1:] != entries[:-1])
    first = _run_starts(changes)
    return full_box(b"stsc", _u32(len(first)), _table(first + 1, counts[first], entries[first]))


def stsz(sizes: Integers) -> Parts:
    """Sample sizes in bytes; one number if all are equal, ISO/IEC 14496-12 §8.7.3.2."""
    least = int(sizes.min())
    if least and least == int(sizes.max()):
        return full_box(b"stsz", _u32(least, len(sizes)))
    return full_box(b"stsz", _u32(0, len(sizes)), _table(sizes))


def chunk_offsets(offsets: Integers, *, wide: bool) -> Parts:
    """Chunk offsets from the start of the file: stco, or co64 if `wide`, ISO/IEC 14496-12 §8.7.5."""
    kind, dtype = (b"co64", ">u8") if wide else (b"stco", ">u4")
    return full_box(kind, _u32(len(offsets)), _table(offsets, dtype=dtype))


def walk(data: Buffer, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Walk the boxes side by side from `start` to `end`, known or not, ISO/IEC 14496-12 §4.2.

    `end` may lie past the data, when the last box (mdat) is only begun there. Raises `Mp4Error` for a box that
    is cut or does not end where it should.
    """
    end = len(data) if end is None else end
    while start < end:
        span = _span(data, start, end)
        yield span
        start = span.end


def _span(data: Buffer, start: int, end: int) -> Span:
    limit = min(end, len(data))
    if start + 8 > limit:
        raise Mp4Error(f"the bytes at {start} are too few for a box header")
    size, kind = struct.unpack_from(">I4s", data, start)
    body = start + 8
    if size == 1:
        body = start + 16
        if body > limit:
            raise Mp4Error(f"the bytes at {start} are too few for a 64-bit box header")
        (size,) = struct.unpack_from(">Q", data, start + 8)
    elif size == 0:
        size = end - start
    if start + size < body or start + size > end:
        raise Mp4Error(f"box {kind!r} at {start} says it has {size} bytes; {end - start} are there")
    return Span(kind=kind, start=start, body=body, end=start + size)


def degrees_of(matrix: Sequence[int]) -> int | None:
    """How far the nine numbers of a matrix turn a picture anticlockwise; None if they do anything else to it."""
    a, b, _, c, d, *_ = matrix
    return next((degrees for degrees, turn in _TURNS.items() if tuple(_ONE * n for n in turn) == (a, b, c, d)), None)


def _turned(degrees: int, width: int, height: int) -> bytes:
    """The matrix that turns a picture anticlockwise and puts its corner back to (0, 0), ISO/IEC 14496-12 §8.3.2.3."""
    a, b, c, d = _TURNS[degrees]
    x, y = {0: (0, 0), 90: (0, width), 180: (width, height), 270: (height, 0)}[degrees]
    return struct.pack(">9i", a * _ONE, b * _ONE, 0, c * _ONE, d * _ONE, 0, x * _ONE, y * _ONE, _UNIT)


def _u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _times(between: bytes, duration: int) -> tuple[int, bytes]:
    """Version and bytes of: creation time, modification time (both 0), what lies between, duration."""
    # All ones mean "unknown" in 32 bits.
    if duration < UINT32_MAX:
        return 0, bytes(8) + between + _u32(duration)
    return 1, bytes(16) + between + struct.pack(">Q", duration)


def _table(*columns: Integers, dtype: str = ">u4") -> memoryview:
    """Lay the columns out as rows of big-endian numbers; negative ones in two's complement."""
    rows = np.empty((len(columns[0]), len(columns)), dtype)
    for index, column in enumerate(columns):
        rows[:, index] = column
    return rows.reshape(-1).view(np.uint8).data


def _run_starts(changes: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.concatenate(([0], np.flatnonzero(changes) + 1))


def _run_table(values: Integers) -> Parts:
    """Entry count and rows of (how many samples, their value)."""
    starts = _run_starts(values[1:] != values[:-1])
    counts = np.diff(starts, append=len(values))
    return (_u32(len(starts)), _table(counts, values[starts]))

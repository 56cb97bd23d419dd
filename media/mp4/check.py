"""Check of an MP4 by its head: whether its boxes, tables and media data fit together, read without the writer.

It shares nothing with the writer but the box walker, and takes heads from anywhere: every read is within bounds, and
memory follows the size of the head, not the numbers that it claims.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from media.mp4.boxes import Mp4Error, Span, walk

_Rows = NDArray[np.int64]
_IMPLAUSIBLE = 1 << 62
"""Ticks that no file has; sums below this cannot overflow."""
_WIDE = 8
"""Bytes of a number that may overflow."""
_TYPES = {b"vide": "video", b"soun": "audio"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTrack:
    """What the head says of one track.

    `codec` is the four-character code of the first sample entry, `duration` the sum of the sample deltas and
    `declared_duration` what mdhd says, both in ticks of `timescale`. `starts_at` and `ends_at` are seconds of the
    movie: when its first sample is presented and when its last one is over, by the edit list.
    """

    type: str
    codec: str
    entries: int
    samples: int
    size_bytes: int
    timescale: int
    duration: int
    declared_duration: int
    starts_at: Fraction
    ends_at: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """A head that holds together; `duration` of the movie in seconds, as mvhd declares it."""

    head_bytes: int
    media_bytes: int
    duration: Fraction
    tracks: tuple[CheckedTrack, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    """A box in the head with the boxes around it, to be read and to be named in errors."""

    head: memoryview
    span: Span
    path: str

    def children(self, skip: int = 0) -> Iterator["_Node"]:
        for span in walk(self.head, self.span.body + skip, self.span.end):
            yield _Node(self.head, span, f"{self.path}/{span.kind.decode('latin-1')}")

    def find(self, *kinds: bytes) -> "_Node | None":
        found = [child for child in self.children() if child.span.kind in kinds]
        if len(found) > 1:
            raise self.error(f"has {len(found)} boxes {kinds[0]!r}")
        return found[0] if found else None

    def get(self, *kinds: bytes) -> "_Node":
        found = self.find(*kinds)
        if found is None:
            raise self.error(f"has no box {kinds[0]!r}")
        return found

    def read(self, layout: str, at: int) -> tuple[int, ...]:
        if self.span.body + at + struct.calcsize(layout) > self.span.end:
            raise self.error("is too short")
        return struct.unpack_from(layout, self.head, self.span.body + at)

    def version(self) -> int:
        return self.read(">B", 0)[0]

    def rows(self, layout: str, columns: int, at: int = 8) -> _Rows:
        """Read the table, `columns` equal numbers a row, whose count stands before `at` and which ends the box."""
        (count,) = self.read(">I", at - 4)
        cell = np.dtype(layout)
        if self.span.body + at + count * columns * cell.itemsize != self.span.end:
            raise self.error(f"has not the size of its {count} rows")
        flat = np.frombuffer(self.head, cell, count * columns, self.span.body + at)
        if cell.itemsize == _WIDE and flat.size and int(flat.max()) >= _IMPLAUSIBLE:
            raise self.error("has a number that no file can have")
        return flat.astype(np.int64).reshape(count, columns)

    def error(self, what: str) -> Mp4Error:
        return Mp4Error(f"box {self.path or 'file'} at {self.span.start} {what}")


def check(head: bytes, media_bytes: int) -> CheckReport:
    """Check the head of a progressive MP4: all bytes up to the `media_bytes` that its last box, mdat, holds.

    Raises `Mp4Error` with one sentence if boxes are cut or missing, if mdat has not that size, if tables contradict
    each other, or if a sample lies outside mdat or over another one of its track.
    """
    file = _Node(memoryview(head), Span(kind=b"", start=0, body=0, end=len(head) + media_bytes), "")
    top = list(file.children())
    kinds = [node.span.kind for node in top]
    if kinds.count(b"moov") != 1 or kinds.count(b"mdat") != 1 or kinds[-1:] != [b"mdat"]:
        raise file.error(f"should be ftyp, moov and last mdat, and is {b' '.join(kinds).decode('latin-1')}")
    if kinds[0] != b"ftyp":
        raise file.error("does not begin with ftyp")
    media = top[-1].span
    if media.body != len(head):
        raise file.error(f"has a head of {len(head)} bytes, but its media data begins at {media.body}")
    moov = top[kinds.index(b"moov")]
    timescale, duration = _clock(moov.get(b"mvhd"))
    tracks = [_track(node, timescale, media) for node in moov.children() if node.span.kind == b"trak"]
    if not any(track.samples for track in tracks):
        raise moov.error("has no sample")
    return CheckReport(
        head_bytes=len(head),
        media_bytes=media_bytes,
        duration=Fraction(duration, timescale),
        tracks=tuple(tracks),
    )


def _clock(node: _Node) -> tuple[int, int]:
    """Timescale and duration of mvhd or mdhd, ISO/IEC 14496-12 §8.2.2 and §8.4.2."""
    timescale, duration = node.read(">IQ", 20) if node.version() == 1 else node.read(">II", 12)
    if not timescale:
        raise node.error("has a timescale of 0")
    return timescale, duration


def _track(trak: _Node, movie_timescale: int, media: Span) -> CheckedTrack:
    trak.get(b"tkhd")
    mdia = trak.get(b"mdia")
    timescale, declared = _clock(mdia.get(b"mdhd"))
    handler = struct.pack(">I", *mdia.get(b"hdlr").read(">I", 8))
    stbl = mdia.get(b"minf").get(b"stbl")
    codecs = _codecs(stbl.get(b"stsd"))
    samples, sizes = _sizes(stbl.get(b"stsz"))
    _check_sync(stbl, samples)
    size_bytes = _check_chunks(stbl, samples, sizes, len(codecs), media)
    duration, first, end = _composition(stbl, samples)
    presented = Fraction(first, timescale), Fraction(end, timescale)
    starts_at, ends_at = _edits(trak, presented, movie_timescale, timescale)
    return CheckedTrack(
        type=_TYPES.get(handler, handler.decode("latin-1")),
        codec=codecs[0],
        entries=len(codecs),
        samples=samples,
        size_bytes=size_bytes,
        timescale=timescale,
        duration=duration,
        declared_duration=declared,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _codecs(stsd: _Node) -> list[str]:
    """Four-character codes of the sample entries, ISO/IEC 14496-12 §8.5.2."""
    (count,) = stsd.read(">I", 4)
    codecs = [node.span.kind.decode("latin-1") for node in stsd.children(skip=8)]
    if not codecs or len(codecs) != count:
        raise stsd.error(f"says it has {count} entries and has {len(codecs)}")
    return codecs


def _sizes(stsz: _Node) -> tuple[int, int | _Rows]:
    """How many samples, and their one size or all their sizes, ISO/IEC 14496-12 §8.7.3.2."""
    size, count = stsz.read(">II", 4)
    if size:
        return count, size
    return count, stsz.rows(">u4", 1, at=12)[:, 0]


def _check_sync(stbl: _Node, samples: int) -> None:
    """Sync samples are in order and exist, ISO/IEC 14496-12 §8.6.2."""
    stss = stbl.find(b"stss")
    if stss is None:
        return
    numbers = stss.rows(">u4", 1)[:, 0]
    if numbers.size and (int(numbers[0]) < 1 or int(numbers[-1]) > samples or (np.diff(numbers) <= 0).any()):
        raise stss.error(f"is out of order or names a sample beyond {samples}")


def _check_chunks(stbl: _Node, samples: int, sizes: int | _Rows, entries: int, media: Span) -> int:
    """Chunks hold all samples, inside the media data, none over another; their bytes. ISO/IEC 14496-12 §8.7.4 f."""
    place = stbl.get(b"stco", b"co64")
    offsets = place.rows(">u8" if place.span.kind == b"co64" else ">u4", 1)[:, 0]
    counts = _chunk_counts(stbl.get(b"stsc"), len(offsets), entries)
    last = np.cumsum(counts)
    held = int(last[-1]) if last.size else 0
    if held != samples:
        raise stbl.error(f"has chunks for {held} samples, and {samples} samples")
    if isinstance(sizes, int):
        if samples * sizes > media.end - media.body:
            raise stbl.error(f"has {samples} samples of {sizes} bytes, more than the media data")
        lengths = counts * sizes
    else:
        before = np.concatenate(([0], np.cumsum(sizes)))
        lengths = before[last] - before[last - counts]
    ends = offsets + lengths
    outside = (offsets < media.body) | (ends > media.end)
    if outside.any():
        chunk = int(np.flatnonzero(outside)[0])
        raise place.error(f"has chunk {chunk + 1} from {offsets[chunk]} to {ends[chunk]}, outside the media data")
    order = np.argsort(offsets, kind="stable")
    if (offsets[order[1:]] < ends[order[:-1]]).any():
        raise place.error("has chunks that lie over one another")
    return int(lengths.sum())


def _chunk_counts(stsc: _Node, chunks: int, entries: int) -> _Rows:
    """Count the samples of each chunk, ISO/IEC 14496-12 §8.7.4."""
    rows = stsc.rows(">u4", 3)
    first, counts, described = rows[:, 0], rows[:, 1], rows[:, 2]
    if not rows.size and not chunks:
        return counts
    if not rows.size or int(first[0]) != 1 or int(first[-1]) > chunks or (np.diff(first) <= 0).any():
        raise stsc.error(f"does not describe its {chunks} chunks in order")
    if int(counts.min()) < 1 or int(described.min()) < 1 or int(described.max()) > entries:
        raise stsc.error(f"has an empty chunk, or a sample entry beyond {entries}")
    return np.repeat(counts, np.diff(first, append=chunks + 1))


def _composition(stbl: _Node, samples: int) -> tuple[int, int, int]:
    """Sum of the deltas, first composition time and end of the last one in ticks, ISO/IEC 14496-12 §8.6.1."""
    stts = stbl.get(b"stts")
    counts, deltas = _runs(stts, ">u4", samples)
    # The counts add up to less than 2^32, so this fits in 64 bits.
    duration = int((counts.astype(np.uint64) * deltas.astype(np.uint64)).sum(dtype=np.uint64))
    if duration >= _IMPLAUSIBLE:
        raise stts.error("has a duration that no file can have")
    if not samples:
        return 0, 0, 0
    last = int(deltas[-1])
    ctts = stbl.find(b"ctts")
    if ctts is None:
        return duration, 0, duration
    shifted, offsets = _runs(ctts, ">i4", samples)
    ends = np.cumsum(shifted)
    # Inside a run of equal offsets composition times never fall.
    first = int((_decode_times(counts, deltas, ends - shifted) + offsets).min())
    end = int((_decode_times(counts, deltas, ends - 1) + offsets).max()) + last
    return duration, first, end


def _runs(node: _Node, layout: str, samples: int) -> tuple[_Rows, _Rows]:
    """Read counts and values of stts or ctts; runs of no sample are left out."""
    rows = node.rows(layout, 2)
    counts, values = rows[:, 0] & 0xFFFF_FFFF, rows[:, 1]
    if int(counts.sum()) != samples:
        raise node.error(f"is about {int(counts.sum())} samples, and there are {samples}")
    return counts[counts > 0], values[counts > 0]


def _decode_times(counts: _Rows, deltas: _Rows, numbers: _Rows) -> _Rows:
    """Decode times of the samples with these numbers (from 0)."""
    ends = np.cumsum(counts)
    run = np.searchsorted(ends, numbers, side="right")
    begins = np.cumsum(counts * deltas) - counts * deltas
    times: _Rows = begins[run] + (numbers - ends[run] + counts[run]) * deltas[run]
    return times


def _edits(
    trak: _Node, presented: tuple[Fraction, Fraction], movie_timescale: int, timescale: int
) -> tuple[Fraction, Fraction]:
    """When the track begins and ends in seconds of the movie, from those of its media; ISO/IEC 14496-12 §8.6.6."""
    first, end = presented
    edts = trak.find(b"edts")
    elst = edts.find(b"elst") if edts else None
    if elst is None:
        return presented
    at = Fraction(0)
    shown: tuple[Fraction, Fraction] | None = None
    for duration, media_time in _edit_rows(elst):
        length = Fraction(duration, movie_timescale)
        if media_time >= 0:
            skipped = Fraction(media_time, timescale)
            left = max(Fraction(0), end - skipped)
            # A duration of 0 means: to the end.
            length = length or left
            begin = shown[0] if shown else at + max(Fraction(0), first - skipped)
            shown = begin, at + min(length, left)
        at += length
    if shown is None:
        raise elst.error("never shows any media")
    return shown


def _edit_rows(elst: _Node) -> Iterator[tuple[int, int]]:
    """Segment duration in movie ticks and media time in media ticks, -1 for an empty edit."""
    (count,) = elst.read(">I", 4)
    entry = struct.Struct(">QqI" if elst.version() == 1 else ">IiI")
    begin = elst.span.body + 8
    if begin + count * entry.size != elst.span.end:
        raise elst.error(f"has not the size of its {count} edits")
    for duration, media_time, _ in entry.iter_unpack(elst.head[begin : elst.span.end]):
        yield duration, media_time

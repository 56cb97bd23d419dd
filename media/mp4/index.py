"""The samples of a progressive MP4, read from its head alone: what each is, when, how long and where its bytes lie."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from media.mp4 import reading
from media.mp4.boxes import Mp4Error, Span, degrees_of, walk
from media.mp4.check import check
from media.mp4.reading import IMPLAUSIBLE, Node
from media.samples import TrackType

_TYPES: dict[bytes, TrackType] = {b"vide": "video", b"soun": "audio"}
_LARGEST_HEAD = 1 << 30
"""Bytes; tables of a day of two tracks have a fifth of it."""
_MOST_SAMPLES = 1 << 24
"""Of one track: more than two days of sound. A table may claim many more in a few bytes."""
_HEADER, _LONG_HEADER = 8, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedTrack:
    """One track, its columns with one element a sample in decode order.

    `dts` and `pts` are ticks of `timescale` on the timeline of the movie: 0 is where it begins to play, and a leading
    empty edit is counted in. `durations` are those of the decode times; of the last sample, too. `offsets` count from
    the first byte of the file. `entry_of` counts the sample entries, whose boxes are `entries`, from 1. `width`,
    `height` and `degrees` (anticlockwise, to stand upright) are those of the track header. `chunks` has the number of
    the first sample of each chunk, from 0.
    """

    type: TrackType
    timescale: int
    entries: tuple[bytes, ...]
    width: int
    height: int
    degrees: int
    sizes: NDArray[np.int64]
    dts: NDArray[np.int64]
    pts: NDArray[np.int64]
    durations: NDArray[np.int64]
    sync: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    entry_of: NDArray[np.int64]
    chunks: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp4Index:
    """The tracks of a movie, and how long it plays, in seconds."""

    tracks: tuple[IndexedTrack, ...]
    duration: Fraction

    def track(self, kind: TrackType) -> IndexedTrack | None:
        """The track of that type, if there is one."""
        return next((track for track in self.tracks if track.type == kind), None)


def head_bytes(beginning: bytes) -> int:
    """How long the head of a file is (all bytes before the media), from its first bytes: 64 KiB are enough.

    Where the tables go on beyond `beginning`, nothing says yet whether the header of mdat has 8 bytes or 16: then it is
    up to 8 bytes more, which `read_index` does not mind. Raises `Mp4Error` where that is no progressive MP4.
    """
    kinds: list[bytes] = []
    for span in walk(beginning, end=1 << 63):
        kinds.append(span.kind)
        if kinds[0] != b"ftyp" or (span.kind == b"mdat" and b"moov" not in kinds):
            raise Mp4Error(f"a file should begin with ftyp and moov, and begins with {b' '.join(kinds)!r}")
        if span.kind == b"mdat":
            return span.body
        if span.end > _LARGEST_HEAD:
            raise Mp4Error(f"box {span.kind!r} at {span.start} ends at {span.end}, further than any tables reach")
        if span.end + _HEADER > len(beginning) and b"moov" in kinds:
            return span.end + _LONG_HEADER
    raise Mp4Error("there are no bytes")


def read_index(head: bytes, media_bytes: int) -> Mp4Index:
    """The index of a file of ours, whose `head` may go on into its media; `media_bytes` is all that follows it.

    Raises `Mp4Error` for a head that does not hold together (`media.mp4.check`), and for one that our writer would not
    write: with an edit list that does more than to begin late, or several tracks of one type.
    """
    file = Node(memoryview(head), Span(kind=b"", start=0, body=0, end=len(head) + media_bytes), "")
    begin = file.get(b"mdat").span.body
    report = check(head[:begin], file.span.end - begin)
    moov = file.get(b"moov")
    movie_timescale, _ = reading.clock(moov.get(b"mvhd"))
    read = [_track(node, movie_timescale) for node in moov.children() if node.span.kind == b"trak"]
    tracks = tuple(track for track in read if track is not None)
    if len({track.type for track in tracks}) != len(tracks):
        raise moov.error(f"has {len(tracks)} tracks, several of one type")
    return Mp4Index(tracks=tracks, duration=report.duration)


def _track(trak: Node, movie_timescale: int) -> IndexedTrack | None:
    """One track; None if it has no sample."""
    mdia = trak.get(b"mdia")
    timescale, _ = reading.clock(mdia.get(b"mdhd"))
    stbl = mdia.get(b"minf").get(b"stbl")
    samples, size = reading.sizes(stbl.get(b"stsz"))
    if not samples:
        return None
    if samples > _MOST_SAMPLES:
        raise stbl.error(f"has {samples} samples, more than any recording")
    kind = _TYPES.get(reading.handler(mdia))
    if kind is None:
        raise mdia.error("is neither of pictures nor of sound")
    entries = tuple(
        bytes(node.head[node.span.start : node.span.end]) for node in reading.sample_entries(stbl.get(b"stsd"))
    )
    sizes = np.full(samples, size, np.int64) if isinstance(size, int) else size
    width, height, degrees = _layout(trak.get(b"tkhd"))
    durations = np.repeat(*reversed(reading.runs(stbl.get(b"stts"), ">u4", samples)))
    dts = np.cumsum(durations) - durations + _delay(trak, movie_timescale, timescale)
    chunks, sync = reading.chunks(stbl, samples, len(entries)), _sync(stbl, samples)
    if not sync.any():
        raise stbl.error("has no sync sample")
    return IndexedTrack(
        type=kind,
        timescale=timescale,
        entries=entries,
        width=width,
        height=height,
        degrees=degrees,
        sizes=sizes,
        dts=dts,
        pts=_presented(stbl, dts),
        durations=durations,
        sync=sync,
        offsets=_offsets(chunks, sizes),
        entry_of=np.repeat(chunks.entries, chunks.counts),
        chunks=np.cumsum(chunks.counts) - chunks.counts,
    )


def _layout(tkhd: Node) -> tuple[int, int, int]:
    """Width, height and degrees of the pictures, ISO/IEC 14496-12 §8.3.2."""
    matrix = 52 if tkhd.version() == 1 else 40
    *numbers, width, height = tkhd.read(">9i2I", matrix)
    degrees = degrees_of(numbers)
    if degrees is None:
        raise tkhd.error("does more to its pictures than to turn them")
    return width >> 16, height >> 16, degrees


def _delay(trak: Node, movie_timescale: int, timescale: int) -> int:
    """How late the media begins, in its own ticks, ISO/IEC 14496-12 §8.6.6."""
    elst = reading.edit_list(trak)
    edits = list(reading.edits(elst)) if elst else []
    delay = edits.pop(0)[0] if edits and edits[0][1] < 0 else 0
    if elst and [media_time for _, media_time in edits] != [0]:
        raise elst.error("does more than to let the media begin late")
    ticks = round(Fraction(delay * timescale, movie_timescale))
    if ticks >= IMPLAUSIBLE // 2:
        raise trak.error("begins later than any file")
    return ticks


def _presented(stbl: Node, dts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Presentation times, ISO/IEC 14496-12 §8.6.1.3."""
    ctts = stbl.find(b"ctts")
    return dts if ctts is None else dts + np.repeat(*reversed(reading.runs(ctts, ">i4", len(dts))))


def _sync(stbl: Node, samples: int) -> NDArray[np.bool_]:
    numbers = reading.sync_numbers(stbl, samples)
    sync = np.full(samples, numbers is None)
    if numbers is not None:
        sync[numbers - 1] = True
    return sync


def _offsets(chunks: reading.Chunks, sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each sample begins: after those before it in its chunk."""
    before = np.cumsum(sizes) - sizes
    firsts = np.cumsum(chunks.counts) - chunks.counts
    offsets: NDArray[np.int64] = before + np.repeat(chunks.offsets - before[firsts], chunks.counts)
    return offsets

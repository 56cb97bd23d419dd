"""Progressive MP4 in one pass: media bytes go out as they come, the head that stands before them is made last.

The file is `finish()` followed by all bytes that `put` received, in that order; or by those of samples that were only
announced (`Track.announce`), so that the head is there before any media. Only tables are kept: 13 bytes a
sample and 16 a chunk. Every track keeps its true place on the common timeline: composition times count from the
first picture or sound of the track (signed offsets, no shifted media time), and a late start is one empty edit, the
only edit that players agree on.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from media.mp4 import boxes
from media.mp4.boxes import MOVIE_TIMESCALE, UINT32_MAX, Edit, Mp4Error, Parts
from media.samples import Buffer, SampleBatch, Samples, TrackType

_INT32_MAX = UINT32_MAX >> 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Laid:
    """One finished track: all of it but what depends on the other tracks and on the size of the head."""

    track_type: TrackType
    timescale: int
    entries: tuple[bytes, ...]
    size: tuple[int, int]
    degrees: int
    start: Fraction
    """Of the first presentation, in seconds of the common timeline."""
    duration: int
    """Sum of the decode deltas, in media ticks."""
    shown: int
    """End of the last presentation counted from the first, in media ticks; at least `duration`."""
    timing: Parts
    packing: Parts
    offsets: NDArray[np.uint64]
    """Of each chunk, from the first media byte."""


class Mp4Writer:
    """Writes one progressive MP4; `put` receives the media bytes in order and may keep no reference to them."""

    def __init__(self, put: Callable[[Buffer], object]) -> None:
        """Send media bytes to `put`, which must have taken them when it returns."""
        self._put = put
        self._tracks: list[Track] = []
        self._media_bytes = 0
        self._finished = False

    @property
    def media_bytes(self) -> int:
        """Bytes given to `put`, or announced, so far."""
        return self._media_bytes

    def add_track(self, track_type: TrackType, *, timescale: int) -> "Track":
        """Add a track whose stamps are in ticks of `timescale` a second; at any time before `finish`."""
        self._refuse_if_finished()
        if not 0 < timescale <= UINT32_MAX:
            raise Mp4Error(f"a timescale of {timescale} does not fit")
        track = Track(self, track_type, timescale)
        self._tracks.append(track)
        return track

    def interleave(self, batches: "Iterable[Batch]") -> None:
        """Append batches of several tracks, each with its sample entry, as chunks of a second in decode order."""
        chunks = [chunk for track, batch, entry in batches for chunk in track._chunks(batch, entry)]  # noqa: SLF001
        for chunk in sorted(chunks, key=attrgetter("begin")):
            chunk.track._place(self._append(chunk.data), chunk.samples, chunk.entry)  # noqa: SLF001

    def finish(self, zero: Fraction | None = None) -> bytes:
        """End the file and give what stands before the media bytes: ftyp, moov and the mdat header.

        `zero`, in seconds of the common timeline, becomes time 0 of the file: where the first track begins, or earlier.
        Tracks without samples are left out; raises `Mp4Error` when no sample is left at all.
        """
        self._refuse_if_finished()
        self._finished = True
        laid = [track._lay() for track in self._tracks if track.samples]  # noqa: SLF001
        if not laid:
            raise Mp4Error("no track has a sample")
        begin = min(track.start for track in laid)
        if zero is not None and zero > begin:
            raise Mp4Error(f"the first sample is shown {float(zero - begin)} s before time 0")
        return _head(laid, begin if zero is None else zero, self._media_bytes)

    def _append(self, data: Buffer) -> int:
        """Pass a chunk on and say where it lies, from the first media byte."""
        self._refuse_if_finished()
        offset = self._media_bytes
        self._put(data)
        self._media_bytes += len(data)
        return offset

    def _expect(self, end: int) -> None:
        """Media bytes are announced up to there."""
        self._refuse_if_finished()
        self._media_bytes = max(self._media_bytes, end)

    def _refuse_if_finished(self) -> None:
        if self._finished:
            raise Mp4Error("the file is finished already")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """Chunks of one track, one element each: where it begins, from the first media byte; its samples; their entry."""

    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    entries: NDArray[np.int64]


class _Chunk(NamedTuple):
    """Consecutive samples of one track on their way into the file; `begin` is seconds of decode time."""

    begin: float
    track: "Track"
    data: memoryview
    samples: int
    entry: int


class Track:
    """One track of a file being written; made by `Mp4Writer.add_track`."""

    def __init__(self, writer: Mp4Writer, track_type: TrackType, timescale: int) -> None:
        """Start with no entry and no sample."""
        self._writer = writer
        self._type: TrackType = track_type
        self._timescale = timescale
        self._entries: list[bytes] = []
        self._size = (0, 0)
        self._degrees = 0
        self._first_dts = 0
        self._last_dts: int | None = None
        self._last_duration = 0
        # Per sample: bytes, ticks since the sample before, pts - dts, whether it is a sync sample.
        self._sizes = array("I")
        self._deltas = array("I")
        self._shifts = array("i")
        self._sync = array("B")
        # Per chunk: place from the first media byte, samples, sample entry.
        self._offsets = array("Q")
        self._counts = array("I")
        self._entry_of = array("I")

    @property
    def samples(self) -> int:
        """Samples written."""
        return len(self._sizes)

    def add_entry(self, stsd_entry_box: bytes, width: int = 0, height: int = 0) -> int:
        """Add a sample entry box and give its number, from 1; an equal entry keeps the number that it has."""
        if len(stsd_entry_box) < 16 or int.from_bytes(stsd_entry_box[:4]) != len(stsd_entry_box):
            raise Mp4Error(f"a sample entry of {len(stsd_entry_box)} bytes is not one whole box")
        if stsd_entry_box not in self._entries:
            self._entries.append(stsd_entry_box)
            self._size = max(self._size, (width, height), key=lambda size: size[0] * size[1])
        return self._entries.index(stsd_entry_box) + 1

    def turn(self, degrees: int) -> None:
        """Have players turn all pictures anticlockwise by 0, 90, 180 or 270 degrees."""
        self._degrees = degrees

    def write(self, batch: SampleBatch, entry: int) -> None:
        """Append the batch as one chunk that uses that sample entry; an empty batch writes nothing.

        Raises `Mp4Error` for a batch that contradicts itself or what was written before.
        """
        self._check_entry(entry)
        _check_bytes(batch)
        self._enter(batch)
        if len(batch):
            self._place(self._writer._append(batch.data), len(batch), entry)  # noqa: SLF001

    def announce(self, samples: Samples, chunks: "Chunks") -> None:
        """Append samples whose bytes somebody else puts after the head, as these chunks.

        Raises `Mp4Error` for samples that contradict themselves, their chunks, or what was written before.
        """
        counts = chunks.counts
        if not len(counts) or int(counts.min()) < 1 or int(counts.sum()) != len(samples):
            raise Mp4Error(f"chunks of {int(counts.sum())} samples were announced for {len(samples)} samples")
        self._check_entry(int(chunks.entries.min()))
        self._check_entry(int(chunks.entries.max()))
        _check_columns(samples)
        self._enter(samples)
        begins = np.cumsum(counts) - counts
        self._writer._expect(int((chunks.offsets + np.add.reduceat(samples.sizes, begins)).max()))  # noqa: SLF001
        self._offsets.frombytes(chunks.offsets.astype(np.uint64).tobytes())
        self._counts.frombytes(counts.astype(np.uint32).tobytes())
        self._entry_of.frombytes(chunks.entries.astype(np.uint32).tobytes())

    def _chunks(self, batch: SampleBatch, entry: int) -> list["_Chunk"]:
        """Enter the samples into the tables, and give their bytes, cut at whole seconds, without a place yet."""
        self._check_entry(entry)
        _check_bytes(batch)
        self._enter(batch)
        if not len(batch):
            return []
        seconds = batch.dts // self._timescale
        bounds = [0, *(np.flatnonzero(seconds[1:] != seconds[:-1]) + 1).tolist(), len(batch)]
        ends = np.concatenate(([0], np.cumsum(batch.sizes)))[bounds].tolist()
        begins = (batch.dts[bounds[:-1]] / self._timescale).tolist()
        data = memoryview(batch.data)
        return [
            _Chunk(begin, self, data[ends[n] : ends[n + 1]], bounds[n + 1] - bounds[n], entry)
            for n, begin in enumerate(begins)
        ]

    def _check_entry(self, entry: int) -> None:
        if not 1 <= entry <= len(self._entries):
            raise Mp4Error(f"sample entry {entry} was never added")

    def _enter(self, batch: Samples) -> None:
        if not len(batch):
            return
        before = int(batch.dts[0]) if self._last_dts is None else self._last_dts
        deltas = np.diff(batch.dts, prepend=before)
        shifts = batch.pts - batch.dts
        self._check_stamps(batch, deltas, shifts)
        if not self.samples:
            self._first_dts = int(batch.dts[0])
        self._last_dts = int(batch.dts[-1])
        self._last_duration = batch.last_duration
        self._sizes.frombytes(batch.sizes.astype(np.uint32).tobytes())
        self._deltas.frombytes(deltas.astype(np.uint32).tobytes())
        self._shifts.frombytes(shifts.astype(np.int32).tobytes())
        self._sync.frombytes(batch.sync.tobytes())

    def _place(self, offset: int, samples: int, entry: int) -> None:
        self._offsets.append(offset)
        self._counts.append(samples)
        self._entry_of.append(entry)

    def _check_stamps(self, batch: Samples, deltas: NDArray[np.int64], shifts: NDArray[np.int64]) -> None:
        rising = deltas if self._last_dts is not None else deltas[1:]
        if rising.size and not 0 < int(rising.min()) <= int(rising.max()) <= UINT32_MAX:
            place = int(np.flatnonzero((rising <= 0) | (rising > UINT32_MAX))[0])
            raise Mp4Error(
                f"dts must rise, by less than 2^32 ticks: it moves by {int(rising[place])} at dts {self._last_dts}"
            )
        if int(np.abs(shifts).max()) > _INT32_MAX:
            raise Mp4Error(f"pts and dts lie {int(np.abs(shifts).max())} ticks apart")
        if not 0 <= batch.last_duration <= UINT32_MAX:
            raise Mp4Error(f"a last duration of {batch.last_duration} ticks does not fit")

    def _lay(self) -> _Laid:
        """Turn the columns into tables; the track takes no more samples."""
        deltas = np.frombuffer(self._deltas, np.uint32)
        shifts = np.frombuffer(self._shifts, np.int32)
        composition = np.cumsum(deltas, dtype=np.int64)
        composition -= int(deltas[0])
        duration = int(composition[-1]) + self._last_duration
        composition += shifts
        first, last = int(composition.min()), int(composition.max())
        del composition
        shown = max(last - first + self._last_duration, duration)
        return _Laid(
            track_type=self._type,
            timescale=self._timescale,
            entries=tuple(self._entries),
            size=self._size,
            degrees=self._degrees,
            start=Fraction(self._first_dts + first, self._timescale),
            duration=duration,
            shown=shown,
            timing=self._timing(np.append(deltas[1:], np.uint32(self._last_duration)), shifts, first, shown),
            packing=self._packing(),
            offsets=np.frombuffer(self._offsets, np.uint64),
        )

    def _timing(self, deltas: NDArray[np.uint32], shifts: NDArray[np.int32], first: int, shown: int) -> Parts:
        """Decode times, composition offsets so that the first presentation is at 0, and sync samples."""
        parts = boxes.stts(deltas)
        least, greatest = int(shifts.min()) - first, int(shifts.max()) - first
        if not -_INT32_MAX <= least <= greatest <= _INT32_MAX:
            raise Mp4Error(f"composition offsets from {least} to {greatest} ticks do not fit")
        if least or greatest:
            parts += boxes.ctts(shifts - np.int32(first))
        if least < 0:
            parts += boxes.cslg(least=least, greatest=greatest, end=shown)
        sync = np.frombuffer(self._sync, np.bool_)
        return parts if sync.all() else parts + boxes.stss(sync)

    def _packing(self) -> Parts:
        counts, entries = np.frombuffer(self._counts, np.uint32), np.frombuffer(self._entry_of, np.uint32)
        return boxes.stsc(counts, entries) + boxes.stsz(np.frombuffer(self._sizes, np.uint32))


Batch = tuple[Track, SampleBatch, int]
"""A batch, the track it goes into, and its sample entry there."""


def _check_columns(samples: Samples) -> None:
    lengths = {len(column) for column in (samples.sizes, samples.dts, samples.pts, samples.sync)}
    if len(lengths) > 1:
        raise Mp4Error(f"the columns of a batch differ in length: {sorted(lengths)}")
    if len(samples) and not 0 <= int(samples.sizes.min()) <= int(samples.sizes.max()) <= UINT32_MAX:
        raise Mp4Error(f"sample sizes from {samples.sizes.min()} to {samples.sizes.max()} bytes do not fit")


def _check_bytes(batch: SampleBatch) -> None:
    _check_columns(batch)
    if int(batch.sizes.sum()) != len(batch.data):
        raise Mp4Error(f"samples of {batch.sizes.sum()} bytes came with {len(batch.data)} bytes of data")


def _head(laid: Sequence[_Laid], zero: Fraction, media_bytes: int) -> bytes:
    """Ftyp, moov and the mdat header; the chunk offsets count from the start of the file."""
    file_type, media_data = boxes.ftyp(_brands(laid)), boxes.mdat_header(media_bytes)

    def build(base: int, *, wide: bool) -> Parts:
        return file_type + _moov(laid, zero, base, wide=wide) + media_data

    size = boxes.size_of(build(0, wide=False))
    wide = size + max(int(track.offsets.max()) for track in laid) > UINT32_MAX
    if wide:
        size = boxes.size_of(build(0, wide=True))
    return b"".join(build(size, wide=wide))


def _brands(laid: Sequence[_Laid]) -> list[bytes]:
    """Iso4 allows signed composition offsets; the codec brands are hints that some players ask for."""
    codecs = {entry[4:8] for track in laid for entry in track.entries}
    return [b"isom", b"iso4", *sorted(codecs & {b"avc1", b"hvc1"}), b"mp41"]


def _moov(laid: Sequence[_Laid], zero: Fraction, base: int, *, wide: bool) -> Parts:
    """Movie, ISO/IEC 14496-12 §8.2.1."""
    duration = max(_length(track, zero) for track in laid)
    traks = [_trak(track, number, zero, base, wide=wide) for number, track in enumerate(laid, 1)]
    return boxes.box(b"moov", boxes.mvhd(duration=duration, next_track_id=len(laid) + 1), *traks)


def _trak(track: _Laid, number: int, zero: Fraction, base: int, *, wide: bool) -> Parts:
    """Track, ISO/IEC 14496-12 §8.3.1."""
    width, height = track.size
    offsets = boxes.chunk_offsets(track.offsets + np.uint64(base), wide=wide)
    tables = boxes.box(b"stbl", boxes.stsd(track.entries), track.timing, track.packing, offsets)
    return boxes.box(
        b"trak",
        boxes.tkhd(
            track.track_type,
            track_id=number,
            duration=_length(track, zero),
            width=width,
            height=height,
            degrees=track.degrees,
        ),
        _edits(track, zero),
        boxes.box(
            b"mdia",
            boxes.mdhd(timescale=track.timescale, duration=track.duration),
            boxes.hdlr(track.track_type),
            boxes.box(b"minf", boxes.media_header(track.track_type), boxes.dinf(), tables),
        ),
    )


def _edits(track: _Laid, zero: Fraction) -> Parts:
    """One empty edit up to a late start, then the whole media; nothing for a track that starts at zero."""
    delay = _delay(track, zero)
    if not delay:
        return ()
    edits = [Edit(duration=delay, media_time=-1), Edit(duration=_movie_ticks(track), media_time=0)]
    return boxes.box(b"edts", boxes.elst(edits))


def _delay(track: _Laid, zero: Fraction) -> int:
    return round((track.start - zero) * MOVIE_TIMESCALE)


def _movie_ticks(track: _Laid) -> int:
    # Rounded up, so that an edit never cuts the last sample.
    return ceil(Fraction(track.shown, track.timescale) * MOVIE_TIMESCALE)


def _length(track: _Laid, zero: Fraction) -> int:
    return _delay(track, zero) + _movie_ticks(track)

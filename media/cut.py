"""A part of a published MP4 as an MP4 of its own, samples as they are: planned from the index alone. Pure.

It begins with the sync sample that is shown at or before the time that is asked for, never later; where no pictures are
shown then, with the sound at or before it. Everything about the file is known before a media byte is read: its head,
its size, and which bytes of the source follow in which order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from media.mp4.boxes import MOVIE_TIMESCALE
from media.mp4.entries import read_entry
from media.mp4.index import IndexedTrack, Mp4Index
from media.mp4.writer import Chunks, Mp4Writer
from media.samples import Buffer, Samples, TrackType
from media.silence import FRAME_LENGTH, SilenceError, silent_frame

_AAC_LC = "mp4a.40.2"
_ROUNDING = Fraction(1, MOVIE_TIMESCALE)
"""Seconds; times of tracks are told no finer in a file."""

Ints = NDArray[np.int64]


class NothingToCutError(ValueError):
    """No sample lies in the range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """Bytes of the source, from `start` up to but without `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inserted:
    """Bytes that are in no source: coded silence."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTrack:
    """One track of the cut: samples `first` up to but without `end` of the source's track, in decode order, from 0.

    Of these `left_out` are not taken: pictures that lean on one before the cut. `inserted` samples of silence stand
    before them. Presented from `starts_at` to `ends_at`, in seconds of the source.
    """

    type: TrackType
    codec: str
    first: int
    end: int
    left_out: int
    inserted: int
    starts_at: Fraction
    ends_at: Fraction

    @property
    def copied(self) -> int:
        """Samples that are copied."""
        return self.end - self.first - self.left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A file to be: `head`, then the bytes of `pieces` in their order.

    `starts_at` is `start_of` what was asked for; where a `zero` lies before it, sound may begin there already.
    `ends_at` is when the last sample is over. Pictures end at the end that was asked for, rounded up to their tick,
    however long the last one is held in the source, or with the source's own; one that is shown after that end, and
    that others before it lean on, lasts a tick. Sound ends with its last whole access unit. `zero` is what becomes
    time 0 of the file, at or before `starts_at`. All are seconds of the source.
    """

    starts_at: Fraction
    ends_at: Fraction
    zero: Fraction
    head: bytes
    pieces: Sequence[Copied | Inserted]
    tracks: tuple[CutTrack, ...]

    @property
    def media_bytes(self) -> int:
        """Bytes of all pieces."""
        return sum(p.end - p.start if isinstance(p, Copied) else len(p.data) for p in self.pieces)

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return len(self.head) + self.media_bytes


def start_of(index: Mp4Index, begin: Fraction, end: Fraction) -> Fraction:
    """When a cut of this range really begins, in seconds of the source. Raises `NothingToCutError`.

    Only where nothing at all is shown at `begin` is that later than `begin`: the first thing shown in the range.
    """
    tracks = [track for track in (index.track("video"), index.track("audio")) if track] if begin < end else []
    for track in tracks:
        if _first(track) <= begin < _over(track):
            return _latest_sync(track, begin)
    coming = [first for first in map(_first, tracks) if begin <= first < end]
    if not coming:
        raise NothingToCutError(f"nothing is shown from {float(begin):.3f} s to {float(end):.3f} s")
    return min(coming)


def cut(index: Mp4Index, begin: Fraction, end: Fraction, *, zero: Fraction | None = None) -> Cut:
    """The cut from `begin` up to `end`, in seconds of the source; `zero` None is where it really begins.

    Pictures are all that are shown from the true start on and before `end`, with those that they lean on. Sound is cut
    by whole access units: all that begin in that time. Every sample keeps its time.

    With a `zero` (of several people, which need not lie in this source) sound begins there, or less than one access
    unit later: with what was recorded, as far as that reaches back to it, and before that with silence by whole units,
    so that the recorded ones stay where they are. Pictures begin late. Raises `NothingToCutError`, `EntryError` for
    samples of an unknown codec, and `ValueError` for a `zero` after the true start, unless it was only rounded up.
    """
    start = start_of(index, begin, end)
    if zero is not None:
        if zero - start >= _ROUNDING:
            raise ValueError(f"a cut that begins at {float(start)} s cannot have its zero later, at {float(zero)} s")
        zero = min(zero, start)
    taken = [
        _pictures(track, start, end) if track.type == "video" else _sound(track, start, end, zero)
        for track in index.tracks
    ]
    head, pieces = _laid([each for each in taken if each.samples], start if zero is None else zero)
    tracks = tuple(each.told() for each in taken if each.samples)
    return Cut(
        starts_at=start,
        ends_at=max(track.ends_at for track in tracks),
        zero=start if zero is None else zero,
        head=head,
        pieces=pieces,
        tracks=tracks,
    )


def _first(track: IndexedTrack) -> Fraction:
    """When its first sync sample is shown."""
    return Fraction(int(track.pts[track.sync].min()), track.timescale)


def _over(track: IndexedTrack) -> Fraction:
    """When its last sample is over."""
    return Fraction(int(track.pts.max() + track.durations[-1]), track.timescale)


def _latest_sync(track: IndexedTrack, at: Fraction) -> Fraction:
    """When the last sync sample is shown that is so at or before that time."""
    shown = track.pts[track.sync]
    return Fraction(int(shown[shown <= floor(at * track.timescale)].max()), track.timescale)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What a cut takes of one track: these samples of the source (numbers from 0, in order), silence before them.

    `samples` are both, as they will be written; `silence` is the bytes of so many `silent` ones, all alike.
    """

    track: IndexedTrack
    numbers: Ints
    samples: Samples
    silence: bytes = b""
    silent: int = 0

    @property
    def entries(self) -> Ints:
        """The sample entries that are used, from 1, in rising order; silence alone is told by the first one."""
        used: Ints = np.unique(self.track.entry_of[self.numbers])
        return used if len(used) else np.ones(1, np.int64)

    def told(self) -> CutTrack:
        """Of the cut."""
        track, pts, count = self.track, self.samples.pts, len(self.numbers)
        first, last = (int(self.numbers[0]), int(self.numbers[-1])) if count else (0, -1)
        return CutTrack(
            type=track.type,
            codec=read_entry(track.entries[int(self.entries[0]) - 1]).codec,
            first=first,
            end=last + 1,
            left_out=last + 1 - first - count,
            inserted=self.silent,
            starts_at=Fraction(int(pts.min()), track.timescale),
            ends_at=Fraction(int(pts.max()) + self.samples.last_duration, track.timescale),
        )


def _pictures(track: IndexedTrack, start: Fraction, end: Fraction) -> _Taken:
    """From the first sync sample that is shown from `start` on, all that is shown before `end`, and what that needs."""
    pts, until = track.pts, ceil(end * track.timescale)
    begins = np.flatnonzero(track.sync & (pts >= ceil(start * track.timescale)) & (pts < until))
    first = int(begins[0]) if len(begins) else len(pts)
    needed = np.flatnonzero(pts[first:] < until)
    within = np.arange(first, first + int(needed[-1]) + 1 if len(needed) else first)
    numbers = within[pts[within] >= pts[first]] if len(within) else within
    dts = track.dts[numbers]
    if len(numbers) > 1:
        # Decoded just before what follows, not before what is left out: time would be left over at the end.
        dts[0] = track.dts[numbers[1] - 1]
    return _Taken(
        track=track,
        numbers=numbers,
        samples=Samples(
            sizes=track.sizes[numbers],
            dts=dts,
            pts=pts[numbers],
            sync=track.sync[numbers],
            last_duration=_held(track, numbers, until),
        ),
    )


def _held(track: IndexedTrack, numbers: Ints, until: int) -> int:
    """How long the picture that is shown last lasts: until the next one, or `until`; but a tick."""
    if not len(numbers):
        return 0
    last = int(track.pts[numbers].max())
    following = track.pts[track.pts > last]
    over = int(following.min()) if len(following) else last + int(track.durations[-1])
    return max(1, min(over, until) - last)


def _sound(track: IndexedTrack, start: Fraction, end: Fraction, zero: Fraction | None) -> _Taken:
    """Whole access units from `start` on, with a `zero` from there on and with silence before the first one."""
    pts = track.pts
    begin = ceil((start if zero is None else zero) * track.timescale)
    numbers = np.flatnonzero((pts >= begin) & (pts < ceil(end * track.timescale)))
    first = int(pts[numbers[0]]) if len(numbers) else ceil(start * track.timescale)
    unit = b"" if zero is None else _silence(track, numbers)
    # Where nothing was recorded it goes on until the pictures begin.
    silent = (first - begin + (0 if len(numbers) else FRAME_LENGTH - 1)) // FRAME_LENGTH if unit else 0
    at = first if len(numbers) else begin + FRAME_LENGTH * silent
    stamps = np.concatenate((at - FRAME_LENGTH * np.arange(silent, 0, -1), pts[numbers]))
    return _Taken(
        track=track,
        numbers=numbers,
        silence=unit * silent,
        silent=silent,
        samples=Samples(
            sizes=np.concatenate((np.full(silent, len(unit)), track.sizes[numbers])),
            dts=stamps,
            pts=stamps,
            sync=np.ones(len(stamps), np.bool_),
            last_duration=int(track.durations[numbers[-1]]) if len(numbers) else FRAME_LENGTH,
        ),
    )


def _silence(track: IndexedTrack, numbers: Ints) -> bytes:
    """A silent access unit like those of the track; none if its codec has none of `FRAME_LENGTH`."""
    said = read_entry(track.entries[int(track.entry_of[numbers[0]]) - 1 if len(numbers) else 0])
    if (said.codec, said.sample_rate, int(track.durations[0])) != (_AAC_LC, track.timescale, FRAME_LENGTH):
        return b""
    try:
        return silent_frame(said.sample_rate, said.channels)
    except SilenceError:
        return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grouped:
    """The samples of one track by the chunks of the source that they come from, in decode order.

    Of each chunk where its first sample begins, how many bytes and samples are taken of it, and their sample entry; and
    of each stretch of bytes where it begins and ends, and which of these chunks it is of.
    """

    begins: Ints
    lengths: Ints
    counts: Ints
    entries: Ints
    stretches: tuple[Ints, Ints, Ints]


def _grouped(taken: _Taken) -> _Grouped:
    track, numbers = taken.track, taken.numbers
    begins, sizes = track.offsets[numbers], track.sizes[numbers]
    chunk = np.searchsorted(track.chunks, numbers, side="right")
    changes = np.diff(chunk, prepend=-1) > 0
    firsts = np.flatnonzero(changes)
    breaks = np.flatnonzero(changes | (begins != np.concatenate(([-1], begins + sizes))[:-1]))
    lasts = np.append(breaks[1:], len(numbers))[: len(breaks)] - 1
    return _Grouped(
        begins=begins[firsts],
        lengths=np.add.reduceat(sizes, firsts) if len(firsts) else firsts,
        counts=np.diff(firsts, append=len(numbers)),
        entries=track.entry_of[numbers[firsts]],
        stretches=(begins[breaks], begins[lasts] + sizes[lasts], np.cumsum(changes)[breaks] - 1),
    )


def _laid(taken: Sequence[_Taken], zero: Fraction) -> tuple[bytes, Sequence[Copied | Inserted]]:
    """The head of the file, and what follows: silence, then the bytes of the source in their order there."""
    silence = b"".join(each.silence for each in taken)
    groups = [_grouped(each) for each in taken]
    order = np.argsort(np.concatenate([group.begins for group in groups]), kind="stable")
    lengths = np.concatenate([group.lengths for group in groups])[order]
    places, ranks = np.empty_like(order), np.empty_like(order)
    places[order], ranks[order] = len(silence) + np.cumsum(lengths) - lengths, np.arange(len(order))
    borders = np.cumsum([len(group.begins) for group in groups])[:-1]
    writer = Mp4Writer(_nothing_is_written)
    for each, group, offsets in zip(taken, groups, np.split(places, borders), strict=True):
        _announce(writer, each, group, offsets)
    copied = _copied(groups, np.split(ranks, borders))
    return writer.finish(zero), [*([Inserted(data=silence)] if silence else []), *copied]


def _nothing_is_written(data: Buffer) -> None:
    message = f"{len(data)} bytes were written to a file that is only planned"
    raise AssertionError(message)


def _announce(writer: Mp4Writer, taken: _Taken, group: _Grouped, offsets: Ints) -> None:
    """Tell the writer of a track: silence by the second, then the chunks of the source as they are."""
    source, silent = taken.track, taken.silent
    track = writer.add_track(source.type, timescale=source.timescale)
    track.turn(source.degrees)
    numbers = np.zeros(len(source.entries) + 1, np.int64)
    for entry in taken.entries.tolist():
        numbers[entry] = track.add_entry(source.entries[entry - 1], source.width, source.height)
    begins = np.arange(0, silent, max(1, source.timescale // FRAME_LENGTH))
    unit = len(taken.silence) // max(1, silent)
    chunks = Chunks(
        offsets=np.concatenate((begins * unit, offsets)),
        counts=np.concatenate((np.diff(begins, append=silent), group.counts)),
        entries=numbers[np.concatenate((np.full(len(begins), taken.entries[0]), group.entries))],
    )
    track.announce(taken.samples, chunks)


def _copied(groups: Sequence[_Grouped], ranks: Sequence[Ints]) -> Iterator[Copied]:
    """The bytes of all tracks in the order of their chunks, neighbours as one."""
    stretches = [group.stretches for group in groups]
    rank = np.concatenate([own[chunk] for (_, _, chunk), own in zip(stretches, ranks, strict=True)])
    order = np.argsort(rank, kind="stable")
    begins = np.concatenate([begin for begin, _, _ in stretches])[order]
    ends = np.concatenate([end for _, end, _ in stretches])[order]
    breaks = np.flatnonzero(begins[1:] != ends[:-1]) + 1
    firsts, lasts = np.append(0, breaks)[: len(begins)], np.append(breaks, len(begins))[: len(begins)] - 1
    for begin, end in zip(begins[firsts].tolist(), ends[lasts].tolist(), strict=True):
        yield Copied(start=begin, end=end)

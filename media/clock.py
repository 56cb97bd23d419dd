"""Wall clock of segments: when each began, in UTC, and where that knowledge comes from; and the clock of a stream.

A recorder's media clock drifts against the wall clock, names are rounded, and some are wrong. `mapped` draws the line
through the readings of a stream that `catalog.clocks` publishes. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

import numpy as np

from media.timing import TICKS_PER_SECOND
from media.ts.packets import Bools, Ints

_NEIGHBOURS = 2
_WRONG = TICKS_PER_SECOND // 20
"""A reading so far from all around it is wrong, or was taken by another clock for a moment."""
_SET = TICKS_PER_SECOND
"""So far from the line a reading is of a clock that was set, or of none."""
_NOISES = 6
_FINE = 3 * TICKS_PER_SECOND // 200
"""How near the line comes to the readings, unless they jitter by more: pictures are shown for longer."""
_MOST_POINTS = 64
_SHORTEST_FOR_DRIFT = 60 * TICKS_PER_SECOND
_EARLIEST, _LATEST = 2000, 2100


class ClockSource(StrEnum):
    """Where a wall-clock time comes from, the most trustworthy first."""

    SLICE_NAME = "slice_name"
    VENDOR_TAG = "vendor_tag"
    PROGRAM_DATE_TIME = "program_date_time"
    VENDOR_EVENT = "vendor_event"
    FILE_NAME = "file_name"
    OBJECT_TIME = "object_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class WallClock:
    """The UTC time at which a segment's first sample was recorded."""

    at: datetime
    source: ClockSource

    @property
    def is_exact(self) -> bool:
        """Whether holes may be measured by it; the time at which an object was written is too coarse for that."""
        return self.source is not ClockSource.OBJECT_TIME

    @property
    def right_within(self) -> timedelta:
        """How far off it may be.

        A file's name and what the vendor's message said of the same file were 55 ms apart in one sample, and nobody
        says how exact either is. A message tells of the media, and is given twice that; a name may tell of the file.
        """
        match self.source:
            case ClockSource.VENDOR_EVENT:
                return timedelta(milliseconds=110)
            case ClockSource.FILE_NAME | ClockSource.OBJECT_TIME:
                return timedelta(seconds=1)
        return timedelta()


def told_by(source: ClockSource, at: datetime | None) -> WallClock | None:
    """A wall clock; None for a time that no recorder can have seen: names and tags may say anything."""
    return WallClock(at=at, source=source) if at and _EARLIEST <= at.year < _LATEST else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """At the tick `media` of the output it was `wall` (ticks of UTC); in one `run` the recorder's clock ran on."""

    media: int
    wall: int
    run: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """How ticks of an output map to the wall clock: straight between `points`, which ascend in both times.

    `drift_ppm` is how much faster the media clock runs, measured over the longest run. `wrong` are the readings that
    were not believed.
    """

    points: tuple[Reading, ...]
    drift_ppm: float
    wrong: tuple[Reading, ...]


def mapped(readings: Sequence[Reading]) -> Mapping:
    """The line through the readings of a stream, none of which is far from it."""
    ordered = sorted(readings, key=lambda reading: (reading.media, reading.wall))
    media = np.array([reading.media for reading in ordered], np.int64)
    ahead = np.array([reading.wall for reading in ordered], np.int64) - media
    wrong = _wrong(ahead)
    believed = [reading for reading, is_wrong in zip(ordered, wrong.tolist(), strict=True) if not is_wrong]
    points = _ascending([believed[at] for at in _line(media[~wrong], ahead[~wrong])])
    return Mapping(
        points=tuple(points),
        drift_ppm=_drift(believed),
        wrong=tuple(
            reading
            for reading, is_wrong in zip(ordered, wrong.tolist(), strict=True)
            if is_wrong or _is_far(reading, points)
        ),
    )


def _is_far(reading: Reading, points: Sequence[Reading]) -> bool:
    """Whether a reading lies far from the line: where a clock is set back, only one side of that can be believed."""
    line = np.interp(reading.media, [p.media for p in points], [p.wall - p.media for p in points])
    return bool(abs(reading.wall - reading.media - line) > _SET)


def _wrong(ahead: Ints) -> Bools:
    """Readings that lie far from those on either side, which agree: a clock that was set stays where it is."""
    wrong = np.zeros(len(ahead), bool)
    if not len(ahead):
        return wrong
    if len(ahead) <= 2 * _NEIGHBOURS:
        off = np.abs(ahead - np.median(ahead)) > _SET
        return np.asarray(off if 2 * off.sum() < len(ahead) else wrong, bool)
    around = np.lib.stride_tricks.sliding_window_view(ahead, 2 * _NEIGHBOURS + 1)
    middle = np.median(around, axis=1)
    medians = np.concatenate((np.full(_NEIGHBOURS, middle[0]), middle, np.full(_NEIGHBOURS, middle[-1])))
    off = np.abs(ahead - medians)
    return np.asarray(off > max(_WRONG, _NOISES * float(np.median(off))), bool)


def _line(media: Ints, ahead: Ints) -> list[int]:
    """The fewest readings, by places, between which straight lines pass all others closely (Douglas and Peucker)."""
    if not len(media):
        return []
    jitter = float(np.median(np.abs(np.diff(ahead, 2)))) if len(ahead) > 2 else 0.0
    within = max(_FINE, _NOISES // 2 * jitter)
    while len(kept := _bends(media, ahead, within)) > _MOST_POINTS:
        within *= 2
    return kept


def _bends(media: Ints, ahead: Ints, within: float) -> list[int]:
    kept, open_ones = {0, len(media) - 1}, [(0, len(media) - 1)]
    while open_ones:
        begin, end = open_ones.pop()
        if end - begin < 2 or len(kept) > _MOST_POINTS:
            continue
        inside = slice(begin + 1, end)
        straight = np.interp(media[inside], media[[begin, end]], ahead[[begin, end]])
        off = np.abs(ahead[inside] - straight)
        if off.max() > within:
            bend = begin + 1 + int(off.argmax())
            kept.add(bend)
            open_ones += [(begin, bend), (bend, end)]
    return sorted(kept)


def _ascending(points: Sequence[Reading]) -> list[Reading]:
    """Without those that would have time stand still or go back."""
    kept: list[Reading] = []
    for point in points:
        if not kept or (point.media > kept[-1].media and point.wall > kept[-1].wall):
            kept.append(point)
    return kept


def _drift(believed: Sequence[Reading]) -> float:
    """The slope through the longest run, in parts per million; 0 where none is long enough to tell."""
    runs: dict[int, list[Reading]] = {}
    for reading in believed:
        runs.setdefault(reading.run, []).append(reading)
    longest = max(runs.values(), key=lambda run: run[-1].media - run[0].media, default=[])
    if len(longest) < 2 or longest[-1].media - longest[0].media < _SHORTEST_FOR_DRIFT:
        return 0.0
    wall = np.array([reading.wall - longest[0].wall for reading in longest], float)
    if not all(later.wall > earlier.wall for earlier, later in pairwise(longest)):
        return 0.0
    media = np.array([reading.media - longest[0].media for reading in longest], float)
    return round(float(np.polyfit(wall, media, 1)[0] - 1) * 1e6, 1)

"""The clock of a stream: how time in its output maps to the wall clock and back, exact to the microsecond."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from catalog.wire import Decimal6, MediaTime, UtcTime
from media.clock import ClockSource

_MICROSECOND: Final = timedelta(microseconds=1)
_PARTS: Final = 1_000_000_000_000
"""Parts in which slopes are counted: millionths of a part per million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockAnchor:
    """A point at which both times are known: `media_s` in the output was `utc` on the wall clock."""

    media_s: MediaTime
    utc: UtcTime


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamClock:
    """How output time maps to the wall clock; `source` is None where nothing is known.

    Both times of the anchors ascend. Between two anchors the mapping is straight; before the first and after the last
    the media clock runs faster than the wall clock by `drift_ppm` parts per million. `disbelieved` are readings that
    lie far from those around them, the first ones of each stream.
    """

    source: ClockSource | None
    anchors: tuple[ClockAnchor, ...]
    drift_ppm: Decimal6
    disbelieved: tuple[ClockAnchor, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether it tells the wall clock; when an object was written is too coarse for that."""
        return bool(self.anchors) and self.source not in {None, ClockSource.OBJECT_TIME}

    def utc_at(self, media_s: float) -> datetime | None:
        """The wall clock of a time in the output, to the microsecond; None where it is not known."""
        if not self.is_known:
            return None
        base, media, wall = self._line(bisect_right(self.anchors, media_s, key=lambda anchor: anchor.media_s))
        return base.utc + _MICROSECOND * _rounded((_microseconds(media_s) - _microseconds(base.media_s)) * wall, media)

    def media_at(self, utc: datetime) -> float | None:
        """The time in the output at a wall clock, in seconds to the microsecond: the inverse of `utc_at`."""
        if not self.is_known:
            return None
        base, media, wall = self._line(bisect_right(self.anchors, utc, key=lambda anchor: anchor.utc))
        after = _rounded((utc - base.utc) // _MICROSECOND * media, wall)
        return (_microseconds(base.media_s) + after) / 1_000_000

    def _line(self, place: int) -> tuple[ClockAnchor, int, int]:
        """The line that holds between the anchors before and at `place`: a point of it, and its slope as two times."""
        if 0 < place < len(self.anchors):
            before, after = self.anchors[place - 1 : place + 1]
            media = _microseconds(after.media_s) - _microseconds(before.media_s)
            wall = (after.utc - before.utc) // _MICROSECOND
            if media > 0 and wall > 0:
                return before, media, wall
        return self.anchors[max(place - 1, 0)], max(1, _PARTS + round(self.drift_ppm * 1_000_000)), _PARTS


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _rounded(product: int, divisor: int) -> int:
    """The quotient of whole numbers, rounded to the nearest: floats would lose microseconds in a day."""
    return (2 * product + divisor) // (2 * divisor)

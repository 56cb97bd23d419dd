"""Wall clock of segments: when each began, in UTC, and where that knowledge comes from."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


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
        """How far off it may be: a file's name was 55 ms off in one sample, and nobody says how exact it is."""
        return timedelta(seconds=1) if self.source is ClockSource.FILE_NAME else timedelta()

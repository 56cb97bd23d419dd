"""Times as people and schedules write them: a moment, or how long ago that is."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

HOW_TO_WRITE: Final = "write a time as 2026-05-03T14:00Z or 2026-05-03, or how long ago as 24h or 7d"

_AGO: Final = re.compile(r"([0-9]{1,6})([mhd])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_YEARS: Final = range(1970, 9999)


def read_moment(text: str) -> datetime:
    """A time in UTC: ISO 8601, in UTC unless it has a zone; a date is its midnight; `24h` or `7d` is that long ago.

    Raises ValueError that says how to write it.
    """
    with suppress(ValueError, OverflowError):
        ago = _AGO.fullmatch(text)
        at = datetime.now(UTC) - int(ago[1]) * _UNITS[ago[2]] if ago else datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        if at.year in _YEARS:
            return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)
    raise ValueError(HOW_TO_WRITE)

"""Times as people and schedules write them: a moment, how long ago that is, or how far into a recording."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

HOW_TO_WRITE: Final = "write a time as 2026-05-03T14:00Z or 2026-05-03, or how long ago as 24h or 7d"

HOW_TO_WRITE_RANGES: Final = (
    "write a time as 2026-05-03T14:05:03.250Z, or how far into the recording as 4:52, 1:02:03.5 or 292.5; "
    "the end also as +2m37s, for so long after the start"
)

_OFFSET: Final = re.compile(r"(?:(?:([0-9]{1,4}):)?([0-9]{1,4}):)?([0-9]{1,7}(?:\.[0-9]{1,3})?)")
_LENGTH: Final = re.compile(r"(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,7}(?:\.[0-9]{1,3})?)s)?")
_SIXTY: Final = 60
_DIGITS: Final = 2
_MILLISECOND: Final = timedelta(milliseconds=1)
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


def read_range(begin: str, end: str) -> tuple[datetime, datetime] | tuple[timedelta, timedelta]:
    """A range of two moments in UTC, or of two offsets from the beginning of a recording, to the millisecond.

    Raises ValueError that says how to write it.
    """
    since, until = _read_place(begin), None
    with suppress(OverflowError):
        until = since + _read_length(end[1:]) if end.startswith("+") else _read_place(end)
    if isinstance(since, datetime) and isinstance(until, datetime) and since < until:
        return since, until
    if isinstance(since, timedelta) and isinstance(until, timedelta) and since < until:
        return since, until
    if type(since) is not type(until):
        raise ValueError(f"{begin} and {end} are not alike: write two times, or two offsets")
    raise ValueError(f"{end} is not after {begin}: write the earlier one first")


def offset_text(offset: timedelta) -> str:
    """`0:04:52.250`: an offset as `read_range` reads it, rounded to the millisecond."""
    ms = round(offset / _MILLISECOND)
    sign, ms = "-" if ms < 0 else "", abs(ms)
    return f"{sign}{ms // 3_600_000}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def _read_place(text: str) -> datetime | timedelta:
    if found := _OFFSET.fullmatch(text):
        return _clock_like(found)
    if not _AGO.fullmatch(text):
        with suppress(ValueError):
            return read_moment(text)
    raise ValueError(f"{text!r} is no time: {HOW_TO_WRITE_RANGES}")


def _read_length(text: str) -> timedelta:
    if found := _OFFSET.fullmatch(text):
        return _clock_like(found)
    found = _LENGTH.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"+{text!r} is no length: {HOW_TO_WRITE_RANGES}")
    hours, minutes, seconds = found.groups("0")
    return timedelta(hours=int(hours), minutes=int(minutes)) + _seconds(seconds)


def _clock_like(found: re.Match[str]) -> timedelta:
    """`1:02:03.5`: what stands behind a colon is below 60."""
    hours, minutes, seconds = found.groups("0")
    whole, _, _ = seconds.partition(".")
    if (found[1] and int(minutes) >= _SIXTY) or (found[2] and (int(whole) >= _SIXTY or len(whole) != _DIGITS)):
        raise ValueError(f"{found[0]} has more than 59 minutes or seconds: {HOW_TO_WRITE_RANGES}")
    return timedelta(hours=int(hours), minutes=int(minutes)) + _seconds(seconds)


def _seconds(text: str) -> timedelta:
    whole, _, part = text.partition(".")
    return timedelta(seconds=int(whole), milliseconds=int(f"{part:0<3}"))

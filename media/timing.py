"""Conversions between the few units of time that are used: 90 kHz ticks, audio samples, timedeltas, UTC."""

from datetime import UTC, datetime, timedelta

from media.ts.packets import Ints

TICKS_PER_SECOND = 90_000
"""Ticks of the system clock that MPEG-TS stamps count (ISO/IEC 13818-1 §2.4.3.7), and of every timeline here."""

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ticks(duration: timedelta) -> int:
    """A duration in ticks, rounded to the nearest."""
    return (duration // _MICROSECOND * TICKS_PER_SECOND + 500_000) // 1_000_000


def seconds(at: int) -> float:
    """Ticks as seconds, for people and JSON."""
    return round(at / TICKS_PER_SECOND, 6)


def utc_ticks(at: datetime) -> int:
    """A UTC time as ticks since 1970."""
    return ticks(at - _EPOCH)


def from_utc_ticks(at: int) -> datetime:
    """Ticks since 1970 as a UTC time, rounded to the nearest microsecond."""
    return _EPOCH + timedelta(microseconds=(at * 100 + 4) // 9)


def to_samples(at: Ints, rate: int) -> Ints:
    """Ticks as audio samples at `rate`, rounded to the nearest."""
    return (at * rate + TICKS_PER_SECOND // 2) // TICKS_PER_SECOND


def from_samples(position: int, rate: int) -> int:
    """Audio samples at `rate` as ticks, rounded to the nearest."""
    return (position * TICKS_PER_SECOND + rate // 2) // rate

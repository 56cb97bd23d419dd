"""Lost time and time that never was: the two are told apart, always. Times are ticks of the output."""

from dataclasses import dataclass
from typing import Literal

GapTrack = Literal["audio", "video", "both"]

NO_KEYFRAME = "no_keyframe"
"""Cause of a gap in which pictures are there that nobody can decode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Promised time that cannot be delivered, why, and the key of the segment to blame."""

    track: GapTrack
    begin: int
    end: int
    cause: str
    segment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Time in which nothing was recorded, and what shows it."""

    track: GapTrack
    begin: int
    end: int
    evidence: str

"""What is to be assembled: all that is known before any media byte is read. Its digest names the output. Pure."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from media.clock import WallClock
from media.heap import without_cycle_search

Lane = Literal["audio", "video", "both"]
"""Which tracks of a stream a playlist carries: a vendor may list the sound and the pictures of one user apart."""

FAILOVER_MARK = "failover"
"""Mark of every segment that another recorder wrote after the first one had failed."""
TRACK_START = "track_start"
"""Mark of the first segment after a stream started or resumed."""
ROTATE_MARK = "rotate:"
"""How marks begin that say which way up pictures are; `media.rotation` reads them."""
ASSEMBLER_VERSION = 2
"""Raised with every change that makes other bytes of the same plan, so that outputs never share a key."""


class Pictures(StrEnum):
    """What becomes of pictures whose size or rotation changes inside a stream; all others are copied as they are."""

    AS_RECORDED = "as_recorded"
    NORMALISE = "normalise"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSegment:
    """One promised segment, in playlist order.

    `promised` is its EXTINF in ticks; `tagged` says that a discontinuity or a new start was declared before it; `marks`
    are the vendor's own words before it. `absent` is a finding code where there is nothing to fetch, with its `detail`.
    `file` counts the files of a stream; segments of several stand in the order of their wall clock. One that is
    `rebuilt` was named by no playlist, so that nothing is promised of it. `lane` says what its playlist carries.
    """

    number: int
    key: str
    size_bytes: int
    etag: str
    promised: int
    tagged: bool = False
    marks: tuple[str, ...] = ()
    wall: WallClock | None = None
    byte_range: tuple[int, int] | None = None
    absent: str | None = None
    detail: str = ""
    file: int = 0
    rebuilt: bool = False
    lane: Lane = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssemblyPlan:
    """One output before its bytes are read: which segments, in which order, by which rules."""

    stream: str
    segments: tuple[PlannedSegment, ...]
    libav: str
    pictures: Pictures = Pictures.AS_RECORDED

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes that have segments, each once."""
        return tuple(dict.fromkeys(segment.lane for segment in self.segments))

    def carried(self, lane: Lane) -> Lane:
        """The tracks that are taken from a lane: those that it is for, or all where it is the only one."""
        return lane if len(self.lanes) > 1 else "both"

    @property
    @without_cycle_search()
    def digest(self) -> str:
        """SHA-256 (hex) of the plan in canonical JSON: same plan, same key, same bytes."""
        canonical = {
            "assembler": ASSEMBLER_VERSION,
            "libav": self.libav,
            "segments": [
                [s.key, s.size_bytes, s.etag, s.byte_range, s.promised, s.tagged, s.absent, _wall(s), *_beyond(s)]
                for s in self.segments
            ],
            "stream": self.stream,
            **_rotations(self.segments),
            **({"pictures": self.pictures} if self.pictures is not Pictures.AS_RECORDED else {}),
        }
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), check_circular=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _rotations(segments: Iterable[PlannedSegment]) -> dict[str, object]:
    """The marks by which pictures are announced: they decide on a display matrix, and on what belongs."""
    marks = [[s.number, m] for s in segments for m in s.marks if m.startswith(ROTATE_MARK)]
    return {"rotations": marks} if marks else {}


def _wall(segment: PlannedSegment) -> object:
    if segment.wall is None or not segment.wall.is_exact:
        return None
    at, within = segment.wall.at.isoformat(), segment.wall.right_within
    return [at, within.total_seconds()] if within else at


def _beyond(segment: PlannedSegment) -> list[object]:
    """What decides where a segment lies if it is not simply the next one of its lane's only playlist."""
    has_failed_over = FAILOVER_MARK in segment.marks
    if segment.lane != "both":
        return [segment.file, segment.rebuilt, has_failed_over, segment.lane]
    plain = not (segment.file or segment.rebuilt or has_failed_over)
    return [] if plain else [segment.file, segment.rebuilt, has_failed_over]

"""Segments on their way into an output, as values: what arrived of each, and what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass

from media.plan import PlannedSegment
from media.samples import Buffer
from media.timing import utc_ticks
from media.ts.chain import Relation
from media.ts.scan import SegmentScan


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The bytes of one planned segment, or why there are none.

    `pieces` of a `proved` segment are in memory and right; those of a larger one come as they are read, and reading
    on raises if they turn out wrong. `code` is a finding code with its `detail` where the segment cannot be used.
    """

    segment: PlannedSegment
    pieces: Iterable[Buffer] = ()
    size_bytes: int = 0
    digest: int = 0
    proved: bool = True
    code: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentResult:
    """What became of one planned segment; `begin` and `end` are ticks of the output, None if it was left out.

    `promised` is the EXTINF in ticks, or 0 where it speaks of another segment's content. `counts_on`: its continuity
    counters run on from the segment placed before it, so that no packet is missing between them. `skipped` are
    the numbers of segments that are missing or left out between it and the one placed before it. `spared`: not needed,
    because another file has its time, or `too_late` for its place. `overtaken`: its end, whether whole or cut, is
    another file's.
    """

    segment: PlannedSegment
    scan: SegmentScan | None = None
    digest: int = 0
    code: str | None = None
    detail: str = ""
    relation: Relation | None = None
    out_of_order: bool = False
    begin: int | None = None
    end: int | None = None
    promised: int = 0
    cut: bool = False
    counts_on: bool = False
    part: int = 0
    dropped: int = 0
    skipped: tuple[int, ...] = ()
    spared: bool = False
    too_late: bool = False
    overtaken: bool = False


def exact_wall(segment: PlannedSegment) -> int | None:
    """The wall clock of a segment in ticks, if holes may be measured by it."""
    return utc_ticks(segment.wall.at) if segment.wall and segment.wall.is_exact else None

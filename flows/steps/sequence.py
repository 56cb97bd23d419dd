"""From the files of a stream to one sequence of planned segments, in the order of their wall clock. Pure."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import itemgetter

from flows.steps.dating import NOTHING_TOLD, Starts, better, dated_by_objects
from flows.steps.files import ORIGINAL, Entry, StreamFile
from media.clock import WallClock
from media.findings import Finding, finding
from media.plan import FAILOVER_MARK, TRACK_START, Lane, PlannedSegment
from media.timing import TICKS_PER_SECOND, ticks
from storage.base import ObjectMeta
from vendors.base import RecordingObjects, SegmentFacts
from vendors.registry import VENDORS

_AT_LEAST = 0.95
"""How much of its EXTINF a segment without a clock of its own surely lasts: some recorders round up."""
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


_Said = tuple[Entry, SegmentFacts]
"""An entry of a file, and what its vendor says of it."""


def in_sequence(
    files: Sequence[StreamFile],
    recording: RecordingObjects,
    metas: Mapping[str, ObjectMeta],
    starts: Starts = NOTHING_TOLD,
) -> tuple[tuple[PlannedSegment, ...], tuple[Finding, ...]]:
    """All segments, numbered, and what there is to say of those that are listed twice: each object is used once.

    `starts` are those of files that the vendor has told of.
    """
    facts_of = VENDORS[recording.vendor].segment_facts
    seen: set[Hashable] = set()
    doubles: list[Finding] = []
    placed: list[tuple[datetime, int, bool, _Said]] = []
    begun: dict[Lane, datetime] = {}
    for number, file in enumerate(files):
        fresh: list[_Said] = []
        for entry in file.entries:
            if (identity := entry.identity) in seen:
                doubles.append(finding("segment_listed_twice", entry.key, f"{file.index} names it again"))
                continue
            seen.add(identity)
            fresh.append((entry, facts_of(entry.segment, entry.key, first_of=None if fresh else file.index)))
        fresh[:1] = (_dated(first, starts.get(file.index)) for first in fresh[:1])
        since = begun.get(file.lane, _BEFORE_ALL)
        times = list(_times(fresh, since))
        begun[file.lane] = max([since, *times[-1:]])
        placed += [(at, number, said is fresh[0], said) for at, said in zip(times, fresh, strict=True)]
    placed.sort(key=itemgetter(0, 1))
    planned = [_Planner(number, file, metas) for number, file in enumerate(files)]
    segments = [planned[number](place, said, first=first) for place, (_, number, first, said) in enumerate(placed)]
    return dated_by_objects(segments, metas), tuple(doubles)


def _dated(said: _Said, told: WallClock | None) -> _Said:
    """With what the vendor has told of the start of the file, where that is better."""
    entry, facts = said
    return entry, replace(facts, wall_clock=better(facts.wall_clock, told))


class _Planner:
    """Plans the segments of one file; what all of them have in common is asked once."""

    def __init__(self, number: int, file: StreamFile, metas: Mapping[str, ObjectMeta]) -> None:
        self._number = number
        self._lane = file.lane
        self._more = () if file.id.leg == ORIGINAL else (FAILOVER_MARK,)
        self._metas = metas

    def __call__(self, place: int, said: _Said, *, first: bool) -> PlannedSegment:
        entry, facts = said
        segment, meta = entry.segment, self._metas.get(entry.key)
        return PlannedSegment(
            number=place,
            key=entry.key,
            size_bytes=meta.size_bytes if meta else 0,
            etag=meta.etag if meta else "",
            promised=ticks(segment.duration),
            tagged=(segment.discontinuity or TRACK_START in facts.marks) and not first,
            marks=facts.marks + self._more,
            wall=facts.wall_clock,
            byte_range=entry.part,
            absent=entry.absent,
            detail=entry.detail,
            file=self._number,
            rebuilt=entry.rebuilt,
            lane=self._lane,
        )


def _times(listing: Sequence[_Said], since: datetime) -> Iterator[datetime]:
    """When each begins, never before the one listed before it.

    Where that is not said, it begins where the one before it ends, a little early, for the next file must not come
    before what it follows; where nothing is said, with the last one of the files before, at `since`.
    """
    dated = any(facts.wall_clock for _, facts in listing)
    at = _BEFORE_ALL if dated else since
    before: Entry | None = None
    for entry, facts in listing:
        wall = facts.wall_clock
        if wall is not None and wall.is_exact:
            at = max(at, wall.at)
        elif before is not None:
            at += _AT_LEAST * timedelta(seconds=ticks(before.segment.duration) / TICKS_PER_SECOND)
        before = entry
        yield at

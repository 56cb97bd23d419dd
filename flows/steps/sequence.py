"""From the files of a stream to one sequence of planned segments, in the order of their wall clock. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flows.steps.files import ORIGINAL, Entry, StreamFile
from media.findings import Finding, finding
from media.plan import FAILOVER_MARK, PlannedSegment
from media.timing import TICKS_PER_SECOND, ticks
from storage.base import ObjectMeta
from vendors.base import TRACK_START, RecordingObjects
from vendors.registry import VENDORS

_AT_LEAST = 0.95
"""How much of its EXTINF a segment without a clock of its own surely lasts: some recorders round up."""
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


def in_sequence(
    files: Sequence[StreamFile], recording: RecordingObjects, metas: Mapping[str, ObjectMeta]
) -> tuple[tuple[PlannedSegment, ...], tuple[Finding, ...]]:
    """All segments, numbered, and what there is to say of those that are listed twice: each object is used once."""
    seen: set[object] = set()
    doubles: list[Finding] = []
    planned: list[tuple[datetime, int, PlannedSegment]] = []
    for number, file in enumerate(files):
        since = max((at for at, _, before in planned if before.lane == file.lane), default=_BEFORE_ALL)
        fresh: list[PlannedSegment] = []
        for entry in file.entries:
            if entry.identity in seen:
                doubles.append(finding("segment_listed_twice", entry.key, f"{file.index} names it again"))
                continue
            seen.add(entry.identity)
            fresh.append(_planned(entry, file, number, recording, metas, first=not fresh))
        planned += ((at, number, segment) for at, segment in _timed(fresh, since))
    ordered = sorted(planned, key=lambda each: each[:2])
    return tuple(replace(segment, number=at) for at, (*_, segment) in enumerate(ordered)), tuple(doubles)


def _planned(
    entry: Entry,
    file: StreamFile,
    number: int,
    recording: RecordingObjects,
    metas: Mapping[str, ObjectMeta],
    *,
    first: bool,
) -> PlannedSegment:
    facts = VENDORS[recording.vendor].segment_facts(entry.segment, entry.key, first_of=file.index if first else None)
    meta = metas.get(entry.key)
    return PlannedSegment(
        number=0,
        key=entry.key,
        size_bytes=meta.size_bytes if meta else 0,
        etag=meta.etag if meta else "",
        promised=ticks(entry.segment.duration),
        tagged=(entry.segment.discontinuity or TRACK_START in facts.marks) and not first,
        marks=(*facts.marks, FAILOVER_MARK) if file.id.leg != ORIGINAL else facts.marks,
        wall=facts.wall_clock,
        byte_range=entry.part,
        absent=entry.absent,
        detail=entry.detail,
        file=number,
        rebuilt=entry.rebuilt,
        lane=file.lane,
    )


def _timed(segments: Sequence[PlannedSegment], since: datetime) -> Iterator[tuple[datetime, PlannedSegment]]:
    """Each segment with when it begins, never before the one listed before it.

    Where that is not said, it begins where the one before it ends, a little early, for the next file must not come
    before what it follows; where nothing is said, with the last one of the files before, at `since`.
    """
    dated = any(segment.wall for segment in segments)
    at = due = _BEFORE_ALL if dated else since
    for segment in segments:
        at = max(at, segment.wall.at if segment.wall and segment.wall.is_exact else due)
        due = at + _AT_LEAST * timedelta(seconds=segment.promised / TICKS_PER_SECOND)
        yield at, segment

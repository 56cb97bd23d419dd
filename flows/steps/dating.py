"""When files of a stream began by the vendor's messages, and, at the very last, by the times of its objects. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from catalog.events import Presence, PresenceMark, Vouched
from flows.steps.files import StreamFile
from flows.steps.naming import stem
from media.clock import ClockSource, WallClock, told_by
from media.plan import Lane, PlannedSegment
from media.timing import TICKS_PER_SECOND
from storage.base import ObjectMeta
from vendors.base import StreamObjects

Starts = Mapping[str, WallClock]
"""When the first segment of a file was recorded, by the file's index."""
NOTHING_TOLD: Final[Starts] = MappingProxyType({})


def starts_of(files: Sequence[StreamFile], stream: StreamObjects, vouched: Vouched) -> Starts:
    """What the vendor has said of when these files began."""
    said = {stem(file.name): file.started_at for file in vouched.files if file.started_at is not None}
    of_stream = [
        mark
        for mark in vouched.presence
        if mark.presence is Presence.SLICE_START and mark.stream in {stream.user, stream.stream}
    ]
    found = {file.index: said.get(stem(file.index)) or _only_start(file, files, of_stream) for file in files}
    return {index: clock for index, at in found.items() if (clock := told_by(ClockSource.VENDOR_EVENT, at))}


def better(own: WallClock | None, told: WallClock | None) -> WallClock | None:
    """The more trustworthy of what a segment says itself and what was said of its file."""
    known = [clock for clock in (own, told) if clock is not None]
    return min(known, key=lambda clock: list(ClockSource).index(clock.source), default=None)


def dated_by_objects(segments: Sequence[PlannedSegment], metas: Mapping[str, ObjectMeta]) -> tuple[PlannedSegment, ...]:
    """The same; where nobody knows any time of a stream, its first object tells about when it was.

    An object is written after what it holds; an upload may take long, and a copy has the time of the copying.
    """
    if any(segment.wall for segment in segments) or not segments or segments[0].key not in metas:
        return tuple(segments)
    lasts = timedelta(seconds=segments[0].promised / TICKS_PER_SECOND)
    at = metas[segments[0].key].last_modified - lasts
    return (replace(segments[0], wall=WallClock(at=at, source=ClockSource.OBJECT_TIME)), *segments[1:])


def _only_start(file: StreamFile, files: Sequence[StreamFile], marks: Sequence[PresenceMark]) -> datetime | None:
    """A message that a track began names no file: it is believed where there is one of each."""
    starts = {mark.at for mark in marks if _meet(mark.track, file.lane)}
    beside = [other for other in files if _meet(other.lane, file.lane)]
    return starts.pop() if len(starts) == len(beside) == 1 else None


def _meet(one: Lane | None, other: Lane | None) -> bool:
    return one == other or "both" in {one, other} or None in {one, other}

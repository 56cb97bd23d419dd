"""From read names to recordings: what all vendors' grouping has in common."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from vendors.base import (
    MIX,
    ListedObject,
    Mode,
    ObjectKind,
    ObjectName,
    RecordingObjects,
    StreamKind,
    StreamObjects,
    folder,
)

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedObject:
    """A listed object with what its name says."""

    listed: ListedObject
    name: ObjectName


class StreamRef(NamedTuple):
    """Which stream an object belongs to; a tuple, for one is made and looked up for every slice."""

    stream: str
    kind: StreamKind
    user: str | None = None


MIXED_STREAM = StreamRef(stream=MIX, kind="mixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The objects of one vendor task, before they are told apart."""

    vendor: str
    task_id: str
    room: str | None
    mode: Mode
    members: Sequence[NamedObject]


def assemble(task: Task, stream_of: Callable[[ObjectName], StreamRef | None]) -> RecordingObjects:
    """The recording of one task; `stream_of` is None where a name does not say which stream it belongs to.

    Media files are side files wherever there are playlists or slices: the vendor made them from the same feed.
    """
    by_kind: dict[ObjectKind, list[NamedObject]] = defaultdict(list)
    for member in sorted(task.members, key=attrgetter("listed.key")):
        by_kind[member.name.kind].append(member)
    playlists, segments = by_kind.pop(ObjectKind.PLAYLIST, []), by_kind.pop(ObjectKind.SEGMENT, [])
    files = [] if playlists or segments else by_kind.pop(ObjectKind.MEDIA_FILE, [])
    return RecordingObjects(
        vendor=task.vendor,
        task_id=task.task_id,
        room=task.room,
        mode=task.mode,
        folder=common_folder(member.listed.key for member in task.members),
        streams=_streams(playlists, files, segments, stream_of),
        segments=_listed(segments),
        side_files=tuple(sorted((m.listed for kind in by_kind.values() for m in kind), key=lambda listed: listed.key)),
    )


def common_folder(keys: Iterable[str]) -> str:
    """The deepest folder that holds all keys; ends in `/` or is empty."""
    folders = sorted({folder(key) for key in keys})
    shared = 0
    for position, (first, last) in enumerate(zip(folders[0], folders[-1], strict=False), start=1):
        if first != last:
            break
        if first == "/":
            shared = position
    return folders[0][:shared]


def _streams(
    playlists: Sequence[NamedObject],
    files: Sequence[NamedObject],
    segments: Sequence[NamedObject],
    stream_of: Callable[[ObjectName], StreamRef | None],
) -> tuple[StreamObjects, ...]:
    lists: dict[StreamRef, list[NamedObject]] = defaultdict(list)
    media: dict[StreamRef, list[NamedObject]] = defaultdict(list)
    slices: dict[StreamRef | None, list[NamedObject]] = defaultdict(list)
    for name, alike in groupby(segments, key=attrgetter("name")):
        slices[stream_of(name)] += alike
    for member in playlists:
        lists[stream_of(member.name) or MIXED_STREAM].append(member)
    for member in files:
        media[stream_of(member.name) or MIXED_STREAM].append(member)
    seen = {*lists, *media, *(ref for ref in slices if ref)}
    if segments and not seen:
        seen = {MIXED_STREAM}
    if len(seen) == 1:
        slices = defaultdict(list, {ref: list(segments) for ref in seen})
    return tuple(
        StreamObjects(
            stream=ref.stream,
            kind=ref.kind,
            user=ref.user,
            playlists=_listed(sorted(lists[ref], key=_by_leg)),
            media_files=_listed(sorted(media[ref], key=_by_leg)),
            segments=_listed(slices[ref]),
        )
        for ref in sorted(seen, key=lambda ref: ref.stream)
    )


def _by_leg(member: NamedObject) -> tuple[int, tuple[int, int], datetime, int, str]:
    """The original before bak0, bak1 …; within a leg the first upload before transfers, then by time and number."""
    name = member.name
    leg = -1 if name.leg is None else name.leg
    return leg, name.transfer or (-1, -1), name.started_at or _NEVER, name.index or 0, member.listed.key


def _listed(members: Iterable[NamedObject]) -> tuple[ListedObject, ...]:
    return tuple(member.listed for member in members)

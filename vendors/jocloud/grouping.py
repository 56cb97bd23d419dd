"""Jocloud's recordings in a listing: one for each record id."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from vendors.assembly import MIXED_STREAM, NamedObject, StreamRef, Task, assemble
from vendors.base import ListedObject, ObjectKind, ObjectName, RecordingObjects, basename
from vendors.jocloud.names import VENDOR, parse_name


def group(objects: Sequence[ListedObject]) -> Iterator[RecordingObjects]:
    """The recordings of these objects; slices that name no user belong to the recording, not to a stream."""
    tasks: dict[str, list[NamedObject]] = defaultdict(list)
    for listed in objects:
        if name := parse_name(basename(listed.key)):
            tasks[name.task_id].append(NamedObject(listed=listed, name=name))
    for task_id, members in sorted(tasks.items()):
        is_source = any(member.name.user is not None for member in members)
        task = Task(
            vendor=VENDOR,
            task_id=task_id,
            room=_room([member.name for member in members]),
            mode="individual" if is_source else "mixed",
            members=members,
        )
        yield assemble(task, _stream_of)


def _room(names: Sequence[ObjectName]) -> str | None:
    """The room that most playlists name plainly: the shortest, since nothing follows it in a regular name."""
    rooms = {name.room for name in names if name.kind is ObjectKind.PLAYLIST and name.room}
    return min(rooms, key=lambda room: (len(room), room), default=None)


def _stream_of(name: ObjectName) -> StreamRef | None:
    if name.user is not None:
        return StreamRef(stream=name.user, kind="participant", user=name.user)
    return MIXED_STREAM if name.kind is ObjectKind.PLAYLIST else None

"""Agora's recordings in a listing: one for each sid, whatever its case and in whatever folders."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from vendors.agora.names import VENDOR, around_time, at_any_time, parse_name
from vendors.assembly import MIXED_STREAM, NamedObject, StreamRef, Task, assemble
from vendors.base import ListedObject, ObjectKind, ObjectName, RecordingObjects, basename

_ROOM_EVIDENCE = (ObjectKind.SEGMENT, ObjectKind.PLAYLIST, ObjectKind.DASH, ObjectKind.MEDIA_FILE)


def group(objects: Sequence[ListedObject]) -> Iterator[RecordingObjects]:
    """The recordings of these objects."""
    tasks: dict[str, list[NamedObject]] = defaultdict(list)
    for listed, name in _named(objects):
        if name is not None:
            tasks[name.task_id.lower()].append(NamedObject(listed=listed, name=name))
    for _, members in sorted(tasks.items()):
        room = _room([member.name for member in members])
        anchored = [_anchored(member, room) for member in members]
        is_individual = any(member.name.user is not None for member in anchored)
        task = Task(
            vendor=VENDOR,
            task_id=min(member.name.task_id for member in members),
            room=room,
            mode="individual" if is_individual else "mixed",
            members=anchored,
        )
        yield assemble(task, _stream_of)


def _named(objects: Sequence[ListedObject]) -> Iterator[tuple[ListedObject, ObjectName | None]]:
    """Each object with its name; slices that differ in nothing but their time share one, which is read once."""
    alike: dict[tuple[str, str], ObjectName | None] = {}
    for listed in objects:
        base = basename(listed.key)
        head, at, extension = around_time(base)
        if at is None:
            yield listed, parse_name(base)
            continue
        if (head, extension) not in alike:
            alike[head, extension] = parse_name(at_any_time(head, extension))
        yield listed, alike[head, extension]


def _room(names: Sequence[ObjectName]) -> str | None:
    """The channel's name: individual names say it outright, slices nearly; a plain playlist is the shortest."""
    outright = [name.room for name in names if name.user is not None and name.room]
    if outright:
        return min(outright, key=lambda room: (len(room), room))
    for kind in _ROOM_EVIDENCE:
        if likely := [name.room for name in names if name.kind is kind and name.room]:
            return min(likely, key=lambda room: (len(room), room))
    return None


def _anchored(member: NamedObject, room: str | None) -> NamedObject:
    """The object with its name read against the channel's name, where that says more."""
    if member.name.room == room:
        return member
    again = parse_name(basename(member.listed.key), room=room)
    return NamedObject(listed=member.listed, name=again) if again else member


def _stream_of(name: ObjectName) -> StreamRef:
    """A user's sound and pictures are one stream; slices with both, which no playlist of media names, are another."""
    if name.user is None:
        return MIXED_STREAM
    stream = f"{name.user}_av" if name.track == "both" else name.user
    return StreamRef(stream=stream, kind="participant", user=name.user)

"""Recordings of ordinary HLS in a listing: one for each media playlist."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from vendors.assembly import MIXED_STREAM, NamedObject, StreamRef, Task, assemble
from vendors.base import ListedObject, ObjectName, RecordingObjects, basename, folder, kind_of
from vendors.plain.names import VENDOR, parse_name


def group(objects: Sequence[ListedObject]) -> Iterator[RecordingObjects]:
    """The recordings of these objects.

    The task id is the playlist's stem with its folder in front, for every second folder of a bucket holds an
    `index.m3u8`. Media belongs to the only playlist of the nearest folder above it that has any; where there are
    several, to the one whose stem begins its name.
    """
    members: dict[str, list[NamedObject]] = defaultdict(list)
    owners: dict[str, list[str]] = defaultdict(list)
    for listed in objects:
        if name := parse_name(basename(listed.key)):
            task_id = folder(listed.key) + name.task_id
            owners[folder(listed.key)].append(task_id)
            members[task_id].append(NamedObject(listed=listed, name=name))
    for listed in objects:
        media, owner = _media(listed.key), _owner(listed.key, owners)
        if media is not None and owner is not None:
            members[owner].append(NamedObject(listed=listed, name=replace(media, task_id=owner)))
    for task_id, found in sorted(members.items()):
        yield assemble(Task(vendor=VENDOR, task_id=task_id, room=None, mode="mixed", members=found), _stream_of)


def _media(key: str) -> ObjectName | None:
    extension = key.rpartition(".")[2]
    kind = kind_of(extension)
    if kind is None or parse_name(basename(key)):
        return None
    return ObjectName(vendor=VENDOR, task_id="", kind=kind, extension=extension)


def _owner(key: str, owners: dict[str, list[str]]) -> str | None:
    """The task of the nearest folder above; the longest stem wins where several begin the name."""
    place = folder(key)
    while place not in owners:
        if not place:
            return None
        place = folder(place[:-1])
    candidates = owners[place]
    if len(candidates) == 1:
        return candidates[0]
    return max((task_id for task_id in candidates if key.startswith(task_id)), key=len, default=None)


def _stream_of(_name: ObjectName) -> StreamRef:
    return MIXED_STREAM

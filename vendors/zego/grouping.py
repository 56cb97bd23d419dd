"""ZEGOCLOUD's recordings in a listing: one for each task id."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

from vendors.assembly import NamedObject, StreamRef, Task, assemble
from vendors.base import (
    ListedObject,
    Mode,
    ObjectKind,
    ObjectName,
    RecordingObjects,
    StreamKind,
    basename,
    folder,
    kind_of,
)
from vendors.zego.names import TASK_ID_LENGTH, VENDOR, parse_name

_WHITEBOARD = "_whiteboard"


def group(objects: Sequence[ListedObject]) -> Iterator[RecordingObjects]:
    """The recordings of these objects.

    Slices may have any name: what begins with a task id in a folder where that task has a readable name is its own.
    """
    names = {listed.key: name for listed in objects if (name := parse_name(basename(listed.key)))}
    if not names:
        return
    known = {(folder(key), name.task_id) for key, name in names.items()}
    tasks: dict[str, list[NamedObject]] = defaultdict(list)
    for listed in objects:
        if name := names.get(listed.key) or _unnamed(listed.key, known):
            tasks[name.task_id].append(NamedObject(listed=listed, name=name))
    for task_id, members in sorted(tasks.items()):
        mode = _mode(members)
        task = Task(vendor=VENDOR, task_id=task_id, room=None, mode=mode, members=members)
        yield assemble(task, partial(_stream_of, mode=mode))


def _unnamed(key: str, known: set[tuple[str, str]]) -> ObjectName | None:
    name = basename(key)
    task_id = name[:TASK_ID_LENGTH]
    if name[TASK_ID_LENGTH : TASK_ID_LENGTH + 1] != "_" or (folder(key), task_id) not in known:
        return None
    extension = name.rpartition(".")[2]
    kind = kind_of(extension) or ObjectKind.SEGMENT
    if kind is ObjectKind.PLAYLIST:
        kind = ObjectKind.SIDECAR
    return ObjectName(vendor=VENDOR, task_id=task_id, kind=kind, extension=extension)


def _mode(members: Sequence[NamedObject]) -> Mode:
    """A guess until a callback says it: a mixed task has one feed and no whiteboard of its own."""
    middles = {member.name.middle for member in members} - {None}
    is_individual = len(middles) > 1 or any(middle and middle.endswith(_WHITEBOARD) for middle in middles)
    return "individual" if is_individual else "mixed"


def _stream_of(name: ObjectName, *, mode: Mode) -> StreamRef | None:
    """Sound and pictures in separate files (`StreamType` 4) are one stream."""
    if name.middle is None:
        return None
    feed: StreamKind = "mixed" if mode == "mixed" else "participant"
    return StreamRef(stream=name.middle, kind="whiteboard" if name.middle.endswith(_WHITEBOARD) else feed)

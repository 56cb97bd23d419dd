"""Promises: files that a vendor has named so that it may be relied on, and that must then be there. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from catalog.events import Kept, Vouched
from media.findings import Finding, finding
from storage.base import ObjectMeta
from vendors.base import ObjectKind, ObjectName, RecordingObjects, basename
from vendors.registry import VENDORS


def unkept_of(objects: RecordingObjects, vouched: Vouched, metas: Mapping[str, ObjectMeta]) -> tuple[str, ...]:
    """The playlists among the promised files that are not there and may come still, by their base names, sorted.

    Folders are left out, because vendors write names with and without them. One that came by way of the vendor's backup
    has another name (Agora: `_<tick>_<index>`); a whole file is no loss while its slices are there.
    """
    if not vouched.files:
        return ()
    there = {basename(key) for key in metas}
    absent = {basename(file.name) for file in vouched.files if file.kept is not Kept.LOST} - there
    wanted = {name: read for name in absent if (read := _playlist_name(objects, name))}
    if not wanted:
        return ()
    come = {_as_first_named(read) for name in there if (read := _playlist_name(objects, name))}
    return tuple(sorted(name for name, read in wanted.items() if _as_first_named(read) not in come))


def _playlist_name(objects: RecordingObjects, name: str) -> ObjectName | None:
    """What the name of a playlist of this recording says."""
    read = VENDORS[objects.vendor].parse_name(name, room=objects.room)
    is_ours = read is not None and read.task_id.lower() == objects.task_id.lower()
    return read if is_ours and read and read.kind is ObjectKind.PLAYLIST else None


def _as_first_named(read: ObjectName) -> ObjectName:
    return replace(read, task_id=read.task_id.lower(), transfer=None, leg=None)


def broken_promises(unkept: Sequence[str], vouched: Vouched, metas: Mapping[str, ObjectMeta]) -> Iterator[Finding]:
    """What is said of files that were named and are not there."""
    for name in unkept:
        yield finding("file_missing", name, "the vendor says that it was uploaded, and it is not there")
    lost = [file for file in vouched.files if file.kept is Kept.LOST]
    there = {basename(key) for key in metas} if lost else set()
    for file in lost:
        if basename(file.name) not in there:
            yield finding("file_lost", file.name, "the vendor says that it could be stored nowhere")

"""What the names of objects do not tell and the vendor has said: the room, and whose a stream is. Pure.

ZEGOCLOUD's names hold room, user and stream in one text that only its messages tell apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from catalog.events import NamedFile, Vouched
from vendors.base import RecordingObjects, StreamObjects, basename


def told_apart(objects: RecordingObjects, vouched: Vouched) -> RecordingObjects:
    """The same objects, with room and users as the vendor has said them where their names do not.

    Of a mix the vendor names one id for both user and stream; where they differ, each stream was recorded apart.
    """
    files = {stem(file.name): file for file in vouched.files if file.user is not None}
    streams = tuple(_with_user(stream, files) for stream in objects.streams)
    was_mixed = {stream.stream for stream in objects.streams if stream.kind == "mixed"}
    is_apart = any(stream.kind == "participant" for stream in streams if stream.stream in was_mixed)
    return replace(
        objects,
        room=vouched.room if objects.room is None else objects.room,
        mode="individual" if is_apart else objects.mode,
        streams=streams,
    )


def stem(name: str) -> str:
    """What the names of a playlist, of its slices and of a whole file have in common: neither folder nor extension."""
    return basename(name).rpartition(".")[0]


def _with_user(stream: StreamObjects, files: Mapping[str, NamedFile]) -> StreamObjects:
    """A whiteboard is nobody's, though a vendor may write something there; a user that is not clear is none."""
    if stream.user is not None or stream.kind == "whiteboard":
        return stream
    said = list(_said_of(stream, files))
    users = {file.user for file in said}
    is_apart = stream.kind == "participant" or any(file.stream not in {None, file.user} for file in said)
    if len(users) != 1 or not is_apart:
        return stream
    return replace(stream, kind="participant", user=users.pop())


def _said_of(stream: StreamObjects, files: Mapping[str, NamedFile]) -> Iterator[NamedFile]:
    for listed in (*stream.playlists, *stream.media_files):
        if file := files.get(stem(listed.key)):
            yield file

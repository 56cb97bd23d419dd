"""Jocloud's object names, both ways (its cloud recording quick start).

Playlists are `rid_{recordid}_{roomid}.m3u8` and `rid_{recordid}_{roomid}__uid_s_{uid}__uid_e.m3u8`. The names of slices
are not documented: whatever else begins with `rid_{recordid}_` belongs to the recording.
"""

import re
from dataclasses import replace

from vendors.base import ObjectKind, ObjectName, kind_of

VENDOR = "jocloud"

_NAME = re.compile(r"rid_(?P<record>[0-9A-Za-z]+)_(?P<rest>.+?)(?:\.(?P<extension>[^.]+))?", re.DOTALL)
_SOURCE = re.compile(r"(?P<room>.+)__uid_s_(?P<user>.+)__uid_e(?P<tail>.*)", re.DOTALL)
_SOURCE_OF_ROOM = re.compile(r"__uid_s_(?P<user>.+)__uid_e(?P<tail>.*)", re.DOTALL)


def parse_name(basename: str, *, room: str | None = None) -> ObjectName | None:
    """What a base name says; None for a name of somebody else.

    Rooms may hold the fixed words themselves, so the last ones count, unless the room is known and given.
    """
    found = _NAME.fullmatch(basename)
    if found is None:
        return None
    kind = kind_of(found["extension"] or "") or ObjectKind.SEGMENT
    ids = _source(found["rest"], room) or _mixed(found["rest"], room, kind)
    return replace(ids, task_id=found["record"], kind=kind, extension=found["extension"] or "")


def name_starts(task_id: str) -> tuple[str, ...]:
    """What all names of a recording begin with."""
    return (f"rid_{task_id}_",)


def index_name(segment: ObjectName) -> ObjectName | None:
    """The playlist of a user's slice; where the room ends in the name of any other is not known."""
    if segment.user is None:
        return None
    return replace(segment, kind=ObjectKind.PLAYLIST, extension="m3u8", tail="")


def encode_name(name: ObjectName) -> str:
    """The base name that says this. Raises ValueError for what no name of Jocloud's can say."""
    source = "" if name.user is None else f"__uid_s_{name.user}__uid_e"
    extension = f".{name.extension}" if name.extension else ""
    encoded = f"rid_{name.task_id}_{name.room or ''}{name.middle or ''}{source}{name.tail}{extension}"
    if parse_name(encoded, room=name.room) != name:
        raise ValueError(f"Jocloud has no name for {name}: {encoded!r} reads otherwise")
    return encoded


_NOTHING = ObjectName(vendor=VENDOR, task_id="", kind=ObjectKind.SEGMENT, extension="", track="both")


def _source(rest: str, room: str | None) -> ObjectName | None:
    if room is not None and rest.startswith(room):
        found = _SOURCE_OF_ROOM.fullmatch(rest[len(room) :])
        return replace(_NOTHING, room=room, user=found["user"], tail=found["tail"]) if found else None
    found = _SOURCE.fullmatch(rest)
    return replace(_NOTHING, room=found["room"], user=found["user"], tail=found["tail"]) if found else None


def _mixed(rest: str, room: str | None, kind: ObjectKind) -> ObjectName:
    """A mixed playlist names its room; where the room ends in the name of a slice is not known."""
    if kind is not ObjectKind.PLAYLIST:
        return replace(_NOTHING, middle=rest)
    if room is not None and rest.startswith(room):
        return replace(_NOTHING, room=room, tail=rest[len(room) :])
    return replace(_NOTHING, room=rest)

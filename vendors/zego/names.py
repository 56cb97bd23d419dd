"""ZEGOCLOUD's object names, both ways (`OutputFileRule` of the start request).

`TaskId_RoomId_UserId_StreamId_Type_UTC`, or `…_MixOutputStreamId_Type_UTC` when mixed. Rooms and users may hold `_`, so
what stands between task id and type is kept whole; only a callback can tell its parts.
"""

import re
from dataclasses import replace

from vendors.base import UTC_DIGITS, ObjectKind, ObjectName, Track, encode_utc, kind_of, parse_utc

VENDOR = "zego"
TASK_ID_LENGTH = 16
"""A task id is base64 for URLs and may hold `_` itself: it ends by its length."""

_NAME = re.compile(
    rf"(?P<task>[A-Za-z0-9_-]{{{TASK_ID_LENGTH}}})_(?P<middle>.+)_(?P<type>VA|V|A)_(?P<utc>{UTC_DIGITS})"
    r"(?P<tail>.*)\.(?P<extension>[^.]+)",
    re.DOTALL,
)
_TRACKS: dict[str, Track] = {"A": "audio", "V": "video", "VA": "both"}
_TYPES = {track: written for written, track in _TRACKS.items()}


def parse_name(basename: str, *, room: str | None = None) -> ObjectName | None:  # noqa: ARG001
    """What a base name says; None for a name of somebody else."""
    found = _NAME.fullmatch(basename)
    if found is None:
        return None
    kind, started_at = kind_of(found["extension"]), parse_utc(found["utc"])
    if kind is None or started_at is None:
        return None
    return ObjectName(
        vendor=VENDOR,
        task_id=found["task"],
        kind=kind,
        extension=found["extension"],
        track=_TRACKS[found["type"]],
        started_at=started_at,
        middle=found["middle"],
        tail=found["tail"],
    )


def name_starts(task_id: str) -> tuple[str, ...]:
    """Whatever their rule, the names of a task's objects begin with its id."""
    return (f"{task_id}_",)


def index_name(segment: ObjectName) -> ObjectName:
    """The playlist of a slice, whose name is taken to go on where the playlist's ends, as nothing is documented."""
    return replace(segment, kind=ObjectKind.PLAYLIST, extension="m3u8", tail="")


def encode_name(name: ObjectName) -> str:
    """The base name that says this. Raises ValueError for what no name of ZEGOCLOUD's can say."""
    if name.track is None or name.started_at is None:
        raise ValueError(f"a ZEGOCLOUD name needs a track and a start: {name}")
    encoded = (
        f"{name.task_id}_{name.middle}_{_TYPES[name.track]}_{encode_utc(name.started_at)}{name.tail}.{name.extension}"
    )
    if parse_name(encoded) != name:
        raise ValueError(f"ZEGOCLOUD has no name for {name}: {encoded!r} reads otherwise")
    return encoded

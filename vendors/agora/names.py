"""Agora's object names, both ways (`cloud-recording/develop/{manage-files,screen-capture}` of its documents)."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from vendors.base import NUMBER, UTC_DIGITS, ObjectKind, ObjectName, Track, encode_utc, parse_utc

VENDOR = "agora"

_LEG = f"(?:bak(?P<leg>{NUMBER})_)?"
_UTC = rf"_(?P<utc>{UTC_DIGITS})\.(?P<slice_ext>ts|webm|jpg)"
_LIST = rf"(?:_(?P<tick>{NUMBER})_(?P<version>{NUMBER}))?\.(?P<list_ext>m3u8|mpd)"
_FILE = rf"(?P<index>{NUMBER})\.(?P<file_ext>mp4|mp3|m4a|aac)"
_INDIVIDUAL = re.compile(
    rf"{_LEG}(?P<sid>[0-9A-Za-z]+)_(?P<room>.+)__uid_s_(?P<uid>[0-9]+)__uid_e_"
    rf"(?:(?P<type>audio|video|av)(?:{_UTC}|{_LIST})|{_FILE})",
    re.DOTALL,
)
# Nothing but the sid marks a mixed name as Agora's, so it must look like one: 32 hex digits, or the documents' samples.
_MIXED = re.compile(rf"{_LEG}(?P<sid>[0-9A-Fa-f]{{32}}|sid[0-9]+)_(?P<rest>.+)", re.DOTALL)
_SLICE_ROOM = re.compile(rf"(?P<room>.+?)_{UTC_DIGITS}\.(?:ts|webm)", re.DOTALL)
_FILE_ROOM = re.compile(rf"(?P<room>.+)_{NUMBER}\.(?:mp4|mp3|m4a|aac)", re.DOTALL)
_LIST_ROOM = re.compile(r"(?P<room>.+)\.(?:m3u8|mpd)", re.DOTALL)
_MIXED_REST = re.compile(f"(?:{_UTC}|_{_FILE}|{_LIST})")
_ENDING = ("utc", "slice_ext", "list_ext", "file_ext", "index", "tick", "version")
_TIMED = frozenset({"ts", "webm", "jpg"})
_ANY_TIME = "19700101000000000"
_TIME_LENGTH = len(_ANY_TIME)

_TRACKS: dict[str, Track] = {"audio": "audio", "video": "video", "av": "both"}
_TYPES = {track: written for written, track in _TRACKS.items()}


def parse_name(basename: str, *, room: str | None = None) -> ObjectName | None:
    """What a base name says; None for a name of somebody else.

    Mixed names are ambiguous (`_1_2` may end the channel's name or be a transfer). With the channel's name in `room`
    they are read against it; without, only a slice's time and a file's index are taken off.
    """
    found = _read(basename, room)
    return None if found is None else _name(*found)


def started_at(basename: str) -> datetime | None:
    """The time in a slice's or a snapshot's name: of all that `parse_name` says, what is asked again and again."""
    head, at, extension = around_time(basename)
    return at if at and _is_ours(head, extension) else None


def around_time(basename: str) -> tuple[str, datetime | None, str]:
    """A name that ends in a time, as what stands before that, the time and the extension; else no time.

    All names that have the rest in common say the same but when they begin.
    """
    stem, _, extension = basename.rpartition(".")
    at = parse_utc(stem[-_TIME_LENGTH:]) if extension in _TIMED else None
    return stem[:-_TIME_LENGTH], at, extension


def at_any_time(head: str, extension: str) -> str:
    """A name with these around its time."""
    return f"{head}{_ANY_TIME}.{extension}"


@lru_cache(maxsize=256)
def _is_ours(head: str, extension: str) -> bool:
    return _read(at_any_time(head, extension), None) is not None


def name_starts(task_id: str) -> Iterator[str]:
    """`{sid}_`, then that of each leg after a failover."""
    yield f"{task_id}_"
    yield from (f"bak{leg}_{task_id}_" for leg in itertools.count())


def index_name(segment: ObjectName) -> ObjectName:
    """The playlist of a slice: the same name without the slice's own time."""
    kind = _kind("m3u8", segment.user, segment.track)
    return replace(segment, kind=kind, extension="m3u8", started_at=None)


def encode_name(name: ObjectName) -> str:
    """The base name that says this. Raises ValueError for what no name of Agora's can say."""
    leg = "" if name.leg is None else f"bak{name.leg}_"
    if name.user is None:
        encoded = f"{leg}{name.task_id}_{name.room}{_ending(name)}.{name.extension}"
    else:
        written = "" if name.track is None or name.index is not None else f"_{_TYPES[name.track]}"
        encoded = f"{leg}{name.task_id}_{name.room}__uid_s_{name.user}__uid_e{written}{_ending(name)}.{name.extension}"
    if parse_name(encoded, room=name.room) != name:
        raise ValueError(f"Agora has no name for {name}: {encoded!r} reads otherwise")
    return encoded


def _ending(name: ObjectName) -> str:
    if name.started_at is not None:
        return f"_{encode_utc(name.started_at)}"
    if name.index is not None:
        return f"_{name.index}"
    return "" if name.transfer is None else f"_{name.transfer[0]}_{name.transfer[1]}"


def _likely_room(rest: str) -> str | None:
    for pattern in (_SLICE_ROOM, _FILE_ROOM, _LIST_ROOM):
        if found := pattern.fullmatch(rest):
            return found["room"]
    return None


def _read(basename: str, room: str | None) -> tuple[re.Match[str], re.Match[str], str] | None:
    """What was found of the head and of the ending of a name (the same for an individual one), and its room."""
    if room is not None and (found := _mixed(basename, room)):
        return found
    if individual := _INDIVIDUAL.fullmatch(basename):
        return individual, individual, individual["room"]
    return _mixed(basename, None) if room is None else None


def _mixed(basename: str, room: str | None) -> tuple[re.Match[str], re.Match[str], str] | None:
    head = _MIXED.fullmatch(basename)
    anchor = _likely_room(head["rest"]) if head and room is None else room
    if head is None or anchor is None or not head["rest"].startswith(anchor):
        return None
    ending = _MIXED_REST.fullmatch(head["rest"][len(anchor) :])
    return None if ending is None or ending["slice_ext"] == "jpg" else (head, ending, anchor)


def _name(head: re.Match[str], ending: re.Match[str], room: str) -> ObjectName | None:
    leg, sid = head.group("leg", "sid")
    utc, *extensions, index, tick, version = ending.group(*_ENDING)
    at = parse_utc(utc) if utc else None
    if utc and at is None:
        return None
    extension = next(filter(None, extensions))
    user, track = (head["uid"], _TRACKS.get(head["type"])) if head is ending else (None, _TRACKS["av"])
    return ObjectName(
        vendor=VENDOR,
        task_id=sid,
        kind=_kind(extension, user, track),
        extension=extension,
        room=room,
        user=user,
        track=track,
        started_at=at,
        index=_int(index),
        leg=_int(leg),
        transfer=(int(tick), int(version)) if tick else None,
    )


def _kind(extension: str, user: str | None, track: Track | None) -> ObjectKind:
    if extension == "m3u8":
        is_merged = user is not None and track == "both"
        return ObjectKind.MERGED_PLAYLIST if is_merged else ObjectKind.PLAYLIST
    if extension == "mpd":
        return ObjectKind.DASH
    if extension == "jpg":
        return ObjectKind.SNAPSHOT
    return ObjectKind.SEGMENT if extension in {"ts", "webm"} else ObjectKind.MEDIA_FILE


def _int(digits: str | None) -> int | None:
    return None if digits is None else int(digits)

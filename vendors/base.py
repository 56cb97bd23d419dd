"""What the vendors' object names say, in our words, and how the objects of one recording are put together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Protocol

from media.clock import ClockSource, WallClock, told_by
from media.playlist import Segment

Track = Literal["audio", "video", "both"]
Mode = Literal["mixed", "individual", "web"]
StreamKind = Literal["mixed", "participant", "whiteboard"]

MIX = "mix"
"""The stream id of the one stream of a mixed recording."""
NUMBER = "(?:0|[1-9][0-9]*)"
"""A number as vendors write it, so that a name is read and written in one way only."""
UTC_DIGITS = "[0-9]{17}"
"""`yyyyMMddHHmmssSSS` in UTC."""

_MEDIA_FILES = frozenset({"mp4", "aac", "mp3", "m4a", "flv", "ogg"})
_SEGMENTS = frozenset({"ts", "webm", "m4s", "cmfv", "cmfa"})


class ObjectKind(StrEnum):
    """What an object of a recording is, as far as its name tells."""

    PLAYLIST = "playlist"
    MERGED_PLAYLIST = "merged_playlist"
    DASH = "dash"
    SEGMENT = "segment"
    MEDIA_FILE = "media_file"
    SNAPSHOT = "snapshot"
    SIDECAR = "sidecar"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectName:
    """A base name, read. Every field that is not None stands in the name.

    `task_id` is spelled as in the name. `started_at` is in UTC, to the millisecond. `index` counts vendors' MP4s, `leg`
    is Agora's `bak<n>`, `transfer` Agora's `_<tick>_<index>`. `middle` is text that holds several ids which the name
    alone cannot tell apart; `tail` stands between the known part and the extension.
    """

    vendor: str
    task_id: str
    kind: ObjectKind
    extension: str
    room: str | None = None
    user: str | None = None
    track: Track | None = None
    started_at: datetime | None = None
    index: int | None = None
    leg: int | None = None
    transfer: tuple[int, int] | None = None
    middle: str | None = None
    tail: str = ""


class ListedObject(Protocol):
    """What a listing says of one object."""

    @property
    def key(self) -> str:
        """The key, exactly as listed."""

    @property
    def size_bytes(self) -> int:
        """The object's length."""

    @property
    def etag(self) -> str:
        """The version token."""

    @property
    def last_modified(self) -> datetime:
        """When it was written, in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamObjects:
    """One feed of a recording. `stream` is its stable id; playlists stand original first, then bak0, bak1 and so on.

    Playlists may carry its sound and its pictures apart, as their names say.
    A stream whose slices are there and whose playlist is not has no playlists. `segments` are the slices that are its
    own by their names, or by being a recording's only stream; in the order of keys.
    """

    stream: str
    kind: StreamKind
    user: str | None = None
    playlists: tuple[ListedObject, ...] = ()
    media_files: tuple[ListedObject, ...] = ()
    segments: tuple[ListedObject, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingObjects:
    """All objects of one vendor task, every tuple in the order of keys unless said otherwise.

    `folder` is the deepest one that holds them all; it ends in `/` or is empty. `segments` are all slice-like objects,
    named by a playlist or not. `side_files` are merged playlists, snapshots and the like, and media files of the
    vendor that lie beside slices.
    """

    vendor: str
    task_id: str
    room: str | None
    mode: Mode
    folder: str
    streams: tuple[StreamObjects, ...]
    segments: tuple[ListedObject, ...]
    side_files: tuple[ListedObject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """A listing, sorted into recordings; `unreadable` are objects that no recording claims by name."""

    recordings: tuple[RecordingObjects, ...]
    unreadable: tuple[ListedObject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """What a playlist and a name say of one segment beside its bytes.

    `marks`: `TRACK_START` where a stream starts or resumes, `rotate:…` where the picture's size or rotation changes.
    """

    wall_clock: WallClock | None = None
    marks: tuple[str, ...] = ()


class ReadFacts(Protocol):
    """Reads the facts of one segment; `first_of` is the key of the playlist whose first segment it is."""

    def __call__(self, segment: Segment, key: str, *, first_of: str | None = None) -> SegmentFacts:
        """The facts of this segment, which lies under `key`."""


class ParseName(Protocol):
    """Reads a base name; `room`, where it is known, settles names that could be split in several ways."""

    def __call__(self, basename: str, *, room: str | None = None) -> ObjectName | None:
        """What the name says; None if it follows no rule of the vendor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """One vendor's rules: object names both ways, the facts of segments, the grouping of a listing.

    `index_name` gives the name of the playlist that names a slice of this name, or None where that cannot be told; a
    vendor without it names slices as it likes, and no index is ever rebuilt from them.

    `name_starts` gives what the base names of a task's objects begin with, for narrow listings: the first always, each
    next one while the one before it is there. `tells_all`: something of the vendor's shows that every stream of an
    individual recording has come. `group` takes the objects that no vendor before has claimed, sorted by
    key, and gives the recordings it found.
    """

    name: str
    parse_name: ParseName
    encode_name: Callable[[ObjectName], str]
    segment_facts: ReadFacts
    name_starts: Callable[[str], Iterable[str]]
    group: Callable[[Sequence[ListedObject]], Iterable[RecordingObjects]]
    tells_all: bool = True
    index_name: Callable[[ObjectName], ObjectName | None] | None = None


def basename(key: str) -> str:
    """The last element of a key."""
    return key[key.rfind("/") + 1 :]


def folder(key: str) -> str:
    """All of a key but its last element; ends in `/` or is empty."""
    return key[: key.rfind("/") + 1]


def kind_of(extension: str) -> ObjectKind | None:
    """The kind that every vendor means by this extension."""
    if extension in _MEDIA_FILES:
        return ObjectKind.MEDIA_FILE
    if extension in _SEGMENTS:
        return ObjectKind.SEGMENT
    named = {"m3u8": ObjectKind.PLAYLIST, "mpd": ObjectKind.DASH, "jpg": ObjectKind.SNAPSHOT, "sw": ObjectKind.SIDECAR}
    return named.get(extension)


def parse_utc(digits: str) -> datetime | None:
    """The time that 17 digits `yyyyMMddHHmmssSSS` say, or None where they are no time."""
    # newer Pythons read hour 24 as the next day's midnight, which would not be written back as it was read
    if len(digits) != 17 or not (digits.isascii() and digits.isdigit()) or digits[8:10] > "23":
        return None
    try:
        return datetime.fromisoformat(f"{digits[:8]}T{digits[8:14]}.{digits[14:]}+0000")
    except ValueError:
        return None


def encode_utc(at: datetime) -> str:
    """17 digits `yyyyMMddHHmmssSSS`; microseconds are cut off."""
    utc = at.astimezone(UTC)
    return f"{utc.year:04d}{utc:%m%d%H%M%S}{utc.microsecond // 1000:03d}"


def program_clock(segment: Segment) -> WallClock | None:
    """The wall clock of a segment that has an EXT-X-PROGRAM-DATE-TIME of its own."""
    return told_by(ClockSource.PROGRAM_DATE_TIME, segment.program_date_time)

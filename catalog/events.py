"""What vendors say of recordings, in our words, and the deliveries by which they said it.

A vendor's message is a hint: it says when to look, and what was promised. What is there is judged by the bucket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from catalog.model import RecordingId


class Word(StrEnum):
    """How far a recording has come, as its vendor says.

    `HEARD` there is such a recording · `RECORDING` it goes on · `LEFT` the recorder left the room, for good or to be
    replaced by another one · `ENDED` it is over, uploads may follow · `EMPTY` over, and nobody published · `BACKED_UP`
    over, and some files lie in the vendor's own store · `UPLOADED` over, and all of it is in the bucket · `MORE`
    something is in the bucket that was not there before.
    """

    HEARD = "heard"
    RECORDING = "recording"
    LEFT = "left"
    ENDED = "ended"
    EMPTY = "empty"
    BACKED_UP = "backed_up"
    UPLOADED = "uploaded"
    MORE = "more"

    @property
    def is_end(self) -> bool:
        """Whether the recording is over, or may be."""
        return self in {Word.LEFT, Word.ENDED, Word.EMPTY, Word.BACKED_UP, Word.UPLOADED}


class Kept(StrEnum):
    """Where a file is, as its vendor says; `COMING` is one that is being recorded or uploaded."""

    COMING = "coming"
    STORED = "stored"
    BACKUP = "backup"
    LOST = "lost"
    UNKNOWN = "unknown"


class Signature(StrEnum):
    """What the signature of a message shows; all but `GOOD` are refused.

    `STALE` made long ago · `SPENT` it came with other messages before · `UNCONFIGURED` there is no secret to try.
    """

    GOOD = "good"
    WRONG = "wrong"
    NONE = "none"
    STALE = "stale"
    SPENT = "spent"
    UNCONFIGURED = "unconfigured"


class Presence(StrEnum):
    """What a stream did at a moment: a slice began, media came, media stopped to come."""

    SLICE_START = "slice_start"
    RECEIVING = "receiving"
    NOT_RECEIVING = "not_receiving"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFile:
    """A file that a message names: its key or the end of it, as written there. Sizes in bytes, times in UTC.

    `url` is where the vendor says that it can be fetched, believed only of what the vendor was asked for itself.
    """

    name: str
    kept: Kept = Kept.UNKNOWN
    stream: str | None = None
    user: str | None = None
    size_bytes: int | None = None
    duration_s: float | None = None
    started_at: datetime | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceMark:
    """Evidence for a timeline: `stream` did this at this time; `since` is when it was last there before a pause."""

    stream: str
    track: Literal["audio", "video", "both"] | None
    presence: Presence
    at: datetime
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEvent:
    """One message of a vendor.

    `dedupe_id` is the same for every delivery of it. `name` is the vendor's word, `recorder` the id under which the
    recorder was in the room, `trouble` what went wrong, as a clause. `recording` is None, and `ignored` says why, where
    it is about no recording; a test is ignored as well, and still says what it would have meant. `at` is when it
    happened, or else was sent. `details` holds what the vendor said, whole.
    """

    vendor: str
    dedupe_id: str
    name: str
    word: Word
    recording: RecordingId | None = None
    ignored: str | None = None
    at: datetime | None = None
    sequence: int | None = None
    app: str | None = None
    room: str | None = None
    recorder: str | None = None
    trouble: str | None = None
    files: tuple[NamedFile, ...] = ()
    presence: tuple[PresenceMark, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """What a vendor has said of a recording and signed, or answered when it was asked: how far it is, and its files.

    `presence` is what its streams did, in the order of time, each once. `room` is where it was, if that was said.

    `is_unknown`: it never began one of this name, as far as it knows, and nobody else did but an unsigned message.
    """

    word: Word | None = None
    files: tuple[NamedFile, ...] = ()
    presence: tuple[PresenceMark, ...] = ()
    room: str | None = None
    is_unknown: bool = False


NOTHING_SAID: Final = Vouched()
UNKNOWN: Final = "its vendor knows no such recording"
"""The trouble of an answer by which a recording was never begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request of a vendor, as it came. `token` tells it from all others; given twice, it is stored once.

    `sources` are the configured sources that its signature and its app id speak for. `seal` names what was signed,
    where that is not the body: two messages with one seal cannot both be true. `headers` and `peer` are for people.
    """

    token: str
    vendor: str
    received_at: datetime
    signature: Signature
    sources: tuple[str, ...]
    body: bytes
    headers: Mapping[str, str]
    peer: str | None = None
    dedupe_id: str | None = None
    seal: str | None = None

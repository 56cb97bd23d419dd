"""Recorders: what the vendors' REST APIs can be asked, in one vocabulary; `vendors/*/api.py` speak to them.

A vendor's answer is believed as a signed message is: it came over a connection that we opened to the vendor's own host.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from catalog.events import NamedFile, RecordingEvent, Word
from catalog.model import RecordingId
from catalog.wire import utc_text
from vendors.fields import fingerprint
from vendors.storage import StoreLocation

OrderMode = Literal["mixed", "individual", "web", "raw"]
"""What can be ordered; `raw` is Agora's, which does not say what it uploads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The project whose recordings are asked for, its key, and the base URLs of the API, the preferred one first.

    Without `hosts` they are the vendor's own. `scheme` is how requests say who asks, for a vendor that documents
    several ways; None is its default.
    """

    app: str
    key_id: str = ""
    secret: str = field(repr=False)
    hosts: tuple[str, ...] = ()
    scheme: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadKey:
    """What the vendor writes with; it need not read."""

    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A recording that is to begin.

    `users` are those to be recorded, all where there are none. `room_token` lets the recorder into the room, `recorder`
    is the id under which it comes. `page` is what is recorded in mode `web`. `most_idle`: how long the room may be
    empty. `callback_url` takes this recording's webhooks. Orders with one `client_id` begin one recording, where the
    vendor can tell. `more` are the vendor's own fields, put over ours, objects into objects.
    """

    room: str
    mode: OrderMode
    place: StoreLocation
    upload_key: UploadKey
    tracks: Literal["audio", "video", "both"] = "both"
    users: tuple[str, ...] = ()
    recorder: str | None = None
    room_token: str | None = field(default=None, repr=False)
    page: str | None = None
    most_idle: timedelta | None = None
    callback_url: str | None = field(default=None, repr=False)
    client_id: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """By what a recording is asked for again. `host` is the one that began it, `details` are the vendor's own ids."""

    recording: RecordingId
    room: str | None
    host: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a vendor answers of a recording, when it is asked or told to end it.

    `is_gone`: it knows no such recording now, which is over, was never begun, or moves to another recorder. `trouble`
    is what went wrong, as a clause. Times are in UTC. `details` holds the answer, whole.
    """

    word: Word
    is_gone: bool = False
    room: str | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    trouble: str | None = None
    files: tuple[NamedFile, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a vendor wants to be asked for one recording: every `pace` while it goes on.

    It answers for `answers_for` after the recording began, None for as long as that lasts; none lasts longer than
    `longest`. It may know nothing of a recording for `moves_in` while another recorder takes over.
    """

    pace: timedelta
    answers_for: timedelta | None
    longest: timedelta
    moves_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A recording in a vendor's own list of them."""

    recording: RecordingId
    room: str | None
    started_at: datetime | None
    word: Word


class Recorder(Protocol):
    """The recorders of one project, shared by threads. Calls are tried again within bounds; all raise `CallError`."""

    @property
    def vendor(self) -> str:
        """The vendor's name."""

    def start(self, order: Order) -> Handle:
        """Begin to record."""

    def status(self, handle: Handle) -> Status:
        """How far a recording is. Raises `NoSuchCallError` where the vendor cannot be asked."""

    def layout(self, handle: Handle, layout: Mapping[str, Any]) -> None:
        """Arrange the pictures of a mixed recording anew, in the vendor's own words."""

    def stop(self, handle: Handle) -> Status:
        """End it; one that is over already is not an error. LEFT: nobody heard it just now, so it is to be repeated."""

    def history(self, since: datetime, until: datetime, *, room: str | None = None) -> Iterator[Past]:
        """What was begun in this time, as far back as the vendor tells. Raises `NoSuchCallError`."""

    def handle_of(self, recording: RecordingId, room: str | None) -> Handle | None:
        """By what a recording is asked for that somebody else began; None if its id is not enough."""

    def close(self) -> None:
        """Let the connections go."""


class CallError(Exception):
    """A call that a vendor did not answer as asked: which one, what was said (`code` is the vendor's), what to do."""

    def __init__(self, vendor: str, call: str, said: str, advice: str, *, code: int | str | None = None) -> None:
        """`said` is a clause, `advice` a sentence; neither holds a secret."""
        super().__init__(vendor, call, said, advice, code)
        self.vendor, self.call, self.said, self.advice, self.code = vendor, call, said, advice, code

    def __str__(self) -> str:
        """One line for people."""
        code = "" if self.code is None else f" (code {self.code})"
        return f"{self.vendor} {self.call}: {self.said}{code}. {self.advice}"


class VendorDownError(CallError):
    """No answer, or one that says to come again; the same may work in a while."""


class RefusedCallError(CallError):
    """Keys, rights or settings are wrong: a person must act."""


class BadCallError(CallError):
    """What was asked for cannot be: a wrong parameter, or a recording in another state."""


class GoneError(CallError):
    """The vendor knows no such recording now."""


class NoSuchCallError(CallError):
    """The vendor has no such call."""


class NoHandleError(Exception):
    """The vendor can only be asked for what we began ourselves; the message says what to do instead."""


def written(handle: Handle) -> dict[str, Any]:
    """The handle as JSON, without the recording."""
    return {"room": handle.room, "host": handle.host, "details": dict(handle.details)}


def read_handle(recording: RecordingId, document: Mapping[str, Any]) -> Handle:
    """The handle that `written` wrote."""
    return Handle(recording=recording, room=document["room"], host=document["host"], details=document["details"])


def as_event(name: str, recording: RecordingId, status: Status) -> RecordingEvent:
    """What the status says, as a message of the vendor's; asked twice and answered alike, it is one message."""
    said = [name, status.word, status.is_gone, status.trouble, [_facts(file) for file in status.files]]
    return RecordingEvent(
        vendor=recording.vendor,
        dedupe_id=f"{name}:{fingerprint([recording.task_id, *said])}",
        name=name,
        word=status.word,
        recording=recording,
        at=status.ended_at or status.began_at,
        room=status.room,
        trouble=status.trouble,
        files=status.files,
        details=status.details,
    )


def _facts(file: NamedFile) -> list[Any]:
    """Of a file, what changes when it goes on its way."""
    return [file.name, file.kept, file.size_bytes, utc_text(file.started_at) if file.started_at else None]

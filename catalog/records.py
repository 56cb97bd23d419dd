"""The rows of the catalog as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from catalog.errors import LayoutError
from catalog.events import Word
from catalog.model import Mode, RecordingId, State, StreamKind, Verdict

RECORDING_LEASE: Final = "recording:"
"""What the names of the leases on recordings begin with."""


class Queue(StrEnum):
    """Who is waiting, the most urgent first."""

    LIVE = "live"
    EXPORT = "export"
    BULK = "bulk"

    @property
    def rank(self) -> int:
        """Lower goes first."""
        return list(Queue).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One recording and how far it has come.

    `source` names a configured source, `folder` the part of it that holds the objects. `spoken_at` is when its vendor
    last spoke of it, `stopped_at` when it was first said to be over, `word` the furthest that was said. `looked_at` is
    when somebody last began to work on it. `started_at` is what its objects say until it has a manifest. `due_at` is
    when somebody must look at it next, None while a run has it or nothing is left to do. `looks` counts the looks that
    ended in waiting, `tries` the runs since the last one that ended well. `alarm` is what a person should know. `run`
    is the key of the run it was handed to. `basis` says what its verdict follows from, `damage_digest` is that of the
    plan of the last look that met damage.
    """

    id: RecordingId
    room: str | None
    mode: Mode | None
    source: str | None
    folder: str | None
    state: State
    verdict: Verdict | None
    queue: Queue
    heard_at: datetime
    spoken_at: datetime | None
    stopped_at: datetime | None
    looked_at: datetime | None
    word: Word | None
    started_at: datetime | None
    ended_at: datetime | None
    settled_at: datetime | None
    due_at: datetime | None
    looks: int
    tries: int
    alarm: str | None
    run: str | None
    basis: str | None
    damage_digest: str | None
    revision: int
    manifest: str | None

    @property
    def waited_since(self) -> datetime:
        """From when on its slices are waited for: its end, or what came nearest to hearing of that."""
        return self.stopped_at or self.spoken_at or self.heard_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A recording that somebody wants looked at, where it lies and since when, as far as that is known.

    It may have begun before `began_at`, and did not begin after it.
    """

    recording: RecordingId
    source: str | None
    folder: str | None = None
    room: str | None = None
    began_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRow:
    """One stream of the newest revision."""

    stream: str
    user: str | None
    kind: StreamKind
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRow:
    """One published object of the newest revision."""

    stream: str
    key: str
    size_bytes: int
    crc64xz: str
    duration_s: float
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of state: when, from what to what, why, and who made it."""

    at: datetime
    was: State | None
    state: State
    verdict: Verdict | None
    cause: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to do something alone until `expires_at`. `fence` is higher each time somebody takes it anew."""

    name: str
    holder: str
    fence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A recording that is being processed, and the lease under which that is allowed."""

    recording: Recording
    lease: Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A revision number and the time of its making; the same for everybody who publishes the same content."""

    revision: int
    created_at: datetime


class Announced(StrEnum):
    """What is announced to the endpoints of other systems; the words are promises to them."""

    SETTLED = "recording.settled"
    """The first verdict on a recording, with what was published of it."""
    IMPROVED = "recording.improved"
    """A later revision was published, for example because slices came late."""
    EXPORT_DONE = "export.done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One announcement to one endpoint: the `tries`-th try, that somebody has taken on.

    `announcement` is the same at each try and for each endpoint, and so is `payload`, character by character. `age` is
    how long ago it was announced.
    """

    id: int
    announcement: str
    endpoint: str
    payload: str
    tries: int
    age: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Recordings that were handed over together, as one run of a flow. `look_at`: when to see what became of it."""

    key: str
    flow: str
    queue: Queue
    subjects: tuple[str, ...]
    created_at: datetime
    delivered_at: datetime | None
    flow_run: str | None
    look_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """How a vendor is asked for a recording.

    `source` is the one whose key it is asked with, `handle` what the vendor needs to know (`vendors.recorder.Handle`),
    `began_at` when the recording began, as far as that is known. `word` is the last answer, `asked_at` its time,
    `gone_since` from when on the vendor knew no such recording. `asks` counts questions since something new was heard,
    `failures` those without an answer since the last one with. `alarms` counts what a person was told. `is_hearsay`:
    nothing but unsigned messages ever named the recording.
    """

    recording: RecordingId
    state: State
    source: str
    handle: Mapping[str, Any]
    is_askable: bool
    began_at: datetime
    ask_at: datetime | None
    asked_at: datetime | None
    word: Word | None
    gone_since: datetime | None
    asks: int
    failures: int
    alarms: int
    is_hearsay: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it will be asked again."""
        return self.is_askable and self.ask_at is not None

    @property
    def goes_on(self) -> bool:
        """Whether its last answer says so; nobody asks on after a signed word of the end, which outdoes that answer."""
        return self.is_open and self.word is Word.RECORDING

    def is_answered_for(self, recording: Recording) -> bool:
        """Whether there was an answer after all that was said of the recording."""
        return self.asked_at is not None and self.asked_at >= (recording.spoken_at or recording.heard_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heed:
    """What follows from a question: when to ask again (None: it is over), and what a person should know."""

    ask_in: timedelta | None
    alarm: str | None = None


def has_news(newest: datetime, looked_at: datetime | None) -> bool:
    """Whether something may have been written since somebody looked, by the newest object.

    False where nobody has looked, or nobody knows when that was. Some stores tell whole seconds, rounded down.
    """
    latest = newest if newest.microsecond else newest + timedelta(seconds=1)
    return looked_at is not None and latest > looked_at


def id_text(recording: RecordingId) -> str:
    """`{vendor}:{task_id}`, as people and flows name a recording."""
    return f"{recording.vendor}:{recording.task_id}"


def read_id(text: str) -> RecordingId:
    """The recording that `{vendor}:{task_id}` names. Raises `LayoutError`."""
    vendor, colon, task_id = text.partition(":")
    if not colon:
        message = f"{text!r} does not name a recording. Write VENDOR:TASK_ID, as `aftertake ls` does."
        raise LayoutError(message)
    return RecordingId(vendor=vendor, task_id=task_id)


def run_lease(key: str) -> str:
    """The name of the lease of a run."""
    return f"run:{key}"

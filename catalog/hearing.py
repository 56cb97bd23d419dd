"""Hearing: what follows from a vendor's message for its recording. Inside a caller's transaction.

Messages come late, twice, in any order, or not at all. So the furthest word counts, a recording never goes back, and a
message that says nothing further has no effect. What is there is judged by the bucket: a word says when to look.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, case, select, update

from catalog import rows
from catalog.events import UNKNOWN, Kept, NamedFile, Presence, PresenceMark, RecordingEvent, Vouched, Word
from catalog.model import RecordingId, State
from catalog.records import Queue
from catalog.registering import Heard, look_at, register
from catalog.tables import events, inquiries, recordings
from catalog.wire import utc_text

_FURTHER: Final = (
    Word.HEARD,
    Word.RECORDING,
    Word.LEFT,
    Word.ENDED,
    Word.EMPTY,
    Word.BACKED_UP,
    Word.UPLOADED,
)
"""Each says more than those before it."""
_STATES: Final[Mapping[Word, State]] = MappingProxyType(
    {
        Word.HEARD: State.HINTED,
        Word.RECORDING: State.RECORDING,
        Word.LEFT: State.STOPPED,
        Word.ENDED: State.STOPPED,
        Word.EMPTY: State.STOPPED,
        Word.BACKED_UP: State.STOPPED,
        Word.UPLOADED: State.STOPPED,
        Word.MORE: State.HINTED,
    }
)
_LOOK_IN: Final[Mapping[Word, timedelta]] = MappingProxyType(
    {
        # A recorder that died is replaced within 90 seconds (Agora, high availability).
        Word.LEFT: timedelta(minutes=2),
        # The word that all is uploaded often follows at once, and spares a look in vain.
        Word.ENDED: timedelta(seconds=5),
        Word.EMPTY: timedelta(0),
        Word.BACKED_UP: timedelta(seconds=5),
        Word.UPLOADED: timedelta(0),
        # Slices that are uploaded again come one after the other: one look is for many of them.
        Word.MORE: timedelta(seconds=30),
    }
)
NO_SOURCE: Final = "no_source"
_ROOM: Final = "aftertake:room"
"""Beside the vendor's own words in an event's details: its name of the room, in ours."""
MOST_MARKS: Final = 20_000
"""Marks of one recording that are held in memory: seventeen people who mute themselves every minute for nine hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An event, and how far it is believed.

    `delivery` is None for what the vendor was asked. `is_covered`: that, or its body was signed, so that what it names
    may be relied on. `is_doubtful`: another message bears the same signature; it is good for one look at a recording
    that is known. `has_source`: recordings of its vendor can be looked for; `source` is where, if there is but one
    place. `is_replay`: a person wants its effect once more. `is_looked_at`: whoever asked is about to look itself.
    """

    event: RecordingEvent
    delivery: int | None
    is_covered: bool
    is_doubtful: bool = False
    has_source: bool
    source: str | None
    is_replay: bool = False
    is_looked_at: bool = False


def hear(connection: Connection, said: Said, recording: RecordingId, *, actor: str, now: datetime) -> str:
    """Write what follows, once however often it is said; what that was, for people."""
    event = said.event
    if said.is_doubtful:
        return _doubt(connection, recording, now=now)
    cause = f"{event.vendor}: {event.name}{f', {event.trouble}' if event.trouble else ''}"
    state = _STATES[event.word] if said.has_source else State.HINTED
    due_at = now + _LOOK_IN.get(event.word, timedelta(0))
    heard = Heard(
        state=state,
        queue=Queue.LIVE,
        due_at=due_at,
        facts={"room": event.room, "source": said.source},
    )
    row, was = register(connection, recording, heard, cause=cause, actor=actor, now=now)
    is_new = _keep(connection, said, row, now=now)
    is_nearer_its_end = event.word.is_end and _is_further(event.word, row)
    wants_look = said.has_source and (said.is_replay or is_nearer_its_end or (is_new and _brings(event)))
    look = look_at(row, due_at) if wants_look and not said.is_looked_at else {}
    values = {**_spoken(event, row, now), **look, **_without_source(said, row)}
    connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))
    if said.delivery is not None:
        _have_asked(connection, said, row, now)
    return _effect(row, was, look, now, has_source=said.has_source)


def vouched(connection: Connection, recording: RecordingId) -> Vouched:
    """What its vendor has said so that it may be relied on; of each file, what was said last.

    Of its streams, the first `MOST_MARKS` things that happened. The room stands where files are listed.
    """
    is_it = (recordings.c.vendor == recording.vendor) & (recordings.c.task_id == recording.task_id)
    here = events.c
    is_listing = here.delivery.is_(None) | here.word.in_(_NAMING)
    # Looked into here, and not by the database: PostgreSQL looks into no JSON in which a vendor wrote a NUL anywhere.
    details = case((is_listing, here.details)).label("details")
    of_it = select(here.word, here.files, here.presence, here.delivery, here.trouble, details).where(is_it)
    of_it = of_it.join(recordings, recordings.c.id == here.recording)
    words, files, marks, is_unknown = set[Word](), dict[str, NamedFile](), set[PresenceMark](), False
    said_room: str | None = None
    for row in connection.execute(of_it.where(here.is_covered).order_by(here.id)):
        words.add(Word(row.word))
        own_room = (row.details or {}).get(_ROOM)
        said_room = own_room if isinstance(own_room, str) else said_room
        marks.update(map(_mark, row.presence))
        if row.word not in _SAID_OF_WHAT_IS_GONE or row.trouble == UNKNOWN:
            is_unknown = row.trouble == UNKNOWN
        if row.word in _NAMING or row.delivery is None:
            files |= {file.name: _addressed(file, files.get(file.name)) for file in map(_file, row.files)}
    furthest = max(words & set(_FURTHER), key=_FURTHER.index, default=None)
    presence = tuple(sorted(marks, key=lambda mark: (mark.at, mark.stream, mark.track or "", mark.presence)))
    return Vouched(
        word=furthest,
        files=tuple(files.values()),
        presence=presence[:MOST_MARKS],
        room=said_room,
        is_unknown=is_unknown,
    )


_SAID_OF_WHAT_IS_GONE: Final = (Word.HEARD, Word.ENDED)
"""Later answers of these words, when the vendor would no longer know a recording, take nothing back."""
_NAMING: Final = (Word.BACKED_UP, Word.UPLOADED)
"""Words of messages with a list of the files of a recording that is over; an answer has it whatever it says."""


def _addressed(file: NamedFile, before: NamedFile | None) -> NamedFile:
    """A message that comes after an answer names no address; it lies where the answer said."""
    is_there_still = file.kept is Kept.BACKUP and file.url is None and before is not None
    return replace(file, url=before.url) if is_there_still and before else file


def _file(written: Mapping[str, Any]) -> NamedFile:
    started_at = written.get("started_at")
    at = datetime.fromisoformat(started_at) if started_at else None
    return NamedFile(**{**written, "kept": Kept(written["kept"]), "started_at": at})


def _mark(written: Mapping[str, Any]) -> PresenceMark:
    at, since = datetime.fromisoformat(written["at"]), written.get("since")
    return PresenceMark(
        stream=written["stream"],
        track=written.get("track"),
        presence=Presence(written["presence"]),
        at=at,
        since=datetime.fromisoformat(since) if since else None,
    )


def _have_asked(connection: Connection, said: Said, row: RowMapping, now: datetime) -> None:
    """A message is a hint: where the vendor can be asked, it is asked now. A signed word is as good as an answer."""
    asked = update(inquiries).where((inquiries.c.recording == row["id"]) & inquiries.c.is_askable)
    if not said.is_covered:
        is_later = inquiries.c.ask_at.is_(None) | (inquiries.c.ask_at > now)
        connection.execute(asked.where(is_later).values(ask_at=now, asks=0))
    elif said.event.word.is_end and said.event.word is not Word.LEFT:
        connection.execute(asked.values(ask_at=None))


def _is_further(word: Word, row: RowMapping) -> bool:
    """Whether it says more than all that was said before."""
    return word in _FURTHER and (row["word"] is None or _FURTHER.index(word) > _FURTHER.index(row["word"]))


def _brings(event: RecordingEvent) -> bool:
    """Whether something is there that was not before: some vendors tell of the files of a recording one by one."""
    return event.word is Word.MORE or (event.word.is_end and bool(event.files))


def _spoken(event: RecordingEvent, row: RowMapping, now: datetime) -> dict[str, Any]:
    """What the row says of its vendor's words from now on."""
    values: dict[str, Any] = {"spoken_at": now}
    if _is_further(event.word, row):
        values["word"] = event.word
    if event.word.is_end and event.word is not Word.LEFT and row["stopped_at"] is None:
        values["stopped_at"] = now
    return values


def _without_source(said: Said, row: RowMapping) -> dict[str, Any]:
    if said.has_source or row["alarm"] or row["source"]:
        return {}
    return {"alarm": f"{NO_SOURCE}: no source of {said.event.vendor} is configured in which it may lie"}


def _doubt(connection: Connection, recording: RecordingId, *, now: datetime) -> str:
    is_it = (recordings.c.vendor == recording.vendor) & (recordings.c.task_id == recording.task_id)
    row = connection.execute(select(recordings).where(is_it).with_for_update()).mappings().one_or_none()
    if row is None:
        return "ignored: its signature came with another message before, and the recording is not known"
    look = look_at(row, now)
    if look:
        connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(look))
    return f"not believed: its signature came with another message before; {_looked(look, now) or 'no look needed'}"


def _effect(row: RowMapping, was: State | None, look: Mapping[str, Any], now: datetime, *, has_source: bool) -> str:
    done = []
    if was is None:
        done.append("made recording")
    if was != row["state"]:
        done.append(f"now {row['state']}")
    if not has_source:
        done.append(f"hinted: {NO_SOURCE}")
    due = look or ({"due_at": row["due_at"]} if was != row["state"] and row["due_at"] else {})
    if looked := _looked(due, now):
        done.append(looked)
    return "; ".join(done) or "nothing new"


def _looked(look: Mapping[str, Any], now: datetime) -> str:
    if look.get("has_news"):
        return "looked at again when the run that has it is done"
    due_at = look.get("due_at")
    if due_at is None:
        return ""
    wait = (due_at - now).total_seconds()
    return "looked at now" if wait <= 0 else f"looked at in {wait:.0f} s"


def _keep(connection: Connection, said: Said, row: RowMapping, *, now: datetime) -> bool:
    """Keep an event that is evidence of something; whether it is new."""
    event = said.event
    if event.word in {Word.HEARD, Word.RECORDING} and not (event.files or event.presence or event.trouble):
        return False
    fresh = {
        "recording": row["id"],
        "vendor": event.vendor,
        "dedupe_id": event.dedupe_id,
        "delivery": said.delivery,
        "heard_at": now,
        "is_covered": said.is_covered,
        "name": event.name,
        "word": event.word,
        "at": event.at,
        "sequence": event.sequence,
        "recorder": event.recorder,
        "trouble": event.trouble,
        "files": [_plain(asdict(file)) for file in event.files],
        "presence": [_plain(asdict(mark)) for mark in event.presence],
        "details": {**event.details, **({_ROOM: event.room} if event.room else {})},
    }
    put = rows.insert(connection, events).values(fresh).on_conflict_do_nothing().returning(events.c.id)
    return connection.execute(put).first() is not None


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON has it, without what is not known."""
    known = {name: value for name, value in fields.items() if value is not None}
    return {name: utc_text(value) if isinstance(value, datetime) else value for name, value in known.items()}

"""Inquiries: recordings whose vendor can be asked how far they are, by what, and when next.

What a vendor answers is heard as its signed messages are; nobody but us could have been told it.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, literal_column, select, update

from catalog import hearing, rows
from catalog.database import Database
from catalog.events import RecordingEvent, Word
from catalog.model import RecordingId, State
from catalog.records import Heed, Inquiry, Queue, Recording, id_text
from catalog.registering import Heard, register, require_fitting
from catalog.tables import audit, inquiries, recordings

_here = inquiries.c
_MOST_ADOPTED: Final = 200
_IS_OPEN: Final = recordings.c.state != literal_column(f"'{State.SETTLED}'")
"""Word by word as in the index of those: nearly all recordings are settled."""
_SUBJECT: Final = recordings.c.vendor + ":" + recordings.c.task_id
_IS_HEARSAY: Final = (
    recordings.c.spoken_at.is_not(None)
    # Nobody has listed it, and its vendor never said when it began.
    & recordings.c.folder.is_(None)
    & recordings.c.started_at.is_(None)
    & (_here.began_at == recordings.c.heard_at)
    # Neither did a person begin it, nor submit it.
    & ~select(audit.c.id).where(audit.c.subject == _SUBJECT).exists()
)


class Inquiries:
    """The inquiries of a catalog."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def begin(
        self,
        recording: RecordingId,
        *,
        source: str,
        folder: str,
        room: str | None,
        handle: Mapping[str, Any],
        ask_in: timedelta | None,
        actor: str,
    ) -> None:
        """We had this recording begun. `ask_in` None: its vendor cannot be asked."""
        require_fitting(recording)

        def work(connection: Connection) -> None:
            now = self._database.now(connection)
            facts = {"source": source, "folder": folder, "room": room}
            heard = Heard(state=State.RECORDING, queue=Queue.LIVE, due_at=now, facts=facts)
            row, _ = register(connection, recording, heard, cause="started through us", actor=actor, now=now)
            _put(connection, row, source=source, handle=handle, began_at=now, ask_in=ask_in, now=now)
            rows.add_audit(connection, at=now, actor=actor, action="start", subject=id_text(recording), reason="")

        self._database.write(work)

    def strangers(self, vendor: str, *, sources: Collection[str | None], younger_than: timedelta) -> list[Recording]:
        """Recordings of these sources that somebody else began, that are not settled, and of which nobody asks."""

        def work(connection: Connection) -> list[Recording]:
            since = self._database.now(connection) - younger_than
            found = connection.execute(strangers_query(vendor, sources, since, most=_MOST_ADOPTED)).mappings()
            return [rows.to_recording(row) for row in found]

        return self._database.read(work)

    def adopt(self, recording: RecordingId, *, source: str, handle: Mapping[str, Any]) -> None:
        """From now on its vendor is asked, with this source's key, for a recording that somebody else began."""

        def work(connection: Connection) -> None:
            row, now = rows.known(connection, recording, lock=True), self._database.now(connection)
            began_at = row["heard_at"]
            _put(connection, row, source=source, handle=handle, began_at=began_at, ask_in=timedelta(0), now=now)

        self._database.write(work)

    def of(self, recording: RecordingId) -> Inquiry | None:
        """That of one recording."""
        is_it = (recordings.c.vendor == recording.vendor) & (recordings.c.task_id == recording.task_id)
        found = self._found(is_it, most=1)
        return found[0] if found else None

    def due(self, *, most: int) -> list[Inquiry]:
        """Whose vendors are to be asked now, the longest due first."""
        return self._found(None, most=most)

    def answered(
        self,
        inquiry: Inquiry,
        event: RecordingEvent,
        heed: Heed,
        *,
        began_at: datetime | None,
        gone_since: datetime | None,
        actor: str,
        is_looked_at: bool = False,
    ) -> str:
        """The vendor answered; what followed from it, for people. `is_looked_at`: by whoever asked."""

        def work(connection: Connection) -> str:
            said = hearing.Said(
                event=event,
                delivery=None,
                is_covered=True,
                has_source=True,
                source=inquiry.source,
                is_looked_at=is_looked_at,
            )
            now = self._database.now(connection)
            effect = hearing.hear(connection, said, inquiry.recording, actor=actor, now=now)
            row = rows.known(connection, inquiry.recording)
            values = {
                "asked_at": now,
                "word": event.word,
                "gone_since": gone_since,
                "asks": 0 if event.word != inquiry.word else inquiry.asks + 1,
                "failures": 0,
                "trouble": None,
                "began_at": began_at or inquiry.began_at,
            }
            self._heed(connection, row, inquiry, heed, values, actor=actor, now=now)
            return effect

        return self._database.write(work)

    def failed(self, inquiry: Inquiry, heed: Heed, *, trouble: str, actor: str) -> None:
        """The vendor did not answer, or cannot be asked any more."""

        def work(connection: Connection) -> None:
            row, now = rows.known(connection, inquiry.recording, lock=True), self._database.now(connection)
            values = {"trouble": trouble, "failures": inquiry.failures + 1}
            self._heed(connection, row, inquiry, heed, values, actor=actor, now=now)

        self._database.write(work)

    def _heed(
        self,
        connection: Connection,
        row: RowMapping,
        inquiry: Inquiry,
        heed: Heed,
        values: dict[str, Any],
        *,
        actor: str,
        now: datetime,
    ) -> None:
        values["ask_at"] = None if heed.ask_in is None else now + heed.ask_in
        if heed.alarm:
            values["alarms"] = inquiry.alarms + 1
            if not row["verdict"]:
                connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(alarm=heed.alarm))
            state = State(row["state"])
            rows.add_change(connection, row, was=state, at=now, state=state, cause=heed.alarm, actor=actor)
        connection.execute(update(inquiries).where(_here.recording == row["id"]).values(values))

    def _found(self, which: ColumnElement[bool] | None, *, most: int) -> list[Inquiry]:
        def work(connection: Connection) -> list[Inquiry]:
            is_due = _here.ask_at <= self._database.now(connection)
            about = (recordings.c.vendor, recordings.c.task_id, recordings.c.state, _IS_HEARSAY.label("is_hearsay"))
            query = select(inquiries, *about).join(recordings, recordings.c.id == _here.recording)
            query = query.where(is_due if which is None else which).order_by(_here.ask_at, _here.recording)
            return [_inquiry(row) for row in connection.execute(query.limit(most)).mappings()]

        return self._database.read(work)


def strangers_query(vendor: str, sources: Collection[str | None], since: datetime, *, most: int) -> Select[Any]:
    """Open recordings of these sources (None: of none), begun since then as far as is known, of which nobody asks.

    The longest known come first.
    """
    is_recent = (recordings.c.vendor == vendor) & (recordings.c.heard_at > since)
    is_recent &= func.coalesce(recordings.c.started_at, recordings.c.heard_at) > since
    is_asked = select(_here.recording).where(_here.recording == recordings.c.id).exists()
    named = [source for source in sources if source is not None]
    is_theirs: ColumnElement[bool] = recordings.c.source.in_(named)
    if None in sources:
        is_theirs |= recordings.c.source.is_(None)
    query = select(recordings).where(_IS_OPEN & is_recent & is_theirs & ~is_asked)
    return query.order_by(recordings.c.heard_at, recordings.c.id).limit(most)


def _put(
    connection: Connection,
    row: RowMapping,
    *,
    source: str,
    handle: Mapping[str, Any],
    began_at: datetime,
    ask_in: timedelta | None,
    now: datetime,
) -> None:
    fresh = {
        "recording": row["id"],
        "source": source,
        "handle": dict(handle),
        "is_askable": ask_in is not None,
        "began_at": began_at,
        "ask_at": None if ask_in is None else now + ask_in,
    }
    connection.execute(rows.insert(connection, inquiries).values(fresh).on_conflict_do_nothing())


def _inquiry(row: RowMapping) -> Inquiry:
    return Inquiry(
        recording=rows.id_of(row),
        state=State(row["state"]),
        source=row["source"],
        handle=row["handle"],
        is_askable=row["is_askable"],
        began_at=row["began_at"],
        ask_at=row["ask_at"],
        asked_at=row["asked_at"],
        word=Word(row["word"]) if row["word"] else None,
        gone_since=row["gone_since"],
        asks=row["asks"],
        failures=row["failures"],
        alarms=row["alarms"],
        is_hearsay=bool(row["is_hearsay"]),
    )

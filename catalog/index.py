"""The catalog: every recording and how far it has come, to be found by whatever is known of it.

It is an index. What was published can be made again from the manifests; what cannot is the queue, and that a backfill
finds again. Each method is one short transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, Table, func, or_, select, update

from catalog import rows
from catalog.claims import Claims
from catalog.database import Database
from catalog.errors import CatalogTextError
from catalog.exports import Exports
from catalog.indexing import put_manifest
from catalog.model import Manifest, RecordingId, State, StreamKind, Verdict
from catalog.records import Change, OutputRow, Queue, Recording, StreamRow, id_text
from catalog.runs import Runs
from catalog.searching import Page, Query, search
from catalog.tables import changes, outputs, recordings, streams

MOST_BYTES: Final = 1024
"""Of a task id: as long as a key of a store may be, and an index of a database bears."""
_BEFORE_WORK: Final = (State.HINTED, State.RECORDING, State.STOPPED)
"""In this order, and never back."""


class Catalog:
    """Recordings; and beside them `claims` on them, `runs` they are handed to, `exports` cut from them."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self.database = database
        self.claims = Claims(database)
        self.runs = Runs(database)
        self.exports = Exports(database)

    def get(self, recording: RecordingId) -> Recording:
        """One recording. Raises `UnknownRecordingError`."""
        return self.database.read(lambda connection: rows.to_recording(rows.known(connection, recording)))

    def named(self, task: str) -> list[Recording]:
        """All recordings that `VENDOR:TASK_ID` or a bare task id may mean."""
        vendor, _, task_id = task.partition(":")
        is_full = (recordings.c.vendor == vendor) & (recordings.c.task_id == task_id)
        query = select(recordings).where(or_(recordings.c.task_id == task, is_full)).order_by(recordings.c.id)
        return self.database.read(lambda c: [rows.to_recording(row) for row in c.execute(query).mappings()])

    def search(self, query: Query) -> Page:
        """What the query asks for, the newest first. Raises `CursorError`."""
        return self.database.read(lambda connection: search(connection, query))

    def counts(self) -> dict[State, int]:
        """How many recordings are in each state."""
        query = select(recordings.c.state, func.count()).group_by(recordings.c.state)
        return self.database.read(lambda c: {State(state): count for state, count in c.execute(query)})

    def changes(self, recording: RecordingId) -> list[Change]:
        """Its story, the oldest first."""
        return [
            Change(
                at=row["at"],
                was=State(row["was"]) if row["was"] else None,
                state=State(row["state"]),
                verdict=Verdict(row["verdict"]) if row["verdict"] else None,
                cause=row["cause"],
                actor=row["actor"],
            )
            for row in self._rows(_of(recording, changes).order_by(changes.c.id))
        ]

    def streams(self, recording: RecordingId) -> list[StreamRow]:
        """The streams of its newest revision."""
        return [
            StreamRow(
                stream=row["stream"],
                user=row["user_id"],
                kind=StreamKind(row["kind"]),
                started_at=row["started_at"],
                ended_at=row["ended_at"],
                duration_s=row["duration_s"],
            )
            for row in self._rows(_of(recording, streams).order_by(streams.c.stream))
        ]

    def outputs(self, recording: RecordingId) -> list[OutputRow]:
        """What its newest revision published."""
        return [
            OutputRow(
                stream=row["stream"],
                key=row["key"],
                size_bytes=row["size_bytes"],
                crc64xz=row["crc64xz"],
                duration_s=row["duration_s"],
                container=row["container"],
            )
            for row in self._rows(_of(recording, outputs).order_by(outputs.c.stream, outputs.c.key))
        ]

    def register(
        self,
        recording: RecordingId,
        *,
        state: State,
        cause: str,
        actor: str,
        queue: Queue = Queue.LIVE,
        source: str | None = None,
        folder: str | None = None,
        room: str | None = None,
    ) -> Recording:
        """A recording was heard of; from `STOPPED` on it is due. Hearing the same twice changes nothing.

        One that is known moves forward only, keeps what is known of it, and takes the more urgent queue.
        """
        facts = {"source": source, "folder": folder, "room": room}
        if len(recording.task_id.encode(errors="replace")) > MOST_BYTES:
            message = f"a task id of more than {MOST_BYTES} bytes is none that a vendor gave: {recording.task_id[:80]}…"
            raise CatalogTextError(message)

        def work(connection: Connection) -> Recording:
            now = self.database.now(connection)
            if not _insert(connection, recording, {"state": state, "queue": queue, **facts}, now=now):
                _advance(connection, recording, state, queue, facts, cause=cause, actor=actor, now=now)
            else:
                row = rows.known(connection, recording)
                rows.add_change(connection, row, was=None, at=now, state=state, cause=cause, actor=actor)
            return rows.to_recording(rows.known(connection, recording))

        return self.database.write(work)

    def make_due(self, recording: RecordingId, *, queue: Queue, actor: str, action: str, reason: str) -> Recording:
        """Somebody wants it looked at now: waits, alarms and counted tries are over. A run that has it keeps it."""

        def work(connection: Connection) -> Recording:
            row = rows.known(connection, recording, lock=True)
            now = self.database.now(connection)
            values: dict[str, Any] = {"tries": 0, "lost_runs": 0, "looks": 0, "alarm": None, "damage_digest": None}
            if row["run"] is None and row["state"] != State.PROCESSING:
                values["due_at"] = now
            if queue.rank < Queue(row["queue"]).rank:
                values["queue"] = queue
            connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))
            rows.add_audit(connection, at=now, actor=actor, action=action, subject=id_text(recording), reason=reason)
            return rows.to_recording(rows.known(connection, recording))

        return self.database.write(work)

    def found(self, recording: RecordingId, folder: str) -> None:
        """Its objects lie in this folder of its source."""
        is_it = (recordings.c.vendor == recording.vendor) & (recordings.c.task_id == recording.task_id)
        told = update(recordings).where(is_it & recordings.c.folder.is_(None)).values(folder=folder)
        self.database.write(lambda connection: connection.execute(told))

    def note(self, recording: RecordingId, *, actor: str, action: str, reason: str) -> None:
        """Tell the audit what somebody does to a recording, and why."""

        def work(connection: Connection) -> None:
            now, subject = self.database.now(connection), id_text(recording)
            rows.add_audit(connection, at=now, actor=actor, action=action, subject=subject, reason=reason)

        self.database.write(work)

    def overdue(self, heard_before: datetime, *, most: int) -> list[Recording]:
        """Recordings without a verdict that were heard of before a time, and that nobody has been told of."""
        here = recordings.c
        is_open = here.state.in_([state for state in State if state is not State.SETTLED]) & here.verdict.is_(None)
        is_old = (here.span_from < heard_before) & here.alarm.is_(None)
        query = select(recordings).where(is_open & is_old).order_by(here.span_from).limit(most)
        return self.database.read(lambda c: [rows.to_recording(row) for row in c.execute(query).mappings()])

    def alarm(self, recording: RecordingId, *, cause: str, actor: str) -> None:
        """Somebody should know of it; one that is due to nobody, because its end was never told, is looked at now."""

        def work(connection: Connection) -> None:
            row = rows.known(connection, recording, lock=True)
            if row["verdict"] or row["alarm"]:
                return
            now = self.database.now(connection)
            values: dict[str, Any] = {"alarm": cause}
            if row["state"] in {State.HINTED, State.RECORDING} and row["run"] is None:
                values["due_at"] = now
            connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))
            rows.add_change(connection, row, was=row["state"], at=now, state=row["state"], cause=cause, actor=actor)

        self.database.write(work)

    def reindex(self, manifests: Sequence[tuple[Manifest, str]]) -> int:
        """Take in manifests with their keys, in any order; how many of them were newer than what is known."""

        def work(connection: Connection) -> int:
            now = self.database.now(connection)
            # Oldest first: it says when a recording was first heard of, and settled.
            ordered = sorted(manifests, key=lambda item: item[0].revision)
            return sum(put_manifest(connection, manifest, key, now=now) for manifest, key in ordered)

        return self.database.write(work)

    def _rows(self, query: Select[Any]) -> Sequence[RowMapping]:
        return self.database.read(lambda connection: connection.execute(query).mappings().all())


def _of(recording: RecordingId, table: Table) -> Select[Any]:
    is_it = (recordings.c.vendor == recording.vendor) & (recordings.c.task_id == recording.task_id)
    return select(table).join(recordings, recordings.c.id == table.c.recording).where(is_it)


def _insert(connection: Connection, recording: RecordingId, values: dict[str, Any], *, now: datetime) -> bool:
    """Whether it is a new row."""
    fresh = {
        **values,
        "vendor": recording.vendor,
        "task_id": recording.task_id,
        "heard_at": now,
        "span_from": now,
        "span_to": now,
        "span_s": 0.0,
        "due_at": _due(values["state"], now),
    }
    made = rows.insert(connection, recordings).values(fresh).on_conflict_do_nothing().returning(recordings.c.id)
    return connection.execute(made).first() is not None


def _advance(
    connection: Connection,
    recording: RecordingId,
    state: State,
    queue: Queue,
    facts: dict[str, str | None],
    *,
    cause: str,
    actor: str,
    now: datetime,
) -> None:
    row = rows.known(connection, recording, lock=True)
    values: dict[str, Any] = {name: value for name, value in facts.items() if value is not None and row[name] is None}
    if queue.rank < Queue(row["queue"]).rank:
        values["queue"] = queue
    if row["state"] in _BEFORE_WORK and _BEFORE_WORK.index(state) > _BEFORE_WORK.index(row["state"]):
        values |= {"state": state, "due_at": _due(state, now)}
        rows.add_change(connection, row, was=row["state"], at=now, state=state, cause=cause, actor=actor)
    if values:
        connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))


def _due(state: State, now: datetime) -> datetime | None:
    return now if state is State.STOPPED else None

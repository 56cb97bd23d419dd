"""The catalog: every recording and how far it has come, to be found by whatever is known of it.

It is an index. What was published can be made again from the manifests; what cannot is the queue, and that a backfill
finds again. Each method is one short transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, Table, func, or_, select, tuple_, update

from catalog import backfilling, hearing, registering, rows
from catalog.announcing import Announcements
from catalog.attendance import Attendances
from catalog.chains import Chain, chain_of
from catalog.claims import Claims
from catalog.database import Database
from catalog.events import Vouched
from catalog.export_runs import ExportRuns
from catalog.exports import Exports
from catalog.inbox import Inbox
from catalog.indexing import put_manifest
from catalog.inquiries import Inquiries
from catalog.model import Manifest, RecordingId, State, StreamKind, Verdict
from catalog.records import Change, OutputRow, Queue, Recording, StreamRow, Wanted, has_news, id_text
from catalog.registering import Heard, require_fitting
from catalog.runs import Runs
from catalog.searching import MOST_ROWS, Page, Query, search
from catalog.tables import changes, outputs, recordings, streams

_ASKED_AT_ONCE: Final = 500
_NEAR: Final = 200


class Catalog:
    """Recordings; beside them `claims`, `runs` they are handed to, `exports` and their runs, and what is said of them.

    The `inbox` has what vendors told us, `inquiries` what they are asked, `announcements` what we tell others.
    `attendances` answers who was recorded when.
    """

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self.database = database
        self.claims = Claims(database)
        self.runs = Runs(database)
        self.exports = Exports(database)
        self.export_runs = ExportRuns(database)
        self.attendances = Attendances(database)
        self.inbox = Inbox(database)
        self.inquiries = Inquiries(database)
        self.announcements = Announcements(database)

    def get(self, recording: RecordingId) -> Recording:
        """One recording. Raises `UnknownRecordingError`."""
        return self.database.read(lambda connection: rows.to_recording(rows.known(connection, recording)))

    def named(self, task: str) -> list[Recording]:
        """All recordings that `VENDOR:TASK_ID` or a bare task id may mean."""
        vendor, _, task_id = task.partition(":")
        is_full = (recordings.c.vendor == vendor) & (recordings.c.task_id == task_id)
        query = select(recordings).where(or_(recordings.c.task_id == task, is_full)).order_by(recordings.c.id)
        return self.database.read(lambda c: [rows.to_recording(row) for row in c.execute(query).mappings()])

    def known(self, ids: Sequence[RecordingId]) -> dict[RecordingId, Recording]:
        """Those of many recordings that the catalog knows."""
        here, wanted = recordings.c, set(ids)

        def work(connection: Connection) -> dict[RecordingId, Recording]:
            found: dict[RecordingId, Recording] = {}
            for first in range(0, len(ids), _ASKED_AT_ONCE):
                some = [each.task_id for each in ids[first : first + _ASKED_AT_ONCE]]
                for row in connection.execute(select(recordings).where(here.task_id.in_(some))).mappings():
                    found[rows.id_of(row)] = rows.to_recording(row)
            return {each: recording for each, recording in found.items() if each in wanted}

        return self.database.read(work)

    def not_complete(self, since: datetime | None, until: datetime | None) -> Iterator[Recording]:
        """Recordings of the time between that have no verdict, or one that says that something is lost."""
        unsettled = Query(states=tuple(state for state in State if state is not State.SETTLED), limit=MOST_ROWS)
        lost = Query(verdicts=tuple(each for each in Verdict if each is not Verdict.COMPLETE), limit=MOST_ROWS)
        for query in (unsettled, lost):
            asked: Query | None = replace(query, since=since, until=until)
            while asked:
                page = self.search(asked)
                yield from page.recordings
                asked = replace(asked, cursor=page.cursor) if page.cursor else None

    def take_up(self, wanted: Sequence[Wanted], *, actor: str, reason: str) -> int:
        """Have many recordings looked at, after all that is more urgent; how many of them were not to be anyway.

        New ones are registered as stopped. What somebody is at work on, or is due, stays as it is. All is done in one
        transaction, so `wanted` should be short.
        """
        for each in wanted:
            require_fitting(each.recording)
        ordered = sorted(wanted, key=lambda each: id_text(each.recording))  # all who lock many do it in this order

        def work(connection: Connection) -> int:
            now = self.database.now(connection)
            return sum(backfilling.take_up(connection, each, actor=actor, reason=reason, now=now) for each in ordered)

        return self.database.write(work)

    def search(self, query: Query) -> Page:
        """What the query asks for, the newest first. Raises `CursorError`."""
        return self.database.read(lambda connection: search(connection, query))

    def counts(self) -> dict[State, int]:
        """How many recordings are in each state."""
        query = select(recordings.c.state, func.count()).group_by(recordings.c.state)
        return self.database.read(lambda c: {State(state): count for state, count in c.execute(query)})

    def chain(self, recording: RecordingId) -> Chain | None:
        """Which recordings of its room follow each other, and its place among them; None without a known room.

        Of rooms that never rest, it is those of the nearest 200 on either side. Raises `UnknownRecordingError`.
        """

        def work(connection: Connection) -> Chain | None:
            row = rows.known(connection, recording)
            if row["room"] is None:
                return None
            near = [each for query in _around(row) for each in connection.execute(query).mappings()]
            return chain_of(recording, map(rows.to_recording, near))

        return self.database.read(work)

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
        require_fitting(recording)
        facts = {"source": source, "folder": folder, "room": room}

        def work(connection: Connection) -> Recording:
            now = self.database.now(connection)
            heard = Heard(state=state, queue=queue, due_at=now, facts=facts)
            row, _ = registering.register(connection, recording, heard, cause=cause, actor=actor, now=now)
            if state is State.STOPPED and row["stopped_at"] is None:
                ended = update(recordings).where(recordings.c.id == row["id"])
                connection.execute(ended.values(stopped_at=now))
            return rows.to_recording(rows.known(connection, recording))

        return self.database.write(work)

    def make_due(self, recording: RecordingId, *, queue: Queue, actor: str, action: str, reason: str) -> Recording:
        """Somebody wants it looked at now: waits, alarms and counted tries are over. A run that has it keeps it."""

        def work(connection: Connection) -> Recording:
            row = rows.known(connection, recording, lock=True)
            now = self.database.now(connection)
            values: dict[str, Any] = {**registering.AFRESH}
            if row["run"] is None and row["state"] != State.PROCESSING:
                values["due_at"] = now
            if queue.rank < Queue(row["queue"]).rank:
                values["queue"] = queue
            connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))
            rows.add_audit(connection, at=now, actor=actor, action=action, subject=id_text(recording), reason=reason)
            return rows.to_recording(rows.known(connection, recording))

        return self.database.write(work)

    def found(self, recording: RecordingId, *, source: str, folder: str) -> None:
        """Its objects lie in this folder of this source; what is known already stays."""
        here = recordings.c
        is_it = (here.vendor == recording.vendor) & (here.task_id == recording.task_id)
        known = {"source": func.coalesce(here.source, source), "folder": func.coalesce(here.folder, folder)}
        told = update(recordings).where(is_it & (here.folder.is_(None) | here.source.is_(None))).values(known)
        self.database.write(lambda connection: connection.execute(told))

    def vouched(self, recording: RecordingId) -> Vouched:
        """What its vendor has signed, or answered when it was asked."""
        return self.database.read(lambda connection: hearing.vouched(connection, recording))

    def unseen(self, found: Mapping[RecordingId, datetime]) -> set[RecordingId]:
        """Which of them are not known to be over, or were written to since somebody looked: by their newest objects."""
        here, ids = recordings.c, list(found)
        is_over = here.state.not_in([State.HINTED, State.RECORDING])
        known = select(here.vendor, here.task_id, here.looked_at).where(is_over)

        def work(connection: Connection) -> set[RecordingId]:
            left = set(found)
            for first in range(0, len(ids), _ASKED_AT_ONCE):
                some = [each.task_id for each in ids[first : first + _ASKED_AT_ONCE]]
                for row in connection.execute(known.where(here.task_id.in_(some))):
                    recording = RecordingId(vendor=row.vendor, task_id=row.task_id)
                    if recording in left and not has_news(found[recording], row.looked_at):
                        left.discard(recording)
            return left

        return self.database.read(work)

    def discovered(
        self,
        recording: RecordingId,
        *,
        newest: datetime,
        state: State,
        source: str,
        folder: str,
        room: str | None,
        actor: str,
    ) -> None:
        """It lies in this source, and was last written to at `newest`: it is looked at if nobody has seen that."""
        facts = {"source": source, "folder": folder, "room": room}

        def work(connection: Connection) -> None:
            now = self.database.now(connection)
            heard = Heard(state=state, queue=Queue.BULK, due_at=now, facts=facts)
            row, _ = registering.register(
                connection, recording, heard, cause="found in its source", actor=actor, now=now
            )
            look = registering.look_at(row, now) if has_news(newest, row["looked_at"]) else {}
            if look:
                connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(look))

        self.database.write(work)

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
        waited_since = func.coalesce(here.stopped_at, here.spoken_at, here.heard_at)
        is_old = (here.span_from < heard_before) & (waited_since < heard_before) & here.alarm.is_(None)
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


def _around(row: RowMapping) -> tuple[Select[Any], Select[Any]]:
    """The recordings of the same room and vendor before a row, with itself, and after it."""
    here = recordings.c
    place, at = tuple_(here.span_from, here.id), (row["span_from"], row["id"])
    of_room = select(recordings).where(here.room == row["room"], here.vendor == row["vendor"])
    before = of_room.where(here.span_from <= row["span_from"], place <= at)
    after = of_room.where(here.span_from >= row["span_from"], place > at)
    return (
        before.order_by(here.span_from.desc(), here.id.desc()).limit(_NEAR),
        after.order_by(here.span_from, here.id).limit(_NEAR),
    )


def _of(recording: RecordingId, table: Table) -> Select[Any]:
    is_it = (recordings.c.vendor == recording.vendor) & (recordings.c.task_id == recording.task_id)
    return select(table).join(recordings, recordings.c.id == table.c.recording).where(is_it)

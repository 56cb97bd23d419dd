"""Runs: what was handed over to be processed, and whether it arrived. An outbox: written with the decision, sent after.

The run that a recording was handed to is named in its row. A run that was given up is forgotten there, so that it gets
no claim when it comes after all.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, case, delete, select, update

from catalog import leasing, rows
from catalog.database import Database
from catalog.model import State
from catalog.records import RECORDING_LEASE, Queue, Run, id_text, run_lease
from catalog.tables import leases, recordings, runs

ALONE: Final = "process_recording"
TOGETHER: Final = "process_batch"
"""The flows that recordings are handed to: each by itself, or many at once."""

_SHARED_BY: Final = 4
"""So many runs share what is due at once, lest one worker has all of it and the others nothing to do."""
_WORTH_A_RUN: Final = 25
"""Fewer recordings are not divided: a run takes seconds to start."""

_FIRST: Final = case(*((recordings.c.queue == queue.value, queue.rank) for queue in Queue), else_=len(Queue))


class Runs:
    """The runs of a catalog."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def hand_over(self, *, most: int, batch: int) -> list[Run]:
        """Make runs of what is due, at most `most` recordings: urgent ones alone, bulk ones together.

        At most `batch` are in one run.
        """

        def work(connection: Connection) -> list[Run]:
            now = self._database.now(connection)
            is_due = (recordings.c.due_at <= now) & recordings.c.run.is_(None)
            is_free = recordings.c.state != State.PROCESSING
            query = select(recordings).where(is_due & is_free).order_by(_FIRST, recordings.c.due_at).limit(most)
            due = connection.execute(query.with_for_update(skip_locked=True)).mappings().all()
            alone = [[row] for row in due if _goes_alone(row)]
            bulk = [row for row in due if not _goes_alone(row)]
            size = min(batch, max(-(-len(bulk) // _SHARED_BY), _WORTH_A_RUN))
            together = [bulk[first : first + size] for first in range(0, len(bulk), size)]
            return [_make(connection, members, now) for members in alone + together]

        return self._database.write(work)

    def to_look_at(self, *, most: int) -> list[Run]:
        """Runs that were not delivered, or have not been heard of for long."""

        def work(connection: Connection) -> list[Run]:
            due = runs.c.look_at <= self._database.now(connection)
            query = select(runs).where(due).order_by(runs.c.look_at).limit(most)
            return [_run(row) for row in connection.execute(query).mappings()]

        return self._database.read(work)

    def delivered(self, key: str, flow_run: str, *, look_in: timedelta) -> None:
        """The run arrived, as `flow_run`; see in `look_in` what became of it."""
        self._look(key, look_in, flow_run=flow_run)

    def look_later(self, key: str, look_in: timedelta) -> None:
        """The run is still to be delivered, or still under way."""
        self._look(key, look_in)

    def _look(self, key: str, look_in: timedelta, *, flow_run: str | None = None) -> None:
        def work(connection: Connection) -> None:
            now = self._database.now(connection)
            values: dict[str, Any] = {"look_at": now + look_in}
            if flow_run is not None:
                values |= {"flow_run": flow_run, "delivered_at": now}
            connection.execute(update(runs).where(runs.c.key == key).values(values))

        self._database.write(work)

    def is_under_way(self, key: str) -> bool:
        """Whether somebody holds the lease of the run, or did a moment ago and is ending.

        A run that took none has those of its recordings.
        """

        def work(connection: Connection) -> bool:
            subjects = connection.scalar(select(runs.c.subjects).where(runs.c.key == key)) or []
            names = [run_lease(key), *(f"{RECORDING_LEASE}{subject}" for subject in subjects)]
            query = select(leases.c.name, leases.c.expires_at).where(leases.c.name.in_(names))
            ends = {row.name: row.expires_at for row in connection.execute(query)}
            now = self._database.now(connection)
            return any(end > now for end in ([ends[names[0]]] if names[0] in ends else ends.values()))

        return self._database.read(work)

    def is_urgent(self, *, longer_than: timedelta, within: timedelta) -> bool:
        """Whether an urgent recording was handed over so long ago, `within` a time, and nobody has begun with it."""

        def work(connection: Connection) -> bool:
            now = self._database.now(connection)
            is_waiting = (recordings.c.queue != Queue.BULK) & (recordings.c.state != State.PROCESSING)
            is_new = (runs.c.created_at < now - longer_than) & (runs.c.created_at > now - within)
            query = select(runs.c.key).join(recordings, recordings.c.run == runs.c.key)
            return connection.execute(query.where(is_waiting & is_new)).first() is not None

        return self._database.read(work)

    def hurry_dead(self) -> None:
        """Runs whose process let the lease run out, instead of giving it back, are to be looked at now."""

        def work(connection: Connection) -> None:
            now = self._database.now(connection)
            for name in leasing.expired(connection, run_lease(""), now=now, limit=100):
                if leasing.end(connection, name, now=now):
                    is_it = runs.c.key == name.removeprefix(run_lease(""))
                    connection.execute(update(runs).where(is_it).values(look_at=now))

        self._database.write(work)

    def has_subjects(self, key: str) -> bool:
        """Whether any recording is still in the run's hands."""
        query = select(recordings.c.id).where(recordings.c.run == key)
        return self._database.read(lambda connection: connection.execute(query).first() is not None)

    def forget(self, key: str) -> None:
        """The run is over, and all that it was handed has been told of."""
        self._database.write(lambda connection: connection.execute(delete(runs).where(runs.c.key == key)))

    def give_up(self, key: str, *, look_in: timedelta) -> int:
        """The run came to nothing: what it had not begun is due again; how many those are."""

        def work(connection: Connection) -> int:
            due_at = self._database.now(connection) + look_in
            not_begun = (recordings.c.run == key) & (recordings.c.state != State.PROCESSING)
            freed = connection.execute(update(recordings).where(not_begun).values(run=None, due_at=due_at))
            return freed.rowcount

        return self._database.write(work)


def _goes_alone(row: RowMapping) -> bool:
    """What is urgent does not wait for others; what has failed before takes nobody with it."""
    return bool(row["queue"] != Queue.BULK or row["tries"])


def _make(connection: Connection, members: list[RowMapping], now: datetime) -> Run:
    is_alone = _goes_alone(members[0])
    first = rows.to_recording(members[0])
    run = Run(
        key=f"{id_text(first.id) if is_alone else 'bulk'}#{uuid.uuid4().hex}",
        flow=ALONE if is_alone else TOGETHER,
        queue=first.queue,
        subjects=tuple(id_text(rows.to_recording(row).id) for row in members),
        created_at=now,
        delivered_at=None,
        flow_run=None,
        look_at=now,
    )
    connection.execute(
        runs.insert().values(
            key=run.key, flow=run.flow, queue=run.queue, subjects=list(run.subjects), created_at=now, look_at=now
        )
    )
    ids = [row["id"] for row in members]
    values = {"run": run.key, "due_at": None}
    connection.execute(update(recordings).where(recordings.c.id.in_(ids)).values(values))
    return run


def _run(row: RowMapping) -> Run:
    return Run(
        key=row["key"],
        flow=row["flow"],
        queue=Queue(row["queue"]),
        subjects=tuple(row["subjects"]),
        created_at=row["created_at"],
        delivered_at=row["delivered_at"],
        flow_run=row["flow_run"],
        look_at=row["look_at"],
    )

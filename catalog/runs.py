"""Runs: what was handed over to be processed, and whether it arrived. An outbox: written with the decision, sent after.

The run that a recording was handed to is named in its row. A run that was given up is forgotten there, so that it gets
no claim when it comes after all.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, case, delete, distinct, func, literal, or_, select, update

from catalog import leasing, rows
from catalog.database import Database
from catalog.export_records import ExportState
from catalog.model import State
from catalog.records import RECORDING_LEASE, Queue, Run, id_text, run_lease
from catalog.tables import exports, leases, recordings, runs

ALONE: Final = "process_recording"
TOGETHER: Final = "process_batch"
"""The flows that recordings are handed to: each by itself, or many at once."""

_SHARED_BY: Final = 4
"""So many runs share what is due at once, lest one worker has all of it and the others nothing to do."""
_WORTH_A_RUN: Final = 25
"""Fewer recordings are not divided: a run takes seconds to start."""

_FIRST: Final = case(*((runs.c.queue == queue.value, queue.rank) for queue in Queue), else_=len(Queue))
_IS_BEGUN: Final = recordings.c.state == State.PROCESSING


class Pulse(Enum):
    """What the leases say of the process of a run."""

    ALIVE = "alive"
    """It holds the lease of the run, or that of a recording in its hands."""
    ENDING = "ending"
    """It gave back such a lease a moment ago."""
    GONE = "gone"


class Runs:
    """The runs of a catalog."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def hand_over(self, *, most: int, batch: int, most_bulk: int | None = None) -> list[Run]:
        """Make runs of what is due, at most `most` recordings: urgent ones alone, bulk ones together.

        At most `batch` are in one run. No more bulk runs are made while `most_bulk` of them have any in their hands.
        """

        def work(connection: Connection) -> list[Run]:
            now, left, made = self._database.now(connection), most, list[Run]()
            for queue in Queue:
                due = connection.execute(due_query(queue, now, most=left)).mappings().all()
                waiting = len(due) if len(due) < left else _waiting(connection, queue, now, most=batch * _SHARED_BY)
                left -= len(due)
                parts = _parted(due, batch, waiting=waiting)
                if queue is Queue.BULK and most_bulk is not None:
                    parts = parts[: max(most_bulk - _open(connection, queue), 0)]
                made += [_make(connection, members, now) for members in parts]
            return made

        return self._database.write(work)

    def to_deliver(self, *, most: int) -> list[Run]:
        """Runs that did not arrive yet, the most urgent first, and the oldest of them."""
        return self._found(select(runs).where(runs.c.delivered_at.is_(None)).order_by(_FIRST, runs.c.created_at), most)

    def to_look_after(self, *, most: int) -> list[Run]:
        """Runs that arrived, and have not been heard of for long."""
        return self._found(select(runs).where(runs.c.delivered_at.is_not(None)).order_by(runs.c.look_at), most)

    def _found(self, query: Select[Any], most: int) -> list[Run]:
        def work(connection: Connection) -> list[Run]:
            due = query.where(runs.c.look_at <= self._database.now(connection)).limit(most)
            return [_run(row) for row in connection.execute(due).mappings()]

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

    def pulse(self, key: str) -> Pulse:
        """Whether the process of the run lives. A run need not take a lease of its own, and may lose it."""

        def work(connection: Connection) -> Pulse:
            in_hands = {run_lease(key), *(_lease(id_text(rows.id_of(row))) for row in _in_hands(connection, key))}
            subjects = connection.scalar(select(runs.c.subjects).where(runs.c.key == key)) or []
            had = {_lease(subject) for subject in subjects}
            return pulse_of(connection, in_hands, had, now=self._database.now(connection))

        return self._database.read(work)

    def is_urgent(self, *, longer_than: timedelta, shorter_than: timedelta) -> bool:
        """Whether an urgent recording or an export was handed over that long ago, and nobody has begun with it.

        One that waits for longer than `shorter_than` is not waiting for a free slot.
        """
        is_waiting = (recordings.c.queue != Queue.BULK) & ~_IS_BEGUN
        urgent = (
            select(runs.c.key).join(recordings, recordings.c.run == runs.c.key).where(is_waiting),
            select(runs.c.key).join(exports, exports.c.run == runs.c.key).where(exports.c.state == ExportState.QUEUED),
        )

        def work(connection: Connection) -> bool:
            now = self._database.now(connection)
            is_recent = (runs.c.created_at < now - longer_than) & (runs.c.created_at > now - shorter_than)
            return any(connection.execute(query.where(is_recent).limit(1)).first() for query in urgent)

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

        def work(connection: Connection) -> None:
            connection.execute(delete(runs).where(runs.c.key == key))
            leasing.forget(connection, run_lease(key))

        self._database.write(work)

    def give_back(self, key: str) -> int:
        """The run ends well, before it began with all that it was handed: that is due at once; how many those are."""

        def work(connection: Connection) -> int:
            now = self._database.now(connection)
            left = update(recordings).where((recordings.c.run == key) & ~_IS_BEGUN)
            return connection.execute(left.values(run=None, due_at=now)).rowcount

        return self._database.write(work)

    def give_up(
        self,
        key: str,
        *,
        cause: str,
        actor: str,
        look_in: Callable[[int], timedelta],
        is_alarming: Callable[[int], bool],
    ) -> int:
        """The run came to nothing: what it had not begun is due again; how many those are.

        `look_in` and `is_alarming` are asked with the number of runs that a recording has lost in a row.
        """

        def work(connection: Connection) -> int:
            now = self._database.now(connection)
            left = [row for row in _in_hands(connection, key, lock=True) if row["state"] != State.PROCESSING]
            for row in left:
                lost = row["lost_runs"] + 1
                values: dict[str, Any] = {"run": None, "lost_runs": lost, "due_at": now + look_in(lost)}
                if is_alarming(lost) and not row["verdict"]:
                    values["alarm"] = f"{cause}; are the workers all right?"
                _tell(connection, row, values, now=now, cause=cause, actor=actor)
            return len(left)

        return self._database.write(work)

    def hold(self, key: str, *, cause: str, actor: str, look_in: timedelta) -> int:
        """Somebody cancelled the run: what is still in its hands is left to a person; how many those are.

        Whoever works on it still, loses it. What has a verdict keeps it, and is looked at again in `look_in`.
        """

        def work(connection: Connection) -> int:
            now = self._database.now(connection)
            held = _in_hands(connection, key, lock=True)
            for row in held:
                values: dict[str, Any] = {"run": None, "due_at": now + look_in if row["verdict"] else None}
                if not row["verdict"]:
                    values["alarm"] = cause
                if row["state"] == State.PROCESSING:
                    leasing.revoke(connection, _lease(id_text(rows.id_of(row))))
                    values["state"] = State.SETTLED if row["verdict"] else State.STOPPED
                _tell(connection, row, values, now=now, cause=cause, actor=actor)
            return len(held)

        return self._database.write(work)

    def alarm_waiting(self, waits: Mapping[Queue, timedelta], *, cause: str, actor: str, most: int) -> list[str]:
        """Tell once of recordings that were handed over longer ago than `waits` says, and nobody began with."""

        def work(connection: Connection) -> list[str]:
            now = self._database.now(connection)
            is_long = or_(
                *((recordings.c.queue == queue) & (runs.c.created_at < now - wait) for queue, wait in waits.items())
            )
            is_open = ~_IS_BEGUN & recordings.c.verdict.is_(None) & recordings.c.alarm.is_(None)
            its_lease = leases.c.name == literal(run_lease("")) + runs.c.key
            lives = select(leases.c.name).where(its_lease & (leases.c.expires_at > now)).exists()
            query = select(recordings).join(runs, recordings.c.run == runs.c.key).where(is_long & is_open & ~lives)
            query = query.order_by(recordings.c.id).limit(most).with_for_update(of=recordings)
            found = connection.execute(query).mappings().all()
            for row in found:
                _tell(connection, row, {"alarm": cause}, now=now, cause=cause, actor=actor)
            return [id_text(rows.id_of(row)) for row in found]

        return self._database.write(work)

    def free_orphans(self) -> int:
        """Recordings in the hands of a run that nobody knows any more are due again; how many those are."""

        def work(connection: Connection) -> int:
            is_known = select(runs.c.key).where(runs.c.key == recordings.c.run).exists()
            is_orphan = recordings.c.run.is_not(None) & ~_IS_BEGUN & ~is_known
            freed = update(recordings).where(is_orphan).values(run=None, due_at=self._database.now(connection))
            return connection.execute(freed).rowcount

        return self._database.write(work)


def pulse_of(connection: Connection, in_hands: AbstractSet[str], had: AbstractSet[str], *, now: datetime) -> Pulse:
    """What the leases say that a run has, or has had."""
    is_valid = leases.c.name.in_(in_hands | had) & (leases.c.expires_at > now)
    found = connection.execute(select(leases.c.name, leases.c.holder).where(is_valid)).all()
    if any(row.holder is not None and row.name in in_hands for row in found):
        return Pulse.ALIVE
    return Pulse.ENDING if any(row.holder is None for row in found) else Pulse.GONE


def add_run(connection: Connection, run: Run) -> None:
    """Put a run that is to be delivered."""
    values = {"key": run.key, "flow": run.flow, "queue": run.queue, "subjects": list(run.subjects)}
    connection.execute(runs.insert().values(created_at=run.created_at, look_at=run.look_at, **values))


def due_query(queue: Queue, now: datetime, *, most: int) -> Select[Any]:
    """What is due of one queue, the longest first: read from an index in that order."""
    is_due = (recordings.c.queue == queue) & (recordings.c.due_at <= now)
    free = select(recordings).where(is_due & recordings.c.run.is_(None) & ~_IS_BEGUN)
    return free.order_by(recordings.c.due_at).limit(most).with_for_update(skip_locked=True)


def _open(connection: Connection, queue: Queue) -> int:
    """How many runs of a queue have recordings in their hands."""
    query = select(func.count(distinct(runs.c.key))).join(recordings, recordings.c.run == runs.c.key)
    return connection.scalar(query.where(runs.c.queue == queue)) or 0


def _waiting(connection: Connection, queue: Queue, now: datetime, *, most: int) -> int:
    """How many are due of one queue, whoever takes them; counted up to `most`, as more would make no difference."""
    is_free = recordings.c.run.is_(None) & ~_IS_BEGUN
    due = select(recordings.c.id).where((recordings.c.queue == queue) & (recordings.c.due_at <= now) & is_free)
    return connection.scalar(select(func.count()).select_from(due.limit(most).subquery())) or 0


def _parted(due: Sequence[RowMapping], batch: int, *, waiting: int) -> list[list[RowMapping]]:
    """By runs; `waiting` counts what is due beside these, too: of very many, each run gets as many as it may have."""
    alone = [[row] for row in due if _goes_alone(row)]
    rest = [row for row in due if not _goes_alone(row)]
    size = min(batch, max(-(-max(len(rest), waiting) // _SHARED_BY), _WORTH_A_RUN))
    return alone + [rest[first : first + size] for first in range(0, len(rest), size)]


def _in_hands(connection: Connection, key: str, *, lock: bool = False) -> list[RowMapping]:
    """The recordings in the hands of a run; with `lock`, nobody else changes them before the transaction ends."""
    query = select(recordings).where(recordings.c.run == key).order_by(recordings.c.id)
    return list(connection.execute(query.with_for_update() if lock else query).mappings())


def _tell(
    connection: Connection, row: RowMapping, values: Mapping[str, Any], *, now: datetime, cause: str, actor: str
) -> None:
    """Write the values, and why, of the recording in `row`."""
    connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))
    state = values.get("state", row["state"])
    rows.add_change(connection, row, was=row["state"], at=now, state=state, cause=cause, actor=actor)


def _lease(subject: str) -> str:
    return f"{RECORDING_LEASE}{subject}"


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
    add_run(connection, run)
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

"""Exports that are handed over to be made, as runs in the same outbox as those of recordings (`catalog.runs`)."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, select, update

from catalog import export_rows
from catalog.database import Database
from catalog.export_records import UNDER_WAY, ExportState, export_lease
from catalog.export_rows import Why
from catalog.records import Queue, Run
from catalog.runs import Pulse, add_run, pulse_of
from catalog.tables import exports, runs

EXPORTING: Final = "export_replay"
"""The flow that exports are handed to, each by itself."""


class ExportRuns:
    """What runs of exports have in their hands."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def hand_over(self, *, most: int) -> list[Run]:
        """Make a run of each export that is due, the longest first, at most `most`."""

        def is_due(connection: Connection) -> bool:
            return connection.execute(_due(self._database.now(connection))).first() is not None

        def work(connection: Connection) -> list[Run]:
            now = self._database.now(connection)
            due = _due(now).limit(most).with_for_update(skip_locked=True)
            return [_make(connection, row["id"], now) for row in connection.execute(due).mappings().all()]

        return self._database.write(work) if self._database.read(is_due) else []

    def pulse(self, key: str) -> Pulse:
        """Whether the process of the run lives, by the leases on what it has, or had."""

        def work(connection: Connection) -> Pulse:
            held = {export_lease(row["id"]) for row in _in_hands(connection, key)}
            had = {export_lease(subject) for subject in connection.scalar(_subjects(key)) or ()}
            return pulse_of(connection, held, had, now=self._database.now(connection))

        return self._database.read(work)

    def has_subjects(self, key: str) -> bool:
        """Whether any export is still in the run's hands."""
        return self._database.read(lambda connection: bool(_in_hands(connection, key)))

    def give_up(
        self,
        key: str,
        *,
        cause: str,
        actor: str,
        look_in: Callable[[int], timedelta],
        is_alarming: Callable[[int], bool],
    ) -> int:
        """The run came to nothing: what it had not begun is due again; how many exports those are.

        `look_in` and `is_alarming` are asked with the number of runs that an export has lost in a row.
        """

        def work(connection: Connection) -> int:
            now = self._database.now(connection)
            left = [row for row in _in_hands(connection, key, lock=True) if row["state"] == ExportState.QUEUED]
            for row in left:
                lost = row["lost_runs"] + 1
                told = f"{cause}; are the workers all right?" if is_alarming(lost) else cause
                values = {"run": None, "lost_runs": lost, "due_at": now + look_in(lost)}
                why = Why(cause=told, actor=actor)
                export_rows.move(connection, row, ExportState.QUEUED, why, now=now, values=values)
            return len(left)

        return self._database.write(work)

    def hold(self, key: str, *, cause: str, actor: str, look_in: timedelta) -> int:  # noqa: ARG002 - as of recordings
        """Somebody cancelled the run: so are the exports in its hands, how many, and whoever makes them loses them."""

        def work(connection: Connection) -> int:
            now = self._database.now(connection)
            held = _in_hands(connection, key, lock=True)
            for row in held:
                why = Why(cause=cause, actor=actor, advice="Try it again, if it is still wanted.")
                export_rows.move(connection, row, ExportState.CANCELLED, why, now=now)
            return len(held)

        return self._database.write(work)

    def free_orphans(self) -> int:
        """Exports that wait for a run that nobody knows any more are due again; how many those are."""
        is_known = select(runs.c.key).where(runs.c.key == exports.c.run).exists()
        is_lost = exports.c.due_at.is_(None) & (exports.c.run.is_(None) | ~is_known)
        are_orphans = (exports.c.state == ExportState.QUEUED) & is_lost

        def work(connection: Connection) -> int:
            freed = update(exports).where(are_orphans).values(run=None, due_at=self._database.now(connection))
            return connection.execute(freed).rowcount

        query = select(exports.c.id).where(are_orphans).limit(1)
        has_any = self._database.read(lambda connection: connection.execute(query).first() is not None)
        return self._database.write(work) if has_any else 0


def _due(now: datetime) -> Select[Any]:
    is_free = (exports.c.state == ExportState.QUEUED) & exports.c.run.is_(None)
    return select(exports).where((exports.c.due_at <= now) & is_free).order_by(exports.c.due_at, exports.c.id)


def _subjects(key: str) -> Select[Any]:
    return select(runs.c.subjects).where(runs.c.key == key)


def _in_hands(connection: Connection, key: str, *, lock: bool = False) -> Sequence[RowMapping]:
    is_open = (exports.c.run == key) & exports.c.state.in_(UNDER_WAY)
    query = select(exports).where(is_open).order_by(exports.c.id)
    return connection.execute(query.with_for_update() if lock else query).mappings().all()


def _make(connection: Connection, export: str, now: datetime) -> Run:
    run = Run(
        key=f"{export}#{uuid.uuid4().hex}",
        flow=EXPORTING,
        queue=Queue.EXPORT,
        subjects=(export,),
        created_at=now,
        delivered_at=None,
        flow_run=None,
        look_at=now,
    )
    add_run(connection, run)
    connection.execute(update(exports).where(exports.c.id == export).values(run=run.key, due_at=None))
    return run

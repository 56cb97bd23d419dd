"""Exports as jobs: what was asked for, by whom, and how far it has come. The same request is one job.

Every export ends: it is done, and expires later, or it failed or was cancelled. Whoever makes one does so under a
claim, a lease with a fencing number; everything that is written of it is written in one transaction with the check that
the claim is held still. Each method is one short transaction, and done twice it is done once.
"""

import re
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, distinct, func, or_, select, update

from catalog import announcing, export_rows, leasing, rows
from catalog.database import Database
from catalog.errors import ExportStateError, QuotaError, UnknownExportError
from catalog.export_records import (
    SERVING,
    UNDER_WAY,
    Asking,
    Export,
    ExportChange,
    ExportClaim,
    ExportedFile,
    ExportState,
    export_key,
    export_lease,
)
from catalog.export_request import ExportRequest
from catalog.export_rows import Why
from catalog.records import Lease
from catalog.tables import export_askings as askings
from catalog.tables import exports, leases, runs
from catalog.wire import utc_text

__all__ = ["Asking", "Export", "ExportChange", "ExportClaim", "ExportState", "ExportedFile", "Exports"]

MOST_TRIES: Final = 3
"""So often it is tried to make one, before it has failed."""
AT_ONCE: Final = 100
"""Exports in one pass of a loop; the next one follows soon."""

_LATE: Final = timedelta(minutes=1)
"""After a lease is over, until nothing comes any more from whoever held it, unless they were paused for longer."""
_PERSONS: Final = 0x4146_5445
_SHORTEST_ID: Final = 6
_ID: Final = re.compile(r"[0-9a-f]{1,32}")


@dataclass(frozen=True, slots=True)
class _Ask:
    """One time that somebody asks; `token` and `id` are drawn before the transaction, which may be done twice."""

    request: ExportRequest
    by: str
    reason: str
    name: str
    keep: timedelta
    most: int
    action: str
    token: str
    id: str


class Exports:
    """The exports of a catalog."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def ask(
        self, request: ExportRequest, *, by: str, reason: str, name: str, keep: timedelta, most: int
    ) -> tuple[Export, bool]:
        """The export of this request, and whether it is a new one: one that can still serve is shared.

        The file is kept for `keep`, or for as long as another wants it. `name` is the file's, without an extension, if
        it is the first. Raises `QuotaError` if `by` has `most` others under way already, `LayoutError` for a name that
        no key can have.
        """
        ask = _asked(request, "ask_export", by=by, reason=reason, name=name, keep=keep, most=most)
        return self._database.write(lambda connection: self._ask(connection, ask))

    def retry(self, export: str, *, by: str, reason: str, keep: timedelta, most: int) -> tuple[Export, bool]:
        """What is over is asked for once more; see `ask`. Raises `ExportStateError` unless it is over."""
        over = self.get(export)
        if not over.is_over:
            message = f"the export {export} is {over.state}: there is nothing to try again"
            raise ExportStateError(message)
        ask = _asked(over.request, "retry_export", by=by, reason=reason, name=over.name, keep=keep, most=most)
        return self._database.write(lambda connection: self._ask(connection, ask))

    def get(self, export: str) -> Export:
        """One export. Raises `UnknownExportError`."""
        return self._database.read(lambda connection: export_rows.read(connection, export))

    def named(self, text: str) -> Export:
        """The export of an id, or of at least the first six digits of it. Raises `UnknownExportError`."""

        def work(connection: Connection) -> Export:
            begin = text.lower()
            is_it = exports.c.id.startswith(begin, autoescape=True)
            is_short = len(begin) < _SHORTEST_ID or not _ID.fullmatch(begin)
            fitting = [] if is_short else export_rows.found(connection, select(exports).where(is_it).limit(2))
            if len(fitting) != 1:
                why = "several begin with that" if fitting else "write its id, or at least the first 6 digits of it"
                message = f"there is no export {text}: {why}" if fitting or is_short else f"there is no export {text}"
                raise UnknownExportError(message)
            return fitting[0]

        return self._database.read(work)

    def newest(
        self, *, by: str | None = None, states: Collection[ExportState] = (), limit: int = AT_ONCE
    ) -> list[Export]:
        """The exports that a person (None: anybody) asked for, in these states (none: any), the newest first."""
        query = select(exports)
        if by is not None:
            query = query.where(exports.c.id.in_(select(askings.c.export).where(askings.c.by == by)))
        if states:
            query = query.where(exports.c.state.in_(list(states)))
        query = query.order_by(exports.c.created_at.desc(), exports.c.id.desc()).limit(limit)
        return self._database.read(lambda connection: export_rows.found(connection, query))

    def states(self, ids: Collection[str]) -> dict[str, ExportState]:
        """How far those of them have come that there are."""
        query = select(exports.c.id, exports.c.state).where(exports.c.id.in_(list(ids)))
        return self._database.read(lambda c: {row.id: ExportState(row.state) for row in c.execute(query)})

    def changes(self, export: str) -> list[ExportChange]:
        """Its story, the oldest first."""
        return self._database.read(lambda connection: export_rows.changes(connection, export))

    def cancel(self, export: str, *, by: str, reason: str) -> Export:
        """A person wants it no more. If nobody else does, it ends at once, and its file goes.

        Raises `ExportStateError` if that person did not ask for it, or it is over.
        """

        def work(connection: Connection) -> Export:
            row = export_rows.known(connection, export, lock=True)
            wants = export_rows.asked_by(connection, export, by)
            if not wants:
                message = f"{by} has not asked for the export {export}, and so cannot cancel it"
                raise ExportStateError(message)
            if not any(wants):
                return export_rows.read(connection, export)
            return self._end(connection, row, by=by, reason=reason, for_all=False)

        return self._database.write(work)

    def stop(self, export: str, *, by: str, reason: str) -> Export:
        """End it at once, whoever wants it. Raises `ExportStateError` if it has ended by itself."""

        def work(connection: Connection) -> Export:
            row = export_rows.known(connection, export, lock=True)
            if row["state"] in {ExportState.CANCELLED, ExportState.EXPIRED}:
                return export_rows.read(connection, export)
            return self._end(connection, row, by=by, reason=reason, for_all=True)

        return self._database.write(work)

    def note_link(self, export: str, *, by: str, reason: str, seconds: int, name: str) -> Export:
        """Somebody is about to be given a link to its file that works for so long.

        Raises `ExportStateError` unless there is a file.
        """

        def work(connection: Connection) -> Export:
            row = export_rows.known(connection, export, lock=True)
            now = self._database.now(connection)
            if row["state"] != ExportState.DONE or row["expires_at"] <= now:
                is_what = "over" if row["state"] == ExportState.DONE else row["state"]
                message = f"the export {export} is {is_what}: there is no file to link to"
                raise ExportStateError(message)
            told = f"{name} for {seconds} s: {reason}"
            rows.add_audit(connection, at=now, actor=by, action="link_export", subject=export, reason=told)
            return export_rows.read(connection, export)

        return self._database.write(work)

    def take(self, export: str, *, holder: str, ttl: timedelta, run: str | None = None) -> ExportClaim | None:
        """The export to make, alone, until `ttl` is over; None if somebody else does, or nobody should.

        `run` is the key of the run it was handed to: one that was replaced meanwhile gets nothing.
        Raises `UnknownExportError`.
        """

        def work(connection: Connection) -> ExportClaim | None:
            row = export_rows.known(connection, export, lock=True)
            if run is not None and row["run"] != run:
                return None
            now, name = self._database.now(connection), export_lease(export)
            is_ours = leasing.is_held(connection, name, by=holder, now=now)
            if row["state"] != (ExportState.RUNNING if is_ours else ExportState.QUEUED):
                return None
            lease = leasing.acquire(connection, name, holder=holder, ttl=ttl, now=now)
            if lease is None:
                return None
            if not is_ours:
                _begin(connection, row, lease, now=now, run=run)
            return ExportClaim(export=export_rows.read(connection, export), lease=lease)

        return self._database.write(work)

    def progress(self, claim: ExportClaim, done_bytes: int) -> None:
        """So many bytes of the file are made. Raises `LeaseLostError`, also once it is cancelled."""

        def work(connection: Connection) -> None:
            row = export_rows.known(connection, claim.export.id, lock=True)
            leasing.require(connection, claim.lease, now=self._database.now(connection))
            connection.execute(update(exports).where(exports.c.id == row["id"]).values(done_bytes=done_bytes))

        self._database.write(work)

    def done(self, claim: ExportClaim, file: ExportedFile) -> Export:
        """Its file stands, whole, beside its certificate; that is announced. Raises `LeaseLostError`."""

        def end(connection: Connection, row: RowMapping, now: datetime) -> None:
            sizes = {"done_bytes": file.size_bytes, "total_bytes": file.size_bytes}
            values = {"file": export_rows.file_column(file), "run": None, **sizes}
            why = Why(cause="its file stands", actor=claim.lease.holder)
            export_rows.move(connection, row, ExportState.DONE, why, now=now, values=values)
            announcing.export_done(connection, row["id"], now=now)

        return self._conclude(claim, end)

    def fail(self, claim: ExportClaim, *, cause: str, advice: str, look_in: timedelta | None) -> Export:
        """It came to nothing; it is tried again in `look_in`, unless that is None, or it was tried often enough.

        Raises `LeaseLostError`.
        """

        def end(connection: Connection, row: RowMapping, now: datetime) -> None:
            why = Why(cause=cause, actor=claim.lease.holder, advice=advice)
            _retry_or_fail(connection, row, look_in, why, now=now)

        return self._conclude(claim, end)

    def hand_back(self, claim: ExportClaim, *, cause: str) -> Export:
        """The worker was told to stop: all is as before the claim. Raises `LeaseLostError`.

        One that a run has stays with that, which is to be looked at now: whether the run was cancelled is known to
        whoever runs it.
        """

        def end(connection: Connection, row: RowMapping, now: datetime) -> None:
            connection.execute(update(runs).where(runs.c.key == row["run"]).values(look_at=now))
            values = {"due_at": None if row["run"] else now, "tries": max(row["tries"] - 1, 0), "done_bytes": 0}
            why = Why(cause=cause, actor=claim.lease.holder)
            export_rows.move(connection, row, ExportState.QUEUED, why, now=now, values=values)

        return self._conclude(claim, end)

    def take_back(self, *, actor: str, cause: str, advice: str, look_in: Callable[[int], timedelta]) -> list[Export]:
        """The exports whose workers ended without a word: they are due again, or have failed after several tries.

        `look_in` is asked with the number of tries.
        """

        def work(connection: Connection) -> list[Export]:
            now = self._database.now(connection)
            is_alive = (leases.c.name == export_lease("") + exports.c.id) & leases.c.holder.is_not(None)
            lives = select(leases.c.name).where(is_alive & (leases.c.expires_at > now)).exists()
            dead = self._some(connection, (exports.c.state == ExportState.RUNNING) & ~lives)
            for row in dead:
                leasing.end(connection, export_lease(row["id"]), now=now)
                why = Why(cause=cause, actor=actor, advice=advice)
                _retry_or_fail(connection, row, look_in(row["tries"]), why, now=now)
            return [export_rows.read(connection, row["id"]) for row in dead]

        return self._written_if_any(exports.c.state == ExportState.RUNNING, work)

    def time_out(self, *, older_than: timedelta, actor: str) -> list[Export]:
        """What was asked for longer ago, or was wanted until now, and is not done, has failed."""

        def overdue(now: datetime) -> ColumnElement[bool]:
            is_late = or_(exports.c.created_at < now - older_than, exports.c.expires_at <= now)
            return exports.c.state.in_(UNDER_WAY) & is_late

        def work(connection: Connection) -> list[Export]:
            now = self._database.now(connection)
            late = self._some(connection, overdue(now))
            for row in late:
                export_rows.move(connection, row, ExportState.FAILED, _why_late(row, now, actor=actor), now=now)
            return [export_rows.read(connection, row["id"]) for row in late]

        return self._written_if_any(exports.c.state.in_(UNDER_WAY), work)

    def expire(self, *, actor: str) -> list[Export]:
        """What nobody wants any longer has expired; its file is to go."""

        def work(connection: Connection) -> list[Export]:
            now = self._database.now(connection)
            old = self._some(connection, (exports.c.state == ExportState.DONE) & (exports.c.expires_at <= now))
            for row in old:
                why = Why(cause=f"it was wanted until {utc_text(row['expires_at'])}", actor=actor)
                export_rows.move(connection, row, ExportState.EXPIRED, why, now=now)
            return [export_rows.read(connection, row["id"]) for row in old]

        return self._written_if_any(exports.c.state == ExportState.DONE, work)

    def to_clear(self, *, most: int = AT_ONCE) -> list[Export]:
        """What is over, and may have a file still, the longest first."""

        def work(connection: Connection) -> list[Export]:
            is_due = exports.c.clear_at <= self._database.now(connection)
            return export_rows.found(connection, select(exports).where(is_due).order_by(exports.c.clear_at).limit(most))

        return self._database.read(work)

    def cleared(self, export: str) -> None:
        """Nothing stands of it at this moment. It is looked at once more when whoever made it must have ended."""

        def work(connection: Connection) -> None:
            row = export_rows.known(connection, export, lock=True)
            now, name = self._database.now(connection), export_lease(export)
            until = connection.scalar(select(leases.c.expires_at).where(leases.c.name == name))
            again = until + _LATE if until and until + _LATE > now else None
            if again is None:
                leasing.forget(connection, name)
            connection.execute(update(exports).where(exports.c.id == row["id"]).values(clear_at=again))

        self._database.write(work)

    def clear_later(self, export: str, *, look_in: timedelta) -> None:
        """Its file could not be removed; try that again in `look_in`."""

        def work(connection: Connection) -> None:
            later = self._database.now(connection) + look_in
            connection.execute(update(exports).where(exports.c.id == export).values(clear_at=later))

        self._database.write(work)

    def _ask(self, connection: Connection, ask: _Ask) -> tuple[Export, bool]:
        _one_at_a_time(connection, ask.by)
        told = connection.scalar(select(askings.c.export).where(askings.c.token == ask.token))
        if told is not None:
            return export_rows.read(connection, told), told == ask.id
        now = self._database.now(connection)
        row = self._serving(connection, ask, now)
        is_new, export = row["id"] == ask.id, row["id"]
        asking = {"by": ask.by, "reason": ask.reason, "name": ask.name, "at": now, "expires_at": now + ask.keep}
        connection.execute(askings.insert().values(export=export, token=ask.token, **asking))
        _keep_as_wanted(connection, row)
        action = ask.action if is_new or ask.action != "ask_export" else "share_export"
        rows.add_audit(connection, at=now, actor=ask.by, action=action, subject=export, reason=ask.reason)
        return export_rows.read(connection, export), is_new

    def _serving(self, connection: Connection, ask: _Ask, now: datetime) -> RowMapping:
        """The locked row of the export that serves: one that is there, or a new one."""
        digest = ask.request.digest
        is_it = (exports.c.digest == digest) & exports.c.state.in_(SERVING)
        query, made = select(exports).where(is_it).with_for_update(), _insertion(connection, ask, digest, now)
        while True:  # one that is in the way may end before it is read
            row = connection.execute(query).mappings().one_or_none()
            if row is not None and row["id"] == ask.id:
                why = Why(cause="it was asked for", actor=ask.by)
                export_rows.add_change(connection, ask.id, was=None, state=ExportState.QUEUED, why=why, now=now)
                return row
            is_free = row is not None and row["state"] == ExportState.DONE
            if not is_free and not (row and any(export_rows.asked_by(connection, row["id"], ask.by))):
                _require_quota(connection, ask)
            if row is not None:
                return row
            connection.execute(made)

    def _end(self, connection: Connection, row: RowMapping, *, by: str, reason: str, for_all: bool) -> Export:
        """Withdraw what `by` asked for, or all; without anybody who wants it, it is over."""
        state = ExportState(row["state"])
        if state not in SERVING:
            message = f"the export {row['id']} is {state} already"
            raise ExportStateError(message)
        now = self._database.now(connection)
        export_rows.withdraw(connection, row["id"], by=None if for_all else by)
        if export_rows.wanted_until(connection, row["id"]) is None:
            over = ExportState.EXPIRED if state is ExportState.DONE else ExportState.CANCELLED
            export_rows.move(connection, row, over, Why(cause=f"{by} cancelled it: {reason}", actor=by), now=now)
        else:
            _keep_as_wanted(connection, row)
        action = "stop_export" if for_all else "cancel_export"
        rows.add_audit(connection, at=now, actor=by, action=action, subject=row["id"], reason=reason)
        return export_rows.read(connection, row["id"])

    def _conclude(self, claim: ExportClaim, end: Callable[[Connection, RowMapping, datetime], None]) -> Export:
        """Write what came of a claim and give it up, both or neither; done twice, it is done once."""

        def work(connection: Connection) -> Export:
            row = export_rows.known(connection, claim.export.id, lock=True)
            if row["concluded_by"] == claim.lease.fence:
                return export_rows.read(connection, row["id"])
            now = self._database.now(connection)
            leasing.require(connection, claim.lease, now=now)
            end(connection, row, now)
            leasing.release(connection, claim.lease)
            concluded = update(exports).where(exports.c.id == row["id"])
            connection.execute(concluded.values(concluded_by=claim.lease.fence))
            return export_rows.read(connection, row["id"])

        return self._database.write(work)

    def _some(self, connection: Connection, are: ColumnElement[bool]) -> Sequence[RowMapping]:
        """Some of those, locked; what somebody else has locked is met in the next pass."""
        query = select(exports).where(are).order_by(exports.c.id).limit(AT_ONCE)
        return connection.execute(query.with_for_update(skip_locked=True)).mappings().all()

    def _written_if_any(self, are: ColumnElement[bool], work: Callable[[Connection], list[Export]]) -> list[Export]:
        """Nearly every pass of a loop finds nothing, and then nobody who writes has to wait for it."""
        query = select(exports.c.id).where(are).limit(1)
        has_any = self._database.read(lambda connection: connection.execute(query).first() is not None)
        return self._database.write(work) if has_any else []


def _asked(request: ExportRequest, action: str, *, by: str, reason: str, name: str, keep: timedelta, most: int) -> _Ask:
    drawn = uuid.uuid4().hex
    _ = export_key(drawn, name, request).key  # raises for what no key can be made of
    return _Ask(request, by, reason, name, keep, most, action, uuid.uuid4().hex, drawn)


def _one_at_a_time(connection: Connection, person: str) -> None:
    """Two requests of one person wait for each other, lest both count what is under way without the other."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_PERSONS, func.hashtext(person))))


def _require_quota(connection: Connection, ask: _Ask) -> None:
    theirs = (askings.c.by == ask.by) & ~askings.c.is_withdrawn & exports.c.state.in_(UNDER_WAY)
    query = select(func.count(distinct(exports.c.id))).join(askings, askings.c.export == exports.c.id).where(theirs)
    count = connection.scalar(query) or 0
    if count >= ask.most:
        message = f"{ask.by} has {count} exports under way, and may have {ask.most}. Wait for one, or cancel one."
        raise QuotaError(message)


def _insertion(connection: Connection, ask: _Ask, digest: str, now: datetime) -> Any:  # noqa: ANN401 - of either dialect
    values = {
        "id": ask.id,
        "digest": digest,
        "request": ask.request.document(),
        "name": ask.name,
        "state": ExportState.QUEUED,
        "created_at": now,
        "changed_at": now,
        "expires_at": now + ask.keep,
        "due_at": now,
        "tries": 0,
        "lost_runs": 0,
        "done_bytes": 0,
        "total_bytes": ask.request.size_bytes,
    }
    return rows.insert(connection, exports).values(**values).on_conflict_do_nothing()


def _keep_as_wanted(connection: Connection, row: RowMapping) -> None:
    until = export_rows.wanted_until(connection, row["id"])
    connection.execute(update(exports).where(exports.c.id == row["id"]).values(expires_at=until))


def _begin(connection: Connection, row: RowMapping, lease: Lease, *, now: datetime, run: str | None) -> None:
    values = {"due_at": None, "began_at": now, "done_bytes": 0, "tries": row["tries"] + 1, "lost_runs": 0}
    why = Why(cause=f"run {run}" if run else "by hand", actor=lease.holder)
    export_rows.move(connection, row, ExportState.RUNNING, why, now=now, values=values)


def _retry_or_fail(
    connection: Connection, row: RowMapping, look_in: timedelta | None, why: Why, *, now: datetime
) -> None:
    if look_in is None or row["tries"] >= MOST_TRIES:
        export_rows.move(connection, row, ExportState.FAILED, why, now=now)
        return
    again = {"due_at": now + look_in, "run": None, "done_bytes": 0}
    export_rows.move(connection, row, ExportState.QUEUED, why, now=now, values=again)


def _why_late(row: RowMapping, now: datetime, *, actor: str) -> Why:
    """Why it is not done by now, and what to do."""
    asked, until = utc_text(row["created_at"]), utc_text(row["expires_at"])
    if row["expires_at"] <= now:
        cause, advice = f"it was wanted until {until}, and was not done by then", "Ask again, and keep it for longer."
    elif row["state"] == ExportState.RUNNING:
        cause = f"it was asked for at {asked}, and is not done: it has been running since {utc_text(row['began_at'])}"
        advice = "Ask again, or for less of it."
    elif row["tries"]:
        cause = f"it was asked for at {asked}, and no try came to an end: {row['cause']}"
        advice = row["advice"] or "Ask again."
    else:
        cause = f"it was asked for at {asked}, and nobody has begun; are Prefect and its workers all right?"
        advice = "See that all parts of `aftertake serve` run, and ask again."
    return Why(cause=cause, actor=actor, advice=advice)

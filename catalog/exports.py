"""Exports as rows: what was asked for, by whom, and how far it has come. The same request is one job."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select, update

from catalog import announcing, rows
from catalog.database import Database
from catalog.errors import UnknownExportError
from catalog.tables import exports


class ExportState(StrEnum):
    """How far an export has come."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


_NEXT: Final[Mapping[ExportState, frozenset[ExportState]]] = MappingProxyType(
    {
        ExportState.QUEUED: frozenset({ExportState.RUNNING, ExportState.FAILED, ExportState.CANCELLED}),
        ExportState.RUNNING: frozenset(
            {ExportState.QUEUED, ExportState.DONE, ExportState.FAILED, ExportState.CANCELLED}
        ),
        ExportState.DONE: frozenset({ExportState.EXPIRED}),
    }
)
_SERVING: Final = (ExportState.QUEUED, ExportState.RUNNING, ExportState.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export; `digest` is that of the request, so that equal ones are found."""

    id: str
    digest: str
    request: Mapping[str, Any]
    requested_by: str
    reason: str
    state: ExportState
    cause: str | None
    created_at: datetime
    changed_at: datetime


class Exports:
    """The exports of a catalog."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def ask(self, digest: str, request: Mapping[str, Any], *, requested_by: str, reason: str) -> Export:
        """The export of this request: one that is there already and can still serve, otherwise a new one."""

        def work(connection: Connection) -> Export:
            now = self._database.now(connection)
            fresh = {"id": uuid.uuid4().hex, "digest": digest, "request": dict(request), "state": ExportState.QUEUED}
            who = {"requested_by": requested_by, "reason": reason, "created_at": now, "changed_at": now}
            made = rows.insert(connection, exports).values(**fresh, **who).on_conflict_do_nothing()
            is_it = (exports.c.digest == digest) & exports.c.state.in_(_SERVING)
            row = None
            while row is None:  # one that was in the way may end before it is read
                new = connection.execute(made.returning(exports.c.id)).first()
                row = connection.execute(select(exports).where(is_it)).mappings().one_or_none()
            rows.add_audit(
                connection,
                at=now,
                actor=requested_by,
                action="ask_export" if new else "share_export",
                subject=row["id"],
                reason=reason,
            )
            return _export(row)

        return self._database.write(work)

    def get(self, export: str) -> Export:
        """One export. Raises `UnknownExportError`."""
        return self._database.read(lambda connection: _export(_known(connection, export)))

    def advance(self, export: str, state: ExportState, *, was: ExportState, cause: str | None = None) -> bool:
        """From `was` to `state`, if it is in `was` still: of several who try, one does. That it is done is announced.

        Raises `UnknownExportError`.
        """
        if state not in _NEXT.get(was, frozenset()):
            message = f"an export does not go from {was} to {state}"
            raise ValueError(message)

        def work(connection: Connection) -> bool:
            row = _known(connection, export)
            now = self._database.now(connection)
            is_it = (exports.c.id == row["id"]) & (exports.c.state == was)
            moved = update(exports).where(is_it).values(state=state, cause=cause, changed_at=now)
            is_moved = bool(connection.execute(moved).rowcount)
            if is_moved and state is ExportState.DONE:
                announcing.export_done(connection, row["id"], now=now)
            return is_moved

        return self._database.write(work)


def _known(connection: Connection, export: str) -> RowMapping:
    row = connection.execute(select(exports).where(exports.c.id == export)).mappings().one_or_none()
    if row is None:
        message = f"there is no export {export}"
        raise UnknownExportError(message)
    return row


def _export(row: RowMapping) -> Export:
    return Export(
        id=row["id"],
        digest=row["digest"],
        request=MappingProxyType(row["request"]),
        requested_by=row["requested_by"],
        reason=row["reason"],
        state=ExportState(row["state"]),
        cause=row["cause"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
    )

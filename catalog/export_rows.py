"""Between rows of exports and values, and from one state to the next. All inside a caller's transaction.

The row of an export is locked before its lease, by everybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, func, select, update

from catalog import leasing
from catalog.errors import UnknownExportError
from catalog.export_records import (
    OVER,
    Asking,
    Export,
    ExportChange,
    ExportedFile,
    ExportState,
    export_lease,
)
from catalog.export_request import ExportRequest
from catalog.tables import export_askings as askings
from catalog.tables import export_changes, exports

_NEXT: Final[Mapping[ExportState, frozenset[ExportState]]] = MappingProxyType(
    {
        ExportState.QUEUED: frozenset(
            {ExportState.QUEUED, ExportState.RUNNING, ExportState.FAILED, ExportState.CANCELLED}
        ),
        ExportState.RUNNING: frozenset(
            {ExportState.QUEUED, ExportState.DONE, ExportState.FAILED, ExportState.CANCELLED}
        ),
        ExportState.DONE: frozenset({ExportState.EXPIRED}),
    }
)


def known(connection: Connection, export: str, *, lock: bool = False) -> RowMapping:
    """The row of an export; with `lock`, nobody else changes it before the transaction ends.

    Raises `UnknownExportError`.
    """
    query = select(exports).where(exports.c.id == export)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None:
        message = f"there is no export {export}"
        raise UnknownExportError(message)
    return row


def read(connection: Connection, export: str) -> Export:
    """One export. Raises `UnknownExportError`."""
    return to_exports(connection, [known(connection, export)])[0]


def found(connection: Connection, query: Select[Any]) -> list[Export]:
    """Those that a query of the table finds, in its order."""
    return to_exports(connection, connection.execute(query).mappings().all())


def to_exports(connection: Connection, rows: Sequence[RowMapping]) -> list[Export]:
    """The values of rows of `exports`."""
    asked: dict[str, list[Asking]] = {row["id"]: [] for row in rows}
    query = select(askings).where(askings.c.export.in_(asked)).order_by(askings.c.id)
    for row in connection.execute(query).mappings():
        asked[row["export"]].append(_asking(row))
    return [_export(row, tuple(asked[row["id"]])) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What led to a change, who made it, and what to do about it."""

    cause: str
    actor: str
    advice: str | None = None


def move(
    connection: Connection,
    row: RowMapping,
    state: ExportState,
    why: Why,
    *,
    now: datetime,
    values: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Into another state, or into waiting again, and tell why. One that is over then is nobody's any more."""
    was = ExportState(row["state"])
    if state not in _NEXT.get(was, frozenset()):
        message = f"an export does not go from {was} to {state}"
        raise ValueError(message)
    ends: Mapping[str, Any] = {}
    if state in OVER:
        leasing.revoke(connection, export_lease(row["id"]))
        ends = {"run": None, "due_at": None, "clear_at": now}
    is_told = state not in {ExportState.RUNNING, ExportState.DONE}
    told = {"cause": why.cause, "advice": why.advice} if is_told else {"cause": None, "advice": None}
    moved = update(exports).where(exports.c.id == row["id"])
    connection.execute(moved.values({"state": state, "changed_at": now, **told, **values, **ends}))
    add_change(connection, row["id"], was=was, state=state, why=why, now=now)


def add_change(
    connection: Connection, export: str, *, was: ExportState | None, state: ExportState, why: Why, now: datetime
) -> None:
    """Tell a change of state."""
    values = {"export": export, "was": was, "state": state, "at": now, "cause": why.cause, "actor": why.actor}
    connection.execute(export_changes.insert().values(values))


def changes(connection: Connection, export: str) -> list[ExportChange]:
    """The story of an export, the oldest first."""
    query = select(export_changes).where(export_changes.c.export == export).order_by(export_changes.c.id)
    return [
        ExportChange(
            at=row["at"],
            was=ExportState(row["was"]) if row["was"] else None,
            state=ExportState(row["state"]),
            cause=row["cause"],
            actor=row["actor"],
        )
        for row in connection.execute(query).mappings()
    ]


def wanted_until(connection: Connection, export: str) -> datetime | None:
    """How long anybody wants it; None if nobody does."""
    wanted = (askings.c.export == export) & ~askings.c.is_withdrawn
    until: datetime | None = connection.scalar(select(func.max(askings.c.expires_at)).where(wanted))
    return until


def withdraw(connection: Connection, export: str, *, by: str | None) -> None:
    """What a person (None: anybody) asked for is wanted no more."""
    theirs = askings.c.export == export if by is None else (askings.c.export == export) & (askings.c.by == by)
    connection.execute(update(askings).where(theirs).values(is_withdrawn=True))


def asked_by(connection: Connection, export: str, by: str) -> list[bool]:
    """Of each time that a person asked for it, whether that is still wanted."""
    query = select(askings.c.is_withdrawn).where((askings.c.export == export) & (askings.c.by == by))
    return [not is_withdrawn for is_withdrawn in connection.scalars(query)]


def file_column(file: ExportedFile) -> dict[str, Any]:
    """As it is kept."""
    return asdict(file)


def _export(row: RowMapping, asked: tuple[Asking, ...]) -> Export:
    return Export(
        id=row["id"],
        digest=row["digest"],
        request=ExportRequest.read(row["request"]),
        name=row["name"],
        state=ExportState(row["state"]),
        cause=row["cause"],
        advice=row["advice"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        began_at=row["began_at"],
        done_bytes=row["done_bytes"],
        total_bytes=row["total_bytes"],
        expires_at=row["expires_at"],
        tries=row["tries"],
        run=row["run"],
        file=ExportedFile(**row["file"]) if row["file"] else None,
        askings=asked,
    )


def _asking(row: RowMapping) -> Asking:
    return Asking(
        by=row["by"],
        reason=row["reason"],
        name=row["name"],
        at=row["at"],
        expires_at=row["expires_at"],
        is_withdrawn=row["is_withdrawn"],
    )

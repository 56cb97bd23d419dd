"""Backfilling: many recordings at once are looked at, or looked at again. Inside a caller's transaction."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, update

from catalog import registering, rows
from catalog.model import State
from catalog.records import Queue, Wanted, id_text
from catalog.registering import Heard
from catalog.tables import recordings

_CAUSE: Final = "backfilled"
_AS_GOOD_AS_NOW: Final = timedelta(seconds=10)
"""Whoever took it up at the same moment may have looked at the clock a little later."""


def take_up(connection: Connection, wanted: Wanted, *, actor: str, reason: str, now: datetime) -> bool:
    """Whether that made it due: not if somebody is at work on it, or is to begin now already."""
    facts = {"source": wanted.source, "folder": wanted.folder, "room": wanted.room}
    heard = Heard(state=State.STOPPED, queue=Queue.BULK, due_at=now, facts=facts)
    row, before = registering.register(connection, wanted.recording, heard, cause=_CAUSE, actor=actor, now=now)
    if before in {None, State.HINTED, State.RECORDING}:
        times = {"stopped_at": row["stopped_at"] or now, "started_at": row["started_at"] or wanted.began_at}
        _put(connection, row, times)
        return True
    is_due = row["due_at"] is not None and row["due_at"] <= now + _AS_GOOD_AS_NOW
    if before is State.PROCESSING or row["run"] is not None or is_due:
        return False
    _put(connection, row, {**registering.AFRESH, "due_at": now, **_behind_all(row)})
    subject = id_text(wanted.recording)
    rows.add_audit(connection, at=now, actor=actor, action="backfill", subject=subject, reason=reason)
    return True


def _behind_all(row: RowMapping) -> dict[str, Any]:
    """For what has a verdict nobody waits who is in a hurry, however it was first heard of."""
    return {"queue": Queue.BULK} if row["verdict"] else {}


def _put(connection: Connection, row: RowMapping, values: dict[str, Any]) -> None:
    connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))

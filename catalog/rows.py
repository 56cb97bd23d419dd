"""Between rows and values; statements that several parts of the catalog share. All inside a caller's transaction."""

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, RowMapping, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from catalog.errors import UnknownRecordingError
from catalog.events import Word
from catalog.model import Mode, RecordingId, State, Verdict
from catalog.records import Queue, Recording, id_text
from catalog.tables import audit, changes, recordings

# Asked for each message of a vendor, so they are put together once.
_NAMED: Final = select(recordings).where(
    recordings.c.vendor == bindparam("named_vendor"), recordings.c.task_id == bindparam("named_task")
)
_LOCKED: Final = _NAMED.with_for_update()


def id_of(row: RowMapping) -> RecordingId:
    """The recording of a row of `recordings`."""
    return RecordingId(vendor=row["vendor"], task_id=row["task_id"])


def to_recording(row: RowMapping) -> Recording:
    """The value of a row of `recordings`."""
    return Recording(
        id=id_of(row),
        room=row["room"],
        mode=Mode(row["mode"]) if row["mode"] else None,
        source=row["source"],
        folder=row["folder"],
        state=State(row["state"]),
        verdict=Verdict(row["verdict"]) if row["verdict"] else None,
        queue=Queue(row["queue"]),
        heard_at=row["heard_at"],
        spoken_at=row["spoken_at"],
        stopped_at=row["stopped_at"],
        looked_at=row["looked_at"],
        word=Word(row["word"]) if row["word"] else None,
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        settled_at=row["settled_at"],
        due_at=row["due_at"],
        looks=row["looks"],
        tries=row["tries"],
        alarm=row["alarm"],
        run=row["run"],
        basis=row["basis"],
        damage_digest=row["damage_digest"],
        revision=row["revision"],
        manifest=row["manifest"],
    )


def known(connection: Connection, recording: RecordingId, *, lock: bool = False) -> RowMapping:
    """The row of a recording; with `lock`, nobody else changes it before the transaction ends.

    Raises `UnknownRecordingError`.
    """
    named = {"named_vendor": recording.vendor, "named_task": recording.task_id}
    row = connection.execute(_LOCKED if lock else _NAMED, named).mappings().one_or_none()
    if row is None:
        message = f"the catalog knows no recording {id_text(recording)}. `aftertake submit` makes it known."
        raise UnknownRecordingError(message)
    return row


def insert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ON CONFLICT."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def add_change(
    connection: Connection,
    row: RowMapping,
    *,
    was: str | None,
    at: datetime,
    state: State,
    cause: str,
    actor: str,
    verdict: Verdict | None = None,
) -> None:
    """Tell a change of state of the recording in `row`."""
    values = {"recording": row["id"], "was": was, "at": at, "state": state, "cause": cause, "actor": actor}
    connection.execute(changes.insert().values(verdict=verdict, **values))


def add_audit(connection: Connection, *, at: datetime, actor: str, action: str, subject: str, reason: str) -> None:
    """Tell what a person did to what, and why."""
    values = {"at": at, "actor": actor, "action": action, "subject": subject, "reason": reason}
    connection.execute(audit.insert().values(values))

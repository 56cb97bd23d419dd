"""Registering: a recording was heard of, by whomever. It moves forward only. Inside a caller's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, update

from catalog import rows
from catalog.errors import CatalogTextError
from catalog.model import RecordingId, State
from catalog.records import Queue
from catalog.tables import recordings

MOST_BYTES: Final = 1024
"""Of a task id: as long as a key of a store may be, and an index of a database bears."""
_BEFORE_WORK: Final = (State.HINTED, State.RECORDING, State.STOPPED)
"""In this order, and never back."""
AFRESH: Final[Mapping[str, Any]] = MappingProxyType(
    {"tries": 0, "lost_runs": 0, "looks": 0, "alarm": None, "damage_digest": None}
)
"""Values of one that somebody wants looked at anew: waits, alarms and counted tries are over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is said of a recording: how far it is, who waits for it, and where it lies, as far as that is known.

    `due_at` is when it is to be looked at, if this makes it `STOPPED`.
    """

    state: State
    queue: Queue
    due_at: datetime
    facts: Mapping[str, str | None]


def require_fitting(recording: RecordingId) -> None:
    """Raise `CatalogTextError` for a task id that no vendor gave."""
    if len(recording.task_id.encode(errors="replace")) > MOST_BYTES:
        message = f"a task id of more than {MOST_BYTES} bytes is none that a vendor gave: {recording.task_id[:80]}…"
        raise CatalogTextError(message)


def register(
    connection: Connection, recording: RecordingId, heard: Heard, *, cause: str, actor: str, now: datetime
) -> tuple[RowMapping, State | None]:
    """Its row, locked, and the state that it was in; None of one that is new."""
    if _insert(connection, recording, heard, now=now):
        row = rows.known(connection, recording, lock=True)
        rows.add_change(connection, row, was=None, at=now, state=heard.state, cause=cause, actor=actor)
        return row, None
    before = rows.known(connection, recording, lock=True)
    _advance(connection, before, heard, cause=cause, actor=actor, now=now)
    return rows.known(connection, recording), State(before["state"])


def look_at(row: RowMapping, due_at: datetime) -> dict[str, Any]:
    """Values by which it is looked at then, or sooner if that was meant already.

    Whoever works on it has it looked at once more when that is done; who was told to begin with it will see it all.
    """
    if row["state"] == State.PROCESSING:
        return {"has_news": True}
    if row["run"] is not None:
        return {}
    return {"due_at": min(due_at, row["due_at"] or due_at)}


def _insert(connection: Connection, recording: RecordingId, heard: Heard, *, now: datetime) -> bool:
    """Whether it is a new row."""
    fresh = {
        **heard.facts,
        "vendor": recording.vendor,
        "task_id": recording.task_id,
        "state": heard.state,
        "queue": heard.queue,
        "heard_at": now,
        "span_from": now,
        "span_to": now,
        "span_s": 0.0,
        **_stopped(heard),
    }
    made = rows.insert(connection, recordings).values(fresh).on_conflict_do_nothing().returning(recordings.c.id)
    return connection.execute(made).first() is not None


def _advance(connection: Connection, row: RowMapping, heard: Heard, *, cause: str, actor: str, now: datetime) -> None:
    values: dict[str, Any] = {
        name: value for name, value in heard.facts.items() if value is not None and row[name] is None
    }
    if heard.queue.rank < Queue(row["queue"]).rank:
        values["queue"] = heard.queue
    if row["state"] in _BEFORE_WORK and _BEFORE_WORK.index(heard.state) > _BEFORE_WORK.index(row["state"]):
        values |= {"state": heard.state, **_stopped(heard)}
        rows.add_change(connection, row, was=row["state"], at=now, state=heard.state, cause=cause, actor=actor)
    if values:
        connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))


def _stopped(heard: Heard) -> dict[str, Any]:
    return {"due_at": heard.due_at} if heard.state is State.STOPPED else {}

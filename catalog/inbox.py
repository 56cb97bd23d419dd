"""The inbox: deliveries of vendors' webhooks, as they came, and what was made of each.

`put` is all that stands between a vendor and its answer. `take_in` turns what was put into effects, each once, however
often it was delivered, by however many at once, and whoever dies in the middle.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, or_, select, update
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

from catalog import hearing, rows
from catalog.database import Database
from catalog.errors import UnknownDeliveryError
from catalog.events import Delivery, RecordingEvent, Signature
from catalog.records import id_text
from catalog.registering import require_fitting
from catalog.tables import deliveries

_log = logging.getLogger(__name__)

KEPT: Final = timedelta(days=35)
"""How long deliveries are kept: longer than anybody tries again, or asks what came."""
_DROPPED_AT_ONCE: Final = 1000
BELIEVED: Final = 2
"""Messages with one signature that are looked at: the true one, and one that may be it."""

_here = deliveries.c
_IS_GOOD: Final = _here.signature == Signature.GOOD

_GOES_BEFORE: Final = or_(_here.id < bindparam("its_id"), _here.handled_at.is_not(None))
"""Earlier ones, and those that were seen to before: of two at once, one goes before the other."""
_SAME: Final = (
    select(_here.id)
    .where((_here.vendor == bindparam("its_vendor")) & (_here.dedupe_id == bindparam("its_message")) & _IS_GOOD)
    .where((_here.id != bindparam("its_id")) & _here.duplicate_of.is_(None) & _here.replay_of.is_(None))
    .where(_here.dedupe_id.is_not(None) & ~_here.is_failed & _GOES_BEFORE)
    .order_by(_here.id)
    .limit(1)
)
"""The same message, delivered before. Asked for each delivery, so it is put together once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a delivery says; `covers_body` is whether its signature stands for all of that.

    `source` is where the recording may lie, None if there are several places, or (`has_source` is false) none.
    """

    event: RecordingEvent
    covers_body: bool
    has_source: bool
    source: str | None


Read = Callable[[str, bytes, Sequence[str]], Reading]
"""Reads the body of a vendor, whose signature speaks for these sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery and what was made of it: `effect` is None until somebody saw to it."""

    id: int
    vendor: str
    received_at: datetime
    signature: Signature
    sources: tuple[str, ...]
    body: bytes
    headers: Mapping[str, str]
    peer: str | None
    token: str
    replay_of: int | None
    handled_at: datetime | None
    event: str | None
    recording: str | None
    duplicate_of: int | None
    effect: str | None


class Inbox:
    """The inbox of a catalog."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def put(self, given: Sequence[Delivery]) -> None:
        """Store them all, durably, or none. Who is refused is kept to be looked at, and has no effect."""
        lines = [_line(delivery) for delivery in given]
        if not lines:
            return
        fresh = rows.insert
        self._database.write(lambda c: c.execute(fresh(c, deliveries).on_conflict_do_nothing(), lines))

    def take_in(self, read: Read, *, actor: str, most: int) -> int:
        """See to the oldest that nobody has seen to; how many those were. One that cannot be read holds up none."""

        def work(connection: Connection) -> int:
            query = select(deliveries).where(_here.handled_at.is_(None)).order_by(_here.id).limit(most)
            found = connection.execute(query.with_for_update(skip_locked=True)).mappings().all()
            for row in found:
                values = _handled(connection, row, read, actor=actor, now=self._database.now(connection))
                connection.execute(update(deliveries).where(_here.id == row["id"]).values(values))
            return len(found)

        return self._database.write(work)

    def newest(self, *, after: int = 0, vendor: str | None = None, most: int) -> list[DeliveryRow]:
        """Deliveries that came after the one with that number, the newest first, without their bodies."""
        columns = [column for column in deliveries.columns if column is not _here.body]
        query = select(*columns).where(_here.id > after).order_by(_here.id.desc()).limit(most)
        query = query if vendor is None else query.where(_here.vendor == vendor)
        return self._database.read(lambda c: [_row({**r, "body": b""}) for r in c.execute(query).mappings()])

    def get(self, number: int) -> DeliveryRow:
        """One delivery. Raises `UnknownDeliveryError`."""
        return self._database.read(lambda c: _row(_known(c, number)))

    def replay(self, number: int, checked: Delivery, *, actor: str, reason: str) -> int:
        """Have an earlier delivery take effect once more, as `checked` now; its new number."""

        def work(connection: Connection) -> int:
            now = self._database.now(connection)
            line = {**_line(checked), "replay_of": number}
            connection.execute(rows.insert(connection, deliveries).on_conflict_do_nothing(), [line])
            subject = f"delivery {number}"
            rows.add_audit(connection, at=now, actor=actor, action="replay", subject=subject, reason=reason)
            found: int = connection.execute(select(_here.id).where(_here.token == checked.token)).scalar_one()
            return found

        return self._database.write(work)

    def waiting(self) -> tuple[int, datetime | None]:
        """How many nobody has seen to yet, and when the oldest of them came."""
        query = select(func.count(), func.min(_here.received_at)).where(_here.handled_at.is_(None))

        def work(connection: Connection) -> tuple[int, datetime | None]:
            count, oldest = connection.execute(query).one()
            return count, oldest

        return self._database.read(work)

    def drop_old(self) -> int:
        """Drop what was kept for long enough; how many."""

        def work(connection: Connection) -> int:
            old = _here.received_at < self._database.now(connection) - KEPT
            some = select(_here.id).where(old & _here.handled_at.is_not(None)).limit(_DROPPED_AT_ONCE)
            return connection.execute(delete(deliveries).where(_here.id.in_(some))).rowcount

        dropped = 0
        while some := self._database.write(work):
            dropped += some
        return dropped


def _line(delivery: Delivery) -> dict[str, Any]:
    is_good = delivery.signature is Signature.GOOD
    return {
        "token": delivery.token,
        "vendor": delivery.vendor,
        "received_at": delivery.received_at,
        "signature": delivery.signature,
        "sources": list(delivery.sources),
        "body": delivery.body,
        "headers": dict(delivery.headers),
        "peer": delivery.peer,
        "dedupe_id": delivery.dedupe_id,
        "seal": delivery.seal,
        "handled_at": None if is_good else delivery.received_at,
        "effect": None if is_good else f"refused: {_REFUSALS[delivery.signature]}",
    }


_REFUSALS: Final[Mapping[Signature, str]] = {
    Signature.WRONG: "its signature is wrong; is the secret the one of the vendor's console?",
    Signature.NONE: "it is not signed",
    Signature.STALE: "it was signed long ago, or one of the clocks is wrong",
    Signature.SPENT: "its signature came with other messages before",
    Signature.UNCONFIGURED: "no secret is configured to check it with",
}


def _handled(connection: Connection, row: RowMapping, read: Read, *, actor: str, now: datetime) -> dict[str, Any]:
    """What a delivery's row says from now on, after its effect; one with a fault of ours says that, and keeps none."""
    try:
        with connection.begin_nested():
            return {"handled_at": now, **_taken_in(connection, row, read, actor=actor, now=now)}
    except (InterfaceError, InternalError, OperationalError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
        _log.exception("delivery %s of %s", row["id"], row["vendor"])
        effect = f"failed, a fault of Aftertake, please report it: {type(error).__name__}"
        return {"handled_at": now, "effect": effect, "is_failed": True}


def _taken_in(connection: Connection, row: RowMapping, read: Read, *, actor: str, now: datetime) -> dict[str, Any]:
    reading = read(row["vendor"], row["body"], row["sources"])
    event = reading.event
    values: dict[str, Any] = {"event": event.name, "recording": id_text(event.recording) if event.recording else None}
    if event.recording is None or event.ignored:
        return {**values, "effect": _ignored(event)}
    if row["replay_of"] is None and (first := _first(connection, row)):
        return {**values, "duplicate_of": first, "effect": "ignored: seen"}
    rivals = _rivals(connection, row)
    if rivals >= BELIEVED:
        return {**values, "effect": "ignored: its signature came with two other messages before"}
    require_fitting(event.recording)
    said = hearing.Said(
        event=event,
        delivery=row["id"],
        is_covered=reading.covers_body,
        is_doubtful=rivals > 0,
        has_source=reading.has_source,
        source=reading.source,
        is_replay=row["replay_of"] is not None,
    )
    return {**values, "effect": hearing.hear(connection, said, event.recording, actor=actor, now=now)}


def _ignored(event: RecordingEvent) -> str:
    meant = f", which would have said: {event.word}" if event.recording else ""
    return f"ignored: {event.ignored or 'it names no recording'}{meant}"


def _first(connection: Connection, row: RowMapping) -> int | None:
    """The delivery of the same message that has, or will have, its effect."""
    if row["dedupe_id"] is None:
        return None
    named = {"its_vendor": row["vendor"], "its_message": row["dedupe_id"], "its_id": row["id"]}
    return connection.execute(_SAME, named).scalar_one_or_none()


def _rivals(connection: Connection, row: RowMapping) -> int:
    """How many other messages came before with what was signed here."""
    if row["seal"] is None or row["replay_of"] is not None:
        return 0
    is_same = (_here.vendor == row["vendor"]) & (_here.seal == row["seal"]) & _IS_GOOD
    is_other = _here.dedupe_id != row["dedupe_id"]
    others = select(_here.dedupe_id).where(is_same & is_other & _GOES_BEFORE).distinct().limit(BELIEVED)
    return len(connection.execute(others, {"its_id": row["id"]}).all())


def _known(connection: Connection, number: int) -> RowMapping:
    row = connection.execute(select(deliveries).where(_here.id == number)).mappings().one_or_none()
    if row is None:
        message = f"there is no delivery {number}. `aftertake webhook tail` lists those that are kept."
        raise UnknownDeliveryError(message)
    return row


def _row(row: RowMapping | Mapping[str, Any]) -> DeliveryRow:
    return DeliveryRow(
        id=row["id"],
        vendor=row["vendor"],
        received_at=row["received_at"],
        signature=Signature(row["signature"]),
        sources=tuple(row["sources"]),
        body=row["body"],
        headers=row["headers"],
        peer=row["peer"],
        token=row["token"],
        replay_of=row["replay_of"],
        handled_at=row["handled_at"],
        event=row["event"],
        recording=row["recording"],
        duplicate_of=row["duplicate_of"],
        effect=row["effect"],
    )

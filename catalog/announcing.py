"""Announcements: what other systems are told of, and whether they were. An outbox: written with the change, sent after.

Each is told at least once to every endpoint that wants its type, in any order. A payload is thin, types and ids alone,
as Standard Webhooks 1.0 advises ("Payload structure"): no links, and nothing that only some may see.
"""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, RowMapping, Select, delete, select, update

from catalog import rows
from catalog.database import Database
from catalog.model import Manifest
from catalog.records import Announced, Posting, Recording
from catalog.tables import announcement_deliveries as deliveries
from catalog.tables import announcements
from catalog.wire import utc_text

FANNED_OUT_AT_ONCE: Final = 500
"""Announcements in one transaction."""

_IS_NEW: Final = announcements.c.fanned_out_at.is_(None)


def settled(
    connection: Connection, row: RowMapping, manifest: Manifest, key: str, *, before: Recording, now: datetime
) -> None:
    """Announce the verdict of `manifest` on the recording in `row`, if it is news: inside the transaction that says so.

    `before` is the recording as whoever judged it claimed it: a reindex may have met the manifest since, and told no
    one. The same revision again is no news.
    """
    if manifest.revision <= before.revision:
        return
    data = {
        "vendor": manifest.vendor,
        "task_id": manifest.task_id,
        "room": manifest.room or row["room"],
        "verdict": manifest.verdict,
        "revision": manifest.revision,
        "manifest": key,
    }
    kind = Announced.IMPROVED if before.verdict else Announced.SETTLED
    _announce(connection, kind, data, now=now, recording=row["id"])


def export_done(connection: Connection, export: str, *, now: datetime) -> None:
    """Announce that an export can be fetched: inside the transaction that makes it so."""
    _announce(connection, Announced.EXPORT_DONE, {"export": export}, now=now, export=export)


def _announce(
    connection: Connection, kind: Announced, data: Mapping[str, Any], *, now: datetime, **subject: int | str
) -> None:
    payload = json.dumps({"type": kind, "timestamp": utc_text(now), "data": data}, separators=(",", ":"))
    values = {"id": f"msg_{uuid.uuid4().hex}", "type": kind, "at": now, "payload": payload, **subject}
    connection.execute(announcements.insert().values(values))


class Announcements:
    """The announcements of a catalog. Each method is one short transaction, and done twice it is done once."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def fan_out(self, endpoints: Mapping[str, frozenset[str]]) -> int:
        """A posting of each new announcement to each endpoint that wants its type; how many announcements were new.

        What nobody wants is dropped. `endpoints` are types by name.
        """

        def work(connection: Connection) -> int:
            now = self._database.now(connection)
            new = connection.execute(new_query(FANNED_OUT_AT_ONCE).with_for_update(skip_locked=True)).all()
            made = [_fresh(row, name, now) for row in new for name, types in endpoints.items() if row.type in types]
            if made:
                connection.execute(rows.insert(connection, deliveries).on_conflict_do_nothing(), made)
            wanted = {line["announcement"] for line in made}
            connection.execute(delete(announcements).where(announcements.c.id.in_({row.id for row in new} - wanted)))
            told = update(announcements).where(announcements.c.id.in_(wanted))
            connection.execute(told.values(fanned_out_at=now))
            return len(new)

        # Nearly every pass finds nothing, and then nobody who writes has to wait for it.
        has_new = self._database.read(lambda connection: connection.execute(new_query(1)).first() is not None)
        return self._database.write(work) if has_new else 0

    def take(self, endpoint: str, *, grace: timedelta) -> Posting | None:
        """What has been due to an endpoint for longest, to be tried now; None if nothing is.

        Nobody else gets it within `grace`, after which it is due again: whoever took it may be dead.
        """

        def work(connection: Connection) -> Posting | None:
            now = self._database.now(connection)
            row = connection.execute(due_query(endpoint, now).with_for_update(of=deliveries, skip_locked=True)).first()
            if row is None:
                return None
            taken = update(deliveries).where(deliveries.c.id == row.id)
            connection.execute(taken.values(due_at=now + grace, tries=row.tries + 1))
            return _posting(row, now)

        def is_due(connection: Connection) -> bool:
            return connection.execute(due_query(endpoint, self._database.now(connection))).first() is not None

        return self._database.write(work) if self._database.read(is_due) else None

    def delivered(self, posting: Posting, *, status: int) -> None:
        """The endpoint has it, whichever try it was."""

        def work(connection: Connection) -> None:
            done_at = self._database.now(connection)
            is_open = (deliveries.c.id == posting.id) & deliveries.c.done_at.is_(None)
            values = {"due_at": None, "done_at": done_at, "given_up_at": None, "last_error": None}
            connection.execute(update(deliveries).where(is_open).values(last_status=status, **values))

        self._database.write(work)

    def failed(self, posting: Posting, *, status: int | None, error: str, look_in: timedelta) -> None:
        """This try came to nothing; the next one is due in `look_in`. Nothing happens if there was a later try."""
        self._end_try(posting, status, error, look_in)

    def given_up(self, posting: Posting, *, status: int | None, error: str) -> None:
        """This try came to nothing, and it was the last one. Nothing happens if there was a later try."""
        self._end_try(posting, status, error, None)

    def _end_try(self, posting: Posting, status: int | None, error: str, look_in: timedelta | None) -> None:
        def work(connection: Connection) -> None:
            now = self._database.now(connection)
            times = {"given_up_at": now, "due_at": None} if look_in is None else {"due_at": now + look_in}
            is_it = (deliveries.c.id == posting.id) & (deliveries.c.tries == posting.tries)
            is_open = is_it & deliveries.c.due_at.is_not(None)
            connection.execute(update(deliveries).where(is_open).values(last_status=status, last_error=error, **times))

        self._database.write(work)

    def forget(self, *, older_than: timedelta) -> int:
        """Drop what was announced longer ago, delivered or not; how many announcements that were."""

        def work(connection: Connection) -> int:
            is_old = announcements.c.at < self._database.now(connection) - older_than
            return connection.execute(delete(announcements).where(is_old)).rowcount

        return self._database.write(work)


def due_query(endpoint: str, now: datetime) -> Select[Any]:
    """What is due to an endpoint, the longest: read from an index in that order."""
    is_due = (deliveries.c.endpoint == endpoint) & (deliveries.c.due_at <= now)
    found = select(deliveries, announcements.c.payload, announcements.c.at).join(announcements)
    return found.where(is_due).order_by(deliveries.c.due_at).limit(1)


def new_query(most: int) -> Select[Any]:
    """What is not fanned out yet, the oldest first: read from an index in that order."""
    query = select(announcements.c.id, announcements.c.type).where(_IS_NEW)
    return query.order_by(announcements.c.at).limit(most)


def _fresh(row: Row[Any], endpoint: str, now: datetime) -> dict[str, Any]:
    return {"announcement": row.id, "endpoint": endpoint, "due_at": now}


def _posting(row: Row[Any], now: datetime) -> Posting:
    return Posting(
        id=row.id,
        announcement=row.announcement,
        endpoint=row.endpoint,
        payload=row.payload,
        tries=row.tries + 1,
        age=now - row.at,
    )

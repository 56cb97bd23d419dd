"""Leases with fencing numbers, inside a transaction of the caller.

A holder that was paused past its lease, and wakes, finds another number or an expired lease, and is refused: nothing
that it still wants to write gets in. Times are those of `Database.now`, one clock for everybody.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, select, update

from catalog import rows
from catalog.errors import LeaseLostError
from catalog.records import Lease
from catalog.tables import leases


def acquire(connection: Connection, name: str, *, holder: str, ttl: timedelta, now: datetime) -> Lease | None:
    """The lease, or None while somebody else holds it. Asked again by its holder, it is the same lease, prolonged."""
    fresh = {"name": name, "fence": 0, "holder": None, "expires_at": now}
    connection.execute(rows.insert(connection, leases).values(fresh).on_conflict_do_nothing())
    row = connection.execute(select(leases).where(leases.c.name == name).with_for_update()).one()
    is_held = row.holder is not None and row.expires_at > now
    if is_held and row.holder != holder:
        return None
    fence = row.fence if is_held else row.fence + 1
    lease = Lease(name=name, holder=holder, fence=fence, expires_at=now + ttl)
    values = {"fence": fence, "holder": holder, "expires_at": lease.expires_at}
    connection.execute(update(leases).where(leases.c.name == name).values(values))
    return lease


def require(connection: Connection, lease: Lease, *, now: datetime) -> None:
    """Raise `LeaseLostError` unless the lease is held still; nobody can take it before the transaction ends."""
    row = connection.execute(select(leases).where(leases.c.name == lease.name).with_for_update()).one_or_none()
    if row is None or row.holder != lease.holder or row.fence != lease.fence or row.expires_at <= now:
        message = f"the lease {lease.name} (number {lease.fence}) is over; what was to be written under it was not"
        raise LeaseLostError(message)


def renew(connection: Connection, lease: Lease, *, ttl: timedelta, now: datetime) -> Lease:
    """The same lease for longer. Raises `LeaseLostError`."""
    require(connection, lease, now=now)
    expires_at = now + ttl
    connection.execute(update(leases).where(leases.c.name == lease.name).values(expires_at=expires_at))
    return Lease(name=lease.name, holder=lease.holder, fence=lease.fence, expires_at=expires_at)


def release(connection: Connection, lease: Lease) -> None:
    """Give the lease back, if it is held still; its number stays, so that the next one is higher."""
    is_ours = (leases.c.name == lease.name) & (leases.c.holder == lease.holder) & (leases.c.fence == lease.fence)
    connection.execute(update(leases).where(is_ours).values(holder=None))


def is_held(connection: Connection, name: str, *, by: str, now: datetime) -> bool:
    """Whether `by` holds the lease at this moment."""
    is_it = (leases.c.name == name) & (leases.c.holder == by) & (leases.c.expires_at > now)
    return connection.execute(select(leases.c.name).where(is_it)).first() is not None


def expired(connection: Connection, prefix: str, *, now: datetime, limit: int) -> list[str]:
    """The names of leases whose holders neither ended nor prolonged them; `end` them."""
    is_named = leases.c.name.startswith(prefix, autoescape=True)
    query = select(leases.c.name).where(_is_dead(now) & is_named).order_by(leases.c.name).limit(limit)
    return list(connection.scalars(query))


def end(connection: Connection, name: str, *, now: datetime) -> bool:
    """Free a lease whose time is over; False if somebody took or prolonged it meanwhile."""
    ended = update(leases).where(_is_dead(now) & (leases.c.name == name)).values(holder=None)
    return bool(connection.execute(ended).rowcount)


def revoke(connection: Connection, name: str) -> None:
    """Free a lease, whoever holds it: nothing more is written under it."""
    connection.execute(update(leases).where(leases.c.name == name).values(holder=None))


def forget(connection: Connection, name: str) -> None:
    """Drop a lease that nobody will ever take again."""
    connection.execute(delete(leases).where(leases.c.name == name))


def _is_dead(now: datetime) -> ColumnElement[bool]:
    return leases.c.holder.is_not(None) & (leases.c.expires_at <= now)

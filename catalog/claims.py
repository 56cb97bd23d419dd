"""Claims: who may work on a recording, and what came of it.

A claim is a lease with a fencing number. Everything that a worker writes of a recording it writes under its claim, in
one transaction with the check that it holds it still. The row of a recording is locked before its lease, by everybody.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from catalog import announcing, leasing, rows
from catalog.database import Database
from catalog.indexing import put_manifest
from catalog.model import Manifest, RecordingId, State
from catalog.records import RECORDING_LEASE, Claim, Lease, Recording, Reservation, id_text, read_id
from catalog.tables import recordings, revisions, runs

_Values = Mapping[str, Any]


class Claims:
    """The claims of a catalog."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def take(
        self, recording: RecordingId, *, holder: str, ttl: timedelta, cause: str, run: str | None = None
    ) -> Claim | None:
        """The recording to work on, alone, until `ttl` is over; None if somebody else does, or nobody should.

        `run` is the key of the run it was handed to: one that was replaced meanwhile gets nothing.
        Raises `UnknownRecordingError`.
        """

        def work(connection: Connection) -> Claim | None:
            row = rows.known(connection, recording, lock=True)
            if run is not None and row["run"] != run:
                return None
            now = self._database.now(connection)
            name = f"{RECORDING_LEASE}{id_text(recording)}"
            is_ours = leasing.is_held(connection, name, by=holder, now=now)
            lease = leasing.acquire(connection, name, holder=holder, ttl=ttl, now=now)
            if lease is None:
                return None
            if not is_ours:
                _begin(connection, row, now=now, cause=cause, actor=holder)
            return Claim(recording=rows.to_recording(row), lease=lease)

        return self._database.write(work)

    def renew(self, lease: Lease, *, ttl: timedelta) -> Lease:
        """The lease for `ttl` from now. Raises `LeaseLostError`."""
        return self._database.write(lambda c: leasing.renew(c, lease, ttl=ttl, now=self._database.now(c)))

    def lead(self, name: str, *, holder: str, ttl: timedelta) -> Lease | None:
        """The lease of a loop, of which one runs among all machines; None while somebody else holds it."""
        return self._database.write(
            lambda c: leasing.acquire(c, name, holder=holder, ttl=ttl, now=self._database.now(c))
        )

    def release(self, lease: Lease) -> None:
        """Give a lease back before its time; nothing happens if it is over."""
        self._database.write(lambda c: leasing.release(c, lease))

    def reserve_revision(self, claim: Claim, content_digest: str, *, newest: int) -> Reservation:
        """The number and the time of making of the revision with this content; `newest` is the highest published.

        A number belongs to one content for ever: whoever publishes the same content gets the same number and time, and
        so writes the same bytes under the same key, however often and by whomever it is tried. Raises `LeaseLostError`.
        """

        def work(connection: Connection) -> Reservation:
            recording = rows.known(connection, claim.recording.id, lock=True)["id"]
            now = self._database.now(connection)
            leasing.require(connection, claim.lease, now=now)
            of_it = revisions.c.recording == recording
            is_same = of_it & (revisions.c.content_digest == content_digest) & (revisions.c.revision > newest)
            reserved = connection.execute(select(revisions).where(is_same)).first()
            if reserved:
                return Reservation(revision=reserved.revision, created_at=reserved.created_at)
            highest = connection.scalar(select(func.max(revisions.c.revision)).where(of_it)) or 0
            number, created_at = max(highest, newest) + 1, now.replace(microsecond=now.microsecond // 1000 * 1000)
            values = {"recording": recording, "revision": number, "content_digest": content_digest}
            connection.execute(revisions.insert().values(created_at=created_at, **values))
            return Reservation(revision=number, created_at=created_at)

        return self._database.write(work)

    def settle(
        self,
        claim: Claim,
        manifest: Manifest,
        key: str,
        *,
        basis: str,
        cause: str,
        look_in: timedelta | None,
    ) -> Recording:
        """The verdict of `manifest`, which stands under `key`, is that of the recording; it follows from `basis`.

        If that is news, it is announced. `look_in`: when to see whether lost slices came after all. Raises
        `LeaseLostError`.
        """

        def values(connection: Connection, row: RowMapping, now: datetime) -> _Values:
            put_manifest(connection, manifest, key, now=now)
            announcing.settled(connection, row, manifest, key, before=claim.recording, now=now)
            return {
                "state": State.SETTLED,
                "verdict": manifest.verdict,
                "settled_at": row["settled_at"] or now,
                "due_at": _later(now, look_in),
                "looks": row["looks"] + 1 if row["basis"] == basis else 0,
                "tries": 0,
                "alarm": None,
                "basis": basis,
                "damage_digest": None,
            }

        return self._conclude(claim, values, cause=cause)

    def wait(
        self,
        claim: Claim,
        *,
        cause: str,
        look_in: timedelta | None,
        alarm: str | None = None,
        damage_digest: str | None = None,
    ) -> Recording:
        """Nothing is to be said yet, or nothing new: look again in `look_in`; None leaves it to a person.

        Raises `LeaseLostError`.
        """

        def values(_connection: Connection, row: RowMapping, now: datetime) -> _Values:
            return {
                "state": _without_verdict(row, State.WAITING),
                "due_at": _later(now, look_in),
                "looks": row["looks"] + 1,
                "tries": 0,
                "alarm": alarm,
                "damage_digest": damage_digest,
            }

        return self._conclude(claim, values, cause=cause)

    def fail(self, claim: Claim, *, cause: str, look_in: timedelta, is_alarming: bool) -> Recording:
        """There is no verdict, by our own fault; it is tried again in `look_in`. Raises `LeaseLostError`."""

        def values(_connection: Connection, row: RowMapping, now: datetime) -> _Values:
            alarm = cause if is_alarming else row["alarm"]
            return {"state": _without_verdict(row, State.FAILED), "due_at": _later(now, look_in), "alarm": alarm}

        return self._conclude(claim, values, cause=cause)

    def hand_back(self, claim: Claim, *, cause: str) -> Recording:
        """The worker was told to stop: all is as before the claim. Raises `LeaseLostError`.

        It is due at once, but one that a run has stays with that, which is to be looked at now: whether the run was
        cancelled is known to whoever runs it.
        """
        before = claim.recording.state
        state = State.STOPPED if before is State.PROCESSING else before

        def values(connection: Connection, row: RowMapping, now: datetime) -> _Values:
            connection.execute(update(runs).where(runs.c.key == row["run"]).values(look_at=now))
            return {
                "state": _without_verdict(row, state),
                "due_at": None if row["run"] else now,
                "tries": max(row["tries"] - 1, 0),
                "run": row["run"],
            }

        return self._conclude(claim, values, cause=cause)

    def take_back(
        self,
        *,
        actor: str,
        cause: str,
        look_in: Callable[[Recording], timedelta],
        is_alarming: Callable[[Recording], bool],
    ) -> list[Recording]:
        """The recordings whose workers ended without a word: they are due again, in what `look_in` says."""

        def work(connection: Connection) -> list[Recording]:
            now = self._database.now(connection)
            dead = leasing.expired(connection, RECORDING_LEASE, now=now, limit=100)
            back = [_take_back(connection, name, now) for name in dead]
            return [recording for recording in back if recording]

        def _take_back(connection: Connection, name: str, now: datetime) -> Recording | None:
            row = rows.known(connection, read_id(name.removeprefix(RECORDING_LEASE)), lock=True)
            recording = rows.to_recording(row)
            if not leasing.end(connection, name, now=now):
                return None
            if recording.state is not State.PROCESSING:
                return recording
            state = _without_verdict(row, State.FAILED)
            values = {"state": state, "due_at": now + look_in(recording), "run": None}
            if is_alarming(recording):
                values["alarm"] = cause
            connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))
            rows.add_change(connection, row, was=row["state"], at=now, state=state, cause=cause, actor=actor)
            return recording

        return self._database.write(work)

    def _conclude(
        self, claim: Claim, values_of: Callable[[Connection, RowMapping, datetime], _Values], *, cause: str
    ) -> Recording:
        """Write what came of a claim and give it up, both or neither; done twice, it is done once."""

        def work(connection: Connection) -> Recording:
            row = rows.known(connection, claim.recording.id, lock=True)
            if row["concluded_by"] == claim.lease.fence:
                return rows.to_recording(row)
            now = self._database.now(connection)
            leasing.require(connection, claim.lease, now=now)
            values = {"run": None, **values_of(connection, row, now), "concluded_by": claim.lease.fence}
            if row["has_news"] and values["run"] is None:
                values |= {"due_at": now, "has_news": False}
            connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))
            leasing.release(connection, claim.lease)
            state, verdict = values["state"], values.get("verdict", row["verdict"])
            rows.add_change(
                connection,
                row,
                was=row["state"],
                at=now,
                state=state,
                verdict=verdict,
                cause=cause,
                actor=claim.lease.holder,
            )
            return rows.to_recording(rows.known(connection, claim.recording.id))

        return self._database.write(work)


def _begin(connection: Connection, row: RowMapping, *, now: datetime, cause: str, actor: str) -> None:
    rows.add_change(connection, row, was=row["state"], at=now, state=State.PROCESSING, cause=cause, actor=actor)
    values = {"state": State.PROCESSING, "due_at": None, "tries": row["tries"] + 1, "lost_runs": 0}
    values |= {"has_news": False, "looked_at": now}
    connection.execute(update(recordings).where(recordings.c.id == row["id"]).values(values))


def _without_verdict(row: RowMapping, state: State) -> State:
    """A recording that has a verdict keeps it, whatever comes of another look."""
    return State.SETTLED if row["verdict"] else state


def _later(now: datetime, span: timedelta | None) -> datetime | None:
    return None if span is None else now + span

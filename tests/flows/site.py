"""One machine with a catalog: recordings of Agora in a folder, what is published of them, and whoever works there."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, update

from catalog.database import Database
from catalog.index import Catalog
from catalog.model import Manifest, RecordingId, State
from catalog.records import Queue, Recording, Run
from catalog.tables import exports, leases, recordings, runs
from flows.loops import Overseer
from flows.process import Inline, process_recording, run_inline
from flows.settings import Settings, Source
from flows.starting import Seen, Starter
from flows.steps.working import Worker
from storage.local import LocalStore
from storage.local_uploads import UPLOADS
from tests.flows.folders import followed, slices
from tests.lab import Laid, Slice, agora_individual, agora_mixed
from tests.migrated import lay_catalog

VENDOR = "agora"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def sid(number: int) -> str:
    """The task id of a recording."""
    return f"{number:032x}"


def recording_id(number: int) -> RecordingId:
    """The recording as the catalog names it."""
    return RecordingId(vendor=VENDOR, task_id=sid(number))


class Site:
    """Opened again on the same folder, it is the same site, in whatever process."""

    def __init__(self, root: Path, *, catalog: str | None = None, **policies: Any) -> None:  # noqa: ANN401 - of several types
        """`catalog`: its URL, otherwise a file in `root`; `policies` are fields of the source."""
        self.root = root
        self.source, self.output = root / "in", root / "out"
        self.source.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(
            output=self.output.as_uri(),
            catalog=catalog or f"sqlite:///{root / 'catalog.db'}",
            data=root / "data",
            sources=(Source(**{"name": "calls", "vendor": VENDOR, "store": self.source.as_uri(), **policies}),),
        )
        database = Database(self.settings.catalog)
        if catalog is None:
            lay_catalog(root / "catalog.db")
        elif not database.is_current():
            database.migrate()
        self.catalog = Catalog(database)

    def has_policies(self, **policies: Any) -> None:  # noqa: ANN401 - of several types
        """From now on."""
        self.settings = replace(self.settings, sources=(replace(self.settings.sources[0], **policies),))

    def worker(self, name: str = "worker", *, is_forced: bool = False, output: LocalStore | None = None) -> Worker:
        """Somebody who works here."""
        return Worker(
            name=name,
            catalog=self.catalog,
            settings=self.settings,
            output=output or LocalStore(self.output),
            is_forced=is_forced,
        )

    def lay(self, number: int, stored: Sequence[Slice | None] | None = None, pieces: Sequence[Slice] = ()) -> Laid:
        """A recording of four slices, or of `pieces`, uploaded; `stored` is what lies there in place of its slices."""
        laid = agora_mixed(pieces or slices(), stored=list(stored) if stored else None, sid=sid(number), folder="")
        laid.write_to(self.source)
        return laid

    def lay_users(self, number: int, *users: str) -> Laid:
        """An individual recording: four slices of sound of each user, uploaded."""
        made = [agora_individual(audio=slices(), uid=user, sid=sid(number), folder="") for user in users]
        laid = reduce(or_, made)
        laid.write_to(self.source)
        return laid

    def submit(self, number: int, queue: Queue = Queue.LIVE) -> Recording:
        """Make it known that the recording has stopped."""
        return self.catalog.register(
            recording_id(number),
            state=State.STOPPED,
            cause="submitted",
            actor="test",
            source="calls",
            folder="",
            queue=queue,
        )

    def process(self, number: int, worker: Worker | None = None, run: str | None = None) -> Recording | None:
        """Work on it once."""
        return run_inline(process_recording(Inline(), worker or self.worker(), recording_id(number), run=run))

    def recording(self, number: int) -> Recording:
        """As the catalog has it."""
        return self.catalog.get(recording_id(number))

    def causes(self, number: int) -> list[str]:
        """Why its state changed, the first change first."""
        return [change.cause for change in self.catalog.changes(recording_id(number))]

    def manifest(self, number: int) -> Manifest:
        """The published one, after all that it names was found."""
        return followed(self.output, VENDOR, sid(number))

    def dies_over(self, number: int) -> None:
        """A worker takes the recording, and is never heard of again."""
        claim = self.catalog.claims.take(
            recording_id(number), holder="dead", ttl=timedelta(minutes=1), cause="somebody who died"
        )
        assert claim is not None
        self.time_passes()

    def time_passes(self) -> None:
        """Every lease is over, and everything that waits is due."""

        def work(connection: Connection) -> None:
            connection.execute(update(leases).values(expires_at=LONG_AGO))
            is_waiting = recordings.c.due_at.is_not(None)
            connection.execute(update(recordings).where(is_waiting).values(due_at=LONG_AGO))
            connection.execute(update(runs).values(look_at=LONG_AGO))
            connection.execute(update(exports).where(exports.c.due_at.is_not(None)).values(due_at=LONG_AGO))
            connection.execute(update(exports).where(exports.c.clear_at.is_not(None)).values(clear_at=LONG_AGO))

        self.catalog.database.write(work)

    def heard_long_ago(self, number: int) -> None:
        """The recording was heard to be over years ago."""
        self._put(number, heard_at=LONG_AGO, stopped_at=LONG_AGO, span_from=LONG_AGO)

    def heard_of_long_ago(self, number: int) -> None:
        """The recording was heard of years ago, and not since."""
        self._put(number, heard_at=LONG_AGO, spoken_at=LONG_AGO, span_from=LONG_AGO)

    def _put(self, number: int, **times: datetime) -> None:
        put = update(recordings).where(recordings.c.task_id == sid(number)).values(**times)
        self.catalog.database.write(lambda connection: connection.execute(put))

    def handed_over(self, ago: timedelta) -> None:
        """All runs were made so long ago."""
        made = update(runs).values(created_at=datetime.now(UTC) - ago)
        self.catalog.database.write(lambda connection: connection.execute(made))

    def days_pass(self) -> None:
        """Whatever upload is under way began long ago."""
        for upload in (self.output / UPLOADS).glob("*"):
            os.utime(upload, (0, 0))

    def overseer(self, starter: Starter | None = None, name: str = "overseer") -> Overseer:
        """Somebody who runs the loops here."""
        starter = starter or InlineStarter(self)
        return Overseer(
            name=name,
            catalog=self.catalog,
            starter=starter,
            output=LocalStore(self.output),
            settings=self.settings,
        )

    def settle(self, most_passes: int = 20) -> None:
        """Let the loops and the time run until nothing is due any more but late looks."""
        overseer = self.overseer()
        for _ in range(most_passes):
            self.time_passes()
            overseer.reconcile()
            overseer.dispatch()
            counts = self.catalog.counts()
            if set(counts) == {State.SETTLED}:
                return
        raise AssertionError(f"still unsettled after {most_passes} passes: {counts}")

    def leases(self) -> list[str]:
        """Names of all leases that anybody has, or had."""
        query = leases.select()
        return self.catalog.database.read(lambda c: [row.name for row in c.execute(query)])

    def expiries(self) -> dict[str, datetime]:
        """When the leases end that somebody has."""
        query = leases.select().where(leases.c.holder.is_not(None))
        return self.catalog.database.read(lambda c: {row.name: row.expires_at for row in c.execute(query)})

    def held_leases(self) -> list[str]:
        """Names of leases that somebody has."""
        return list(self.expiries())


class InlineStarter:
    """Runs what it is asked to start, at once, in this thread; the same key once."""

    def __init__(self, site: Site) -> None:
        """On the recordings of this site."""
        self._site = site
        self.started: dict[str, Run] = {}

    def start(self, run: Run) -> str:
        if run.key not in self.started:
            self.started[run.key] = run
            for subject in run.subjects:
                self._site.process(int(subject.rpartition(":")[2], 16), run=run.key)
        return run.key

    def look(self, flow_run: str) -> Seen:
        return Seen.ENDED if flow_run in self.started else Seen.UNKNOWN

    def end(self, flow_run: str, why: str) -> None:
        raise AssertionError(f"{flow_run} ended already ({why})")

"""A world in which exports are asked for, made, held up, killed, cancelled and forgotten, by one hand and a seed.

Whoever makes an export may be held up anywhere; meanwhile the others go on, also with the same export. Prefect, the
clock and the store do what they can do at their worst.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection, event, select
from sqlalchemy.engine.interfaces import DBAPIConnection

from catalog.database import Database
from catalog.errors import CatalogError, CatalogUnavailableError, ExportStateError, LeaseLostError
from catalog.exports import MOST_TRIES, Export, ExportState
from catalog.index import Catalog
from catalog.records import Run
from catalog.tables import announcements, audit, export_changes, exports, leases, runs
from flows.export import export_replay
from flows.loops import Overseer
from flows.process import Inline, run_inline
from flows.settings import Settings
from flows.starting import RefusedError, Seen, StarterDownError
from flows.steps.clearing import ALL_EXPORTS
from flows.steps.linking import link
from flows.steps.working import Worker
from storage.base import Capabilities
from storage.errors import Denied, NoSpace, NotFound, StorageError, Transient
from storage.memory import MemoryStore
from tests.catalog.exports import request
from tests.catalog.leaps import LeapingDatabase
from tests.flows.export_making import bytes_of, maker
from tests.storage.fakes import FaultyStore

T = TypeVar("T")
_Change = tuple[str | None, str, datetime]

PEOPLE: Final = ("ann", "ben", "eve")
REQUESTS: Final = 3
MOST_DEEP: Final = 3
KEEPS: Final = tuple(timedelta(hours=hours) for hours in (1, 30, 168))
LEAPS: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 20, 70, 600, 4000, 90_000))
FAULTS: Final = ("put", "put_part", "start_multipart", "complete", "head", "delete")
OVER: Final = {ExportState.FAILED, ExportState.CANCELLED, ExportState.EXPIRED}
_REMEMBERED: Final = timedelta(days=6)
"""For so long it is certainly known what was announced."""
_LONG: Final = timedelta(days=30)


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even its last words."""


class Told(KeyboardInterrupt):
    """The process is told to end, and may say so."""


@dataclass(slots=True)
class MortalStore(FaultyStore):
    """As whoever is dying sees it, it does nothing any more."""

    is_dying: bool = False

    def attempt(self, method: str, work: Callable[[], T]) -> T:
        if self.is_dying:
            raise Denied(method, "", "this process is dead")
        return FaultyStore.attempt(self, method, work)

    def delete(self, key: str) -> None:
        self.attempt("delete", lambda: self.inner.delete(key))


class LinkingStore(MemoryStore):
    """It gives links, as clouds do."""

    def __init__(self) -> None:
        super().__init__("out", capabilities=Capabilities(presigns=True))

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        return f"https://bucket.example/{key}?lasts={seconds}&name={filename}"


class MortalDatabase(LeapingDatabase):
    """As whoever is dying sees it, it does not answer."""

    is_dying = False

    def write(self, work: Callable[[Connection], T]) -> T:
        if self.is_dying:
            raise CatalogUnavailableError("this process is dead")
        return super().write(work)


@dataclass(slots=True)
class Prefect:
    """Takes runs, and says of each what it believes."""

    runs: dict[str, Run] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    is_down: bool = False
    refuses: int = 0

    def start(self, run: Run) -> str:
        self._answer()
        if self.refuses:
            self.refuses -= 1
            raise RefusedError("not now")
        self.seen.setdefault(run.key, Seen.QUEUED)
        self.runs[run.key] = run
        return run.key

    def look(self, flow_run: str) -> Seen:
        self._answer()
        return self.seen.get(flow_run, Seen.UNKNOWN)

    def end(self, flow_run: str, why: str) -> None:
        self._answer()
        assert why
        self.seen[flow_run] = Seen.ENDED

    def queued(self) -> list[str]:
        return [key for key, seen in self.seen.items() if seen is Seen.QUEUED]

    def _answer(self) -> None:
        if self.is_down:
            raise StarterDownError("nobody answers")


class World:
    """One history after another; whatever is broken is an AssertionError."""

    def __init__(self, url: str, root: Path) -> None:
        """`url` is that of a migrated database that nobody else uses."""
        self.database = MortalDatabase(url)
        if self.database.is_sqlite:
            event.listen(self.database.engine, "connect", _careless)
        self.catalog = Catalog(self.database)
        self.settings = Settings(output="memory://out", catalog=url, data=root)
        self.disturbed: Counter[str] = Counter()
        """How often an export was cancelled, its worker killed, its run lost, its time over, …"""
        self.ended: Counter[str] = Counter()
        self._workers = 0
        self._restart(0)

    def live(self, seed: int, steps: int) -> None:
        """One history of so many steps, and its end."""
        self._restart(seed)
        while self._left(steps):
            self._step()
        self._finish()
        self.ended.update(export.state for export in self._all())

    def _restart(self, seed: int) -> None:
        self.random, self._done, self._depth, self._killed_late = random.Random(seed), 0, 0, 0
        self.prefect = Prefect()
        self.store = MortalStore(inner=LinkingStore())
        self.overseer = Overseer(
            name="loops", catalog=self.catalog, starter=self.prefect, output=self.store, settings=self.settings
        )
        self.database.write(_empty)

    def _left(self, steps: int) -> bool:
        self._steps = steps
        return self._done < steps

    def _step(self) -> None:
        self._done += 1
        with suppress(CatalogError, StorageError):
            self.random.choice(_ACTIONS)(self)
        self.check()

    # What people do

    def _ask(self) -> None:
        number, person = self.random.randint(1, REQUESTS), self.random.choice(PEOPLE)
        keep = self.random.choice(KEEPS)
        asked, is_new = self.catalog.exports.ask(
            request(number), by=person, reason="a case", name="cut", keep=keep, most=2
        )
        assert asked.state in {ExportState.QUEUED, ExportState.RUNNING, ExportState.DONE}
        assert not is_new or asked.state is ExportState.QUEUED

    def _cancel(self) -> None:
        if self.catalog.exports.cancel(self._any().id, by=self.random.choice(PEOPLE), reason="no need").is_over:
            self.disturbed["cancelled"] += 1

    def _stop(self) -> None:
        assert self.catalog.exports.stop(self._any().id, by="root", reason="space").is_over
        self.disturbed["cancelled"] += 1

    def _retry(self) -> None:
        export = self._any()
        again, _ = self.catalog.exports.retry(export.id, by="ann", reason="please", keep=KEEPS[1], most=2)
        assert again.id != export.id
        self.disturbed["tried again"] += 1

    def _link(self) -> None:
        export = self._any()
        now = self.database.read(self.database.now)
        try:
            given = link(self.catalog, self.store, export.id, by="ann", reason="a look", now=now)
        except (ExportStateError, StorageError):
            return
        assert given.expires_at <= min(now + timedelta(minutes=15), export.expires_at)
        assert self._whole(export), f"a link to what is not whole: {export}"

    # What time and the loops do

    def _leap(self) -> None:
        self.database.pass_by(self.random.choice(LEAPS))

    def _dispatch(self) -> None:
        self.overseer.dispatch()

    def _reconcile(self) -> None:
        self.overseer.reconcile()

    def _end_exports(self) -> None:
        self.overseer.end_exports()

    def _sweep(self) -> None:
        self.overseer.sweep()

    # What Prefect and the store do

    def _lose_run(self) -> None:
        for key in self.random.sample(list(self.prefect.seen), min(1, len(self.prefect.seen))):
            del self.prefect.seen[key]
            self.disturbed["run lost"] += 1

    def _cancel_run(self) -> None:
        for key in self.random.sample(self.prefect.queued(), min(1, len(self.prefect.queued()))):
            self.prefect.seen[key] = Seen.CANCELLED
            self.disturbed["run cancelled"] += 1

    def _break_prefect(self) -> None:
        self.prefect.is_down = self.random.random() < 0.4
        self.prefect.refuses = self.random.randint(0, 2)

    def _break_store(self) -> None:
        method, queue = self.random.choice(FAULTS), self.random.choice((self.store.before, self.store.after))
        kinds = (NoSpace, Denied, NotFound) if method in {"head", "delete"} else (Transient, NoSpace, Denied)
        self.disturbed["store failed"] += 1
        queue[method].append(self.random.choice(kinds)(method, "x", "a fault of the store"))

    # What workers do

    def _work(self) -> None:
        if not self.prefect.queued():
            self.overseer.dispatch()
        if queued := self.prefect.queued():
            key = self.random.choice(queued)
            self.prefect.seen[key] = Seen.RUNNING
            is_dead = not self._make(self.prefect.runs[key].subjects[0], run=key)
            if not is_dead and self.prefect.seen.get(key) is Seen.RUNNING:
                self.prefect.seen[key] = Seen.ENDED

    def _work_by_hand(self) -> None:
        self._make(self._any().id, run=None)

    def _make(self, export: str, run: str | None, *, is_careful: bool = False) -> bool:
        """Make it; False if whoever did so is dead."""
        self._workers += 1
        worker = Worker(name=f"worker {self._workers}", catalog=self.catalog, settings=self.settings, output=self.store)
        make = maker() if is_careful else maker(partial(self._hold_up, export))
        self._depth += 1
        try:
            run_inline(export_replay(Inline(), worker, export, run=run, make=make))
        except Killed:
            return False
        except (Told, LeaseLostError):
            pass
        finally:
            self._depth -= 1
            self.database.is_dying = self.store.is_dying = False
        return True

    def _hold_up(self, export: str, _point: str) -> None:
        lot = self.random.random()
        if lot < 0.05:
            self.disturbed["killed"] += 1
            self._killed_late += self.catalog.exports.get(export).is_over
            self.database.is_dying = self.store.is_dying = True
            raise Killed
        if lot < 0.1:
            self.disturbed["told to end"] += 1
            raise Told
        if lot < 0.3 and self._depth < MOST_DEEP:
            self.disturbed["held up"] += 1
            for _ in range(self.random.randint(1, 8)):
                if self._done < self._steps:
                    self._step()
        if lot > 0.99 and self._depth == 1:
            self._finish()  # and it wakes when all is over

    # What must hold

    def check(self) -> None:
        """All that is true at every moment."""
        found = self._all()
        serving = Counter(export.digest for export in found if export.state not in OVER)
        assert not [digest for digest, count in serving.items() if count > 1]
        keys = {meta.key for meta in self.store.inner.list(ALL_EXPORTS)}
        files = {key for key in keys if not key.endswith(".certificate.json")}
        assert {f"{key}.certificate.json" for key in files} <= keys, "a file without a certificate"
        held, told, stories, now = self.database.read(self._seen)
        for export in found:
            has_file = export.state in {ExportState.DONE, ExportState.EXPIRED}
            assert (export.file is not None) == has_file, export
            assert export.state is not ExportState.DONE or self._whole(export), f"done, and not whole: {export}"
            assert export.state is not ExportState.QUEUED or export.tries < MOST_TRIES
            assert export.state is ExportState.RUNNING or f"export:{export.id}" not in held, export
            assert export.state is not ExportState.FAILED or (export.cause and export.advice)
            story = stories[export.id]
            assert [was for was, _, _ in story[1:]] == [state for _, state, _ in story[:-1]]
            assert story[-1][1] == export.state
            dones = [at for _, state, at in story if state == ExportState.DONE]
            assert told[export.id] <= len(dones) <= 1
            assert told[export.id] or not dones or now - dones[0] > _REMEMBERED

    def _seen(self, connection: Connection) -> tuple[set[str], Counter[str], Mapping[str, list[_Change]], datetime]:
        """Leases that are held, how often exports were announced, and their stories."""
        told = Counter(connection.scalars(select(announcements.c.export)))
        stories = defaultdict[str, list[_Change]](list)
        for row in connection.execute(select(export_changes).order_by(export_changes.c.id)):
            stories[row.export].append((row.was, row.state, row.at))
        return _held(connection), told, stories, self.database.now(connection)

    def _finish(self) -> None:
        """Time passes. Whatever was asked for has an end; when it is over, only certificates are left."""
        self.prefect.is_down, self.prefect.refuses = False, 0
        self.store.before.clear()
        self.store.after.clear()
        has_workers = self.random.random() < 0.7
        for _ in range(12):
            self._pass(timedelta(minutes=30))
            for key in self.prefect.queued() if has_workers else []:
                self.prefect.seen[key] = Seen.RUNNING
                self._make(self.prefect.runs[key].subjects[0], run=key, is_careful=True)
                self.prefect.seen[key] = Seen.ENDED
        assert not has_workers or not self._unended(), f"not made, though nothing is wrong: {self._unended()}"
        self._pass(self.settings.export_deadline)
        self.check()
        assert not self._unended(), f"without an end: {self._unended()}"
        self._pass(_LONG)
        self.disturbed["expired"] += sum(export.state is ExportState.EXPIRED for export in self._all())
        for _ in range(2):
            self._pass(timedelta(hours=1))
        self.overseer.sweep()
        assert {export.state for export in self._all()} <= OVER
        left = [meta.key for meta in self.store.inner.list(ALL_EXPORTS) if not meta.key.endswith(".certificate.json")]
        assert not left, f"a file of what is over: {left}"
        if self._depth == 0:
            # Who was killed long after its export was over leaves one, which is aborted when it is a day old.
            assert len(list(self.store.inner.list_uploads())) <= self._killed_late
            for key in self.prefect.seen:
                self.prefect.seen[key] = Seen.ENDED
            self._pass(timedelta(hours=1))
            assert self.database.read(_held) == set()
            assert self.database.read(lambda c: c.execute(select(runs.c.key)).all()) == []

    def _pass(self, time: timedelta) -> None:
        self.database.pass_by(time)
        self.overseer.reconcile()
        self.overseer.end_exports()
        self.overseer.dispatch()

    def _whole(self, export: Export) -> bool:
        with suppress(NotFound), self.store.inner.open(export.key.key) as body:
            return body.read(10**6) == bytes_of(export.request)
        return False

    def _all(self) -> list[Export]:
        return self.catalog.exports.newest(limit=1000)

    def _unended(self) -> list[Export]:
        return [export for export in self._all() if export.state in {ExportState.QUEUED, ExportState.RUNNING}]

    def _any(self) -> Export:
        found = self._all()
        if not found:
            raise ExportStateError("nothing was asked for yet")
        return self.random.choice(found)


_ACTIONS: Final = (
    *[World._ask] * 6,
    World._cancel,
    World._stop,
    *[World._retry] * 2,
    *[World._link] * 2,
    *[World._leap] * 3,
    *[World._dispatch] * 2,
    *[World._reconcile] * 3,
    World._end_exports,
    World._sweep,
    World._lose_run,
    World._cancel_run,
    World._break_prefect,
    World._break_store,
    *[World._work] * 8,
    *[World._work_by_hand] * 2,
)


def _empty(connection: Connection) -> None:
    for table in (announcements, exports, runs, leases, audit):
        connection.execute(table.delete())


def _careless(connection: DBAPIConnection, _record: object) -> None:
    """No power is lost here, and waiting for the disk takes most of the time."""
    connection.cursor().execute("PRAGMA synchronous = OFF")


def _held(connection: Connection) -> set[str]:
    return set(connection.scalars(select(leases.c.name).where(leases.c.holder.is_not(None))))


@contextmanager
def opened(url: str, root: Path) -> Iterator[World]:
    """A world on a database, migrated first."""
    database = Database(url)
    if not database.is_current():
        database.migrate()
    database.close()
    world = World(url, root)
    try:
        yield world
    finally:
        world.database.close()

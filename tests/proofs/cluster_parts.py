"""A cluster on one machine: PostgreSQL, Prefect's server, webs with loops, workers, and recordings that they process.

All of it is configured by the environment only, as deployments/README.md says, and speaks over loopback.
"""

import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from sqlalchemy import func, select

from catalog.model import State
from catalog.records import RECORDING_LEASE, Queue
from catalog.tables import changes, leases, runs
from tests.flows.folders import contents
from tests.flows.site import Site
from tests.lab import Slice, cut, flash_and_beep
from tests.postgres import Postgres
from tests.proofs.members import Member, Watch
from tests.proofs.table import Table

KINDS = 6
"""How many different recordings there are; all others are laid of the same slices."""
EVERY_LIVE = 5
"""Each fifth recording has just stopped; the others are of a backfill."""

_START_S = 90
_PASSED_S = 0.5


class TookTooLongError(Exception):
    """What was waited for did not come; the folder with all logs is kept."""


def pieces(kind: int) -> list[Slice]:
    """One or two seconds of real media."""
    seconds = 1 + kind % 2
    return list(cut(flash_and_beep(seconds, first_second=10 * kind), 1))


def queue_of(number: int) -> Queue:
    """The queue of a recording."""
    return Queue.LIVE if number % EVERY_LIVE == 0 else Queue.BULK


def lay(site: Site, numbers: Sequence[int]) -> None:
    """Upload recordings."""
    for number in numbers:
        site.lay(number, pieces=pieces(number % KINDS))


def undisturbed(site: Site, folder: Path, numbers: Sequence[int]) -> tuple[dict[str, bytes], float]:
    """The media that one process makes of the same slices, with nobody in its way, and how many seconds it takes."""
    began = time.monotonic()
    folder.mkdir()
    (folder / "in").symlink_to(site.source)
    alone = Site(folder)
    for number in numbers:
        alone.submit(number, queue_of(number))
        alone.process(number)
    alone.catalog.database.close()
    return media(folder / "out"), time.monotonic() - began


def media(folder: Path) -> dict[str, bytes]:
    """Every MP4 of an output, by its key."""
    return {key: data for key, data in contents(folder).items() if key.startswith("media/")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Of how many processes a cluster is made. `lease` is how long a worker may be silent."""

    webs: int = 2
    workers: int = 3
    slots: int = 2
    lease: timedelta = timedelta(seconds=20)


class Cluster:
    """It lives as long as the `with`; where that ends in an error, its folder stays, with the logs."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.root = Path(tempfile.mkdtemp(prefix="cluster-"))
        self.logs = self.root / "logs"
        self.logs.mkdir()
        self.postgres = Postgres()
        self.prefect_database = ""
        self.members: list[Member] = []
        self._stack = ExitStack()
        self._api = f"http://127.0.0.1:{free_port()}/api"

    def __enter__(self) -> Self:
        """PostgreSQL and Prefect's server answer. Whoever ends this process ends all of it."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
        with ExitStack() as stack:
            stack.enter_context(self.postgres)
            self.site = Site(self.root, catalog=self.postgres.create_database("aftertake"))
            stack.callback(self.site.catalog.database.close)
            self._prefect_url = self._prefect_place()
            stack.callback(self._end_all)
            self.start_prefect()
            stack.enter_context(Watch(self.members))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if error is None:
            shutil.rmtree(self.root)
        else:
            sys.stderr.write(f"the logs are kept in {self.logs}\n")

    def start_prefect(self) -> None:
        """Prefect's server, on the database that it had before; it answers when this returns."""
        database = {"PREFECT_API_DATABASE_CONNECTION_URL": self._prefect_url} if self._prefect_url else {}
        self._start("prefect", ["prefect"], database)
        until("Prefect's server answers", self._prefect_answers, within_s=_START_S)

    def start_all(self) -> None:
        """Webs and workers, all at the same moment; the workers wait for work when this returns."""
        for number in range(self.shape.webs):
            address = {"AFTERTAKE_LISTEN": f"127.0.0.1:{free_port()}"}
            self._start(f"web-{number + 1}", ["web", "loops"], address)
        for number in range(self.shape.workers):
            self.start_worker(f"worker-{number + 1}")
        queues = min(self.shape.slots, 2)
        until(
            "all workers wait for work",
            lambda: all(len(worker.says("started!")) >= queues for worker in self.workers),
            within_s=_START_S,
        )

    def start_worker(self, name: str) -> None:
        """One more, or a new one in the place of another."""
        self._start(name, ["worker"])

    @property
    def workers(self) -> list[Member]:
        """All that were started."""
        return [member for member in self.members if member.name.startswith("worker")]

    def member(self, name: str) -> Member:
        """The newest of this name."""
        return next(member for member in reversed(self.members) if member.name == name)

    def submit(self, numbers: Sequence[int]) -> None:
        """Announce recordings."""
        for number in numbers:
            self.site.submit(number, queue_of(number))

    def count(self, *states: State) -> int:
        """How many recordings are in one of these states."""
        counts = self.site.catalog.counts()
        return sum(counts.get(state, 0) for state in states)

    def count_changes(self, cause: str) -> int:
        """How many changes have this cause."""
        query = select(func.count()).select_from(changes).where(changes.c.cause == cause)
        return self.site.catalog.database.read(lambda c: c.scalar(query)) or 0

    def claims_of(self, member: Member) -> list[str]:
        """The holders of leases on recordings that are processes of this member."""
        is_held = leases.c.holder.is_not(None) & leases.c.name.startswith(RECORDING_LEASE)
        query = leases.select().where(is_held)
        held = self.site.catalog.database.read(lambda c: [row.holder for row in c.execute(query)])
        return [holder for holder in held if member.knows(pid_of(holder))]

    def prefect_runs(self) -> dict[str, int]:
        """How many runs Prefect has in each state."""
        found: dict[str, int] = {}
        for state in ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            body = {"flow_runs": {"state": {"type": {"any_": [state]}}}}
            found[state.lower()] = self._ask("/flow_runs/count", body)
        return {state: count for state, count in found.items() if count}

    def _ask(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        request = Request(  # noqa: S310 - on loopback
            self._api + path, json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return json.load(answer)

    def _prefect_answers(self) -> bool:
        with suppress(URLError, OSError), urlopen(f"{self._api}/health", timeout=2):  # noqa: S310
            return True
        return False

    def _prefect_place(self) -> str | None:
        """A database in PostgreSQL, where that has the extension that Prefect needs; None is Prefect's own SQLite."""
        url = self.postgres.create_database("prefect")
        self.prefect_database = "PostgreSQL" if has_extension(url, "pg_trgm") else "SQLite (no pg_trgm)"
        return url.replace("postgresql", "postgresql+asyncpg", 1) if has_extension(url, "pg_trgm") else None

    def _start(self, name: str, parts: Sequence[str], more: Mapping[str, str] = {}) -> None:
        data = self.root / "data" / name
        data.mkdir(parents=True, exist_ok=True)
        settings = {
            **self.site.settings.as_environment(),
            "AFTERTAKE_DATA": str(data),
            "AFTERTAKE_SLOTS": str(self.shape.slots),
            "AFTERTAKE_LEASE": f"{self.shape.lease.total_seconds():g}s",
            "PREFECT_API_URL": self._api,
            **more,
        }
        self.members.append(Member(name, parts, settings, self.logs))

    def _end_all(self) -> None:
        for member in reversed(self.members):
            member.end()


def has_extension(url: str, name: str) -> bool:
    """Whether this PostgreSQL brings an extension."""
    import psycopg  # noqa: PLC0415 - of the tests

    with psycopg.connect(url) as connection:
        found = connection.execute("select 1 from pg_available_extensions where name = %s", [name]).fetchone()
    return found is not None


def free_port() -> int:
    """A port of loopback that nobody uses now, and that none of Aftertake's or Prefect's is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def pid_of(actor: str) -> int:
    """The process in the name of an actor, `host:pid:chance`; 0 if it is none."""
    parts = actor.rsplit(":", 2)
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else 0


def until(what: str, is_so: Callable[[], bool], *, within_s: float) -> float:
    """Wait until it is so; how many seconds that took."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > within_s:
            raise TookTooLongError(f"not within {within_s:.0f} s: {what}")
        time.sleep(_PASSED_S)
    return time.monotonic() - began


def await_settled(cluster: Cluster, recordings: int, *, within_s: float) -> None:
    """All have a verdict, and the loops have seen all runs end."""
    until("all are settled", lambda: cluster.count(State.SETTLED) >= recordings, within_s=within_s)
    until("all runs are over", lambda: not open_runs(cluster.site), within_s=240)


def open_runs(site: Site) -> list[str]:
    """Keys of runs that the loops still look after."""
    return site.catalog.database.read(lambda c: [row.key for row in c.execute(runs.select())])


def show_cluster(table: Table, cluster: Cluster, inline_s: float) -> None:
    """Of what the cluster is made."""
    shape = cluster.shape
    parts = f"{shape.webs} webs with loops, {shape.workers} workers with {shape.slots} slots each"
    table.line("cores", [os.cpu_count()])
    table.line(parts, [f"lease {shape.lease.total_seconds():.0f} s"])
    table.line("the catalog is in", ["PostgreSQL"])
    table.line("Prefect's database is", [cluster.prefect_database])
    table.line("one process alone, undisturbed, s", [f"{inline_s:.0f}"])

"""What is promised of the jobs of exports: `python -m tests.proofs.export_jobs [STEPS]`.

Random histories, 10,000 steps by default: people ask, cancel, try again; workers make, are held up, killed and told to
end; Prefect loses runs, the store fails, the clock leaps. After each step: no file without a certificate, no link to
what is not whole, at most one job for a request that can serve. After each history: no job without an end, and no file
of what is over. Then 1,000 equal requests at once are one job, made once. It prints a table, and ends with 1 if
anything is missed.
"""

import argparse
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Final

from catalog.database import Database
from catalog.exports import Export, ExportState
from catalog.index import Catalog
from flows.export import export_replay
from flows.process import Inline, run_inline
from flows.settings import Settings
from flows.steps.working import Worker
from storage.memory import MemoryStore
from tests.catalog.exports import request
from tests.flows.export_making import maker
from tests.postgres import Postgres
from tests.proofs.export_world import opened
from tests.proofs.table import Table

STEPS: Final = 10_000
STEPS_IN_A_HISTORY: Final = 40
EQUAL: Final = 1_000
_MAKERS: Final = 8
_ON_POSTGRES: Final = 20
"""Of so many histories, one is on PostgreSQL."""


def histories(url: str, root: Path, seeds: range, steps: int = STEPS_IN_A_HISTORY) -> dict[str, int]:
    """One history for each seed; how often each end was met. Raises AssertionError, which names the seed."""
    with opened(url, root) as world:
        for seed in seeds:
            try:
                world.live(seed, steps)
            except AssertionError as error:
                message = f"the history of seed {seed}: {error}"
                raise AssertionError(message) from error
        return {str(state): count for state, count in world.ended.items()}


def equal_requests(url: str, root: Path, count: int) -> tuple[int, int, int, int]:
    """So many ask for the same at once, while many try to make it: new jobs, jobs, files made, and askings."""
    database, store = Database(url), MemoryStore("out")
    database.migrate()
    catalog = Catalog(database)
    settings = Settings(output=store.url, catalog=url, data=root)
    made, begun = list[str](), threading.Barrier(2)

    def ask(number: int) -> bool:
        person = f"analyst {number}"
        keep = timedelta(days=7)
        return catalog.exports.ask(request(), by=person, reason="a case", name="cut", keep=keep, most=1)[1]

    def work(number: int) -> None:
        for run in catalog.export_runs.hand_over(most=10):
            make_it(run.subjects[0], f"worker {number}", run.key)
        for export in catalog.exports.newest():
            make_it(export.id, f"worker {number} by hand", None)

    def make_it(export: str, name: str, run: str | None) -> None:
        worker = Worker(name=name, catalog=catalog, settings=settings, output=store)
        make = maker(lambda point: made.append(name) if point == "completed" else None)
        run_inline(export_replay(Inline(), worker, export, run=run, make=make))

    def work_while_they_ask() -> None:
        begun.wait()
        with ThreadPoolExecutor(_MAKERS) as pool:
            list(pool.map(work, range(_MAKERS)))

    makers = threading.Thread(target=work_while_they_ask)
    makers.start()
    begun.wait()
    with ThreadPoolExecutor(count) as pool:
        new = sum(pool.map(ask, range(count)))
    makers.join()
    work(_MAKERS)
    jobs: list[Export] = catalog.exports.newest(limit=count)
    database.close()
    assert [job.state for job in jobs] == [ExportState.DONE] * len(jobs)
    return new, len(jobs), len(made), sum(len(job.askings) for job in jobs)


def main() -> int:
    """Prove it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="?", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0, help="that of the first history")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    count = -(-asked.steps // STEPS_IN_A_HISTORY)
    seeds, on_postgres = range(asked.seed, asked.seed + count), max(count // _ON_POSTGRES, 1)
    table = Table()
    with tempfile.TemporaryDirectory() as folder, Postgres() as postgres:
        root = Path(folder)
        table.heading("Histories: asked, made, held up, killed, cancelled, lost, expired")
        _prove(table, "SQLite", lambda: histories(f"sqlite:///{root}/one.db", root, seeds[on_postgres:]))
        _prove(table, "PostgreSQL", lambda: histories(postgres.create_database("one"), root, seeds[:on_postgres]))
        table.heading(f"{EQUAL} equal requests at once: new jobs, jobs, files made, askings")
        for name, url in (("SQLite", f"sqlite:///{root}/two.db"), ("PostgreSQL", postgres.create_database("two"))):
            found = equal_requests(url, root, EQUAL)
            table.line(name, found, right=found == (1, 1, 1, EQUAL))
    return table.verdict()


def _prove(table: Table, name: str, prove: Callable[[], dict[str, int]]) -> None:
    began = time.monotonic()
    try:
        ended = prove()
    except AssertionError as error:
        table.line(f"{name}: {error}", (), right=False)
        return
    took = f"{time.monotonic() - began:.0f} s"
    table.line(name, [*(f"{count} {state}" for state, count in sorted(ended.items())), took])


if __name__ == "__main__":
    sys.exit(main())

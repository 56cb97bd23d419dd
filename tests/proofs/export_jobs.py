"""What is promised of the jobs of exports: `python -m tests.proofs.export_jobs [DISTURBANCES]`.

Random histories, until exports were disturbed 10,000 times: people ask, cancel, try again; workers make, are held up,
killed and told to end; Prefect loses runs, the store fails, the clock leaps, files expire. After each step: no file
without a certificate, no link to what is not whole, at most one job for a request that can serve. After each history:
no job without an end, and no file of what is over. Then 1,000 equal requests at once are one job, made once. It prints
a table, and ends with 1 if anything is missed.
"""

import argparse
import itertools
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
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
from tests.proofs.export_world import World, opened
from tests.proofs.table import Table

DISTURBANCES: Final = 10_000
STEPS_IN_A_HISTORY: Final = 40
EQUAL: Final = 1_000
_MAKERS: Final = 8
_ON_POSTGRES: Final = 20
"""Of so many disturbances, one is on PostgreSQL."""


def histories(
    url: str, root: Path, seeds: Iterable[int], *, steps: int = STEPS_IN_A_HISTORY, most: int | None = None
) -> World:
    """One history for each seed, until exports were disturbed `most` times. An AssertionError names the seed."""
    with opened(url, root) as world:
        for seed in seeds:
            if most is not None and world.disturbed.total() >= most:
                break
            try:
                world.live(seed, steps)
            except AssertionError as error:
                message = f"the history of seed {seed}: {error}"
                raise AssertionError(message) from error
        return world


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
    parser.add_argument("disturbances", nargs="?", type=int, default=DISTURBANCES)
    parser.add_argument("--seed", type=int, default=0, help="that of the first history")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    table = Table()
    with tempfile.TemporaryDirectory() as folder, Postgres() as postgres:
        root = Path(folder)
        few = max(asked.disturbances // _ON_POSTGRES, 1)
        for name, url, most in (
            ("SQLite", f"sqlite:///{root}/one.db", asked.disturbances - few),
            ("PostgreSQL", postgres.create_database("one"), few),
        ):
            table.heading(f"Histories on {name}: no job without an end, no file without a certificate")
            _prove(table, partial(histories, url, root, itertools.count(asked.seed), most=most))
        table.heading(f"{EQUAL} equal requests at once: new jobs, jobs, files made, askings")
        for name, url in (("SQLite", f"sqlite:///{root}/two.db"), ("PostgreSQL", postgres.create_database("two"))):
            found = equal_requests(url, root, EQUAL)
            table.line(name, found, right=found == (1, 1, 1, EQUAL))
    return table.verdict()


def _prove(table: Table, prove: Callable[[], World]) -> None:
    began = time.monotonic()
    try:
        world = prove()
    except AssertionError as error:
        table.line(f"{error}", (), right=False)
        return
    for name, count in sorted(world.disturbed.items()):
        table.line(name, (count,))
    table.line("all of these, in seconds", (world.disturbed.total(), f"{time.monotonic() - began:.0f}"))
    table.line("how the jobs ended", tuple(f"{count} {state}" for state, count in sorted(world.ended.items())))


if __name__ == "__main__":
    sys.exit(main())

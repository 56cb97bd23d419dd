"""Whoever is killed, whenever: `python -m tests.proofs.kills`.

SIGKILL at each stage of processing a recording and of a pass of the loops, at random moments, and of whole machines: an
`aftertake serve` that works on many recordings is killed with all its processes, and started again, again and again. It
prints what was left each time, and ends with 1 if that is anything but one manifest, the same bytes as undisturbed, no
lease, and at most one upload that the sweep then takes.
"""

import argparse
import itertools
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from catalog.model import State
from catalog.records import Queue
from catalog.searching import Query
from tests.faults.aftermath import beside, undisturbed, wrong_after
from tests.faults.killing import (
    ForkingStarter,
    killed_after,
    killed_at,
    one_pass,
    process_recording,
    seconds_of,
)
from tests.flows.folders import slices
from tests.flows.site import Site
from tests.proofs.cluster_judge import judge, show
from tests.proofs.cluster_parts import free_port, lay, open_runs
from tests.proofs.cluster_parts import undisturbed as undisturbed_media
from tests.proofs.members import Member
from tests.proofs.table import Table

RANDOM_KILLS = 100
RECORDINGS = 40
MACHINE_KILLS = 10
POISONED = 1000
MOST_TRIES = 2
_MOST_PASSES = 100
_MOST_STAGES = 500
_PATIENCE_S = 900
_LEASE_S = 10


class Kills:
    """What was left after each kill, told as it goes."""

    def __init__(self, table: Table, root: Path) -> None:
        self._table = table
        self._root = root

    def at_each_stage_of_a_worker(self) -> None:
        """Every change that processing a recording makes."""
        root = self._root / "worker"
        expected = undisturbed(root / "whole", 1)
        killed, wrong = 0, Counter[str]()
        for stage in range(_MOST_STAGES):
            site = _submitted(root / str(stage), root / "whole" / "in")
            if not killed_at(stage, process_recording, site.root, 1, watched=site.output):
                break
            killed += 1
            wrong.update(wrong_after(site, 1, expected=expected))
        self._say("a worker, killed at every change", killed, wrong)

    def at_each_stage_of_the_loops(self) -> None:
        """Every change that a pass makes: one recording taken back, one dead run noted, one recording handed over."""
        root = self._root / "loops"
        expected = undisturbed(root / "whole", 1, 2, 3)
        killed, wrong = 0, Counter[str]()
        for stage in range(_MOST_STAGES):
            site = beside(root / str(stage), root / "whole" / "in")
            site.submit(2, Queue.BULK)
            one_pass(site.root)
            site.submit(1)
            site.dies_over(1)
            site.submit(3, Queue.BULK)
            if not killed_at(stage, one_pass, site.root, watched=site.root / "started"):
                break
            killed += 1
            wrong.update(wrong_after(site, 1, 2, 3, expected=expected))
        self._say("the loops, killed at every change", killed, wrong)

    def at_random(self, count: int, seed: int) -> None:
        """Any moment between the start of a worker's process and its end."""
        root = self._root / "random"
        expected = undisturbed(root / "whole", 1)
        first = _submitted(root / "timed", root / "whole" / "in")
        whole_s = seconds_of(process_recording, first.root, 1)
        killed, wrong, chance = 0, Counter[str](), random.Random(seed)
        for number in itertools.count():
            if killed == count:
                break
            site = _submitted(root / str(number), root / "whole" / "in")
            killed += killed_after(chance.uniform(0, whole_s), process_recording, site.root, 1)
            wrong.update(wrong_after(site, 1, expected=expected))
        self._say("a worker, killed at random moments", killed, wrong)

    def poison(self, count: int) -> None:
        """One recording kills whoever touches it; the time of the others is compared with that without it."""
        self._table.heading(f"One poisoned recording among {count}")
        seconds = []
        for poison in (0, count // 2):
            site = Site(self._root / f"poison-{poison}")
            for number in range(1, count + 1):
                site.lay(number, pieces=slices(1))
                site.submit(number, Queue.BULK)
            starter = ForkingStarter(site.root, poison)
            seconds.append(_until_all_tried(site, starter, count))
        counts, poisoned = site.catalog.counts(), site.recording(poison)
        others = counts.get(State.SETTLED, 0)
        self._table.line("others settled", [f"{others} of {count - 1}"], right=others == count - 1)
        self._table.line("tries before it was alarmed", [poisoned.tries], right=poisoned.tries <= MOST_TRIES)
        self._table.line("alarm", [poisoned.alarm], right=poisoned.alarm is not None)
        self._table.line("workers that died of it", [starter.deaths], right=starter.deaths <= MOST_TRIES)
        self._table.line("seconds for all without it, with it", [f"{each:.0f}" for each in seconds])

    def whole_machines(self, recordings: int, kills: int, seed: int) -> None:
        """`aftertake serve` with all its processes, in the middle of many recordings."""
        self._table.heading(f"aftertake serve, killed {kills} times in the middle of {recordings} recordings")
        numbers = range(1, recordings + 1)
        site = Site(self._root / "machine")
        lay(site, numbers)
        expected, _ = undisturbed_media(site, self._root / "machine-undisturbed", numbers)
        chance = random.Random(seed)
        began, killed = time.monotonic(), 0
        environment = _environment(site)
        for number in numbers:
            site.submit(number, Queue.LIVE if number % 4 == 0 else Queue.BULK)
        while killed < kills or not _is_settled(site, recordings):
            if time.monotonic() - began > _PATIENCE_S:
                break
            with _serving(environment, self._root) as machine:
                if killed == kills:
                    _wait_until_settled(site, recordings, began + _PATIENCE_S)
                else:
                    time.sleep(chance.uniform(4, 20))
                    machine.kill()
                    killed += 1
        site.days_pass()
        site.overseer().sweep()
        show(self._table, judge(site, numbers, expected))
        self._table.line("kills", [killed], right=killed == kills)
        self._table.line("seconds", [f"{time.monotonic() - began:.0f}"])

    def _say(self, what: str, killed: int, wrong: Counter[str]) -> None:
        self._table.line(what, [f"{killed} kills", f"{wrong.total()} wrong"], right=killed > 0 and not wrong)
        for text, count in wrong.items():
            sys.stdout.write(f"  {count} times: {text}\n")
        sys.stdout.flush()


def _until_all_tried(site: Site, starter: ForkingStarter, count: int) -> float:
    """Let the loops work until all are settled, or the poisoned one is alarmed."""
    overseer, began = site.overseer(starter), time.monotonic()
    for _ in range(_MOST_PASSES):
        overseer.reconcile()
        overseer.dispatch()
        settled = site.catalog.counts().get(State.SETTLED, 0)
        alarmed = site.catalog.search(Query(is_alarmed=True)).recordings
        if settled + len(alarmed) == count:
            break
        site.time_passes()
    return time.monotonic() - began


def _submitted(root: Path, source: Path) -> Site:
    site = beside(root, source)
    site.submit(1)
    return site


def _environment(site: Site) -> dict[str, str]:
    return {
        **site.settings.as_environment(),
        "AFTERTAKE_LEASE": f"{_LEASE_S}s",
        "AFTERTAKE_LISTEN": f"127.0.0.1:{free_port()}",
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
    }


@contextmanager
def _serving(environment: dict[str, str], logs: Path) -> Iterator[Member]:
    machine = Member("machine", [], environment, logs)
    try:
        yield machine
    finally:
        machine.end()


def _is_settled(site: Site, recordings: int) -> bool:
    return site.catalog.counts().get(State.SETTLED, 0) == recordings


def _wait_until_settled(site: Site, recordings: int, until: float) -> None:
    """All settled, and the loops have seen what became of every run."""
    while not (_is_settled(site, recordings) and not open_runs(site)) and time.monotonic() < until:
        time.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20_260_101)
    parser.add_argument("--random", type=int, default=RANDOM_KILLS)
    parser.add_argument("--recordings", type=int, default=RECORDINGS)
    parser.add_argument("--poisoned", type=int, default=POISONED, help="recordings, of which one kills its workers")
    parser.add_argument("--machines", type=int, default=MACHINE_KILLS, help="how often a whole machine is killed")
    asked = parser.parse_args()
    logging.getLogger("flows").setLevel(logging.ERROR)
    table = Table()
    sys.stdout.write(f"Seed {asked.seed}\n")
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        kills = Kills(table, Path(folder))
        table.heading("After each kill: one manifest, the same bytes, no lease, at most one upload, and that one swept")
        kills.at_each_stage_of_a_worker()
        kills.at_each_stage_of_the_loops()
        kills.at_random(asked.random, asked.seed)
        kills.poison(asked.poisoned)
        kills.whole_machines(asked.recordings, asked.machines, asked.seed)
    return table.verdict()


if __name__ == "__main__":
    sys.exit(main())

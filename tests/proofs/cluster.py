"""A cluster whose workers are killed, replaced and asleep: `python -m tests.proofs.cluster`.

PostgreSQL for the catalog and for Prefect, one Prefect server, two webs with loops, three workers, each a process of
its own. In the middle of the work one worker is killed with everything that it runs, and never comes back; one is told
to end, and replaced by a new one; one is stopped past its lease and wakes up later. It prints what came of the
recordings and ends with 1 if a figure is missed.
"""

import argparse
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from catalog.model import State
from flows.steps.working import STOPPED
from tests.proofs.cluster_judge import Judged, judge, show
from tests.proofs.cluster_parts import Cluster, Shape, await_settled, lay, pid_of, show_cluster, undisturbed, until
from tests.proofs.members import Member
from tests.proofs.table import Table

RECORDINGS = 300
FAIR_SHARE = 0.15
MOST_S_EACH = 5
"""So long a recording may take on two cores, all of the disturbances included."""

_REFUSED = re.compile(r"the lease (recording|run):[^;]*; [\w -]+")
"""How a lease that is over says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbed:
    """What was done to whom."""

    killed: Member
    killed_after: int
    slept: Member
    slept_after: int
    slept_s: float
    replaced: Member
    replaced_after: int
    handed_back: int
    left_behind: int
    ended_s: float


def prove(*, recordings: int, lease: timedelta) -> Table:
    """Run all of it and print the table."""
    numbers, table = range(1, recordings + 1), Table()
    with Cluster(Shape(lease=lease)) as cluster:
        lay(cluster.site, numbers)
        expected, inline_s = undisturbed(cluster.site, cluster.root / "undisturbed", numbers)
        cluster.start_all()
        cluster.submit(numbers)
        disturbed = disturb(cluster, recordings)
        await_settled(cluster, recordings, within_s=recordings * MOST_S_EACH + 120)
        judged = judge(cluster.site, numbers, expected)
        table.heading("Of three workers one is killed, one is replaced, and one sleeps past its lease")
        show_cluster(table, cluster, inline_s)
        show(table, judged)
        show_spread(table, cluster, judged)
        show_disturbed(table, disturbed)
    return table


def disturb(cluster: Cluster, recordings: int) -> Disturbed:
    """Kill one worker, let another one sleep, and replace the third as an upgrade does, each over a recording."""
    most_s = recordings * MOST_S_EACH
    until("a quarter is settled", lambda: cluster.count(State.SETTLED) >= recordings // 4, within_s=most_s)
    killed = frozen_over_a_recording(cluster, cluster.workers)
    killed_after = cluster.count(State.SETTLED)
    killed.kill()
    others = [worker for worker in cluster.workers if worker is not killed]
    until("half is settled", lambda: cluster.count(State.SETTLED) >= recordings // 2, within_s=most_s)
    replaced = frozen_over_a_recording(cluster, others)
    replaced_after, began = cluster.count(State.SETTLED), time.monotonic()
    replaced.signal_all(signal.SIGCONT)
    replaced.end()
    ended_s, left_behind = time.monotonic() - began, len(cluster.claims_of(replaced))
    handed_back = cluster.count_changes(STOPPED)
    others = [worker for worker in others if worker is not replaced]
    slept = frozen_over_a_recording(cluster, others)
    slept_after, began = cluster.count(State.SETTLED), time.monotonic()
    cluster.start_worker(replaced.name)
    until("its lease is taken back", lambda: not cluster.claims_of(slept), within_s=most_s)
    time.sleep(5)
    slept.signal_all(signal.SIGCONT)
    return Disturbed(
        killed=killed,
        killed_after=killed_after,
        slept=slept,
        slept_after=slept_after,
        slept_s=time.monotonic() - began,
        replaced=replaced,
        replaced_after=replaced_after,
        handed_back=handed_back,
        left_behind=left_behind,
        ended_s=ended_s,
    )


def frozen_over_a_recording(cluster: Cluster, workers: Sequence[Member]) -> Member:
    """One of the workers, stopped at a moment at which it holds a recording."""
    frozen: list[Member] = []

    def is_caught() -> bool:
        for worker in workers:
            if not cluster.claims_of(worker):
                continue
            worker.signal_all(signal.SIGSTOP)
            time.sleep(0.2)  # what it had sent arrives
            if cluster.claims_of(worker):
                frozen.append(worker)
                return True
            worker.signal_all(signal.SIGCONT)
        return False

    until("a worker holds a recording", is_caught, within_s=120)
    return frozen[0]


def show_spread(table: Table, cluster: Cluster, judged: Judged) -> None:
    """Who settled how many. The actor of a change is a process of a flow; the watch knows whose child that was."""
    table.heading("Who did it")
    counts = Counter[str]()
    for actor, count in judged.settled_by().items():
        known = (worker.name for worker in cluster.workers if worker.knows(pid_of(actor)))
        owner = next(known, "somebody else")
        counts[owner] += count
    for name in sorted(counts):
        table.line(name, [counts[name], f"{counts[name] / len(judged.told):.0%}"], right=name != "somebody else")
    fair = sum(count >= FAIR_SHARE * len(judged.told) for count in counts.values())
    table.line(f"workers that did {FAIR_SHARE:.0%} or more", [fair], right=fair >= 2)
    table.line("flow processes that settled any", [len(judged.settled_by())])
    for state, count in cluster.prefect_runs().items():
        table.line(f"Prefect's runs {state}", [count], right=state not in {"running", "pending"})


def show_disturbed(table: Table, disturbed: Disturbed) -> None:
    table.heading("What was done to it")
    table.line("killed, with all its flows", [disturbed.killed.name, f"after {disturbed.killed_after}"])
    table.line("told to end, and replaced", [disturbed.replaced.name, f"after {disturbed.replaced_after}"])
    table.line("  it ended within, s", [f"{disturbed.ended_s:.0f}"])
    table.line("  recordings that it handed back", [disturbed.handed_back])
    table.line("  recordings that it left behind", [disturbed.left_behind], right=not disturbed.left_behind)
    table.line("stopped over a recording", [disturbed.slept.name, f"after {disturbed.slept_after}"])
    table.line("  for, s", [f"{disturbed.slept_s:.0f}"])
    refused = {found[0] for line in disturbed.slept.says("the lease") if (found := _REFUSED.search(line))}
    table.line("  refused when it woke", [len(refused)], right=bool(refused))
    for message in sorted(refused):
        sys.stdout.write(f"    {message}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=RECORDINGS)
    parser.add_argument("--lease", type=int, default=20, help="seconds that a worker may be silent")
    asked = parser.parse_args()
    return prove(recordings=asked.recordings, lease=timedelta(seconds=asked.lease)).verdict()


if __name__ == "__main__":
    sys.exit(main())

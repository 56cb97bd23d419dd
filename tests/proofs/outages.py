"""A cluster that loses what it stands on: `python -m tests.proofs.outages`.

First Prefect's server is killed in the middle of the work and stays away for minutes, while recordings go on being
announced; then PostgreSQL, which holds the catalog and Prefect's tables, crashes three times. It prints what came of
the recordings and ends with 1 if a figure is missed.
"""

import argparse
import sys
import time
from datetime import timedelta

from catalog.model import State
from tests.proofs.cluster_judge import judge, show
from tests.proofs.cluster_parts import Cluster, Shape, await_settled, lay, show_cluster, undisturbed, until
from tests.proofs.table import Table

RECORDINGS = 200
RESTARTS = 3
AWAY_S = 10

_CAUGHT_UP_S = 600
"""So long after the end of an outage all must be settled."""


def prove_server_away(table: Table, *, recordings: int, minutes: float, lease: timedelta) -> None:
    """Prefect's server is killed, half of the recordings are announced while it is away, and it comes back."""
    numbers = range(1, recordings + 1)
    early, late = numbers[: recordings // 2], numbers[recordings // 2 :]
    table.heading(f"Prefect's server is killed and away for {minutes:g} minutes")
    with Cluster(Shape(lease=lease)) as cluster:
        lay(cluster.site, numbers)
        expected, inline_s = undisturbed(cluster.site, cluster.root / "undisturbed", numbers)
        cluster.start_all()
        cluster.submit(early)
        until("a fifth is settled", lambda: cluster.count(State.SETTLED) >= recordings // 5, within_s=_CAUGHT_UP_S)
        cluster.member("prefect").kill()
        before, gone_at = cluster.count(State.SETTLED), time.monotonic()
        cluster.submit(late)
        time.sleep(minutes * 60)
        while_away = cluster.count(State.SETTLED) - before
        cluster.start_prefect()
        away_s, back_at = time.monotonic() - gone_at, time.monotonic()
        first_s = until(
            "work goes on",
            lambda: cluster.count(State.SETTLED) > before + while_away or while_away == recordings - before,
            within_s=_CAUGHT_UP_S,
        )
        await_settled(cluster, recordings, within_s=_CAUGHT_UP_S)
        caught_up_s = time.monotonic() - back_at
        judged = judge(cluster.site, numbers, expected)
        show_cluster(table, cluster, inline_s)
        table.line("settled before it", [before])
        table.line("settled while it was away", [while_away])
        table.line("it was away for, s", [f"{away_s:.0f}"])
        table.line("from its return to the next verdict, s", [f"{first_s:.0f}"])
        table.line("from its return to the end of all, s", [f"{caught_up_s:.0f}"])
        show(table, judged)
        show_ends(table, cluster)


def prove_database_away(table: Table, *, recordings: int, lease: timedelta) -> None:
    """PostgreSQL crashes in the middle of the work, and is away for some seconds each time."""
    numbers = range(1, recordings + 1)
    table.heading(f"PostgreSQL crashes {RESTARTS} times and is away for {AWAY_S} s each time")
    with Cluster(Shape(lease=lease)) as cluster:
        lay(cluster.site, numbers)
        expected, inline_s = undisturbed(cluster.site, cluster.root / "undisturbed", numbers)
        cluster.start_all()
        cluster.submit(numbers)
        at = [recordings * crash // (RESTARTS + 2) for crash in range(1, RESTARTS + 1)]
        crashed_after = [_crash(cluster, settled) for settled in at]
        await_settled(cluster, recordings, within_s=_CAUGHT_UP_S)
        judged = judge(cluster.site, numbers, expected)
        show_cluster(table, cluster, inline_s)
        table.line("settled before each crash", crashed_after)
        show(table, judged)
        show_ends(table, cluster)


def _crash(cluster: Cluster, settled: int) -> int:
    """Once so many are settled; how many those were."""
    until(f"{settled} are settled", lambda: cluster.count(State.SETTLED) >= settled, within_s=_CAUGHT_UP_S)
    before = cluster.count(State.SETTLED)
    cluster.postgres.kill()
    time.sleep(AWAY_S)
    cluster.postgres.start()
    return before


def show_ends(table: Table, cluster: Cluster) -> None:
    """Which parts ended and were started again, and what Prefect thinks of its runs."""
    for member in {member.name: member for member in cluster.members}.values():
        if ended := member.says("and is started again in"):
            table.line(f"parts of {member.name} that were started again", [len(ended)])
    for state, count in cluster.prefect_runs().items():
        table.line(f"Prefect's runs {state}", [count], right=state not in {"running", "pending"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=RECORDINGS)
    parser.add_argument("--minutes", type=float, default=10, help="how long Prefect's server is away")
    parser.add_argument("--lease", type=int, default=20, help="seconds that a worker may be silent")
    parser.add_argument("--only", choices=("server", "database"), help="one of the two outages")
    asked = parser.parse_args()
    table, lease = Table(), timedelta(seconds=asked.lease)
    if asked.only != "database":
        prove_server_away(table, recordings=asked.recordings, minutes=asked.minutes, lease=lease)
    if asked.only != "server":
        prove_database_away(table, recordings=asked.recordings, lease=lease)
    return table.verdict()


if __name__ == "__main__":
    sys.exit(main())

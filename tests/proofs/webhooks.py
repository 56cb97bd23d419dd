"""What webhooks promise: `python -m tests.proofs.webhooks`.

Bursts upon a real `aftertake serve`, which is killed in the middle of others; messages doubled, in any order, dropped,
forged, repeated long after, meant to hurt, and with URLs to lure us. `--only PART` proves some of it, `--quick` all of
it in small. It prints a table, and ends with 1 if a figure is missed.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.postgres import Postgres
from tests.proofs import (
    webhook_bursts,
    webhook_doubles,
    webhook_dropped,
    webhook_forgeries,
    webhook_harms,
    webhook_kills,
    webhook_orders,
    webhook_replays,
)
from tests.proofs.table import Table
from tests.proofs.webhook_serving import serving
from tests.proofs.webhook_site import HookedSite

_SEED: Final = 20_261_121


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of each is done."""

    posts: int = webhook_bursts.POSTS
    runs: int = webhook_kills.RUNS
    killed_posts: int = webhook_bursts.POSTS
    doubled: int = webhook_doubles.RECORDINGS
    orders: int = webhook_orders.ORDERS
    dropped: int = webhook_dropped.RECORDINGS
    mutations: int = webhook_forgeries.MUTATIONS
    bodies: int = webhook_forgeries.BODIES
    forged_posts: int = webhook_forgeries.POSTED
    slow: int = webhook_harms.SLOW


QUICK: Final = Size(
    posts=1_000,
    runs=2,
    killed_posts=500,
    doubled=12,
    orders=20,
    dropped=20,
    mutations=6_000,
    bodies=50,
    forged_posts=200,
    slow=100,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the parts are given."""

    table: Table
    root: Path
    size: Size
    seed: int

    def burst(self) -> None:
        for site in self._sites("burst", 2):
            webhook_bursts.prove(self.table, site, self.size.posts)

    def kills(self) -> None:
        webhook_kills.prove(self.table, self._sites("kills", self.size.runs), self.size.killed_posts, self.seed)

    def doubles(self) -> None:
        for number, site in enumerate(self._sites("doubles", 2)):
            webhook_doubles.prove(self.table, site, self.root / f"once-{number}", self.size.doubled, self.seed)

    def orders(self) -> None:
        webhook_orders.prove(self.table, self.root / "orders", self.size.orders, self.seed)

    def dropped(self) -> None:
        webhook_dropped.prove(self.table, self.root / "dropped", self.size.dropped, self.seed)

    def forged(self) -> None:
        root = self.root / "forged"
        webhook_forgeries.prove(self.table, root, self.size.mutations, self.size.bodies, self.seed)
        with serving(HookedSite(root / "served")) as served:
            webhook_forgeries.prove_posted(self.table, served, self.size.forged_posts, self.seed)

    def replays(self) -> None:
        webhook_replays.prove(self.table, self.root / "replays")

    def hostile(self) -> None:
        with serving(HookedSite(self.root / "hostile")) as served:
            webhook_harms.prove(self.table, served, self.size.slow)

    def urls(self) -> None:
        site = HookedSite(self.root / "urls")
        with serving(site) as served:
            webhook_harms.prove_unfetched(self.table, site, served)

    def _sites(self, name: str, count: int) -> Iterator[HookedSite]:
        """On SQLite and PostgreSQL in turn."""
        with Postgres() as postgres:
            for number in range(count):
                url = postgres.create_database(f"{name}_{number}") if number % 2 else None
                site = HookedSite(self.root / f"{name}-{number}", catalog=url)
                yield site
                site.catalog.database.close()


PARTS: Final[Mapping[str, Callable[[Proof], None]]] = {
    "burst": Proof.burst,
    "kills": Proof.kills,
    "doubles": Proof.doubles,
    "orders": Proof.orders,
    "dropped": Proof.dropped,
    "forged": Proof.forged,
    "replays": Proof.replays,
    "hostile": Proof.hostile,
    "urls": Proof.urls,
}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--only", choices=PARTS, action="append", metavar="PART", help=f"of {', '.join(PARTS)}")
    options.add_argument("--quick", action="store_true", help="all of it in small")
    options.add_argument("--seed", type=int, default=_SEED)
    given = options.parse_args()
    logging.disable(logging.WARNING)
    table = Table()
    with tempfile.TemporaryDirectory(prefix="webhooks-") as folder:
        proof = Proof(table=table, root=Path(folder), size=QUICK if given.quick else Size(), seed=given.seed)
        for name in given.only or PARTS:
            PARTS[name](proof)
            sys.stdout.flush()
    return table.verdict()


if __name__ == "__main__":
    sys.exit(main())

"""A burst is absorbed while the loops work: everything is acknowledged soon, and stored."""

import asyncio
from typing import Final

from tests.proofs.table import Table
from tests.proofs.webhook_client import burst
from tests.proofs.webhook_serving import (
    fingerprint,
    messages,
    peak_bytes,
    request_of,
    serving,
    stored_bodies,
    until_taken_in,
)
from tests.proofs.webhook_site import HookedSite

POSTS: Final = 10_000
CONNECTIONS: Final = 200
_MOST_S: Final = 10
_MOST_P99_S: Final = 1
_MOST_BYTES: Final = 300_000_000
_TAKEN_IN_S: Final = 300


def prove(table: Table, site: HookedSite, posts: int, connections: int = CONNECTIONS) -> None:
    """All of them upon one receiver, whose loops see to them meanwhile."""
    database = "SQLite" if site.catalog.database.is_sqlite else "PostgreSQL"
    table.heading(f"{posts} posts over {connections} connections, the loops at work, {database}")
    with serving(site, parts=("web", "loops")) as served:
        given = messages(posts)
        told = asyncio.run(burst(served.address, [request_of(each) for each in given], connections))
        peak, in_inbox = peak_bytes(served.pid()), stored_bodies(site)
        taken_in_s = until_taken_in(site, _TAKEN_IN_S)
    accepted = sum(count for status, count in told.statuses.items() if 200 <= status < 300)
    is_whole = len(in_inbox) == posts and set(in_inbox) == {fingerprint(each.body) for each in given}
    table.line("answered 2xx", [f"{accepted} of {posts}"], right=accepted == posts)
    table.line(
        "s, posts a second", [f"{told.seconds:.1f}", f"{posts / told.seconds:.0f}"], right=told.seconds <= _MOST_S
    )
    half, most = told.at(0.5), told.at(0.99)
    table.line("p50, p99, ms", [f"{half * 1000:.0f}", f"{most * 1000:.0f}"], right=most < _MOST_P99_S)
    table.line("peak memory of the receiver, MB", [f"{peak / 1e6:.0f}"], right=peak < _MOST_BYTES)
    table.line("in the inbox, each once", [f"{len(in_inbox)} of {posts}"], right=is_whole)
    table.line("s until all were taken in, after it", [f"{taken_in_s:.0f}"])

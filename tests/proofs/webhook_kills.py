"""What was acknowledged is stored, whenever the receiver is killed."""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from tests.proofs.table import Table
from tests.proofs.webhook_client import Address, Client
from tests.proofs.webhook_serving import Served, fingerprint, messages, request_of, serving, stored_bodies
from tests.proofs.webhook_site import HookedSite

RUNS: Final = 20
CONNECTIONS: Final = 200
_PAUSES_S: Final = (1.0, 2.0, 4.0)
"""Before each of three further tries, as Agora makes them."""


@dataclass(slots=True)
class Told:
    """What a vendor knows of its posts: which were acknowledged, and how often it heard nothing."""

    after: int
    acknowledged: set[int] = field(default_factory=set)
    unanswered: int = 0
    given_up: int = 0
    others: Counter[int] = field(default_factory=Counter)
    enough: asyncio.Event = field(default_factory=asyncio.Event)

    def acknowledge(self, number: int) -> None:
        """One more; `enough` is set once there are as many as were asked for."""
        self.acknowledged.add(number)
        if len(self.acknowledged) >= self.after:
            self.enough.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """A run: when the kill came, what was acknowledged, and what of that is not in the inbox."""

    after: int
    was_killed: bool
    told: Told
    lost: int
    twice: int


def prove(
    table: Table, sites: Iterable[HookedSite], posts: int, seed: int, parts: Sequence[str] = ("web", "loops")
) -> None:
    """One kill for each site."""
    table.heading(f"The receiver is killed at a random moment of {posts} posts, on SQLite and PostgreSQL in turn")
    chance, made, began = random.Random(seed), list[Killed](), time.monotonic()
    for site in sites:
        made.append(killed_once(site, posts, chance, parts))
        site.catalog.database.close()
        sys.stdout.write(f"  {_line(made[-1])}\n")
        sys.stdout.flush()
    kills, lost = sum(each.was_killed for each in made), sum(each.lost for each in made)
    acknowledged = sum(len(each.told.acknowledged) for each in made)
    refused = sum((each.told.others for each in made), Counter[int]())
    table.line("kills", [kills], right=kills == len(made) > 0)
    table.line("acknowledged", [acknowledged])
    table.line("acknowledged and not stored", [lost], right=lost == 0)
    table.line("given up after four tries", [sum(each.told.given_up for each in made)])
    table.line("stored twice, unanswered the first time", [sum(each.twice for each in made)])
    table.line("other answers than 200", [dict(refused) or 0], right=set(refused) <= {503})
    table.line("s", [f"{time.monotonic() - began:.0f}"])


def killed_once(site: HookedSite, posts: int, chance: random.Random, parts: Sequence[str]) -> Killed:
    """A receiver that is killed after a random number of acknowledgements, and started again by its parent."""
    with serving(site, parts=parts) as served:
        given, after = messages(posts), chance.randrange(1, posts)
        told, was_killed = asyncio.run(_send_and_kill(served, [request_of(each) for each in given], after))
    stored = Counter(stored_bodies(site))
    lost = sum(fingerprint(given[number].body) not in stored for number in told.acknowledged)
    return Killed(
        after=after, was_killed=was_killed, told=told, lost=lost, twice=sum(count > 1 for count in stored.values())
    )


async def _send_and_kill(served: Served, requests: Sequence[bytes], after: int) -> tuple[Told, bool]:
    told, waiting, pid = Told(after=after), iter(enumerate(requests)), served.pid()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(min(CONNECTIONS, len(requests))):
            tasks.create_task(_send_each(served.address, waiting, told))
        await told.enough.wait()
        if pid:
            os.kill(pid, signal.SIGKILL)
    return told, pid != 0 and served.pid() != pid


async def _send_each(address: Address, waiting: Iterator[tuple[int, bytes]], told: Told) -> None:
    """As a vendor does that tries again what was not acknowledged."""
    client = Client()
    for number, request in waiting:
        for pause_s in (0.0, *_PAUSES_S):
            await asyncio.sleep(pause_s)
            if client.is_closed:
                with suppress(OSError):
                    client = await Client.to(address)
            client.send(request)
            status = await client.answer()
            if status == 200:
                told.acknowledge(number)
                break
            if status:
                told.others[status] += 1
            else:
                told.unanswered += 1
                client.close()
        else:
            told.given_up += 1
    told.enough.set()  # nothing is left to be sent, so the kill comes now or never
    client.close()


def _line(run: Killed) -> str:
    told = run.told
    return (
        f"killed after {run.after}: {len(told.acknowledged)} acknowledged, {run.lost} of them lost, "
        f"{told.unanswered} unanswered, {told.given_up} given up, {run.twice} stored twice"
    )

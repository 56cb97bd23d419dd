"""Each message has its effect once, however often it comes, through however many receivers and dispatchers."""

import asyncio
import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

from sqlalchemy import select

from catalog.database import Database
from catalog.inbox import Inbox
from catalog.model import RecordingId, State
from catalog.tables import deliveries, events, recordings
from deployments.sandbox.webhook_requests import Posted
from flows.settings import Settings
from flows.steps.hearing import read_delivery
from tests.proofs.table import Table
from tests.proofs.webhook_client import Address, burst
from tests.proofs.webhook_serving import fingerprint, request_of, serving, until_taken_in
from tests.proofs.webhook_site import HOOKED, HookedSite, facts_of, recording_of, told

RECORDINGS: Final = 100
_MOST_TIMES: Final = 5
_CONNECTIONS: Final = 20
_AT_ONCE: Final = 3
"""Messages that a dispatcher takes at once: few, so that the two often have those of one recording."""
_SEEN: Final = "ignored: seen"
_THREE: Final = {
    "agora": ("started", "exit", "uploaded"),
    "zego": ("m3u8_known", "stopped", "uploaded"),
    "jocloud": ("m3u8_info",) * 3,
}
_FORWARD: Final = (State.HINTED, State.RECORDING, State.STOPPED)
_TAKEN_IN_S: Final = 120
_END_S: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What deliveries came to. `not_once`: messages with no effect or two; `wrong`: recordings that show it."""

    deliveries: int
    distinct: int
    with_effect: int
    not_once: int
    failed: int
    wrong: int


def prove(table: Table, site: HookedSite, once: Path, count: int, seed: int) -> None:
    """Three messages about each of so many recordings; `once` is where a twin of the site may be."""
    database = "SQLite" if site.catalog.database.is_sqlite else "PostgreSQL"
    table.heading(f"{3 * count} messages, each 1 to 5 times, two receivers, two dispatchers, {database}")
    effects = of_doubles(site, once, count, random.Random(seed))
    table.line("deliveries, messages", [effects.deliveries, effects.distinct])
    is_once = effects.with_effect == effects.distinct == 3 * count and not effects.not_once
    table.line("deliveries with an effect", [effects.with_effect], right=is_once)
    table.line("messages with none or two", [effects.not_once], right=effects.not_once == 0)
    table.line("deliveries that failed", [effects.failed], right=effects.failed == 0)
    table.line("recordings other than if told once", [effects.wrong], right=effects.wrong == 0)


def of_doubles(site: HookedSite, once: Path, count: int, chance: random.Random) -> Effects:
    """Deliver all in any order to either of two receivers, while two dispatchers take in what has come."""
    known = [recording_of(HOOKED[number % len(HOOKED)], number) for number in range(1, count + 1)]
    given = {recording: _three(recording) for recording in known}
    posted = [each for three in given.values() for each in three for _ in range(chance.randint(1, _MOST_TIMES))]
    chance.shuffle(posted)
    with serving(site, "web-1") as one, serving(site, "web-2") as other, dispatching(site.settings, 2):
        asyncio.run(_send([one.address, other.address], posted, chance))
        until_taken_in(site, _TAKEN_IN_S)
    return _judged(site, HookedSite(once), given)


def _three(recording: RecordingId) -> list[Posted]:
    return [told(recording, event, number) for number, event in enumerate(_THREE[recording.vendor])]


async def _send(addresses: Sequence[Address], posted: Sequence[Posted], chance: random.Random) -> None:
    shares: dict[Address, list[bytes]] = {address: [] for address in addresses}
    for each in posted:
        shares[chance.choice(addresses)].append(request_of(each))
    answered = await asyncio.gather(*(burst(address, share, _CONNECTIONS) for address, share in shares.items()))
    statuses = sum((each.statuses for each in answered), Counter[int]())
    assert set(statuses) == {200}, statuses


@contextmanager
def dispatching(settings: Settings, count: int) -> Iterator[None]:
    """So many processes that take in whatever has come, without asking each other."""
    context = multiprocessing.get_context("spawn")
    ended = context.Event()
    names = [f"dispatcher-{number}" for number in range(count)]
    processes = [context.Process(target=_dispatch, args=(settings, name, ended), daemon=True) for name in names]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        ended.set()
        for process in processes:
            process.join(_END_S)
            process.kill()


def _dispatch(settings: Settings, name: str, ended: Event) -> None:
    """As the loop does, and without its lease."""
    database = Database(settings.catalog)
    inbox, read = Inbox(database), partial(read_delivery, settings)
    while not ended.is_set():
        if not inbox.take_in(read, actor=name, most=_AT_ONCE):
            ended.wait(0.005)
    database.close()


def _judged(site: HookedSite, twin: HookedSite, given: dict[RecordingId, list[Posted]]) -> Effects:
    """Beside a twin that was told everything once, and in order."""
    query = select(deliveries.c.body, deliveries.c.effect)
    found = site.catalog.database.read(
        lambda c: [(fingerprint(row.body), row.effect or "") for row in c.execute(query)]
    )
    effective = Counter(body for body, effect in found if effect != _SEEN)
    bodies = {fingerprint(each.body) for three in given.values() for each in three}
    twin.hear(*(each for three in given.values() for each in three))
    wrong = [recording for recording in given if _story(site, recording) != _story(twin, recording)]
    wrong += [recording for recording in given if not _goes_forward(site, recording)]
    twin.catalog.database.close()
    return Effects(
        deliveries=len(found),
        distinct=len(bodies),
        with_effect=effective.total(),
        not_once=sum(effective[body] != 1 for body in bodies),
        failed=sum("fault" in effect for _, effect in found),
        wrong=len(wrong),
    )


def _story(site: HookedSite, recording: RecordingId) -> tuple[object, ...]:
    """What the order may not change: where it has come to, and what was said of it."""
    row = site.catalog.get(recording)
    said = select(events.c.name, events.c.word).where(events.c.recording == _number(site, recording))
    kept = site.catalog.database.read(lambda c: sorted((event.name, event.word) for event in c.execute(said)))
    last = site.catalog.changes(recording)[-1].state
    return tuple(facts_of(site, recording).items()), tuple(kept), last, row.queue


def _number(site: HookedSite, recording: RecordingId) -> int:
    query = select(recordings.c.id).where(
        (recordings.c.vendor == recording.vendor) & (recordings.c.task_id == recording.task_id)
    )
    number: int = site.catalog.database.read(lambda c: c.execute(query).scalar_one())
    return number


def _goes_forward(site: HookedSite, recording: RecordingId) -> bool:
    """Each state once, and never back."""
    states = [_FORWARD.index(change.state) for change in site.catalog.changes(recording)]
    return states == sorted(set(states))

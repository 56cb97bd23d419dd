"""Messages that get lost do not matter: what lies in the sources is found by looking through them."""

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from catalog.model import RecordingId, State, Verdict
from flows.settings import Source
from tests.flows.folders import slices
from tests.proofs.table import Table
from tests.proofs.webhook_site import HOOKED, HookedSite, recording_of, told

RECORDINGS: Final = 200
DROPPED: Final = (1.0, 0.9, 0.5)
_MINUTES_OLD: Final = 40
"""Longer than the settle time: so long nothing came, and so they may be over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How many recordings messages told of, how many a look found beside them, and how all of them ended."""

    told: int
    by_looking: int
    again: int
    settled: int
    look_s: float
    work_s: float


def prove(table: Table, root: Path, recordings: int, seed: int) -> None:
    """With all messages dropped, and with some."""
    table.heading(f"{recordings} recordings whose messages get lost, and one look through each source")
    for dropped in DROPPED:
        site = HookedSite(root / f"{dropped:.0%}")
        found = look(site, recordings, dropped, seed)
        share = f"{dropped:.0%} dropped"
        table.line(f"{share}: told of, found", [found.told, found.by_looking], right=_is_whole(found, recordings))
        table.line(f"{share}: found by a second look", [found.again], right=found.again == 0)
        table.line(f"{share}: settled", [f"{found.settled} of {recordings}"], right=found.settled == recordings)
        table.line(f"{share}: s of looking, of work", [f"{found.look_s:.1f}", f"{found.work_s:.0f}"])
        site.catalog.database.close()
    period = Source(name="any", store="").look_through
    table.line("a look every, min", [f"{period.total_seconds() / 60:.0f}"], right=period <= timedelta(minutes=15))


def look(site: HookedSite, recordings: int, dropped: float, seed: int) -> Found:
    """Recordings of all vendors that ended a while ago; of some the last message came."""
    chance = random.Random(seed)
    laid = [recording_of(HOOKED[number % len(HOOKED)], number) for number in range(1, recordings + 1)]
    heard = set(chance.sample(laid, round(recordings * (1 - dropped))))
    for recording in laid:
        site.lay_one(recording, slices(1), hours_old=_MINUTES_OLD / 60)
    at = datetime.now(UTC) - timedelta(minutes=1)
    site.hear(*(told(recording, _last(recording), at=at) for recording in heard))
    overseer, began = site.overseer(), time.monotonic()
    by_looking = sum(overseer.look_through(source) for source in site.settings.sources)
    look_s, began = time.monotonic() - began, time.monotonic()
    while overseer.dispatch():
        overseer.reconcile()
    # Whoever was told that a recording has ended waits some seconds for the word that all of it is uploaded.
    site.time_passes()
    while overseer.dispatch():
        overseer.reconcile()
    work_s = time.monotonic() - began
    again = sum(overseer.look_through(source) for source in site.settings.sources)
    settled = sum(_is_settled(site, recording) for recording in laid)
    return Found(told=len(heard), by_looking=by_looking, again=again, settled=settled, look_s=look_s, work_s=work_s)


def _last(recording: RecordingId) -> str:
    return "m3u8_info" if recording.vendor == "jocloud" else "uploaded"


def _is_whole(found: Found, recordings: int) -> bool:
    return found.told + found.by_looking == recordings


def _is_settled(site: HookedSite, recording: RecordingId) -> bool:
    row = site.catalog.get(recording)
    return (row.state, row.verdict) == (State.SETTLED, Verdict.COMPLETE)

"""Messages in any order make the same recording: every order of six, of each vendor, for one that lies in a folder."""

import itertools
import random
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from catalog.manifest import content_digest
from catalog.model import RecordingId
from deployments.sandbox.webhook_requests import Posted, jocloud
from tests.flows.folders import followed, slices
from tests.proofs.table import Table
from tests.proofs.webhook_site import HOOKED, ROOM, SECRETS, HookedSite, facts_of, recording_of, told

ORDERS: Final = 720
_EVENTS: Final = {
    "agora": ("started", "slice_started", "left", "exit", "backed_up", "uploaded"),
    "zego": ("m3u8_known", "no_stream", "left", "stopped", "idle_end", "uploaded"),
}
_UNKNOWN: Final = 5
_STATUS = 1
Made = tuple[str, tuple[tuple[str, object], ...]]
"""The content digest of a manifest, and what the catalog says of its recording."""


def prove(table: Table, root: Path, orders: int, seed: int) -> None:
    """Of each vendor so many orders, all of them if there are as many."""
    table.heading(f"{orders} orders of six messages about one recording, each with a catalog of its own")
    for vendor in HOOKED:
        began, made = time.monotonic(), outcomes(root / vendor, vendor, orders, seed)
        ((digest, _), *_) = made
        table.line(f"{vendor}: manifests and facts that differ", [len(made) - 1], right=len(made) == 1)
        table.line(f"{vendor}: content digest, s", [digest[:12], f"{time.monotonic() - began:.0f}"])


def outcomes(root: Path, vendor: str, orders: int, seed: int) -> set[Made]:
    """What came of a recording, each different thing once."""
    recording, messages = recording_of(vendor, 1), six(vendor)
    first = HookedSite(root / "first")
    first.lay_one(recording, slices(1))
    first.catalog.database.close()
    permutations = list(itertools.permutations(messages))
    chosen = random.Random(seed).sample(permutations, orders) if orders < len(permutations) else permutations
    made = set[Made]()
    for number, order in enumerate(chosen):
        place = _beside(root / str(number), first.root)
        made.add(outcome(place, recording, order, at_each=number % 2 == 1))
        shutil.rmtree(place)
    return made


def six(vendor: str) -> list[Posted]:
    """Messages about the first recording of a vendor, in their true order."""
    recording, began = recording_of(vendor, 1), datetime.now(UTC) - timedelta(seconds=60)
    if vendor in _EVENTS:
        return [told(recording, event, n, began + timedelta(seconds=n)) for n, event in enumerate(_EVENTS[vendor])]
    return [*(_status(recording, number, began) for number in range(_UNKNOWN)), told(recording, "m3u8_info")]


def outcome(place: Path, recording: RecordingId, order: Sequence[Posted], *, at_each: bool) -> Made:
    """Deliver in this order, and let all work be done: in the end, or with a pass of the loops after each message."""
    site = HookedSite(place)
    try:
        if at_each:
            for posted in order:
                site.hear(posted)
                site.overseer().dispatch()
        else:
            site.hear(*order)
        site.settle()
        digest = _digest(site, recording)
        return digest, tuple(facts_of(site, recording).items())
    finally:
        site.catalog.database.close()


def _status(recording: RecordingId, number: int, began: datetime) -> Posted:
    """Of a kind that no document names."""
    return jocloud(
        f"recordtask_status_{number}",
        record_id=recording.task_id,
        room=ROOM,
        secret=SECRETS["jocloud"],
        sent_at=began + timedelta(seconds=number),
        msgtype=_STATUS,
        context={"status": number},
    )


def _beside(place: Path, first: Path) -> Path:
    """A site on the very same files: keys of outputs follow from their etags."""
    place.mkdir()
    (place / "in").symlink_to(first / "in")
    shutil.copy(first / "catalog.db", place / "catalog.db")
    return place


def _digest(site: HookedSite, recording: RecordingId) -> str:
    return content_digest(followed(site.output, recording.vendor, recording.task_id))

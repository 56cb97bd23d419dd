"""The same bytes again, minutes, a day and a month later: refused where the time is signed, else without effect."""

import asyncio
from collections.abc import MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from catalog.model import RecordingId
from deployments.sandbox.webhook_requests import Posted
from tests.catalog.leaps import LeapingDatabase
from tests.flows.folders import slices
from tests.proofs.table import Table
from tests.proofs.webhook_site import HOOKED, HookedSite, facts_of, recording_of, told
from vendors.registry import HOOKS
from web.webhooks import Receiving, Webhooks

LATER: Final = (timedelta(minutes=6), timedelta(days=1), timedelta(days=30), timedelta(days=36))
"""After the last one the inbox has dropped what it knew of the first."""
_LAST: Final = {"agora": "uploaded", "zego": "uploaded", "jocloud": "m3u8_info"}
_SEEN, _NOTHING, _REFUSED = "ignored: seen", "nothing new", "refused"
_EXPECTED: Final = {
    "agora": (200, _SEEN, _NOTHING),
    "jocloud": (200, _SEEN, _NOTHING),
    "zego": (401, _REFUSED, _REFUSED),
}
"""The answer, the effect while the first delivery is kept, and after that."""


def prove(table: Table, root: Path) -> None:
    """One recording of each vendor, and its last message again and again."""
    table.heading("The same bytes again")
    for vendor in HOOKED:
        answers = replayed(root / vendor, vendor)
        for later, (status, effect, runs) in answers.items():
            expected, kept, dropped = _EXPECTED[vendor]
            is_right = status == expected and effect.startswith(dropped if later == LATER[-1] else kept) and runs == 0
            after = f"{later.days} days" if later.days else f"{later.seconds // 60} min"
            table.line(f"{vendor}, {after} later: answer, runs", [status, runs], right=is_right)
            table.line(f"  {effect[:60]}", [])


def replayed(root: Path, vendor: str) -> dict[timedelta, tuple[int, str, int]]:
    """The answer to the same request so much later, what came of it, and how many runs that made."""
    url = f"sqlite:///{root / 'catalog.db'}"
    database = LeapingDatabase(url)
    site, recording = HookedSite(root, catalog=url, database=database), recording_of(vendor, 1)
    site.lay_one(recording, slices(1))
    posted, began = told(recording, _LAST[vendor]), datetime.now(UTC)
    assert _post(site, posted, began) == 200
    site.overseer().take_in()
    site.settle()
    answers, passed = {}, timedelta()
    for later in LATER:
        database.pass_by(later - passed)
        passed = later
        site.catalog.inbox.drop_old()
        answers[later] = _again(site, recording, posted, began + later)
    database.close()
    return answers


def _again(site: HookedSite, recording: RecordingId, posted: Posted, at: datetime) -> tuple[int, str, int]:
    facts = facts_of(site, recording)
    status = _post(site, posted, at)
    site.overseer().take_in()
    [newest, *_] = site.catalog.inbox.newest(most=1)
    runs = site.overseer().dispatch()
    assert facts_of(site, recording) == facts
    return status, newest.effect or "", runs


def _post(site: HookedSite, posted: Posted, at: datetime) -> int:
    """The status that the receiver answers with at that time."""
    receiving = Receiving(hooks=HOOKS, keys=site.keys, inbox=site.catalog.inbox, clock=lambda: at)
    return asyncio.run(_ask(receiving, posted))


async def _ask(receiving: Receiving, posted: Posted) -> int:
    headers = [(name.lower().encode(), value.encode()) for name, value in posted.headers.items()]
    scope = {"type": "http", "method": "POST", "path": posted.path, "headers": headers, "client": ("127.0.0.1", 1)}
    said: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": posted.body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    await Webhooks(_no_application, receiving)(scope, receive, send)
    # What is refused is stored after the answer.
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
    status: int = said[0]["status"]
    return status


async def _no_application(*_: object) -> None:
    raise AssertionError("all of it is for the receiver")

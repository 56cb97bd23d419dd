"""`aftertake webhook test`: post a signed sample of a vendor's webhook to a running server, and see what it does."""

import argparse
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from catalog.events import Signature
from catalog.inbox import DeliveryRow, Inbox
from catalog.index import Catalog
from cli.deliveries import seen_to, told
from cli.exits import Exit
from deployments.sandbox.webhooks import SAMPLES, TEST_TASKS, Posted, deliver, sample
from flows.fields import secret_variable
from flows.settings import Settings, SettingsError
from flows.webhook_keys import WebhookKeys
from vendors.hooks import TEST_ROOM

_POLL_S: Final = 0.1
_STORED_WITHIN_S: Final = 1.0
_LISTED: Final = 500
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a server listens on, and how it is reached


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What a server answered to a sample, and how long that took."""

    status: int
    took_ms: float


def run(settings: Settings, catalog: Catalog, options: argparse.Namespace) -> int:
    """Post a sample, and say what was answered and what came of it."""
    inbox = catalog.inbox
    posted, url = _sample(settings, catalog, options), options.url or _url(settings)
    last = max((row.id for row in inbox.newest(most=1)), default=0)
    answer = _posted(posted, url)
    path = f"/hooks/{posted.vendor}{'/***' if posted.path_suffix else ''}"
    print(f"POST {url}{path} {options.event}: {answer.status} after {answer.took_ms:.0f} ms", file=sys.stderr)
    row = _delivered(inbox, posted, last)
    if row is None:
        print(_WHY_NOT.get(answer.status, "aftertake: it was not stored in this catalog"), file=sys.stderr)
        return Exit.REFUSED if answer.status in _WHY_NOT else Exit.TRY_AGAIN
    code = told(seen_to(inbox, row.id), as_json=options.json)
    return code if row.signature is Signature.GOOD else Exit.REFUSED


_WHY_NOT: Final[Mapping[int, str]] = MappingProxyType(
    {
        401: "aftertake: the server refuses the signature; was it started with the same secret?",
        404: "aftertake: no `aftertake serve` answers there; name it with --url",
    }
)


def _sample(settings: Settings, catalog: Catalog, options: argparse.Namespace) -> Posted:
    """Raises `SettingsError` for an event that there is none of, and without a secret."""
    vendor = options.vendor
    if options.event not in SAMPLES[vendor]:
        message = f"there is no sample {options.event!r} of {vendor}. There are {', '.join(SAMPLES[vendor])}."
        raise SettingsError(message)
    keys = [key for key in WebhookKeys(settings)(vendor) if options.source in {None, key.source}]
    if not keys:
        message = f"no webhook secret is configured for {options.source or vendor}. Set {secret_variable(vendor)}."
        raise SettingsError(message)
    return sample(
        vendor,
        options.event,
        task_id=options.task or TEST_TASKS[vendor],
        room=options.room or _room(catalog, vendor, options.task),
        secret=keys[0].secret,
        sent_at=datetime.now(UTC),
    )


def _room(catalog: Catalog, vendor: str, task_id: str | None) -> str:
    """Samples name files by the room: a wrong one would promise a file that never comes."""
    if task_id is None:
        return TEST_ROOM
    known = [recording.room for recording in catalog.named(f"{vendor}:{task_id}")]
    if known and known[0]:
        return known[0]
    raise SettingsError(f"the room of {vendor}:{task_id} is not known. Give it with --room.")


def _url(settings: Settings) -> str:
    host, port = settings.listen.host, settings.listen.port
    host = _ANYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _posted(posted: Posted, url: str) -> _Answer:
    """Raises `SettingsError` where nobody answers."""
    began = time.monotonic()
    try:
        status = deliver(posted, url)
    except (OSError, ValueError) as error:
        message = f"nobody answers at {url}: {error}. Start `aftertake serve`, or name the server with --url."
        raise SettingsError(message) from error
    return _Answer(status=status, took_ms=(time.monotonic() - began) * 1000)


def _delivered(inbox: Inbox, posted: Posted, last: int) -> DeliveryRow | None:
    """The delivery that this became; what is refused is stored a little later."""
    deadline = time.monotonic() + _STORED_WITHIN_S
    while True:
        for row in inbox.newest(after=last, vendor=posted.vendor, most=_LISTED):
            if inbox.get(row.id).body == posted.body:
                return row
        if time.monotonic() > deadline:
            return None
        time.sleep(_POLL_S)

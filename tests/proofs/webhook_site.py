"""A site with a source of each vendor that posts webhooks, recordings in them, and messages about these."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import uuid4

from catalog.database import Database
from catalog.events import Delivery
from catalog.index import Catalog
from catalog.model import RecordingId
from catalog.records import Run
from deployments.sandbox.webhook_requests import Posted
from deployments.sandbox.webhooks import sample
from flows.fields import secret_variable
from flows.loops import Overseer
from flows.process import Inline, process_recording, run_inline
from flows.settings import Source
from flows.starting import Seen, Starter
from flows.webhook_keys import WebhookKeys
from storage.local import LocalStore
from tests.catalog.steps import stored
from tests.flows.folders import aged
from tests.flows.site import Site
from tests.lab import Laid, Slice, agora_mixed, jocloud_mixed, zego_mixed
from vendors.hooks import Checked, Message, check, parse
from vendors.registry import HOOKS

HOOKED: Final = ("agora", "zego", "jocloud")
ROOM: Final = "math"
SECRETS: Final[Mapping[str, str]] = MappingProxyType({vendor: f"proofs-{vendor}-0123456789" for vendor in HOOKED})
ENVIRONMENT: Final = {secret_variable(vendor): secret for vendor, secret in SECRETS.items()}


def task_of(vendor: str, number: int) -> str:
    """A task id in the vendor's shape."""
    if vendor == "zego":
        return base64.urlsafe_b64encode(number.to_bytes(12)).decode()
    return f"{number:032x}" if vendor == "agora" else f"{number:035x}"


def recording_of(vendor: str, number: int) -> RecordingId:
    """The recording as the catalog names it."""
    return RecordingId(vendor=vendor, task_id=task_of(vendor, number))


def laid_of(recording: RecordingId, pieces: Sequence[Slice]) -> Laid:
    """Its objects, as its vendor lays them."""
    if recording.vendor == "agora":
        return agora_mixed(pieces, sid=recording.task_id, cname=ROOM, folder="")
    if recording.vendor == "zego":
        return zego_mixed(pieces, task_id=recording.task_id, room=ROOM, stream="mix", folder="")
    return jocloud_mixed(pieces, record_id=recording.task_id, room=ROOM, folder="")


def told(recording: RecordingId, event: str, number: int = 0, at: datetime | None = None) -> Posted:
    """A common message of its vendor about it, signed now unless said."""
    return sample(
        recording.vendor,
        event,
        task_id=recording.task_id,
        room=ROOM,
        secret=SECRETS[recording.vendor],
        sent_at=at or datetime.now(UTC),
        sequence=number,
    )


def message_of(posted: Posted) -> Message:
    """The message of a request, as a receiver reads it."""
    return Message(
        body=posted.body,
        document=parse(posted.body),
        headers={name.lower(): value for name, value in posted.headers.items()},
        url_secret=posted.path_suffix.removeprefix("/") or None,
    )


class HookedSite(Site):
    """Opened again on the same folder, it is the same site. Its sources are the folders `agora`, `zego`, `jocloud`."""

    def __init__(self, root: Path, *, catalog: str | None = None, database: Database | None = None) -> None:
        """`catalog`: its URL, otherwise a file in `root`; `database` is what it is used through."""
        super().__init__(root, catalog=catalog)
        sources = tuple(Source(name=f"{each}-calls", vendor=each, store=self._place(each).as_uri()) for each in HOOKED)
        self.settings = replace(self.settings, sources=sources)
        if database is not None:
            self.catalog.database.close()
            self.catalog = Catalog(database)
        self.keys = WebhookKeys(self.settings, ENVIRONMENT)

    def lay_one(self, recording: RecordingId, pieces: Sequence[Slice], hours_old: float = 2) -> None:
        """Upload it; its objects were written so long ago."""
        aged(laid_of(recording, pieces).write_to(self._place(recording.vendor)), hours_old)

    def checked(self, posted: Posted, at: datetime | None = None) -> Checked:
        """What its signature shows, at that time."""
        return check(HOOKS[posted.vendor], message_of(posted), self.keys(posted.vendor), at or datetime.now(UTC))

    def received(self, posted: Posted, at: datetime | None = None) -> Delivery:
        """What a receiver makes of the request."""
        hook, message, checked = HOOKS[posted.vendor], message_of(posted), self.checked(posted, at)
        return Delivery(
            token=uuid4().hex,
            vendor=posted.vendor,
            received_at=at or datetime.now(UTC),
            signature=checked.signature,
            sources=checked.sources,
            body=posted.body,
            headers={},
            dedupe_id=hook.read(message).dedupe_id,
            seal=hook.seal(message),
        )

    def hear(self, *posted: Posted, at: datetime | None = None) -> list[str | None]:
        """Have them delivered and taken in; what came of each."""
        given = [self.received(each, at) for each in posted]
        self.catalog.inbox.put(given)
        while self.overseer().take_in():
            pass
        return [stored(self.catalog, delivery.token).effect for delivery in given]

    def process_one(self, recording: RecordingId, run: str | None = None) -> None:
        """Work on it once."""
        run_inline(process_recording(Inline(), self.worker(), recording, run=run))

    def overseer(self, starter: Starter | None = None, name: str = "overseer") -> Overseer:
        """Somebody who runs the loops here, and does himself what he hands over, unless somebody else is named."""
        return Overseer(
            name=name,
            catalog=self.catalog,
            starter=starter or AtOnce(self),
            output=LocalStore(self.output),
            settings=self.settings,
        )

    def _place(self, vendor: str) -> Path:
        place = self.source / vendor
        place.mkdir(exist_ok=True)
        return place


class AtOnce:
    """Does what it is asked to start, at once, in this thread; the same key once."""

    def __init__(self, site: HookedSite) -> None:
        self._site = site
        self.started: dict[str, Run] = {}

    def start(self, run: Run) -> str:
        if run.key not in self.started:
            self.started[run.key] = run
            for subject in run.subjects:
                vendor, _, task_id = subject.partition(":")
                self._site.process_one(RecordingId(vendor=vendor, task_id=task_id), run=run.key)
        return run.key

    def look(self, flow_run: str) -> Seen:
        return Seen.ENDED if flow_run in self.started else Seen.UNKNOWN

    def end(self, flow_run: str, why: str) -> None:
        raise AssertionError(f"{flow_run} ended already ({why})")


Facts = Mapping[str, Any]
"""What the catalog says of a recording."""


def facts_of(site: HookedSite, recording: RecordingId) -> Facts:
    """What must not depend on how often, in what order and when it was told."""
    row = site.catalog.get(recording)
    return {name: getattr(row, name) for name in ("state", "verdict", "word", "room", "source", "revision", "alarm")}

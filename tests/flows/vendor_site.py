"""A machine whose sources are recorded into by the sandbox's vendors: their APIs, clouds and webhooks are real."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import uvicorn
from sqlalchemy import Connection, update

from catalog.inbox import Inbox
from catalog.index import Catalog
from catalog.model import Manifest, RecordingId, State
from catalog.records import Recording, Run, read_id
from catalog.tables import inquiries, recordings, runs
from deployments.sandbox.clouds import Clouds
from deployments.sandbox.stage import Stage, set_stage, source_of, vendor_keys
from deployments.sandbox.vendors import ALL_WELL, Limits, Script, Vendors
from flows.loops import Overseer
from flows.opening import open_catalog
from flows.process import Inline, process_recording, run_inline
from flows.recorders import Recorders
from flows.settings import Settings
from flows.starting import Seen
from flows.steps.asking import Asker
from flows.steps.publishing import read_manifest
from flows.steps.working import Worker
from flows.vendor_recordings import VendorRecordings
from flows.webhook_keys import WebhookKeys
from storage.opening import open_store
from tests.flows.site import LONG_AGO
from tests.proofs.cluster_parts import free_port
from vendors.base import Mode
from vendors.recorder import Order
from vendors.recorders import open_recorder
from vendors.registry import HOOKS
from vendors.storage import parse_store_url
from web.app import build_app
from web.tokens import Tokens
from web.vendor_recordings import router
from web.webhooks import Receiving, Webhooks

PACE = 20.0
PLENTY = Limits(agora=1000, zego=1000, zego_start_stop=1000, jocloud_apply=1000)
SECRETS = {vendor: f"{vendor}-hook" for vendor in HOOKS}
TOKEN = "a-token-of-this-test"  # noqa: S105


class VendorSite:
    """Everything on loopback, in this process; `time_passes` makes all that waits due."""

    def __init__(self, root: Path, clouds: Clouds, vendors: Vendors, stage: Stage, port: int) -> None:
        self.clouds, self.vendors, self.stage = clouds, vendors, stage
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            **stage.environment,
            **vendor_keys(stage, vendors),
            **{f"AFTERTAKE_{vendor.upper()}_WEBHOOK_SECRET": secret for vendor, secret in SECRETS.items()},
            "AFTERTAKE_API_TOKEN": TOKEN,
        }
        sources = [
            {"name": vendor, "vendor": vendor, "store": url, "look_through": "0s", **source_of(vendor, vendors)}
            for vendor, url in stage.sources.items()
        ]
        self.settings = Settings.load(
            {
                "AFTERTAKE_CONFIG": "/dev/null",
                "AFTERTAKE_DATA": str(root / "data"),
                "AFTERTAKE_OUTPUT": stage.output,
                "AFTERTAKE_LISTEN": f"127.0.0.1:{port}",
                "AFTERTAKE_PUBLIC_URL": self.url,
                "AFTERTAKE_SOURCES": json.dumps(sources),
            }
        )
        opened_by = partial(open_recorder, failover_waits_s=(0.2,))
        self.recorders = Recorders(self.settings, self.environment, open_recorder=opened_by)
        self.keys = WebhookKeys(self.settings, self.environment)
        self.catalog: Catalog

    @property
    def recordings(self) -> VendorRecordings:
        return VendorRecordings(self.settings, self.catalog, self.recorders, self.keys, actor="test")

    def worker(self) -> Worker:
        output = open_store(self.stage.output, environment=self.environment)
        return Worker(
            name="worker", catalog=self.catalog, settings=self.settings, output=output, recorders=self.recorders
        )

    def start(
        self,
        vendor: str,
        room: str,
        script: Script | None = None,
        mode: Mode = "mixed",
        *,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> RecordingId:
        """Begin a recording that follows the script; `more` are the vendor's own fields."""
        if script:
            self.vendors.follow(vendor, room, script)
        ordered = partial(Order, room=room, mode=mode, client_id=f"{vendor}-{room}", more=more)
        return self.recordings.start(self.settings.source(vendor), ordered, folder="calls/").id

    def record(self, vendor: str, room: str, script: Script | None = None, mode: Mode = "mixed") -> RecordingId:
        """Eight seconds, from start to stop, and until all that the vendor does after that is done."""
        recording = self.start(vendor, room, script, mode)
        time.sleep(8 / PACE)
        self.recordings.stop(recording)
        self.vendors.wait_idle(60)
        return recording

    def begun_elsewhere(self, room: str, script: Script | None = None) -> RecordingId:
        """A recording of ZEGOCLOUD's that somebody else began and ended."""
        self.vendors.follow("zego", room, script or ALL_WELL)
        source = self.settings.source("zego")
        order = Order(
            room=room,
            mode="mixed",
            place=parse_store_url(source.store),
            upload_key=self.recorders.upload_key(source),
            callback_url=f"{self.url}/hooks/zego",
            client_id=room,
        )
        recorder = self.recorders.of(source)
        handle = recorder.start(order)
        time.sleep(4 / PACE)
        recorder.stop(handle)
        self.vendors.wait_idle(60)
        return handle.recording

    def overseer(self) -> Overseer:
        output = open_store(self.stage.output, environment=self.environment)
        return Overseer(
            name="overseer", catalog=self.catalog, starter=_Starter(self), output=output, settings=self.settings
        )

    def pass_once(self) -> None:
        """One pass of all loops, with all that waits due."""
        overseer = self.overseer()
        overseer.take_in()
        self.time_passes()
        Asker(catalog=self.catalog, settings=self.settings, recorders=self.recorders, actor="loop").ask_due()
        self.time_passes()
        overseer.dispatch()
        overseer.reconcile()

    def settled(self, recording: RecordingId, passes: int = 6) -> Recording:
        """The recording, once it has a verdict."""
        for _ in range(passes):
            self.pass_once()
            found = self.catalog.get(recording)
            if found.state is State.SETTLED:
                return found
        raise AssertionError(f"still {found.state}: {self.causes(recording)}")

    def causes(self, recording: RecordingId) -> list[str]:
        return [change.cause for change in self.catalog.changes(recording)]

    def manifest(self, recording: RecordingId) -> Manifest:
        """The newest one."""
        output = open_store(self.stage.output, environment=self.environment)
        return read_manifest(output, output.head(self.catalog.get(recording).manifest or ""))

    def time_passes(self) -> None:
        def work(connection: Connection) -> None:
            for table, column in ((recordings, "due_at"), (inquiries, "ask_at")):
                connection.execute(update(table).where(table.c[column].is_not(None)).values({column: LONG_AGO}))
            connection.execute(update(runs).values(look_at=LONG_AGO))

        self.catalog.database.write(work)


class _Starter:
    """Runs what it is asked to start, at once, in this thread; the same key once."""

    def __init__(self, site: VendorSite) -> None:
        self._site = site
        self._started = set[str]()

    def start(self, run: Run) -> str:
        if run.key not in self._started:
            self._started.add(run.key)
            for subject in run.subjects:
                run_inline(process_recording(Inline(), self._site.worker(), read_id(subject), run=run.key))
        return run.key

    def look(self, flow_run: str) -> Seen:
        return Seen.ENDED if flow_run in self._started else Seen.UNKNOWN

    def end(self, flow_run: str, why: str) -> None:
        raise AssertionError(f"{flow_run} ended already ({why})")


@contextmanager
def vendor_site(root: Path, patch: Callable[[str, str], None]) -> Iterator[VendorSite]:
    """It serves when this is entered; `patch` sets variables for as long as it does: stores read theirs there."""
    port = free_port()
    with (
        Clouds() as clouds,
        Vendors(
            clouds, f"http://127.0.0.1:{port}", SECRETS, pace=PACE, retry_pace=100, limits=PLENTY, linger_s=0.2
        ) as vendors,
    ):
        stage = set_stage(clouds)
        vendors.jocloud_store("calls", "calls/")
        site = VendorSite(root, clouds, vendors, stage, port)
        for name, value in site.environment.items():
            patch(name, value)
        with open_catalog(site.settings) as catalog, closing(site.recorders):
            site.catalog = catalog
            receiving = Receiving(hooks=HOOKS, keys=site.keys, inbox=Inbox(catalog.database))
            routes = router(site.settings, site.recordings, Tokens(site.environment))
            with _served(build_app(catalog.database, receiving, [routes]), port):
                yield site


@contextmanager
def _served(app: Webhooks, port: int) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)

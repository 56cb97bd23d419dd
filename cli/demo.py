"""`aftertake demo`: five calls at three vendors, from their start to the MP4, with `aftertake serve` in between."""

import argparse
import json
import os
import shlex
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from secrets import token_hex
from urllib.request import urlopen

from catalog.inbox import DeliveryRow
from catalog.index import Catalog
from catalog.model import RecordingId
from catalog.records import id_text
from catalog.timeline import timeline
from cli import find
from cli.deliveries import HEADS, line
from cli.deliveries import document as delivery_document
from cli.demo_calls import ELSEWHERE, SECONDS, Call, Demo, story_of
from cli.demo_exports import export_people
from cli.demo_people import people
from cli.demo_site import PUBLISHED, leave
from cli.exits import Exit
from cli.report import document, lines
from cli.sandbox import wait_for_the_end
from cli.serve import Serving
from cli.show import show
from deployments.sandbox.clouds import Clouds
from deployments.sandbox.stage import ARCHIVE, JOCLOUD_FOLDER, Stage, set_stage, source_of, vendor_keys
from deployments.sandbox.vendors import Vendors
from flows.fields import secret_variable
from flows.opening import open_catalog
from flows.recorders import Recorders
from flows.settings import Settings
from flows.steps.publishing import Published
from flows.steps.searching import search
from flows.vendor_recordings import VendorRecordings
from flows.webhook_keys import WebhookKeys
from storage.base import ObjectStore
from storage.keys import output_key
from storage.listing import listed
from storage.local import LocalStore
from storage.opening import open_source, open_store
from storage.reading import VerifiedReader
from storage.urls import place_of
from vendors.registry import RECORDED

_LINK_S = 3600
_PATIENCE_S = 120
_PICTURE = (640, 360)
_MOST_WEBHOOKS = 500
# What is missing is not waited for here, except where nothing at all is there; nothing is looked for, so that starts,
# stops and webhooks alone tell of the calls.
_POLICIES = {
    "agora": {"deadline": "10s", "look_through": "0s"},
    "zego": {"deadline": "0s", "look_through": "0s"},
    "jocloud": {"look_through": "0s"},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to keep what it makes."""
    parser.add_argument("--folder", default="demo-output", help="where to keep what is published")


def run(options: argparse.Namespace) -> int:
    """Record, process and report; everything is kept below a folder. On a terminal it goes on serving until Ctrl-C."""
    root = Path(options.folder).absolute()
    port, secrets = _free_port(), {vendor: token_hex(16) for vendor in RECORDED}
    url = f"http://127.0.0.1:{port}"
    with Clouds() as clouds, Vendors(clouds, url, secrets, size=_PICTURE) as vendors:
        stage = set_stage(clouds)
        vendors.jocloud_store("calls", JOCLOUD_FOLDER)
        _set_environment(
            {
                **stage.environment,
                **vendor_keys(stage, vendors),
                **{secret_variable(name): secret for name, secret in secrets.items()},
            }
        )
        settings = _settings(stage, vendors, root, port)
        _say("starting `aftertake serve`: web, loops, Prefect's server and a worker (some seconds) …")
        with (
            _serving(settings) as serving,
            open_catalog(settings) as catalog,
            closing(Recorders(settings)) as recorders,
        ):
            _await_web(url)
            recordings = VendorRecordings(settings, catalog, recorders, WebhookKeys(settings), actor="demo")
            demo = Demo(settings, catalog, vendors, recordings, _say)
            _say(f"five calls of {SECONDS} s, each with a flash and a beep every second:")
            demo.record()
            demo.forge(url)
            demo.await_verdicts()
            place = _Place(clouds=clouds, stage=stage, settings=settings, serving=serving, root=root)
            return _reported(demo, catalog, place, as_json=options.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the demo goes on, and what it leaves below `root`."""

    clouds: Clouds
    stage: Stage
    settings: Settings
    serving: Serving
    root: Path


def _reported(demo: Demo, catalog: Catalog, place: _Place, *, as_json: bool) -> Exit:
    calls, told = demo.calls, catalog.inbox.newest(most=_MOST_WEBHOOKS)[::-1]
    stage, root = place.stage, place.root
    archive = open_store(stage.output)
    kept = LocalStore(root / PUBLISHED)
    _copy(archive, kept)
    for vendor, source in stage.sources.items():
        _copy(open_source(source), LocalStore(root / "recordings" / vendor))
    published = [found for recording in calls for found in show(kept, id_text(recording))]
    searches = [search(url, each.task_id) for each in _lost(calls) for url in _places(stage)]
    leave(root)
    if as_json:
        writes = _writes(place.clouds)
        answer = {**document("demo", published), "writes": writes, "webhooks": [*map(delivery_document, told)]}
        print(json.dumps(answer, ensure_ascii=False, indent=2))
        return _exit(writes)
    print("\n".join(_webhook_lines(told)))
    print("\n".join(_report(calls, catalog, published, root)))
    for each in _lost(calls):
        print(f"$ aftertake find {each.task_id}")
        print("\n".join(find.lines(each.task_id, searches)))
    for call, found in zip(calls.values(), published, strict=True):
        if call.users:
            shown = timeline(found.manifest)
            print("\n".join(people(catalog, call.room, shown)))
            export_people(shown, root / f"{call.room}.zip", place.settings.as_environment())
    writes = _writes(place.clouds)
    print("\n".join(_ends(stage, writes, root)))
    if sys.stdout.isatty() and sys.stdin.isatty():
        print("\n".join([*_links(published, archive), *place.serving.lines()]), flush=True)
        wait_for_the_end()
    return _exit(writes)


def _set_environment(variables: Mapping[str, str]) -> None:
    """Of this process and its parts; webhook secrets of somebody's own sources are none of this machine's."""
    for name in [name for name in os.environ if name.endswith("_WEBHOOK_SECRET")]:
        del os.environ[name]
    os.environ.update(variables)


def _settings(stage: Stage, vendors: Vendors, root: Path, port: int) -> Settings:
    """Those of one machine with three sources; a catalog of an earlier demo would know other calls."""
    data = root / "serve"
    for left in data.glob("catalog.db*"):
        left.unlink()
    sources = [
        {"name": vendor, "vendor": vendor, "store": url, **_POLICIES[vendor], **source_of(vendor, vendors)}
        for vendor, url in stage.sources.items()
    ]
    return Settings.load(
        {
            "AFTERTAKE_CONFIG": os.devnull,
            "AFTERTAKE_DATA": str(data),
            "AFTERTAKE_LISTEN": f"127.0.0.1:{port}",
            "AFTERTAKE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "AFTERTAKE_OUTPUT": stage.output,
            "AFTERTAKE_STORES": stage.place(ELSEWHERE),
            "AFTERTAKE_SOURCES": json.dumps(sources),
        }
    )


@contextmanager
def _serving(settings: Settings) -> Iterator[Serving]:
    ended = threading.Event()
    environment = {"PREFECT_API_URL": f"http://127.0.0.1:{_free_port()}/api"}
    with Serving(("prefect", "web", "loops", "worker"), settings, environment) as serving:
        watcher = threading.Thread(target=serving.watch, args=(ended,))
        watcher.start()
        try:
            yield serving
        finally:
            ended.set()
            watcher.join()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def _await_web(url: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not _is_ready(url):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the web does not answer after {_PATIENCE_S} s")
        time.sleep(0.2)


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - our own server
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _writes(clouds: Clouds) -> dict[str, int]:
    """How many requests the clouds saw that change a bucket, by bucket: those of the recordings must not be there."""
    seen = clouds.journal.seen()
    return dict(Counter(f"{request.cloud}://{request.bucket}/" for request in seen if request.writes))


def _exit(writes: Mapping[str, int]) -> Exit:
    return Exit.OK if set(writes) == {f"s3://{ARCHIVE}/"} else Exit.UNEXPECTED


def _copy(store: ObjectStore, kept: LocalStore) -> None:
    for meta in listed(store):
        data, _ = VerifiedReader(store).read(meta)
        kept.put(output_key(meta.key), data)


def _lost(calls: Mapping[RecordingId, Call]) -> list[RecordingId]:
    return [recording for recording, call in calls.items() if call.script.astray]


def _places(stage: Stage) -> list[str]:
    return [*stage.sources.values(), stage.place(ELSEWHERE)]


def _webhook_lines(told: Sequence[DeliveryRow]) -> Iterator[str]:
    """Those that changed something, came twice or were refused; `aftertake webhook tail` has the others."""
    shown = [row for row in told if row.effect != "nothing new"]
    yield f"\nWhat came in by webhook: {len(told)} messages, of which these had an effect, or were put off:\n"
    yield from (HEADS, *map(line, shown))


def _report(
    calls: Mapping[RecordingId, Call], catalog: Catalog, published: Sequence[Published], root: Path
) -> Iterator[str]:
    yield f"\n{'vendor':<9}{'room':<13}{'verdict':<22}{'what happened to it':<49}MP4"
    for (recording, call), found in zip(calls.items(), published, strict=True):
        verdict = story_of(catalog.changes(recording))
        outputs = [output for stream in found.manifest.streams for output in stream.outputs]
        first, *others = [str(root / PUBLISHED / output.key) for output in outputs] or ["-"]
        yield f"{call.vendor:<9}{call.room:<13}{verdict:<22}{call.fate:<49}{first}"
        yield from (f"{'':{9 + 13 + 22 + 49}}{where}" for where in others)
    yield "\nWhat Aftertake found (= as promised, * differs, - missing, + extra, ! unreadable):\n"
    for found in published:
        yield from lines([found])
        yield ""


def _ends(stage: Stage, writes: Mapping[str, int], root: Path) -> Iterator[str]:
    buckets = [place_of(url) for url in (stage.output, *_places(stage))]
    yield f"\nWrites that the clouds saw: {', '.join(f'{bucket} {writes.get(bucket, 0)}' for bucket in buckets)}"
    yield f"Published into:      {place_of(stage.output)}, a copy lies in {root / PUBLISHED}"
    yield f"The recordings too:  {root / 'recordings'}"
    yield f"Go on from here:     cd {shlex.quote(str(root))}   # where `aftertake ls`, `who`, `export` … find all of it"


def _links(published: Sequence[Published], archive: ObjectStore) -> Iterator[str]:
    yield "\nThe clouds stay up until you press Ctrl-C. Play from the bucket itself:"
    for found in published:
        for output in (output for stream in found.manifest.streams for output in stream.outputs):
            yield f"  {archive.presign_get(output.key, _LINK_S, f'{found.manifest.vendor}.mp4')}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)

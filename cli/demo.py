"""`aftertake demo`: three recordings, one in each cloud, are told to `aftertake serve` by their vendors' webhooks."""

import argparse
import json
import os
import shlex
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from secrets import token_hex
from urllib.request import urlopen

from catalog.inbox import DeliveryRow
from catalog.index import Catalog
from catalog.layout import served
from catalog.model import RecordingId, State
from cli.deliveries import HEADS, line
from cli.deliveries import document as as_json
from cli.exits import Exit
from cli.report import document, lines
from cli.sandbox import wait_for_the_end
from cli.serve import Serving
from cli.show import show
from deployments.sandbox.clouds import Clouds
from deployments.sandbox.recordings import Recording, record_three
from deployments.sandbox.stage import ARCHIVE, Stage, set_stage
from deployments.sandbox.telling import webhooks_of
from deployments.sandbox.webhooks import deliver
from flows.fields import secret_variable
from flows.opening import open_catalog
from flows.settings import Settings
from flows.steps.publishing import Published
from storage.base import ObjectStore
from storage.keys import output_key
from storage.listing import listed
from storage.local import LocalStore
from storage.opening import open_store
from storage.reading import VerifiedReader
from storage.urls import place_of

_LINK_S = 3600
_PATIENCE_S = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to keep what it makes."""
    parser.add_argument("--folder", default="demo-output", help="where to keep what is published")


def run(options: argparse.Namespace) -> int:
    """Record, process and report; everything is kept below a folder. On a terminal it goes on serving until Ctrl-C."""
    root = Path(options.folder).absolute()
    _say("encoding three recordings, one in each vendor's layout …")
    recordings = record_three()
    for recording in recordings:
        recording.laid.write_to(root / "recordings" / recording.vendor)
    with Clouds() as clouds:
        stage = set_stage(clouds, recordings)
        secrets = {vendor: token_hex(16) for vendor in stage.sources}
        _set_environment({**stage.environment, **{secret_variable(name): secret for name, secret in secrets.items()}})
        settings = _settings(stage, root)
        _say("starting `aftertake serve`: web, loops, Prefect's server and a worker (some seconds) …")
        with _serving(settings) as serving, open_catalog(settings) as catalog:
            told = _tell(catalog, settings, recordings, secrets)
            _await_verdicts(catalog, recordings, stage)
            writes = _writes(clouds)
            archive = open_store(stage.output)
            kept = LocalStore(root / "published")
            _copy(archive, kept)
            published = [found for r in recordings for found in show(kept, f"{r.vendor}:{r.task_id}")]
            if options.json:
                answer = {**document("demo", published), "writes": writes, "webhooks": [*map(as_json, told)]}
                print(json.dumps(answer, ensure_ascii=False, indent=2))
                return _exit(writes)
            print("\n".join(["\nWhat came in by webhook, and what it did:\n", HEADS, *map(line, told)]))
            print("\n".join(_report(recordings, published, stage, writes, root)))
            if sys.stdout.isatty() and sys.stdin.isatty():
                print("\n".join([*_links(published, archive), *serving.lines()]), flush=True)
                wait_for_the_end()
    return _exit(writes)


def _set_environment(variables: Mapping[str, str]) -> None:
    """Of this process and its parts; webhook secrets of somebody's own sources are none of this machine's."""
    for name in [name for name in os.environ if name.endswith("_WEBHOOK_SECRET")]:
        del os.environ[name]
    os.environ.update(variables)


def _settings(stage: Stage, root: Path) -> Settings:
    """Those of one machine with three sources; a catalog of an earlier demo would know these recordings already."""
    data = root / "serve"
    for left in data.glob("catalog.db*"):
        left.unlink()
    # The recordings are minutes old and whole as far as they go: what is missing is not waited for. Nothing is looked
    # for, so that webhooks alone tell of them.
    patience = {"deadline": "0s", "look_through": "0s"}
    sources = [{"name": vendor, "vendor": vendor, "store": url, **patience} for vendor, url in stage.sources.items()]
    return Settings.load(
        {
            "AFTERTAKE_CONFIG": os.devnull,
            "AFTERTAKE_DATA": str(data),
            "AFTERTAKE_LISTEN": f"127.0.0.1:{_free_port()}",
            "AFTERTAKE_OUTPUT": stage.output,
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


def _tell(
    catalog: Catalog, settings: Settings, recordings: Sequence[Recording], secrets: Mapping[str, str]
) -> Sequence[DeliveryRow]:
    """Post what the vendors would, and wait until it was seen to; the deliveries in the order in which they came."""
    url = f"http://{settings.listen}"
    _await(lambda: _is_ready(url), "the web does not answer")
    for posted, label in webhooks_of(recordings, secrets, datetime.now(UTC)):
        _say(f"  POST {url}/hooks/{posted.vendor}  {label}: {deliver(posted, url)}")
    _await(lambda: catalog.inbox.waiting()[0] == 0, "nobody sees to the webhooks")
    return catalog.inbox.newest(most=100)[::-1]


def _is_ready(url: str) -> bool:
    try:
        with urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310 - our own server
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _await_verdicts(catalog: Catalog, recordings: Sequence[Recording], stage: Stage) -> None:
    waiting = {RecordingId(vendor=recording.vendor, task_id=recording.task_id) for recording in recordings}

    def settled() -> bool:
        for recording in sorted(waiting, key=lambda each: each.vendor):
            found = catalog.get(recording)
            if found.state is State.SETTLED:
                _say(f"  {recording.vendor}, {place_of(stage.sources[recording.vendor])}: {found.verdict}")
                waiting.remove(recording)
        return not waiting

    _await(settled, "no verdict")


def _await(is_there: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not is_there():
        if time.monotonic() > deadline:
            message = f"{problem} after {_PATIENCE_S} s"
            raise TimeoutError(message)
        time.sleep(0.2)


def _writes(clouds: Clouds) -> dict[str, int]:
    """How many requests the clouds saw that change a bucket, by bucket: those of the recordings must not be there."""
    seen = clouds.journal.seen()
    return dict(Counter(f"{request.cloud}://{request.bucket}/" for request in seen if request.writes))


def _exit(writes: Mapping[str, int]) -> Exit:
    return Exit.OK if set(writes) == {f"s3://{ARCHIVE}/"} else Exit.UNEXPECTED


def _copy(store: ObjectStore, kept: LocalStore) -> None:
    for meta in listed(store):
        data, _ = VerifiedReader(store).read(meta)
        kept.put(output_key(meta.key), data, served=served(meta.key))


def _report(
    recordings: Sequence[Recording],
    published: Sequence[Published],
    stage: Stage,
    writes: Mapping[str, int],
    root: Path,
) -> Iterator[str]:
    done: Mapping[str, str] = {recording.vendor: recording.damage for recording in recordings}
    yield f"\n{'vendor':<9}{'recorded into':<25}{'verdict':<10}{'what was done to it':<40}MP4"
    for found in published:
        manifest = found.manifest
        home = place_of(stage.sources[manifest.vendor])
        for output in (output for stream in manifest.streams for output in stream.outputs):
            row = f"{manifest.vendor:<9}{home:<25}{manifest.verdict.value:<10}{done[manifest.vendor]:<40}"
            yield f"{row}{root / 'published' / output.key}"
    yield "\nWhat Aftertake found (= as promised, * differs, - missing, + extra, ! unreadable):\n"
    for found in published:
        yield from lines([found])
        yield ""
    buckets = [place_of(url) for url in (stage.output, *stage.sources.values())]
    yield f"Writes that the clouds saw: {', '.join(f'{bucket} {writes.get(bucket, 0)}' for bucket in buckets)}"
    yield f"Published into:      {place_of(stage.output)}, a copy lies in {root / 'published'}"
    yield f"The recordings too:  {root / 'recordings'}"
    again = [sys.argv[0], "show", published[0].manifest.task_id, "--output", str(root / "published")]
    yield f"Look at one again:   {shlex.join(again)}"


def _links(published: Sequence[Published], archive: ObjectStore) -> Iterator[str]:
    yield "\nThe clouds stay up until you press Ctrl-C. Play from the bucket itself:"
    for found in published:
        for output in (output for stream in found.manifest.streams for output in stream.outputs):
            yield f"  {archive.presign_get(output.key, _LINK_S, f'{found.manifest.vendor}.mp4')}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)

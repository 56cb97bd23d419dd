"""`aftertake demo`: three recordings, one in each cloud, go through the Prefect flow into one; then what came of it."""

import asyncio
import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from catalog.layout import served
from cli.exits import Exit
from cli.report import document, lines
from cli.sandbox import wait_for_the_end
from cli.show import show
from deployments.sandbox.clouds import Clouds
from deployments.sandbox.recordings import Recording, record_three
from deployments.sandbox.stage import ARCHIVE, Stage, set_stage
from flows.steps.publishing import Published
from storage.base import ObjectStore
from storage.keys import output_key
from storage.listing import listed
from storage.local import LocalStore
from storage.opening import open_store
from storage.reading import VerifiedReader
from storage.urls import place_of

_QUIET_PREFECT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_PROMPT": "false",
}
_LINK_S = 3600


def demo(folder: str, *, as_json: bool) -> int:
    """Record, process and report; everything is kept below `folder`. On a terminal the clouds stay until Ctrl-C."""
    root = Path(folder).absolute()
    _say("encoding three recordings, one in each vendor's layout …")
    recordings = record_three()
    for recording in recordings:
        recording.laid.write_to(root / "recordings" / recording.vendor)
    with Clouds() as clouds:
        stage = set_stage(clouds, recordings)
        os.environ.update(stage.environment)
        os.environ.update({**_QUIET_PREFECT, "PREFECT_HOME": str(root / "prefect")})
        os.environ.update({"AFTERTAKE_CONFIG": os.devnull, "AFTERTAKE_OUTPUT": stage.output})
        _say("running the Prefect flow process_recording on each (its server takes some seconds to start) …")
        asyncio.run(_process(recordings, stage))
        writes = _writes(clouds)
        archive = open_store(stage.output)
        kept = LocalStore(root / "published")
        _copy(archive, kept)
        published = [found for r in recordings for found in show(kept, f"{r.vendor}:{r.task_id}")]
        if as_json:
            print(json.dumps({**document("demo", published), "writes": writes}, ensure_ascii=False, indent=2))
            return _exit(writes)
        print("\n".join(_report(recordings, published, stage, writes, root)))
        if sys.stdout.isatty() and sys.stdin.isatty():
            print("\n".join(_links(published, archive)), flush=True)
            wait_for_the_end()
    return _exit(writes)


async def _process(recordings: Sequence[Recording], stage: Stage) -> None:
    from flows.deployed import process_recording  # noqa: PLC0415 - Prefect reads its settings when it is imported

    for recording in recordings:
        source = stage.sources[recording.vendor]
        os.environ["AFTERTAKE_SOURCE"] = source
        verdict = await process_recording(f"{recording.vendor}:{recording.task_id}")
        _say(f"  {recording.vendor}, {place_of(source)}: {verdict}")


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

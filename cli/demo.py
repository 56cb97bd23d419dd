"""`aftertake demo`: three recordings, made here, go through the Prefect flow; then what came of them."""

import asyncio
import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.exits import Exit
from cli.report import document, lines
from cli.show import show
from deployments.sandbox.recordings import Recording, record_three
from flows.steps.publishing import Published
from storage.opening import open_store

_QUIET_PREFECT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_PROMPT": "false",
}


def demo(folder: str, *, as_json: bool) -> int:
    """Record, process and report; everything lies below `folder`."""
    root = Path(folder).absolute()
    _say("encoding three recordings, one in each vendor's layout …")
    recordings = record_three()
    for recording in recordings:
        recording.laid.write_to(root / "recordings" / recording.vendor)
    output = root / "published"
    os.environ.update({**_QUIET_PREFECT, "PREFECT_HOME": str(root / "prefect"), "AFTERTAKE_OUTPUT": output.as_uri()})
    _say("running the Prefect flow process_recording on each (its server takes some seconds to start) …")
    asyncio.run(_process(recordings, root))
    store = open_store(output.as_uri())
    published = [found for r in recordings for found in show(store, f"{r.vendor}:{r.task_id}")]
    if as_json:
        print(json.dumps(document("demo", published), ensure_ascii=False, indent=2))
    else:
        print("\n".join(_report(recordings, published, root)))
    return Exit.OK


async def _process(recordings: tuple[Recording, ...], root: Path) -> None:
    from flows.deployed import process_recording  # noqa: PLC0415 - Prefect reads its settings when it is imported

    for recording in recordings:
        os.environ["AFTERTAKE_SOURCE"] = (root / "recordings" / recording.vendor).as_uri()
        verdict = await process_recording(f"{recording.vendor}:{recording.task_id}")
        _say(f"  {recording.vendor}: {verdict}")


def _report(recordings: tuple[Recording, ...], published: list[Published], root: Path) -> Iterator[str]:
    done: Mapping[str, str] = {recording.vendor: recording.damage for recording in recordings}
    yield f"\n{'vendor':<9}{'verdict':<10}{'what was done to it':<44}MP4"
    for found in published:
        manifest = found.manifest
        outputs = [root / "published" / output.key for stream in manifest.streams for output in stream.outputs]
        for path in outputs:
            yield f"{manifest.vendor:<9}{manifest.verdict.value:<10}{done[manifest.vendor]:<44}{path}"
    yield "\nWhat Aftertake found (= as promised, * differs, - missing, + extra, ! unreadable):\n"
    for found in published:
        yield from lines([found])
        yield ""
    yield f"Recordings:          {root / 'recordings'}"
    yield f"MP4s and manifests:  {root / 'published'}"
    again = [sys.argv[0], "show", published[0].manifest.task_id, "--output", str(root / "published")]
    yield f"Look at one again:   {shlex.join(again)}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)

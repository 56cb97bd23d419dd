"""`aftertake sandbox`: the three clouds on this machine, for trying things out, until it is interrupted."""

import argparse
import json
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from cli.exits import Exit
from deployments.sandbox.clouds import Clouds
from deployments.sandbox.recordings import record_three
from deployments.sandbox.stage import Stage, set_stage
from flows.settings import SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen, and with what in the buckets."""
    parser.add_argument("--port", type=int, default=0, help="where to listen; a free port unless said")
    parser.add_argument("--empty", action="store_true", help="lay no recordings into the buckets")


def run(options: argparse.Namespace) -> int:
    """Serve until it is interrupted."""
    try:
        return sandbox(port=options.port, empty=options.empty, as_json=options.json)
    except OSError as error:
        message = f"the sandbox cannot listen on port {options.port}: {error.strerror}. Choose another --port."
        raise SettingsError(message) from error


def sandbox(*, port: int, empty: bool, as_json: bool) -> int:
    """Serve on loopback; everything is in memory and gone at the end. Raises OSError if the port is taken."""
    with Clouds(port=port) as clouds:
        stage = set_stage(clouds, () if empty else record_three())
        print(json.dumps(_document(stage), indent=2) if as_json else "\n".join(_lines(stage)))
        sys.stdout.flush()
        wait_for_the_end()
    return Exit.OK


def wait_for_the_end() -> None:
    """Return at SIGINT or SIGTERM."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {kind: signal.signal(kind, end) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        ended.wait()
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _document(stage: Stage) -> dict[str, object]:
    return {
        "schema": "aftertake.sandbox/1",
        "environment": dict(stage.environment),
        "sources": dict(stage.sources),
        "output": stage.output,
    }


def _lines(stage: Stage) -> Iterator[str]:
    yield "# S3, OSS and COS are listening here until you press Ctrl-C. Nothing is kept. In another terminal:"
    for name, value in stage.environment.items():
        yield f"export {name}={shlex.quote(value)}"
    yield f"export AFTERTAKE_STORES={shlex.quote(' '.join(stage.sources.values()))}"
    for vendor, url in stage.sources.items():
        yield f"aftertake process {shlex.quote(url)} --output {shlex.quote(stage.output)}    # {vendor}"

"""`aftertake serve`: all parts, or some, each in a process of its own that is started anew whenever it ends.

Nothing that a part holds is lost with it: what must survive stands in the catalog, and whoever dies in the middle of
something leaves a lease that runs out.
"""

import argparse
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from types import FrameType, MappingProxyType
from typing import Final, Self

from cli.exits import Exit
from flows.fields import secret_variable
from flows.settings import Settings
from flows.webhook_keys import WebhookKeys
from vendors.registry import HOOKS

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "prefect": "flows.hosting:run_prefect_server",
        "web": "web.serving:run_web",
        "loops": "flows.hosting:run_overseer",
        "worker": "flows.hosting:run_workers",
    }
)
"""What each part runs. In this order they are started, and the other way round ended."""

_log = logging.getLogger(__name__)

_GRACE_S: Final = 30.0
_SOON_S: Final = 1.0
_SELDOM_S: Final = 30.0
_STEADY_S: Final = 60.0
"""A part that lived so long did not end because of how it began."""

_PREFECT: Mapping[str, str] = MappingProxyType(
    {
        "DO_NOT_TRACK": "1",
        "PREFECT_API_URL": "http://127.0.0.1:4200/api",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
    }
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which parts."""
    parts = ", ".join(PARTS)
    parser.add_argument(
        "parts", nargs="*", choices=(*PARTS, []), metavar="PART", help=f"some of {parts}; all unless said"
    )


def run(options: argparse.Namespace) -> int:
    """Run the parts until SIGINT or SIGTERM. Raises `SettingsError`."""
    settings, ended = Settings.load(), threading.Event()
    if not options.parts or "loops" in options.parts:
        settings.require_secrets()

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {kind: signal.signal(kind, end) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Serving(tuple(options.parts) or tuple(PARTS), settings) as serving:
            print("\n".join(serving.lines()), file=sys.stderr)
            serving.watch(ended)
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    return Exit.OK


@dataclass(slots=True, kw_only=True)
class _Part:
    """A part that runs, or is to be started again at `due_at`, in seconds of the monotonic clock."""

    name: str
    process: SpawnProcess | None = None
    began_at: float = 0.0
    due_at: float = 0.0
    pause_s: float = field(default=_SOON_S)


class Serving:
    """The parts, for the length of a `with`; whoever leaves it has ended them."""

    def __init__(self, names: Iterable[str], settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        """Nothing is started yet."""
        self._parts = [_Part(name=name) for name in PARTS if name in set(names)]
        self._settings = settings
        here = {"PREFECT_HOME": str(settings.data / "prefect"), **_PREFECT}
        given = {name: environment.get(name) or value for name, value in here.items()}
        self._environment = {**given, **settings.as_environment()}

    def __enter__(self) -> Self:
        """Start all parts."""
        self._settings.data.mkdir(parents=True, exist_ok=True)
        self._start_due()
        return self

    def __exit__(self, *_error: object) -> None:
        """End them, the worker first, so that what it hands back is still seen."""
        for part in reversed(self._parts):
            if part.process is not None and part.process.is_alive():
                part.process.terminate()
                part.process.join(_GRACE_S)
                if part.process.is_alive():
                    _log.warning("%s did not end in %.0f s and is killed", part.name, _GRACE_S)
                    part.process.kill()
                    part.process.join()

    def lines(self) -> Iterable[str]:
        """Where to look, for people."""
        names = [part.name for part in self._parts]
        yield f"serving {', '.join(names)}; Ctrl-C ends it, and what is under way goes on when it is started again"
        if "web" in names:
            yield f"  health   http://{self._settings.listen}/readyz"
            yield f"  webhooks http://{self._settings.listen}/hooks/VENDOR; {self._secrets()}"
        if "prefect" in names:
            yield f"  Prefect  {self._environment['PREFECT_API_URL'].removesuffix('/api')}"
        yield f"  data     {self._settings.data}"

    def _secrets(self) -> str:
        keys = WebhookKeys(self._settings)
        given = [vendor for vendor in HOOKS if keys(vendor)]
        if given:
            return f"there are secrets for {', '.join(given)}"
        return f"all are refused until {secret_variable('VENDOR')} is set"

    def watch(self, ended: threading.Event) -> None:
        """Start anew what ends, until `ended` is set."""
        while not ended.is_set():
            wait([part.process.sentinel for part in self._parts if part.process is not None], timeout=0.5)
            self._note_ends()
            self._start_due()

    def _note_ends(self) -> None:
        now = time.monotonic()
        for part in self._parts:
            if part.process is not None and not part.process.is_alive():
                part.pause_s = _SOON_S if now - part.began_at > _STEADY_S else min(part.pause_s * 2, _SELDOM_S)
                _log.error(
                    "%s ended (%s) and is started again in %.0f s", part.name, part.process.exitcode, part.pause_s
                )
                part.process, part.due_at = None, now + part.pause_s

    def _start_due(self) -> None:
        now = time.monotonic()
        for part in self._parts:
            if part.process is None and part.due_at <= now:
                arguments = (PARTS[part.name], self._environment)
                part.process = multiprocessing.get_context("spawn").Process(
                    target=_run, args=arguments, name=f"aftertake {part.name}"
                )
                part.began_at = now
                part.process.start()


def _run(target: str, environment: Mapping[str, str]) -> None:
    """The life of a part. It ends with its parent, however that ends."""
    os.setpgid(0, 0)  # Ctrl-C is for the parent, which ends its parts in order
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    module, _, name = target.partition(":")
    getattr(importlib.import_module(module), name)()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_S)
        os.kill(os.getpid(), signal.SIGKILL)

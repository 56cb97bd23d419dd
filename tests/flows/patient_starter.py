"""Prefect as the loops use it: what a busy server does not take is brought again."""

import time
from collections.abc import Callable
from typing import TypeVar

from catalog.records import Run
from flows.prefect_api import PrefectStarter
from flows.starting import Seen, StarterDownError

T = TypeVar("T")

_PATIENCE_S = 60
_PAUSE_S = 0.5


class PatientStarter(PrefectStarter):
    """Its server answers 503 while its SQLite is busy, which the loops take for "not yet"."""

    def start(self, run: Run) -> str:
        return _until_taken(lambda: PrefectStarter.start(self, run))

    def look(self, flow_run: str) -> Seen:
        return _until_taken(lambda: PrefectStarter.look(self, flow_run))

    def end(self, flow_run: str, why: str) -> None:
        _until_taken(lambda: PrefectStarter.end(self, flow_run, why))


def _until_taken(ask: Callable[[], T]) -> T:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask()
        except StarterDownError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)

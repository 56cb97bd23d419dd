"""Start runs: what a loop asks of whatever runs the flows."""

from datetime import timedelta
from enum import Enum
from typing import Final, Protocol

from catalog.records import Run

PATIENCE: Final = timedelta(minutes=1)
"""How long a run may be silent before it counts as dead, and what is to run it may take to come, at most."""


class Seen(Enum):
    """What became of a run, as far as whoever runs it knows."""

    QUEUED = "queued"
    RUNNING = "running"
    ENDED = "ended"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class StarterDownError(Exception):
    """It does not answer; everything is tried again later."""


class BusyError(StarterDownError):
    """It answers that it cannot at this moment; in the next one it can."""


class RefusedError(Exception):
    """It answers, and does not do what was asked of this run; other runs may fare better."""


class Starter(Protocol):
    """Starts runs of flows, each once, and says what became of them. All raise `StarterDownError` or `RefusedError`."""

    def start(self, run: Run) -> str:
        """Start it, or find it started under the same key before; its id."""

    def look(self, flow_run: str) -> Seen:
        """What became of it."""

    def end(self, flow_run: str, why: str) -> None:
        """It died without a word: note that it is over."""

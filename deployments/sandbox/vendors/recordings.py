"""The recordings that a vendor knows."""

import threading
from typing import Final, Generic, TypeVar

from deployments.sandbox.vendors.recorder import Recording

MOST: Final = 1000
MOST_RUNNING: Final = 50
"""Each is a thread with its encoders."""
Kind = TypeVar("Kind", bound=Recording)


class Recordings(Generic[Kind]):
    """Recordings by their task ids, the newest last. For any thread."""

    def __init__(self) -> None:
        self._by_id: dict[str, Kind] = {}
        self._lock = threading.Lock()

    def add(self, recording: Kind) -> None:
        """Remember it; of too many the oldest one that is over is forgotten."""
        with self._lock:
            if len(self._by_id) >= MOST:
                over = next((key for key, one in self._by_id.items() if one.finished.is_set()), None)
                if over is not None:
                    del self._by_id[over]
            self._by_id[recording.order.task_id] = recording

    @property
    def is_full(self) -> bool:
        """Whether no other one may run now."""
        with self._lock:
            return sum(not one.finished.is_set() for one in self._by_id.values()) >= MOST_RUNNING

    def find(self, task_id: str) -> Kind | None:
        """The recording; None where there is none."""
        with self._lock:
            return self._by_id.get(task_id)

    def all(self) -> list[Kind]:
        """All that are known."""
        with self._lock:
            return list(self._by_id.values())

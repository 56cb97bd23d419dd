"""Things that are done later, in a thread that ends when it is told to."""

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

MOST_WAITING = 10_000


class Scheduler:
    """Does one thing after the other, each no earlier than it is due; those due at one time in their order."""

    def __init__(self, name: str) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._busy = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; once."""
        self._thread.start()

    def later(self, delay_s: float, task: Callable[[], None]) -> None:
        """Do it after so many seconds. Raises RuntimeError where too much waits already."""
        with self._changed:
            if len(self._due) >= MOST_WAITING:
                raise RuntimeError(f"{MOST_WAITING} things wait already; the sandbox keeps no more")
            heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._order), task))
            self._changed.notify_all()

    @property
    def idle(self) -> bool:
        """Whether nothing is done and nothing waits."""
        with self._changed:
            return not self._due and not self._busy

    def stop(self) -> None:
        """Forget what waits, and end."""
        with self._changed:
            self._ended = True
            self._due.clear()
            self._changed.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                task()
            except Exception:
                log.exception("a thing of the sandbox that was due went wrong")
            finally:
                with self._changed:
                    self._busy = False

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._ended:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    self._busy = True
                    return heapq.heappop(self._due)[2]
                self._changed.wait(wait)
        return None

"""How much of what is refused is kept and told: enough to see what is wrong, too little to fill a disk with."""

import logging
import time
from collections.abc import Callable
from typing import Final

_log = logging.getLogger(__name__)

KEPT_A_MINUTE: Final = 60
"""Of refused deliveries, per process: a wrong secret shows itself in the first, and a storm in a line of the log."""
KEPT_BYTES_A_MINUTE: Final = 1024 * 1024
"""Of their bodies: at most 1.5 GB a day, if somebody tries for that long. Usual ones have 1 KiB."""
_MINUTE_S: Final = 60.0


class Bucket:
    """An allowance of so many a minute, the first minute's at once. `clock` counts seconds."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(a_minute)
        self._left = self._most
        self._clock = clock
        self._at = clock()

    def has(self, count: int) -> bool:
        """Whether so many are left."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._most / _MINUTE_S)
        self._at = now
        return count <= self._left

    def take(self, count: int) -> None:
        """Use up so many."""
        self._left -= count


class Sparing:
    """Says of each refused delivery whether it is kept; the others are counted, and told once a minute."""

    def __init__(
        self,
        *,
        a_minute: int = KEPT_A_MINUTE,
        bytes_a_minute: int = KEPT_BYTES_A_MINUTE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._number = Bucket(a_minute, clock)
        self._bytes = Bucket(bytes_a_minute, clock)
        self._clock = clock
        self._passed_over = 0
        self._told_at = clock()

    def keeps(self, size_bytes: int) -> bool:
        """Whether a refused delivery of this size is kept; it counts then."""
        if self._number.has(1) and self._bytes.has(size_bytes):
            self._number.take(1)
            self._bytes.take(size_bytes)
            return True
        self._passed_over += 1
        if self._clock() - self._told_at >= _MINUTE_S:
            self._told_at = self._clock()
            _log.warning("%d further deliveries were refused and not kept", self._passed_over)
            self._passed_over = 0
        return False

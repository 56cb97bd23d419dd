"""Another try after a bad moment: bounded, with jittered back-off. Requests to a store are tried again only here."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from storage.errors import StorageError, Transient

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_WORTH_SAYING_S = 4.0
"""Who waits longer than this wants to know for what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how long to try: waits double from `first_wait_s` to `longest_wait_s`, each cut by up to a half.

    It ends after `attempts` failures in a row, or when the next wait would end later than `patience_s` after the last
    success or `deadline_s` after the beginning of the work. `random` gives numbers in [0, 1).
    """

    attempts: int = 16
    first_wait_s: float = 0.25
    longest_wait_s: float = 20.0
    patience_s: float = 120.0
    deadline_s: float = 3600.0
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic

    def call(self, operation: Callable[[], _Result]) -> _Result:
        """The result of an operation that may be repeated; Transient errors are tried again."""
        tries = Tries(self)
        while True:
            try:
                return operation()
            except Transient as error:
                tries.failed(error)


class Tries:
    """Counts the failures of one piece of work."""

    def __init__(self, retry: Retry) -> None:
        """Patience begins now."""
        self._retry = retry
        self._begun = retry.monotonic()
        self.progressed()

    def progressed(self) -> None:
        """Something went well: the count begins again."""
        self.failures = 0
        self._since = self._retry.monotonic()

    def failed(self, error: StorageError) -> None:
        """Wait before the next try, or raise `error` if there is to be none."""
        self.failures += 1
        retry = self._retry
        wait_s = min(retry.longest_wait_s, retry.first_wait_s * 2 ** (self.failures - 1)) * (1 - retry.random() / 2)
        then = retry.monotonic() + wait_s
        late = then - self._since > retry.patience_s or then - self._begun > retry.deadline_s
        if late or self.failures >= retry.attempts:
            raise error
        level = logging.WARNING if wait_s >= _WORTH_SAYING_S else logging.INFO
        _log.log(level, "failed %d times in a row, next try in %.1f s: %s", self.failures, wait_s, error)
        retry.sleep(wait_s)

"""Deliveries on their way into the inbox: those that wait are stored together, in one transaction.

A transaction costs a sync of the disk, whether it stores one delivery or five hundred. While one is under way, the next
ones gather; so nobody waits for others to come, and a burst needs few syncs.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from catalog.events import Delivery

_log = logging.getLogger(__name__)

MOST_TOGETHER: Final = 500
"""Of one transaction: some tens of milliseconds, during which loops and workers wait for the same file."""
MOST_WAITING: Final = 5000
"""Of one process. Whoever comes later would wait for longer than a vendor does."""


class Inbox(Protocol):
    """Where deliveries are kept."""

    def put(self, deliveries: Sequence[Delivery]) -> None:
        """Store all of them in one transaction, durable on return; one that is there already stays as it is.

        Raises `CatalogError` where that is not possible now; nothing is stored then.
        """


class QueueFullError(Exception):
    """More deliveries wait than can be stored in time."""


class GroupCommit:
    """Stores deliveries, many at once. Used from one event loop; the inbox is called by one thread at a time."""

    def __init__(self, inbox: Inbox, *, together: int = MOST_TOGETHER, waiting: int = MOST_WAITING) -> None:
        self._inbox = inbox
        self._most_together = together
        self._most_waiting = waiting
        self._waiting: deque[tuple[Delivery, asyncio.Future[None] | None]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inbox")
        self._storing: asyncio.Task[None] | None = None

    async def keep(self, delivery: Delivery) -> None:
        """Return once the delivery is durable.

        Raises `QueueFullError`, and what the inbox raised for the transaction that this delivery was part of. Whoever
        is cancelled while waiting harms no other; the delivery is stored nevertheless.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(delivery, stored)
        await stored

    def offer(self, delivery: Delivery) -> bool:
        """Store it soon, if there is room and nothing goes wrong; whether there was room."""
        try:
            self._add(delivery, None)
        except QueueFullError:
            return False
        return True

    def _add(self, delivery: Delivery, stored: asyncio.Future[None] | None) -> None:
        if len(self._waiting) >= self._most_waiting:
            raise QueueFullError
        self._waiting.append((delivery, stored))
        if self._storing is None:
            self._storing = asyncio.get_running_loop().create_task(self._store_all())

    async def _store_all(self) -> None:
        try:
            while self._waiting:
                await self._store(
                    [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most_together))]
                )
        finally:
            self._storing = None

    async def _store(self, batch: Sequence[tuple[Delivery, asyncio.Future[None] | None]]) -> None:
        putting = asyncio.get_running_loop().run_in_executor(self._thread, self._inbox.put, [one for one, _ in batch])
        await asyncio.wait([putting])
        if error := putting.exception():
            _log.error("%d deliveries could not be stored: %s", len(batch), error)
        for _, stored in batch:
            if stored is None or stored.done():  # nobody waits for it, or nobody does any longer
                continue
            if error:
                stored.set_exception(error)
            else:
                stored.set_result(None)

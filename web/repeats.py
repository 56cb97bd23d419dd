"""What was stored lately, so that what is posted again and again is not stored again and again.

Whoever has seen one rightly signed message can post it for ever, or, where the signature does not cover the body,
others under its seal. That has no effect, and here it has no cost either. The memory is small, and of one process: the
inbox judges the same way by what it holds.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from catalog.events import Delivery
from catalog.inbox import BELIEVED

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

ENOUGH: Final = 20
"""Deliveries of one message that are stored: vendors send one up to four times, and more with a redundant service."""
REMEMBERED: Final = 10_000
"""Messages: those of some minutes."""


class _Lately(Generic[Key, Value]):
    """A mapping of the newest keys."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key, default: Value) -> Value:
        return self._kept.get(key, default)

    def put(self, key: Key, value: Value) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


class Repeats:
    """What was stored of each message, and which messages bore each seal."""

    def __init__(self, most: int = REMEMBERED) -> None:
        """`most` messages are remembered."""
        self._stored: _Lately[tuple[str, str], int] = _Lately(most)
        self._sealed: _Lately[tuple[str, str], frozenset[str]] = _Lately(most)

    def has_enough(self, delivery: Delivery) -> bool:
        """Whether this message is stored already, often enough to see that it repeats."""
        return delivery.dedupe_id is not None and self._stored.get(_message(delivery), 0) >= ENOUGH

    def is_spent(self, delivery: Delivery) -> bool:
        """Whether as many other messages as can be believed came under its seal."""
        if delivery.seal is None:
            return False
        others = self._sealed.get((delivery.vendor, delivery.seal), frozenset()) - {delivery.dedupe_id}
        return len(others) >= BELIEVED

    def note(self, delivery: Delivery) -> None:
        """It is stored now."""
        if delivery.dedupe_id is None:
            return
        self._stored.put(_message(delivery), self._stored.get(_message(delivery), 0) + 1)
        if delivery.seal is not None:
            seal = (delivery.vendor, delivery.seal)
            self._sealed.put(seal, self._sealed.get(seal, frozenset()) | {delivery.dedupe_id})


def _message(delivery: Delivery) -> tuple[str, str]:
    return delivery.vendor, delivery.dedupe_id or ""

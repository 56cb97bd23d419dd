"""How each vendor posts its webhooks: where to, how often, and when again."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from types import MappingProxyType
from typing import Final

from deployments.sandbox.vendors.scheduling import Scheduler
from deployments.sandbox.vendors.scripts import Telling
from deployments.sandbox.webhook_requests import TIMEOUT_S, Posted, deliver_to

log = logging.getLogger(__name__)

NO_ANSWER: Final = 0

Maker = Callable[[datetime], Posted]
"""Makes the request of one delivery, posted at this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """When a message is posted again: after these seconds, one try after the other, while `fails` says so."""

    waits_s: tuple[float, ...]
    fails: Callable[[int], bool]


RETRIES: Final[Mapping[str, Again]] = MappingProxyType(
    {
        # At once, then at growing intervals, three times in all; how they grow is not documented: a guess.
        "agora": Again(waits_s=(0, 5, 15), fails=lambda status: status != 200),
        # Again only where there is no answer: any answer is one.
        "zego": Again(waits_s=(5, 5), fails=lambda status: status == NO_ANSWER),
        # Nothing is known of retries.
        "jocloud": Again(waits_s=(), fails=lambda _: False),
    }
)


class Hooks:
    """Posts messages, those of one vendor in their order; a retry comes when it is due.

    `base_url` takes what has no address of its own. `pace` divides the waits before a retry.
    """

    def __init__(self, base_url: str, *, pace: float = 1.0, timeout_s: float = TIMEOUT_S) -> None:
        self._base_url = base_url.rstrip("/")
        self._pace = pace
        self._timeout_s = timeout_s
        self._senders = {vendor: Scheduler(f"{vendor}-hooks") for vendor in RETRIES}

    def start(self) -> None:
        """Post from now on."""
        for sender in self._senders.values():
            sender.start()

    def stop(self) -> None:
        """Post nothing any more."""
        for sender in self._senders.values():
            sender.stop()

    def join(self, timeout_s: float) -> None:
        """Wait for what is just being posted."""
        for sender in self._senders.values():
            sender.join(timeout_s)

    @property
    def idle(self) -> bool:
        """Whether nothing is posted and nothing waits."""
        return all(sender.idle for sender in self._senders.values())

    def send(self, vendor: str, maker: Maker, *, url: str | None = None, telling: Telling = "once") -> None:
        """Post a message, at once or behind those before it."""
        times = {"once": 1, "lost": 0, "doubled": 2}[telling]
        for _ in range(times):
            self._senders[vendor].later(0, lambda: self._post(vendor, maker, url, attempt=0))

    def _post(self, vendor: str, maker: Maker, url: str | None, *, attempt: int) -> None:
        posted = maker(datetime.now(UTC))
        status = self._try(posted, url or self._base_url + posted.path)
        again = RETRIES[vendor]
        if again.fails(status) and attempt < len(again.waits_s):
            wait_s = again.waits_s[attempt] / self._pace
            self._senders[vendor].later(wait_s, lambda: self._post(vendor, maker, url, attempt=attempt + 1))

    def _try(self, posted: Posted, url: str) -> int:
        try:
            return deliver_to(url, posted, timeout_s=self._timeout_s)
        except (OSError, HTTPException, ValueError) as error:
            log.debug("nobody took a webhook of %s: %s", posted.vendor, error)
            return NO_ANSWER

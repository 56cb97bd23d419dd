"""Who may ask: key ids with secrets, temporary tokens, and what each is allowed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from deployments.sandbox.clouds.messages import Refusal

May = Callable[[str, str, str], bool]
"""(action, resource, prefix) -> allowed. `prefix` is that of a listing, "" otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One access key. With a `token` every request must carry exactly it; without `may` everything is allowed.

    `expires_at`, an aware time, is the end of a temporary key: from then on the store says that it has expired.
    """

    key_id: str
    secret: str
    token: str | None = None
    may: May | None = None
    expires_at: datetime | None = None


class Accounts:
    """The keys that are known now; replaced and removed while requests run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Account] = {}

    def add(self, account: Account) -> None:
        """Add it, or replace the one with this key id."""
        with self._lock:
            self._by_id[account.key_id] = account

    def remove(self, key_id: str) -> None:
        """Forget it; harmless when it is unknown."""
        with self._lock:
            self._by_id.pop(key_id, None)

    def find(self, key_id: str) -> Account:
        """The account; Refusal InvalidAccessKeyId where there is none."""
        with self._lock:
            account = self._by_id.get(key_id)
        if account is None:
            raise unknown_key(key_id)
        return account


def unknown_key(key_id: str) -> Refusal:
    """The one code on which the three stores agree."""
    message = "The Access Key Id you provided does not exist in our records."
    return Refusal(403, "InvalidAccessKeyId", message, details={"AWSAccessKeyId": key_id} if key_id else {})

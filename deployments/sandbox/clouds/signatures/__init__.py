"""Who signed a request, checked by code that was written from each store's document. Pure: no sockets, no state."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.messages import Refusal, Request

Lookup = Callable[[str], Account]
"""The account of a key id, or Refusal."""

MAX_SKEW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request with what the signatures need beside it: where it leads to, and the time by the store's clock.

    `region` is the one that the signature must be for; None where it is not known, as for a missing bucket.
    """

    request: Request
    bucket: str
    key: str
    now: datetime
    region: str | None = None


def same(given: str, wanted: str) -> bool:
    """Compare without telling by time where they differ."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def check_token(account: Account, given: str, now: datetime, *, wrong: Refusal, expired: Refusal) -> None:
    """A request must carry exactly the account's token, and a key without one must carry none."""
    if account.expires_at is not None and now >= account.expires_at:
        raise expired
    if not same(given, account.token or ""):
        raise wrong

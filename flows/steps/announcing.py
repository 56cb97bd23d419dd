"""Webhooks to endpoints: signed, sent and tried again as Standard Webhooks 1.0 says.

An endpoint gets each announcement at least once, in any order; `webhook-id` tells it what it has had already. Whatever
we die of between sending and noting that, sends it once more.
"""

import logging
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import httpcore
from standardwebhooks import Webhook

from catalog.announcing import Announcements
from catalog.records import Posting
from flows.endpoints import Endpoint, SecretError
from flows.steps.addresses import Guarded, Limits, Resolve, resolve
from storage.connection import Connection

_log = logging.getLogger(__name__)

WAITS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""After each failure, until the next try, as the specification advises ("Retry schedule")."""
PATIENCE: Final = timedelta(days=3)
"""Nothing is given up earlier, however the waits were jittered."""
_JITTER: Final = 0.2
_LONGEST_ASKED: Final = timedelta(hours=1)
"""What a receiver may ask for by `Retry-After`."""
_PASS_S: Final = 10.0
"""After that a pass begins no other try, so that whoever wants us to end waits for one try only."""
GRACE: Final = timedelta(minutes=1)
"""Longer than any try takes, names that are slowly resolved included."""
_ANSWER_BYTES: Final = 4096
_SHOWN: Final = 200
_GONE: Final = 410
_LATER: Final = frozenset({429, 503})

Post = Callable[[Posting], "Answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one try; `asked` is how long the receiver wants to be left alone."""

    status: int | None = None
    error: str | None = None
    asked: timedelta = timedelta()

    @property
    def is_delivered(self) -> bool:
        """Any 2xx is that."""
        return self.error is None


def deliver_due(
    announcements: Announcements,
    endpoint: Endpoint,
    *,
    environment: Mapping[str, str] = os.environ,
    resolve: Resolve = resolve,
    chance: Callable[[], float] = random.random,
) -> int:
    """Try what is due to an endpoint, one after the other, for some seconds at most; how many arrived.

    `chance` gives numbers in [0, 1). Raises `StorageError` if our own proxy setting is none.
    """
    began, arrived = time.monotonic(), 0
    take = partial(announcements.take, endpoint.name, grace=GRACE)
    posting = take()
    if posting is None:
        return 0
    with _poster(endpoint, environment, resolve) as post:
        while posting:
            arrived += _try(announcements, posting, post, chance)
            posting = take() if time.monotonic() < began + _PASS_S else None
    return arrived


def _try(announcements: Announcements, posting: Posting, post: Post, chance: Callable[[], float]) -> bool:
    """Whether it arrived; what came of it is noted in any case."""
    answer = post(posting)
    if answer.is_delivered:
        announcements.delivered(posting, status=answer.status or 0)
        return True
    error = answer.error or ""
    wait = next_wait(posting, answer, chance())
    if wait is None:
        announcements.given_up(posting, status=answer.status, error=error)
        _log.error(
            "endpoint %s: %s is given up after %s tries: %s",
            *(posting.endpoint, posting.announcement, posting.tries, error),
        )
    else:
        announcements.failed(posting, status=answer.status, error=error, look_in=wait)
        _log.warning(
            "endpoint %s: %s did not arrive, and is tried again in %.0f s: %s",
            *(posting.endpoint, posting.announcement, wait.total_seconds(), error),
        )
    return False


def next_wait(posting: Posting, answer: Answer, chance: float) -> timedelta | None:
    """How long to wait after a try that failed; None if it was the last one. `chance` is in [0, 1)."""
    if answer.status == _GONE:
        return None
    if posting.tries > len(WAITS) and posting.age >= PATIENCE:
        return None
    planned = WAITS[min(posting.tries, len(WAITS)) - 1] * (1 + _JITTER * (2 * chance - 1))
    return max(planned, answer.asked)


@contextmanager
def _poster(endpoint: Endpoint, environment: Mapping[str, str], resolve: Resolve) -> Iterator[Post]:
    guarded = Guarded(private=endpoint.private, limits=Limits(), resolve=resolve)
    tls = Connection.from_environment(environment).tls()
    # Not a connection for two messages: each has its own time, and is made to an address that was judged for it.
    with httpcore.ConnectionPool(ssl_context=tls, max_keepalive_connections=0, network_backend=guarded) as pool:
        yield partial(_post, pool, endpoint, environment)


def _post(
    pool: httpcore.ConnectionPool, endpoint: Endpoint, environment: Mapping[str, str], posting: Posting
) -> Answer:
    try:
        headers = headers_of(endpoint, posting, endpoint.signing_secrets(environment), datetime.now(UTC))
        body = posting.payload.encode()
        with pool.stream("POST", endpoint.url, headers=[*headers.items()], content=body) as response:
            answer = _answer(response)
            with suppress(httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError):
                _read_some(response)
            return answer
    except SecretError as error:
        return Answer(error=str(error))
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        said = " ".join(str(error).split()) or "it took too long"
        return Answer(error=f"{type(error).__name__}: {said[:_SHOWN]}")


def headers_of(endpoint: Endpoint, posting: Posting, secrets: tuple[str, ...], at: datetime) -> dict[str, str]:
    """Those of Standard Webhooks 1.0, "Webhook headers": the time is that of the try, the id that of the message."""
    signatures = [Webhook(secret).sign(posting.announcement, at, posting.payload) for secret in secrets]
    return {
        "Host": urlsplit(endpoint.url).netloc,
        "Content-Type": "application/json",
        "User-Agent": "aftertake",
        "webhook-id": posting.announcement,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _answer(response: httpcore.Response) -> Answer:
    status = response.status
    if status // 100 == 2:
        return Answer(status=status)
    asked = timedelta()
    if status in _LATER:
        told = {name.lower(): value for name, value in response.headers}
        asked = _asked(told.get(b"retry-after", b"").decode("latin-1"))
    return Answer(status=status, error=f"it answered {status}", asked=asked)


def _asked(text: str) -> timedelta:
    """`Retry-After`, RFC 9110 §10.2.3, seconds or a date; nothing if it is neither, and never longer than an hour."""
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), _LONGEST_ASKED.total_seconds()))
    with suppress(ValueError, OverflowError):
        at = parsedate_to_datetime(text)
        return min(max(at.astimezone(UTC) - datetime.now(UTC), timedelta()), _LONGEST_ASKED)
    return timedelta()


def _read_some(response: httpcore.Response) -> None:
    """A short answer to its end, as receivers expect; of a long one only the beginning."""
    read = 0
    for piece in response.iter_stream():
        read += len(piece)
        if read >= _ANSWER_BYTES:
            return

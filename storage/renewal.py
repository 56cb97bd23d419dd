"""The keys of a store, and how temporary ones stay valid."""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from storage.errors import StorageError, Transient

_log = logging.getLogger(__name__)

MARGIN = timedelta(minutes=5)
"""How long before they expire credentials are renewed; the stores refuse requests whose clock is further off."""
REST_S = 10.0
"""How long a service that failed, or gave nothing better, is left alone while the credentials in hand are valid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request is signed with. `expires_at` is aware, in UTC; None: they hold until somebody revokes them.

    Raises ValueError, which names the field and not its value, for what no header could carry or a time without zone.
    """

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        for name, text in (("key_id", self.key_id), ("secret", self.secret), ("token", self.token)):
            if text is not None and not is_plain(text):
                raise ValueError(f"{name} is empty, or not of printable ASCII characters without spaces")
        if self.expires_at is not None and self.expires_at.utcoffset() != timedelta(0):
            raise ValueError("expires_at is not in UTC")

    def expired(self, now: datetime) -> bool:
        """Whether no request can be signed with them any more."""
        return self.expires_at is not None and now >= self.expires_at

    def near_expiry(self, now: datetime) -> bool:
        """Whether it is time to look for new ones."""
        return self.expires_at is not None and now >= self.expires_at - MARGIN


Provider = Callable[[], Credentials]
"""The credentials of now: renews them by itself, may be called from many threads, is cheap when nothing is due.

Raises Denied when there are none, and Transient when the service that issues them failed.
"""
Clock = Callable[[], datetime]
"""The time, aware."""


def utc_now() -> datetime:
    """The clock of the machine."""
    return datetime.now(UTC)


def is_plain(text: object) -> bool:
    """Whether it may stand in a header: printable ASCII without spaces, and some of it."""
    return isinstance(text, str) and text != "" and text.isascii() and text.isprintable() and " " not in text


def read_json(text: bytes) -> object:
    """None for what is no JSON: the decoder's error would hold the whole text."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


@dataclass(frozen=True, slots=True)
class Fields:
    """What one service calls the four fields of credentials in JSON."""

    key_id: str
    secret: str
    token: str
    expires_at: str

    def credentials(self, value: object) -> Credentials:
        """Those in a JSON object; the expiry is ISO 8601 with a zone, or seconds since 1970.

        Raises ValueError that says what is wrong, with no word of the content.
        """
        if not isinstance(value, Mapping):
            raise ValueError("it is no JSON object")  # noqa: TRY004 -- of what was read, not of the caller
        texts = {name: value.get(name) for name in (self.key_id, self.secret, self.token)}
        for name, text in texts.items():
            if not is_plain(text) and not (name == self.token and text is None):
                raise ValueError(f"{name} is missing, or not of printable ASCII characters without spaces")
        return Credentials(
            key_id=value[self.key_id],
            secret=value[self.secret],
            token=texts[self.token],
            expires_at=self._expiry(value.get(self.expires_at)),
        )

    def _expiry(self, value: object) -> datetime | None:
        if value is None:
            return None
        instant = _instant(value)
        if instant is None:
            raise ValueError(f"{self.expires_at} is no time with a zone, such as 2030-01-31T12:00:00Z")
        return instant


def _instant(value: object) -> datetime | None:
    """What is neither ISO 8601 nor a number is None: the errors of the library repeat the text."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.astimezone(UTC) if moment and moment.tzinfo else None
    except (ValueError, OverflowError, OSError):
        return None


class Renewed:
    """A Provider of temporary credentials: `fetch` is called shortly before they expire, by one thread at a time.

    The others go on with those in hand while they are valid; so does everybody when `fetch` fails, until they expire.
    Then all wait for one new try, and get its error if it fails too.
    """

    def __init__(
        self, fetch: Provider, *, clock: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is fetched before the first use."""
        self._fetch = fetch
        self._clock = clock
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._held: Credentials | None = None
        self._tries = 0
        self._failure: StorageError | None = None
        self._rest_until_s = float("-inf")

    def __call__(self) -> Credentials:
        """The credentials of now. Raises what `fetch` raises when there are no valid ones."""
        held = self._held
        if held is None or held.expired(self._clock()):
            return self._first()
        if self._due(held) and self._turn.acquire(blocking=False):
            try:
                return self._next()
            finally:
                self._turn.release()
        return held

    def _due(self, held: Credentials) -> bool:
        return held.near_expiry(self._clock()) and self._monotonic() >= self._rest_until_s

    def _first(self) -> Credentials:
        """Nobody can go on without these."""
        tries = self._tries
        with self._turn:
            if self._held is not None and not self._held.expired(self._clock()):
                return self._held
            if self._tries != tries and self._failure is not None:
                raise type(self._failure)(*self._failure.args)
            return self._new()

    def _next(self) -> Credentials:
        """The ones in hand are valid still, so that a failure is only logged."""
        held = self._held
        if held is None or not self._due(held):
            return held or self._new()
        try:
            return self._new()
        except StorageError as error:
            _log.warning("credentials that expire at %s could not be renewed: %s", held.expires_at, error)
            return held

    def _new(self) -> Credentials:
        self._failure = None
        try:
            fresh = self._fetch()
            self._check(fresh)
        except StorageError as error:
            self._failure = type(error)(*error.args)  # without the frames, which hold more than is said
            raise
        finally:
            self._tries += 1
            self._rest_until_s = self._monotonic() + REST_S
        self._held = fresh
        return fresh

    def _check(self, fresh: Credentials) -> None:
        now = self._clock()
        if fresh.expired(now):
            late = f"the credentials that came expired at {fresh.expires_at}, and this machine's clock says {now}"
            raise Transient("credentials", fresh.key_id, f"{late}; check the clock")

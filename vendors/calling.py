"""Calls to the vendors' REST APIs: one way to send, to bound, to try again and to say what went wrong.

Which answers are errors is the vendors' matter (`vendors/*/codes.py`, `vendors.replies`); here is what nobody answered.
"""

import ipaddress
import json
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx

from storage.connection import Connection
from vendors.recorder import Access, RefusedCallError, VendorDownError
from vendors.replies import WAITS_S, Fault, Reply, read_reply

MAX_ANSWER_BYTES: Final = 1 << 20

_log = logging.getLogger(__name__)
_JITTER = 0.25
_SLACK = 1.05
"""Calls that begin evenly do not arrive so: a vendor would count one too many in some second."""
_QUOTED = 200
_SHORTEST_SECRET = 6
"""A shorter one would be found in ordinary words."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_PLAIN = re.compile("[!-~]+")
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_TALKATIVE = ("httpx", "httpcore", "hpack")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """The clocks, the sleep and the chance that calls live by; `random` gives numbers in [0, 1), `now` Unix seconds."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = random.random
    now: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent to a host. It holds secrets, so `repr` says only where it goes."""

    method: Literal["GET", "POST"]
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call: `make` gives the request for each try, since signatures are used once, `judge` what an answer means.

    `is_repeatable`: sent twice it does no more than sent once. A call of another kind is sent again only where it
    cannot have been done. `secrets` are what must not be repeated in an error.
    """

    name: str
    make: Callable[[], Request]
    judge: Callable[[Reply], Fault | None]
    hosts: tuple[str, ...]
    is_repeatable: bool = True
    read_s: float = 15.0
    deadline_s: float = 90.0
    secrets: tuple[str, ...] = field(default=(), repr=False)


class Pace:
    """Lets at most so many calls a second begin, evenly; shared by threads."""

    def __init__(self, per_second: float, rhythm: Rhythm) -> None:
        """The first call waits for nothing."""
        self._step_s = _SLACK / per_second
        self._rhythm = rhythm
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Until it is this call's turn."""
        with self._lock:
            now = self._rhythm.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._step_s
        if turn > now:
            self._rhythm.sleep(turn - now)


class Caller:
    """Sends the calls of one project; shared by threads."""

    def __init__(self, vendor: str, *, connection: Connection, rhythm: Rhythm, secrets: Iterable[str]) -> None:
        """`secrets` are struck out of everything that is said."""
        silence()
        self._vendor = vendor
        self._connection = connection
        self._rhythm = rhythm
        self._secrets = tuple(secrets)
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def close(self) -> None:
        """Let the connections go."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def call(self, call: Call, pace: Pace) -> Reply:
        """The answer that the vendor's own judge lets pass. Raises CallError."""
        rhythm, began = self._rhythm, self._rhythm.monotonic()
        host, tried = 0, 0
        while True:
            pace.wait()
            outcome = self._try(call, call.hosts[host], until=began + call.deadline_s)
            if isinstance(outcome, Reply):
                return outcome
            if outcome.is_elsewhere and host + 1 < len(call.hosts):
                host += 1
                continue
            if tried >= len(outcome.waits_s):
                raise outcome.error
            wait_s = outcome.waits_s[tried] * (1 + _JITTER * rhythm.random())
            if rhythm.monotonic() + wait_s > began + call.deadline_s:
                raise outcome.error
            _log.info("tried %d times, next try in %.1f s: %s", tried + 1, wait_s, outcome.error)
            rhythm.sleep(wait_s)
            tried += 1
            # The same host once more, then the next one.
            host = min(host + (tried > 1), len(call.hosts) - 1)

    def _try(self, call: Call, host: str, *, until: float) -> Reply | Fault:
        try:
            reply = self._send(call, host, until=until)
        except _NOT_SENT as error:
            return self._unanswered(call, host, error, waits_s=WAITS_S)
        except (httpx.HTTPError, httpx.StreamError, _AnswerError) as error:
            return self._unanswered(call, host, error, waits_s=WAITS_S if call.is_repeatable else ())
        return call.judge(reply) or reply

    def _send(self, call: Call, host: str, *, until: float) -> Reply:
        request, client = call.make(), self._opened()
        timeout = httpx.Timeout(call.read_s, connect=self._connection.connect_s)
        content = None if request.body is None else json.dumps(request.body).encode()
        with client.stream(
            request.method,
            checked_host(self._vendor, host) + request.path,
            params=dict(request.query),
            headers={"Accept-Encoding": "identity", **request.headers},
            content=content,
            timeout=timeout,
        ) as answer:
            body = bytearray()
            for chunk in answer.iter_raw():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise _AnswerError("the answer has no end")
                if self._rhythm.monotonic() > until:
                    raise _AnswerError("the answer came too slowly")
        return read_reply(host, answer.status_code, bytes(body))

    def _unanswered(self, call: Call, host: str, error: Exception, *, waits_s: tuple[float, ...]) -> Fault:
        """Errors of httpx are not kept as the cause: they hold the request, with what signed it."""
        name = urlsplit(host).hostname or host
        said = f"{name} gave no answer: {self.quoted(str(error), call.secrets) or type(error).__name__}"
        advice = "Look whether the host is up and reachable from here, and try again."
        if not waits_s:
            advice = "It may have been done all the same: look before you try again."
        return Fault(error=VendorDownError(self._vendor, call.name, said, advice), waits_s=waits_s)

    def quoted(self, said: object, secrets: Iterable[str] = ()) -> str:
        """What somebody else said, short, on one line, and without our secrets."""
        if not isinstance(said, str):
            return ""
        for secret in (*self._secrets, *secrets):
            if len(secret) >= _SHORTEST_SECRET:
                said = said.replace(secret, "…")
        return _CONTROLS.sub(" ", said).strip()[:_QUOTED]

    def _opened(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(
                    verify=self._connection.tls(),
                    proxy=self._connection.proxy,
                    trust_env=False,
                    follow_redirects=False,
                    limits=httpx.Limits(max_connections=self._connection.pool),
                )
            return self._client


class _AnswerError(Exception):
    """An answer that cannot be used."""


def checked_host(vendor: str, host: str) -> str:
    """A base URL without its last slash. Raises RefusedCallError for one that would show secrets to others."""
    try:
        parts = urlsplit(host)
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
        is_plain = (
            bool(parts.hostname) and parts.port != 0 and not (parts.query or parts.fragment or "@" in parts.netloc)
        )
    except ValueError:
        is_safe = is_plain = False
    if is_safe and is_plain:
        return host.rstrip("/")
    said = "the base URL of the API is no plain https:// address"
    raise RefusedCallError(vendor, "settings", said, "Write it like https://api.example.com.")


def checked_access(vendor: str, access: Access) -> Access:
    """The access, if it can be used. Raises RefusedCallError."""
    if not access.hosts:
        raise RefusedCallError(vendor, "settings", "no base URL of the API is given", "Give at least one.")
    if not _PLAIN.fullmatch(access.app):
        raise RefusedCallError(vendor, "settings", "the app id holds odd characters", "Copy it from the console.")
    for host in access.hosts:
        checked_host(vendor, host)
    return access


def hosts_from(first: str | None, hosts: Sequence[str], *, known: Iterable[str] = ()) -> tuple[str, ...]:
    """The host that began a recording, then the others; not one that is neither configured nor the vendor's own."""
    begun = [first] if first is not None and (first in hosts or first in known) else []
    return tuple(dict.fromkeys([*begun, *hosts]))


def silence() -> None:
    """Keep the client's own logs out: at INFO they hold URLs, and ZEGOCLOUD's signatures stand in them.

    By a filter, as a level is soon set again.
    """
    for name in [*_TALKATIVE, *logging.root.manager.loggerDict]:
        if name.partition(".")[0] in _TALKATIVE:
            logging.getLogger(name).addFilter(_silent)


def _silent(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.CRITICAL


def _is_loopback(hostname: str) -> bool:
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"

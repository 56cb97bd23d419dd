"""The receiver of vendors' webhooks: whoever is told that a delivery is stored finds it in the inbox, whatever happens.

    POST       /hooks/{vendor}            a message
    POST       /hooks/{vendor}/{secret}   a message of a vendor that signs by a secret in the URL
    GET, HEAD  on both                    200: consoles look whether the address answers

A message is answered once it is durable, and nothing else is done before the answer. What is wrong with a signature is
told in the log and the inbox, and to nobody outside.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from catalog.errors import CatalogError
from catalog.events import Delivery, Signature
from vendors.hooks import Checked, Hook, Key, Message, MessageError, check, parse
from web.bodies import RETRY_AFTER_S, Bodies, ClientGoneError, Limits, RefusedBodyError
from web.keeping import GroupCommit, Inbox, QueueFullError
from web.repeats import Repeats
from web.showing import MOST_CHARACTERS, clean, clean_id, headers_for_people
from web.sparing import Sparing

_log = logging.getLogger(__name__)

PREFIX: Final = "/hooks/"
STORING_PATIENCE: Final = timedelta(seconds=8)
"""A vendor waits for ten seconds. If it hears nothing it cannot tell us from a machine that is down."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status with a small JSON object; `extra` are headers of this answer alone."""

    status: HTTPStatus
    content: Mapping[str, str]
    extra: tuple[tuple[bytes, bytes], ...] = ()

    async def send(self, send: Send) -> None:
        """To the client."""
        body = json.dumps(self.content).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *self.extra]
        await send({"type": "http.response.start", "status": int(self.status), "headers": headers})
        await send({"type": "http.response.body", "body": body})


_LATER: Final = (b"retry-after", b"%d" % RETRY_AFTER_S)
_STORED: Final = Answer(HTTPStatus.OK, {"status": "stored"})
_CHECK: Final = Answer(HTTPStatus.OK, {"status": "check"})
_HERE: Final = Answer(HTTPStatus.OK, {"status": "ready"})


def _refused(status: HTTPStatus, why: str, *extra: tuple[bytes, bytes]) -> Answer:
    return Answer(status, {"status": "refused", "why": why}, extra)


_UNSIGNED: Final = _refused(HTTPStatus.UNAUTHORIZED, "the signature does not fit")
_UNKNOWN: Final = _refused(HTTPStatus.NOT_FOUND, "there is no such vendor")
_NO_METHOD: Final = _refused(HTTPStatus.METHOD_NOT_ALLOWED, "post it", (b"allow", b"GET, HEAD, POST"))
_NOT_STORED: Final = _refused(HTTPStatus.SERVICE_UNAVAILABLE, "it cannot be stored now; send it again", _LATER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """The parts and limits of a receiver. `keys` are the secrets of a vendor; `clock` gives times in UTC."""

    hooks: Mapping[str, Hook]
    keys: Callable[[str], Sequence[Key]]
    inbox: Inbox
    limits: Limits = field(default_factory=Limits)
    storing_patience: timedelta = STORING_PATIENCE
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


class Webhooks:
    """What answers below `PREFIX`; everything else is for `app`.

    It stands before the application and not in it: each layer between would hold memory for every request whose body
    comes slowly.
    """

    def __init__(self, app: Application, receiving: Receiving) -> None:
        self._app = app
        self._parts = receiving
        self._accepted = GroupCommit(receiving.inbox)
        # Apart from the others, so that nobody without a secret can spoil or delay their transactions.
        self._refused = GroupCommit(receiving.inbox)
        self._bodies = Bodies(receiving.limits)
        self._sparing = Sparing()
        self._repeats = Repeats()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
        elif early := self._early_answer(scope):
            await early.send(send)
        else:
            try:
                body = await self._bodies.read(scope["headers"], receive)
            except ClientGoneError:
                return
            except RefusedBodyError as error:
                await _refused(error.status, str(error), *([_LATER] if error.retry else [])).send(send)
                return
            await self._answer(scope, body, send)

    def _early_answer(self, scope: Scope) -> Answer | None:
        """What is answered without reading; None to a message."""
        if _place(scope)[0] not in self._parts.hooks:
            return _UNKNOWN
        if scope["method"] in {"GET", "HEAD"}:
            return _HERE
        return None if scope["method"] == "POST" else _NO_METHOD

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        vendor, secret = _place(scope)
        posted = _Posted(self._parts.hooks[vendor], body, _headers(scope), secret, _peer(scope))
        try:
            answer = await self._take(posted)
        finally:
            self._bodies.release(body)
        await answer.send(send)

    async def _take(self, posted: "_Posted") -> Answer:
        """Judge a whole request, and store it."""
        try:
            delivery, is_check = self._judged(posted)
        except MessageError as error:
            return _refused(HTTPStatus.BAD_REQUEST, str(error))
        if self._repeats.is_spent(delivery):
            delivery = replace(delivery, signature=Signature.SPENT, dedupe_id=None, seal=None)
        if delivery.signature is Signature.GOOD:
            return await self._accept(delivery)
        self._refuse(delivery)
        return _CHECK if is_check else _UNSIGNED

    def _judged(self, posted: "_Posted") -> tuple[Delivery, bool]:
        """What is to be stored, and whether it is a console's check. What was parsed, being large, ends here."""
        message = Message(
            body=posted.body, document=parse(posted.body), headers=posted.headers, url_secret=posted.url_secret
        )
        now = self._parts.clock()
        checked = check(posted.hook, message, self._parts.keys(posted.hook.vendor), now)
        return _delivery(posted, message, checked, now), posted.hook.is_check(message)

    async def _accept(self, delivery: Delivery) -> Answer:
        if self._repeats.has_enough(delivery):
            return _STORED
        try:
            async with asyncio.timeout(self._parts.storing_patience.total_seconds()):
                await self._accepted.keep(delivery)
        except (CatalogError, QueueFullError):
            return _NOT_STORED
        except TimeoutError:
            _log.error("a delivery of %s was not stored in %s", delivery.vendor, self._parts.storing_patience)
            return _NOT_STORED
        self._repeats.note(delivery)
        return _STORED

    def _refuse(self, delivery: Delivery) -> None:
        if self._sparing.keeps(len(delivery.body)) and self._refused.offer(delivery):
            _log.warning(
                "refused a delivery for %s from %s: its signature is %s",
                delivery.vendor,
                delivery.peer,
                delivery.signature,
            )


@dataclass(frozen=True, slots=True)
class _Posted:
    hook: Hook
    body: bytes
    headers: Mapping[str, str]
    url_secret: str | None
    peer: str | None

    def __repr__(self) -> str:
        return f"_Posted({self.hook.vendor!r}, {len(self.body)} bytes)"


def _delivery(posted: _Posted, message: Message, checked: Checked, now: datetime) -> Delivery:
    """The ids of a message count for nothing where it is refused: else a forged one could pass for the true one."""
    dedupe_id, seal = _ids(posted.hook, message) if checked.signature is Signature.GOOD else (None, None)
    return Delivery(
        token=uuid4().hex,
        vendor=posted.hook.vendor,
        received_at=now,
        signature=checked.signature,
        sources=checked.sources,
        body=posted.body,
        headers=headers_for_people(posted.headers),
        peer=posted.peer,
        dedupe_id=dedupe_id,
        seal=seal,
    )


def _ids(hook: Hook, message: Message) -> tuple[str | None, str | None]:
    """What a message is told from others by; None of one that nobody can read, which is stored nevertheless."""
    try:
        seal = hook.seal(message)
        return clean_id(hook.read(message).dedupe_id), seal and clean_id(seal)
    except Exception:  # noqa: BLE001 - what came signed is kept, also where our reading of it is wrong
        _log.exception("a message of %s is stored unread", hook.vendor)
        return None, None


def _place(scope: Scope) -> tuple[str, str | None]:
    """The vendor that the path names, and the secret."""
    vendor, _, secret = scope["path"].removeprefix(PREFIX).partition("/")
    return vendor, secret or None


def _headers(scope: Scope) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _peer(scope: Scope) -> str | None:
    client = scope.get("client")
    return clean(f"{client[0]}:{client[1]}"[:MOST_CHARACTERS]) if client else None

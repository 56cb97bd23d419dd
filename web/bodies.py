"""Bodies of requests, read with three limits: how large, how long, and how much of all of them lies in memory."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

BODY_BYTES: Final = 256 * 1024
"""Many times the largest message that a vendor documents: a file list of some hundred names."""
HELD_BYTES: Final = 32 * 1024 * 1024
"""Of all requests that are not answered yet: 10,000 messages of 3 KiB at once."""
BODY_PATIENCE: Final = timedelta(seconds=10)
"""A vendor gives up waiting for its answer after ten seconds, so it sends its few kilobytes sooner."""
UNFINISHED: Final = 512
"""Bodies that have begun and not ended; each costs 10 KiB or more. An honest one comes in one piece with its head, or
right after it, so those that have waited for the longest are given up first."""
RETRY_AFTER_S: Final = 5
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")

Headers = Iterable[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ClientGoneError(Exception):
    """Whoever sent the body is gone before its end; there is nobody left to be answered."""


class RefusedBodyError(Exception):
    """A body that is not taken. The text is for whoever sent it; `retry` says that it may be sent again later."""

    def __init__(self, status: HTTPStatus, why: str, *, retry: bool = False) -> None:
        super().__init__(why)
        self.status = status
        self.retry = retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bodies may cost: bytes of one, bytes of all that are held, time until one is whole, and how many are not."""

    body_bytes: int = BODY_BYTES
    held_bytes: int = HELD_BYTES
    patience: timedelta = BODY_PATIENCE
    unfinished: int = UNFINISHED


@dataclass(slots=True)
class Bodies:
    """Reads bodies, and knows how many bytes of them are held. One per application."""

    limits: Limits = field(default_factory=Limits)
    held_bytes: int = 0
    _unfinished: dict[asyncio.Timeout, None] = field(default_factory=dict)

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """The body, of which the caller gives the length back with `release` once it is done with it.

        Raises `RefusedBodyError`, before anything is read where the headers tell enough, and `ClientGoneError`.
        """
        self._require_harmless(headers)
        body, is_whole = bytearray(), False
        patience = asyncio.timeout(self.limits.patience.total_seconds())
        try:
            async with patience:
                self._begin(patience)
                while not is_whole:
                    message = await receive()
                    is_whole = self._add(message, body)
        except TimeoutError:
            self.release(body)
            raise RefusedBodyError(HTTPStatus.REQUEST_TIMEOUT, "the body did not come in time") from None
        except BaseException:
            self.release(body)
            raise
        finally:
            self._unfinished.pop(patience, None)
        return bytes(body)

    def release(self, body: bytes | bytearray) -> None:
        """The body is held no longer."""
        self.held_bytes -= len(body)

    def _begin(self, patience: asyncio.Timeout) -> None:
        self._unfinished[patience] = None
        if len(self._unfinished) > self.limits.unfinished:
            oldest = next(iter(self._unfinished))
            del self._unfinished[oldest]
            if not oldest.expired():  # by itself, in this very moment
                oldest.reschedule(asyncio.get_running_loop().time())

    def _require_harmless(self, headers: Headers) -> None:
        for name, value in headers:
            # What is packed may unfold to a thousand times its size, so it stays packed.
            if name == b"content-encoding" and value.strip().lower() != b"identity":
                raise RefusedBodyError(HTTPStatus.BAD_REQUEST, "the body is encoded; send it plain")
            if name == b"content-length":
                self._require_length(value)

    def _require_length(self, value: bytes) -> None:
        if not _LENGTH.fullmatch(value):
            raise RefusedBodyError(HTTPStatus.BAD_REQUEST, "the Content-Length is no length")
        self._require_small(int(value))

    def _require_small(self, size: int) -> None:
        if size > self.limits.body_bytes:
            why = f"the body is larger than {self.limits.body_bytes} bytes"
            raise RefusedBodyError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, why)

    def _add(self, message: Mapping[str, Any], body: bytearray) -> bool:
        """What came of the body, to what is there of it; whether it is whole then."""
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        piece = message.get("body", b"")
        self._require_small(len(body) + len(piece))
        self._hold(len(piece))
        body += piece
        return not message.get("more_body", False)

    def _hold(self, size: int) -> None:
        if self.held_bytes + size > self.limits.held_bytes:
            raise RefusedBodyError(
                HTTPStatus.SERVICE_UNAVAILABLE, "too much is being received; send it again", retry=True
            )
        self.held_bytes += size

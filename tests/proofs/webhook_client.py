"""A client that is lean, because it shares the machine with the server that it measures.

Requests are made beforehand, and an answer is read no further than it takes to know its end.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Self

Address = tuple[str, int]

_LENGTH: Final = re.compile(rb"content-length: *([0-9]+)", re.IGNORECASE)
_PATIENCE_S: Final = 30.0


@dataclass(slots=True)
class Burst:
    """How requests were answered: statuses (0 for none at all), seconds of each one, and of all together."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def at(self, share: float) -> float:
        """The seconds within which so much of them were answered."""
        ordered = sorted(self.latencies_s) or [0.0]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self) -> None:
        self._read = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self._is_writable = asyncio.Event()
        self._is_writable.set()

    @classmethod
    async def to(cls, address: Address) -> Self:
        """Connected. Raises OSError."""
        _, client = await asyncio.get_running_loop().create_connection(cls, *address)
        return client

    @property
    def is_closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def is_answered(self) -> bool:
        return self._answer is not None and self._answer.done()

    def send(self, piece: bytes) -> None:
        """Some of a request, or all of it; nothing if the connection has ended."""
        if self._answer is None or self._answer.done():
            self._answer = asyncio.get_running_loop().create_future()
        if self._transport is None:
            self._answer.set_result(0)
        else:
            self._transport.write(piece)

    async def drain(self) -> None:
        """Until more can be sent, or nothing any longer."""
        await self._is_writable.wait()

    async def answer(self, patience_s: float = _PATIENCE_S) -> int:
        """The status of the answer; 0 if there is none, or it did not come in time."""
        assert self._answer is not None
        done, _ = await asyncio.wait([self._answer], timeout=patience_s)
        return self._answer.result() if done else 0

    def close(self) -> None:
        """At once, also if something is left to be sent that nobody reads."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        end = self._read.find(b"\r\n\r\n")
        length = _LENGTH.search(self._read, 0, end) if end >= 0 else None
        if end < 0 or len(self._read) < end + 4 + int(length[1] if length else 0):
            return
        self._tell(int(self._read[9:12]))
        self._read.clear()

    def pause_writing(self) -> None:
        self._is_writable.clear()

    def resume_writing(self) -> None:
        self._is_writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        self._transport = None
        self._is_writable.set()
        self._tell(0)

    def _tell(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)


async def burst(address: Address, requests: Sequence[bytes], connections: int) -> Burst:
    """Send all requests once, over so many connections that are kept, each as soon as the one before it is answered."""
    told, waiting, began = Burst(), iter(requests), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(connections):
            tasks.create_task(_send_each(address, waiting, told))
    told.seconds = time.monotonic() - began
    return told


async def _send_each(address: Address, waiting: Iterator[bytes], told: Burst) -> None:
    client = Client()
    try:
        for request in waiting:
            began = time.monotonic()
            if client.is_closed:
                with suppress(OSError):
                    client = await Client.to(address)
            client.send(request)
            told.statuses[await client.answer()] += 1
            told.latencies_s.append(time.monotonic() - began)
    finally:
        client.close()

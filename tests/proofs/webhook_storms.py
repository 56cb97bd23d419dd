"""Storms upon the receiver of webhooks: requests that are meant to hurt, what they cost it, and others meanwhile."""

import asyncio
import gzip
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.proofs.webhook_client import Address, Burst, Client, burst

__all__ = ["Burst", "Row", "burst", "hostile"]

GIB: Final = 1024**3
SLOW_CONNECTIONS: Final = 1000
_AT_ONCE: Final = 20
_PIECE: Final = bytes(64 * 1024)
_CHUNK: Final = b"10000\r\n" + _PIECE + b"\r\n"
_BOMB_BYTES: Final = 200_000_000
"""Of what is packed into some 190 KB, which the limit of bodies lets pass."""
_SLOWEST_S: Final = 20.0
_OTHERS_EVERY_S: Final = 0.02
_SETTLE_S: Final = 1.0
_LEAST_S: Final = 2.0
"""What is over at once is done again, so that there is a meanwhile."""

Post = Callable[[bytes], bytes]
Attack = Callable[[], Coroutine[None, None, Counter[int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What an attack did: how it was answered, the server's memory, and how others' requests fared meanwhile."""

    attack: str
    statuses: Counter[int]
    before_bytes: int
    peak_bytes: int
    others: Burst

    @property
    def grown_bytes(self) -> int:
        """How much more memory the server took at its peak."""
        return self.peak_bytes - self.before_bytes


async def hostile(address: Address, *, pid: int, path: str, post: Post, slow: int = SLOW_CONNECTIONS) -> list[Row]:
    """Each attack in turn on the server of this process. `post` makes the whole, rightly signed request of a body."""
    attacks = Attacks(address, path, post, slow)
    return [await _measured(address, pid, post, name, attack) for name, attack in attacks.by_name().items()]


async def _measured(address: Address, pid: int, post: Post, name: str, attack: Attack) -> Row:
    await asyncio.sleep(_SETTLE_S)
    before = _forget_peak(pid)
    async with _others(address, post(b'{"id": "somebody else"}')) as others:
        began, statuses = time.monotonic(), await attack()
        while time.monotonic() - began < _LEAST_S:
            statuses += await attack()
    peak = _memory(pid, "VmHWM")
    return Row(attack=name, statuses=statuses, before_bytes=before, peak_bytes=peak, others=others)


@dataclass(frozen=True, slots=True)
class Attacks:
    """Ways to hurt a server that receives small bodies."""

    address: Address
    path: str
    post: Post
    slow: int = SLOW_CONNECTIONS
    bomb: bytes = field(default_factory=lambda: gzip.compress(bytes(_BOMB_BYTES)), repr=False)  # not while others wait

    def by_name(self) -> Mapping[str, Attack]:
        """All of them."""
        return {
            "heads, a byte a second": lambda: self._dripped(b"", self._head("Content-Length: 2")),
            "bodies, a byte a second": lambda: self._dripped(self._head("Content-Length: 1000"), b" " * 1000),
            "connections that say nothing": lambda: self._dripped(b"", b""),
            "1 GiB announced and sent": lambda: self._sent(f"Content-Length: {GIB}", _PIECE, GIB),
            "1 GiB in chunks": lambda: self._sent("Transfer-Encoding: chunked", _CHUNK, GIB),
            "a Content-Length that is too long": lambda: self._sent("Content-Length: 1000", b"{}", 2),
            "a Content-Length that is too short": lambda: self._sent("Content-Length: 2", b"{}" * 50, 100),
            "a Content-Length of -1": lambda: self._sent("Content-Length: -1", b"{}", 2),
            "a Content-Length that is no number": lambda: self._sent("Content-Length: many", b"{}", 2),
            "two Content-Lengths": lambda: self._sent("Content-Length: 2\r\nContent-Length: 200", b"{}", 2),
            "a gzip bomb": self._bomb,
            "JSON 100,000 deep": lambda: self._posted(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
            "JSON arrays 100,000 deep": lambda: self._posted(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
            "a number of 200,000 digits": lambda: self._posted(b'{"a":' + b"9" * 200_000 + b"}"),
            "a number of 10 MB": lambda: self._posted(b'{"a":' + b"9" * 10_000_000 + b"}"),
            "much JSON in 256 KiB": lambda: self._posted(b'{"a":[' + b"{}," * 87_000 + b"1]}"),
        }

    def _head(self, *lines: str) -> bytes:
        return "\r\n".join([f"POST {self.path} HTTP/1.1", "Host: here", *lines, "", ""]).encode()

    async def _sent(self, line: str, piece: bytes, size: int) -> Counter[int]:
        return await _together(_AT_ONCE, lambda: self._send(self._head(line), piece, size))

    async def _posted(self, body: bytes) -> Counter[int]:
        request = self.post(body)
        return await _together(_AT_ONCE, lambda: self._send(request, b"", 0))

    async def _bomb(self) -> Counter[int]:
        body = self.bomb
        head = self._head(f"Content-Length: {len(body)}", "Content-Encoding: gzip", "Content-Type: application/json")
        return await _together(_AT_ONCE, lambda: self._send(head, body, len(body)))

    async def _send(self, head: bytes, piece: bytes, size: int) -> int:
        """As fast as it goes, until it is answered."""
        client = await Client.to(self.address)
        client.send(head)
        for _ in range(0, size, len(piece) or 1):
            if client.is_answered:
                break
            client.send(piece)
            await client.drain()
            await asyncio.sleep(0)
        status = await client.answer()
        client.close()
        return status

    async def _dripped(self, start: bytes, rest: bytes) -> Counter[int]:
        return await _together(self.slow, lambda: self._drip(start, rest))

    async def _drip(self, start: bytes, rest: bytes) -> int:
        client = await Client.to(self.address)
        client.send(start)
        began, position = time.monotonic(), 0
        while time.monotonic() - began < _SLOWEST_S and not client.is_answered:
            client.send(rest[position : position + 1])
            position += 1
            await client.answer(1.0)
        status = await client.answer(0.1)
        client.close()
        return status


async def _together(count: int, act: Callable[[], Coroutine[None, None, int]]) -> Counter[int]:
    return Counter(await asyncio.gather(*(act() for _ in range(count))))


@asynccontextmanager
async def _others(address: Address, request: bytes) -> AsyncIterator[Burst]:
    """Somebody who sends what is right, again and again on new connections, for the length of a `with`."""
    told = Burst()

    async def go_on() -> None:
        while True:
            one = await burst(address, [request], 1)
            told.statuses += one.statuses
            told.latencies_s += one.latencies_s
            await asyncio.sleep(_OTHERS_EVERY_S)

    going = asyncio.create_task(go_on())
    try:
        yield told
    finally:
        going.cancel()
        with suppress(asyncio.CancelledError):
            await going


def _forget_peak(pid: int) -> int:
    """Let the peak of a process begin anew; the bytes that it holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return _memory(pid, "VmRSS")


def _memory(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))

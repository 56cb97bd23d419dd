"""HTTP/1.1 for clients that are slow, or hostile: the server's own protocol with limits that it lacks.

The server waits for the head of a request as long as it takes, and reads on for as long as a body comes that nobody
wants any longer. Here the head must be whole within `HEAD_PATIENCE`, and an answer before the end of a body is the end
of the connection: no more is sent, what comes is dropped, and soon it is closed. Closed at once, the client would often
be told of a reset by its own system before it has read the answer.
"""

import asyncio
from datetime import timedelta
from functools import cached_property
from typing import Final

import h11
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_PATIENCE: Final = timedelta(seconds=10)
"""From the first byte to the blank line, and from the connection to the first byte."""
HEAD_BYTES: Final = 16 * 1024
"""More than any vendor or browser sends; the server keeps so much of each connection at most."""
HEADS: Final = 1000
"""Connections whose head is not whole; each costs 5 KiB. Those that have waited for the longest are given up first."""
READ_BYTES: Final = 16 * 1024
"""Of one read, and so of the largest head that comes in two. All connections of a server read into the same buffer,
one after the other."""
LINGER: Final = timedelta(seconds=1)
LINGER_BYTES: Final = 1024 * 1024
LINGERING: Final = 64
"""How long, how much, and on how many connections at once is dropped what comes after an early answer."""

_TOO_SLOW: Final = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 34\r\n"
    b"connection: close\r\n\r\nThe request did not come in time.\n"
)


class Waiting:
    """The connections of a server whose next head is not whole, by the time when it is due; the oldest come first."""

    def __init__(self, patience: timedelta, most: int = HEADS) -> None:
        self._patience_s = patience.total_seconds()
        self._most = most
        self._due_at: dict[PatientProtocol, float] = {}
        self._look_again: asyncio.TimerHandle | None = None

    def begin(self, connection: "PatientProtocol") -> None:
        """It has so long, from now on unless it waits already."""
        self._due_at.setdefault(connection, connection.loop.time() + self._patience_s)
        if len(self._due_at) > self._most:
            self._give_up(next(iter(self._due_at)))
        if self._look_again is None:
            self._look_again = connection.loop.call_later(self._patience_s, self._look, connection.loop)

    def end(self, connection: "PatientProtocol") -> None:
        """It waits no longer."""
        self._due_at.pop(connection, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """All have the same patience, so the first one is due first; one timer does for all."""
        self._look_again = None
        while self._due_at:
            oldest, due_at = next(iter(self._due_at.items()))
            if due_at > loop.time():
                self._look_again = loop.call_at(due_at, self._look, loop)
                return
            self._give_up(oldest)

    def _give_up(self, connection: "PatientProtocol") -> None:
        self.end(connection)
        connection.refuse()


class _Flow(FlowControl):
    """The flow control of a connection, without an event that costs 700 bytes and that next to none ever waits for."""

    def __init__(self, transport: asyncio.Transport) -> None:  # not that of the base, which would make the event
        self._transport = transport
        self.read_paused = False
        self.write_paused = False

    @cached_property
    def _is_writable_event(self) -> asyncio.Event:  # type: ignore[override]
        event = asyncio.Event()
        event.set()
        return event


class PatientProtocol(H11Protocol, asyncio.BufferedProtocol):
    """One connection; `patient` makes the class for a server, with what its connections have in common."""

    buffer: memoryview
    waiting: Waiting
    lingering: set["PatientProtocol"]
    _dropped_bytes: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self.waiting.begin(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any longer."""
        self.waiting.end(self)
        self.lingering.discard(self)
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - as asyncio calls it
        """Where the next bytes are read to; they are taken from there before anybody else reads."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes were read."""
        if self._dropped_bytes is None:
            self.data_received(bytes(self.buffer[:nbytes]))
        else:
            self._drop(nbytes)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request, or of several."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self.waiting.begin(self)
        else:
            self.waiting.end(self)

    def on_response_complete(self) -> None:
        """The answer is sent."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            self._linger()

    def _linger(self) -> None:
        if len(self.lingering) >= LINGERING or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.lingering.add(self)
        self._dropped_bytes = 0
        self.transport.write_eof()
        self.loop.call_later(LINGER.total_seconds(), self.transport.close)

    def _drop(self, nbytes: int) -> None:
        self._dropped_bytes = (self._dropped_bytes or 0) + nbytes
        if self._dropped_bytes > LINGER_BYTES:
            self.transport.close()

    def refuse(self) -> None:
        """Answer that it was too slow, and close."""
        if not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
            self.transport.close()


def patient(head_patience: timedelta = HEAD_PATIENCE, heads: int = HEADS) -> type[PatientProtocol]:
    """What a server is given as `http=`: its patience, and how many connections may try it."""
    members = {
        "buffer": memoryview(bytearray(READ_BYTES)),
        "waiting": Waiting(head_patience, heads),
        "lingering": set[PatientProtocol](),
    }
    return type("PatientProtocol", (PatientProtocol,), members)

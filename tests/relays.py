"""A TCP relay on loopback: it sees every byte that a client sends, may change it, and may be a proxy for HTTP."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Relay:
    """Hands connections on to `port`. `alter` changes what clients send; `sent` is that, before it was altered.

    `answered_bytes` went to clients.
    """

    def __init__(self, port: int, *, alter: Callable[[bytes], bytes] = bytes) -> None:
        self._target = ("127.0.0.1", port)
        self._alter = alter
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.sent = bytearray()
        self.answered_bytes = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in (self._listener, *self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in list(self._threads):
            thread.join(5)
        for connection in (self._listener, *self._open):
            connection.close()

    def _run(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [client, server]
            self._run(self._pump, client, server, self._taken)
            self._run(self._pump, server, client, self._answered)

    def _taken(self, data: bytes) -> bytes:
        self.sent += data
        return self._alter(data)

    def _answered(self, data: bytes) -> bytes:
        self.answered_bytes += len(data)
        return data

    def _pump(self, source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
        try:
            while data := source.recv(1 << 20):
                sink.sendall(change(data))
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

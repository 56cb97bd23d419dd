"""Sockets and threads of a server on loopback: requests one after the other, and a stop that ends everything."""

import io
import itertools
import logging
import socket
import socketserver
import sys
import threading
from abc import abstractmethod

from deployments.sandbox.clouds import wire
from deployments.sandbox.clouds.messages import Answer

log = logging.getLogger(__name__)

IDLE_SECONDS = 120


class Listener(socketserver.ThreadingTCPServer):
    """A port, and a thread for each connection to it."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], connection: "type[Connection]") -> None:
        self.stopping = threading.Event()
        self._open: dict[int, socket.socket] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        super().__init__(address, connection)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.socket.getsockname()[1])

    def start(self, name: str) -> None:
        """Answer from now on, in a thread of this name."""
        threading.Thread(target=self.serve_forever, args=(0.02,), name=name, daemon=True).start()

    def enter(self, connection: socket.socket) -> int:
        """Remember a connection, so that `stop` can end it."""
        with self._lock:
            number = next(self._numbers)
            self._open[number] = connection
        return number

    def leave(self, number: int) -> None:
        """Forget it."""
        with self._lock:
            self._open.pop(number, None)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Close only: an orderly shutdown first would hide a reset."""
        self.close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say it in the log, not on stderr."""
        del request
        log.error("a request from %s broke the sandbox itself", client_address, exc_info=sys.exception())

    def stop(self) -> None:
        """End everything."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = list(self._open.values())
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class Connection(socketserver.BaseRequestHandler):
    """One connection; what is answered is up to `answer_one`."""

    server: Listener
    request: socket.socket

    def handle(self) -> None:
        """Answer one request after the other until either side ends it."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request.settimeout(IDLE_SECONDS)
        number = self.server.enter(self.request)
        stream = io.BufferedReader(self.request.makefile("rb", buffering=0), 64 << 10)
        try:
            while not self.server.stopping.is_set() and self.answer_one(stream):
                pass
        except wire.BadRequestError as error:
            self._refuse(error)
        except OSError:
            log.debug("the client went away")
        finally:
            self.server.leave(number)
            stream.close()

    @abstractmethod
    def answer_one(self, stream: wire.Stream) -> bool:
        """Whether another request may follow."""

    def _refuse(self, error: wire.BadRequestError) -> None:
        answer = Answer(status=error.status, headers={"Connection": "close"}, body=f"{error.why}\n".encode())
        try:
            wire.write_answer(self.request, answer, head_only=False, damage=wire.Damage())
        except OSError:
            log.debug("the client went away")

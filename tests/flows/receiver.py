"""Somebody else's system on loopback, to which webhooks are sent."""

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def payload(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.body)

    def verified(self, secret: str) -> Any:  # noqa: ANN401 - JSON
        """The payload, if the specification's own library takes the signature."""
        return Webhook(secret).verify(self.body, self.headers)


Answering = Callable[["Handler"], object]


class Handler(BaseHTTPRequestHandler):
    """Keeps what comes, and answers as its receiver does."""

    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(path=self.path, headers=headers, body=body, method=self.command))
        self.server.answering(self)

    def do_GET(self) -> None:
        self.do_POST()

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server calls it so
        """Nothing."""


class _Server(ThreadingHTTPServer):
    received: list[Received]
    answering: Answering

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what some tests are about."""


class Receiver:
    """Takes requests for the length of a `with`; `answering` may be changed at any time."""

    def __init__(self, *, pem: Path | None = None) -> None:
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.received = []
        self._is_tls = pem is not None
        if pem:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.says(200)

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._is_tls else 'http'}://127.0.0.1:{self.port}/hooks?a=b"

    @property
    def received(self) -> list[Received]:
        return self._server.received

    def says(self, status: int, **headers: str) -> None:
        self.answers_by(lambda handler: handler.answer(status, **headers))

    def answers_by(self, answering: Answering) -> None:
        self._server.answering = answering

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

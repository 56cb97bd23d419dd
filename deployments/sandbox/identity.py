"""The services that give machines and pods temporary credentials, of three clouds, at one address on loopback.

Imitated, from the clouds' pages and what their SDKs send and expect:

- Alibaba Cloud: ECS instance metadata in normal and in security hardening mode ("Instance metadata", ECS user guide),
  AssumeRoleWithOIDC (STS 2015-04-01) with its error codes.
- Tencent Cloud: CVM instance metadata (product/213/47668), AssumeRoleWithWebIdentity (STS 2018-08-13) unsigned, with
  `Authorization: SKIP`; faults have status 200.
- AWS: IMDSv2 and v1, AssumeRoleWithWebIdentity (STS 2011-06-15, query protocol).

Not imitated: signatures of identity tokens and policies of roles (one token is accepted, any role is given), session
tokens that run out, hop limits, throttling, and that real metadata services hand out the same credentials until these
near their end: here every answer has new ones.

Guessed: the bodies of refusals by the metadata services, Tencent's code for a bad identity token, and the order in
which parameters are checked.
"""

import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from types import TracebackType
from typing import Self

from deployments.sandbox.identity_dialects import Answer, Issuer, Request, Service, answer, service_of

__all__ = ["Fault", "IdentityService", "Request"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to one request instead of an answer: a status, silence for `hang_s`, or bytes that are no HTTP."""

    status: int = 0
    body: bytes = b"out of order"
    hang_s: float = 0.0
    garbage: bytes = b""


@dataclass(slots=True, kw_only=True)
class IdentityService(Issuer):
    """A context manager: serves at `endpoint` while it is entered.

    `journal` grows with each request; `faults` are used up by the next ones.
    """

    journal: list[Request] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    _closing: threading.Event = field(default_factory=threading.Event, repr=False)
    _server: ThreadingHTTPServer | None = field(default=None, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def endpoint(self) -> str:
        """Such as http://127.0.0.1:40123, for all six services."""
        if self._server is None:
            raise RuntimeError("the service runs inside a `with` only")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._closing.clear()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        self._server = self._thread = None

    def fail(self, fault: Fault, *, times: int = 1) -> None:
        """Let the next requests meet this fault."""
        self.faults.extend([fault] * times)

    def seen(self, service: Service) -> list[Request]:
        """What of the journal went to one service."""
        return [request for request in self.journal if request.service == service]

    def received(self, request: Request) -> Fault | None:
        """Note the request; the fault that it is to meet."""
        with self._lock:
            self.journal.append(request)
            return self.faults.popleft() if self.faults else None

    def rest(self, seconds: float) -> None:
        """Wait, but not beyond the end of the service."""
        self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Print what went wrong, unless the caller just hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(service: IdentityService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            kind = service_of(self.command, self.path, headers, body)
            request = Request(service=kind, method=self.command, target=self.path, headers=headers, body=body)
            fault = service.received(request)
            self.close_connection = True
            if fault is None:
                self._send(answer(service, request))
            elif fault.status:
                self._send(Answer(fault.status, fault.body))
            else:
                service.rest(fault.hang_s)
                self.wfile.write(fault.garbage)

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_PUT = do_POST = _serve  # noqa: N815 -- the names that http.server calls

        def log_message(self, *_: object) -> None:
            """The journal has it."""

    return Handler

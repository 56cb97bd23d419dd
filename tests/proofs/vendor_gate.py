"""A door before a vendor's API, shut in one of two ways: it answers 503, or it takes a request and says nothing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Literal

import httpx

Door = Literal["open", "refusing", "silent"]

_SILENT_S: Final = 60.0


class Gate:
    """What is asked of `url` is handed on to `target` while the door is open."""

    def __init__(self, target: str) -> None:
        self.door: Door = "open"
        self.turned_away = 0
        self._ended = threading.Event()
        self._client = httpx.Client(base_url=target, trust_env=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if self.door != "open":
            self.turned_away += 1
        if self.door == "silent":
            self._ended.wait(_SILENT_S)
        if self.door != "open":
            return 503, b""
        kept = {name: value for name, value in request.headers.items() if name.lower() in _HANDED_ON}
        answer = self._client.request(request.command, request.path, headers=kept, content=body)
        return answer.status_code, answer.content

    @contextmanager
    def serving(self) -> Iterator["Gate"]:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self._ended.set()
            self._server.shutdown()
            self._server.server_close()
            self._client.close()


_HANDED_ON: Final = frozenset({"authorization", "content-type", "token", "signature", "timestamp", "nonce", "appid"})


def _handler(gate: Gate) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            status, body = gate.answer(self)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(BrokenPipeError):
                self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is inherited
            """Nothing is told."""

    return Handler

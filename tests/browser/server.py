"""A loopback web server for one page and one MP4, with ranges and, if wanted, a slow line."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

_PAGE = Path(__file__).with_name("page.html")
_STEP = 16_384


class Site:
    """What is served, how many bytes of it were sent, and where each request for it began."""

    def __init__(self, media: bytes, bytes_per_second: int | None) -> None:
        self.media = media
        self.bytes_per_second = bytes_per_second
        self.sent = 0
        self.requests: list[int] = []
        self.url = ""


@contextmanager
def serve(media: bytes, *, bytes_per_second: int | None = None) -> Iterator[Site]:
    """Serve this MP4 at `url` until the block ends."""
    site = Site(media, bytes_per_second)
    handler = type("Handler", (_Handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        site.url = f"http://127.0.0.1:{server.server_port}/"
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: ClassVar[Site]

    def handle(self) -> None:
        # A page that is closed resets its connections; that is no fault.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        if self.path == "/media.mp4":
            self._send_media()
        elif self.path == "/":
            self._send_page(_PAGE.read_bytes())
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parameter's name in http.server
        """Say nothing."""

    def _send_page(self, body: bytes) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_media(self) -> None:
        size = len(self.site.media)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
        assert wanted is not None
        first, last = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
        self.site.requests.append(first)
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        self._send_slowly(memoryview(self.site.media)[first : last + 1])

    def _send_slowly(self, body: memoryview) -> None:
        for start in range(0, len(body), _STEP):
            piece = body[start : start + _STEP]
            self.wfile.write(piece)
            self.site.sent += len(piece)
            if self.site.bytes_per_second:
                time.sleep(len(piece) / self.site.bytes_per_second)

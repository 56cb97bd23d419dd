"""HTTP/1.1 on a socket (RFC 9112): one request in, one answer out, within bounds."""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from deployments.sandbox.clouds.messages import Answer, Request, whole_number

LINE_BYTES = 16 << 10
FIELDS = 100
BLOCK = 1 << 20
BODILESS = frozenset({204, 304})


class Stream(Protocol):
    """What of a buffered reader is used here."""

    def readline(self, size: int, /) -> bytes:
        """Up to and with the next line feed, or `size` bytes."""

    def read(self, size: int, /) -> bytes:
        """`size` bytes, or fewer at the end."""


class BadRequestError(Exception):
    """It is no HTTP, or too much of it: answer with `status` and close."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A request without its body."""

    method: str
    path: str
    query_text: str
    headers: Mapping[str, str]

    def with_body(self, body: bytes) -> Request:
        """The whole request."""
        return Request(method=self.method, path=self.path, query_text=self.query_text, headers=self.headers, body=body)

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits before it sends the body."""
        return self.headers.get("expect", "").lower() == "100-continue"

    @property
    def closes(self) -> bool:
        """Whether the client will send nothing else."""
        return "close" in self.headers.get("connection", "").lower()


def read_head(stream: Stream) -> Head | None:
    """The next request's line and fields; None where the client has gone."""
    line = _line(stream)
    if line is None:
        return None
    pieces = line.split(" ")
    if len(pieces) != 3 or not pieces[2].startswith("HTTP/1."):
        raise BadRequestError(400, "not a request line")
    method, target, version = pieces
    path, _, query_text = _origin(target).partition("?")
    headers = _fields(stream)
    if version == "HTTP/1.0":
        headers["connection"] = "close"
    return Head(method=method, path=path, query_text=query_text, headers=headers)


def _line(stream: Stream) -> str | None:
    line = stream.readline(LINE_BYTES + 1)
    if not line:
        return None
    if not line.endswith(b"\n"):
        raise BadRequestError(431 if len(line) > LINE_BYTES else 400, "a line without an end")
    # Fields are octets; the stores read them as UTF-8, as their SDKs write them.
    return line.rstrip(b"\r\n").decode("utf-8", "replace")


def _origin(target: str) -> str:
    """The path and query, also of the absolute form that a client sends to its proxy."""
    if target.startswith("/"):
        return target
    if not target.lower().startswith(("http://", "https://")):
        raise BadRequestError(400, "not a path")
    authority_and_rest = target.partition("://")[2]
    cut = min((at for at in (authority_and_rest.find("/"), authority_and_rest.find("?")) if at >= 0), default=None)
    rest = "" if cut is None else authority_and_rest[cut:]
    return rest if rest.startswith("/") else f"/{rest}"


def _fields(stream: Stream) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(FIELDS + 1):
        line = _line(stream)
        if not line:
            if line is None:
                raise BadRequestError(400, "the fields have no end")
            return headers
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip():
            raise BadRequestError(400, "not a field")
        headers[name] = f"{headers[name]},{value.strip()}" if name in headers else value.strip()
    raise BadRequestError(431, "too many fields")


def read_body(stream: Stream, headers: Mapping[str, str], limit: int) -> bytes:
    """The body as announced; BadRequestError where it is too long or ends early."""
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked" or "content-length" in headers:
            raise BadRequestError(400, "an unknown transfer coding")
        return _chunks(stream, limit)
    text = headers.get("content-length", "0")
    size = whole_number(text, digits=18)
    if size is None:
        raise BadRequestError(400, "not a length")
    if size > limit:
        raise BadRequestError(413, "the body is too long")
    return _exactly(stream, size)


def _exactly(stream: Stream, size: int) -> bytes:
    blocks: list[bytes] = []
    while size:
        block = stream.read(min(size, BLOCK))
        if not block:
            raise BadRequestError(400, "the body ended early")
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)


def _chunks(stream: Stream, limit: int) -> bytes:
    blocks: list[bytes] = []
    total = 0
    while True:
        line = (_line(stream) or "").partition(";")[0].strip()
        if not line or len(line) > 15 or set(line.lower()) - set("0123456789abcdef"):
            raise BadRequestError(400, "not a chunk")
        size = int(line, 16)
        if size == 0:
            _fields(stream)
            return b"".join(blocks)
        total += size
        if total > limit:
            raise BadRequestError(413, "the body is too long")
        blocks.append(_exactly(stream, size))
        if _line(stream) != "":
            raise BadRequestError(400, "not the end of a chunk")


@dataclass(slots=True, kw_only=True)
class Damage:
    """What is done to an answer on its way: the body ends after `send_bytes`, by a reset where so said."""

    send_bytes: int | None = None
    reset: bool = False


def write_answer(connection: socket.socket, answer: Answer, *, head_only: bool, damage: Damage) -> int:
    """Send it and say how many bytes of the body went out; with `send_bytes` the connection is then over."""
    body = b"" if head_only or answer.status in BODILESS else answer.body
    length = len(answer.body) if answer.length is None else answer.length
    lines = [f"HTTP/1.1 {answer.status} {_reason(answer.status)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    if answer.status not in BODILESS:
        lines.append(f"Content-Length: {length}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")
    body = body if damage.send_bytes is None else body[: damage.send_bytes]
    if len(body) < BLOCK >> 4:
        connection.sendall(head + bytes(body))
    else:
        connection.sendall(head)
        connection.sendall(body)
    if damage.send_bytes is not None:
        end(connection, reset=damage.reset)
    return len(body)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def end(connection: socket.socket, *, reset: bool) -> None:
    """No more bytes: by RST where `reset`, otherwise by FIN."""
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    else:
        connection.shutdown(socket.SHUT_RDWR)

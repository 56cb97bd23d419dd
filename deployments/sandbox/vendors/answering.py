"""What the three APIs share: JSON in and out, a limit of requests, and the socket."""

import json
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any

from deployments.sandbox.clouds import wire
from deployments.sandbox.clouds.listening import Connection, Listener
from deployments.sandbox.clouds.messages import Answer, Request

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 20


def json_answer(status: int, document: Mapping[str, Any]) -> Answer:
    """The document as a vendor sends it."""
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status=status, headers={"Content-Type": "application/json;charset=utf-8"}, body=body)


def json_object(request: Request) -> dict[str, Any] | None:
    """The body; None where it is no JSON object."""
    try:
        document = json.loads(request.body or b"null")
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


class Rate:
    """How many requests there were in the last second, by name. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, deque[float]] = {}

    def is_exceeded(self, name: str, limit: int) -> bool:
        """Whether this one is one too many; it counts only if it is not."""
        now = time.monotonic()
        with self._lock:
            seen = self._seen.setdefault(name, deque())
            while seen and seen[0] <= now - 1:
                seen.popleft()
            if len(seen) >= limit:
                return True
            seen.append(now)
            return False


class Api(ABC):
    """One vendor's REST API."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripted: dict[str, deque[int]] = {}

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Carry it out, or say in the vendor's own way why not."""

    def answer_next(self, call: str, code: int) -> None:
        """Answer the next request of this call with this error code of the vendor, and do nothing."""
        with self._lock:
            self._scripted.setdefault(call, deque()).append(code)

    def scripted(self, call: str) -> int | None:
        """The code that this call is to be answered with now, if any."""
        with self._lock:
            waiting = self._scripted.get(call)
            return waiting.popleft() if waiting else None


class ApiListener(Listener):
    """A port with one API."""

    def __init__(self, address: tuple[str, int], api: Api) -> None:
        self.api = api
        super().__init__(address, _Connection)


class _Connection(Connection):
    server: ApiListener

    def answer_one(self, stream: wire.Stream) -> bool:
        """Whether another request may follow."""
        head = wire.read_head(stream)
        if head is None:
            return False
        if head.expects_continue:
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        answer = self._answer(head.with_body(wire.read_body(stream, head.headers, MAX_BODY_BYTES)))
        answer.headers["Connection"] = "close" if head.closes else "keep-alive"
        wire.write_answer(self.request, answer, head_only=head.method == "HEAD", damage=wire.Damage())
        return not head.closes

    def _answer(self, request: Request) -> Answer:
        try:
            return self.server.api.answer(request)
        except Exception:
            log.exception("%s %s broke the sandbox itself", request.method, request.path)
            return json_answer(500, {"message": "the sandbox itself broke; its log says how"})

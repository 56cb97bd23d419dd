"""A vendor's REST API on loopback, which answers from a queue and keeps what was asked."""

import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.flows.receiver import Answering, Handler, Received, Receiver
from vendors.calling import Rhythm
from vendors.recorder import Order, UploadKey
from vendors.storage import StoreLocation

SECRET = "sekrit-of-the-project"  # noqa: S105 - of no real project
UPLOAD_SECRET = "sekrit-of-the-bucket"  # noqa: S105 - of no real project
ROOM_TOKEN = "sekrit-of-the-room"  # noqa: S105 - of no real project
CALLBACK = "https://hooks.example/sekrit-of-the-url"
SECRETS = (SECRET, UPLOAD_SECRET, ROOM_TOKEN, CALLBACK)
PLACE = StoreLocation(scheme="oss", bucket="lessons", prefix="classes/2024/", region="cn-hangzhou")
KEY = UploadKey(key_id="writer", secret=UPLOAD_SECRET)


def order(**fields: Any) -> Order:  # noqa: ANN401 - of any field
    return Order(**{"room": "room_1", "mode": "mixed", "place": PLACE, "upload_key": KEY, **fields})


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


class VendorServer(Receiver):
    """Answers in turn; the last one again and again."""

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[Answering] = deque()
        self.answers_by(self._next)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self) -> list[str]:
        """Methods and paths, without what is new in each."""
        return [f"{request.method} {urlsplit(request.path).path}" for request in self.received]

    def will(self, *answers: Answering) -> None:
        self._queue = deque(answers)

    def _next(self, handler: Handler) -> None:
        (self._queue.popleft() if len(self._queue) > 1 else self._queue[0])(handler)


def says(document: object, status: int = 200) -> Answering:
    return plain(json.dumps(document).encode(), status)


def plain(body: bytes, status: int = 200, **headers: str) -> Answering:
    def answer(handler: Handler) -> None:
        handler.answer(status, **{"Content-Length": str(len(body)), "Content-Type": "application/json", **headers})
        handler.wfile.write(body)

    return answer


def cut(handler: Handler) -> None:
    """Half an answer."""
    handler.answer(200, **{"Content-Length": "100"})
    handler.wfile.write(b'{"Code": 0')


def hang_up(handler: Handler) -> None:
    handler.close_connection = True


def hang(seconds: float) -> Answering:
    return lambda _: time.sleep(seconds)


def query_of(request: Received) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.path).query))


@dataclass
class Beat:
    """A clock that sleeping moves on."""

    at: float = 1_615_186_943.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    @property
    def waits(self) -> list[float]:
        """Without those for the pace."""
        return [seconds for seconds in self.slept if seconds > 0.5]

    @property
    def rhythm(self) -> Rhythm:
        return Rhythm(monotonic=lambda: self.at, sleep=self.sleep, random=lambda: 0.0, now=lambda: self.at)


def without(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}

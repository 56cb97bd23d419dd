"""A receiver to test: webhooks of two made-up vendors, an inbox in memory, and a real server on loopback."""

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn

from catalog.database import Database
from catalog.errors import CatalogUnavailableError
from catalog.events import Delivery, RecordingEvent, Word
from vendors.hooks import Hook, Key, Message
from web.app import build_app
from web.bodies import HELD_BYTES, UNFINISHED, Limits
from web.patience import HEADS, patient
from web.repeats import Repeats
from web.serving import limits
from web.webhooks import Receiving, Webhooks

SECRET = "a secret that signs"  # noqa: S105 - of this test alone
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SIGNATURE = "agora-signature-v2"


def signature_of(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _signed_at(message: Message) -> datetime | None:
    sent = message.document.get("sent_s")
    return datetime.fromtimestamp(sent, UTC) if isinstance(sent, int) else None


def _app(message: Message) -> str | None:
    return message.document.get("app")


def _is_check(message: Message) -> bool:
    return message.document.get("room") == "test_webhook"


def _read(vendor: str, message: Message) -> RecordingEvent:
    if message.document.get("unreadable"):
        raise KeyError("a mistake of ours")
    return RecordingEvent(vendor=vendor, dedupe_id=str(message.document.get("id")), name="any", word=Word.HEARD)


BODY_HOOK = Hook(
    vendor="bodied",
    covers_body=True,
    is_signed=lambda message: SIGNATURE in message.headers,
    fits=lambda message, secret: hmac.compare_digest(
        message.headers[SIGNATURE].encode(), signature_of(message.body, secret).encode()
    ),
    signed_at=_signed_at,
    seal=lambda _message: None,
    app=_app,
    is_check=_is_check,
    read=lambda message: _read("bodied", message),
)
URL_HOOK = Hook(
    vendor="urled",
    covers_body=False,
    is_signed=lambda message: message.url_secret is not None,
    fits=lambda message, secret: hmac.compare_digest((message.url_secret or "").encode(), secret.encode()),
    signed_at=lambda _message: None,
    seal=lambda message: message.document.get("seal"),
    app=_app,
    is_check=_is_check,
    read=lambda message: _read("urled", message),
)
HOOKS: Mapping[str, Hook] = {hook.vendor: hook for hook in (BODY_HOOK, URL_HOOK)}


def keys(vendor: str) -> Sequence[Key]:
    return [Key(secret="", source=None), Key(secret=SECRET, source=f"{vendor} here")]


@dataclass
class MemoryInbox:
    """Keeps what it is given; `gate` holds it up, `away` fails it."""

    batches: list[list[Delivery]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    away: bool = False

    def __post_init__(self) -> None:
        self.gate.set()

    def put(self, deliveries: Sequence[Delivery]) -> None:
        assert self.gate.wait(10)
        if self.away:
            raise CatalogUnavailableError("the catalog does not answer")
        self.batches.append(list(deliveries))

    @property
    def deliveries(self) -> list[Delivery]:
        return [delivery for batch in self.batches for delivery in batch]

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.deliveries]


def parts(inbox: MemoryInbox) -> Receiving:
    """Those of a receiver; `replace` others."""
    return Receiving(hooks=HOOKS, keys=keys, inbox=inbox, clock=lambda: NOW)


def application(receiving: Receiving) -> Webhooks:
    """With a catalog that nobody asks."""
    return build_app(Database(f"sqlite:///{Path('nowhere') / 'catalog.db'}"), receiving)


def body_of(number: int = 1, **more: object) -> bytes:
    return json.dumps({"id": f"message {number}", **more}).encode()


def request_of(
    body: bytes, *, path: str = "/hooks/bodied", length: str | None = None, signature: str | None = None, more: str = ""
) -> bytes:
    """A request as it goes over the wire; its length and signature are right unless said."""
    length = str(len(body)) if length is None else length
    signature = signature_of(body) if signature is None else signature
    head = f"POST {path} HTTP/1.1\r\nHost: here\r\n{SIGNATURE}: {signature}\r\nContent-Length: {length}\r\n{more}\r\n"
    return head.encode() + body


@dataclass
class Served:
    """A server on loopback, and how to talk to it over bare sockets."""

    port: int
    inbox: MemoryInbox
    app: Webhooks

    def forget(self) -> None:
        """As if nothing had been received yet."""
        self.inbox.batches.clear()
        self.app._repeats = Repeats()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, *pieces: bytes) -> bytes:
        """All that is answered until the server closes, or has answered in full."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return answer_on(connection)


def answer_on(connection: socket.socket) -> bytes:
    """One answer, or what there is of it when the connection ends."""
    answer = b""
    while not _is_whole(answer):
        try:
            piece = connection.recv(65536)
        except ConnectionError:
            break
        if not piece:
            break
        answer += piece
    return answer


def _is_whole(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(blank) and len(body) >= int(lengths[0] if lengths else 0)


def status_of(answer: bytes) -> int:
    """0 of no answer."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


def _listening() -> socket.socket:
    """As the server makes them itself: with the protocol named, without which asyncio lets small answers wait."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(2048)
    return listening


@contextmanager
def served(
    *,
    head_patience_s: float = 10.0,
    patience_s: float = 10.0,
    held_bytes: int = HELD_BYTES,
    unfinished: int = UNFINISHED,
    heads: int = HEADS,
) -> Iterator[Served]:
    """A receiver that runs, for the length of a `with`."""
    inbox = MemoryInbox()
    limited = Limits(patience=timedelta(seconds=patience_s), held_bytes=held_bytes, unfinished=unfinished)
    app = application(replace(parts(inbox), limits=limited))
    protocol = patient(timedelta(seconds=head_patience_s), heads)
    config = uvicorn.Config(app, log_config=None, **{**limits(), "http": protocol})
    with _listening() as listening:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started)
            yield Served(listening.getsockname()[1], inbox, app)
        finally:
            inbox.gate.set()
            server.should_exit = True
            thread.join()


def until(holds: Callable[[], object], *, seconds: float = 5.0) -> None:
    """Wait for something that happens in another thread."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)

"""A store that misbehaves on request, and time that only sleeping moves."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, Self, TypeVar

from storage.base import (
    AS_BYTES,
    Capabilities,
    Multipart,
    ObjectMeta,
    OpenedObject,
    PendingUpload,
    Served,
)
from storage.checksums import Buffer, Checksums
from storage.errors import Transient
from storage.keys import ObjectKey
from storage.memory import MemoryMultipart, MemoryStore
from storage.retry import Retry

_Result = TypeVar("_Result")


class FakeTime:
    """A clock that only sleeping moves; it remembers each wait."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits_s: list[float] = []

    def sleep(self, wait_s: float) -> None:
        self.waits_s.append(wait_s)
        self.now_s += wait_s

    def retry(self, *, attempts: int = 6, patience_s: float = 120.0, random: float = 0.0) -> Retry:
        return Retry(
            attempts=attempts,
            patience_s=patience_s,
            sleep=self.sleep,
            random=lambda: random,
            monotonic=lambda: self.now_s,
        )


@dataclass(frozen=True, slots=True)
class Break:
    """What happens to a body at byte `at` of the range that was asked for."""

    how: Literal["cut", "end", "flip"]
    at: int


@dataclass(slots=True)
class FaultyStore:
    """A store in memory that takes one fault from a queue for each call, until the queue is empty.

    `bodies`: for each open. `before` and `after`, by method: an error raised instead of the work, or although the
    work was done. `seen` changes what the store says of an object.
    """

    inner: MemoryStore = field(default_factory=MemoryStore)
    bodies: deque[Break | None] = field(default_factory=deque)
    before: defaultdict[str, deque[Exception]] = field(default_factory=lambda: defaultdict(deque))
    after: defaultdict[str, deque[Exception]] = field(default_factory=lambda: defaultdict(deque))
    on_open: Callable[[int], None] = lambda _: None
    on_part: Callable[[int], None] = lambda _: None
    seen: Callable[[ObjectMeta], ObjectMeta] = lambda meta: meta
    opened: list[tuple[int, str | None]] = field(default_factory=list)
    ends: list[int | None] = field(default_factory=list)
    closed: int = 0
    parts: list[tuple[int, int]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.inner.url

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        return map(self.seen, self.inner.list(prefix, after=after))

    def head(self, key: str) -> ObjectMeta:
        return self.attempt("head", lambda: self.seen(self.inner.head(key)))

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> OpenedObject:
        self.opened.append((start, etag))
        self.ends.append(end)
        self.on_open(len(self.opened))
        opened = self.attempt("open", lambda: self.inner.open(key, start=start, end=end, etag=etag))
        return FaultyBody(self, opened, self.bodies.popleft() if self.bodies else None)

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> ObjectMeta:
        def put() -> ObjectMeta:
            return self.seen(self.inner.put(key, data, create_only=create_only, served=served))

        return self.attempt("put", put)

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        return self.attempt(
            "start_multipart",
            lambda: FaultyMultipart(self, self.inner.start_multipart(key, served=served)),
        )

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        return self.inner.list_uploads(prefix)

    def abort_upload(self, key: str, upload_id: str) -> None:
        self.inner.abort_upload(key, upload_id)

    def copy(self, source: str, target: ObjectKey) -> ObjectMeta:
        return self.inner.copy(source, target)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        return self.inner.presign_get(key, seconds, filename)

    def attempt(self, method: str, work: Callable[[], _Result]) -> _Result:
        if self.before[method]:
            raise self.before[method].popleft()
        result = work()
        if self.after[method]:
            raise self.after[method].popleft()
        return result


class FaultyBody:
    """An OpenedObject with one fault."""

    def __init__(self, store: FaultyStore, body: OpenedObject, fault: Break | None) -> None:
        self.meta = store.seen(body.meta)
        self._store = store
        self._body = body
        self._fault = fault
        self._position = 0

    def read(self, size_bytes: int, /) -> bytes:
        if self._fault is None or self._fault.how == "flip":
            return self._read(size_bytes)
        left = self._fault.at - self._position
        if left == 0 and self._fault.how == "cut":
            raise Transient("read", self.meta.key, "the connection was cut")
        return self._read(min(size_bytes, left))

    def _read(self, size_bytes: int) -> bytes:
        data = bytearray(self._body.read(size_bytes))
        if self._fault is not None and self._position <= self._fault.at < self._position + len(data):
            data[self._fault.at - self._position] ^= 1
        self._position += len(data)
        return bytes(data)

    def close(self) -> None:
        self._store.closed += 1
        self._body.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


@dataclass(slots=True)
class FaultyMultipart:
    """A Multipart that reports its parts to the store around it."""

    store: FaultyStore
    inner: MemoryMultipart

    @property
    def key(self) -> ObjectKey:
        return self.inner.key

    @property
    def upload_id(self) -> str:
        return self.inner.upload_id

    def put_part(self, number: int, data: Buffer, /) -> None:
        self.store.on_part(number)
        self.store.attempt("put_part", lambda: self.inner.put_part(number, data))
        self.store.parts.append((number, len(data)))

    def complete(self, *, create_only: bool = False) -> ObjectMeta:
        return self.store.attempt("complete", lambda: self.store.seen(self.inner.complete(create_only=create_only)))

    def abort(self) -> None:
        self.store.attempt("abort", self.inner.abort)


def without_checksums(meta: ObjectMeta) -> ObjectMeta:
    """What a store that offers none would say."""
    return replace(meta, checksums=Checksums())

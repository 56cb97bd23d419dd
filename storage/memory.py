"""A bucket in memory: the reference that the other stores are held to, and the stand-in for them in tests."""

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from storage.base import (
    AS_BYTES,
    Capabilities,
    ObjectMeta,
    PendingUpload,
    Served,
    check_etag,
    check_part_number,
    clip_range,
)
from storage.checksums import Buffer, Checksums, Crc64
from storage.errors import AlreadyExists, NotFound, StorageError, Unsupported
from storage.keys import ObjectKey, output_key, sort_key


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Stored:
    meta: ObjectMeta
    data: bytes


class MemoryStore:
    """Objects in a dict; offers a CRC-64/XZ for each of them, as OSS and COS do."""

    def __init__(
        self, name: str = "", *, clock: Callable[[], datetime] = _now, capabilities: Capabilities | None = None
    ) -> None:
        """`clock` gives `last_modified`, aware and in UTC; `capabilities` imitates a choosier store."""
        self._name = name
        self._clock = clock
        self._capabilities = capabilities or Capabilities()
        self._lock = threading.Lock()
        self._objects: dict[str, _Stored] = {}
        self._uploads: dict[str, MemoryMultipart] = {}
        self._version = 0

    @property
    def url(self) -> str:
        """`memory://name`."""
        return f"memory://{self._name}"

    @property
    def capabilities(self) -> Capabilities:
        """As given; by default any part size and an atomic create."""
        return self._capabilities

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """See ObjectStore; the listing is that of the moment of the call."""
        with self._lock:
            found = [stored.meta for key, stored in self._objects.items() if key.startswith(prefix) and key > after]
        return iter(sorted(found, key=lambda meta: sort_key(meta.key)))

    def head(self, key: str) -> ObjectMeta:
        """See ObjectStore."""
        return self._stored("head", key).meta

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> "_MemoryBody":
        """See ObjectStore."""
        stored = self._stored("open", key)
        check_etag(stored.meta, etag)
        start, stop = clip_range(stored.meta, start, end)
        return _MemoryBody(stored.meta, memoryview(stored.data)[start:stop])

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> ObjectMeta:
        """See ObjectStore; the content type is dropped, as nothing is served from here."""
        del served
        return self._publish("put", output_key(key), bytes(data), create_only=create_only)

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> "MemoryMultipart":
        """See ObjectStore; the content type is dropped, as nothing is served from here."""
        del served
        upload = MemoryMultipart(store=self, key=output_key(key), upload_id=uuid.uuid4().hex, started_at=self._clock())
        with self._lock:
            self._uploads[upload.upload_id] = upload
        return upload

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore."""
        with self._lock:
            uploads = [upload for upload in self._uploads.values() if upload.key.startswith(prefix)]
        pending = [PendingUpload(key=u.key, upload_id=u.upload_id, started_at=u.started_at) for u in uploads]
        return iter(sorted(pending, key=lambda upload: (sort_key(upload.key), upload.upload_id)))

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        del key
        self._end_upload(upload_id)

    def copy(self, source: str, target: ObjectKey) -> ObjectMeta:
        """See ObjectStore."""
        return self._publish("copy", output_key(target), self._stored("copy", source).data, create_only=False)

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        with self._lock:
            self._objects.pop(key, None)

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        """Unsupported: nobody else can read this memory."""
        del seconds, filename
        raise Unsupported("presign_get", key, "a store in memory has no URL for others")

    def _stored(self, operation: str, key: str) -> _Stored:
        with self._lock:
            stored = self._objects.get(key)
        if stored is None:
            raise NotFound(operation, key, "there is no such object")
        return stored

    def _publish(self, operation: str, key: ObjectKey, data: bytes, *, create_only: bool) -> ObjectMeta:
        crc = Crc64()
        crc.update(data)
        with self._lock:
            if create_only and key in self._objects:
                raise AlreadyExists(operation, key, "the key is taken")
            self._version += 1
            meta = ObjectMeta(
                key=key,
                size_bytes=len(data),
                etag=f"v{self._version}",
                last_modified=self._clock(),
                checksums=Checksums(crc64xz=crc.hexdigest()),
            )
            self._objects[key] = _Stored(meta, data)
        return meta

    def _is_running(self, upload_id: str) -> bool:
        with self._lock:
            return upload_id in self._uploads

    def _end_upload(self, upload_id: str) -> None:
        with self._lock:
            self._uploads.pop(upload_id, None)

    def _complete(self, upload: "MemoryMultipart", *, create_only: bool) -> ObjectMeta:
        upload.check_running("complete")
        meta = self._publish("complete", upload.key, upload.joined(), create_only=create_only)
        self._end_upload(upload.upload_id)
        return meta


class _MemoryBody:
    """An OpenedObject over bytes that never change."""

    __slots__ = ("_rest", "meta")

    def __init__(self, meta: ObjectMeta, rest: memoryview) -> None:
        self.meta = meta
        self._rest = rest

    def read(self, size_bytes: int, /) -> bytes:
        taken, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        return bytes(taken)

    def close(self) -> None:
        self._rest = self._rest[:0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


@dataclass(slots=True, kw_only=True, eq=False)
class MemoryMultipart:
    """A Multipart whose parts wait in a dict."""

    store: MemoryStore
    key: ObjectKey
    upload_id: str
    started_at: datetime
    parts: dict[int, bytes] = field(default_factory=dict)

    def put_part(self, number: int, data: Buffer, /) -> None:
        """See Multipart."""
        check_part_number("put_part", self.key, number)
        self.check_running("put_part")
        self.parts[number] = bytes(data)

    def complete(self, *, create_only: bool = False) -> ObjectMeta:
        """See Multipart."""
        return self.store._complete(self, create_only=create_only)  # noqa: SLF001  its own store

    def abort(self) -> None:
        """See Multipart."""
        self.store._end_upload(self.upload_id)  # noqa: SLF001  its own store
        self.parts.clear()

    def check_running(self, operation: str) -> None:
        """Raise NotFound if the upload is over."""
        if not self.store._is_running(self.upload_id):  # noqa: SLF001  its own store
            raise NotFound(operation, self.key, f"upload {self.upload_id} is over")

    def joined(self) -> bytes:
        """All parts in order of their numbers, as the store's capabilities demand them."""
        parts = [self.parts[number] for number in sorted(self.parts)]
        self._check_parts([len(part) for part in parts])
        return b"".join(parts)

    def _check_parts(self, sizes: list[int]) -> None:
        needs = self.store.capabilities
        if not sizes:
            raise StorageError("complete", self.key, "no part was uploaded")
        if min(sizes[:-1], default=needs.min_part_bytes) < needs.min_part_bytes:
            raise StorageError("complete", self.key, f"a part has fewer than {needs.min_part_bytes} bytes")
        if needs.equal_parts and len(set(sizes[1:-1])) > 1:
            raise StorageError("complete", self.key, "parts between the first and the last differ in size")

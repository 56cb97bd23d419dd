"""Stores around stores."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import NoReturn, Self, TypeVar

from storage.base import (
    AS_BYTES,
    Capabilities,
    Multipart,
    ObjectMeta,
    ObjectStore,
    OpenedObject,
    PendingUpload,
    Served,
    Written,
)
from storage.checksums import Buffer
from storage.errors import Denied, InvalidKey, NotFound, StorageError
from storage.keys import ObjectKey, output_key

_W = TypeVar("_W", bound=Written)


def bucket_inside(store: ObjectStore) -> tuple[ObjectStore, str]:
    """The bucket inside the wrappers, and the prefix of it that they show ("" for all)."""
    prefix = ""
    while isinstance(store, ReadOnlyStore | Below):
        prefix = store.inner_prefix + prefix
        store = store.inner
    return store, prefix


class ReadOnlyStore:
    """A store that can only be read: put around source buckets, so that nothing here can harm an original."""

    def __init__(self, store: ObjectStore) -> None:
        """Everything that reads is passed on; everything that writes is Denied."""
        self._store = store

    @property
    def inner(self) -> ObjectStore:
        """The store inside."""
        return self._store

    @property
    def inner_prefix(self) -> str:
        """The prefix of it that is seen."""
        return ""

    @property
    def url(self) -> str:
        """That of the store inside."""
        return self._store.url

    @property
    def capabilities(self) -> Capabilities:
        """Those of the store inside."""
        return self._store.capabilities

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """Passed on."""
        return self._store.list(prefix, after=after)

    def head(self, key: str) -> ObjectMeta:
        """Passed on."""
        return self._store.head(key)

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> OpenedObject:
        """Passed on."""
        return self._store.open(key, start=start, end=end, etag=etag)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """Passed on."""
        return self._store.list_uploads(prefix)

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        """Passed on: the URL can only read."""
        return self._store.presign_get(key, seconds, filename)

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> Written:
        """Denied."""
        del data, create_only, served
        self._deny("put", key)

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """Denied."""
        del served
        self._deny("start_multipart", key)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Denied."""
        del upload_id
        self._deny("abort_upload", key)

    def copy(self, source: str, target: ObjectKey) -> Written:
        """Denied."""
        del source
        self._deny("copy", target)

    def delete(self, key: str) -> None:
        """Denied."""
        self._deny("delete", key)

    def _deny(self, operation: str, key: str) -> NoReturn:
        raise Denied(operation, key, f"a source bucket is never written, and {self.url} is one")


class Within(ReadOnlyStore):
    """Of a bucket only the keys below a prefix, under their full names, for reading."""

    def __init__(self, store: ObjectStore, prefix: str, url: str) -> None:
        """`prefix` ends in '/'; `url` opens the same again."""
        super().__init__(store)
        self._prefix = prefix
        self._url = url

    @property
    def inner_prefix(self) -> str:
        """The prefix, under which keys keep their full names."""
        return self._prefix

    @property
    def url(self) -> str:
        """That of the prefix."""
        return self._url

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """See ObjectStore; what lies outside is not there."""
        narrow = self._narrowed(prefix)
        return iter(()) if narrow is None else super().list(narrow, after=after)

    def head(self, key: str) -> ObjectMeta:
        """See ObjectStore."""
        return super().head(self._inside("head", key))

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> OpenedObject:
        """See ObjectStore."""
        return super().open(self._inside("open", key), start=start, end=end, etag=etag)

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        """See ObjectStore."""
        return super().presign_get(self._inside("presign_get", key), seconds, filename)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore."""
        narrow = self._narrowed(prefix)
        return iter(()) if narrow is None else super().list_uploads(narrow)

    def _narrowed(self, prefix: str) -> str | None:
        """What lies under both prefixes, or None."""
        narrow = max(prefix, self._prefix, key=len)
        return narrow if narrow.startswith(prefix) and narrow.startswith(self._prefix) else None

    def _inside(self, operation: str, key: str) -> str:
        if not key.startswith(self._prefix):
            raise NotFound(operation, key, f"it lies outside of {self._prefix}")
        return key


class Below:
    """A prefix of a bucket as a store of its own: keys are counted from it."""

    def __init__(self, store: ObjectStore, prefix: str, url: str) -> None:
        """`prefix` ends in '/'; `url` opens the same again."""
        self._store = store
        self._prefix = prefix
        self._url = url

    @property
    def inner(self) -> ObjectStore:
        """The store inside."""
        return self._store

    @property
    def inner_prefix(self) -> str:
        """The prefix that keys are counted from."""
        return self._prefix

    @property
    def url(self) -> str:
        """That of the prefix."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """Those of the store inside."""
        return self._store.capabilities

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """See ObjectStore."""
        start = self._prefix + after if after else ""
        return map(self._outer, self._store.list(self._prefix + prefix, after=start))

    def head(self, key: str) -> ObjectMeta:
        """See ObjectStore."""
        with self._named(key):
            return self._outer(self._store.head(self._inner("head", key)))

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> OpenedObject:
        """See ObjectStore."""
        with self._named(key):
            opened = self._store.open(self._inner("open", key), start=start, end=end, etag=etag)
        return Renamed(opened, self._outer(opened.meta))

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> Written:
        """See ObjectStore."""
        with self._named(key):
            target = self._target("put", key)
            return self._outer(self._store.put(target, data, create_only=create_only, served=served))

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """See ObjectStore; what the upload itself says has the whole key."""
        with self._named(key):
            return self._store.start_multipart(self._target("start_multipart", key), served=served)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore."""
        for upload in self._store.list_uploads(self._prefix + prefix):
            yield replace(upload, key=upload.key.removeprefix(self._prefix))

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        self._store.abort_upload(self._prefix + key, upload_id)

    def copy(self, source: str, target: ObjectKey) -> Written:
        """See ObjectStore."""
        with self._named(source):
            return self._outer(self._store.copy(self._inner("copy", source), self._target("copy", target)))

    def delete(self, key: str) -> None:
        """See ObjectStore."""
        self._store.delete(self._inner("delete", key))

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        """See ObjectStore."""
        return self._store.presign_get(self._inner("presign_get", key), seconds, filename)

    def _inner(self, operation: str, key: str) -> str:
        if not key or ".." in key.split("/"):
            raise InvalidKey(operation, key, "it names nothing below the prefix")
        return self._prefix + key

    def _target(self, operation: str, key: ObjectKey) -> ObjectKey:
        self._inner(operation, output_key(key))
        return output_key(self._prefix + key)

    def _outer(self, written: _W) -> _W:
        return replace(written, key=written.key.removeprefix(self._prefix))

    @contextmanager
    def _named(self, key: str) -> Iterator[None]:
        """Errors name the key that was asked for."""
        try:
            yield
        except StorageError as error:
            error.key = key
            error.args = (error.operation, key, *error.args[2:])
            raise


class Renamed:
    """An OpenedObject whose key is another one."""

    __slots__ = ("_opened", "meta")

    def __init__(self, opened: OpenedObject, meta: ObjectMeta) -> None:
        """`meta` is that of `opened` under the other key."""
        self._opened = opened
        self.meta = meta

    def read(self, size_bytes: int, /) -> bytes:
        """See OpenedObject."""
        return self._opened.read(size_bytes)

    def close(self) -> None:
        """See OpenedObject."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

"""Stores around stores."""

from collections.abc import Iterator
from typing import NoReturn

from storage.base import (
    DEFAULT_CONTENT_TYPE,
    Capabilities,
    Multipart,
    ObjectMeta,
    ObjectStore,
    OpenedObject,
    PendingUpload,
)
from storage.checksums import Buffer
from storage.errors import Denied
from storage.keys import ObjectKey


class ReadOnlyStore:
    """A store that can only be read: put around source buckets, so that nothing here can harm an original."""

    def __init__(self, store: ObjectStore) -> None:
        """Everything that reads is passed on; everything that writes is Denied."""
        self._store = store

    @property
    def url(self) -> str:
        """That of the store inside."""
        return self._store.url

    @property
    def capabilities(self) -> Capabilities:
        """Those of the store inside."""
        return self._store.capabilities

    def list(self, prefix: str = "") -> Iterator[ObjectMeta]:
        """Passed on."""
        return self._store.list(prefix)

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

    def put(
        self, key: ObjectKey, data: Buffer, *, create_only: bool = False, content_type: str = DEFAULT_CONTENT_TYPE
    ) -> ObjectMeta:
        """Denied."""
        del data, create_only, content_type
        self._deny("put", key)

    def start_multipart(self, key: ObjectKey, *, content_type: str = DEFAULT_CONTENT_TYPE) -> Multipart:
        """Denied."""
        del content_type
        self._deny("start_multipart", key)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Denied."""
        del upload_id
        self._deny("abort_upload", key)

    def copy(self, source: str, target: ObjectKey) -> ObjectMeta:
        """Denied."""
        del source
        self._deny("copy", target)

    def delete(self, key: str) -> None:
        """Denied."""
        self._deny("delete", key)

    def _deny(self, operation: str, key: str) -> NoReturn:
        raise Denied(operation, key, f"a source bucket is never written, and {self.url} is one")

"""Folders as stores that fail in ways that a folder alone does not."""

from collections.abc import Callable
from pathlib import Path

from storage.base import (
    AS_BYTES,
    ObjectMeta,
    Served,
)
from storage.checksums import Buffer
from storage.keys import ObjectKey
from storage.local import LocalStore
from storage.local_files import LocalBody


class InterruptedStore(LocalStore):
    """Before the object `key` is opened for the first time, something happens."""

    def __init__(self, root: Path, *, key: str, happening: Callable[[], object]) -> None:
        super().__init__(root)
        self._key = key
        self._happening: Callable[[], object] | None = happening

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> LocalBody:
        if key == self._key and self._happening:
            happening, self._happening = self._happening, None
            happening()
        return super().open(key, start=start, end=end, etag=etag)


class GarblingStore(LocalStore):
    """Keeps the last byte of every MP4 wrong, and says nothing of it."""

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> ObjectMeta:
        kept = bytearray(data)
        if key.endswith(".mp4"):
            kept[-1] ^= 1
        return super().put(key, kept, create_only=create_only, served=served)

"""A store for reading in which objects of another one lie beside its own, as if they had been there all the time."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import replace

from storage.base import ObjectMeta, ObjectStore, OpenedObject
from storage.errors import NotFound
from storage.wrappers import ReadOnlyStore, Renamed


class Overlay(ReadOnlyStore):
    """A store, and over it some objects of another one. Where both have a key, the store's own object counts."""

    def __init__(self, store: ObjectStore, other: ObjectStore, lent: Mapping[str, ObjectMeta]) -> None:
        """`lent`: by the keys that they get here, the objects of `other` as it listed them."""
        super().__init__(store)
        self._other = other
        self.lent = lent

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """See ObjectStore."""
        lent = sorted(key for key in self.lent if key.startswith(prefix) and key > after)
        last = None
        merged = heapq.merge(super().list(prefix, after=after), map(self._shown, lent), key=lambda meta: meta.key)
        for meta in merged:
            if meta.key != last:
                yield meta
            last = meta.key

    def head(self, key: str) -> ObjectMeta:
        """See ObjectStore."""
        try:
            return super().head(key)
        except NotFound:
            if key not in self.lent:
                raise
            return replace(self._other.head(self.lent[key].key), key=key)

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> OpenedObject:
        """See ObjectStore."""
        try:
            return super().open(key, start=start, end=end, etag=etag)
        except NotFound:
            if key not in self.lent:
                raise
            opened = self._other.open(self.lent[key].key, start=start, end=end, etag=etag)
            return Renamed(opened, replace(opened.meta, key=key))

    def _shown(self, key: str) -> ObjectMeta:
        return replace(self.lent[key], key=key)

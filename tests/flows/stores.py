"""Folders as stores that do something else at a chosen moment."""

from collections.abc import Callable
from pathlib import Path

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

"""Stores by URL: `file:///absolute/path`, a bare path, `memory://name`."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import SplitResult, unquote, urlsplit

from storage.base import ObjectStore
from storage.errors import Unsupported
from storage.local import LocalStore
from storage.memory import MemoryStore


def open_store(url: str) -> ObjectStore:
    """The store that a URL names; text without `://` is a path, taken from the working folder if it is relative.

    Raises Unsupported for other schemes and for what a scheme does not understand.
    """
    if not url or "\0" in unquote(url):
        raise Unsupported("open_store", url, "this is no path and no URL")
    if "://" not in url:
        return LocalStore(Path(url).absolute())
    parts = urlsplit(url)
    opener = _SCHEMES.get(parts.scheme)
    if opener is None:
        known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        # the rest of the URL is not repeated: it may hold credentials
        raise Unsupported("open_store", f"{parts.scheme}://", f"the supported stores are {known} and plain paths")
    return opener(parts)


def _open_file(parts: SplitResult) -> ObjectStore:
    if parts.netloc not in {"", "localhost"} or not parts.path:
        raise Unsupported("open_store", parts.geturl(), "a folder is written file:///absolute/path, with three slashes")
    if parts.query or parts.fragment:
        raise Unsupported("open_store", parts.geturl(), "in a folder's name, write %3F for '?' and %23 for '#'")
    return LocalStore(unquote(parts.path))


_memories: dict[str, MemoryStore] = {}
_memories_lock = threading.Lock()


def _open_memory(parts: SplitResult) -> ObjectStore:
    """The same name gives the same store, for as long as the process lives."""
    name = parts.netloc + parts.path
    with _memories_lock:
        return _memories.setdefault(name, MemoryStore(name))


_SCHEMES: Mapping[str, Callable[[SplitResult], ObjectStore]] = MappingProxyType(
    {"file": _open_file, "memory": _open_memory}
)

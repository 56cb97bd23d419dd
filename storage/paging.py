"""Listings that come in pages, held to what every honest listing is."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from storage.base import ObjectMeta
from storage.errors import InvalidKey, Transient

_Item = TypeVar("_Item")
_Marker = TypeVar("_Marker")

Fetch = Callable[[_Marker | None], tuple[Iterable[_Item], _Marker | None]]
"""The marker of a page (None: the first) -> what is on it, and the marker of the next one (None: there is none)."""


def paged(operation: str, prefix: str, fetch: Fetch[_Marker, _Item]) -> Iterator[_Item]:
    """What is on all pages. A listing that comes back to a page it showed would never end: Transient."""
    marker: _Marker | None = None
    while True:
        items, following = fetch(marker)
        yield from items
        if following is None:
            return
        if following == marker:
            raise Transient(operation, prefix, "the listing goes round in circles: its next page is the one before")
        marker = following


def objects(prefix: str, after: str, fetch: Fetch[_Marker, ObjectMeta]) -> Iterator[ObjectMeta]:
    """The objects of a listing, each under the prefix and behind the one before; anything else is Transient.

    Raises InvalidKey for texts that no key can begin with or follow.
    """
    _check_text(prefix)
    _check_text(after)
    last = after
    for meta in paged("list", prefix, fetch):
        if not meta.key.startswith(prefix) or meta.key <= last or meta.size_bytes < 0:
            detail = f"the listing shows {meta.key!r} of {meta.size_bytes} bytes after {last!r}, which cannot be"
            raise Transient("list", prefix, detail)
        last = meta.key
        yield meta


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidKey("list", text, "it is not valid Unicode text") from None

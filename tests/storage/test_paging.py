"""What no honest listing has."""

from datetime import UTC, datetime

import pytest

from storage.base import ObjectMeta
from storage.errors import InvalidKey, Transient
from storage.paging import objects, paged

Pages = dict[int | None, tuple[list[ObjectMeta], int | None]]


def meta(key: str, size_bytes: int = 1) -> ObjectMeta:
    return ObjectMeta(key=key, size_bytes=size_bytes, etag="e", last_modified=datetime(2026, 1, 1, tzinfo=UTC))


def keys(pages: Pages, prefix: str = "p/", after: str = "") -> list[str]:
    return [found.key for found in objects(prefix, after, lambda marker: pages[marker])]


def test_pages_follow_each_other() -> None:
    assert keys({None: ([meta("p/a")], 1), 1: ([], 2), 2: ([meta("p/b"), meta("p/ü")], None)}) == ["p/a", "p/b", "p/ü"]


@pytest.mark.parametrize(
    "pages",
    [
        {None: ([meta("q/a")], None)},
        {None: ([meta("p/b"), meta("p/a")], None)},
        {None: ([meta("p/a"), meta("p/a")], None)},
        {None: ([meta("p/a")], 1), 1: ([meta("p/a")], 2)},
        {None: ([meta("p/a", -1)], None)},
        {None: ([], 1), 1: ([], 1)},
    ],
    ids=["foreign", "backwards", "twice", "page again", "negative size", "same page for ever"],
)
def test_what_no_listing_has(pages: Pages) -> None:
    with pytest.raises(Transient):
        keys(pages)


def test_what_lies_before_the_key_that_was_asked_for() -> None:
    with pytest.raises(Transient, match="which cannot be"):
        keys({None: ([meta("p/a")], None)}, after="p/b")


@pytest.mark.parametrize("texts", [("\ud800", ""), ("", "\ud800")])
def test_texts_that_are_none(texts: tuple[str, str]) -> None:
    with pytest.raises(InvalidKey):
        keys({}, *texts)


def test_uploads_may_have_any_order_and_still_end() -> None:
    pages: dict[int | None, tuple[list[str], int]] = {None: (["b", "a"], 1), 1: (["b"], 1)}
    with pytest.raises(Transient, match="round in circles"):
        list(paged("list_uploads", "", lambda marker: pages[marker]))

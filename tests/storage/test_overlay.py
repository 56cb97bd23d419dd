import pytest

from storage.base import ObjectStore
from storage.errors import Denied, NotFound
from storage.keys import output_key
from storage.memory import MemoryStore
from storage.overlay import Overlay


def holding(name: str, **objects: bytes) -> MemoryStore:
    store = MemoryStore(name)
    for key, data in objects.items():
        store.put(output_key(key), data)
    return store


@pytest.fixture
def overlay() -> Overlay:
    base, other = holding("base", a=b"base a", c=b"base c"), holding("other", x=b"lent b", y=b"lent c")
    lent = {"b": other.head("x"), "c": other.head("y")}
    return Overlay(base, other, lent)


def body(store: ObjectStore, key: str) -> bytes:
    with store.open(key) as opened:
        assert opened.meta.key == key
        return opened.read(100)


def test_both_are_listed_as_one_in_the_order_of_keys(overlay: Overlay) -> None:
    assert [meta.key for meta in overlay.list()] == ["a", "b", "c"]
    assert [meta.key for meta in overlay.list(after="a")] == ["b", "c"]
    assert [meta.key for meta in overlay.list("b")] == ["b"]


def test_the_stores_own_object_counts(overlay: Overlay) -> None:
    assert body(overlay, "c") == b"base c"
    assert overlay.head("c").size_bytes == len(b"base c")
    [listed] = overlay.list("c")
    assert listed.etag == overlay.head("c").etag


def test_what_is_lent_is_read_under_its_key_here(overlay: Overlay) -> None:
    assert body(overlay, "b") == b"lent b"
    assert overlay.head("b").key == "b"
    assert overlay.head("b").etag == next(overlay.list("b")).etag


def test_what_neither_has_is_not_found_and_nothing_is_written(overlay: Overlay) -> None:
    for ask in (overlay.head, overlay.open):
        with pytest.raises(NotFound):
            ask("x")
    with pytest.raises(Denied):
        overlay.put(output_key("b"), b"")

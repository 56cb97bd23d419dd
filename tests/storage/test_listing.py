from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.base import ObjectMeta
from storage.errors import NotFound, Transient
from storage.keys import output_key
from storage.listing import listed
from storage.memory import MemoryStore
from tests.storage.fakes import FakeTime

BREAK = Transient("list", "", "503 SlowDown")


class BreakingStore(MemoryStore):
    """Each listing breaks after as many keys as come next in `breaks`, at the end of which it goes on."""

    def __init__(self, breaks: list[int], keys: list[str]) -> None:
        super().__init__("breaking")
        for key in keys:
            self.put(output_key(key), b"")
        self.breaks = breaks
        self.begun: list[tuple[str, str]] = []

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        self.begun.append((prefix, after))
        left = self.breaks.pop(0) if self.breaks else 10_000
        for meta in super().list(prefix, after=after):
            if left == 0:
                raise BREAK
            left -= 1
            yield meta
        if left == 0:
            raise BREAK


KEYS = [f"a/{number:03d}" for number in range(30)] + ["b"]


@given(st.lists(st.integers(0, 12), max_size=5))
def test_no_key_is_lost_and_none_comes_twice(breaks: list[int]) -> None:
    store = BreakingStore(list(breaks), KEYS)
    assert [meta.key for meta in listed(store, "a/", retry=FakeTime().retry())] == KEYS[:-1]


def test_it_goes_on_after_the_last_key() -> None:
    store = BreakingStore([2, 0, 3], KEYS)
    assert len(list(listed(store, "a/", retry=FakeTime().retry()))) == 30
    assert store.begun == [("a/", ""), ("a/", "a/001"), ("a/", "a/001"), ("a/", "a/004")]


def test_each_key_begins_the_count_anew() -> None:
    store, time = BreakingStore([1] * 20, KEYS), FakeTime()
    assert len(list(listed(store, retry=time.retry(attempts=3)))) == 31
    assert set(time.waits_s) == {0.25}


def test_it_ends_after_as_many_tries_as_it_may_have() -> None:
    store, time = BreakingStore([4] + [0] * 20, KEYS), FakeTime()
    seen = listed(store, retry=time.retry())
    assert [next(seen).key for _ in range(4)] == KEYS[:4]
    with pytest.raises(Transient):
        next(seen)
    assert time.waits_s == [0.25, 0.5, 1.0, 2.0, 4.0]


def test_it_ends_when_patience_does() -> None:
    store, time = BreakingStore([0] * 1000, KEYS), FakeTime()
    with pytest.raises(Transient):
        list(listed(store, retry=time.retry(attempts=1000, patience_s=30)))
    assert time.now_s <= 30


def test_other_errors_end_it_at_once() -> None:
    class Missing(MemoryStore):
        def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
            del after
            raise NotFound("list", prefix, "no such bucket")

    time = FakeTime()
    with pytest.raises(NotFound):
        list(listed(Missing("missing"), retry=time.retry()))
    assert time.waits_s == []

from datetime import UTC, datetime, timedelta

import pytest

from storage.base import Capabilities
from storage.errors import Denied, Transient
from storage.keys import output_key
from storage.memory import MemoryStore
from storage.retry import Retry
from storage.sweeping import sweep_uploads

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
AGES = {"media/a": timedelta(days=30), "media/b": WEEK, "other/c": timedelta(days=8)}


class Moody(MemoryStore):
    """Fails as told before it does what it is asked."""

    def __init__(self, *moods: Exception) -> None:
        self._times = iter([NOW - age for age in AGES.values()])
        self._moods = list(moods)
        super().__init__(clock=lambda: next(self._times))
        for key in AGES:
            self.start_multipart(output_key(key)).put_part(1, b"part")

    def abort_upload(self, key: str, upload_id: str) -> None:
        if self._moods:
            raise self._moods.pop(0)
        super().abort_upload(key, upload_id)


def test_what_is_older_is_aborted_and_told() -> None:
    store = Moody()
    assert [upload.key for upload in sweep_uploads(store, older_than=WEEK, now=NOW)] == ["media/a", "other/c"]
    assert [upload.key for upload in store.list_uploads()] == ["media/b"]
    assert sweep_uploads(store, older_than=WEEK, now=NOW) == []


def test_only_below_a_prefix() -> None:
    store = Moody()
    assert [upload.key for upload in sweep_uploads(store, older_than=WEEK, now=NOW, prefix="other/")] == ["other/c"]


def test_a_bad_moment_is_tried_again() -> None:
    retry = Retry(sleep=lambda _: None)
    store = Moody(Transient("abort_upload", "media/a", "slow down"))
    assert len(sweep_uploads(store, older_than=WEEK, now=NOW, retry=retry)) == 2


def test_a_refusal_is_raised() -> None:
    with pytest.raises(Denied):
        sweep_uploads(Moody(Denied("abort_upload", "media/a", "no")), older_than=WEEK, now=NOW)


@pytest.mark.parametrize("equal_parts", [True, False])
def test_old_passing_objects_of_a_store_with_equal_parts_are_deleted(*, equal_parts: bool) -> None:
    ages = {"media/a.parts": 30, "media/b.parts": 1, "media/parts": 30, "other/c.parts": 30}
    times = iter([NOW - timedelta(days=age) for age in ages.values()])
    store = MemoryStore(clock=lambda: next(times), capabilities=Capabilities(equal_parts=equal_parts))
    for key in ages:
        store.put(output_key(key), b"part")
    swept = sweep_uploads(store, older_than=WEEK, now=NOW, prefix="media/")
    gone = ["media/a.parts"] if equal_parts else []
    assert [upload.key for upload in swept] == gone
    assert [meta.key for meta in store.list()] == sorted(ages.keys() - set(gone))

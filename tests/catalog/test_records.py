from datetime import UTC, datetime, timedelta

import pytest

from catalog.records import has_news

LOOKED = datetime(2026, 5, 3, 14, 0, 0, 700_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("newest", "news"),
    [
        (LOOKED + timedelta(milliseconds=1), True),
        (LOOKED, False),
        (LOOKED - timedelta(milliseconds=1), False),
        (LOOKED.replace(microsecond=0), True),
        (LOOKED.replace(microsecond=0) - timedelta(seconds=1), False),
    ],
)
def test_a_whole_second_may_be_any_moment_of_it(newest: datetime, news: bool) -> None:
    assert has_news(newest, LOOKED) is news
    assert not has_news(newest, None)

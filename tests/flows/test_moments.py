"""Ranges as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.moments import offset_text, read_range


def seconds(number: float) -> timedelta:
    return timedelta(milliseconds=round(number * 1000))


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("0:05", "1:02:03.5", (5, 3723.5)),
        ("292.5", "+2m37s", (292.5, 449.5)),
        ("0", "0.001", (0, 0.001)),
        ("90:00", "+1:30", (5400, 5490)),
        ("4:52.25", "+157.5", (292.25, 449.75)),
        ("7200", "+1h0.5s", (7200, 10800.5)),
        ("0:00:00.000", "+90m", (0, 5400)),
    ],
)
def test_offsets(begin: str, end: str, expected: tuple[float, float]) -> None:
    assert read_range(begin, end) == tuple(map(seconds, expected))


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("2026-05-03T14:05:03.250Z", "2026-05-03T14:07:40.250Z"),
        ("2026-05-03T14:05:03.250", "+2m37s"),
        ("2026-05-03T22:05:03.250+08:00", "+0:02:37"),
        ("2026-05-03 14:05:03.250Z", "+157"),
    ],
)
def test_times(begin: str, end: str) -> None:
    since = datetime(2026, 5, 3, 14, 5, 3, 250_000, tzinfo=UTC)
    assert read_range(begin, end) == (since, since + timedelta(minutes=2, seconds=37))


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        ("0:05", "2026-05-03T14:05Z", "not alike"),
        ("2026-05-03T14:05Z", "0:05", "not alike"),
        ("0:05", "0:05", "the earlier one first"),
        ("0:05", "+0", "the earlier one first"),
        ("2026-05-03T14:05Z", "2026-05-03T14:04Z", "the earlier one first"),
        ("9998-12-31", "+9999h", "not alike"),
        ("0:61", "2:00", "more than 59"),
        ("0:5", "2:00", "more than 59"),
        ("1:60:00", "2:00:00", "more than 59"),
        ("1.2345", "2", "is no time"),
        ("24h", "+5m", "is no time"),
        ("-1", "2", "is no time"),
        ("+1", "2", "is no time"),
        ("now", "2", "is no time"),
        ("", "2", "is no time"),
        ("1", "", "is no time"),
        ("1", "+", "is no length"),
        ("1", "+2x", "is no length"),
    ],
)
def test_what_cannot_be_read_says_how_to_write_it(begin: str, end: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_range(begin, end)


@given(st.integers(0, 360_000_000))
def test_offsets_are_read_as_they_are_written(milliseconds: int) -> None:
    offset = timedelta(milliseconds=milliseconds)
    assert read_range(offset_text(offset), "+1") == (offset, offset + timedelta(seconds=1))


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_is_read_or_refused(begin: str, end: str) -> None:
    try:
        since, until = read_range(begin, end)
    except ValueError:
        return
    assert type(since) is type(until)

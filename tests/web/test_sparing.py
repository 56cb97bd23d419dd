"""How much of a storm of refused deliveries is kept and told."""

import pytest

from web.sparing import Sparing


class Clock:
    at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_so_many_a_minute_and_as_many_again_a_minute_later() -> None:
    clock = Clock()
    sparing = Sparing(a_minute=60, bytes_a_minute=10_000, clock=clock)
    assert [sparing.keeps(1) for _ in range(100)].count(True) == 60
    clock.at += 10
    assert [sparing.keeps(1) for _ in range(100)].count(True) == 10
    clock.at += 3600
    assert [sparing.keeps(1) for _ in range(100)].count(True) == 60


def test_large_ones_use_up_the_bytes() -> None:
    clock = Clock()
    sparing = Sparing(a_minute=60, bytes_a_minute=1000, clock=clock)
    assert [sparing.keeps(400) for _ in range(5)] == [True, True, False, False, False]
    assert sparing.keeps(100)
    assert not sparing.keeps(2000)


def test_the_others_are_told_by_their_number_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    sparing = Sparing(a_minute=1, bytes_a_minute=1000, clock=clock)
    for _ in range(121):
        sparing.keeps(900)
        sparing.keeps(900)
        clock.at += 1
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all("were refused and not kept" in line for line in lines)

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import Denied, Transient
from storage.retry import Retry, Tries
from tests.storage.fakes import FakeTime

DOWN = Transient("open", "a", "503 SlowDown")


def waits(retry: Retry, clock: FakeTime) -> list[float]:
    with pytest.raises(Transient):
        retry.call(_down)
    return clock.waits_s


def _down() -> None:
    raise DOWN


def test_the_real_defaults_wait_by_the_clock_and_by_chance() -> None:
    """So that many who met one outage do not come back together; and nobody waits for ever."""
    retry = Retry()
    assert (retry.sleep, retry.random, retry.monotonic) == (time.sleep, random.random, time.monotonic)
    assert (retry.attempts, retry.patience_s, retry.deadline_s) == (16, 120.0, 3600.0)


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=6, max_size=6))
def test_waits_double_and_are_cut_by_up_to_a_half(rolls: list[float]) -> None:
    clock, dice = FakeTime(), iter(rolls)
    retry = Retry(attempts=6, sleep=clock.sleep, monotonic=lambda: clock.now_s, random=lambda: next(dice))
    whole = (0.25, 0.5, 1.0, 2.0, 4.0)
    for wait_s, longest_s, roll in zip(waits(retry, clock), whole, rolls, strict=False):
        assert wait_s == pytest.approx(longest_s * (1 - roll / 2))
        assert longest_s / 2 <= wait_s <= longest_s
    assert len(clock.waits_s) == 5


def test_an_outage_of_almost_two_minutes_is_sat_out() -> None:
    clock = FakeTime()
    for roll in (0.0, 0.5, 0.99):
        clock.now_s = 0.0
        waits(Retry(sleep=clock.sleep, monotonic=lambda: clock.now_s, random=lambda roll=roll: roll), clock)  # type: ignore[misc]
        assert 95 <= clock.now_s <= 120


def test_who_waits_long_is_told_for_what(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeTime()
    waits(Retry(attempts=7, sleep=clock.sleep, monotonic=lambda: clock.now_s, random=lambda: 0.0), clock)
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert said[0].startswith("failed 5 times in a row, next try in 4.0 s: open 'a': 503 SlowDown")


def test_no_wait_is_longer_than_the_longest() -> None:
    clock = FakeTime()
    retry = Retry(attempts=12, patience_s=1e9, sleep=clock.sleep, monotonic=lambda: clock.now_s, random=lambda: 0.0)
    assert waits(retry, clock)[-4:] == [20.0] * 4


@pytest.mark.parametrize("bound", ["patience_s", "deadline_s"])
def test_it_ends_in_time_however_many_tries_are_left(bound: str) -> None:
    clock = FakeTime()
    bounds = {"patience_s": 1e9, "deadline_s": 1e9} | {bound: 100.0}
    retry = Retry(attempts=10_000, sleep=clock.sleep, monotonic=lambda: clock.now_s, random=lambda: 0.0, **bounds)
    waits(retry, clock)
    assert 80 <= clock.now_s <= 100


def test_progress_renews_patience_but_not_the_deadline() -> None:
    clock = FakeTime()
    retry = Retry(attempts=3, deadline_s=500.0, sleep=clock.sleep, monotonic=lambda: clock.now_s, random=lambda: 0.0)
    tries = Tries(retry)

    def work() -> None:
        while True:
            clock.now_s += 7.0
            tries.progressed()
            tries.failed(DOWN)

    with pytest.raises(Transient):
        work()
    assert 485 <= clock.now_s <= 508


def test_a_slow_failure_counts_against_patience() -> None:
    clock = FakeTime()

    def slow() -> None:
        clock.now_s += 50.0
        raise DOWN

    with pytest.raises(Transient):
        Retry(attempts=100, sleep=clock.sleep, monotonic=lambda: clock.now_s, random=lambda: 0.0).call(slow)
    assert len(clock.waits_s) == 2


def test_the_result_of_the_first_try_that_succeeds() -> None:
    clock, failures = FakeTime(), [DOWN, DOWN]

    def work() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert clock.retry().call(work) == "done"
    assert clock.waits_s == [0.25, 0.5]


def test_only_transient_errors_are_tried_again() -> None:
    clock = FakeTime()

    def refused() -> None:
        raise Denied("open", "a", "no")

    with pytest.raises(Denied):
        clock.retry().call(refused)
    assert clock.waits_s == []

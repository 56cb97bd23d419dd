"""Output time to the wall clock and back: the same line both ways, to the microsecond."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.clocks import ClockAnchor, StreamClock
from media.clock import ClockSource
from tests.catalog.builders import START, at

DAY_S = 86_400.0
MICROSECOND = timedelta(microseconds=1)


def clock(*anchors: tuple[float, float], drift_ppm: float = 0.0, source: ClockSource | None = None) -> StreamClock:
    """Anchors in seconds of media and of wall clock since the start."""
    points = tuple(ClockAnchor(media_s=media_s, utc=at(wall_s)) for media_s, wall_s in anchors)
    return StreamClock(source=source or ClockSource.SLICE_NAME, anchors=points, drift_ppm=drift_ppm)


@st.composite
def clocks(draw: st.DrawFn) -> StreamClock:
    """Anchors that ascend, with up to 1000 ppm between them."""
    media_us, wall_us, anchors = draw(st.integers(-(10**9), 10**9)), 0, []
    for step_us, ppm in draw(st.lists(st.tuples(st.integers(1_000, 10**10), st.integers(-1000, 1000)), min_size=1)):
        anchors.append(ClockAnchor(media_s=media_us / 1e6, utc=START + wall_us * MICROSECOND))
        media_us, wall_us = media_us + step_us, wall_us + step_us + step_us * ppm // 1_000_000
    drift = draw(st.floats(-1000, 1000))
    return StreamClock(source=ClockSource.SLICE_NAME, anchors=tuple(anchors), drift_ppm=drift)


def moment(clock: StreamClock, media_s: float) -> datetime:
    found = clock.utc_at(media_s)
    assert found is not None
    return found


@given(clocks(), st.integers(-(10**11), 10**11))
def test_there_and_back_again(clock: StreamClock, media_us: int) -> None:
    back = clock.media_at(moment(clock, media_us / 1e6))

    assert back is not None
    assert abs(back - media_us / 1e6) < 2.5e-6


@given(clocks(), st.integers(-(10**11), 10**11))
def test_back_and_there_again(clock: StreamClock, wall_us: int) -> None:
    utc = START + wall_us * MICROSECOND
    media_s = clock.media_at(utc)

    assert media_s is not None
    assert abs(moment(clock, media_s) - utc) <= 2 * MICROSECOND


@given(clocks(), st.lists(st.integers(-(10**11), 10**11), min_size=2))
def test_later_is_never_earlier(clock: StreamClock, times_us: list[int]) -> None:
    found = [moment(clock, media_us / 1e6) for media_us in sorted(times_us)]

    assert found == sorted(found)


@given(clocks())
def test_anchors_are_met_exactly(clock: StreamClock) -> None:
    assert all(clock.utc_at(anchor.media_s) == anchor.utc for anchor in clock.anchors)
    assert all(clock.media_at(anchor.utc) == anchor.media_s for anchor in clock.anchors)


def test_straight_between_anchors() -> None:
    slow = clock((0.0, 10.0), (100.0, 110.01), (200.0, 215.0))

    assert slow.utc_at(50.0) == at(60.005)
    assert slow.media_at(at(60.005)) == 50.0
    assert slow.utc_at(150.0) == at(162.505)
    assert slow.utc_at(0.006) == at(10) + 6001 * MICROSECOND  # 6000.6


def test_by_the_drift_before_the_first_and_after_the_last() -> None:
    fast = clock((0.0, 0.0), (100.0, 100.0), drift_ppm=100.0)

    assert fast.utc_at(100.0 + DAY_S * 1.0001) == at(100 + DAY_S)
    assert fast.utc_at(-DAY_S * 1.0001) == at(-DAY_S)
    assert fast.media_at(at(100 + DAY_S)) == 100.0 + DAY_S * 1.0001
    assert clock((7.0, 0.0), drift_ppm=-50.0).utc_at(7.0 + 99_995.0) == at(100_000.0)


def test_two_anchors_at_one_time_of_media_are_a_step() -> None:
    step = clock((0.0, 0.0), (10.0, 10.0), (10.0, 15.0))

    assert [step.utc_at(media_s) for media_s in (9.0, 10.0, 11.0)] == [at(9), at(15), at(16)]


@pytest.mark.parametrize(
    "nothing",
    [
        StreamClock(source=None, anchors=(), drift_ppm=0.0),
        StreamClock(source=ClockSource.SLICE_NAME, anchors=(), drift_ppm=0.0),
        clock((0.0, 0.0), source=ClockSource.OBJECT_TIME),
    ],
)
def test_what_is_only_a_last_resort_tells_nothing(nothing: StreamClock) -> None:
    assert not nothing.is_known
    assert nothing.utc_at(1.0) is None
    assert nothing.media_at(START) is None

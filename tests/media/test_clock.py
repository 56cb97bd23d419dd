"""The line through what a stream's segments say of the wall clock."""

import random
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from media.clock import ClockSource, Mapping, Reading, WallClock, mapped, told_by
from media.plan import AssemblyPlan, PlannedSegment
from media.timing import TICKS_PER_SECOND as S

MS = S // 1000
HOUR = 3600 * S


def at(mapping: Mapping, media: int) -> float:
    """The wall clock of a tick, straight between the points and by the drift beyond them."""
    points = mapping.points
    after = next((n for n, point in enumerate(points) if point.media > media), len(points))
    if 0 < after < len(points):
        one, other = points[after - 1], points[after]
        return one.wall + (media - one.media) * (other.wall - one.wall) / (other.media - one.media)
    base = points[max(after - 1, 0)]
    return base.wall + (media - base.media) / (1 + mapping.drift_ppm / 1e6)


def named(wall: float) -> int:
    """A time as a name says it: whole milliseconds."""
    return round(wall / MS) * MS


@pytest.mark.parametrize("ppm", [-100, -1, 0, 3, 100])
def test_four_hours_of_a_clock_that_runs_wrong(ppm: int) -> None:
    media = range(0, 4 * HOUR, 15 * S)
    mapping = mapped([Reading(media=m, wall=named(m / (1 + ppm / 1e6))) for m in media])

    assert mapping.drift_ppm == pytest.approx(ppm, abs=0.5)
    assert max(abs(at(mapping, m) - m / (1 + ppm / 1e6)) for m in range(0, 4 * HOUR + 60 * S, 7 * S)) < 12 * MS
    assert len(mapping.points) < 10
    assert mapping.wrong == ()


def test_a_clock_whose_speed_changes_is_followed() -> None:
    def wall(m: float) -> float:
        return m * (1 - 100e-6) + max(0, m - 2 * HOUR) * 200e-6

    mapping = mapped([Reading(media=m, wall=named(wall(m))) for m in range(0, 4 * HOUR, 15 * S)])

    assert max(abs(at(mapping, m) - wall(m)) for m in range(0, 4 * HOUR, 7 * S)) < 20 * MS


def test_readings_far_from_their_neighbours_are_not_believed() -> None:
    wrong = {0: 300 * MS, 40: -5 * S, 77: 2 * HOUR}
    readings = [Reading(media=n * 15 * S, wall=n * 15 * S + wrong.get(n, 0)) for n in range(100)]
    mapping = mapped(readings)

    assert mapping.wrong == tuple(readings[n] for n in wrong)
    assert (len(mapping.points), mapping.drift_ppm) == (2, 0.0)


def test_a_clock_that_is_set_stays_where_it_is() -> None:
    mapping = mapped([Reading(media=n * 15 * S, wall=n * 15 * S + (n >= 50) * 3 * S) for n in range(100)])

    assert mapping.wrong == ()
    assert at(mapping, 49 * 15 * S) == 49 * 15 * S
    assert at(mapping, 50 * 15 * S) == 50 * 15 * S + 3 * S
    assert at(mapping, 99 * 15 * S) == 99 * 15 * S + 3 * S


def test_drift_is_that_of_the_longest_run() -> None:
    first = [Reading(media=n * 15 * S, wall=n * 15 * S, run=0) for n in range(20)]
    later = [Reading(media=HOUR + m, wall=named(HOUR + m / (1 + 50e-6)), run=1) for m in range(0, HOUR, 15 * S)]

    assert mapped([*first, *later]).drift_ppm == pytest.approx(50, abs=1)


def test_jitter_makes_no_points() -> None:
    rng = random.Random(7)
    jittered = [Reading(media=m, wall=m + rng.randint(-30, 30) * MS) for m in range(0, 24 * HOUR, 15 * S)]
    mapping = mapped(jittered)

    assert len(mapping.points) <= 64
    assert max(abs(at(mapping, r.media) - r.media) for r in jittered) < 100 * MS


def test_times_ascend_whatever_is_said() -> None:
    rng = random.Random(3)
    for count in range(8):
        readings = [Reading(media=rng.randint(0, 9), wall=rng.randint(0, 9)) for _ in range(count)]
        points = mapped(readings).points
        assert all(a.media < b.media and a.wall < b.wall for a, b in pairwise(points))
        assert bool(points) == bool(readings)


def test_a_clock_that_is_set_back_is_told() -> None:
    readings = [Reading(media=n * 15 * S, wall=n * 15 * S - (n >= 300) * HOUR) for n in range(400)]
    mapping = mapped(readings)

    assert set(readings[300:]) <= set(mapping.wrong) or set(readings[:300]) <= set(mapping.wrong)


@pytest.mark.parametrize("liar", range(4))
def test_of_few_readings_the_most_are_believed(liar: int) -> None:
    readings = [Reading(media=n * 15 * S, wall=n * 15 * S + (n == liar) * 9000 * HOUR) for n in range(4)]

    assert mapped(readings).wrong == (readings[liar],)


@pytest.mark.parametrize(("year", "is_told"), [(1970, False), (1999, False), (2000, True), (2099, True), (9999, False)])
def test_no_time_is_believed_that_no_recorder_can_have_seen(year: int, is_told: bool) -> None:
    at = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert (told_by(ClockSource.SLICE_NAME, at) is not None) == is_told
    assert told_by(ClockSource.SLICE_NAME, None) is None


def test_how_exact_its_times_are_is_part_of_a_plan() -> None:
    at = datetime(2026, 3, 4, tzinfo=UTC)
    digests = set()
    for source in (ClockSource.SLICE_NAME, ClockSource.FILE_NAME):
        segment = PlannedSegment(
            number=0, key="a.ts", size_bytes=1, etag="e", promised=1, wall=WallClock(at=at, source=source)
        )
        digests.add(AssemblyPlan(stream="7", segments=(segment,), libav="0").digest)
    assert len(digests) == 2

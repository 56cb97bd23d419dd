"""What a plan costs for each segment, in calls and bytes: neither depends on how busy the machine is."""

import cProfile
import pstats
import tracemalloc

from tests.benchmarks.planning import plan, room

SLICES = 2_500
MOST_CALLS = 80
"""Of functions, Python's and C's, for each segment from the listing to the digests: measured 74."""
MOST_BYTES = 1_200
"""At the peak, for each segment: measured 930."""


def calls(users: int) -> int:
    store, metas = room(users, SLICES)
    profile = cProfile.Profile()
    profile.runcall(plan, store, metas)
    found: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return found


def test_each_segment_takes_few_calls_however_many_there_are() -> None:
    few, many = calls(1), calls(3)

    assert many / (6 * SLICES) <= MOST_CALLS
    assert many <= 3.1 * few


def test_each_segment_takes_little_memory() -> None:
    store, metas = room(3, SLICES)
    tracemalloc.start()
    try:
        planned = plan(store, metas)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(len(stream.assembly.segments) for stream in planned.streams) == 6 * SLICES
    assert peak / (6 * SLICES) <= MOST_BYTES

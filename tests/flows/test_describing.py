"""The one place where a verdict is decided, case by case; and what keeps manifests small."""

from dataclasses import replace

import pytest

from flows.steps.describing import MOST_GAPS, MOST_OF_ONE_CODE, bounded, bounded_gaps, verdict_of
from media.findings import finding
from media.losses import Gap
from tests.catalog.builders import gap, stream

WHOLE = stream(gaps=(), outputs=stream().outputs)
LOST = finding("segment_missing", "a.ts", "gone")
UNREAD = finding("playlist_unreadable", "a.m3u8", "odd")
NOTED = finding("orphan_segment", "b.ts", "extra")
NO_SLICES = replace(WHOLE, outputs=(), segments=replace(WHOLE.segments, count=0))
SLICES = replace(NO_SLICES, segments=replace(WHOLE.segments, count=3))


@pytest.mark.parametrize(
    ("streams", "findings", "published", "verdict"),
    [
        ([WHOLE], [], True, "complete"),
        ([WHOLE], [NOTED], True, "complete"),
        ([WHOLE], [LOST], True, "gaps"),
        ([WHOLE, replace(WHOLE, gaps=(gap(),))], [], True, "gaps"),
        ([WHOLE], [UNREAD], True, "gaps"),
        ([NO_SLICES], [], False, "empty"),
        ([], [], False, "empty"),
        ([NO_SLICES], [NOTED], False, "empty"),
        ([SLICES], [], False, "missing"),
        ([SLICES], [LOST], False, "missing"),
        ([NO_SLICES], [LOST], False, "missing"),
        ([NO_SLICES], [UNREAD], False, "unreadable"),
        ([SLICES], [UNREAD, LOST], False, "missing"),
    ],
)
def test_verdicts(streams: list, findings: list, published: bool, verdict: str) -> None:  # type: ignore[type-arg]
    assert verdict_of(streams, findings, published=published) == verdict


def lost(number: int, *, every: int = 10, cause: str = "missing") -> Gap:
    return Gap(track="both", begin=number * every, end=number * every + 10, cause=cause, segment=f"{number}.ts")


def test_gaps_are_told_one_by_one_as_long_as_they_are_few() -> None:
    gaps = [lost(number) for number in range(MOST_GAPS)]

    assert bounded_gaps(gaps) == gaps


def test_very_many_gaps_that_touch_are_told_as_stretches_of_one_cause() -> None:
    gaps = [lost(number, cause="missing" if number < 400 else "corrupt") for number in range(MOST_GAPS + 1)]

    assert bounded_gaps(gaps) == [
        Gap(track="both", begin=0, end=4000, cause="missing", segment=None),
        Gap(track="both", begin=4000, end=10 * (MOST_GAPS + 1), cause="corrupt", segment=None),
    ]


def test_gaps_with_time_between_them_stay_apart() -> None:
    gaps = [lost(number, every=11) for number in range(MOST_GAPS + 1)]

    assert bounded_gaps(gaps) == gaps


def test_findings_beyond_the_most_of_one_code_are_counted() -> None:
    many = [finding("orphan_segment", f"{number}.ts", "extra") for number in range(MOST_OF_ONE_CODE + 7)]
    *kept, rest = bounded([*many, LOST])

    assert kept == [*many[:MOST_OF_ONE_CODE], LOST]
    assert (rest.code, rest.detail) == ("orphan_segment", "7 more of this kind")

"""The one place where a verdict is decided, case by case."""

from dataclasses import replace

import pytest

from flows.steps.describing import verdict_of
from media.findings import finding
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
        ([SLICES], [UNREAD, LOST], False, "unreadable"),
    ],
)
def test_verdicts(streams: list, findings: list, published: bool, verdict: str) -> None:  # type: ignore[type-arg]
    assert verdict_of(streams, findings, published=published) == verdict

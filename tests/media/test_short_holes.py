"""A short hole before the end of a recording: what lies behind it is kept, and what is not of the recording is not."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from deployments.sandbox.cutting import cut
from deployments.sandbox.packets import restamp
from media.timing import seconds
from tests.lab import Slice, flash_and_beep
from tests.media.driving import Made, arrivals, assert_accounted, make, named_walls, planned, run
from tests.media.recordings import first_dts, recording

WITHIN_S = 0.1


def after_hole(hole_s: float, *, tail: int, slice_s: float = 2) -> list[Slice]:
    """A recording whose last slices come this much later than those before them; the very last is a short one."""
    whole = recording(4 * slice_s + 0.6, slice_s=slice_s)
    return [*whole[:-tail], *(piece.moved(hole_s) for piece in whole[-tail:])]


def unpromised(slices: Sequence[Slice]) -> Made:
    """The slices as they are when no playlist names them: the names alone tell their time."""
    plan = planned(slices, walls=named_walls(slices))
    rebuilt = tuple(replace(segment, promised=0, rebuilt=True) for segment in plan.segments)
    return run(replace(plan, segments=rebuilt), arrivals(plan, list(slices)))


@pytest.mark.parametrize("tail", [1, 2, 3])
@pytest.mark.parametrize("hole_s", [0.4, 0.7, 1.0, 1.3])
def test_all_behind_a_short_hole_is_used(hole_s: float, tail: int) -> None:
    slices = after_hole(hole_s, tail=tail)
    for made in (make(slices, walls=named_walls(slices)), make(slices), unpromised(slices)):
        assert "segment_foreign" not in made.codes
        assert all(result.begin is not None for result in made.segments)
        assert all(gap.end > gap.begin for gap in made.judgement.gaps)
        assert seconds(max(t.end for t in made.tracks) - made.assembly.zero) == pytest.approx(
            8.6 + hole_s, abs=WITHIN_S
        )
        assert_accounted(made)


def test_a_long_slice_behind_a_short_hole_is_used() -> None:
    slices = after_hole(0.7, tail=2, slice_s=15)
    made = make(slices, walls=named_walls(slices))
    assert "segment_foreign" not in made.codes
    assert_accounted(made)


def of_another_recording(piece: Slice) -> Slice:
    """Another recording's slice under the very stamps of this one."""
    other = cut(flash_and_beep(2, seed=5, size=(320, 180)), 2)[0]
    return piece.shows(restamp(other.data, first_dts(piece.data) - first_dts(other.data)))


@pytest.mark.parametrize(("tail", "at"), [(2, -1), (2, -2), (3, -2)])
@pytest.mark.parametrize("hole_s", [0.0, 0.4, 0.7])
def test_a_slice_of_another_recording_behind_it_is_not(hole_s: float, tail: int, at: int) -> None:
    slices = after_hole(hole_s, tail=tail)
    stored: list[Slice | None] = [*slices]
    stored[at] = of_another_recording(slices[at])
    made = make(slices, stored=stored, walls=named_walls(slices))
    assert [f.where for f in made.judgement.findings if f.code == "segment_foreign"] == [f"slice-{len(slices) + at}.ts"]
    assert_accounted(made)


@pytest.mark.parametrize(("tail", "at"), [(2, -1), (2, -2), (3, -2)])
@pytest.mark.parametrize("hole_s", [0.0, 0.4, 0.7])
def test_a_far_slice_of_the_same_recording_is_not(hole_s: float, tail: int, at: int) -> None:
    slices = after_hole(hole_s, tail=tail)
    stored: list[Slice | None] = [*slices]
    stored[at] = slices[at].shows(recording(60)[20].data)
    made = make(slices, stored=stored, walls=named_walls(slices))
    assert [f.where for f in made.judgement.findings if f.code == "segment_foreign"] == [f"slice-{len(slices) + at}.ts"]
    assert_accounted(made)

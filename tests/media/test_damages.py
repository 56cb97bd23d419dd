"""The thirteen damages that a plain `-c copy` does not notice: each is named, with slice and cause."""

import pytest

from media.findings import Severity
from media.holes import cause
from media.timing import seconds
from tests.lab import CASES, DAMAGES, Position, Slice
from tests.media.driving import Made, assert_accounted, assert_intact, key, make
from tests.media.recordings import MAKES

NEAR = 0.1
"""Seconds: tracks of one slice begin and end so near to each other."""
HARMLESS = frozenset({"out_of_order"})


@pytest.mark.parametrize("kind", MAKES)
def test_without_damage_nothing_is_said(kind: str) -> None:
    assert_intact(make(MAKES[kind]()))


@pytest.mark.parametrize("kind", MAKES)
@pytest.mark.parametrize(("name", "position"), CASES)
def test_a_damage_is_named_with_slice_and_cause(name: str, position: Position, kind: str) -> None:
    slices = list(MAKES[kind]())
    damage = DAMAGES[name]
    damaged = damage.apply(slices, position)
    made = make(slices, stored=damaged.stored)
    keys = {key(at) for at in damaged.at}

    code = f"segment_{damage.expected}"
    assert {where for said, where in made.said if said == code} <= keys
    assert any(said == code for said, _ in made.said)
    assert {f.where for f in made.judgement.findings if f.severity is Severity.ERROR} <= keys
    assert_accounted(made)
    if damage.expected in HARMLESS:
        assert made.judgement.gaps == ()
    else:
        assert {gap.segment for gap in made.judgement.gaps} <= keys
        assert {gap.cause for gap in made.judgement.gaps} == {cause(code)}
        assert_gaps_lie_in(made, slices, damaged.at)


def assert_gaps_lie_in(made: Made, slices: list[Slice], at: frozenset[int]) -> None:
    """What is listed as lost is time of the damaged slices and of no other."""
    zero = next(slices[r.segment.number].start_s for r in made.segments if r.begin is not None)
    begin = min(slices[n].start_s for n in at) - zero
    end = max(slices[n].start_s + slices[n].duration_s for n in at) - zero
    for gap in made.judgement.gaps:
        assert begin - NEAR < seconds(gap.begin) < seconds(gap.end) < end + NEAR

"""Where a run of one lane lies beside the other's. Pure values only."""

from dataclasses import replace

import pytest

from media.ts.alignment import aligned, informed
from media.ts.chain import Chain, Cut, Link, Place, Relation, advance
from media.ts.units import STAMP_MODULUS
from tests.media.ts.test_succession import SECOND, link

MS = SECOND // 1000
WALL = 1_772_000_000 * SECOND
FAR = 1000 * SECOND


def sound(begin: int, *, wall: int | None = WALL) -> Chain:
    """A lane whose first segment has this stamp, and begins the output."""
    first = link(0, begin, wall=wall)
    return advance(None, Place(link=first, shift=-begin, relation=Relation.FIRST))


def pictures(begin: int, *, wall: int | None, relation: Relation = Relation.FIRST, **how: object) -> Place:
    head: Link = link(1, begin, wall=wall, **how)
    return Place(link=head, shift=-begin, relation=relation, until={"video": Cut(dts=5, pts=7)})


def begin_of(place: Place) -> int:
    return place.link.scan.shown_first + place.shift


@pytest.mark.parametrize("begin", [0, FAR])
def test_names_say_how_much_later_a_lane_begins_that_counts_from_its_own_zero(begin: int) -> None:
    found = aligned(pictures(begin, wall=WALL + 3200 * MS), sound(begin))
    assert begin_of(found) == 3200 * MS


def test_stamps_that_agree_with_names_are_finer_than_those() -> None:
    found = aligned(pictures(FAR + 288_123, wall=WALL + 3202 * MS), sound(FAR))
    assert begin_of(found) == 288_123


def test_names_that_are_right_within_a_second_leave_it_to_a_clock_that_runs() -> None:
    wall = WALL + 3900 * MS
    assert begin_of(aligned(pictures(FAR + 3200 * MS, wall=wall, wall_within=SECOND), sound(FAR))) == 3200 * MS
    assert begin_of(aligned(pictures(3200 * MS, wall=wall, wall_within=SECOND), sound(0))) == 3900 * MS


@pytest.mark.parametrize("wall", [None, WALL + 3200 * MS])
def test_a_clock_that_wraps_between_the_first_segments_is_one_clock(wall: int | None) -> None:
    found = aligned(pictures(2 * SECOND + 17, wall=wall), sound(STAMP_MODULUS - 1200 * MS, wall=wall and WALL))
    assert begin_of(found) == 3200 * MS + 17


def test_without_names_stamps_tell() -> None:
    assert begin_of(aligned(pictures(FAR + 3200 * MS, wall=None), sound(FAR, wall=None))) == 3200 * MS


def test_stamps_that_cannot_be_of_one_clock_and_no_names_begin_together() -> None:
    assert begin_of(aligned(pictures(80_000 * SECOND, wall=None), sound(0, wall=None))) == 0


@pytest.mark.parametrize("off_s", [-400_000_000, -200 * 3600, 200 * 3600, 400_000_000])
def test_a_name_that_lies_by_days_is_not_believed(off_s: int) -> None:
    found = aligned(pictures(FAR + 3200 * MS, wall=WALL + off_s * SECOND), sound(FAR))
    assert begin_of(found) == 3200 * MS


@pytest.mark.parametrize("off_s", [-5 * 3600, 5 * 3600, 11 * 3600])
def test_stamps_that_are_hours_apart_and_have_no_names_are_not_of_one_clock(off_s: int) -> None:
    assert begin_of(aligned(pictures(20 * 3600 * SECOND + off_s * SECOND, wall=None), sound(20 * 3600 * SECOND))) == 0


@pytest.mark.parametrize("relation", [Relation.CONTINUES, Relation.PAUSE])
def test_a_clock_that_ran_on_is_left_alone(relation: Relation) -> None:
    place = pictures(0, wall=WALL + SECOND, relation=relation)
    assert aligned(place, sound(0)) is place


@pytest.mark.parametrize("relation", [Relation.RESTART, Relation.TAKEOVER])
def test_a_new_clock_is_that_of_the_other_lane_where_names_agree(relation: Relation) -> None:
    place = replace(pictures(FAR + SECOND, wall=None, relation=relation), shift=-FAR + 2 * MS)
    assert aligned(place, sound(FAR)).shift == -FAR
    off = replace(place, shift=-FAR + 20 * MS)
    assert aligned(off, sound(FAR)).shift == off.shift


def test_where_the_next_file_begins_moves_along() -> None:
    found = aligned(pictures(0, wall=WALL + SECOND), sound(0))
    assert found.until == {"video": Cut(dts=5 + SECOND, pts=7 + SECOND)}


def test_an_old_reading_of_the_wall_clock_gives_way_to_a_near_one_of_the_other_lane() -> None:
    own, other = (
        sound(0),
        replace(sound(0), readings=((WALL, 0), (WALL + 600 * SECOND, 601 * SECOND), (WALL + 900 * SECOND, 0))),
    )
    wall = WALL + 610 * SECOND
    assert informed(own, other, wall) == replace(own, readings=(*own.readings, other.readings[1]))
    assert informed(own, other, WALL + 50 * SECOND) is own
    assert informed(own, replace(other, readings=()), wall) is own
    assert informed(None, other, wall) is None

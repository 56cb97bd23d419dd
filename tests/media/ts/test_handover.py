"""From one file of a stream to the next. Pure values only."""

from dataclasses import replace

import pytest

from media.ts.chain import Chain, Leave, Link, Place, Relation, advance
from media.ts.handover import Spare, decide
from tests.media.ts.test_succession import BASE, LENGTH, SECOND, link

NEW_CLOCK = 5000 * SECOND


def original(number: int) -> Link:
    return link(number, wall=number * LENGTH)


def later(number: int, at: int, **how: object) -> Link:
    """A segment of the next file, which begins `at` ticks after the recording did, under a clock of its own."""
    return replace(link(number, NEW_CLOCK + at, wall=at, **how), file=1)


def chained(*links: Link) -> Chain:
    chain: Chain | None = None
    for one in links:
        place = decide(chain, [one])
        assert isinstance(place, Place)
        chain = advance(chain, place)
    assert chain is not None
    return chain


def begin(found: Place | Leave | Spare) -> int:
    assert not isinstance(found, Leave)
    return found.link.scan.shown_first + found.shift


@pytest.mark.parametrize("hole", [0, SECOND // 10, 8 * SECOND, 40 * SECOND])
def test_another_recorder_goes_on_where_the_clock_on_the_wall_says(hole: int) -> None:
    found = decide(chained(original(0), original(1)), [later(2, 2 * LENGTH + hole)])
    assert isinstance(found, Place)
    assert found.relation is Relation.TAKEOVER
    assert begin(found) == 2 * LENGTH + hole


def test_what_the_next_file_covers_is_cut_where_that_begins() -> None:
    at = 2 * LENGTH + SECOND
    found = decide(chained(original(0), original(1)), [original(2), later(3, at), original(4)])
    assert isinstance(found, Place)
    assert {kind: (cut.dts, cut.pts) for kind, cut in found.until.items()} == {"video": (at, at)}
    chain = advance(chained(original(0), original(1)), found)
    assert chain.end == at
    assert begin(decide(chain, [later(3, at), original(3)])) == at


def test_a_file_that_was_left_behind_is_spared_while_the_newer_one_goes_on() -> None:
    chain = chained(original(0), original(1), later(2, 2 * LENGTH))
    assert isinstance(decide(chain, [original(2)]), Spare)
    straddling = original(2), later(3, 3 * LENGTH)
    assert isinstance(decide(chain, straddling), Spare)


def test_it_is_used_again_where_it_reaches_further() -> None:
    chain = chained(original(0), original(1), later(2, 2 * LENGTH))
    found = decide(chain, [original(3), later(5, 9 * LENGTH)])
    assert isinstance(found, Place)
    assert (begin(found), found.relation) == (3 * LENGTH, Relation.TAKEOVER)


def test_a_name_that_is_right_within_a_second_makes_no_overlap_of_its_own() -> None:
    chain = chained(original(0), original(1))
    near = replace(later(2, 2 * LENGTH - SECOND // 2), wall_within=SECOND)
    assert begin(decide(chain, [near])) == 2 * LENGTH
    assert begin(decide(chain, [near, original(3)])) == 2 * LENGTH - SECOND // 2


def test_without_a_wall_clock_a_file_follows_where_the_one_before_ends() -> None:
    chain = chained(link(0), link(1))
    found = decide(chain, [replace(link(2, NEW_CLOCK), file=1)])
    assert begin(found) == 2 * LENGTH


def test_a_wall_clock_that_nobody_can_believe_is_not_believed() -> None:
    chain = chained(original(0), original(1))
    assert begin(decide(chain, [later(2, 40 * 3600 * SECOND)])) == 2 * LENGTH


def test_segments_of_another_file_do_not_tell_what_is_foreign_or_misplaced() -> None:
    chain = chained(original(0), original(1))
    pause = replace(original(2), scan=link(2, BASE + 5 * LENGTH).scan, wall=5 * LENGTH)
    found = decide(chain, [pause, later(3, 6 * LENGTH), original(6)])
    assert isinstance(found, Place)
    assert found.link is pause

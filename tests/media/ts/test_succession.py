"""Succession: which segment comes next, where it lies, and which does not belong. Pure values only."""

from dataclasses import replace

import pytest

from media.ts.chain import Chain, Leave, Link, Place, Relation, advance, delayed
from media.ts.psi import ProgramMap
from media.ts.scan import SegmentScan, TrackScan
from media.ts.succession import decide
from media.ts.units import STAMP_MODULUS

SECOND = 90_000
LENGTH = 2 * SECOND
BASE = 1000 * SECOND
HOUR = 3600 * SECOND


def track(begin: int, *, counter: int = 0, fingerprint: bytes = b"sps") -> TrackScan:
    return TrackScan(
        pid=0x100,
        type="video",
        codec="h264",
        samples=50,
        first_dts=begin,
        first_pts=begin,
        end=begin + LENGTH,
        shown_end=begin + LENGTH,
        fingerprint=fingerprint,
        audio=None,
        broken_units=0,
        headless_packets=0,
        ends_short=False,
        first_counter=counter,
        last_counter=(counter + 7) % 16,
    )


def link(number: int, begin: int | None = None, **how: object) -> Link:
    """The segment with this number; by default its stamps and counters go on."""
    start = BASE + number * LENGTH if begin is None else begin
    counter = int(how.pop("counter", number * 8))  # type: ignore[call-overload]
    fingerprint = how.pop("fingerprint", b"sps")
    assert isinstance(fingerprint, bytes)
    found = SegmentScan(
        size_bytes=1000,
        packets=5,
        junk_bytes=0,
        bad_packets=0,
        partial_bytes=0,
        tracks=(track(start, counter=counter % 16, fingerprint=fingerprint),),
        program=ProgramMap(),
        unsupported=(),
    )
    plain = Link(number=number, scan=found, digest=number, promised=LENGTH, missing_before=0, wall=None, tagged=False)
    return replace(plain, **how)  # type: ignore[arg-type]


def chained(*links: Link) -> Chain:
    """The chain after these were placed, each as decided when it stood alone."""
    chain: Chain | None = None
    for one in links:
        place = decide(chain, [one])
        assert isinstance(place, Place)
        chain = advance(chain, place)
    assert chain is not None
    return chain


def placed(chain: Chain, *window: Link) -> Place:
    place = decide(chain, window)
    assert isinstance(place, Place)
    return place


def left(chain: Chain, *window: Link) -> Leave:
    leave = decide(chain, window)
    assert isinstance(leave, Leave)
    return leave


def test_segments_that_go_on() -> None:
    chain = chained(link(0), link(1))
    place = placed(chain, link(2))
    assert place.relation is Relation.CONTINUES
    assert place.link.scan.first + place.shift == 2 * LENGTH


def test_the_clock_wraps_between_segments() -> None:
    near = STAMP_MODULUS - LENGTH
    chain = chained(link(0, near))
    place = placed(chain, link(1, 0))
    assert place.relation is Relation.CONTINUES
    assert place.shift == LENGTH


@pytest.mark.parametrize("seconds", [1, 60, 599])
def test_a_pause_keeps_the_clock(seconds: int) -> None:
    chain = chained(link(0), link(1))
    place = placed(chain, link(2, BASE + 2 * LENGTH + seconds * SECOND))
    assert place.relation is Relation.PAUSE
    assert place.link.scan.first + place.shift == 2 * LENGTH + seconds * SECOND


@pytest.mark.parametrize("tagged", [True, False])
def test_stamps_that_begin_anew_lie_at_the_end(*, tagged: bool) -> None:
    chain = chained(link(0), link(1))
    place = placed(chain, link(2, 0, tagged=tagged), link(3, 0, tagged=tagged))
    assert place.relation is Relation.RESTART
    assert place.link.scan.first + place.shift == 2 * LENGTH


def test_a_new_clock_is_tied_to_the_old_by_the_wall() -> None:
    chain = chained(link(0, wall=0), link(1, wall=LENGTH))
    place = placed(chain, link(2, 0, wall=2 * LENGTH + 500 * SECOND, tagged=True))
    assert place.relation is Relation.RESTART
    assert place.link.scan.first + place.shift == pytest.approx(2 * LENGTH + 500 * SECOND, abs=10)


@pytest.mark.parametrize(("stamp", "wall"), [(BASE + 13 * HOUR, None), (0, 24 * 365 * HOUR)])
def test_no_stamp_and_no_name_makes_an_output_endless(stamp: int, wall: int | None) -> None:
    """Pauses are filled with silence."""
    chain = chained(link(0, wall=0), link(1, wall=LENGTH))
    place = placed(chain, link(2, stamp, wall=wall, tagged=True))
    assert place.relation is Relation.RESTART
    assert place.link.scan.first + place.shift == 2 * LENGTH


def test_a_missing_segment_leaves_its_time() -> None:
    chain = chained(link(0), link(1))
    place = placed(chain, link(3, missing_before=LENGTH))
    assert place.relation is Relation.CONTINUES
    assert place.link.scan.first + place.shift == 3 * LENGTH


def test_a_missing_segment_before_a_new_clock_leaves_its_time() -> None:
    chain = chained(link(0), link(1))
    place = placed(chain, link(3, 0, missing_before=LENGTH, tagged=True))
    assert place.link.scan.first + place.shift == 3 * LENGTH


def test_a_segment_listed_too_late_is_taken_in_its_turn() -> None:
    chain = chained(link(0), link(1))
    place = placed(chain, link(3), link(2), link(4))
    assert place.link.number == 2
    assert place.out_of_order


def test_the_first_two_swapped() -> None:
    place = decide(None, [link(1), link(0), link(2)])
    assert isinstance(place, Place)
    assert (place.link.number, place.out_of_order) == (0, True)


def test_a_repeated_segment_is_left_out() -> None:
    chain = chained(link(0), link(1))
    assert left(chain, replace(link(1), number=2), link(3)).code == "segment_repeated"


@pytest.mark.parametrize("elsewhere", [-500, 500])
def test_one_whose_stamps_lie_elsewhere_is_foreign(elsewhere: int) -> None:
    chain = chained(link(0), link(1))
    strange = link(2, BASE + (elsewhere + 4) * SECOND)
    assert left(chain, strange, link(3), link(4)).code == "segment_foreign"


def test_a_foreign_first_one() -> None:
    leave = decide(None, [link(0, BASE + 5000 * SECOND), link(1), link(2)])
    assert isinstance(leave, Leave)
    assert leave.code == "segment_foreign"


@pytest.mark.parametrize("wall", [True, False], ids=["slice names", "no wall clock"])
def test_a_foreign_last_one(*, wall: bool) -> None:
    walls = [n * LENGTH if wall else None for n in range(3)]
    chain = chained(link(0, wall=walls[0]), link(1, wall=walls[1]))
    strange = link(2, BASE + 5000 * SECOND, wall=walls[2])
    assert left(chain, strange).code == "segment_foreign"


def test_a_last_one_after_a_pause_that_its_name_tells_is_not_foreign() -> None:
    chain = chained(link(0, wall=0), link(1, wall=LENGTH))
    later = 5000 * SECOND
    assert placed(chain, link(2, BASE + later, wall=later)).relation is Relation.PAUSE


@pytest.mark.parametrize("hole", [0.4, 0.7, 1.0])
def test_a_last_one_after_a_short_hole_that_its_name_tells_is_not_foreign(hole: float) -> None:
    chain = chained(link(0, wall=0), link(1, wall=LENGTH))
    due = 2 * LENGTH + round(hole * SECOND)
    assert placed(chain, link(2, BASE + due, wall=due)).relation is Relation.PAUSE


def test_a_last_one_whose_name_tells_of_no_hole_is_foreign() -> None:
    chain = chained(link(0, wall=0), link(1, wall=LENGTH))
    strange = link(2, BASE + 2 * LENGTH + SECOND // 2, wall=2 * LENGTH)
    assert left(chain, strange).code == "segment_foreign"


def test_nor_is_one_with_other_parameters_kept_after_a_short_hole() -> None:
    chain = chained(link(0, wall=0), link(1, wall=LENGTH))
    due = 2 * LENGTH + SECOND // 2
    assert left(chain, link(2, BASE + due, wall=due, fingerprint=b"other")).code == "segment_foreign"


@pytest.mark.parametrize("wall", [True, False], ids=["slice names", "no wall clock"])
def test_one_that_leads_to_the_next_after_a_short_hole_is_not_foreign(*, wall: bool) -> None:
    length, hole = 15 * SECOND, SECOND // 2
    chain = chained(link(0, wall=0 if wall else None))
    begins = LENGTH + hole
    head = link(1, BASE + begins, promised=length, wall=begins if wall else None)
    following = link(2, BASE + begins + length, wall=begins + length if wall else None)
    assert placed(chain, head, following).relation is Relation.PAUSE


def test_other_parameters_between_equal_ones_are_foreign() -> None:
    chain = chained(link(0), link(1))
    strange = link(2, fingerprint=b"other", counter=5)
    assert left(chain, strange, link(3), link(4)).code == "segment_foreign"
    assert isinstance(decide(chain, [replace(strange, tagged=True), link(3)]), Place)
    assert isinstance(decide(chain, [strange, link(3, fingerprint=b"other", counter=13)]), Place)


def test_other_parameters_for_one_segment_are_its_own_where_the_counters_run_on() -> None:
    chain = chained(link(0), link(1))
    assert placed(chain, link(2, fingerprint=b"other"), link(3), link(4)).relation is Relation.CONTINUES


def test_other_parameters_between_equal_ones_are_foreign_where_counters_mean_nothing() -> None:
    chain = chained(link(0, counter=0), link(1, counter=0))
    strange = link(2, fingerprint=b"other", counter=0)
    assert left(chain, strange, link(3, counter=0), link(4, counter=0)).code == "segment_foreign"


def test_counters_that_fit_neither_side_are_foreign() -> None:
    chain = chained(link(0), link(1))
    assert left(chain, link(2, counter=5), link(3), link(4)).code == "segment_foreign"


def test_counters_that_always_restart_mean_nothing() -> None:
    chain = chained(link(0, counter=0), link(1, counter=0))
    assert placed(chain, link(2, counter=0), link(3, counter=0)).relation is Relation.CONTINUES


def test_the_time_of_one_left_out_is_missing_before_the_next() -> None:
    assert delayed(link(3), LENGTH).missing_before == LENGTH


@pytest.mark.parametrize("tagged", [True, False])
def test_a_new_clock_is_not_taken_for_misorder(*, tagged: bool) -> None:
    """After three segments the fourth of a new run has just the stamp that would be due."""
    chain = chained(link(0, 0, digest=100), link(1, LENGTH, digest=101), link(2, 2 * LENGTH, digest=102))
    run = [link(3 + n, n * LENGTH, tagged=tagged and n == 0) for n in range(4)]
    place = placed(chain, *run)
    assert (place.link.number, place.relation) == (3, Relation.RESTART)


def test_equal_sound_under_clocks_that_always_begin_anew_is_used() -> None:
    chain = chained(link(0, 0, digest=7))
    assert isinstance(decide(chain, [link(1, 0, digest=7), link(2, 0, digest=7)]), Place)

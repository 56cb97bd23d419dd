"""Lanes of one stream on one timeline: where a run of one lies beside the other's.

A recorder stamps sound and pictures of a user by one clock, mostly; and names or tags say by the wall clock when each
began. Names are whole milliseconds, stamps are finer, so stamps are believed where the two agree, and only there: each
playlist may count from zero. Pure.
"""

from collections.abc import Callable
from dataclasses import replace

from media.timing import TICKS_PER_SECOND
from media.ts.chain import Chain, Cut, Place, Relation, is_credible, placed, wrapped

_NAMED = 3 * TICKS_PER_SECOND // 1000
"""How far two times may lie apart that were rounded to milliseconds."""
_UNDER_WAY = 10 * TICKS_PER_SECOND
"""Stamps beyond this are those of a clock that runs; below, they may be any muxer's first ones, and tell nothing."""
_STALE = 60 * TICKS_PER_SECOND
"""A reading of the wall clock that is older is left for the other lane's: clocks drift."""
_UNNAMED = 600 * TICKS_PER_SECOND
"""Stamps alone may put a lane so much later than the other; by chance they put it anywhere within a day."""
_OWN_CLOCK = frozenset({Relation.CONTINUES, Relation.PAUSE})


def informed(chain: Chain | None, sibling: Chain | None, wall: int | None) -> Chain | None:
    """The chain with the other lane's reading of the wall clock, where its own is old and that is nearer to `wall`."""
    if chain is None or sibling is None or wall is None:
        return chain
    near = sibling.reading_near(wall)
    if near is None or (chain.dated and abs(wall - chain.dated[0]) <= max(_STALE, abs(wall - near[0]))):
        return chain
    return replace(chain, readings=(*chain.readings, near))


def aligned(place: Place, sibling: Chain | None) -> Place:
    """The place by the other lane's clock, where its segment begins a run and that clock is the same.

    The first segment of a lane has no place yet: the wall clock puts it beside the other lane, else their stamps do.
    """
    if sibling is None or place.relation in _OWN_CLOCK:
        return place
    by_wall = _by_wall(place, sibling) if place.relation is Relation.FIRST else place.shift
    if by_wall is not None and _is_near(sibling, place.link.scan.shown_first + by_wall, is_credible):
        by_stamps = by_wall + wrapped(sibling.shift - by_wall)
        return _moved(place, by_stamps if _agree(place, by_stamps, by_wall) else by_wall)
    by_stamps = placed(sibling, place.link, place.relation).shift
    is_one_clock = _is_near(sibling, place.link.scan.shown_first + by_stamps, _is_soon)
    return _moved(place, by_stamps if is_one_clock else sibling.since - place.link.scan.shown_first)


def _is_near(sibling: Chain, begin: int, after: Callable[[Chain, int], bool]) -> bool:
    """Whether a lane may begin there: not long before the other one, nor later `after` that than can be."""
    return sibling.since - begin <= _STALE and after(sibling, begin)


def _is_soon(sibling: Chain, begin: int) -> bool:
    return begin - sibling.end <= _UNNAMED


def _moved(place: Place, shift: int) -> Place:
    by = shift - place.shift
    until = {track: Cut(dts=cut.dts + by, pts=cut.pts + by) for track, cut in place.until.items()}
    return replace(place, shift=shift, until=until)


def _by_wall(place: Place, sibling: Chain) -> int | None:
    near = None if place.link.wall is None else sibling.reading_near(place.link.wall)
    if near is None or place.link.wall is None:
        return None
    wall, at = near
    return at + place.link.wall - wall - place.link.scan.lead_first


def _agree(place: Place, by_stamps: int, by_wall: int) -> bool:
    off = abs(by_stamps - by_wall)
    if off <= _NAMED:
        return True
    return off <= place.link.wall_within and place.link.scan.first > _UNDER_WAY

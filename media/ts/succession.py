"""Succession: which segment of a file comes next, and where it lies on the output's timeline.

Pure: `decide` looks at the chain so far and at a few scanned segments ahead, and answers with a value.
"""

import itertools
from collections.abc import Sequence

from media.ts.chain import (
    CLOCK_TOLERANCE,
    FRESH_START,
    TIGHT,
    Chain,
    Leave,
    Link,
    Place,
    Relation,
    advance,
    is_credible,
    lag_of,
    placed,
    restarted,
    restarted_by_wall,
    shown_by_stamps,
    shown_by_wall,
    tolerance,
)
from media.ts.foreign import disagrees, foreign_by_stamps, odd_one_out

LOOK_AHEAD = 3
"""How many segments after the next one `decide` is shown, so that one that does not belong can be told by its
successors."""


def decide(chain: Chain | None, window: Sequence[Link]) -> Place | Leave:
    """What to do with the segments of `window` (in playlist order, at least one): place one, or leave one out."""
    if chain is None:
        return _begin(window)
    head = window[0]
    lag = lag_of(chain, head) - head.missing_before
    if abs(lag) <= tolerance(head.missing_before) and not (head.tagged and _off_the_clock(chain, head)):
        return odd_one_out(chain, window) or placed(chain, head, Relation.CONTINUES)
    if head.digest in chain.recent and not (chain.restarts or head.tagged or _always_fresh(window)):
        return Leave(link=head, code="segment_repeated", detail="its bytes are those of an earlier slice")
    for other in _misplaced(window):
        if abs(lag_of(chain, other)) <= TIGHT:
            return placed(chain, other, Relation.CONTINUES, out_of_order=True)
    return foreign_by_stamps(chain, window) or _after_jump(chain, head, lag)


def _begin(window: Sequence[Link]) -> Place | Leave:
    head = window[0]
    first = Place(link=head, shift=-head.scan.first, relation=Relation.FIRST)
    alone = advance(None, first)
    if len(window) > 2 and not any(link.tagged or link.announced for link in window[1:3]):
        later = advance(None, Place(link=window[1], shift=-window[1].scan.first, relation=Relation.FIRST))
        if reason := disagrees(alone, later, window[1], window[2]):
            return Leave(link=head, code="segment_foreign", detail=reason)
    for other in _misplaced(window):
        before = advance(None, Place(link=other, shift=-other.scan.first, relation=Relation.FIRST))
        if abs(lag_of(before, head)) <= TIGHT:
            return Place(link=other, shift=-other.scan.first, relation=Relation.FIRST, out_of_order=True)
    return first


def _misplaced(window: Sequence[Link]) -> Sequence[Link]:
    """Segments that may belong before the head: none beyond a discontinuity, nor where the head begins a run."""
    head, later = window[0], list(itertools.takewhile(lambda link: not link.tagged, window[1:]))
    if head.tagged or head.missing_before or not later:
        return ()
    alone = advance(None, Place(link=head, shift=-head.scan.first, relation=Relation.FIRST))
    return () if abs(lag_of(alone, later[0])) <= TIGHT else later


def _after_jump(chain: Chain, head: Link, lag: int) -> Place:
    """A pause, or time that came before, keeps the recorder's clock; else a new one is tied to it by wall or order."""
    pause = lag > 0 and is_credible(chain, chain.end + lag)
    by_wall = shown_by_wall(chain, head.wall)
    if by_wall is None:
        return placed(chain, head, Relation.PAUSE) if pause else restarted(chain, head, head.missing_before)
    if abs(by_wall - shown_by_stamps(chain, head)) <= CLOCK_TOLERANCE and (pause or lag < 0):
        return placed(chain, head, Relation.PAUSE if pause else Relation.CONTINUES)
    return restarted_by_wall(chain, head, by_wall)


def _off_the_clock(chain: Chain, head: Link) -> bool:
    """Whether the wall clock puts the segment elsewhere: after a discontinuity, stamps may fit by chance."""
    by_wall = shown_by_wall(chain, head.wall)
    return by_wall is not None and abs(by_wall - chain.end - head.missing_before) > CLOCK_TOLERANCE


def _always_fresh(window: Sequence[Link]) -> bool:
    """Whether every segment begins a clock of its own: then equal bytes are equal sound, such as silence."""
    return all(link.scan.first <= FRESH_START for link in window[:2])

"""Foreign segments: which of them are of another recording, told by those around them.

Pure. Where nothing around a segment speaks against it, it belongs.
"""

import itertools
from collections.abc import Sequence

from media.timing import TICKS_PER_SECOND
from media.ts.chain import (
    CLOCK_TOLERANCE,
    FRESH_START,
    TIGHT,
    TOLERANCE,
    Chain,
    Leave,
    Link,
    Relation,
    advance,
    counts_on,
    differing,
    lag_of,
    placed,
    shown_by_stamps,
    shown_by_wall,
    tolerance,
)

_EXACT = 3 * TICKS_PER_SECOND // 1000
_LONGEST_UNMARKED_PAUSE = 600 * TICKS_PER_SECOND
"""Longer before a single last segment, without any mark of it: more likely a stray segment than a pause."""


def disagrees(alone: Chain, later: Chain, second: Link, third: Link) -> str | None:
    """Why the first segment does not belong to the second and third, which belong to each other."""
    if third.missing_before or abs(lag_of(later, third)) > TIGHT or differing(later, third):
        return None
    if _fits_exactly(alone, second):
        return None
    if differing(alone, second):
        return "its parameters differ from those of the slices after it, and no discontinuity is declared"
    lag = lag_of(alone, second) - second.missing_before
    fresh = second.scan.first <= FRESH_START
    if lag < -TOLERANCE and not fresh and second.digest != alone.last.digest:
        return f"its time stamps lie {-lag / TICKS_PER_SECOND:.3f} s after those of the slices that follow it"
    same_streams = {(t.pid, t.type) for t in alone.last.scan.tracks} == {(t.pid, t.type) for t in second.scan.tracks}
    continuous = not second.missing_before and abs(lag) <= TIGHT and counts_on(second.scan, third.scan)
    continuous &= same_streams
    if continuous and not counts_on(alone.last.scan, second.scan):
        return "its continuity counters do not lead to those of the slices after it"
    return None


def odd_one_out(chain: Chain, window: Sequence[Link]) -> Leave | None:
    """A segment whose stamps fit, but whose content is of another recording: it alone differs from both sides."""
    if odd := _differing_alone(chain, window):
        return odd
    if (following := _neighbours(chain, window)) is None:
        return None
    head = window[0]
    steady = chain.counted_on == chain.placed - 1 and not head.missing_before
    steady = steady and abs(lag_of(chain, head)) <= TIGHT and not counts_on(chain.last.scan, head.scan)
    if steady and not any(link.missing_before or counts_on(head.scan, link.scan) for link in following):
        detail = "its continuity counters fit neither side, while those of all other slices run on"
        return Leave(link=head, code="segment_foreign", detail=detail)
    return None


def _differing_alone(chain: Chain, window: Sequence[Link]) -> Leave | None:
    """One muxer may change the picture's size for one segment and back; then its continuity counters run on."""
    if (following := _neighbours(chain, window)) is None or not differing(chain, window[0]):
        return None
    runs_on = counts_on(chain.last.scan, window[0].scan) and any(counts_on(window[0].scan, n.scan) for n in following)
    if runs_on or any(differing(chain, link) for link in following):
        return None
    if not following and _fits_exactly(chain, window[0]):
        return None
    detail = "its parameters differ from those of the slices around it, and no discontinuity is declared"
    return Leave(link=window[0], code="segment_foreign", detail=detail)


def _neighbours(chain: Chain, window: Sequence[Link]) -> Sequence[Link] | None:
    """The segment behind the head, if there is one; None where what is on either side of the head says nothing."""
    if chain.placed < 2 or any(link.tagged or link.announced for link in window[:2]):
        return None
    return window[1:2]


def foreign_by_stamps(chain: Chain, window: Sequence[Link]) -> Leave | None:
    """A segment that begins elsewhere than due, while what comes behind it, or nothing at all, speaks for it."""
    head = window[0]
    if head.tagged:
        return None
    if _lets_others_go_on(chain, window) or _is_stray(chain, window):
        return Leave(link=head, code="segment_foreign", detail=_elsewhere(chain, head))
    is_near = abs(lag_of(chain, head) - head.missing_before) <= CLOCK_TOLERANCE and _ran_on(chain, head)
    return _differing_alone(chain, window) if is_near else None


def _lets_others_go_on(chain: Chain, window: Sequence[Link]) -> bool:
    """Whether one behind the head goes on where the chain ends, and less so where the head leads, or what is between.

    After a short hole all do, within the tolerance; but there the head leads to them.
    """
    with_head, due = chain, window[0].missing_before
    offs = [lag_of(chain, window[0]) - due]
    for one, following in itertools.pairwise(window):
        with_head = advance(with_head, placed(with_head, one, Relation.CONTINUES))
        due += one.promised + following.missing_before
        off = lag_of(chain, following) - due
        # of a large segment only the beginning is scanned by now, and promises may be rounded to seconds
        others = [lag_of(with_head, following) - following.missing_before, off - offs[0], off - offs[-1]]
        if (abs(off) <= tolerance(due) or _is_told_by_wall(chain, following)) and abs(off) < min(map(abs, others)):
            return True
        offs.append(off)
    return False


def _is_stray(chain: Chain, window: Sequence[Link]) -> bool:
    """Whether nothing explains the stamps of a last segment: no new clock, no pause that the wall clock tells of."""
    head = window[0]
    if len(window) > 1 or chain.placed < 2:
        return False
    lag, by_wall = lag_of(chain, head), shown_by_wall(chain, head.wall)
    if by_wall is None:
        return (lag < 0 and _ran_on(chain, head)) or lag > _LONGEST_UNMARKED_PAUSE or differing(chain, head)
    off_due, off_stamps = abs(by_wall - chain.end - head.missing_before), abs(by_wall - shown_by_stamps(chain, head))
    return _ran_on(chain, head) and off_due <= CLOCK_TOLERANCE and off_due < off_stamps


def _ran_on(chain: Chain, head: Link) -> bool:
    return head.scan.first > FRESH_START and not chain.restarts


def _is_told_by_wall(chain: Chain, link: Link) -> bool:
    """Whether the wall clock puts the segment where its stamps do."""
    by_wall = shown_by_wall(chain, link.wall)
    return by_wall is not None and abs(by_wall - shown_by_stamps(chain, link)) <= TOLERANCE


def _fits_exactly(chain: Chain, link: Link) -> bool:
    """Whether a segment follows, and its stamps say to the millisecond what its name does."""
    by_wall = shown_by_wall(chain, link.wall)
    is_named = by_wall is not None and abs(by_wall - shown_by_stamps(chain, link)) <= _EXACT
    return is_named and abs(lag_of(chain, link)) <= TIGHT


def _elsewhere(chain: Chain, link: Link) -> str:
    lag = (lag_of(chain, link) - link.missing_before) / TICKS_PER_SECOND
    where = "later" if lag > 0 else "earlier"
    return f"its time stamps lie {abs(lag):.3f} s {where} than due"

"""From one file of a stream to the next: another recorder took over, or the same one began anew.

Several recorders may have written the same seconds, each under a clock of its own. Segments come in the order of their
wall clock, whoever wrote them, so that the first usable one of the next file is seen before anything it covers is
placed: what the file before it holds is cut where that one begins, because a new file begins with a sync sample and the
head of it cannot be cut. What comes of a file that was left behind is spared, unless it reaches further than the newer
one goes. Pure, as `media.ts.succession` is, which decides within one file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from media.timing import TICKS_PER_SECOND
from media.ts import chain as within
from media.ts import succession
from media.ts.chain import Chain, Cut, Leave, Link, Place, Relation, advance

_NO_FURTHER = 35 * TICKS_PER_SECOND // 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Spare:
    """Do not use `link`: its time is there already, by another file. `shift` says when it would have been.

    `too_late`: it is not; it came after the next file had begun, and nothing can be placed before that any more.
    """

    link: Link
    shift: int
    too_late: bool = False


def decide(chain: Chain | None, window: Sequence[Link]) -> Place | Leave | Spare:
    """What to do with the segments of `window` (in plan order, at least one), of one file or of several."""
    head = window[0]
    found: Place | Leave | Spare
    if chain is not None and head.file != chain.last.file and not _is_early(chain, window):
        found = _handed_over(chain, head, window[1:])
    else:
        file = head.file if chain is None else chain.last.file
        found = succession.decide(chain, [link for link in window if link.file == file])
    return _limited(chain, found, window) if isinstance(found, Place) else found


def _is_early(chain: Chain, window: Sequence[Link]) -> bool:
    """Whether the next file came before the last of the one it follows, because that has no clock in its names."""
    head = window[0]
    if head.file < chain.last.file or all(link.file != chain.last.file for link in window):
        return False
    shift = _shift(chain, head, goes_on=True)
    return shift is None or head.scan.shown_first + shift > chain.end + _NO_FURTHER


def _handed_over(chain: Chain, head: Link, following: Sequence[Link]) -> Place | Spare:
    shift = _shift(chain, head, goes_on=any(link.file == chain.last.file for link in following))
    if shift is None:
        return replace(within.restarted(chain, head, head.missing_before), relation=Relation.TAKEOVER)
    # of a large segment only the beginning is scanned by now
    end = head.scan.shown_first + max(head.scan.span, head.promised) + shift
    is_behind = head.file < chain.last.file
    if end <= chain.end + (_NO_FURTHER if is_behind else 0) or (is_behind and _goes_on(chain, head, following)):
        too_late = is_behind and head.scan.shown_first + shift + _NO_FURTHER < chain.since
        return Spare(link=head, shift=shift, too_late=too_late)
    return Place(link=head, shift=shift, relation=Relation.TAKEOVER)


def _goes_on(chain: Chain, head: Link, following: Sequence[Link]) -> bool:
    """Whether a newer file than that of `head` holds what comes next."""
    shifts = ((link, _shift(chain, link, goes_on=True)) for link in following if link.file > head.file)
    return any(shift is not None and link.scan.shown_first + shift <= chain.end + _NO_FURTHER for link, shift in shifts)


def _limited(chain: Chain | None, place: Place, window: Sequence[Link]) -> Place:
    """The place, with where the next file begins: from there on that one is used."""
    newer = next((link for link in window if link.file > place.link.file), None)
    if newer is None:
        return place
    goes_on = any(link.file == place.link.file and link is not place.link for link in window)
    shift = _shift(advance(chain, place), newer, goes_on=goes_on)
    if shift is None:
        return place
    cuts = {t.type: Cut(dts=t.first_dts + shift, pts=t.first_pts + shift) for t in newer.scan.tracks}
    return replace(place, until=cuts)


def _shift(chain: Chain, link: Link, *, goes_on: bool) -> int | None:
    """What makes stamps of another file output time; None if nothing tells.

    A wall clock that is right within a second only says nothing against a file that begins where the one before ends,
    unless that one goes on.
    """
    begin = within.shown_by_wall(chain, link.wall)
    if begin is not None:
        if not goes_on and abs(begin - chain.end) <= link.wall_within:
            return within.restarted(chain, link, 0).shift
        is_credible = within.is_credible(chain, begin)
        return begin - link.scan.lead_first if is_credible else None
    own = chain.shifts.get(link.file)
    return None if own is None else chain.end + within.wrapped(link.scan.first + own - chain.end) - link.scan.first

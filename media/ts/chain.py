"""The chain of segments: which comes next, where its stamps lie on the output's timeline, and which does not belong.

Pure: `decide` looks at the chain so far and at a few scanned segments ahead, and answers with a value. All times are
90 kHz ticks of the output's timeline, which never wraps; stamps of a segment become output time by adding a shift.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from media.samples import TrackType
from media.timing import TICKS_PER_SECOND
from media.ts.scan import SegmentScan, TrackScan
from media.ts.units import STAMP_MODULUS

LOOK_AHEAD = 3
"""How many segments after the next one `decide` is shown, so that one that does not belong can be told by its
successors."""

_TOLERANCE = 35 * TICKS_PER_SECOND // 100
_TIGHT = TICKS_PER_SECOND // 10
_CLOCK_TOLERANCE = TICKS_PER_SECOND
_LONGEST_PAUSE = 12 * 3600 * TICKS_PER_SECOND
_LONGEST_UNMARKED_PAUSE = 600 * TICKS_PER_SECOND
"""Longer before a single last segment, without any mark of it: more likely a stray segment than a pause."""
_LONGEST_OUTPUT = 100 * 3600 * TICKS_PER_SECOND
"""A bound on what stamps and names may ask for: pauses are filled with silence, and must not fill a store."""
_REMEMBERED = 64
_FRESH_START = 5 * TICKS_PER_SECOND // 2


class Relation(StrEnum):
    """How a segment follows on the one before it."""

    FIRST = "first"
    CONTINUES = "continues"
    PAUSE = "pause"
    RESTART = "restart"
    TAKEOVER = "takeover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One scanned segment as the chain sees it.

    `promised` is its EXTINF, `missing_before` the EXTINF sum of what is missing between it and the one before it in
    the playlist, `wall` its exact wall clock if it has one, right to `wall_within`; all in ticks. `tagged`: a
    discontinuity was declared. `file` counts the files of a stream that follow each other (see `media.ts.handover`).
    """

    number: int
    scan: SegmentScan
    digest: int
    promised: int
    missing_before: int
    wall: int | None
    tagged: bool
    file: int = 0
    wall_within: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What was placed so far. `ends` is where the next sample of each track is due.

    `dated` is the wall clock of the newest segment that has one, and when that segment begins in the output; `led` the
    same for its leading track, which names are given by. `shifts` are the newest of each file. `since` is where the
    file that was placed last took over.
    """

    ends: Mapping[TrackType, int]
    shift: int
    last: Link
    dated: tuple[int, int] | None
    led: tuple[int, int] | None
    shifts: Mapping[int, int]
    fingerprints: Mapping[TrackType, bytes]
    recent: tuple[int, ...]
    restarts: bool
    counted_on: int
    placed: int
    since: int = 0

    @property
    def end(self) -> int:
        """Where the chain ends, over all tracks."""
        return max(self.ends.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """From these decode and presentation times on, in the output, a track is another file's."""

    dts: int
    pts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Use `link` now, up to where `until` cuts its tracks; its stamps become output time by adding `shift`."""

    link: Link
    shift: int
    relation: Relation
    out_of_order: bool = False
    until: Mapping[TrackType, Cut] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """Do not use `link`: a finding code of `media.findings` and what shows it."""

    link: Link
    code: str
    detail: str


def decide(chain: Chain | None, window: Sequence[Link]) -> Place | Leave:
    """What to do with the segments of `window` (in playlist order, at least one): place one, or leave one out."""
    if chain is None:
        return _begin(window)
    head = window[0]
    lag = _lag(chain, head) - head.missing_before
    if abs(lag) <= _tolerance(head.missing_before) and not (head.tagged and _off_the_clock(chain, head)):
        return _odd_one_out(chain, window) or _placed(chain, head, Relation.CONTINUES)
    if head.digest in chain.recent and not (chain.restarts or head.tagged or _always_fresh(window)):
        return Leave(link=head, code="segment_repeated", detail="its bytes are those of an earlier slice")
    for other in _misplaced(window):
        if abs(_lag(chain, other)) <= _TIGHT:
            return _placed(chain, other, Relation.CONTINUES, out_of_order=True)
    return _foreign_by_stamps(chain, window) or _after_jump(chain, head, lag)


def advance(chain: Chain | None, place: Place) -> Chain:
    """The chain with one more segment."""
    link, tracks = place.link, place.link.scan.tracks
    ends = {t.type: _end(t, place) for t in tracks}
    fingerprints = {t.type: t.fingerprint for t in tracks if t.fingerprint}
    if chain is None:
        return Chain(
            ends=ends,
            shift=place.shift,
            last=link,
            dated=_dated(place),
            led=_led(place),
            shifts={link.file: place.shift},
            fingerprints=fingerprints,
            recent=(link.digest,),
            restarts=False,
            counted_on=0,
            placed=1,
            since=link.scan.shown_first + place.shift,
        )
    is_other = place.relation is Relation.TAKEOVER
    return replace(
        chain,
        ends={**chain.ends, **ends},
        shift=place.shift,
        last=link,
        dated=_dated(place) or chain.dated,
        led=_led(place) or chain.led,
        shifts={**chain.shifts, link.file: place.shift},
        fingerprints=fingerprints if is_other else {**chain.fingerprints, **fingerprints},
        recent=(*chain.recent, link.digest)[-_REMEMBERED:],
        restarts=place.relation is Relation.RESTART,
        counted_on=0 if is_other else chain.counted_on + counts_on(chain.last.scan, link.scan),
        placed=1 if is_other else chain.placed + 1,
        since=link.scan.shown_first + place.shift if is_other else chain.since,
    )


def _end(track: TrackScan, place: Place) -> int:
    end, cut = track.end + place.shift, place.until.get(track.type)
    return min(end, cut.dts) if cut else end


def _dated(place: Place) -> tuple[int, int] | None:
    """Wall clock of the segment, and when it begins in the output."""
    link = place.link
    return None if link.wall is None else (link.wall, link.scan.shown_first + place.shift)


def _led(place: Place) -> tuple[int, int] | None:
    """Wall clock of the segment, and when its leading track begins in the output."""
    link = place.link
    return None if link.wall is None else (link.wall, link.scan.lead_first + place.shift)


def delayed(link: Link, missing: int) -> Link:
    """The link with more time missing before it, because another was left out there."""
    return replace(link, missing_before=link.missing_before + missing)


def completed(link: Link, scan: SegmentScan) -> Link:
    """The link with the scan of its whole segment, where only its beginning was known."""
    return replace(link, scan=scan)


def _placed(chain: Chain, link: Link, relation: Relation, *, out_of_order: bool = False) -> Place:
    return Place(link=link, shift=_same_clock_shift(chain, link), relation=relation, out_of_order=out_of_order)


def _tolerance(missing: int) -> int:
    return _TOLERANCE + missing // 20


def wrapped(difference: int) -> int:
    """A difference of two stamps, the short way round their clock."""
    half = STAMP_MODULUS >> 1
    return (difference + half) % STAMP_MODULUS - half


def _lag(chain: Chain, link: Link) -> int:
    """How much later than due the segment begins if the recorder's clock ran on: the track that says least of it."""
    lags = [
        wrapped(track.first_dts + chain.shift - chain.ends[track.type])
        for track in link.scan.tracks
        if track.type in chain.ends
    ]
    return min(lags, key=abs) if lags else wrapped(link.scan.first + chain.shift - chain.end)


def _same_clock_shift(chain: Chain, link: Link) -> int:
    """The shift under which stamps go on counting, whatever number of clock wraps lies between."""
    return chain.end + wrapped(link.scan.first + chain.shift - chain.end) - link.scan.first


def _begin(window: Sequence[Link]) -> Place | Leave:
    head = window[0]
    first = Place(link=head, shift=-head.scan.first, relation=Relation.FIRST)
    alone = advance(None, first)
    if len(window) > 2 and not window[1].tagged and not window[2].tagged:
        later = advance(None, Place(link=window[1], shift=-window[1].scan.first, relation=Relation.FIRST))
        if reason := _disagrees(alone, later, window[1], window[2]):
            return Leave(link=head, code="segment_foreign", detail=reason)
    for other in _misplaced(window):
        before = advance(None, Place(link=other, shift=-other.scan.first, relation=Relation.FIRST))
        if abs(_lag(before, head)) <= _TIGHT:
            return Place(link=other, shift=-other.scan.first, relation=Relation.FIRST, out_of_order=True)
    return first


def _misplaced(window: Sequence[Link]) -> Sequence[Link]:
    """Segments that may belong before the head: none beyond a discontinuity, nor where the head begins a run."""
    head, later = window[0], list(itertools.takewhile(lambda link: not link.tagged, window[1:]))
    if head.tagged or head.missing_before or not later:
        return ()
    alone = advance(None, Place(link=head, shift=-head.scan.first, relation=Relation.FIRST))
    return () if abs(_lag(alone, later[0])) <= _TIGHT else later


def _disagrees(alone: Chain, later: Chain, second: Link, third: Link) -> str | None:
    """Why the first segment does not belong to the second and third, which belong to each other."""
    if third.missing_before or abs(_lag(later, third)) > _TIGHT or _differing(later, third):
        return None
    if _differing(alone, second):
        return "its parameters differ from those of the slices after it, and no discontinuity is declared"
    lag = _lag(alone, second) - second.missing_before
    fresh = second.scan.first <= _FRESH_START
    if lag < -_TOLERANCE and not fresh and second.digest != alone.last.digest:
        return f"its time stamps lie {-lag / TICKS_PER_SECOND:.3f} s after those of the slices that follow it"
    same_streams = {(t.pid, t.type) for t in alone.last.scan.tracks} == {(t.pid, t.type) for t in second.scan.tracks}
    continuous = not second.missing_before and abs(lag) <= _TIGHT and counts_on(second.scan, third.scan)
    continuous &= same_streams
    if continuous and not counts_on(alone.last.scan, second.scan):
        return "its continuity counters do not lead to those of the slices after it"
    return None


def _differing(chain: Chain, link: Link) -> bool:
    return any(
        track.fingerprint and track.fingerprint != chain.fingerprints.get(track.type, track.fingerprint)
        for track in link.scan.tracks
    )


def counts_on(earlier: SegmentScan, later: SegmentScan) -> bool:
    """Whether the continuity counters of all common streams run on across two segments."""
    pairs = [(a, b) for a in earlier.tracks for b in later.tracks if (a.pid, a.type) == (b.pid, b.type)]
    return bool(pairs) and all((a.last_counter + 1) % 16 == b.first_counter for a, b in pairs)


def _off_the_clock(chain: Chain, head: Link) -> bool:
    """Whether the wall clock puts the segment elsewhere: after a discontinuity, stamps may fit by chance."""
    by_wall = _by_wall(chain, head)
    return by_wall is not None and abs(by_wall - chain.end - head.missing_before) > _CLOCK_TOLERANCE


def _always_fresh(window: Sequence[Link]) -> bool:
    """Whether every segment begins a clock of its own: then equal bytes are equal sound, such as silence."""
    return all(link.scan.first <= _FRESH_START for link in window[:2])


def _odd_one_out(chain: Chain, window: Sequence[Link]) -> Leave | None:
    """A segment whose stamps fit, but whose content is of another recording: it alone differs from both sides."""
    if odd := _differing_alone(chain, window):
        return odd
    if (following := _neighbours(chain, window)) is None:
        return None
    head = window[0]
    steady = chain.counted_on == chain.placed - 1 and not head.missing_before
    steady = steady and abs(_lag(chain, head)) <= _TIGHT and not counts_on(chain.last.scan, head.scan)
    if steady and not any(link.missing_before or counts_on(head.scan, link.scan) for link in following):
        detail = "its continuity counters fit neither side, while those of all other slices run on"
        return Leave(link=head, code="segment_foreign", detail=detail)
    return None


def _differing_alone(chain: Chain, window: Sequence[Link]) -> Leave | None:
    """One muxer may change the picture's size for one segment and back; then its continuity counters run on."""
    if (following := _neighbours(chain, window)) is None or not _differing(chain, window[0]):
        return None
    runs_on = counts_on(chain.last.scan, window[0].scan) and any(counts_on(window[0].scan, n.scan) for n in following)
    if runs_on or any(_differing(chain, link) for link in following):
        return None
    detail = "its parameters differ from those of the slices around it, and no discontinuity is declared"
    return Leave(link=window[0], code="segment_foreign", detail=detail)


def _neighbours(chain: Chain, window: Sequence[Link]) -> Sequence[Link] | None:
    """The segment behind the head, if there is one; None where what is on either side of the head says nothing."""
    if chain.placed < 2 or any(link.tagged for link in window[:2]):
        return None
    return window[1:2]


def _foreign_by_stamps(chain: Chain, window: Sequence[Link]) -> Leave | None:
    head = window[0]
    if head.tagged:
        return None
    if _lets_others_go_on(chain, window) or _is_stray(chain, window):
        return Leave(link=head, code="segment_foreign", detail=_elsewhere(chain, head))
    is_near = abs(_lag(chain, head) - head.missing_before) <= _CLOCK_TOLERANCE and _ran_on(chain, head)
    return _differing_alone(chain, window) if is_near else None


def _lets_others_go_on(chain: Chain, window: Sequence[Link]) -> bool:
    """Whether one behind the head goes on where the chain ends, and less so where the head leads, or what is between.

    After a short hole all do, within the tolerance; but there the head leads to them.
    """
    with_head, due = chain, window[0].missing_before
    offs = [_lag(chain, window[0]) - due]
    for one, following in itertools.pairwise(window):
        with_head = advance(with_head, _placed(with_head, one, Relation.CONTINUES))
        due += one.promised + following.missing_before
        off = _lag(chain, following) - due
        # of a large segment only the beginning is scanned by now, and promises may be rounded to seconds
        others = [_lag(with_head, following) - following.missing_before, off - offs[0], off - offs[-1]]
        if (abs(off) <= _tolerance(due) or _is_told_by_wall(chain, following)) and abs(off) < min(map(abs, others)):
            return True
        offs.append(off)
    return False


def _is_stray(chain: Chain, window: Sequence[Link]) -> bool:
    """Whether nothing explains the stamps of a last segment: no new clock, no pause that the wall clock tells of."""
    head = window[0]
    if len(window) > 1 or chain.placed < 2:
        return False
    lag, by_wall = _lag(chain, head), _by_wall(chain, head)
    if by_wall is None:
        return (lag < 0 and _ran_on(chain, head)) or lag > _LONGEST_UNMARKED_PAUSE or _differing(chain, head)
    off_due, off_stamps = abs(by_wall - chain.end - head.missing_before), abs(by_wall - _by_stamps(chain, head))
    return _ran_on(chain, head) and off_due <= _CLOCK_TOLERANCE and off_due < off_stamps


def _ran_on(chain: Chain, head: Link) -> bool:
    return head.scan.first > _FRESH_START and not chain.restarts


def _is_told_by_wall(chain: Chain, link: Link) -> bool:
    """Whether the wall clock puts the segment where its stamps do."""
    by_wall = _by_wall(chain, link)
    return by_wall is not None and abs(by_wall - _by_stamps(chain, link)) <= _TOLERANCE


def _elsewhere(chain: Chain, link: Link) -> str:
    lag = (_lag(chain, link) - link.missing_before) / TICKS_PER_SECOND
    where = "later" if lag > 0 else "earlier"
    return f"its time stamps lie {abs(lag):.3f} s {where} than due"


def _after_jump(chain: Chain, head: Link, lag: int) -> Place:
    """A pause, or time that came before, keeps the recorder's clock; else a new one is tied to it by wall or order."""
    pause = 0 < lag <= _LONGEST_PAUSE and chain.end + lag <= _LONGEST_OUTPUT
    by_wall = _by_wall(chain, head)
    if by_wall is None:
        return _placed(chain, head, Relation.PAUSE) if pause else restarted(chain, head, head.missing_before)
    if abs(by_wall - _by_stamps(chain, head)) <= _CLOCK_TOLERANCE and (pause or lag < 0):
        return _placed(chain, head, Relation.PAUSE if pause else Relation.CONTINUES)
    return restarted(chain, head, by_wall - chain.end)


def _by_stamps(chain: Chain, head: Link) -> int:
    """When the segment begins in the output if the recorder's clock ran on."""
    return _same_clock_shift(chain, head) + head.scan.shown_first


def _by_wall(chain: Chain, head: Link) -> int | None:
    """When the segment begins in the output, by the wall clock."""
    if head.wall is None or chain.dated is None:
        return None
    wall, begin = chain.dated
    return begin + head.wall - wall


def is_credible(chain: Chain, begin: int) -> bool:
    """Whether the next segment may begin there, by a wall clock."""
    return begin - chain.end <= _LONGEST_PAUSE and begin <= _LONGEST_OUTPUT


def restarted(chain: Chain, head: Link, hole: int) -> Place:
    """Under a new clock no track may go back in time; one shift serves all tracks, so that they stay in step."""
    close = [chain.ends[t.type] - t.first_dts for t in head.scan.tracks if t.type in chain.ends]
    shift = max(close) if close else chain.end - head.scan.first
    believed = _TOLERANCE < hole <= _LONGEST_PAUSE and chain.end + hole <= _LONGEST_OUTPUT
    return Place(link=head, shift=shift + (hole if believed else 0), relation=Relation.RESTART)

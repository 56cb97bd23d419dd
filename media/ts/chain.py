"""The chain of segments: what was placed so far, and where the stamps of the next would lie on the output's timeline.

Values, and measures of them: `succession` decides by these, `foreign` tells what does not belong. All times are 90 kHz
ticks of the output's timeline, which never wraps; stamps of a segment become output time by adding a shift.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from media.samples import TrackType
from media.timing import TICKS_PER_SECOND
from media.ts.scan import SegmentScan, TrackScan
from media.ts.units import STAMP_MODULUS

TOLERANCE = 35 * TICKS_PER_SECOND // 100
"""How far from due a segment may begin and still follow."""
TIGHT = TICKS_PER_SECOND // 10
"""How far, where that is to be a proof."""
CLOCK_TOLERANCE = TICKS_PER_SECOND
"""How far a wall clock may be from what it tells."""
FRESH_START = 5 * TICKS_PER_SECOND // 2
"""Stamps up to this may be those of a clock that began anew."""
_SLACK = TICKS_PER_SECOND // 100
"""By so much a track may begin before the one before it is over, without any sample being lost."""
_LONGEST_PAUSE = 12 * 3600 * TICKS_PER_SECOND
_LONGEST_OUTPUT = 100 * 3600 * TICKS_PER_SECOND
"""A bound on what stamps and names may ask for: pauses are filled with silence, and must not fill a store."""
_REMEMBERED = 64
_READINGS = 32
"""Sound is placed ahead of the pictures beside it, by a segment of those; clocks drift meanwhile."""


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
    discontinuity or a new start was declared, `announced`: other pictures from it on. `file` counts the files of a
    stream that follow each other (see `media.ts.handover`).
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
    announced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What was placed so far. `ends` is where the next sample of each track is due.

    `readings` are the wall clocks of the newest segments that have one, the newest last, and when their leading tracks,
    which names are given by, begin in the output. `shifts` are the newest of each file. `since` is where the file that
    was placed last took over.
    """

    ends: Mapping[TrackType, int]
    shift: int
    last: Link
    readings: tuple[tuple[int, int], ...]
    shifts: Mapping[int, int]
    fingerprints: Mapping[TrackType, bytes]
    recent: tuple[int, ...]
    restarts: bool
    counted_on: int
    placed: int
    since: int = 0

    @property
    def dated(self) -> tuple[int, int] | None:
        """The newest reading."""
        return self.readings[-1] if self.readings else None

    def reading_near(self, wall: int) -> tuple[int, int] | None:
        """The reading that is nearest to this wall clock."""
        return min(self.readings, key=lambda reading: abs(reading[0] - wall), default=None)

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
            readings=_reading(place),
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
        readings=(*chain.readings, *_reading(place))[-_READINGS:],
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


def _reading(place: Place) -> tuple[tuple[int, int], ...]:
    """Wall clock of the segment, and when its leading track begins in the output."""
    link = place.link
    return () if link.wall is None else ((link.wall, link.scan.lead_first + place.shift),)


def delayed(link: Link, missing: int) -> Link:
    """The link with more time missing before it, because another was left out there."""
    return replace(link, missing_before=link.missing_before + missing)


def completed(link: Link, scan: SegmentScan) -> Link:
    """The link with the scan of its whole segment, where only its beginning was known."""
    return replace(link, scan=scan)


def placed(chain: Chain, link: Link, relation: Relation, *, out_of_order: bool = False) -> Place:
    """A place where the recorder's clock ran on, as `relation` says."""
    return Place(link=link, shift=_same_clock_shift(chain, link), relation=relation, out_of_order=out_of_order)


def tolerance(missing: int) -> int:
    """How far from due a segment may begin where so much is missing before it; EXTINFs may be rounded."""
    return TOLERANCE + missing // 20


def wrapped(difference: int) -> int:
    """A difference of two stamps, the short way round their clock."""
    half = STAMP_MODULUS >> 1
    return (difference + half) % STAMP_MODULUS - half


def lag_of(chain: Chain, link: Link) -> int:
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


def differing(chain: Chain, link: Link) -> bool:
    """Whether a track's parameters are others than those it had last."""
    return any(
        track.fingerprint and track.fingerprint != chain.fingerprints.get(track.type, track.fingerprint)
        for track in link.scan.tracks
    )


def counts_on(earlier: SegmentScan, later: SegmentScan) -> bool:
    """Whether the continuity counters of all common streams run on across two segments."""
    pairs = [(a, b) for a in earlier.tracks for b in later.tracks if (a.pid, a.type) == (b.pid, b.type)]
    return bool(pairs) and all((a.last_counter + 1) % 16 == b.first_counter for a, b in pairs)


def shown_by_stamps(chain: Chain, head: Link) -> int:
    """When the segment's leading track begins in the output if the recorder's clock ran on."""
    return _same_clock_shift(chain, head) + head.scan.lead_first


def shown_by_wall(chain: Chain, wall: int | None) -> int | None:
    """When something begins in the output, by its wall clock; None where it, or what was placed, has none."""
    if wall is None or chain.dated is None:
        return None
    known, begin = chain.dated
    return begin + wall - known


def is_credible(chain: Chain, begin: int) -> bool:
    """Whether the next segment may begin there, by a wall clock."""
    return begin - chain.end <= _LONGEST_PAUSE and begin <= _LONGEST_OUTPUT


def restarted(chain: Chain, head: Link, hole: int) -> Place:
    """Under a new clock no track may go back in time; one shift serves all tracks, so that they stay in step."""
    believed = hole > TOLERANCE and is_credible(chain, chain.end + hole)
    shift = _next_shift(chain, head) + (hole if believed else 0)
    return Place(link=head, shift=shift, relation=Relation.RESTART)


def restarted_by_wall(chain: Chain, head: Link, begin: int) -> Place:
    """Under a new clock, where its leading track begins by the wall clock; one that is inexact tells of holes only.

    A new clock with each segment would add up what the length of each is off, were they put end to end.
    """
    following = _next_shift(chain, head)
    shift = begin - head.scan.lead_first
    if head.wall_within and shift - following <= max(TOLERANCE, head.wall_within):
        shift = following
    if not is_credible(chain, begin):
        shift = following
    return Place(link=head, shift=max(shift, following - _SLACK), relation=Relation.RESTART)


def _next_shift(chain: Chain, head: Link) -> int:
    """The shift under which the segment follows on what was placed, none of its tracks earlier."""
    close = [chain.ends[t.type] - t.first_dts for t in head.scan.tracks if t.type in chain.ends]
    return max(close) if close else chain.end - head.scan.first

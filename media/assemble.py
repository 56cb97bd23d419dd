"""AssemblyPlan and segment bytes -> progressive MP4s, in one pass.

Segments arrive in plan order, lane by lane. A few are scanned ahead (`media.lanes`), `media.ts.succession` decides
which comes next and where its stamps lie, the timelines of `media.tracks` place its samples, and the writer passes them
on, in the order of time over all lanes. Nothing is judged here: what was met is returned as values for `media.judge`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import av

from media.heap import keep_freed_memory
from media.lanes import Lane
from media.normalise import Upright, common_form
from media.parts import Part, PartResult, Seams, Sink
from media.plan import AssemblyPlan
from media.plan import Lane as LaneName
from media.rotation import Turn, turns
from media.samples import TrackType
from media.segments import Arrival, SegmentResult
from media.timing import TICKS_PER_SECOND
from media.tracks import Seam
from media.ts import chain
from media.ts.alignment import aligned
from media.ts.scan import SegmentScan, merge

LIBAV_VERSION = ".".join(str(part) for part in av.library_versions["libavformat"])
"""Part of every plan: libav makes the sample entries and the coded silence."""

_MOST_AHEAD = 360 * TICKS_PER_SECOND
"""No recorder cuts later, and so much sound is held: pictures may stand still for hours within one segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Everything that came of a plan. `parts` is empty if no segment could be used."""

    plan: AssemblyPlan
    parts: tuple[PartResult, ...]
    segments: tuple[SegmentResult, ...]

    @property
    def zero(self) -> int:
        """The tick of the first sample, from which all times of the manifest count; 0 where there is none."""
        return min((track.start for part in self.parts[:1] for track in part.tracks), default=0)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Which way up its pictures are, by the vendor's marks."""
        return turns(self.segments)

    @property
    def upright(self) -> Upright | None:
        """What all its pictures can become if their size or rotation changes; None if neither does."""
        sizes = [sized for part in self.parts for track in part.tracks for sized in track.sizes]
        return common_form(sizes, self.turns)


Arrivals = Mapping[LaneName, Iterable[Arrival]]
"""The segments of each lane of a plan, in its order."""


def assemble(
    plan: AssemblyPlan, arrivals: Arrivals, open_sink: Callable[[int], Sink], *, upright: Upright | None = None
) -> Assembly:
    """Make the output of a plan; `open_sink` is asked for the sink of part 1, 2… when its first byte is there.

    With `upright` its pictures are encoded anew in that form (`Assembly.upright`).
    """
    keep_freed_memory()
    return _Assembler(plan, arrivals, open_sink, upright).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upcoming:
    """What comes next in a lane."""

    lane: Lane
    place: chain.Place
    is_sound: bool

    @property
    def begin(self) -> int:
        """When it begins, in ticks of the output."""
        return self.place.link.scan.shown_first + self.place.shift


class _Assembler:
    def __init__(
        self, plan: AssemblyPlan, arrivals: Arrivals, open_sink: Callable[[int], Sink], upright: Upright | None
    ) -> None:
        self._plan = plan
        self._upright = upright
        self._lanes = {
            name: Lane([s for s in plan.segments if s.lane == name], arrivals.get(name, ()), plan.carried(name))
            for name in plan.lanes
        }
        self._open_sink = open_sink
        self._part: Part | None = None
        self._parts: list[PartResult] = []

    def run(self) -> Assembly:
        while coming := self._coming():
            self._release(coming)
            self._place(min(coming, key=_due))
        self._finish_part()
        for lane in self._lanes.values():
            lane.finish()
        return Assembly(plan=self._plan, parts=tuple(self._parts), segments=self._results())

    def _coming(self) -> list[_Upcoming]:
        """What comes next in each lane that has not ended."""
        coming = []
        for name, lane in self._lanes.items():
            sibling = next((other.chain for other in self._lanes.values() if other is not lane), None)
            place = lane.upcoming(sibling)
            self._account_for_spared(lane)
            if place is not None:
                coming.append(_Upcoming(lane=lane, place=place, is_sound=name == "audio"))
        has_begun = any(lane.chain for lane in self._lanes.values())
        return coming if has_begun else _beside_each_other(coming)

    def _account_for_spared(self, lane: Lane) -> None:
        if self._part is not None:
            for spared in lane.spared:
                self._part.spare(spared.scan, spared.shift)
        lane.spared.clear()

    def _release(self, coming: Sequence[_Upcoming]) -> None:
        """Sound is held until the pictures beside it have come, or none can come there any more."""
        if self._part is not None:
            self._part.release(min((each.begin for each in coming if not each.is_sound), default=None))

    def _place(self, now: _Upcoming) -> None:
        part, taken = self._part_for(now), now.lane.take(now.place)
        scans: list[SegmentScan] = []
        dropped, cut = 0, False
        window, seams = next(taken.windows, None), _seams(now.place)
        while window is not None:
            following = next(taken.windows, None)
            scans.append(window.scan)
            cut = following is None and now.lane.is_cut(taken, merge(scans))
            dropped += part.add(window, now.place.shift, taken.segment.number, drop_last=cut, seams=seams)
            window, seams = following, _seams(_going_on(now.place))
        now.lane.end(taken, merge(scans), cut=cut, dropped=dropped, part=part.number)

    def _part_for(self, now: _Upcoming) -> Part:
        """The part that the segment goes into: a new one where codec, sample rate or channels change."""
        held = None
        if self._part is not None and not self._part.accepts(now.place.link.scan):
            held = self._part.hand_on(now.begin)
            self._finish_part()
        if self._part is None:
            number = len(self._parts) + 1
            self._part = Part(number, lambda: self._open_sink(number), self._upright, held)
        return self._part

    def _results(self) -> tuple[SegmentResult, ...]:
        """What became of the segments so far, in plan order."""
        results = {number: result for lane in self._lanes.values() for number, result in lane.results.items()}
        return tuple(results[number] for number in sorted(results))

    def _finish_part(self) -> None:
        if self._part is not None and (result := self._part.finish(turns(self._results()))):
            self._parts.append(result)
        self._part = None


def _due(upcoming: _Upcoming) -> int:
    """The lowest comes first: sound as far as the pictures reach that come next, so that the two can be interleaved."""
    if upcoming.is_sound:
        return upcoming.begin
    return upcoming.begin + min(upcoming.place.link.scan.span, _MOST_AHEAD)


def _beside_each_other(coming: Sequence[_Upcoming]) -> list[_Upcoming]:
    """Where the lanes lie before anything is placed: the first one by the wall clock begins the output."""
    first = min(coming, key=_first_by_wall, default=None)
    if first is None:
        return []
    begun = chain.advance(None, first.place)
    others = [replace(each, place=aligned(each.place, begun)) for each in coming if each is not first]
    return [first, *others]


def _first_by_wall(upcoming: _Upcoming) -> tuple[bool, int, int]:
    link = upcoming.place.link
    return link.wall is None, link.wall or 0, link.scan.first


def _going_on(place: chain.Place) -> chain.Place:
    """The place of what follows within a segment."""
    return replace(place, relation=chain.Relation.CONTINUES, link=replace(place.link, missing_before=0))


def _seams(place: chain.Place) -> Seams:
    """Where other files begin in a segment: with it, or before its end."""
    begins, lost = place.relation is chain.Relation.TAKEOVER, place.link.missing_before > 0
    kinds: tuple[TrackType, ...] = ("audio", "video")
    return {kind: Seam(begins_file=begins, cut=place.until.get(kind), follows_loss=lost) for kind in kinds}

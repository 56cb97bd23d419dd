"""What an assembly means: promised time that is lost (gaps), time that was never recorded (absences), and findings.

Pure. All times are ticks of the output, counted from its first sample; time before it is negative.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from media.assemble import Assembly
from media.faults import joined_trims, told
from media.findings import Finding
from media.losses import NO_KEYFRAME, Absence, Gap
from media.parts import PartResult
from media.plan import FAILOVER_MARK, Lane
from media.samples import TrackType
from media.segments import SegmentResult, exact_wall
from media.timing import TICKS_PER_SECOND
from media.tracks import Hole, Interval

Span = TypeVar("Span", Gap, Absence)

_UNNOTICED: dict[TrackType, int] = {"audio": TICKS_PER_SECOND // 4, "video": 2 * TICKS_PER_SECOND}
_LATE = TICKS_PER_SECOND
_TOGETHER = TICKS_PER_SECOND // 4
_TOLERANCE = 35 * TICKS_PER_SECOND // 100
_CUT_CAUSES = frozenset({"truncated", "corrupt"})
_CAUSES = {"segment_declared_gap": "declared", "uri_self": "uri_outside"}
_ROUNDING = TICKS_PER_SECOND // 500
_TRACK_START = "track_start"
_SEAM = TICKS_PER_SECOND // 4
"""What is left open between two files by rounding to whole samples, and by names that tell milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an assembly means."""

    gaps: tuple[Gap, ...] = ()
    absences: tuple[Absence, ...] = ()
    impaired: tuple[Interval, ...] = ()
    trims: tuple[Interval, ...] = ()
    findings: tuple[Finding, ...] = ()


def judge(assembly: Assembly) -> Judgement:
    """Judge one output: every hole becomes a gap or an absence, every fault a finding."""
    if not assembly.parts:
        lost = tuple(gap for lane in _lanes(assembly) for gap in _all_lost(lane))
        return Judgement(gaps=lost, findings=tuple(told(assembly, lost, (), 0)))
    zero = assembly.zero
    losses: list[Gap] = []
    absences: list[Absence] = []
    for segments in _lanes(assembly):
        own_losses, own_absences = _judged(segments, assembly)
        losses += own_losses
        absences += own_absences
    losses += _without_keyframe(assembly.parts)
    absences += (a for a in _late_and_early(assembly.parts) if not any(_covers(loss, a) for loss in losses))
    gaps = _joined(losses)
    absences = _joined(absences)
    return Judgement(
        gaps=tuple(replace(g, begin=g.begin - zero, end=g.end - zero) for g in gaps),
        absences=tuple(replace(a, begin=a.begin - zero, end=a.end - zero) for a in absences),
        impaired=_shifted((i for p in assembly.parts for t in p.tracks for i in t.impaired), zero),
        trims=_shifted((i for p in assembly.parts for t in p.tracks for i in joined_trims(t.trims)), zero),
        findings=tuple(told(assembly, gaps, absences, zero)),
    )


def _lanes(assembly: Assembly) -> Iterator[Sequence[SegmentResult]]:
    """The segments of each lane: what one promises and lacks says nothing of the other."""
    for lane in assembly.plan.lanes:
        yield [result for result in assembly.segments if result.segment.lane == lane]


def _judged(segments: Sequence[SegmentResult], assembly: Assembly) -> tuple[list[Gap], list[Absence]]:
    """What is lost and what was not recorded of the tracks of one lane."""
    story = _Story.of(segments)
    if not story.order:
        return list(_all_lost(segments, _begin_by_wall(segments, assembly))), []
    losses: list[Gap] = []
    absences: list[Absence] = []
    parts = [part for part in map(partial(_of_lane, lane=segments[0].segment.lane), assembly.parts) if part.tracks]
    for hole in (*_holes(parts), *_between_parts(parts, story)):
        divided = _divide(hole, story)
        losses += divided[0]
        absences += divided[1]
    return [*losses, *_outside(segments, parts[-1])], absences


def _of_lane(part: PartResult, lane: Lane) -> PartResult:
    """The part with the tracks of one lane only."""
    return replace(part, tracks=tuple(track for track in part.tracks if lane in {track.type, "both"}))


def _begin_by_wall(segments: Sequence[SegmentResult], assembly: Assembly) -> int:
    """When the first segment of a lane would have begun in the output, of which nothing could be placed."""
    known = [(wall, r.begin) for r in assembly.segments if r.begin is not None and (wall := exact_wall(r.segment))]
    own = next((wall for r in segments if (wall := exact_wall(r.segment))), None)
    if own is None or not known:
        return assembly.zero
    wall, begin = min(known, key=lambda each: abs(each[0] - own))
    return begin + own - wall


def _shifted(intervals: Iterable[Interval], zero: int) -> tuple[Interval, ...]:
    return tuple(replace(i, begin=i.begin - zero, end=i.end - zero) for i in intervals)


def cause(code: str) -> str:
    """The cause of a gap from the finding code of the segment to blame."""
    return _CAUSES.get(code, code.removeprefix("segment_"))


def _holes(parts: Sequence[PartResult]) -> Iterator[Hole]:
    for part in parts:
        for track in part.tracks:
            yield from track.holes


@dataclass(frozen=True, slots=True)
class _Story:
    """The segments by number, and the numbers of the used ones in the order of their time."""

    results: Mapping[int, SegmentResult]
    order: Sequence[int]
    place: Mapping[int, int]

    @classmethod
    def of(cls, segments: Sequence[SegmentResult]) -> "_Story":
        used = sorted((r for r in segments if r.begin is not None), key=lambda r: r.begin or 0)
        order = [r.segment.number for r in used]
        return cls({r.segment.number: r for r in segments}, order, {number: at for at, number in enumerate(order)})

    def around(self, begin: int, end: int) -> tuple[int, int]:
        """The last segment that begins before a stretch is over, and the first that ends after it has begun."""
        middle = (begin + end) // 2
        after = [number for number in self.order if (self.results[number].begin or 0) <= middle]
        before = [number for number in self.order if (self.results[number].end or 0) > middle]
        first, last = self.order[0], self.order[-1]
        return (after[-1] if after else first), (before[0] if before else last)

    def skipped(self, hole: Hole) -> list[SegmentResult]:
        """Segments left out between the two that the hole lies between, over any that lacked the hole's track."""
        between = self.order[self.place[hole.after] + 1 : self.place[hole.before] + 1]
        return [self.results[number] for used in between for number in self.results[used].skipped]


def _between_parts(parts: Sequence[PartResult], story: _Story) -> Iterator[Hole]:
    """Time between the end of a track in one part and its begin in the next one that has it."""
    kinds: tuple[TrackType, ...] = ("audio", "video")
    for kind in kinds:
        for earlier, later in itertools.pairwise(t for part in parts for t in part.tracks if t.type == kind):
            if later.start - earlier.end > _ROUNDING:
                after, before = story.around(earlier.end, later.start)
                yield Hole(track=kind, begin=earlier.end, end=later.start, after=after, before=before, lost=False)


def _divide(hole: Hole, story: _Story) -> tuple[list[Gap], list[Absence]]:
    """Gap or absence: lost segments in it, loss inside a segment, a cut end before it; what is left is absence."""
    skipped = story.skipped(hole)
    after, before = story.results[hole.after], story.results[hole.before]
    if after.segment.file != before.segment.file:
        return _between_files(hole, after, before, skipped)
    if skipped:
        return _by_promise(hole, skipped), []
    blame = _blame(hole, after, before)
    if blame is None and _is_unvouched(hole, after, before):
        blame = "missing", before
    if blame is None:
        return [], _absence(hole, hole.begin, after, before)
    why, segment = blame
    end = _promised_end(hole, after) if why in _CUT_CAUSES and segment is after and after is not before else hole.end
    lost = _gap(hole, hole.begin, end, why, segment.segment.key)
    return [lost], _absence(hole, end, after, before) if end < hole.end else []


def _between_files(
    hole: Hole, after: SegmentResult, before: SegmentResult, skipped: Sequence[SegmentResult]
) -> tuple[list[Gap], list[Absence]]:
    """What the files on either side promised and lack, next to each; between them no recorder ran, or nobody spoke."""
    if hole.end - hole.begin <= (_LATE if after.overtaken else _SEAM) and not skipped:
        return [], []
    begin = max(hole.begin, min(_due(after, hole) if after.cut else hole.begin, hole.end))
    gaps = [] if begin == hole.begin else [_gap(hole, hole.begin, begin, _loss_cause(after), after.segment.key)]
    end = hole.end
    for lost in reversed([r for r in skipped if r.segment.file == before.segment.file]):
        end, until = max(begin, end - lost.segment.promised), end
        gaps.append(_gap(hole, end, until, cause(lost.code or "segment_missing"), lost.segment.key))
    for lost in (r for r in skipped if r.segment.file != before.segment.file):
        since, begin = begin, min(end, begin + lost.segment.promised)
        gaps.append(_gap(hole, since, begin, cause(lost.code or "segment_missing"), lost.segment.key))
    if end - begin <= _SEAM:
        return [gap for gap in _closed(gaps, begin, end) if gap.end > gap.begin], []
    gaps = [gap for gap in gaps if gap.end > gap.begin]
    if FAILOVER_MARK in (*after.segment.marks, *before.segment.marks):
        return [*gaps, _gap(hole, begin, end, "failover", before.segment.key)], []
    return gaps, _absence(replace(hole, end=end), begin, after, before)


def _closed(gaps: Sequence[Gap], begin: int, end: int) -> Iterator[Gap]:
    """The gaps, with what rounding left open between them given to the later one."""
    later = next((gap for gap in gaps if gap.begin == end), None)
    for gap in gaps:
        if gap is later:
            yield replace(gap, begin=begin)
        else:
            yield replace(gap, end=end) if later is None and gap.end == begin else gap


def _is_unvouched(hole: Hole, after: SegmentResult, before: SegmentResult) -> bool:
    """Whether slices may be missing in a hole although no playlist promised any, because none was there to do so.

    A mark that a stream starts is no sign of a pause here: the first segment of every playlist has it.
    """
    if after is before or not (after.segment.rebuilt or before.segment.rebuilt):
        return False
    return hole.end - hole.begin >= _SEAM and not before.counts_on


def _blame(hole: Hole, after: SegmentResult, before: SegmentResult) -> tuple[str, SegmentResult] | None:
    """Why the time of a hole is lost, and by which segment; None if nothing shows that it is."""
    if after is before:
        return (_loss_cause(before), before) if hole.lost else None
    if after.cut and _due(after, hole) > hole.begin:
        return _loss_cause(after), after
    if before.counts_on and not before.segment.tagged and not _runs_on(hole, after, before):
        return "recorder_loss", before
    if hole.lost:
        blamed = before if before.dropped or (before.scan and before.scan.is_damaged) else after
        return _loss_cause(blamed), blamed
    return None


def _promised_end(hole: Hole, cut: SegmentResult) -> int:
    """Up to where a cut segment should have reached: what lies beyond was never promised."""
    if not cut.cut:
        return hole.end
    end = min(hole.end, _due(cut, hole) + _TOLERANCE)
    return hole.end if hole.end - end < _TOLERANCE else end


def _by_promise(hole: Hole, skipped: Sequence[SegmentResult]) -> list[Gap]:
    """Each lost segment gets the time it promised; the last one the rest, as long as that is near its promise."""
    gaps: list[Gap] = []
    at = hole.begin
    for nth, lost in enumerate(skipped):
        last = nth == len(skipped) - 1
        end = hole.end if last else min(at + lost.segment.promised, hole.end)
        if end > at:
            gaps.append(_gap(hole, at, end, cause(lost.code or "segment_missing"), lost.segment.key))
        at = end
    return gaps


def _gap(hole: Hole, begin: int, end: int, why: str, segment: str) -> Gap:
    return Gap(track=hole.track, begin=begin, end=end, cause=why, segment=segment)


def _due(result: SegmentResult, hole: Hole) -> int:
    """Where the segment should have ended: by its promise, or where its packets were cut."""
    if result.begin is None:
        return hole.begin
    promised = result.begin + result.promised
    return promised if promised > hole.begin else hole.end


def _loss_cause(result: SegmentResult) -> str:
    if result.scan and result.scan.is_corrupt:
        return "corrupt"
    return "truncated" if result.cut else "recorder_loss"


def _absence(hole: Hole, begin: int, after: SegmentResult, before: SegmentResult) -> list[Absence]:
    if hole.end - begin < _UNNOTICED[hole.track]:
        return []
    return [Absence(track=hole.track, begin=begin, end=hole.end, evidence=_evidence(hole, after, before))]


def _runs_on(hole: Hole, after: SegmentResult, before: SegmentResult) -> bool:
    """Whether the track's continuity counter shows that no packet of it is missing in the hole."""
    ended = after.scan.track(hole.track) if after.scan else None
    begun = before.scan.track(hole.track) if before.scan else None
    if ended is None or begun is None or ended.pid != begun.pid:
        return False
    return (ended.last_counter + 1) % 16 == begun.first_counter


def _evidence(hole: Hole, after: SegmentResult, before: SegmentResult) -> str:
    if after is before:
        return "counters"
    if any(mark.startswith(_TRACK_START) for mark in before.segment.marks):
        return _TRACK_START
    if before.segment.tagged:
        return "discontinuity"
    return "counters" if _runs_on(hole, after, before) else "unmarked"


def _late_and_early(parts: Sequence[PartResult]) -> Iterator[Absence]:
    """A track that begins after the other, or ends before it, was not recorded in between."""
    for part in parts:
        begin, end = min(t.start for t in part.tracks), max(t.end for t in part.tracks)
        for track in part.tracks:
            if track.start - begin > _LATE:
                yield Absence(track=track.type, begin=begin, end=track.start, evidence="late_start")
            if end - track.end > _LATE:
                yield Absence(track=track.type, begin=track.end, end=end, evidence="early_end")


def _without_keyframe(parts: Sequence[PartResult]) -> Iterator[Gap]:
    """Pictures of a part whose keyframe lies in the part before it, or nowhere."""
    for part in parts:
        video = next((t for t in part.tracks if t.type == "video"), None)
        for interval in part.unshown:
            if video is None or part.number > 1:
                end = video.start if video else interval.end
                yield Gap(track="video", begin=interval.begin, end=end, cause=NO_KEYFRAME, segment=None)


def _covers(loss: Gap, absence: Absence) -> bool:
    return (
        loss.track in {absence.track, "both"}
        and loss.begin - _TOGETHER <= absence.begin
        and absence.end <= loss.end + _TOGETHER
    )


def _outside(segments: Sequence[SegmentResult], last_part: PartResult) -> Iterator[Gap]:
    """What is lost before the first sample and after the last."""
    placed = sorted((r for r in segments if r.begin is not None), key=lambda r: r.begin or 0)
    first, last = placed[0], placed[-1]
    before_all = frozenset(first.skipped)
    leading = [r for r in segments if r.code and r.segment.number in before_all]
    at = (first.begin or 0) - sum(r.segment.promised for r in leading)
    for lost in leading:
        yield _promised_gap(lost, at)
        at += lost.segment.promised
    yield from _lost_at_end(last, last_part)
    end = _last_due(last)
    accounted = {number for r in placed for number in r.skipped}
    for lost in (r for r in segments if r.code and r.segment.number not in accounted):
        yield _promised_gap(lost, end)
        end += lost.segment.promised


def _all_lost(segments: Sequence[SegmentResult], at: int = 0) -> Iterator[Gap]:
    """Nothing could be used: what was promised, one after the other."""
    for lost in segments:
        gap = _promised_gap(lost, at)
        yield gap if lost.code else replace(gap, cause=NO_KEYFRAME)
        at += lost.segment.promised


def _last_due(last: SegmentResult) -> int:
    """Where the last segment ends, or by its promise should have ended if it is cut."""
    return max(last.end or 0, (last.begin or 0) + last.promised if last.cut else 0)


def _lost_at_end(last: SegmentResult, part: PartResult) -> Iterator[Gap]:
    """The end of the last segment: what it promised and does not hold, and broken samples that nothing follows."""
    for track in part.tracks:
        due = _last_due(last)
        known = last.scan.track(track.type) if last.scan else None
        if known and last.scan and not last.cut:
            due = known.shown_end - last.scan.shown_first + (last.begin or 0)
        damaged = last.cut or last.dropped or (last.scan and last.scan.is_damaged)
        if known and damaged and due - track.end > _ROUNDING:
            yield Gap(track=track.type, begin=track.end, end=due, cause=_loss_cause(last), segment=last.segment.key)


def _promised_gap(lost: SegmentResult, at: int) -> Gap:
    return Gap(
        track=lost.segment.lane,
        begin=at,
        end=at + lost.segment.promised,
        cause=cause(lost.code or "segment_missing"),
        segment=lost.segment.key,
    )


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Audio and video that lack the same time for the same reason become one entry for both."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.begin, s.end)):
        at = len(joined) - 1
        while at >= 0 and span.begin - joined[at].begin <= _TOGETHER and not _is_twin(joined[at], span):
            at -= 1
        if at >= 0 and span.begin - joined[at].begin <= _TOGETHER:
            joined[at] = replace(joined[at], track="both", end=max(joined[at].end, span.end))
        else:
            joined.append(span)
    return joined


def _is_twin(one: Gap | Absence, other: Gap | Absence) -> bool:
    if {one.track, other.track} != {"audio", "video"}:
        return False
    close = abs(one.begin - other.begin) <= _TOGETHER and abs(one.end - other.end) <= _TOGETHER
    return close and replace(one, track="both", begin=0, end=0) == replace(other, track="both", begin=0, end=0)

"""What an assembly means: promised time that is lost (gaps), time that was never recorded (absences), and findings.

Pure. All times are ticks of the output, counted from its first sample; time before it is negative.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from media.assemble import Assembly
from media.faults import joined_trims, told
from media.findings import Finding
from media.holes import LATE, Story, begin_by_wall, cause, divide, loss_cause, named_begin
from media.losses import NO_KEYFRAME, Absence, Gap
from media.parts import PartResult
from media.plan import Lane
from media.samples import TrackType
from media.segments import SegmentResult, exact_wall
from media.timing import TICKS_PER_SECOND
from media.tracks import Hole, Interval

Span = TypeVar("Span", Gap, Absence)

_TOGETHER = TICKS_PER_SECOND // 4
_ROUNDING = TICKS_PER_SECOND // 500


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
    absences += (a for late in _late_and_early(assembly.parts) for a in _unlost(late, losses))
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
    story = Story.of(segments)
    if not story.order:
        return list(_all_lost(segments, _begin_by_wall(segments, assembly))), []
    losses: list[Gap] = []
    absences: list[Absence] = []
    carried = assembly.plan.carried(segments[0].segment.lane)
    parts = [part for part in map(partial(_of_lane, lane=carried), assembly.parts) if part.tracks]
    for hole in (*_holes(parts), *_between_parts(parts, story)):
        divided = divide(hole, story)
        losses += divided[0]
        absences += divided[1]
    return [*losses, *_outside(segments, parts[-1] if parts else None)], absences


def _of_lane(part: PartResult, lane: Lane) -> PartResult:
    """The part with the tracks of one lane only."""
    return replace(part, tracks=tuple(track for track in part.tracks if lane in {track.type, "both"}))


def _begin_by_wall(segments: Sequence[SegmentResult], assembly: Assembly) -> int:
    """When the first segment of a lane would have begun in the output, of which nothing could be placed."""
    placed = next((r for r in assembly.segments if r.begin is not None and exact_wall(r.segment) is not None), None)
    named = begin_by_wall(segments[0], placed) if segments and placed else None
    return assembly.zero if named is None else named


def _shifted(intervals: Iterable[Interval], zero: int) -> tuple[Interval, ...]:
    return tuple(replace(i, begin=i.begin - zero, end=i.end - zero) for i in intervals)


def _holes(parts: Sequence[PartResult]) -> Iterator[Hole]:
    for part in parts:
        for track in part.tracks:
            yield from track.holes


def _between_parts(parts: Sequence[PartResult], story: Story) -> Iterator[Hole]:
    """Time between the end of a track in one part and its begin in the next one that has it."""
    kinds: tuple[TrackType, ...] = ("audio", "video")
    for kind in kinds:
        for earlier, later in itertools.pairwise(t for part in parts for t in part.tracks if t.type == kind):
            if later.start - earlier.end > _ROUNDING:
                after, before = story.around(earlier.end, later.start)
                yield Hole(track=kind, begin=earlier.end, end=later.start, after=after, before=before, lost=False)


def _late_and_early(parts: Sequence[PartResult]) -> Iterator[Absence]:
    """A track that begins after the other, or ends before it, was not recorded in between."""
    tracks = [track for part in parts for track in part.tracks]
    begin, end = min(t.start for t in tracks), max(t.end for t in tracks)
    for kind in dict.fromkeys(t.type for t in tracks):
        start = min(t.start for t in tracks if t.type == kind)
        last = max(t.end for t in tracks if t.type == kind)
        if start - begin > LATE:
            yield Absence(track=kind, begin=begin, end=start, evidence="late_start")
        if end - last > LATE:
            yield Absence(track=kind, begin=last, end=end, evidence="early_end")


def _without_keyframe(parts: Sequence[PartResult]) -> Iterator[Gap]:
    """Pictures of a part whose keyframe lies in the part before it, or nowhere."""
    for part in parts:
        video = next((t for t in part.tracks if t.type == "video"), None)
        for interval in part.unshown:
            if video is None or part.number > 1:
                end = video.start if video else interval.end
                yield Gap(track="video", begin=interval.begin, end=end, cause=NO_KEYFRAME, segment=None)


def _unlost(absence: Absence, losses: Sequence[Gap]) -> Iterator[Absence]:
    """What is left of an absence beside the time that is lost."""
    begin = absence.begin
    for loss in sorted((g for g in losses if g.track in {absence.track, "both"}), key=lambda gap: gap.begin):
        if loss.begin < absence.end and loss.end > begin:
            if loss.begin - begin > _TOGETHER:
                yield replace(absence, begin=begin, end=loss.begin)
            begin = loss.end
    if absence.end - begin > _TOGETHER:
        yield replace(absence, begin=begin)


def _outside(segments: Sequence[SegmentResult], last_part: PartResult | None) -> Iterator[Gap]:
    """What is lost before the first sample and after the last."""
    placed = sorted((r for r in segments if r.begin is not None), key=lambda r: r.begin or 0)
    first, last = placed[0], placed[-1]
    before_all = frozenset(first.skipped)
    leading = [r for r in segments if r.code and r.segment.number in before_all]
    at = (first.begin or 0) - sum(r.segment.promised for r in leading)
    for lost in leading:
        named = begin_by_wall(lost, first)
        begin = at if named is None else min(named, at)
        yield _promised_gap(lost, begin)
        at += lost.segment.promised
    if last_part is not None:
        yield from _lost_at_end(last, last_part)
    end = _last_due(last)
    accounted = {number for r in placed for number in r.skipped}
    for lost in (r for r in segments if r.code and r.segment.number not in accounted):
        begin = named_begin(lost, last, end)
        yield _promised_gap(lost, begin)
        end = begin + lost.segment.promised


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
            yield Gap(track=track.type, begin=track.end, end=due, cause=loss_cause(last), segment=last.segment.key)


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

"""What one hole means: time that was promised and is lost (gaps), or time that was never recorded (absences). Pure.

All times are ticks of the output.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from media.losses import Absence, Gap
from media.plan import FAILOVER_MARK, TRACK_START
from media.samples import TrackType
from media.segments import SegmentResult, exact_wall
from media.timing import TICKS_PER_SECOND
from media.tracks import Hole

_UNNOTICED: dict[TrackType, int] = {"audio": TICKS_PER_SECOND // 4, "video": 2 * TICKS_PER_SECOND}
LATE = TICKS_PER_SECOND
"""A track that begins or ends so much apart from the other was not recorded in between."""
_TOLERANCE = 35 * TICKS_PER_SECOND // 100
_CUT_CAUSES = frozenset({"truncated", "corrupt"})
_CAUSES = {"segment_declared_gap": "declared", "uri_self": "uri_outside"}
_SEAM = TICKS_PER_SECOND // 4
"""What is left open between two files by rounding to whole samples, and by names that tell milliseconds."""


@dataclass(frozen=True, slots=True)
class Story:
    """The segments by number, and the numbers of the used ones in the order of their time."""

    results: Mapping[int, SegmentResult]
    order: Sequence[int]
    place: Mapping[int, int]

    @classmethod
    def of(cls, segments: Sequence[SegmentResult]) -> "Story":
        """That of the segments of one lane."""
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

    def ran_on(self, placed: SegmentResult, until: int) -> bool:
        """Whether the recorder that wrote this segment wrote another one at that time, used or not."""
        others = (r for r in self.results.values() if r.segment.file == placed.segment.file)
        named = (begin_by_wall(other, placed) for other in others)
        return any(begin is not None and begin >= until - _SEAM for begin in named)

    def skipped(self, hole: Hole) -> list[SegmentResult]:
        """Segments left out between the two that the hole lies between, over any that lacked the hole's track."""
        between = self.order[self.place[hole.after] + 1 : self.place[hole.before] + 1]
        return [self.results[number] for used in between for number in self.results[used].skipped]


def divide(hole: Hole, story: Story) -> tuple[list[Gap], list[Absence]]:
    """Gap or absence: lost segments in it, loss inside a segment, a cut end before it; what is left is absence."""
    skipped = story.skipped(hole)
    after, before = story.results[hole.after], story.results[hole.before]
    if after.segment.file != before.segment.file:
        return _between_files(hole, after, before, skipped, ran_on=story.ran_on(after, hole.end))
    if skipped:
        return _by_promise(hole, skipped, after, before)
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
    hole: Hole, after: SegmentResult, before: SegmentResult, skipped: Sequence[SegmentResult], *, ran_on: bool
) -> tuple[list[Gap], list[Absence]]:
    """What the files on either side promised and lack, next to each; between them no recorder ran, or nobody spoke.

    The latter where the first recorder `ran_on`.
    """
    if hole.end - hole.begin <= (LATE if after.overtaken else _SEAM) and not skipped:
        return [], []
    begin = max(hole.begin, min(_due(after, hole) if after.cut else hole.begin, hole.end))
    gaps = [] if begin == hole.begin else [_gap(hole, hole.begin, begin, loss_cause(after), after.segment.key)]
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
    if FAILOVER_MARK in (*after.segment.marks, *before.segment.marks) and not ran_on:
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
        return (loss_cause(before), before) if hole.lost else None
    if after.cut and _due(after, hole) > hole.begin:
        return loss_cause(after), after
    if before.counts_on and not before.segment.tagged and not _runs_on(hole, after, before):
        return "recorder_loss", before
    if hole.lost:
        blamed = before if before.dropped or (before.scan and before.scan.is_damaged) else after
        return loss_cause(blamed), blamed
    return None


def _promised_end(hole: Hole, cut: SegmentResult) -> int:
    """Up to where a cut segment should have reached: what lies beyond was never promised."""
    if not cut.cut:
        return hole.end
    end = min(hole.end, _due(cut, hole) + _TOLERANCE)
    return hole.end if hole.end - end < _TOLERANCE else end


def _by_promise(
    hole: Hole, skipped: Sequence[SegmentResult], after: SegmentResult, before: SegmentResult
) -> tuple[list[Gap], list[Absence]]:
    """Each lost segment gets the time it promised, from where its name puts it; the rest was not recorded.

    Without names the last one gets the rest, since nobody knows when the recorder went on.
    """
    gaps: list[Gap] = []
    absences: list[Absence] = []
    at = hole.begin
    for nth, lost in enumerate(skipped):
        begin = named_begin(lost, after, at)
        if begin > at:
            absences += _absence(replace(hole, end=min(begin, hole.end)), at, after, lost)
        is_last = nth == len(skipped) - 1
        end = min(begin + lost.segment.promised, hole.end)
        if is_last and not (lost.segment.promised and _is_named_later(before, after, end)):
            end = hole.end
        if end > begin:
            gaps.append(_gap(hole, begin, end, cause(lost.code or "segment_missing"), lost.segment.key))
        at = max(end, at)
    return gaps, [*absences, *_absence(hole, at, after, before)]


def named_begin(lost: SegmentResult, near: SegmentResult, due: int) -> int:
    """When a lost segment would have begun: where its name puts it, if that is clearly later than due."""
    named = begin_by_wall(lost, near)
    return named if named is not None and named - due > LATE else due


def _is_named_later(before: SegmentResult, after: SegmentResult, end: int) -> bool:
    """Whether the next segment's name says that it begins clearly later than the lost one ended."""
    named = begin_by_wall(before, after)
    return named is not None and named - end > LATE


def begin_by_wall(result: SegmentResult, near: SegmentResult) -> int | None:
    """When a segment begins in the output, by its wall clock and that of one that is placed; None if one has none."""
    own, known = exact_wall(result.segment), exact_wall(near.segment)
    if own is None or known is None or near.begin is None or near.scan is None:
        return None
    return near.begin + near.scan.lead_first - near.scan.shown_first + own - known


def _gap(hole: Hole, begin: int, end: int, why: str, segment: str) -> Gap:
    return Gap(track=hole.track, begin=begin, end=end, cause=why, segment=segment)


def _due(result: SegmentResult, hole: Hole) -> int:
    """Where the segment should have ended: by its promise, or where its packets were cut."""
    if result.begin is None:
        return hole.begin
    promised = result.begin + result.promised
    return promised if promised > hole.begin else hole.end


def loss_cause(result: SegmentResult) -> str:
    """The cause of a gap in or behind a segment that is there."""
    if result.scan and result.scan.is_corrupt:
        return "corrupt"
    return "truncated" if result.cut else "recorder_loss"


def _absence(hole: Hole, begin: int, after: SegmentResult, before: SegmentResult) -> list[Absence]:
    """A short time without pictures is a slow picture rate, unless the vendor marks that they start anew after it."""
    evidence = _evidence(hole, after, before)
    if hole.end - begin < (_SEAM if evidence == TRACK_START else _UNNOTICED[hole.track]):
        return []
    return [Absence(track=hole.track, begin=begin, end=hole.end, evidence=evidence)]


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
    if any(mark.startswith(TRACK_START) for mark in before.segment.marks):
        return TRACK_START
    if before.segment.tagged:
        return "discontinuity"
    return "counters" if _runs_on(hole, after, before) else "unmarked"


def cause(code: str) -> str:
    """The cause of a gap from the finding code of the segment to blame."""
    return _CAUSES.get(code, code.removeprefix("segment_"))

"""Bound: a manifest of a very restless day is told more coarsely, so that it stays below `MAX_BYTES`. Pure.

Nothing disappears: stretches that are alike (same track, same cause or evidence) are joined over the shortest breaks
between them, a clock keeps the anchors that matter most, and of findings and rotations the rest is counted. Each
slice's own story stands in the proof files. The same manifest is always told in the same way; one that fits is left as
it is.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final, TypeVar

from catalog.manifest import MAX_BYTES, stored_bytes
from catalog.model import Absence, ClockAnchor, Gap, Impaired, Manifest, Span, StreamRecord, TrimmedOverlap
from flows.steps.describing import bounded
from media.findings import Finding, finding

_ROOM_BYTES: Final = 1024
"""For what is filled in when it is published: revision, trace and the key of the revision before."""
_LADDER: Final = (200, 140, 100, 80, 60, 50, 40, 32, 26, 21, 17, 13, 10, 7, 5, 3, 2)
"""So many of each kind in a stream and of findings of each code, and twice as many gaps and anchors."""

_Span = TypeVar("_Span", bound=Span)


def fitting(manifest: Manifest, findings: Sequence[Finding]) -> Manifest:
    """The manifest, shortened if it is too long, with a notice that says so; `findings` are all that there are."""
    if _fits(manifest):
        return manifest
    shorter = [_shortened(manifest, findings, _LADDER[0])]
    for most in _LADDER[1:]:
        if _fits(shorter[-1]):
            break
        shorter.append(_shortened(manifest, findings, most))
    return shorter[-1]


def _fits(manifest: Manifest) -> bool:
    return stored_bytes(manifest) <= MAX_BYTES - _ROOM_BYTES


def _shortened(manifest: Manifest, findings: Sequence[Finding], most: int) -> Manifest:
    streams = tuple(_stream(record, most) for record in manifest.streams)
    told = "; ".join(_told(manifest.streams, streams))
    notice = finding("manifest_shortened", "", told or f"at most {most} findings of one kind")
    return replace(manifest, streams=streams, findings=(*bounded(findings, most), notice))


def _stream(record: StreamRecord, most: int) -> StreamRecord:
    return replace(
        record,
        gaps=_joined(record.gaps, 2 * most, lambda gap: (gap.track, gap.cause), _one_gap),
        absences=_joined(record.absences, most, lambda absence: (absence.track, absence.evidence), _one_absence),
        impaired=_joined(record.impaired, most, lambda impaired: impaired.track, _one_impaired),
        overlaps_trimmed=_summed(record.overlaps_trimmed, most),
        clock=replace(record.clock, anchors=_thinned(record.clock.anchors, 2 * most)),
        rotations=record.rotations[:most],
    )


_COUNTED: Final[tuple[tuple[str, Callable[[StreamRecord], Sequence[object]]], ...]] = (
    ("gaps", lambda record: record.gaps),
    ("absences", lambda record: record.absences),
    ("impaired stretches", lambda record: record.impaired),
    ("trimmed overlaps", lambda record: record.overlaps_trimmed),
    ("clock anchors", lambda record: record.clock.anchors),
    ("rotations", lambda record: record.rotations),
)


def _told(before: Sequence[StreamRecord], after: Sequence[StreamRecord]) -> Iterator[str]:
    for what, of in _COUNTED:
        were, are = (sum(len(of(record)) for record in records) for records in (before, after))
        if are < were:
            lost = sum(gap.duration_s for record in before for gap in record.gaps) if what == "gaps" else None
            yield f"{were} {what}{'' if lost is None else f' of together {lost:.3f} s'} are told as {are}"


def _joined(
    spans: Sequence[_Span], most: int, kind: Callable[[_Span], Hashable], one: Callable[[_Span, _Span], _Span]
) -> tuple[_Span, ...]:
    """At most so many, if there are no more kinds: neighbours of one kind become one, over the shortest breaks."""
    if len(spans) <= most:
        return tuple(spans)
    kinds: dict[Hashable, list[_Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: (span.from_s, span.to_s)):
        kinds[kind(span)].append(span)
    breaks = sorted(
        (later.from_s - earlier.to_s, later.from_s, number, place)
        for number, alike in enumerate(kinds.values())
        for place, (earlier, later) in enumerate(pairwise(alike), start=1)
    )
    closed = {(number, place) for *_, number, place in breaks[: len(spans) - most]}
    told: list[_Span] = []
    for number, alike in enumerate(kinds.values()):
        for place, span in enumerate(alike):
            if (number, place) in closed:
                told[-1] = one(told[-1], span)
            else:
                told.append(span)
    return tuple(sorted(told, key=lambda span: (span.from_s, span.to_s)))


def _one_gap(first: Gap, then: Gap) -> Gap:
    last = max(first, then, key=_end)
    return replace(first, to_s=last.to_s, to_utc=last.to_utc, segment=None)


def _one_absence(first: Absence, then: Absence) -> Absence:
    last = max(first, then, key=_end)
    return replace(first, to_s=last.to_s, to_utc=last.to_utc)


def _one_impaired(first: Impaired, then: Impaired) -> Impaired:
    last = max(first, then, key=_end)
    return replace(first, to_s=last.to_s, to_utc=last.to_utc, segment=None)


def _end(span: Span) -> float:
    return span.to_s


def _summed(trims: Sequence[TrimmedOverlap], most: int) -> tuple[TrimmedOverlap, ...]:
    """The last of each track in one, at the place of the first of them."""
    kept: list[TrimmedOverlap] = list(trims[:most])
    rest: dict[str, TrimmedOverlap] = {}
    for trim in trims[most:]:
        before = rest.get(trim.track)
        whole = round(before.duration_s + trim.duration_s, 6) if before else trim.duration_s
        rest[trim.track] = replace(before or trim, duration_s=whole, segment=None)
    return (*kept, *rest.values())


def _thinned(anchors: Sequence[ClockAnchor], most: int) -> tuple[ClockAnchor, ...]:
    """The first, the last and those between that are farthest from the straight line which their neighbours make."""
    if len(anchors) <= max(most, 2):
        return tuple(anchors)
    kept = {0, len(anchors) - 1}
    waiting = [_farthest(anchors, 0, len(anchors) - 1)]
    while waiting and len(kept) < most:
        _, at, first, last = heapq.heappop(waiting)
        kept.add(at)
        for begin, end in ((first, at), (at, last)):
            if end - begin > 1:
                heapq.heappush(waiting, _farthest(anchors, begin, end))
    return tuple(anchors[at] for at in sorted(kept))


def _farthest(anchors: Sequence[ClockAnchor], first: int, last: int) -> tuple[float, int, int, int]:
    """The anchor between two that is farthest from their line: how far, negated for a heap, and where."""
    off, at = max((_off(anchors[first], anchors[at], anchors[last]), -at) for at in range(first + 1, last))
    return -off, -at, first, last


def _off(first: ClockAnchor, between: ClockAnchor, last: ClockAnchor) -> float:
    """How many seconds a clock would be wrong there without it."""
    media = last.media_s - first.media_s
    share = (between.media_s - first.media_s) / media if media else 0.0
    return abs((between.utc - first.utc).total_seconds() - share * (last.utc - first.utc).total_seconds())

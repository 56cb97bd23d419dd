"""Describe: results of assembling -> the records of the manifest, in seconds and UTC. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypedDict

from catalog.events import PresenceMark
from catalog.model import (
    Absence,
    Cause,
    ClockAnchor,
    Evidence,
    Gap,
    Impaired,
    Rotation,
    SegmentsFile,
    SegmentsSummary,
    StreamClock,
    StreamKind,
    StreamRecord,
    StreamTrack,
    TrimmedOverlap,
    Verdict,
)
from catalog.proofs import SegmentProof
from flows.steps.assembling import StreamResult
from flows.steps.presence import refined
from media import losses
from media.clock import ClockSource, Reading, mapped
from media.findings import Finding, Severity, finding
from media.plan import Lane
from media.rotation import Turn
from media.segments import SegmentResult
from media.timing import from_utc_ticks, seconds, utc_ticks
from media.ts.chain import Relation

MOST_OF_ONE_CODE = 200
"""Findings of one code that a manifest lists one by one."""
MOST_GAPS = 500
"""More of them are told as stretches."""
MOST_ROTATIONS = 200
"""The first ones are told; a finding counts the rest."""
MOST_DISBELIEVED = 20
"""Readings of the wall clock that a manifest lists because they were not believed."""


def verdict_of(
    streams: Sequence[StreamRecord], findings: Sequence[Finding], *, published: bool, held: bool = False
) -> Verdict:
    """The one place where a recording's verdict is decided."""
    if held:
        return Verdict.DAMAGED
    unread = any(f.code in {"playlist_unreadable", "playlist_missing"} for f in findings)
    lost = any(s.gaps for s in streams) or any(f.severity is Severity.ERROR for f in findings)
    if published:
        return Verdict.GAPS if lost else Verdict.COMPLETE
    known = any(s.segments.count for s in streams)
    if unread and not known:
        return Verdict.UNREADABLE
    return Verdict.MISSING if lost or known else Verdict.EMPTY


def bounded(findings: Sequence[Finding], most: int = MOST_OF_ONE_CODE) -> tuple[Finding, ...]:
    """At most so many findings of one code, and one that counts the rest; proof files name those of slices."""
    told: Counter[str] = Counter()
    kept = []
    for found in findings:
        told[found.code] += 1
        if told[found.code] <= most:
            kept.append(found)
    rest = {code: count - most for code, count in told.items() if count > most}
    return (*kept, *(finding(code, "", f"{count} more of this kind") for code, count in rest.items()))


def bounded_gaps(gaps: Sequence[losses.Gap]) -> Sequence[losses.Gap]:
    """Very many gaps are told as stretches: neighbours of one cause become one, which names no segment."""
    if len(gaps) <= MOST_GAPS:
        return gaps
    merged = [gaps[0]]
    for gap in gaps[1:]:
        last = merged[-1]
        if (gap.track, gap.cause) == (last.track, last.cause) and gap.begin <= last.end:
            merged[-1] = replace(last, end=max(last.end, gap.end), segment=None)
        else:
            merged.append(gap)
    return merged


def findings_of(result: StreamResult) -> tuple[Finding, ...]:
    """Everything there is to say of one stream."""
    return (*result.plan.findings, *result.judgement.findings, *result.findings, *_of_pictures(result))


def describe_stream(
    result: StreamResult, file: SegmentsFile | None, marks: Sequence[PresenceMark] = ()
) -> StreamRecord:
    """The manifest's record of one stream; `marks` are those of the recording, for the evidence of absences."""
    clock = _clock(result)
    parts, judgement, stream = result.assembly.parts, result.judgement, result.plan.objects
    zero = result.assembly.zero
    end = max((t.end for p in parts for t in p.tracks), default=zero)
    return StreamRecord(
        stream=stream.stream,
        user=stream.user,
        kind=StreamKind(stream.kind),
        tracks=tuple(dict.fromkeys(_tracks(result))),
        started_at=clock.utc_at(0.0),
        ended_at=clock.utc_at(seconds(end - zero)),
        duration_s=seconds(end - zero),
        clock=clock,
        segments=_summary(result, file),
        gaps=tuple(
            Gap(track=g.track, cause=Cause(g.cause), segment=g.segment, **_span(clock, g.begin, g.end))
            for g in bounded_gaps(judgement.gaps)
        ),
        absences=tuple(
            Absence(track=a.track, evidence=Evidence(a.evidence), **_span(clock, a.begin, a.end))
            for a in refined(
                judgement.absences,
                judgement.gaps,
                marks,
                names=(stream.user, stream.stream),
                utc_at=lambda tick: clock.utc_at(seconds(tick)),
            )
        ),
        impaired=tuple(
            Impaired(track=i.track, segment=None, **_span(clock, i.begin, i.end)) for i in judgement.impaired
        ),
        overlaps_trimmed=tuple(
            TrimmedOverlap(track=t.track, at_s=seconds(t.begin), duration_s=seconds(t.end - t.begin), segment=None)
            for t in judgement.trims
        ),
        outputs=result.outputs,
        rotations=tuple(_rotations(result))[:MOST_ROTATIONS],
    )


def _rotations(result: StreamResult) -> Iterator[Rotation]:
    """Wherever pictures turn, or a file begins that shows it or not; nothing if all pictures stand upright."""
    assembly, clock = result.assembly, _clock(result)
    turned = assembly.turns
    files = [(min(t.start for t in p.tracks), v) for p in assembly.parts for v in p.tracks if v.type == "video"]
    if not files or not any(turn.degrees for turn in turned):
        return
    told: tuple[Turn, bool] | None = None
    begins, starts = [max(turn.begin, assembly.zero) for turn in turned], [begin for begin, _ in files]
    for at in sorted({*begins, *starts}):
        past, track = bisect_right(begins, at), files[max(bisect_right(starts, at) - 1, 0)][1]
        turn = turned[past - 1] if past else None
        applied = turn is not None and (track.encoded is not None or turn.degrees == track.degrees)
        if turn is not None and told != (turn, applied):
            told = (turn, applied)
            from_s = seconds(at - assembly.zero)
            yield Rotation(
                from_s=from_s,
                from_utc=clock.utc_at(from_s),
                degrees=turn.degrees,
                width=turn.width,
                height=turn.height,
                applied=applied,
            )


def _of_pictures(result: StreamResult) -> Iterator[Finding]:
    refused = sum(track.refused for part in result.assembly.parts for track in part.tracks)
    if refused:
        untaken = f"no decoder took {refused} pictures, so that they could not be encoded anew"
        yield finding("pictures_refused", result.plan.objects.stream, untaken)
    rest = tuple(_rotations(result))[MOST_ROTATIONS:]
    if rest:
        untold = f"{len(rest)} more turns from {rest[0].from_s} s on are not in the manifest"
        yield finding("rotations_left_out", result.plan.objects.stream, untold)


def segment_proofs(result: StreamResult) -> Iterator[SegmentProof]:
    """One line a segment, in playlist order."""
    said: dict[str, list[str]] = {}
    for found in findings_of(result):
        said.setdefault(found.where, []).append(found.code)
    for segment in result.assembly.segments:
        planned, scan = segment.segment, segment.scan
        proof = result.proofs.get(planned.number)
        yield SegmentProof(
            key=planned.key,
            size_bytes=proof.size_bytes if proof else None,
            etag=proof.etag if proof else None,
            crc64xz=proof.crc64xz if proof else None,
            proof=proof.proof.value if proof else None,
            wall_clock=planned.wall,
            first_tick=scan.first if scan and scan.tracks else None,
            last_tick=scan.first + scan.span if scan and scan.tracks else None,
            samples={t.type: t.samples for t in scan.tracks} if scan else {},
            findings=tuple(said.get(planned.key, ())),
        )


def _tracks(result: StreamResult) -> Iterator[StreamTrack]:
    for part in result.assembly.parts:
        for track in part.tracks:
            for codec in track.codecs:
                yield StreamTrack(type=track.type, codec=codec, **dict(track.parameters))


def _summary(result: StreamResult, file: SegmentsFile | None) -> SegmentsSummary:
    proofs = result.proofs.values()
    return SegmentsSummary(
        count=len(result.assembly.segments),
        size_bytes=sum(p.size_bytes for p in proofs),
        proofs=dict(Counter(p.proof.value for p in proofs)),
        file=file,
    )


def _clock(result: StreamResult) -> StreamClock:
    """The line through what the segments of all lanes say; the times of objects count where nothing else is known."""
    placed = [r for r in result.assembly.segments if r.begin is not None and r.segment.wall]
    exact = [r for r in placed if r.segment.wall and r.segment.wall.is_exact]
    mapping = mapped(list(_readings(exact or placed[:1])))
    zero, sources = result.assembly.zero, list(ClockSource)
    best = min((r.segment.wall.source for r in exact or placed if r.segment.wall), key=sources.index, default=None)
    return StreamClock(
        source=best,
        anchors=tuple(_anchor(point, zero) for point in mapping.points),
        drift_ppm=mapping.drift_ppm,
        disbelieved=tuple(_anchor(reading, zero) for reading in mapping.wrong[:MOST_DISBELIEVED]),
    )


def _readings(placed: Sequence[SegmentResult]) -> Iterator[Reading]:
    """Recorders name a segment by the track that they cut by; a run ends where its stamps begin anew."""
    runs: Counter[Lane] = Counter()
    numbers: dict[tuple[Lane, int], int] = {}
    for segment in placed:
        lane, scan, wall = segment.segment.lane, segment.scan, segment.segment.wall
        runs[lane] += segment.relation not in {Relation.CONTINUES, Relation.PAUSE}
        if scan and wall and segment.begin is not None:
            run = numbers.setdefault((lane, runs[lane]), len(numbers))
            media = segment.begin + scan.lead_first - scan.shown_first
            yield Reading(media=media, wall=utc_ticks(wall.at), run=run)


def _anchor(reading: Reading, zero: int) -> ClockAnchor:
    return ClockAnchor(media_s=seconds(reading.media - zero), utc=from_utc_ticks(reading.wall))


class _SpanTimes(TypedDict):
    from_s: float
    to_s: float
    from_utc: datetime | None
    to_utc: datetime | None


def _span(clock: StreamClock, begin: int, end: int) -> _SpanTimes:
    from_s, to_s = seconds(begin), seconds(end)
    return _SpanTimes(from_s=from_s, to_s=to_s, from_utc=clock.utc_at(from_s), to_utc=clock.utc_at(to_s))

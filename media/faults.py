"""What is wrong with an assembly, as findings: each names an object, says what shows it, and what to do."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from media.assemble import Assembly
from media.findings import Finding, finding
from media.losses import NO_KEYFRAME, Absence, Gap
from media.segments import SegmentResult
from media.timing import TICKS_PER_SECOND, seconds, ticks
from media.tracks import Interval
from media.ts.chain import Relation

_UNNOTICED = TICKS_PER_SECOND // 4
_NO_TRACKS = frozenset({0x05, 0x0D, 0x15, 0x86})
"""Stream types of sections, timed metadata and splice information: no media (ISO/IEC 13818-1 table 2-34, SCTE 35)."""
_CLOCK_TOLERANCE = TICKS_PER_SECOND


def told(assembly: Assembly, gaps: Sequence[Gap], absences: Sequence[Absence], zero: int) -> Iterator[Finding]:
    """All findings of one output: of slices, gaps, clock and tracks. `zero` is the tick of its first sample."""
    yield from _segment_findings(assembly, frozenset(gap.segment for gap in gaps))
    yield from _clock_findings(assembly)
    yield from _gap_findings(assembly, gaps, zero)
    yield from _unsupported(assembly)
    for absence in absences:
        if absence.evidence == "unmarked":
            detail = (
                f"nothing was recorded from {_at(absence.begin, zero)} to {_at(absence.end, zero)} ({absence.track})"
            )
            yield finding("unmarked_pause", assembly.plan.stream, detail)
    for part in assembly.parts:
        for track in part.tracks:
            if not track.ledger.closes:
                yield finding(
                    "ledger_open", assembly.plan.stream, f"{track.type} of part {part.number}: {track.ledger}"
                )
            for trim in (t for t in joined_trims(track.trims) if t.end - t.begin > _UNNOTICED):
                detail = f"{trim.track} from {_at(trim.begin, zero)} to {_at(trim.end, zero)} came twice"
                yield finding("overlap_trimmed", assembly.plan.stream, detail)
            for interval in track.impaired:
                detail = f"pictures from {_at(interval.begin, zero)} to {_at(interval.end, zero)} lack a reference"
                yield finding("late_keyframe", assembly.plan.stream, detail)


def joined_trims(trims: Sequence[Interval]) -> Iterator[Interval]:
    """The times of one track that came twice, in order, those that touch as one."""
    since: Interval | None = None
    for trim in sorted(trims, key=lambda t: t.begin):
        if since and trim.begin - since.end <= _UNNOTICED:
            since = replace(since, end=max(since.end, trim.end))
            continue
        if since:
            yield since
        since = trim
    if since:
        yield since


def _gap_findings(assembly: Assembly, gaps: Sequence[Gap], zero: int) -> Iterator[Finding]:
    """For gaps that no single slice is to blame for."""
    for gap in gaps:
        span = f"from {_at(gap.begin, zero)} to {_at(gap.end, zero)}"
        if gap.cause == "failover":
            yield finding("failover_hole", gap.segment or assembly.plan.stream, f"no recorder ran {span}")
        elif gap.cause == NO_KEYFRAME:
            yield finding("keyframe_missing", assembly.plan.stream, f"pictures {span} cannot be decoded")


def _unsupported(assembly: Assembly) -> Iterator[Finding]:
    """Tracks that were recorded and are in no output: one finding for each kind, at the first slice that has it."""
    told: set[str] = set()
    for result in assembly.segments:
        for kind in _untaken(result):
            if kind not in told:
                told.add(kind)
                yield finding("track_unsupported", result.segment.key, f"{kind} is not in the output")


def _untaken(result: SegmentResult) -> Iterator[str]:
    if result.begin is None or result.scan is None:
        return
    for pid, kind in result.scan.unsupported:
        if kind not in _NO_TRACKS:
            yield f"the track of stream type 0x{kind:02x} (PID {pid})"
    sound = result.scan.track("audio")
    if sound and sound.audio is None and not result.scan.is_corrupt:
        yield f"the sound (PID {sound.pid}) has AAC headers that cannot be told in MP4, and"


def _at(tick: int, zero: int) -> str:
    return f"{seconds(tick - zero):.3f} s"


def _clock_findings(assembly: Assembly) -> Iterator[Finding]:
    """Stamps that go on while the wall clock says otherwise: one finding, at the first such place of each lane."""
    for lane in assembly.plan.lanes:
        used = [r for r in assembly.segments if r.begin is not None and r.segment.lane == lane]
        yield from _disagreeing(sorted(used, key=lambda r: r.begin or 0))


def _disagreeing(used: Sequence[SegmentResult]) -> Iterator[Finding]:
    for earlier, later in itertools.pairwise(r for r in used if r.segment.wall and r.segment.wall.is_exact):
        if earlier.segment.wall and later.segment.wall and later.relation is Relation.CONTINUES:
            elapsed = ticks(later.segment.wall.at - earlier.segment.wall.at)
            off = elapsed - ((later.begin or 0) - (earlier.begin or 0))
            if abs(off) > _CLOCK_TOLERANCE:
                detail = f"by its time it begins {seconds(off):+.3f} s from where its stamps put it"
                yield finding("clock_disagrees", later.segment.key, detail)
                return


def _segment_findings(assembly: Assembly, lost: frozenset[str | None] = frozenset()) -> Iterator[Finding]:
    for result in assembly.segments:
        key = result.segment.key
        if result.spared:
            if result.too_late:
                yield finding("segment_too_late", key, "a later file of the stream had begun where it belongs")
            elif result.detail:
                yield finding("segment_covered", key, f"{result.detail}; another file of the stream has its time")
            continue
        if result.code == "segment_repeated" and assembly.parts and key not in lost:
            yield finding("segment_listed_twice", key, "the same bytes came under another name; no time is missing")
        elif result.code:
            yield finding(result.code, key, result.detail)
            continue
        if result.out_of_order:
            yield finding("segment_out_of_order", key, "its time stamps lie before those of the slice listed before it")
        yield from _damage(result)


def _damage(result: SegmentResult) -> Iterator[Finding]:
    scan, key = result.scan, result.segment.key
    if scan is None:
        return
    if scan.is_corrupt:
        lost = scan.junk_bytes + scan.bad_packets * 188
        yield finding(
            "segment_corrupt",
            key,
            f"{lost} bytes are no packets; {result.dropped} samples that are broken, or refer to those, left out",
        )
    if result.cut and not (scan.is_corrupt and not scan.partial_bytes):
        span, promised = seconds(scan.span), seconds(result.promised)
        rest = f", {scan.partial_bytes} bytes of a packet at its end" if scan.partial_bytes else ""
        yield finding("segment_truncated", key, f"{span:.3f} s of {promised:.3f} s{rest}")
    elif not scan.is_corrupt and (result.dropped or scan.is_damaged):
        headless = sum(t.headless_packets for t in scan.tracks)
        detail = f"packets are missing in it; {result.dropped} samples that are broken, or refer to those, left out"
        if headless and not result.dropped:
            detail = f"{headless} packets at its begin belong to a sample that is not there"
        yield finding("recorder_loss", key, detail)

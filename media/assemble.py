"""AssemblyPlan and segment bytes -> progressive MP4s, in one pass.

Segments arrive in plan order. A few are scanned ahead, `media.ts.succession` decides which comes next and where its
stamps lie, the timelines of `media.tracks` place its samples, and the writer passes them on. Nothing is judged here:
what was met is returned as values for `media.judge`.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain as joined

import av

from media.heap import keep_freed_memory
from media.parts import Part, PartResult, Seams, Sink
from media.plan import AssemblyPlan, PlannedSegment
from media.samples import Buffer, TrackType
from media.timing import TICKS_PER_SECOND, ticks, utc_ticks
from media.tracks import Seam
from media.ts import chain, handover, succession
from media.ts.psi import ProgramMap
from media.ts.scan import SegmentScan, Window, merge, scan_windows

LIBAV_VERSION = ".".join(str(part) for part in av.library_versions["libavformat"])
"""Part of every plan: libav makes the sample entries and the coded silence."""

_LOOK_AHEAD_BYTES = 12 << 20
_SEAMLESS = TICKS_PER_SECOND // 4
_OTHER_CONTAINERS = (
    (b"\x1a\x45\xdf\xa3", 0, "WebM"),
    (b"ftyp", 4, "MP4"),
    (b"styp", 4, "fragmented MP4"),
    (b"moof", 4, "fragmented MP4"),
    (b"ID3", 0, "packed audio"),
    (b"\xff\xf1", 0, "packed audio"),
    (b"\xff\xf9", 0, "packed audio"),
)
"""How segments of other formats begin: signature, offset, name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """The bytes of one planned segment, or why there are none.

    `pieces` of a `proved` segment are in memory and right; those of a larger one come as they are read, and reading
    on raises if they turn out wrong. `code` is a finding code with its `detail` where the segment cannot be used.
    """

    segment: PlannedSegment
    pieces: Iterable[Buffer] = ()
    size_bytes: int = 0
    digest: int = 0
    proved: bool = True
    code: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentResult:
    """What became of one planned segment; `begin` and `end` are ticks of the output, None if it was left out.

    `promised` is the EXTINF in ticks, or 0 where it speaks of another segment's content. `counts_on`: its continuity
    counters run on from the segment placed before it, so that no packet is missing between them. `skipped` are
    the numbers of segments that are missing or left out between it and the one placed before it. `spared`: not needed,
    because another file has its time, or `too_late` for its place. `overtaken`: its end, whether whole or cut, is
    another file's.
    """

    segment: PlannedSegment
    scan: SegmentScan | None = None
    digest: int = 0
    code: str | None = None
    detail: str = ""
    relation: chain.Relation | None = None
    out_of_order: bool = False
    begin: int | None = None
    end: int | None = None
    promised: int = 0
    cut: bool = False
    counts_on: bool = False
    part: int = 0
    dropped: int = 0
    skipped: tuple[int, ...] = ()
    spared: bool = False
    too_late: bool = False
    overtaken: bool = False


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


def assemble(plan: AssemblyPlan, arrivals: Iterable[Arrival], open_sink: Callable[[int], Sink]) -> Assembly:
    """Make the output of a plan; `open_sink` is asked for the sink of part 1, 2… when its first byte is there."""
    keep_freed_memory()
    return _Assembler(plan, iter(arrivals), open_sink).run()


@dataclass(slots=True)
class _Waiting:
    """A scanned segment that has not been placed."""

    arrival: Arrival
    link: chain.Link
    windows: list[Window]
    later: Iterator[Window]
    skipped: tuple[int, ...]
    displaced: bool = False


@dataclass(slots=True)
class _Before:
    """What is missing before the next segment of a file: promised ticks, and the numbers of the segments.

    `wall` is the wall clock at which that one is due if those are the first of their file, which alone may have one.
    """

    missing: int = 0
    wall: int | None = None
    skipped: list[int] = field(default_factory=list)


class _Assembler:
    def __init__(self, plan: AssemblyPlan, arrivals: Iterator[Arrival], open_sink: Callable[[int], Sink]) -> None:
        self._plan = plan
        self._arrivals = arrivals
        self._open_sink = open_sink
        self._waiting: deque[_Waiting] = deque()
        self._chain: chain.Chain | None = None
        self._program: dict[int, ProgramMap] = {}
        self._before: dict[int, _Before] = defaultdict(_Before)
        self._due: dict[int, int] = {}
        self._seen = 0
        self._stands_still = False
        self._part: Part | None = None
        self._parts: list[PartResult] = []
        self._results: dict[int, SegmentResult] = {}

    def run(self) -> Assembly:
        while self._look_ahead():
            match handover.decide(self._chain, [w.link for w in self._waiting]):
                case chain.Leave(link=link, code=code, detail=detail):
                    self._leave(self._take(link), code, detail)
                case handover.Spare() as spare:
                    self._spare(self._take(spare.link), spare)
                case chain.Place() as place:
                    self._place(self._take(place.link), place)
        self._finish_part()
        self._spare_what_is_covered()
        ordered = tuple(self._results[number] for number in sorted(self._results))
        return Assembly(plan=self._plan, parts=tuple(self._parts), segments=ordered)

    def _look_ahead(self) -> bool:
        """Scan on until enough segments wait; whether any does."""
        while len(self._waiting) <= succession.LOOK_AHEAD and (
            self._waiting_bytes() < _LOOK_AHEAD_BYTES or self._next_file_is_near()
        ):
            arrival = next(self._arrivals, None)
            if arrival is None:
                break
            self._seen = arrival.segment.number + 1
            self._admit(arrival)
        return bool(self._waiting)

    def _next_file_is_near(self) -> bool:
        """Whether the segment to come begins another file, which may cut the last one that waits."""
        if len(self._waiting) != 1 or self._seen >= len(self._plan.segments):
            return False
        return self._plan.segments[self._seen].file > self._waiting[0].link.file

    def _waiting_bytes(self) -> int:
        return sum(w.arrival.size_bytes for w in self._waiting)

    def _admit(self, arrival: Arrival) -> None:
        segment = arrival.segment
        if arrival.code:
            self._skip(SegmentResult(segment=segment, code=arrival.code, detail=arrival.detail))
            return
        later = scan_windows(arrival.pieces, self._program.get(segment.file))
        windows = list(later) if arrival.proved else [w for w in (next(later, None),) if w]
        scan = merge(w.scan for w in windows)
        if not scan.is_media:
            code, detail = _why_no_media(arrival, scan)
            self._skip(SegmentResult(segment=segment, scan=scan, digest=arrival.digest, code=code, detail=detail))
            return
        self._program[segment.file] = scan.program
        before = self._before.pop(segment.file, None) or _Before()
        own = _exact_wall(segment)
        link = chain.Link(
            number=segment.number,
            scan=scan,
            digest=arrival.digest if arrival.proved else -segment.number - 1,
            promised=segment.promised,
            missing_before=before.missing,
            wall=before.wall if own is None else own,
            wall_within=ticks(segment.wall.right_within) if segment.wall else TICKS_PER_SECOND,
            tagged=segment.tagged,
            file=segment.file,
        )
        self._waiting.append(_Waiting(arrival, link, windows, later, tuple(before.skipped)))

    def _skip(self, result: SegmentResult) -> None:
        self._results[result.segment.number] = result
        before = self._before[result.segment.file]
        before.missing += result.segment.promised
        before.skipped.append(result.segment.number)
        known = _exact_wall(result.segment) if result.segment.file else None
        since = before.wall if known is None else known
        before.wall = None if since is None else since + result.segment.promised

    def _take(self, link: chain.Link) -> _Waiting:
        """Take it out of those that wait; if others stood before it, their promises speak of each other."""
        taken = next(w for w in self._waiting if w.link is link)
        ahead = [w for w in list(self._waiting)[: self._waiting.index(taken)] if w.link.file == link.file]
        for other in (*ahead, taken) if ahead else ():
            other.displaced = True
        self._waiting.remove(taken)
        return taken

    def _leave(self, taken: _Waiting, code: str, detail: str) -> None:
        """Its time, and what was missing before it, is now missing before the segment that waits next."""
        segment = taken.arrival.segment
        self._results[segment.number] = SegmentResult(
            segment=segment, scan=taken.link.scan, digest=taken.arrival.digest, code=code, detail=detail
        )
        missing, skipped = taken.link.missing_before + segment.promised, (*taken.skipped, segment.number)
        if heir := self._following(segment.file):
            heir.link = chain.delayed(heir.link, missing)
            heir.skipped = skipped + heir.skipped
        else:
            before = self._before[segment.file]
            before.missing += missing
            before.skipped = [*skipped, *before.skipped]

    def _following(self, file: int) -> _Waiting | None:
        """The next segment that waits, of the same file."""
        return next((w for w in self._waiting if w.link.file == file), None)

    def _spare(self, taken: _Waiting, spare: handover.Spare) -> None:
        """Another file has its time, and that of what was missing before it: read to its end, and not used."""
        scan = merge(w.scan for w in joined(taken.windows, taken.later))
        segment = taken.arrival.segment
        if self._part is not None:
            self._part.spare(scan, spare.shift)
        self._results[segment.number] = SegmentResult(
            segment=segment, scan=scan, digest=taken.arrival.digest, spared=True, too_late=spare.too_late
        )
        self._due[segment.file] = scan.shown_first + scan.span + spare.shift
        self._forgive(taken.skipped)

    def _forgive(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._results[number] = replace(self._results[number], code=None, spared=True)

    def _spare_what_is_covered(self) -> None:
        """What is missing at the end of a file is no loss where another file has its time."""
        for file, before in self._before.items():
            if self._chain is not None and file != self._chain.last.file:
                due = self._due.get(file, 0)
                for segment in (self._plan.segments[number] for number in before.skipped):
                    begin = handover.begin_by_wall(self._chain, _exact_wall(segment))
                    due = (due if begin is None else begin) + segment.promised
                    if due <= self._chain.end + _SEAMLESS:
                        self._forgive([segment.number])

    def _missed(self, taken: _Waiting, place: chain.Place) -> tuple[int, ...]:
        """What is missing before it; where it takes over, of both files, unless what is placed reaches that far."""
        if place.relation is not chain.Relation.TAKEOVER or self._chain is None:
            return taken.skipped
        begin = place.link.scan.shown_first + place.shift
        before, number = self._before[self._chain.last.file], taken.link.number
        earlier = [n for n in before.skipped if n < number]
        before.skipped = [n for n in before.skipped if n >= number]
        before.missing = sum(self._plan.segments[n].promised for n in before.skipped)
        missed = (*earlier, *taken.skipped)
        if begin - self._chain.end > _SEAMLESS:
            return missed
        self._forgive(missed)
        return ()

    def _place(self, taken: _Waiting, place: chain.Place) -> None:
        part = self._part_for(taken.link.scan)
        segment, dropped, scans = taken.arrival.segment, 0, []
        promised, before, cut = 0 if taken.displaced else segment.promised, self._chain, False
        skipped = self._missed(taken, place)
        windows = joined(taken.windows, taken.later)
        taken.windows = []
        window, seams = next(windows, None), _seams(place)
        while window is not None:
            following = next(windows, None)
            scans.append(window.scan)
            whole = merge(scans) if following is None else None
            cut = whole is not None and self._is_cut(whole, promised, segment.file)
            dropped += part.add(window, place.shift, segment.number, drop_last=cut, seams=seams)
            window, seams = following, _seams(replace(place, relation=chain.Relation.CONTINUES))
        scan = merge(scans)
        overtaken = _is_overtaken(scan, place)
        self._due[segment.file] = scan.shown_first + scan.span + place.shift
        self._chain = chain.advance(self._chain, replace(place, link=chain.completed(place.link, scan)))
        self._results[segment.number] = SegmentResult(
            segment=segment,
            scan=scan,
            digest=taken.arrival.digest,
            relation=place.relation,
            out_of_order=place.out_of_order,
            begin=scan.shown_first + place.shift,
            end=scan.shown_first + scan.span + place.shift,
            promised=promised,
            cut=cut and not overtaken,
            part=part.number,
            counts_on=before is not None and chain.counts_on(before.last.scan, scan),
            dropped=dropped,
            skipped=skipped,
            overtaken=overtaken,
        )

    def _is_cut(self, scan: SegmentScan, promised: int, file: int) -> bool:
        """Whether the end of a segment is missing.

        Pictures alone may stand still for longer than their segment shows. That they hold less time than promised
        means nothing if the continuity counters run on behind them, nor from then on.
        """
        if scan.ends_broken:
            return True
        if not scan.falls_short(promised):
            return False
        following = self._following(file)
        if scan.track("audio") is None and following and chain.counts_on(scan, following.link.scan):
            self._stands_still = True
        return not self._stands_still

    def _part_for(self, scan: SegmentScan) -> Part:
        """The part that the segment goes into: a new one where codec, sample rate or channels change."""
        if self._part is not None and not self._part.accepts(scan):
            self._finish_part()
        if self._part is None:
            number = len(self._parts) + 1
            self._part = Part(number, lambda: self._open_sink(number))
        return self._part

    def _finish_part(self) -> None:
        if self._part is not None and (result := self._part.finish()):
            self._parts.append(result)
        self._part = None


def _exact_wall(segment: PlannedSegment) -> int | None:
    return utc_ticks(segment.wall.at) if segment.wall and segment.wall.is_exact else None


def _seams(place: chain.Place) -> Seams:
    """Where other files begin in a segment: with it, or before its end."""
    begins = place.relation is chain.Relation.TAKEOVER
    kinds: tuple[TrackType, ...] = ("audio", "video")
    return {kind: Seam(begins_file=begins, cut=place.until.get(kind)) for kind in kinds}


def _is_overtaken(scan: SegmentScan, place: chain.Place) -> bool:
    """Whether the next file begins before the segment ends."""
    cuts = ((t.shown_end + place.shift, place.until.get(t.type)) for t in scan.tracks)
    return any(cut is not None and end > cut.pts for end, cut in cuts)


def _why_no_media(arrival: Arrival, scan: SegmentScan) -> tuple[str, str]:
    if not arrival.size_bytes:
        return "segment_empty", "the object has no bytes"
    if scan.unsupported and scan.packets:
        kinds = ", ".join(f"0x{kind:02x}" for _, kind in scan.unsupported)
        return "segment_unsupported", f"its streams have types that are not assembled yet: {kinds}"
    if scan.packets and scan.program.streams:
        return "segment_truncated", f"no whole sample in {arrival.size_bytes} bytes"
    begin = bytes(next(iter(arrival.pieces), b"")[:64]) if arrival.proved else b""
    for signature, at, name in _OTHER_CONTAINERS:
        if begin[at : at + len(signature)] == signature:
            return "segment_unsupported", f"it is {name}, which is not assembled yet"
    is_text = begin[:1] in {b"<", b"{"}
    shown = begin.decode("ascii", "replace").split("\n")[0].strip() if is_text else begin[:8].hex(" ")
    return "segment_not_media", f"no MPEG-TS in {arrival.size_bytes} bytes; it begins with {shown}"

"""One lane on its way: segments are scanned ahead, left out or spared, until the next one can be placed.

A lane is what the playlists of one kind list: both tracks, the sound alone or the pictures alone. Each has a chain of
its own, because its recorder may stop and begin at other times; which clock they share is for `aligned` to see.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain as joined

from media.plan import ROTATE_MARK, PlannedSegment
from media.plan import Lane as LaneName
from media.segments import Arrival, SegmentResult, exact_wall
from media.timing import TICKS_PER_SECOND, ticks
from media.ts import alignment, chain, handover, succession
from media.ts.psi import ProgramMap
from media.ts.scan import SegmentScan, Window, merge, scan_windows

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """The segment that comes next in a lane, taken out of those that wait: where it lies, and its windows."""

    place: chain.Place
    arrival: Arrival
    promised: int
    skipped: tuple[int, ...]
    windows: Iterator[Window]

    @property
    def segment(self) -> PlannedSegment:
        """Its plan."""
        return self.arrival.segment


@dataclass(frozen=True, slots=True, kw_only=True)
class Spared:
    """A segment of which nothing is used, and what makes its stamps output time."""

    scan: SegmentScan
    shift: int


class Lane:
    """The segments of one lane, in plan order. What becomes of each stands in `results`, by number.

    Tracks that it does not carry (`carries`) are another lane's.
    """

    def __init__(
        self, segments: Sequence[PlannedSegment], arrivals: Iterable[Arrival], carries: LaneName = "both"
    ) -> None:
        self._carries = carries
        self.results: dict[int, SegmentResult] = {}
        self.chain: chain.Chain | None = None
        self.spared: list[Spared] = []
        """What was spared since this was last emptied."""
        self._segments = segments
        self._numbered = {segment.number: segment for segment in segments}
        self._arrivals = iter(arrivals)
        self._waiting: deque[_Waiting] = deque()
        self._program: dict[int, ProgramMap] = {}
        self._before: dict[int, _Before] = defaultdict(_Before)
        self._due: dict[int, int] = {}
        self._seen = 0
        self._stands_still = False

    def upcoming(self, sibling: chain.Chain | None = None) -> chain.Place | None:
        """Where the next segment lies; None at the end. Those before it that are not used are left out or spared.

        `sibling` is the chain of another lane of the same stream.
        """
        while self._look_ahead():
            links = [w.link for w in self._waiting]
            match handover.decide(alignment.informed(self.chain, sibling, links[0].wall), links):
                case chain.Leave(link=link, code=code, detail=detail):
                    self._leave(self._take(link), code, detail)
                case handover.Spare() as spare:
                    self._spare(self._take(spare.link), spare)
                case chain.Place() as place:
                    return alignment.aligned(place, sibling)
        return None

    def take(self, place: chain.Place) -> Next:
        """The segment of what `upcoming` said; its windows must be read to their end, and `end` be told."""
        taken = self._take(place.link)
        skipped = self._missed(taken, place)
        return Next(
            place=place,
            arrival=taken.arrival,
            promised=0 if taken.displaced else taken.arrival.segment.promised,
            skipped=skipped,
            windows=joined(taken.windows, taken.later),
        )

    def is_cut(self, taken: Next, scan: SegmentScan) -> bool:
        """Whether the end of a segment is missing.

        Pictures alone may stand still for longer than their segment shows. That they hold less time than promised
        means nothing if the continuity counters run on behind them, nor from then on.
        """
        if scan.ends_broken:
            return True
        if not scan.falls_short(taken.promised):
            return False
        following = self._following(taken.segment.file)
        if scan.track("audio") is None and following and chain.counts_on(scan, following.link.scan):
            self._stands_still = True
        return not self._stands_still

    def end(self, taken: Next, scan: SegmentScan, *, cut: bool, dropped: int, part: int) -> None:
        """It is placed; `scan` is that of the whole segment."""
        place, segment, before = taken.place, taken.segment, self.chain
        end = scan.shown_first + scan.span + place.shift
        self._due[segment.file] = end
        self.chain = chain.advance(before, replace(place, link=chain.completed(place.link, scan)))
        overtaken = _is_overtaken(scan, place)
        self.results[segment.number] = SegmentResult(
            segment=segment,
            scan=scan,
            digest=taken.arrival.digest,
            relation=place.relation,
            out_of_order=place.out_of_order,
            begin=scan.shown_first + place.shift,
            end=end,
            promised=taken.promised,
            cut=cut and not overtaken,
            part=part,
            counts_on=_counts_on(before, place.link, scan),
            dropped=dropped,
            skipped=taken.skipped,
            overtaken=overtaken,
        )

    def finish(self) -> None:
        """What is missing at the end of a file is no loss where another file has its time."""
        for file, before in self._before.items():
            if self.chain is not None and file != self.chain.last.file:
                due = self._due.get(file, 0)
                for segment in (self._numbered[number] for number in before.skipped):
                    begin = chain.shown_by_wall(self.chain, exact_wall(segment))
                    due = (due if begin is None else begin) + segment.promised
                    if due <= self.chain.end + _SEAMLESS:
                        self._forgive([segment.number])

    def _look_ahead(self) -> bool:
        """Scan on until enough segments wait; whether any does."""
        while len(self._waiting) <= succession.LOOK_AHEAD and (
            self._waiting_bytes() < _LOOK_AHEAD_BYTES or self._next_file_is_near()
        ):
            arrival = next(self._arrivals, None)
            if arrival is None:
                break
            self._seen += 1
            self._admit(arrival)
        return bool(self._waiting)

    def _next_file_is_near(self) -> bool:
        """Whether the segment to come begins another file, which may cut the last one that waits."""
        if len(self._waiting) != 1 or self._seen >= len(self._segments):
            return False
        return self._segments[self._seen].file > self._waiting[0].link.file

    def _waiting_bytes(self) -> int:
        return sum(w.arrival.size_bytes for w in self._waiting)

    def _admit(self, arrival: Arrival) -> None:
        segment = arrival.segment
        if arrival.code:
            self._skip(SegmentResult(segment=segment, code=arrival.code, detail=arrival.detail))
            return
        scanned = scan_windows(arrival.pieces, self._program.get(segment.file))
        later = (_carried(window, self._carries) for window in scanned)
        windows = list(later) if arrival.proved else [w for w in (next(later, None),) if w]
        scan = merge(w.scan for w in windows)
        if not scan.is_media:
            code, detail = _why_no_media(arrival, scan)
            self._skip(SegmentResult(segment=segment, scan=scan, digest=arrival.digest, code=code, detail=detail))
            return
        self._program[segment.file] = scan.program
        before = self._before.pop(segment.file, None) or _Before()
        own = exact_wall(segment)
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
            announced=any(mark.startswith(ROTATE_MARK) for mark in segment.marks),
        )
        self._waiting.append(_Waiting(arrival, link, windows, later, tuple(before.skipped)))

    def _skip(self, result: SegmentResult) -> None:
        self.results[result.segment.number] = result
        before = self._before[result.segment.file]
        before.missing += result.segment.promised
        before.skipped.append(result.segment.number)
        known = exact_wall(result.segment) if result.segment.file else None
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
        self.results[segment.number] = SegmentResult(
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
        self.spared.append(Spared(scan=scan, shift=spare.shift))
        self.results[segment.number] = SegmentResult(
            segment=segment, scan=scan, digest=taken.arrival.digest, spared=True, too_late=spare.too_late
        )
        self._due[segment.file] = scan.shown_first + scan.span + spare.shift
        self._forgive(taken.skipped)

    def _forgive(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.results[number] = replace(self.results[number], code=None, spared=True)

    def _missed(self, taken: _Waiting, place: chain.Place) -> tuple[int, ...]:
        """What is missing before it; where it takes over, of both files, unless what is placed reaches that far."""
        if place.relation is not chain.Relation.TAKEOVER or self.chain is None:
            return taken.skipped
        begin = place.link.scan.shown_first + place.shift
        before, number = self._before[self.chain.last.file], taken.link.number
        earlier = [n for n in before.skipped if n < number]
        before.skipped = [n for n in before.skipped if n >= number]
        before.missing = sum(self._numbered[n].promised for n in before.skipped)
        missed = (*earlier, *taken.skipped)
        if begin - self.chain.end > _SEAMLESS:
            return missed
        self._forgive(missed)
        return ()


def _carried(window: Window, lane: LaneName) -> Window:
    """The window with the tracks of a lane; others are told as not assembled."""
    others = {track.pid for track in window.scan.tracks if lane not in {track.type, "both"}}
    if not others:
        return window
    left = tuple((s.pid, s.stream_type) for s in window.scan.program.streams if s.pid in others)
    tracks = tuple(track for track in window.scan.tracks if track.pid not in others)
    scan = replace(window.scan, tracks=tracks, unsupported=(*window.scan.unsupported, *left))
    return replace(window, scan=scan)


def _counts_on(before: chain.Chain | None, link: chain.Link, scan: SegmentScan) -> bool:
    """Of two recorders the counters may fit by chance."""
    return before is not None and before.last.file == link.file and chain.counts_on(before.last.scan, scan)


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

"""AssemblyPlan and segment bytes -> progressive MP4s, in one pass.

Segments arrive in plan order. A few are scanned ahead, `media.ts.chain` decides which comes next and where its stamps
lie, the timelines of `media.tracks` place its samples, and the writer passes them on. Nothing is judged here: what
was met is returned as values for `media.judge`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain as joined
from typing import Protocol

import av
import numpy as np

from media.heap import keep_freed_memory
from media.mp4.check import CheckReport, check
from media.mp4.entries import sample_entry
from media.mp4.writer import Mp4Writer, Track
from media.samples import Buffer, SampleBatch, TrackType
from media.silence import silent_frame
from media.timing import TICKS_PER_SECOND, utc_ticks
from media.tracks import AssemblyPlan, AudioTimeline, Hole, Interval, Ledger, PlannedSegment, Run, VideoTimeline
from media.ts import adts, chain
from media.ts.demux import AudioFrames, VideoUnits, demux_audio, demux_video
from media.ts.nal import VideoCodec
from media.ts.psi import ProgramMap
from media.ts.scan import SegmentScan, TrackScan, Window, merge, scan_windows

LIBAV_VERSION = ".".join(str(part) for part in av.library_versions["libavformat"])
"""Part of every plan: libav makes the sample entries and the coded silence."""

_LOOK_AHEAD_BYTES = 32 << 20


class Sink(Protocol):
    """Where the bytes of one output go; the head is known last and stands first."""

    def write(self, data: Buffer, /) -> object:
        """Take media bytes; nothing may be kept of `data` after the call."""


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

    `promised` is the EXTINF in ticks, or 0 where it speaks of another segment's content. `skipped` are the numbers of segments that are missing or left out between it and the one placed before it.
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
    dropped: int = 0
    skipped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackResult:
    """One track of one finished part; `start` and `end` are ticks of the output's timeline."""

    type: TrackType
    codecs: tuple[str, ...]
    parameters: tuple[tuple[str, int], ...]
    ledger: Ledger
    start: int
    end: int
    holes: tuple[Hole, ...]
    impaired: tuple[Interval, ...]
    trims: tuple[Interval, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """One finished MP4: the bytes before its media, which its sink has already, and what its check said."""

    number: int
    head: bytes
    media_bytes: int
    report: CheckReport
    tracks: tuple[TrackResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Everything that came of a plan. `parts` is empty if no segment could be used."""

    plan: AssemblyPlan
    parts: tuple[PartResult, ...]
    segments: tuple[SegmentResult, ...]


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


class _Assembler:
    def __init__(self, plan: AssemblyPlan, arrivals: Iterator[Arrival], open_sink: Callable[[int], Sink]) -> None:
        self._plan = plan
        self._arrivals = arrivals
        self._open_sink = open_sink
        self._waiting: deque[_Waiting] = deque()
        self._chain: chain.Chain | None = None
        self._program: ProgramMap | None = None
        self._skipped: list[int] = []
        self._missing = 0
        self._part: _Part | None = None
        self._parts: list[PartResult] = []
        self._results: dict[int, SegmentResult] = {}

    def run(self) -> Assembly:
        while self._look_ahead():
            match chain.decide(self._chain, [w.link for w in self._waiting]):
                case chain.Leave(link=link, code=code, detail=detail):
                    self._leave(self._take(link), code, detail)
                case chain.Place() as place:
                    self._place(self._take(place.link), place)
        self._finish_part()
        ordered = tuple(self._results[number] for number in sorted(self._results))
        return Assembly(plan=self._plan, parts=tuple(self._parts), segments=ordered)

    def _look_ahead(self) -> bool:
        """Scan on until enough segments wait; whether any does."""
        while len(self._waiting) <= chain.LOOK_AHEAD and self._waiting_bytes() < _LOOK_AHEAD_BYTES:
            arrival = next(self._arrivals, None)
            if arrival is None:
                break
            self._admit(arrival)
        return bool(self._waiting)

    def _waiting_bytes(self) -> int:
        return sum(w.arrival.size_bytes for w in self._waiting)

    def _admit(self, arrival: Arrival) -> None:
        segment = arrival.segment
        if arrival.code:
            self._skip(SegmentResult(segment=segment, code=arrival.code, detail=arrival.detail))
            return
        later = scan_windows(arrival.pieces, self._program)
        windows = list(later) if arrival.proved else [w for w in (next(later, None),) if w]
        scan = merge(w.scan for w in windows)
        if not scan.is_media:
            code, detail = _why_no_media(arrival, scan)
            self._skip(SegmentResult(segment=segment, scan=scan, digest=arrival.digest, code=code, detail=detail))
            return
        self._program = scan.program
        link = chain.Link(
            number=segment.number,
            scan=scan,
            digest=arrival.digest if arrival.proved else -segment.number - 1,
            promised=segment.promised,
            missing_before=self._missing,
            wall=utc_ticks(segment.wall.at) if segment.wall and segment.wall.is_exact else None,
            tagged=segment.tagged,
        )
        self._waiting.append(_Waiting(arrival, link, windows, later, tuple(self._skipped)))
        self._missing, self._skipped = 0, []

    def _skip(self, result: SegmentResult) -> None:
        self._results[result.segment.number] = result
        self._missing += result.segment.promised
        self._skipped.append(result.segment.number)

    def _take(self, link: chain.Link) -> _Waiting:
        """Take it out of those that wait; if others stood before it, their promises speak of each other."""
        taken = next(w for w in self._waiting if w.link is link)
        ahead = list(self._waiting)[: self._waiting.index(taken)]
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
        if self._waiting:
            heir = self._waiting[0]
            heir.link = chain.delayed(heir.link, missing)
            heir.skipped = skipped + heir.skipped
        else:
            self._missing += missing
            self._skipped = [*skipped, *self._skipped]

    def _place(self, taken: _Waiting, place: chain.Place) -> None:
        part = self._part_for(taken.link.scan)
        segment, dropped, scans = taken.arrival.segment, 0, []
        promised = 0 if taken.displaced else segment.promised
        windows = joined(taken.windows, taken.later)
        taken.windows = []
        window = next(windows, None)
        while window is not None:
            following = next(windows, None)
            scans.append(window.scan)
            whole = merge(scans) if following is None else None
            cut = whole is not None and whole.is_cut(promised)
            dropped += part.add(window, place.shift, segment.number, drop_last=cut)
            window = following
        scan = merge(scans)
        placed = chain.Place(
            link=chain.completed(place.link, scan),
            shift=place.shift,
            relation=place.relation,
            out_of_order=place.out_of_order,
        )
        self._chain = chain.advance(self._chain, placed)
        self._results[segment.number] = SegmentResult(
            segment=segment,
            scan=scan,
            digest=taken.arrival.digest,
            relation=place.relation,
            out_of_order=place.out_of_order,
            begin=scan.shown_first + place.shift,
            end=scan.shown_first + scan.span + place.shift,
            promised=promised,
            cut=scan.is_cut(promised),
            dropped=dropped,
            skipped=taken.skipped,
        )

    def _part_for(self, scan: SegmentScan) -> "_Part":
        """The part that the segment goes into: a new one where codec, sample rate or channels change."""
        if self._part is not None and not self._part.accepts(scan):
            self._finish_part()
        if self._part is None:
            number = len(self._parts) + 1
            self._part = _Part(number, lambda: self._open_sink(number))
        return self._part

    def _finish_part(self) -> None:
        if self._part is not None and (result := self._part.finish()):
            self._parts.append(result)
        self._part = None


def _why_no_media(arrival: Arrival, scan: SegmentScan) -> tuple[str, str]:
    if not arrival.size_bytes:
        return "segment_empty", "the object has no bytes"
    if scan.unsupported and scan.packets:
        kinds = ", ".join(f"0x{kind:02x}" for _, kind in scan.unsupported)
        return "segment_unsupported", f"its streams have types that are not assembled yet: {kinds}"
    if scan.packets and scan.program.streams:
        return "segment_truncated", f"no whole sample in {arrival.size_bytes} bytes"
    begin = bytes(next(iter(arrival.pieces), b"")[:64]) if arrival.proved else b""
    shown = begin.decode("ascii", "replace").split("\n")[0].strip() if begin[:1] in {b"<", b"{"} else begin[:8].hex(" ")
    return "segment_not_media", f"no MPEG-TS in {arrival.size_bytes} bytes; it begins with {shown}"


class _Part:
    """One MP4 being written, and the tracks in it."""

    def __init__(self, number: int, open_sink: Callable[[], Sink]) -> None:
        self._number = number
        self._open = open_sink
        self._sink: Sink | None = None
        self._writer = Mp4Writer(self._put)
        self._video: _VideoTrack | None = None
        self._audio: _AudioTrack | None = None

    def accepts(self, scan: SegmentScan) -> bool:
        video, audio = scan.track("video"), scan.track("audio")
        same_video = not (video and self._video) or video.codec == self._video.codec
        same_audio = not (audio and audio.audio and self._audio) or audio.audio.header == self._audio.parameters.header
        return same_video and same_audio

    def add(self, window: Window, shift: int, segment: int, *, drop_last: bool) -> int:
        """Write the samples of a window in order of time; how many broken ones were dropped."""
        batches: list[_Batch] = []
        dropped = 0
        for scanned in window.scan.tracks:
            track = self._track(scanned)
            if track is None:
                continue
            before = track.timeline.ledger.dropped
            batches += track.take(window, scanned, shift, segment, drop_last=drop_last)
            dropped += track.timeline.ledger.dropped - before
        self._writer.interleave(batches)
        return dropped

    def finish(self) -> PartResult | None:
        if self._writer.media_bytes == 0:
            return None
        head = self._writer.finish()
        tracks = [t.result() for t in (self._video, self._audio) if t and t.timeline.start is not None]
        return PartResult(
            number=self._number,
            head=head,
            media_bytes=self._writer.media_bytes,
            report=check(head, self._writer.media_bytes),
            tracks=tuple(tracks),
        )

    def _put(self, data: Buffer) -> None:
        if self._sink is None:
            self._sink = self._open()
        self._sink.write(data)

    def _track(self, scanned: TrackScan) -> "_VideoTrack | _AudioTrack | None":
        if scanned.codec == "aac":
            if self._audio is None and scanned.audio is not None:
                self._audio = _AudioTrack(self._writer, scanned.audio)
            return self._audio
        if self._video is None:
            self._video = _VideoTrack(self._writer, scanned.codec)
        return self._video


_Batch = tuple[Track, SampleBatch, int]
"""A batch, the track it goes into, and its sample entry there."""


@dataclass(slots=True)
class _VideoTrack:
    """Video on its way into one part: the parameter sets in force, and where its pictures lie."""

    writer: Mp4Writer
    codec: VideoCodec
    timeline: VideoTimeline = field(default_factory=VideoTimeline)
    _track: Track | None = None
    _parameters: bytes = b""
    _entry: int = 0
    _codecs: dict[str, None] = field(default_factory=dict)
    _size: tuple[int, int] = (0, 0)

    def take(self, window: Window, scanned: TrackScan, shift: int, segment: int, *, drop_last: bool) -> list[_Batch]:
        ledger = self.timeline.ledger
        ledger.samples_in += scanned.samples
        units = demux_video(window, self.codec, parameters_in_force=self._parameters, drop_last=drop_last)
        if units is None:
            return []
        ledger.dropped += units.dropped
        units = self._from_first_parameters(units, shift)
        used, dts, pts = self.timeline.place(units, shift, segment)
        batches: list[_Batch] = []
        for begin, end, entry in self._runs(units, used):
            offset = int(units.sizes[:begin].sum())
            size = int(units.sizes[begin:end].sum())
            batch = SampleBatch(
                sizes=units.sizes[begin:end],
                dts=dts[begin - used.start : end - used.start],
                pts=pts[begin - used.start : end - used.start],
                sync=units.sync[begin:end],
                data=memoryview(units.data)[offset : offset + size],
                last_duration=max(self.timeline.step, 1),
            )
            batches.append((self._writer_track(), batch, entry))
        return batches

    def result(self) -> TrackResult:
        self.timeline.finish()
        width, height = self._size
        return TrackResult(
            type="video",
            codecs=tuple(self._codecs),
            parameters=(("width", width), ("height", height)),
            ledger=self.timeline.ledger,
            start=self.timeline.start or 0,
            end=self.timeline.end or 0,
            holes=tuple(self.timeline.holes),
            impaired=tuple(self.timeline.impaired),
            trims=tuple(self.timeline.trims),
        )

    def _from_first_parameters(self, units: VideoUnits, shift: int) -> VideoUnits:
        """Pictures before the first parameter sets can be decoded by nobody: they are trimmed."""
        if self._parameters:
            return units
        first = units.changes[0].unit if units.changes else len(units.sizes)
        self.timeline.trim_start(units, first, shift)
        return units.starting_at(first)

    def _runs(self, units: VideoUnits, used: slice) -> Iterator[tuple[int, int, int]]:
        """Stretches of used units under one sample entry: begin, end, entry."""
        begin = used.start
        for change in units.changes:
            if change.unit > begin:
                yield begin, change.unit, self._entry
                begin = change.unit
            made = sample_entry(self.codec, change.access_unit)
            self._parameters = change.parameter_sets
            self._entry = self._writer_track().add_entry(made.box, made.width, made.height)
            self._codecs[made.codec] = None
            self._size = max(self._size, (made.width, made.height), key=lambda size: size[0] * size[1])
        if used.stop > begin:
            yield begin, used.stop, self._entry

    def _writer_track(self) -> Track:
        if self._track is None:
            self._track = self.writer.add_track("video", timescale=TICKS_PER_SECOND)
        return self._track


@dataclass(slots=True)
class _AudioTrack:
    """AAC on its way into one part."""

    writer: Mp4Writer
    parameters: adts.AudioParameters
    timeline: AudioTimeline = field(init=False)
    _track: Track = field(init=False)
    _entry: int = field(init=False)
    _codec: str = field(init=False)

    def __post_init__(self) -> None:
        rate, channels = self.parameters.sample_rate, self.parameters.channels
        made = sample_entry("aac", adts.with_header(self.parameters, silent_frame(rate, channels)))
        self.timeline = AudioTimeline(rate=rate)
        self._track = self.writer.add_track("audio", timescale=rate)
        self._entry = self._track.add_entry(made.box)
        self._codec = made.codec

    def take(self, window: Window, scanned: TrackScan, shift: int, segment: int, *, drop_last: bool) -> list[_Batch]:  # noqa: ARG002 - a cut frame shows itself
        self.timeline.ledger.samples_in += scanned.samples
        frames = demux_audio(window, self.parameters)
        if frames is None:
            return []
        self.timeline.ledger.dropped += frames.dropped
        offsets = np.concatenate(([0], np.cumsum(frames.sizes)))
        return [
            (self._track, self._batch(frames, run, offsets), self._entry)
            for run in self.timeline.place(frames, shift, segment)
        ]

    def result(self) -> TrackResult:
        return TrackResult(
            type="audio",
            codecs=(self._codec,),
            parameters=(("sample_rate", self.parameters.sample_rate), ("channels", self.parameters.channels)),
            ledger=self.timeline.ledger,
            start=self.timeline.start or 0,
            end=self.timeline.end or 0,
            holes=tuple(self.timeline.holes),
            impaired=(),
            trims=tuple(self.timeline.trims),
        )

    def _batch(self, frames: AudioFrames, run: Run, offsets: np.ndarray) -> SampleBatch:
        count = run.end - run.begin
        if run.kind == "silence":
            frame = silent_frame(self.parameters.sample_rate, self.parameters.channels)
            sizes, data = np.full(count, len(frame), np.int64), memoryview(frame * count)
        else:
            sizes = frames.sizes[run.begin : run.end]
            data = memoryview(frames.data)[int(offsets[run.begin]) : int(offsets[run.end])]
        times = run.position + adts.FRAME_SAMPLES * np.arange(count)
        return SampleBatch(
            sizes=sizes, dts=times, pts=times, sync=np.ones(count, bool), data=data, last_duration=adts.FRAME_SAMPLES
        )

"""One MP4 on its way: its tracks, where their samples lie, and the sample entries that hold for them."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from media.mp4.check import CheckReport, check
from media.mp4.entries import EntryError, SampleEntry, sample_entry
from media.mp4.writer import Batch, Mp4Writer, Track
from media.normalise import Normaliser, Sized, Upright
from media.rotation import Turn, angles
from media.samples import Buffer, SampleBatch, TrackType
from media.sound import AudioTrack, HandedOn, Sound, divided, without
from media.timing import TICKS_PER_SECOND
from media.track_result import TrackResult
from media.tracks import NO_SEAM, AudioTimeline, Interval, Seam, VideoTimeline
from media.ts.demux import VideoUnits, demux_video
from media.ts.nal import ParameterChange, VideoCodec
from media.ts.packets import Ints
from media.ts.scan import SegmentScan, TrackScan, Window


class Sink(Protocol):
    """Where the bytes of one output go; the head is known last and stands first."""

    def write(self, data: Buffer, /) -> object:
        """Take media bytes; nothing may be kept of `data` after the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """One finished MP4: the bytes before its media, which its sink has already, and what its check said.

    `unshown` is the time of pictures before the first keyframe, which nobody could decode.
    """

    number: int
    head: bytes
    media_bytes: int
    report: CheckReport
    tracks: tuple[TrackResult, ...]
    unshown: tuple[Interval, ...] = ()


Seams = Mapping[TrackType, Seam]
"""Where another file begins, by track."""


class Part:
    """One MP4 being written, and the tracks in it.

    Sound that comes alone is held until the pictures beside it have come, so that a player finds both near each other.
    """

    def __init__(
        self,
        number: int,
        open_sink: Callable[[], Sink],
        upright: Upright | None = None,
        handed_on: HandedOn | None = None,
    ) -> None:
        """`handed_on` is sound that the part before this one held, and that belongs into this one."""
        self.number = number
        self._upright = upright
        self._open = open_sink
        self._sink: Sink | None = None
        self._writer = Mp4Writer(self._put)
        self._video: _VideoTrack | None = None
        self._audio: AudioTrack | None = None
        self._held: list[Sound] = []
        if handed_on is not None:
            self._audio = AudioTrack(self._writer, handed_on.parameters, handed_on.timeline)
            self._held = list(handed_on.sound)

    def accepts(self, scan: SegmentScan) -> bool:
        """Whether the segment can be told with the codecs, sample rate and channels of this part."""
        video, audio = scan.track("video"), scan.track("audio")
        same_video = not (video and self._video) or self._upright is not None or video.codec == self._video.codec
        same_audio = not (audio and audio.audio and self._audio) or audio.audio.header == self._audio.parameters.header
        return same_video and same_audio

    def add(self, window: Window, shift: int, segment: int, *, drop_last: bool, seams: Seams | None = None) -> int:
        """Write the samples of a window in order of time; how many broken ones were dropped."""
        pictures: list[Batch] = []
        dropped = 0
        for scanned in window.scan.tracks:
            track = self._track(scanned)
            if track is None:
                continue
            before = track.timeline.ledger.dropped
            seam = (seams or {}).get(scanned.type, NO_SEAM)
            if isinstance(track, AudioTrack):
                self._held += track.take(window, scanned, shift, segment, seam=seam)
            else:
                pictures += track.take(window, scanned, shift, segment, drop_last=drop_last, seam=seam)
            dropped += track.timeline.ledger.dropped - before
        if pictures:
            has_both = window.scan.track("audio") is not None
            self._write(pictures, None if has_both else self._video_end)
        return dropped

    def release(self, until: int | None) -> None:
        """Write the sound that is held up to this tick, because no pictures come before it; None: all of it."""
        self._write([], until)

    def hand_on(self, at: int) -> HandedOn | None:
        """The sound that is held from this tick on, for the part that begins there; this one ends without it."""
        self._held, later = divided(self._held, at)
        if self._audio is None or not later:
            return None
        return HandedOn(
            parameters=self._audio.parameters, timeline=without(self._audio.timeline, later), sound=tuple(later)
        )

    def _write(self, pictures: list[Batch], until: int | None) -> None:
        """Pictures, and the sound beside them, in order of time."""
        now, self._held = (self._held, []) if until is None else divided(self._held, until)
        if self._audio is None:
            self._writer.interleave(pictures)
        else:
            self._writer.interleave([*pictures, *self._audio.batches(now)])

    @property
    def _video_end(self) -> int | None:
        return self._video.timeline.end if self._video else None

    def spare(self, scan: SegmentScan, shift: int) -> None:
        """Account for a segment that is not used at all, because another one has its time."""
        for scanned in scan.tracks:
            track = self._video if scanned.type == "video" else self._audio
            if track is not None:
                track.timeline.ledger.samples_in += scanned.samples
                track.timeline.ledger.trimmed += scanned.samples
                begin, end = scanned.first_pts + shift, scanned.shown_end + shift
                track.timeline.trims.append(Interval(track=scanned.type, begin=begin, end=end))

    def finish(self, turns: Sequence[Turn] = ()) -> PartResult | None:
        """End the file; None if no sample came. If one turn holds for all its pictures, players are told of it."""
        if self._video:
            self._video.close(turns)
        self.release(None)
        if self._writer.media_bytes == 0:
            return None
        head = self._writer.finish()
        tracks = [t.result() for t in (self._video, self._audio) if t and t.timeline.ledger.samples_out]
        return PartResult(
            number=self.number,
            head=head,
            media_bytes=self._writer.media_bytes,
            report=check(head, self._writer.media_bytes),
            tracks=tuple(tracks),
            unshown=tuple(i for i in (self._video and self._video.timeline.unshown,) if i),
        )

    def _put(self, data: Buffer) -> None:
        if self._sink is None:
            self._sink = self._open()
        self._sink.write(data)

    def _track(self, scanned: TrackScan) -> "_VideoTrack | AudioTrack | None":
        if scanned.codec == "aac":
            if self._audio is None and scanned.audio is not None:
                self._audio = AudioTrack(self._writer, scanned.audio, AudioTimeline(rate=scanned.audio.sample_rate))
            return self._audio
        if self._video is None:
            normaliser = Normaliser(self._upright) if self._upright else None
            self._video = _VideoTrack(self._writer, scanned.codec, normaliser)
        return self._video


@dataclass(slots=True)
class _VideoTrack:
    """Video on its way into one part: the parameter sets in force, and where its pictures lie."""

    writer: Mp4Writer
    codec: VideoCodec
    normaliser: Normaliser | None = None
    timeline: VideoTimeline = field(default_factory=VideoTimeline)
    _track: Track | None = None
    _parameters: bytes = b""
    _entry: int = 0
    _entries: dict[bytes, SampleEntry | None] = field(default_factory=dict)
    _codecs: dict[str, None] = field(default_factory=dict)
    _size: tuple[int, int] = (0, 0)
    _shown: tuple[int, int] = (0, 0)
    _degrees: int = 0
    _sizes: list[Sized] = field(default_factory=list)
    _encoded: SampleEntry | None = None

    def take(
        self, window: Window, scanned: TrackScan, shift: int, segment: int, *, drop_last: bool, seam: Seam
    ) -> list[Batch]:
        ledger = self.timeline.ledger
        ledger.samples_in += scanned.samples
        if self.normaliser is not None and scanned.codec not in {self.codec, "aac"}:
            self.codec, self._parameters = scanned.codec, b""
        units = demux_video(window, self.codec, parameters_in_force=self._parameters, drop_last=drop_last)
        if units is None:
            return []
        ledger.dropped += units.dropped
        unreadable = np.zeros(len(units.sizes), bool)
        unreadable[[change.unit for change in units.changes if self._made(change) is None]] = True
        units = replace(units, changes=tuple(c for c in units.changes if self._made(c)))
        first = self._first_readable(units)
        self.timeline.trim_start(units, first, shift)
        units = units.starting_at(first)
        used, dts, pts = self.timeline.place(units, shift, segment, unreadable[first:], seam=seam)
        offsets = np.concatenate(([0], np.cumsum(units.sizes)))
        batches: list[Batch] = []
        for begin, end, entry in self._runs(units, used):
            first, last = int(used[begin]), int(used[end - 1]) + 1
            batch = SampleBatch(
                sizes=units.sizes[first:last],
                dts=dts[begin:end],
                pts=pts[begin:end],
                sync=units.sync[first:last],
                data=memoryview(units.data)[int(offsets[first]) : int(offsets[last])],
                last_duration=max(self.timeline.step, 1),
            )
            self._note_size(int(batch.pts.min()))
            if self.normaliser is None:
                batches.append((self._writer_track(), batch, entry))
            else:
                self.normaliser.feed(batch)
        return batches if self.normaliser is None else self._normalised(self.normaliser)

    def close(self, turns: Sequence[Turn]) -> None:
        """Write the pictures that are still to come, and the display matrix if one turn holds for all of them."""
        if self.normaliser is not None:
            self.normaliser.close()
            self.writer.interleave(self._normalised(self.normaliser))
            self.timeline.ledger.samples_out -= self.normaliser.refused
            self.timeline.ledger.dropped += self.normaliser.refused
        elif self._track is not None and self.timeline.start is not None:
            needed = angles(turns, self.timeline.start, self.timeline.end or 0)
            self._degrees = max(needed) if len(needed) == 1 else 0
            self._track.turn(self._degrees)

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
            degrees=self._degrees,
            sizes=tuple(self._sizes),
            encoded=self._encoded.codec if self._encoded else None,
            refused=self.normaliser.refused if self.normaliser else 0,
        )

    def _first_readable(self, units: VideoUnits) -> int:
        """Pictures before the first parameter sets can be decoded by nobody: how many those are."""
        if self._parameters:
            return 0
        return units.changes[0].unit if units.changes else len(units.sizes)

    def _made(self, change: ParameterChange) -> SampleEntry | None:
        """The sample entry for parameter sets; None if they are damaged."""
        if change.parameter_sets not in self._entries:
            try:
                self._entries[change.parameter_sets] = sample_entry(self.codec, change.access_unit)
            except EntryError:
                self._entries[change.parameter_sets] = None
        return self._entries[change.parameter_sets]

    def _runs(self, units: VideoUnits, used: Ints) -> Iterator[tuple[int, int, int]]:
        """Stretches of `used` without a break and under one sample entry: begin, end, entry."""
        breaks = {0, len(used), *(np.flatnonzero(np.diff(used) != 1) + 1).tolist()}
        changes = {int(np.searchsorted(used, change.unit)): change for change in units.changes}
        for begin, end in itertools.pairwise(sorted(breaks | changes.keys())):
            if begin in changes:
                self._enter(changes[begin])
            yield begin, end, self._entry
        if len(used) in changes:
            self._enter(changes[len(used)])

    def _enter(self, change: ParameterChange) -> None:
        """From here on other parameter sets hold."""
        made = self._made(change)
        if made is None:
            return
        self._parameters = change.parameter_sets
        if self.normaliser is None:
            self._entry = self._writer_track().add_entry(made.box, made.width, made.height)
        else:
            self.normaliser.enter(self.codec, made)
        self._codecs[made.codec] = None
        self._shown = (made.width, made.height)
        self._size = max(self._size, (made.width, made.height), key=lambda size: size[0] * size[1])

    def _note_size(self, begin: int) -> None:
        width, height = self._shown
        if not self._sizes or (self._sizes[-1].width, self._sizes[-1].height) != self._shown:
            self._sizes.append(Sized(begin=begin, width=width, height=height))

    def _normalised(self, normaliser: Normaliser) -> list[Batch]:
        """The pictures that have been encoded anew since the last time; all under one sample entry."""
        taken = normaliser.take(max(self.timeline.step, 1))
        if taken is None:
            return []
        batch, units = taken
        track = self._writer_track()
        if self._encoded is None:
            self._encoded = sample_entry("h264", units.changes[0].access_unit)
        return [(track, batch, track.add_entry(self._encoded.box, self._encoded.width, self._encoded.height))]

    def _writer_track(self) -> Track:
        if self._track is None:
            self._track = self.writer.add_track("video", timescale=TICKS_PER_SECOND)
        return self._track

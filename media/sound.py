"""Sound on its way into a part: in its place on the grid of frames, held until the pictures beside it have come."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from media.mp4.entries import sample_entry
from media.mp4.writer import Batch, Mp4Writer, Track
from media.samples import SampleBatch
from media.silence import silent_frame
from media.timing import TICKS_PER_SECOND
from media.track_result import TrackResult
from media.tracks import AudioTimeline, Run, Seam
from media.ts import adts
from media.ts.demux import AudioFrames, demux_audio
from media.ts.packets import Ints
from media.ts.scan import TrackScan, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Consecutive frames of sound that have their place and are not written yet, or silence that was put in."""

    batch: SampleBatch
    rate: int
    is_silence: bool

    def divided(self, at: int) -> "tuple[Sound | None, Sound | None]":
        """What begins before this tick, and the rest."""
        position = at * self.rate // TICKS_PER_SECOND
        count = int(np.searchsorted(self.batch.dts, position - adts.FRAME_SAMPLES // 2))
        halves = (self.batch.part(0, count), self.batch.part(count, len(self.batch)))
        before, after = (replace(self, batch=half) if len(half) else None for half in halves)
        return before, after


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOn:
    """Sound on its way from one part into the next, and the timeline that goes on with it."""

    parameters: adts.AudioParameters
    timeline: AudioTimeline
    sound: tuple[Sound, ...]


def divided(sound: Sequence[Sound], at: int) -> tuple[list[Sound], list[Sound]]:
    """What begins before this tick, and the rest."""
    before, after = [], []
    for each in sound:
        early, late = each.divided(at)
        before += [early] if early else []
        after += [late] if late else []
    return before, after


def without(timeline: AudioTimeline, later: Sequence[Sound]) -> AudioTimeline:
    """Take the frames of `later` out of a timeline; the one that goes on with them."""
    silent = sum(len(each.batch) for each in later if each.is_silence)
    coded = sum(len(each.batch) for each in later if not each.is_silence)
    return timeline.divide(int(later[0].batch.dts[0]), coded=coded, silent=silent)


@dataclass(slots=True)
class AudioTrack:
    """AAC on its way into one part; `timeline` goes on from the part before it, if there was sound left there."""

    writer: Mp4Writer
    parameters: adts.AudioParameters
    timeline: AudioTimeline
    _track: Track = field(init=False)
    _entry: int = field(init=False)
    _codec: str = field(init=False)

    def __post_init__(self) -> None:
        rate, channels = self.parameters.sample_rate, self.parameters.channels
        made = sample_entry("aac", adts.with_header(self.parameters, silent_frame(rate, channels)))
        self._track = self.writer.add_track("audio", timescale=rate)
        self._entry = self._track.add_entry(made.box)
        self._codec = made.codec

    def take(self, window: Window, scanned: TrackScan, shift: int, segment: int, *, seam: Seam) -> list[Sound]:
        """The sound of a window in its place."""
        self.timeline.ledger.samples_in += scanned.samples if scanned.audio else self._count(window)
        frames = demux_audio(window, self.parameters)
        if frames is None:
            return []
        self.timeline.ledger.dropped += frames.dropped
        offsets = np.concatenate(([0], np.cumsum(frames.sizes)))
        rate = self.parameters.sample_rate
        return [
            Sound(batch=self._batch(frames, run, offsets), rate=rate, is_silence=run.kind == "silence")
            for run in self.timeline.place(frames, shift, segment, seam=seam)
        ]

    def batches(self, sound: Iterable[Sound]) -> list[Batch]:
        """Ready to be written."""
        return [(self._track, each.batch, self._entry) for each in sound]

    def result(self) -> TrackResult:
        """What came of it so far."""
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

    def _count(self, window: Window) -> int:
        """The frames of a window that has no header of its own to tell them by."""
        stream, offsets = window.sound
        return adts.count_frames(stream, self.parameters, offsets[:-1][window.units["audio"].lost])

    def _batch(self, frames: AudioFrames, run: Run, offsets: Ints) -> SampleBatch:
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

"""Where each sample lies: timelines, all pure.

They place the samples of each track as they come, and say what they had to trim, insert or leave open.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from media.samples import TrackType
from media.timing import TICKS_PER_SECOND, from_samples, to_samples
from media.ts.adts import FRAME_SAMPLES
from media.ts.chain import Cut
from media.ts.demux import AudioFrames, VideoUnits, loss_before_kept
from media.ts.packets import Bools, Ints
from media.ts.scan import nominal_step

_PICTURE_PAUSE = 2 * TICKS_PER_SECOND
_PAUSE_STEPS = 5
_REORDERED = 17
"""Pictures that can stand before another in decode order and after it in presentation order (H.264 §A.3.1, plus it)."""
_FRAMES_AT_ONCE = 4096
_PICTURES_AHEAD = 3
"""A sync sample can stand so many pictures ahead of the pause that it ends: decode times run ahead of the pictures."""
_LASTING, _LASTING_AT_END = 32, 4
_SOUND_PAUSE = TICKS_PER_SECOND // 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Time in one track without samples, in ticks of the output; between segments `after` and `before` (numbers)."""

    track: TrackType
    begin: int
    end: int
    after: int
    before: int
    lost: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A stretch of one track, in ticks of the output."""

    track: TrackType
    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """Where another file of the stream begins: at the first unit of a window, or at `cut` in it.

    `follows_loss`: segments are missing before the window.
    """

    begins_file: bool = False
    cut: Cut | None = None
    follows_loss: bool = False


NO_SEAM = Seam()


@dataclass(slots=True)
class Ledger:
    """Every sample of a track accounted for: `samples_in` comes from the scan, the rest from the timeline."""

    samples_in: int = 0
    trimmed: int = 0
    dropped: int = 0
    inserted: int = 0
    samples_out: int = 0

    @property
    def closes(self) -> bool:
        """Whether in − trimmed − dropped + inserted = out."""
        return self.samples_in - self.trimmed - self.dropped + self.inserted == self.samples_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive samples `begin`..`end` of a batch, the first at `position` (ticks of the track); or silence."""

    kind: Literal["samples", "silence"]
    begin: int
    end: int
    position: int


@dataclass(slots=True)
class VideoTimeline:
    """Places pictures where their stamps say; a hole simply holds the picture before it.

    Where pictures are reordered (B-pictures), those between a loss and the next sync sample are left out: Chromium ends
    playback for good at a B-picture whose references are missing. Without reordering, as calls are coded, it plays on,
    and they are kept: there may be one sync sample in minutes.
    """

    ledger: Ledger = field(default_factory=Ledger)
    holes: list[Hole] = field(default_factory=list)
    impaired: list[Interval] = field(default_factory=list)
    trims: list[Interval] = field(default_factory=list)
    unshown: Interval | None = None
    start: int | None = None
    step: int = 0
    end: int | None = None
    _last_dts: int | None = None
    _last_segment: int = -1
    _lost: bool = False
    _reorders: bool = False
    _withholds: bool = False
    _impaired_since: int | None = None
    _recent: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _closed: int = -1
    """The segment whose rest is cut off, because the next file has begun."""

    def place(
        self, units: VideoUnits, shift: int, segment: int, unreadable: Bools | None = None, *, seam: Seam = NO_SEAM
    ) -> tuple[Ints, Ints, Ints]:
        """Which of `units` are used (indices), and the decode and presentation times of those in the output.

        `unreadable` units are dropped, as if they were lost.
        """
        dts, pts = units.dts + shift, units.pts + shift
        self.step = nominal_step(dts) or self.step
        first = 0
        if self._last_dts is not None:
            first = int(np.searchsorted(dts, self._last_dts + max(self.step // 2, 1)))
            if first:
                self.trims.append(Interval(track="video", begin=int(dts[0]), end=int(dts[first - 1]) + self.step))
        last = self._cut_at(dts, pts, segment, seam.cut)
        kept = (np.arange(len(dts)) >= first) & (np.arange(len(dts)) < last)
        meant = int(np.count_nonzero(kept))
        lost = units.after_loss.copy()
        lost[:1] |= self._lost
        if unreadable is not None:
            kept &= ~unreadable
            lost[1:] |= unreadable[:-1]
        self._reorders |= bool((np.diff(pts) < 0).any())
        lost_before = lost.copy()
        if seam.begins_file:
            lost[first : first + 1] = True
        if len(dts) and (self._reorders or self._withholds or seam.begins_file):
            kept &= ~self._without_reference(dts, units.sync, lost)
        used = np.flatnonzero(kept)
        self.ledger.trimmed += len(dts) - meant
        self.ledger.dropped += meant - len(used)
        self.ledger.samples_out += len(used)
        self._lost = (units.lost_at_end and last == len(dts)) or self._withholds or (self._lost and not len(used))
        dts, pts = _increasing(dts[used]), pts[used]
        if len(used):
            lost_there = lost_before if seam.begins_file else lost
            self._find_holes(dts, pts, loss_before_kept(lost_there, kept), segment)
            self._find_impaired(pts, units.sync[used], loss_before_kept(lost, kept))
            self.start = int(pts.min()) if self.start is None else min(self.start, int(pts.min()))
            self.end = max(int(pts.max()) + self.step, self.end or 0)
            self._last_dts, self._last_segment = int(dts[-1]), segment
        return used, dts, pts

    def _cut_at(self, dts: Ints, pts: Ints, segment: int, cut: Cut | None) -> int:
        """From which unit on another file is used: all after that may refer to it."""
        if cut is None or not len(dts):
            return len(dts)
        beyond = np.ones(1, bool) if self._closed == segment else (pts >= cut.pts) | (dts + self.step // 2 >= cut.dts)
        if not beyond.any():
            return len(dts)
        self._closed = segment
        last = int(beyond.argmax())
        begin, end = int(pts[last:].min()), int(pts[last:].max()) + self.step
        self.trims.append(Interval(track="video", begin=begin, end=end))
        return last

    def _without_reference(self, dts: Ints, sync: Bools, lost: Bools) -> Bools:
        """Pictures between a loss and the next sync sample; to go on after a pause without one is a loss, too."""
        last_dts = int(dts[0]) - self.step if self._last_dts is None else self._last_dts
        at = np.arange(len(dts))
        last_sync = np.maximum.accumulate(np.where(sync, at, -_REORDERED))
        lost |= (np.diff(dts, prepend=last_dts) > self._quiet) & (at - last_sync > _PICTURES_AHEAD)
        begins = lost & ~sync
        begins[:1] |= self._withholds & ~sync[:1]
        withheld: Bools = np.maximum.accumulate(np.where(begins, at, -1)) > np.maximum.accumulate(
            np.where(sync, at, -1)
        )
        self._withholds = bool(withheld[-1])
        return withheld

    @property
    def _quiet(self) -> int:
        """A longer time between two pictures is a pause, not a slow picture rate."""
        return max(_PICTURE_PAUSE, _PAUSE_STEPS * self.step)

    def trim_start(self, units: VideoUnits, count: int, shift: int) -> None:
        """Leave out the first `count` units, which nobody could decode."""
        if not count:
            return
        self.ledger.trimmed += count
        begin, end = int(units.pts[:count].min()) + shift, int(units.pts[:count].max()) + shift
        begin = self.unshown.begin if self.unshown else begin
        self.unshown = Interval(track="video", begin=begin, end=end + nominal_step(units.dts))
        self._impaired_since = begin

    def finish(self) -> None:
        """No more pictures come."""
        if self._impaired_since is not None and self.end is not None and self.end > self._impaired_since:
            self.impaired.append(Interval(track="video", begin=self._impaired_since, end=self.end))

    def _find_holes(self, dts: Ints, pts: Ints, lost: Bools, segment: int) -> None:
        """Holes show in decode times; where they lie is told by the presentation times of the pictures around them."""
        last_dts = int(dts[0]) - self.step if self._last_dts is None else self._last_dts
        gap = np.diff(dts, prepend=last_dts)
        noticed = lost.copy()
        noticed[0] = True
        shown = np.sort(np.concatenate((self._recent, pts)))
        begins, ends = shown[:-1] + self.step, shown[1:]
        open_ones = (ends - begins) * 2 > self.step
        for at in np.flatnonzero((gap > self._quiet) | (noticed & (gap * 2 > self.step * 3))).tolist():
            earliest, latest = dts[at] - gap[at] + self.step, dts[at] - self.step + int((pts - dts).max())
            own = open_ones & (begins <= latest) & (ends > earliest)
            open_ones &= ~own
            after = segment if at else self._last_segment
            for begin, end in zip(begins[own].tolist(), ends[own].tolist(), strict=True):
                hole = Hole(track="video", begin=begin, end=end, after=after, before=segment, lost=bool(lost[at]))
                self.holes.append(hole)
        self._recent = shown[-_REORDERED:]

    def _find_impaired(self, pts: Ints, sync: Bools, lost: Bools) -> None:
        """After a loss, or a start, pictures may refer to others that are not there, until the next sync sample."""
        if self._last_dts is None:
            lost[0] = True
        for at in np.flatnonzero(sync | lost).tolist():
            if sync[at] and self._impaired_since is not None:
                self.impaired.append(Interval(track="video", begin=self._impaired_since, end=int(pts[at])))
                self._impaired_since = None
            elif not sync[at] and self._impaired_since is None:
                self._impaired_since = int(pts[at])


def _increasing(dts: Ints) -> Ints:
    """Decode times made strictly increasing, each moved by as little as can be."""
    steps = np.arange(len(dts))
    return np.maximum.accumulate(dts - steps) + steps


def _first_astray(off: Ints, lost: Bools) -> int | None:
    """The first frame from which on stamps lie more than half a frame off the grid, lastingly or after a known loss.

    Recorders that stamp on arrival jitter by more than that; a frame that is off for itself is left where it is.
    """
    side = np.where(np.abs(off) > FRAME_SAMPLES // 2, np.sign(off), 0)
    turns = np.append(np.flatnonzero(np.diff(side)) + 1, len(off))
    begins = np.concatenate(([0], turns[:-1]))
    lasting = (turns - begins >= _LASTING) | lost[begins] | ((turns == len(off)) & (turns - begins >= _LASTING_AT_END))
    lasting &= side[begins] != 0
    return int(begins[lasting][0]) if lasting.any() else None


@dataclass(slots=True)
class AudioTimeline:
    """Places sound on an unbroken grid of frames, because players do not honour holes between audio samples.

    Positions are audio samples at `rate`. Frames do not stay further than half a frame from their stamps: where those
    run away from the grid, silence is inserted or frames are trimmed, rounded against absolute time.
    """

    rate: int
    ledger: Ledger = field(default_factory=Ledger)
    holes: list[Hole] = field(default_factory=list)
    trims: list[Interval] = field(default_factory=list)
    start: int | None = None
    _next: int | None = None
    _last_segment: int = -1
    _lost: bool = False

    @property
    def end(self) -> int | None:
        """Where the next frame is due, in ticks of the output."""
        return None if self._next is None else from_samples(self._next, self.rate)

    def place(self, frames: AudioFrames, shift: int, segment: int, *, seam: Seam = NO_SEAM) -> list[Run]:
        """The runs of `frames` and of silence, in order, that put each frame where it belongs."""
        stamps = to_samples(frames.anchor + shift, self.rate) + frames.rank
        self._lost |= seam.follows_loss
        count = self._cut_at(stamps, seam.cut)
        is_cut, stamps = count < len(stamps), stamps[:count]
        if not count:
            self._lost |= frames.lost_at_end and not is_cut
            return []
        if self._next is None:
            self._next = int(stamps[0])
            self.start = from_samples(self._next, self.rate)
            self._last_segment = segment
        lost = frames.after_loss[:count].copy()
        lost[0] |= self._lost
        runs: list[Run] = []
        at = 0
        while at < count:
            at, astray = self._run_on(runs, stamps, lost, at)
            if astray:
                at = self._correct(runs, stamps, at, lost=bool(lost[at]), segment=segment)
        self._lost = frames.lost_at_end and not is_cut
        self._last_segment = segment
        return runs

    def divide(self, at: int, *, coded: int, silent: int) -> "AudioTimeline":
        """End at this position, without so many of the last frames, which the timeline that is given goes on with."""
        tick = from_samples(at, self.rate)
        later = AudioTimeline(rate=self.rate, start=tick, _next=self._next, _lost=self._lost)
        later._last_segment = self._last_segment
        later.ledger = Ledger(samples_in=coded, inserted=silent, samples_out=coded + silent)
        later.holes = [replace(h, begin=max(h.begin, tick)) for h in self.holes if h.end > tick]
        self.ledger.samples_in -= coded
        self.ledger.inserted -= silent
        self.ledger.samples_out -= coded + silent
        self.holes = [replace(h, end=min(h.end, tick)) for h in self.holes if h.begin < tick]
        self._next = at
        return later

    def _cut_at(self, stamps: Ints, cut: Cut | None) -> int:
        """From which frame on another file is used."""
        if cut is None:
            return len(stamps)
        until = cut.pts * self.rate // TICKS_PER_SECOND
        last = int(np.searchsorted(stamps, until - FRAME_SAMPLES // 2))
        if last < len(stamps):
            self.ledger.trimmed += len(stamps) - last
            begin, end = from_samples(int(stamps[last]), self.rate), from_samples(int(stamps[-1]), self.rate)
            self.trims.append(
                Interval(track="audio", begin=begin, end=end + FRAME_SAMPLES * TICKS_PER_SECOND // self.rate)
            )
        return last

    def _run_on(self, runs: list[Run], stamps: Ints, lost: Bools, at: int) -> tuple[int, bool]:
        """Take frames as long as they keep to the grid; the next one, and whether it is astray."""
        position = self._position
        ahead = stamps[at : at + _FRAMES_AT_ONCE]
        off = ahead - position - FRAME_SAMPLES * np.arange(len(ahead))
        astray = _first_astray(off, lost[at : at + len(ahead)])
        length = len(ahead) if astray is None else astray
        if length:
            runs.append(Run(kind="samples", begin=at, end=at + length, position=position))
            self._next = position + length * FRAME_SAMPLES
            self.ledger.samples_out += length
        return at + length, astray is not None

    def _correct(self, runs: list[Run], stamps: Ints, at: int, *, lost: bool, segment: int) -> int:
        position = self._position
        next_ones = stamps[at : at + _LASTING] - FRAME_SAMPLES * np.arange(len(stamps[at : at + _LASTING]))
        late = int(np.median(next_ones)) - position
        if abs(late) <= FRAME_SAMPLES // 2:
            late = int(stamps[at]) - position
        if late < 0:
            trimmed = min(-((late + FRAME_SAMPLES // 2) // FRAME_SAMPLES), len(stamps) - at)
            self.ledger.trimmed += trimmed
            begin = from_samples(int(stamps[at]), self.rate)
            end = from_samples(int(stamps[at + trimmed - 1]) + FRAME_SAMPLES, self.rate)
            self.trims.append(Interval(track="audio", begin=begin, end=end))
            return at + trimmed
        count = (late + FRAME_SAMPLES // 2) // FRAME_SAMPLES
        for begin in range(0, count, _FRAMES_AT_ONCE):
            end = min(begin + _FRAMES_AT_ONCE, count)
            runs.append(Run(kind="silence", begin=begin, end=end, position=position + begin * FRAME_SAMPLES))
        self._next = position + count * FRAME_SAMPLES
        self.ledger.inserted += count
        self.ledger.samples_out += count
        begin, end = from_samples(position, self.rate), from_samples(self._position, self.rate)
        if lost or segment != self._last_segment or end - begin >= _SOUND_PAUSE:
            after = segment if at else self._last_segment
            self.holes.append(Hole(track="audio", begin=begin, end=end, after=after, before=segment, lost=lost))
        return at

    @property
    def _position(self) -> int:
        if self._next is None:
            message = "the timeline has no frame yet"
            raise ValueError(message)
        return self._next

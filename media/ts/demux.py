"""Windows of a scanned segment -> coded samples, a unit or frame at a time as numbers, never as Python objects.

Broken access units are left out, whole ones around them are kept; what was left out is counted, so that the scan's
independent count can be held against it.
"""

from dataclasses import dataclass, replace

import numpy as np

from media.ts import adts, nal
from media.ts.nal import ParameterChange, VideoCodec
from media.ts.packets import Bools, Ints
from media.ts.scan import Window
from media.ts.units import Units, gather


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoUnits:
    """Access units of one window in MP4 form; arrays have one element a kept unit, stamps are 90 kHz ticks.

    `after_loss` marks units before which others are known to be lost or were dropped; `lost_at_end` says so of the
    end of the window. `changes` count their units among the kept ones.
    """

    data: bytearray
    sizes: Ints
    dts: Ints
    pts: Ints
    sync: Bools
    after_loss: Bools
    lost_at_end: bool
    dropped: int
    changes: tuple[ParameterChange, ...]

    def starting_at(self, unit: int) -> "VideoUnits":
        """The same without the units before `unit`."""
        if not unit:
            return self
        return replace(
            self,
            data=self.data[int(self.sizes[:unit].sum()) :],
            sizes=self.sizes[unit:],
            dts=self.dts[unit:],
            pts=self.pts[unit:],
            sync=self.sync[unit:],
            after_loss=self.after_loss[unit:],
            changes=tuple(replace(c, unit=c.unit - unit) for c in self.changes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFrames:
    """AAC frames of one window without their ADTS headers; arrays have one element a kept frame.

    A frame begins `rank` audio samples after the stamp `anchor` (90 kHz ticks).
    """

    data: bytearray
    sizes: Ints
    anchor: Ints
    rank: Ints
    after_loss: Bools
    lost_at_end: bool
    dropped: int


def demux_video(window: Window, codec: VideoCodec, *, parameters_in_force: bytes, drop_last: bool) -> VideoUnits | None:
    """The video of a window; `drop_last` leaves out its last unit (the segment is known to be cut there)."""
    units = window.units.get("video")
    if units is None:
        return None
    stream, packet_offsets = gather(window.packets, units.index, units.start)
    offsets = np.append(packet_offsets[units.first], packet_offsets[-1])
    wanted = ~units.broken
    if drop_last and not units.ends_closed:
        wanted[-1] = False
    found = nal.convert(stream, offsets, codec=codec, wanted=wanted, parameters_in_force=parameters_in_force)
    number = np.cumsum(found.kept) - 1
    return VideoUnits(
        data=found.data,
        sizes=found.sizes[found.kept],
        dts=units.dts[found.kept],
        pts=units.pts[found.kept],
        sync=found.sync[found.kept],
        after_loss=loss_before_kept(units.lost[units.first], found.kept),
        lost_at_end=bool(len(found.kept) and not found.kept[-1]),
        dropped=int(np.count_nonzero(~found.kept)),
        changes=tuple(ParameterChange(int(number[c.unit]), c.parameter_sets, c.access_unit) for c in found.changes),
    )


def loss_before_kept(lost_before: Bools, kept: Bools) -> Bools:
    """Tell for each kept element whether anything was lost or dropped since the kept one before it."""
    events = np.cumsum(lost_before.astype(np.int64) + np.concatenate(([0], ~kept[:-1])))
    kept_events = events[kept]
    return np.diff(kept_events, prepend=0) > 0


def demux_audio(window: Window, parameters: adts.AudioParameters) -> AudioFrames | None:
    """The AAC frames with these parameters in a window, whole ones or none; None where it has no sound."""
    units = window.units.get("audio")
    if units is None:
        return None
    stream, packet_offsets = window.sound
    lost = packet_offsets[:-1][units.lost]
    at, length, whole, dropped = _frames(stream, lost, parameters)
    anchor, rank = _times(at, packet_offsets[units.first], units, lost)
    size = length - parameters.header_bytes
    return AudioFrames(
        data=_without_headers(stream, at, length, parameters.header_bytes),
        sizes=size,
        anchor=anchor,
        rank=rank,
        after_loss=~whole,
        lost_at_end=not at.size or bool(at[-1] + length[-1] < len(stream)),
        dropped=dropped,
    )


def _frames(stream: bytearray, lost: Ints, parameters: adts.AudioParameters) -> tuple[Ints, Ints, Bools, int]:
    """Offsets and lengths of whole frames, whether each follows on the one before, and how many are broken."""
    at, length = adts.headers(stream, parameters)
    reaches_end = at.size and not lost.size and at[0] == 0 and at[-1] + length[-1] == len(stream)
    if reaches_end and bool((at[1:] == at[:-1] + length[:-1]).all()):
        return at, length, np.ones(len(at), bool), 0
    return _walk(len(stream), lost, dict(zip(at.tolist(), length.tolist(), strict=True)))


def _walk(size: int, lost: Ints, lengths: dict[int, int]) -> tuple[Ints, Ints, Bools, int]:
    """Follow the frame lengths; where that leads astray, drop the frame and go on at the next header."""
    candidates = sorted(lengths)
    starts = set(candidates) | {size}
    losses = lost.tolist()
    kept: list[tuple[int, int, bool]] = []
    dropped, position, follows, loss = 0, 0, True, 0
    for at in candidates:
        if at < position:
            continue
        follows = follows and at == position
        end = at + lengths[at]
        while loss < len(losses) and losses[loss] <= at:
            follows = follows and not 0 < losses[loss] <= at
            loss += 1
        if end > size or (loss < len(losses) and losses[loss] < end) or end not in starts:
            dropped, follows = dropped + 1, False
            position = at + 1
            continue
        kept.append((at, lengths[at], follows))
        position, follows = end, True
    table = np.array(kept, np.int64).reshape(len(kept), 3)
    return table[:, 0], table[:, 1], table[:, 2].astype(bool), dropped


def _times(at: Ints, unit_offsets: Ints, units: Units, lost: Ints) -> tuple[Ints, Ints]:
    """Anchor and rank of each frame: counted on from the stamp of its unit, or back from the next after a loss.

    A stamp belongs to the first frame that begins in its unit (ISO/IEC 13818-1 §2.4.3.7).
    """
    unit = np.maximum(np.searchsorted(unit_offsets, at, "right") - 1, 0)
    first = np.searchsorted(unit, unit, "left")
    anchor, rank = units.pts[unit], (np.arange(len(at)) - first) * adts.FRAME_SAMPLES
    for position in lost.tolist():
        hit = int(np.searchsorted(unit_offsets, position, "right") - 1)
        if 0 <= hit < len(units) - 1 and unit_offsets[hit] < position:
            later = np.flatnonzero((unit == hit) & (at >= position))
            anchor[later] = units.pts[hit + 1]
            rank[later] = (np.arange(len(later)) - len(later)) * adts.FRAME_SAMPLES
    return anchor, rank


def _without_headers(stream: bytearray, at: Ints, length: Ints, header_bytes: int) -> bytearray:
    view = memoryview(stream)
    begins, ends = (at + header_bytes).tolist(), (at + length).tolist()
    return bytearray().join([view[b:e] for b, e in zip(begins, ends, strict=True)])

"""Pictures of several sizes, or turned several ways -> one upright H.264 track of one size.

One picture comes out for each that goes in, with the same time. A decoder, a picture on its way and an encoder are
all that is kept. One thread and fixed settings: the same pictures make the same bytes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from media.mp4.entries import SampleEntry, configuration
from media.rotation import Turn
from media.samples import SampleBatch
from media.timing import TICKS_PER_SECOND
from media.ts.nal import AccessUnits, VideoCodec, convert

_TICK = Fraction(1, TICKS_PER_SECOND)
_BLACK = (16, 128, 128)
# `strict` has the decoder of H.264 wait for as many pictures as may be reordered where a stream does not say how many;
# without it the first ones come out of order, and some not at all.
# Pictures whose references are lost are shown, as players show them: there may be no others for minutes.
_DECODING = {"strict": "1", "flags": "+output_corrupt", "threads": "1"}
# Without pictures that refer to later ones each comes out as soon as it went in, and no edit is needed.
_ENCODING = {"preset": "veryfast", "tune": "zerolatency", "crf": "23", "g": "120", "threads": "1"}
_LARGEST = 4096
_NOMINAL_RATE = 30
"""Pictures a second for which the encoder states its level; their times are their own."""

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upright:
    """What all pictures of a stream are to become: their size, in even numbers, and by how much each is turned."""

    width: int
    height: int
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sized:
    """From the tick `begin` on, pictures are coded in this size."""

    begin: int
    width: int
    height: int


def common_form(sizes: Sequence[Sized], turns: Sequence[Turn]) -> Upright | None:
    """The largest upright size of a stream; None if neither the size nor the rotation of its pictures changes.

    None also for a size that no call has: damaged parameter sets may claim any.
    """
    seen = {(size, _degrees(turns, at)) for size, at in _stretches(sizes, turns)}
    if len({(size.width, size.height) for size, _ in seen}) < 2 and len({degrees for _, degrees in seen}) < 2:
        return None
    upright = [(s.height, s.width) if degrees % 180 else (s.width, s.height) for s, degrees in seen]
    width, height = max(upright, key=lambda size: (size[0] * size[1], size))
    if max(width, height) > _LARGEST:
        return None
    return Upright(width=width + width % 2, height=height + height % 2, turns=tuple(turns))


def _stretches(sizes: Sequence[Sized], turns: Sequence[Turn]) -> Iterable[tuple[Sized, int]]:
    """Each size with each time from which it is turned in another way."""
    begins = [size.begin for size in sizes]
    yield from zip(sizes, begins, strict=True)
    for turn in turns:
        if past := bisect_right(begins, turn.begin):
            yield sizes[past - 1], turn.begin


def _degrees(turns: Sequence[Turn], at: int) -> int:
    past = bisect_right(turns, at, key=lambda turn: turn.begin)
    return turns[past - 1].degrees if past else 0


class Normaliser:
    """Decodes, turns, fits and encodes the pictures of one track."""

    def __init__(self, form: Upright) -> None:
        self._form = form
        self._decoder: av.VideoCodecContext | None = None
        self._encoder: av.VideoCodecContext | None = None
        self._entry = b""
        self._last_pts: int | None = None
        self._encoded: list[av.Packet[Any]] = []
        self._in = self._out = 0

    @property
    def refused(self) -> int:
        """How many pictures went in and did not come out; right once it is closed."""
        return self._in - self._out

    def enter(self, codec: VideoCodec, entry: SampleEntry) -> None:
        """From here on pictures are coded as `entry` says."""
        if entry.box == self._entry:
            return
        self._drain()
        self._entry = entry.box
        self._decoder = av.CodecContext.create(codec, "r")
        self._decoder.extradata = configuration(entry)
        self._decoder.options = dict(_DECODING)

    def feed(self, batch: SampleBatch) -> None:
        """Take pictures as they would be written into an MP4."""
        data, at = memoryview(batch.data), 0
        for size, dts, pts in zip(batch.sizes.tolist(), batch.dts.tolist(), batch.pts.tolist(), strict=True):
            packet = av.Packet(bytes(data[at : at + size]))
            packet.dts, packet.pts, packet.time_base = dts, pts, _TICK
            at += size
            self._in += 1
            self._decode(packet)

    def close(self) -> None:
        """No more pictures come."""
        self._drain()
        if self._encoder is not None:
            self._keep(self._encoder.encode(None))
        self._encoder = None

    def take(self, last_duration: int) -> tuple[SampleBatch, AccessUnits] | None:
        """The pictures that are ready, and what their bytes say of parameters; None if there are none."""
        packets, self._encoded = self._encoded, []
        if not packets:
            return None
        stamps = np.array([[packet.dts, packet.pts] for packet in packets], np.int64)
        offsets = np.cumsum([0, *(packet.size for packet in packets)])
        stream = bytearray(b"".join(map(bytes, packets)))
        wanted = np.ones(len(packets), bool)
        units = convert(stream, offsets, codec="h264", wanted=wanted, parameters_in_force=b"")
        batch = SampleBatch(
            sizes=units.sizes,
            dts=stamps[:, 0],
            pts=stamps[:, 1],
            sync=units.sync,
            data=memoryview(units.data),
            last_duration=last_duration,
        )
        return batch, units

    def _drain(self) -> None:
        if self._decoder is not None:
            self._decode(None)
        self._decoder = None

    def _decode(self, packet: "av.Packet[Any] | None") -> None:
        if self._decoder is None:
            return
        try:
            frames = self._decoder.decode(packet)
        except FFmpegError:
            return
        for frame in frames:
            if frame.pts is not None and (self._last_pts is None or frame.pts > self._last_pts):
                self._last_pts = frame.pts
                self._encode(self._fitted(frame), frame.pts)

    def _fitted(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Scaled so that it fits, turned, and put on black."""
        degrees, form = _degrees(self._form.turns, frame.pts or 0), self._form
        lies = bool(degrees % 180)
        room = (form.height, form.width) if lies else (form.width, form.height)
        width, height = _fit((frame.width, frame.height), room)
        scaled = frame.reformat(width=width, height=height, format="yuv420p")
        canvas = [np.full((form.height >> (n > 0), form.width >> (n > 0)), _BLACK[n], np.uint8) for n in range(3)]
        for to, plane in zip(canvas, _planes(scaled), strict=True):
            turned = np.rot90(plane, degrees // 90)
            top, left = ((room - own) // 2 for room, own in zip(to.shape, turned.shape, strict=True))
            to[top : top + turned.shape[0], left : left + turned.shape[1]] = turned
        together = np.concatenate([plane.ravel() for plane in canvas])
        return av.VideoFrame.from_ndarray(together.reshape(-1, form.width), format="yuv420p")

    def _encode(self, frame: av.VideoFrame, pts: int) -> None:
        if self._encoder is None:
            self._encoder = _encoder(self._form)
        frame.pts, frame.time_base = pts, _TICK
        self._keep(self._encoder.encode(frame))

    def _keep(self, packets: "list[av.Packet[Any]]") -> None:
        self._encoded += packets
        self._out += len(packets)


def _encoder(form: Upright) -> av.VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = form.width, form.height, "yuv420p"
    encoder.time_base, encoder.framerate = _TICK, Fraction(_NOMINAL_RATE)
    encoder.options = dict(_ENCODING)
    return encoder


def _fit(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    """The largest even size of the same shape for which there is room."""
    scale = min(Fraction(room[0], size[0]), Fraction(room[1], size[1]))
    width, height = (max(round(own * scale / 2) * 2, 2) for own in size)
    return min(width, room[0]), min(height, room[1])


def _planes(frame: av.VideoFrame) -> list[Plane]:
    flat = np.asarray(frame.to_ndarray(), np.uint8).ravel()
    luma, chroma = frame.width * frame.height, frame.width * frame.height // 4
    half = (frame.height // 2, frame.width // 2)
    return [
        flat[:luma].reshape(frame.height, frame.width),
        flat[luma : luma + chroma].reshape(half),
        flat[luma + chroma :].reshape(half),
    ]

"""Real encoders make a short clip; restamped copies of its slices make hours of it."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import av
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tests.lab import cut

Bytes2D = NDArray[np.uint8]
# A string: the class is generic for type checkers only.
PacketOf: TypeAlias = "Packet[Any]"
AAC_FRAME = 1024
# What the ffmpeg program sets for MPEG-TS; with it several ADTS frames share a PES packet, as recorders write them.
_MUXER_DELAY = {"max_delay": "700000"}
FPS = 25
SAMPLE_RATE = 48_000
GOP = 75
PACKET = 188
_WRAP = (1 << 33) - 1
_PES_STAMPS_END = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """H.264 with B-frames and AAC-LC mono. `seconds` holds a whole number of AAC frames (multiples of 8 do)."""

    seconds: int
    slice_seconds: int
    size: tuple[int, int]
    video_bit_rate: int
    audio_bit_rate: int


def slices_of(clip: Clip) -> list[bytes]:
    """The slices of a clip, cut as HLS muxers cut them."""
    return [piece.data for piece in cut(encode(clip), clip.slice_seconds)]


def repeated(slices: list[bytes], seconds: int) -> Iterator[bytes]:
    """The slices again and again, for ever; stamps and continuity counters run on."""
    whole = np.frombuffer(b"".join(slices), np.uint8).reshape(-1, PACKET)
    carrying = whole[(whole[:, 3] & 0x10) != 0]
    packets = np.bincount(_pids(carrying), minlength=8192)
    lap = 0
    while True:
        for piece in slices:
            yield _moved(piece, lap * seconds * 90_000, packets * lap)
        lap += 1


def encode(clip: Clip) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format="mpegts", options=_MUXER_DELAY) as container:
        video = _add_video(container, clip)
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        assert isinstance(audio, AudioStream)
        audio.bit_rate = clip.audio_bit_rate
        # One frame is left out at the end, because the encoder writes one before the sound begins.
        sound = list(_audio_packets(audio, clip))[: clip.seconds * SAMPLE_RATE // AAC_FRAME]
        for packet in sorted([*_video_packets(video, clip), *sound], key=lambda p: (p.dts or 0) * p.time_base):
            container.mux(packet)
    return target.getvalue()


def _add_video(container: av.container.OutputContainer, clip: Clip) -> VideoStream:
    stream = container.add_stream("libx264", rate=FPS)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = clip.size
    stream.pix_fmt = "yuv420p"
    stream.bit_rate = clip.video_bit_rate
    stream.codec_context.gop_size = GOP
    stream.codec_context.max_b_frames = 2
    stream.options = {"preset": "veryfast", "sc_threshold": "0", "keyint_min": str(GOP)}
    return stream


def _video_packets(stream: VideoStream, clip: Clip) -> Iterator[PacketOf]:
    for index, plane in enumerate(_pictures(clip)):
        frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _pictures(clip: Clip) -> Iterator[Bytes2D]:
    """A coarse pattern that slides, under a grain that is new in every picture: enough for any bit rate."""
    width, height = clip.size
    random = np.random.default_rng(1)
    coarse = random.integers(40, 200, (height // 8 + 1, width // 4 + 1)).astype(np.uint8)
    scene = np.kron(coarse, np.ones((8, 8), np.uint8))
    grain = random.integers(0, 12, (2 * height, 2 * width)).astype(np.uint8)
    chroma = np.full((height // 2, width), 128, np.uint8)
    for index in range(clip.seconds * FPS):
        left, (down, right) = 2 * index % width, random.integers(0, (height, width))
        luma = scene[:height, left : left + width] + grain[down : down + height, right : right + width]
        yield np.vstack([luma, chroma])


def _audio_packets(stream: AudioStream, clip: Clip) -> Iterator[PacketOf]:
    noise = np.random.default_rng(2).standard_normal(clip.seconds * SAMPLE_RATE).astype(np.float32) * np.float32(0.1)
    for start in range(0, len(noise), AAC_FRAME):
        frame = av.AudioFrame.from_ndarray(noise[None, start : start + AAC_FRAME], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = start, Fraction(1, SAMPLE_RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _pids(packets: Bytes2D) -> NDArray[np.int64]:
    return ((packets[:, 1].astype(np.int64) & 0x1F) << 8) | packets[:, 2]


def _moved(data: bytes, ticks: int, counters: NDArray[np.int64]) -> bytes:
    """A slice later in time; `counters` is what is added to the continuity counter of each PID."""
    packets = np.frombuffer(data, np.uint8).reshape(-1, PACKET).copy()
    control = packets[:, 3].copy()
    packets[:, 3] = (control & 0xF0) | ((control + counters[_pids(packets)]) & 15).astype(np.uint8)
    flat = packets.reshape(-1)
    base = np.arange(len(packets)) * PACKET
    adapted = (control & 0x20) != 0
    clocks = adapted & (packets[:, 4] >= 7) & ((packets[:, 5] & 0x10) != 0)
    _move_clocks(flat, base[clocks] + 6, ticks)
    start = 4 + adapted * (1 + packets[:, 4].astype(np.int64))
    begins = ((packets[:, 1] & 0x40) != 0) & ((control & 0x10) != 0) & (start <= PACKET - _PES_STAMPS_END)
    at = (base + start)[begins]
    at = at[(flat[at] == 0) & (flat[at + 1] == 0) & (flat[at + 2] == 1)]
    flags = flat[at + 7] >> 6
    _move_stamps(flat, at[flags >= 2] + 9, ticks)
    _move_stamps(flat, at[flags == 3] + 14, ticks)
    return packets.tobytes()


def _move_clocks(flat: NDArray[np.uint8], at: NDArray[np.int64], ticks: int) -> None:
    """PCR bases, ISO/IEC 13818-1 §2.4.3.5: 33 bits, then six reserved ones and the extension."""
    b = flat[at[:, None] + np.arange(5)].astype(np.int64)
    value = (b[:, 0] << 25 | b[:, 1] << 17 | b[:, 2] << 9 | b[:, 3] << 1 | b[:, 4] >> 7) + ticks & _WRAP
    for index, shift in enumerate((25, 17, 9, 1)):
        flat[at + index] = value >> shift & 0xFF
    flat[at + 4] = b[:, 4] & 0x7F | (value & 1) << 7


def _move_stamps(flat: NDArray[np.uint8], at: NDArray[np.int64], ticks: int) -> None:
    """PTS and DTS, ISO/IEC 13818-1 §2.4.3.7: 33 bits among markers."""
    b = flat[at[:, None] + np.arange(5)].astype(np.int64)
    value = (b[:, 0] & 0x0E) << 29 | b[:, 1] << 22 | (b[:, 2] & 0xFE) << 14 | b[:, 3] << 7 | b[:, 4] >> 1
    value = value + ticks & _WRAP
    flat[at] = b[:, 0] & 0xF1 | (value >> 29 & 0x0E)
    flat[at + 1] = value >> 22 & 0xFF
    flat[at + 2] = value >> 14 & 0xFE | 1
    flat[at + 3] = value >> 7 & 0xFF
    flat[at + 4] = value << 1 & 0xFE | 1

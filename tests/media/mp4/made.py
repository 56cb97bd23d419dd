"""Media made in code with libav: packets as batches, and files read back by libav."""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from typing import Any

import av
import numpy as np

from media.mp4.boxes import Span, walk
from media.mp4.writer import Mp4Writer, Track
from media.samples import Buffer, SampleBatch, TrackType

STBL = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
FPS = 25
STEP = 90_000 // FPS
SAMPLE_RATE = 48_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    data: bytes
    dts: int
    pts: int
    sync: bool = True


class Fake:
    """Data that has a length and no bytes."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


@cache
def video(codec: str = "libx264", *, frames: int = 12, width: int = 96, b_frames: int = 2) -> tuple[Sample, ...]:
    """Annex B access units with stamps of 90 kHz from 0, the parameter sets before each sync sample."""
    context = av.VideoCodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, 64, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 90_000), Fraction(FPS)
    options = f"keyint=6:bframes={b_frames}:b-adapt=0:scenecut=0:repeat-headers=1"
    quiet = ":log-level=none" if codec == "libx265" else ""
    context.options = {codec.removeprefix("lib") + "-params": options + quiet, "preset": "ultrafast", "threads": "1"}
    packets = []
    for number in range(frames):
        picture = np.full((96, width), (number * 23) % 256, np.uint8)
        picture[: 8 + number] = 255 - number
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number * STEP, Fraction(1, 90_000)
        packets += context.encode(frame)
    packets += context.encode(None)
    return tuple(_sample(packet) for packet in packets)


@cache
def audio(*, frames: int = 24, rate: int = SAMPLE_RATE, channels: int = 1) -> tuple[Sample, ...]:
    """Raw AAC access units of a tone, with stamps in samples from 0."""
    context = av.AudioCodecContext.create("aac", "w")
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    context.sample_rate, context.layout, context.format = rate, layout, "fltp"
    packets = []
    for number in range(frames):
        phase = (np.arange(1024) + number * 1024) * 2 * np.pi * 440 / rate
        tone = np.tile(np.sin(phase).astype(np.float32) / 2, (channels, 1))
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, number * 1024
        packets += context.encode(frame)
    return tuple(_sample(packet, shift=1024) for packet in packets)


def _sample(packet: "av.Packet[Any]", shift: int = 0) -> Sample:
    assert packet.pts is not None
    assert packet.dts is not None
    return Sample(data=bytes(packet), dts=packet.dts + shift, pts=packet.pts + shift, sync=bool(packet.is_keyframe))


def adts(samples: Iterable[Sample], *, rate: int = SAMPLE_RATE, channels: int = 1) -> bytes:
    """The access units with ADTS headers before them, ISO/IEC 14496-3 §1.A.3.2."""
    index = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350).index(rate)
    framed = b""
    for sample in samples:
        size = len(sample.data) + 7
        fixed = 0xFFF1 << 16 | 1 << 14 | index << 10 | channels << 6
        header = fixed << 24 | size << 13 | 0x7FF << 2
        framed += header.to_bytes(7) + sample.data
    return framed


def length_prefixed(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Annex B access units as MP4 wants them, with 4-byte lengths before the NAL units."""
    return tuple(replace(sample, data=_prefixed(sample.data)) for sample in samples)


def _prefixed(data: bytes) -> bytes:
    units = re.split(rb"\x00*\x00\x00\x01", data)[1:]
    return b"".join(len(unit).to_bytes(4) + unit for unit in units)


def batch(samples: Sequence[Sample], *, at: int = 0, last_duration: int = STEP) -> SampleBatch:
    """The samples as one batch, all stamps moved by `at` ticks."""
    return SampleBatch(
        sizes=np.array([len(sample.data) for sample in samples], np.int64),
        dts=np.array([sample.dts + at for sample in samples], np.int64),
        pts=np.array([sample.pts + at for sample in samples], np.int64),
        sync=np.array([sample.sync for sample in samples], np.bool_),
        data=b"".join(sample.data for sample in samples),
        last_duration=last_duration,
    )


def fake_batch(sizes: Sequence[int], *, at: int = 0, step: int = STEP) -> SampleBatch:
    """Samples of these sizes, however large, without bytes; they take part in no file."""
    stamps = at + np.arange(len(sizes), dtype=np.int64) * step
    data: Buffer = Fake(sum(sizes))  # type: ignore[assignment]
    return SampleBatch(
        sizes=np.array(sizes, np.int64),
        dts=stamps,
        pts=stamps,
        sync=np.ones(len(sizes), np.bool_),
        data=data,
        last_duration=step,
    )


class File:
    """A file being written in memory."""

    def __init__(self) -> None:
        self.media = bytearray()
        self.writer = Mp4Writer(self._put)

    def _put(self, data: Buffer) -> None:
        self.media += data

    def track(self, track_type: TrackType, entry: bytes, *, timescale: int = 90_000) -> Track:
        track = self.writer.add_track(track_type, timescale=timescale)
        track.add_entry(entry, 96, 64)
        return track

    def finished(self) -> bytes:
        return self.writer.finish() + bytes(self.media)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What libav reads of one track."""

    data: list[bytes]
    dts: list[Fraction]
    pts: list[Fraction]
    sync: list[bool]
    duration: list[Fraction]


def read(mp4: bytes) -> list[Read]:
    """All packets of every track, stamps in seconds."""
    with av.open(io.BytesIO(mp4), "r") as source:
        tracks = [Read(data=[], dts=[], pts=[], sync=[], duration=[]) for _ in source.streams]
        for packet in source.demux():
            if packet.size:
                track = tracks[packet.stream.index]
                base = packet.time_base
                assert packet.dts is not None
                assert packet.pts is not None
                assert packet.duration is not None
                track.data.append(bytes(packet))
                track.dts.append(packet.dts * base)
                track.pts.append(packet.pts * base)
                track.sync.append(bool(packet.is_keyframe))
                track.duration.append(packet.duration * base)
    return tracks


def inside(mp4: bytes, *path: bytes) -> list[Span]:
    """The boxes in the first box of that path."""
    start, end = 0, len(mp4)
    for kind in path:
        span = next(span for span in walk(mp4, start, end) if span.kind == kind)
        start, end = span.body, span.end
    return list(walk(mp4, start, end))

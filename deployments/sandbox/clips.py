"""Clips whose every second can be told apart by eye and ear, encoded by real encoders into MPEG-TS."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

from deployments.sandbox import scene

VideoCodec = Literal["h264", "hevc"]
# A string: the class is generic for type checkers only.
PacketOf: TypeAlias = "Packet[Any]"

_ENCODERS = {"h264": "libx264", "hevc": "libx265"}
AAC_FRAME = 1024
# What the ffmpeg program sets for MPEG-TS; with it several ADTS frames share a PES packet, as recorders write them.
MUXER_DELAY = {"max_delay": "700000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """What to encode. `video` or `audio` off leaves the track out; `first_second` is what the counter begins at.

    `size` is that of the picture as it stands upright; it is coded so that it must be turned anticlockwise by
    `degrees`, a multiple of 90, to stand so again. With `open_gop` pictures of H.264 lean on the group before theirs;
    those of H.265 do so anyway.
    """

    seconds: float
    fps: int = 25
    size: tuple[int, int] = (160, 90)
    codec: VideoCodec = "h264"
    b_frames: int = 2
    gop: int = 25
    flash_frames: int = 2
    audio: bool = True
    video: bool = True
    sample_rate: int = 48_000
    channels: int = 1
    first_second: int = 0
    seed: int = 0
    degrees: int = 0
    open_gop: bool = False


def encode(clip: Clip) -> bytes:
    """The clip as MPEG-TS, packets interleaved by decode time."""
    target = io.BytesIO()
    with av.open(target, "w", format="mpegts", options=MUXER_DELAY) as container:
        tracks: list[Iterator[PacketOf]] = []
        if clip.video:
            tracks.append(_video_packets(add_video(container, clip), clip))
        if clip.audio:
            tracks.append(_audio_packets(add_audio(container, clip), clip))
        packets = [packet for track in tracks for packet in track]
        for packet in sorted(packets, key=_decode_time):
            container.mux(packet)
    return target.getvalue()


def _decode_time(packet: PacketOf) -> Fraction:
    return (packet.dts or 0) * packet.time_base


def add_video(container: av.container.OutputContainer, clip: Clip) -> VideoStream:
    """An encoder for the clip's pictures in this container."""
    stream = cast("VideoStream", container.add_stream(_ENCODERS[clip.codec], rate=clip.fps))
    stream.width, stream.height = clip.size[::-1] if clip.degrees % 180 else clip.size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.gop_size = clip.gop
    stream.codec_context.max_b_frames = clip.b_frames
    stream.codec_context.thread_count = 1
    # One thread and no scene cuts: the same bytes on every machine, a key frame exactly every `gop` frames.
    if clip.codec == "h264":
        stream.options = {"preset": "veryfast", "sc_threshold": "0", "keyint_min": str(clip.gop)}
        if clip.open_gop:
            stream.options |= {"x264-params": "open-gop=1"}
    else:
        quiet = f"log-level=none:pools=1:frame-threads=1:scenecut=0:bframes={clip.b_frames}"
        stream.options = {"preset": "ultrafast", "x265-params": f"{quiet}:keyint={clip.gop}:min-keyint={clip.gop}"}
    return stream


def _video_packets(stream: VideoStream, clip: Clip) -> Iterator[PacketOf]:
    planes = scene.pictures(
        clip.seconds,
        clip.fps,
        clip.size,
        first_second=clip.first_second,
        flash_frames=clip.flash_frames,
        seed=clip.seed,
    )
    for index, plane in enumerate(planes):
        frame = av.VideoFrame.from_ndarray(scene.turned(plane, clip.degrees), format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, clip.fps)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def add_audio(container: av.container.OutputContainer, clip: Clip) -> AudioStream:
    """An encoder for the clip's sound in this container."""
    layout = {1: "mono", 2: "stereo"}[clip.channels]
    stream = container.add_stream("aac", rate=clip.sample_rate, layout=layout)
    stream.bit_rate = 64_000 * clip.channels
    return stream


def _audio_packets(stream: AudioStream, clip: Clip) -> Iterator[PacketOf]:
    samples = scene.sound(clip.seconds, clip.sample_rate, first_second=clip.first_second, seed=clip.seed)
    planes = np.tile(samples, (clip.channels, 1))
    for start in range(0, len(samples), AAC_FRAME):
        block = np.ascontiguousarray(planes[:, start : start + AAC_FRAME])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=stream.layout.name)
        frame.sample_rate = clip.sample_rate
        frame.pts, frame.time_base = start, Fraction(1, clip.sample_rate)
        yield from stream.encode(frame)
    yield from stream.encode(None)

"""The scene encoded second by second, as a recorder does it: each slice is there as soon as it is finished."""

import re
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from deployments.sandbox import scene
from deployments.sandbox.clips import AAC_FRAME, MUXER_DELAY, Clip, add_audio, add_video
from deployments.sandbox.cutting import HZ, Slice
from deployments.sandbox.packets import TrackType, first_pts, programme

_LEAD_S = 1
"""Stamps begin here: B-frames and the AAC encoder's first frame lie before zero, and libav would move all of them."""
_ENTRY = re.compile(r"#EXTINF:([\d.]+),[^\n]*\n([^\n#]+)")


class Live:
    """One encoder of the scene, cut by libav's `hls` muxer. Not for several threads at once.

    It begins at the second `begins_at` of the scene, whose stamp is `stamped_s` seconds later than the first of all.
    `clip` says what it looks and sounds like; its `seconds` and `first_second` are not looked at. `close()` or
    `abandon()` it.
    """

    def __init__(self, clip: Clip, *, begins_at: int, stamped_s: int, slice_s: float) -> None:
        self._clip = clip
        self._begins_at = begins_at
        self._second = begins_at
        self._shift = _LEAD_S + stamped_s - begins_at
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-live-")
        self._list = Path(self._folder.name, "list.m3u8")
        options = MUXER_DELAY | {"hls_time": f"{slice_s}", "hls_list_size": "0"}
        self._container = av.open(str(self._list), "w", format="hls", options=options)
        self._video: VideoStream | None = add_video(self._container, clip) if clip.video else None
        self._audio: AudioStream | None = add_audio(self._container, clip) if clip.audio else None
        self._sound = np.empty(0, np.float32)
        self._sounded = (_LEAD_S + stamped_s) * clip.sample_rate
        self._taken = 0
        self._first_pts: int | None = None

    def next_second(self) -> list[Slice]:
        """Encode one more second; the slices that are finished by it."""
        if self._video is not None:
            self._picture(self._video)
        if self._audio is not None:
            seed = self._clip.seed << 20 | self._second
            samples = scene.sound(1, self._clip.sample_rate, first_second=self._second, seed=seed)
            self._sound = np.concatenate([self._sound, samples])
            self._hear(self._audio, len(self._sound) // AAC_FRAME * AAC_FRAME)
        self._second += 1
        return self._finished()

    def close(self) -> list[Slice]:
        """Flush the encoders; the last slices."""
        if self._audio is not None:
            self._hear(self._audio, len(self._sound))
        for stream in (self._video, self._audio):
            if stream is not None:
                self._container.mux(stream.encode(None))
        self._container.close()
        last = self._finished()
        self._folder.cleanup()
        return last

    def abandon(self) -> None:
        """Lose what is not finished, as a recorder that is killed."""
        self._container.close()
        self._folder.cleanup()

    def _picture(self, stream: VideoStream) -> None:
        clip = self._clip
        planes = scene.pictures(
            1, clip.fps, clip.size, first_second=self._second, flash_frames=clip.flash_frames, seed=clip.seed
        )
        for index, plane in enumerate(planes):
            frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
            frame.pts = (self._second + self._shift) * clip.fps + index
            frame.time_base = Fraction(1, clip.fps)
            self._container.mux(stream.encode(frame))

    def _hear(self, stream: AudioStream, samples: int) -> None:
        """Encode the first so many of the samples that wait."""
        for start in range(0, samples, AAC_FRAME):
            block = np.tile(self._sound[start : min(start + AAC_FRAME, samples)], (self._clip.channels, 1))
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=stream.layout.name)
            frame.sample_rate = self._clip.sample_rate
            frame.pts, frame.time_base = self._sounded, Fraction(1, self._clip.sample_rate)
            self._sounded += block.shape[1]
            self._container.mux(stream.encode(frame))
        self._sound = self._sound[samples:]

    def _finished(self) -> list[Slice]:
        listed = _ENTRY.findall(self._list.read_text(encoding="utf-8")) if self._list.exists() else []
        fresh = [self._slice(float(seconds), self._list.with_name(name)) for seconds, name in listed[self._taken :]]
        self._taken = len(listed)
        return fresh

    def _slice(self, duration_s: float, path: Path) -> Slice:
        data = path.read_bytes()
        path.unlink()
        tracks = programme(data).tracks
        lead: TrackType = "video" if "video" in tracks else "audio"
        pts = first_pts(data, tracks[lead])
        if self._first_pts is None:
            self._first_pts = pts
        # An AAC encoder writes one frame before the sound begins.
        lead_in = AAC_FRAME / self._clip.sample_rate if lead == "audio" else 0.0
        start_s = self._begins_at - lead_in + (pts - self._first_pts) / HZ
        return Slice(data=data, duration_s=duration_s, start_s=start_s)

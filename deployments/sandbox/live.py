"""The scene encoded second by second, as a recorder does it: each slice is there as soon as it is finished."""

import re
import tempfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from deployments.sandbox import scene
from deployments.sandbox.clips import AAC_FRAME, MUXER_DELAY, Clip, add_audio, add_video
from deployments.sandbox.cutting import HZ, Slice
from deployments.sandbox.packets import TrackType, first_pts, programme, restamp

_LEAD_S = 1
"""Stamps begin here: B-frames and the AAC encoder's first frame lie before zero, and libav would move all of them."""
_TINY = 1e-6
"""Seconds of the scene are floats: a picture that is due at the very end of a stretch belongs to the next one."""
_ENTRY = re.compile(r"#EXTINF:([\d.]+),[^\n]*\n([^\n#]+)")


def _upright(moment_s: float) -> int:
    del moment_s
    return 0


class Live:
    """One encoder of the scene, cut by libav's `hls` muxer. Not for several threads at once.

    It begins at the second `begins_at` of the scene, with the first picture and the first sample that are no earlier;
    the stamp of that moment is `stamped_s` seconds later than the first of all. `clip` says what it looks and sounds
    like; its `seconds` and `first_second` are not looked at. `degrees_at` says of each moment how far clockwise the
    upright scene is turned to give the picture that is coded, whose size is the clip's; from `silences` on, until
    they end, there is no sound at all. `close()` or `abandon()` it.
    """

    def __init__(
        self,
        clip: Clip,
        *,
        begins_at: float,
        stamped_s: float,
        slice_s: float,
        degrees_at: Callable[[float], int] = _upright,
        silences: Sequence[tuple[float, float]] = (),
    ) -> None:
        self._clip = clip
        self._degrees_at = degrees_at
        self._silences = silences
        self._first_frame = self._frame = ceil(begins_at * clip.fps - _TINY)
        self._first_sample = self._sample = round(begins_at * clip.sample_rate)
        self._whole_s = floor(begins_at)
        self._moved = round((stamped_s - begins_at + self._whole_s) * HZ)
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-live-")
        self._list = Path(self._folder.name, "list.m3u8")
        options = MUXER_DELAY | {"hls_time": f"{slice_s}", "hls_list_size": "0"}
        self._container = av.open(str(self._list), "w", format="hls", options=options)
        self._video: VideoStream | None = add_video(self._container, clip) if clip.video else None
        self._audio: AudioStream | None = add_audio(self._container, clip) if clip.audio else None
        self._sound = np.empty(0, np.float32)
        self._sounded = self._sample + (_LEAD_S - self._whole_s) * clip.sample_rate
        self._taken = 0
        self._first_pts: int | None = None

    @property
    def start_s(self) -> float:
        """Where its first slice begins. An AAC encoder writes one frame before the sound begins."""
        if self._video is not None:
            return self._first_frame / self._clip.fps
        return (self._first_sample - AAC_FRAME) / self._clip.sample_rate

    def until(self, moment_s: float) -> list[Slice]:
        """Encode the scene up to this second of it; the slices that are finished by it."""
        if self._video is not None:
            self._picture(self._video, ceil(moment_s * self._clip.fps - _TINY))
        if self._audio is not None:
            self._listen(round(moment_s * self._clip.sample_rate))
            self._hear(self._audio, len(self._sound) // AAC_FRAME * AAC_FRAME)
        return self._finished()

    def close(self) -> list[Slice]:
        """Flush the encoders; the last slices."""
        if self._audio is not None:
            self._hear(self._audio, len(self._sound))
        if self._video is not None and self._frame > self._first_frame:
            self._container.mux(self._video.encode(None))
        if self._audio is not None and self._sample > self._first_sample:
            self._container.mux(self._audio.encode(None))
        self._container.close()
        last = self._finished()
        self._folder.cleanup()
        return last

    def abandon(self) -> None:
        """Lose what is not finished, as a recorder that is killed."""
        self._container.close()
        self._folder.cleanup()

    def _picture(self, stream: VideoStream, upto: int) -> None:
        clip = self._clip
        for index in range(self._frame, upto):
            frame = av.VideoFrame.from_ndarray(self._coded(index), format="yuv420p")
            frame.pts, frame.time_base = index + (_LEAD_S - self._whole_s) * clip.fps, Fraction(1, clip.fps)
            self._container.mux(stream.encode(frame))
        self._frame = max(self._frame, upto)

    def _coded(self, index: int) -> scene.Plane:
        """The planes of this picture of the scene, turned as the camera is held."""
        clip = self._clip
        degrees = self._degrees_at(index / clip.fps + _TINY)
        size = clip.size[::-1] if degrees % 180 else clip.size
        second, number = divmod(index, clip.fps)
        planes = scene.picture(size, second, number, flash=number < clip.flash_frames, seed=clip.seed)
        return scene.turned(planes, degrees) if degrees else planes

    def _listen(self, upto: int) -> None:
        """Let all samples before this one wait for the encoder."""
        rate = self._clip.sample_rate
        while self._sample < upto:
            second, at = divmod(self._sample, rate)
            seed = self._clip.seed << 20 | second
            heard = scene.sound(1, rate, first_second=second, seed=seed)
            for begin_s, end_s in self._silences:
                heard[max(0, round((begin_s - second) * rate)) : max(0, round((end_s - second) * rate))] = 0
            end = min(upto - second * rate, rate)
            self._sound = np.concatenate([self._sound, heard[at:end]])
            self._sample += end - at

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
        start_s = self.start_s + (pts - self._first_pts) / HZ
        return Slice(data=restamp(data, self._moved) if self._moved else data, duration_s=duration_s, start_s=start_s)

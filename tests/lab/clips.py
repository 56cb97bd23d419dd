"""Clips of the laboratory: encoded once, and kept for all test processes."""

from deployments.sandbox.clips import Clip, VideoCodec, encode
from tests.lab.cache import cached


def flash_and_beep(
    seconds: float,
    *,
    fps: int = 25,
    size: tuple[int, int] = (160, 90),
    codec: VideoCodec = "h264",
    b_frames: int = 2,
    gop: int = 25,
    flash_frames: int = 2,
    audio: bool = True,
    video: bool = True,
    sample_rate: int = 48_000,
    channels: int = 1,
    first_second: int = 0,
    seed: int = 0,
    degrees: int = 0,
    open_gop: bool = False,
) -> bytes:
    """One continuous MPEG-TS: a flash and a beep begin together at every full second; see the `scene`."""
    clip = Clip(
        seconds=seconds,
        fps=fps,
        size=size,
        codec=codec,
        b_frames=b_frames,
        gop=gop,
        flash_frames=flash_frames,
        audio=audio,
        video=video,
        sample_rate=sample_rate,
        channels=channels,
        first_second=first_second,
        seed=seed,
        degrees=degrees,
        open_gop=open_gop,
    )
    return cached(repr(clip), lambda: encode(clip))

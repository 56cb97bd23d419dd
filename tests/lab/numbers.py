"""What pictures a file really shows: their burnt-in numbers, read after decoding with libav, and when each is shown."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
import av.logging
import numpy as np
from av.error import FFmpegError

from deployments.sandbox import scene
from tests.lab.luma import luma_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """The pictures of a file in the order in which they are shown: (number, seconds). `complaints` are libav's own.

    The number of a picture is that of its second and that in its second, as the scene has them.
    """

    pictures: tuple[tuple[tuple[int, int], Fraction], ...]
    complaints: tuple[str, ...]


def numbered(mp4: bytes) -> Numbered:
    """Decode all pictures and all sound of an MP4, each picture in its own size and turned as its track says."""
    pictures: list[tuple[tuple[int, int], Fraction]] = []
    with _listening() as said:
        try:
            pictures.extend(_pictures(mp4))
            _decode_sound(mp4)
        except FFmpegError as error:
            said.append((av.logging.ERROR, "", str(error)))
    return Numbered(pictures=tuple(pictures), complaints=tuple(text.strip() for _, _, text in said))


@contextmanager
def _listening() -> Iterator[list[tuple[int, str, str]]]:
    """What libav says in this thread at level error or worse; also what it said the last time."""
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture() as said:
            yield said
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)


def _pictures(mp4: bytes) -> Iterator[tuple[tuple[int, int], Fraction]]:
    with av.open(io.BytesIO(mp4), "r", format="mp4") as source:
        if not source.streams.video:
            return
        # One thread: what others of libav's own say is not captured.
        source.streams.video[0].codec_context.thread_count = 1
        for frame in source.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            _, second, number = scene.read_picture(np.rot90(luma_of(frame), frame.rotation // 90))
            yield (second, number), frame.pts * frame.time_base


def _decode_sound(mp4: bytes) -> None:
    with av.open(io.BytesIO(mp4), "r", format="mp4") as source:
        if source.streams.audio:
            for _ in source.decode(audio=0):
                pass

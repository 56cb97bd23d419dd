"""Coded silence: AAC access units that fill holes in audio without touching the sound around them."""

from functools import lru_cache

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.error import FFmpegError

FRAME_LENGTH = 1024
"""PCM samples of one AAC-LC access unit, ISO/IEC 14496-3 §4.5.1.1."""

_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
"""libav's names of the channel configurations 1 to 7, ISO/IEC 14496-3 §1.6.3.5; there is none of seven channels."""
_STEADY = 4
"""Frames until the encoder's delay and its first window are over."""


class SilenceError(ValueError):
    """Silence cannot be coded for this configuration."""


@lru_cache(maxsize=64)
def silent_frame(sample_rate: int, channels: int) -> bytes:
    """One AAC-LC access unit (without ADTS header) that decodes to `FRAME_LENGTH` zeros and may be repeated.

    Raises `SilenceError` for a sample rate (Hz) or channel count that AAC has no configuration for.
    """
    if channels not in _LAYOUTS:
        raise SilenceError(f"AAC has no channel configuration of {channels} channels")
    try:
        return _encode_zeros(sample_rate, channels)
    except FFmpegError as error:
        raise SilenceError(f"libav codes no AAC at {sample_rate} Hz with {channels} channels: {error}") from error


def _encode_zeros(sample_rate: int, channels: int) -> bytes:
    encoder = AudioCodecContext.create("aac", "w")
    encoder.sample_rate, encoder.layout, encoder.format = sample_rate, _LAYOUTS[channels], "fltp"
    # Interleaved, because PyAV cannot fill the planes of more than seven channels; the encoder converts them.
    zeros = np.zeros((1, channels * FRAME_LENGTH), np.int16)
    packets: list[bytes] = []
    for number in range(_STEADY + 2):
        frame = av.AudioFrame.from_ndarray(zeros, format="s16", layout=_LAYOUTS[channels])
        frame.sample_rate, frame.pts = sample_rate, number * FRAME_LENGTH
        packets += map(bytes, encoder.encode(frame))
    return packets[_STEADY]

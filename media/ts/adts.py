"""AAC in ADTS frames (ISO/IEC 13818-7 §6.2, ISO/IEC 14496-3 §1.A.2): finding, counting and unwrapping them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.ts.packets import Ints

FRAME_SAMPLES = 1024
SAMPLE_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)

_HEADER_BYTES = 7
_CRC_BYTES = 2


@dataclass(frozen=True, slots=True)
class AudioParameters:
    """What an ADTS header fixes for the whole stream."""

    object_type: int
    sample_rate: int
    channels: int
    header: bytes

    @property
    def header_bytes(self) -> int:
        """Bytes of each frame's header, with its CRC if there is one."""
        return _HEADER_BYTES if self.header[1] & 1 else _HEADER_BYTES + _CRC_BYTES


def read_parameters(header: bytes) -> AudioParameters | None:
    """The parameters in an ADTS header, None if these bytes are none (or use a reserved or program-defined form)."""
    if len(header) < _HEADER_BYTES or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    rate_index = header[2] >> 2 & 15
    channel_configuration = (header[2] & 1) << 2 | header[3] >> 6
    if rate_index >= len(SAMPLE_RATES) or channel_configuration == 0 or header[6] & 3:
        return None
    channels = 8 if channel_configuration == 7 else channel_configuration
    fixed = bytes((header[0], header[1], header[2], header[3] & 0xF0))
    return AudioParameters((header[2] >> 6) + 1, SAMPLE_RATES[rate_index], channels, fixed)


def find_parameters(stream: bytes | bytearray) -> AudioParameters | None:
    """The parameters of the first frame that is followed by an equal header, or that ends the stream."""
    at = stream.find(b"\xff")
    while 0 <= at <= len(stream) - _HEADER_BYTES:
        found = read_parameters(bytes(stream[at : at + _HEADER_BYTES]))
        if found:
            following = at + frame_length(stream, at)
            if following == len(stream) or bytes(stream[following : following + 2]) == found.header[:2]:
                return found
        at = stream.find(b"\xff", at + 1)
    return None


def frame_length(stream: bytes | bytearray, at: int) -> int:
    """aac_frame_length of the frame whose header is at `at`, header included."""
    return (stream[at + 3] & 3) << 11 | stream[at + 4] << 3 | stream[at + 5] >> 5


def headers(stream: bytes | bytearray, parameters: AudioParameters) -> tuple[Ints, Ints]:
    """Offsets and lengths of everything in `stream` that looks like a header with these parameters."""
    flat = np.frombuffer(stream, np.uint8)
    if flat.size < _HEADER_BYTES:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    fixed = parameters.header
    at = np.flatnonzero(flat[: flat.size - _HEADER_BYTES + 1] == fixed[0])
    at = at[(flat[at + 1] == fixed[1]) & (flat[at + 2] == fixed[2]) & (flat[at + 3] & 0xF0 == fixed[3])]
    length = _lengths(flat, at)
    possible = length > parameters.header_bytes
    return at[possible], length[possible]


def _lengths(flat: NDArray[np.uint8], at: Ints) -> Ints:
    third, fourth, fifth = (flat[at + n].astype(np.int64) for n in (3, 4, 5))
    return (third & 3) << 11 | fourth << 3 | fifth >> 5


def with_header(parameters: AudioParameters, frame: bytes) -> bytes:
    """One raw access unit as an ADTS frame of these parameters, without CRC."""
    fixed, length = parameters.header, len(frame) + _HEADER_BYTES
    tail = bytes((fixed[3] | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC))
    return bytes((fixed[0], fixed[1] | 1, fixed[2])) + tail + frame


def count_frames(stream: bytes | bytearray, parameters: AudioParameters, lost: Ints) -> int:
    """How many frames begin in `stream`, whole or broken; bytes are missing before each offset in `lost`.

    Headers count that do not lie inside a whole frame. The common case is vectorised; it is counted here, apart from
    the frame walk by which `media.ts.demux` makes samples, so that one can be held against the other.
    """
    at, length = headers(stream, parameters)
    if not at.size:
        return 0
    end = at + length
    chained = at[0] == 0 and end[-1] == len(stream) and bool((at[1:] == end[:-1]).all())
    if chained and not lost.size:
        return int(at.size)
    whole = np.isin(end, np.append(at, len(stream)))
    whole &= np.searchsorted(lost, at, "right") == np.searchsorted(lost, end, "left")
    count = position = 0
    for begin, next_begin in zip(at.tolist(), np.where(whole, end, at + 1).tolist(), strict=True):
        if begin >= position:
            count, position = count + 1, next_begin
    return count

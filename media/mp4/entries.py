"""Sample entries (stsd) lifted from a one-packet libav mux, so that avcC, hvcC and esds need no code of ours.

Equal parameters give equal boxes: what libav derives from the muxed packet (btrt, bit rates in esds) is taken out.
"""

import io
import struct
from dataclasses import dataclass
from typing import Literal

import av
from av.error import FFmpegError

from media.mp4.boxes import Mp4Error, box, walk

Codec = Literal["h264", "hevc", "aac"]

_VIDEO_HEADER = 86
"""Bytes before the child boxes of a VisualSampleEntry, ISO/IEC 14496-12 §12.1.3."""
_AUDIO_HEADER = 36
"""Bytes before the child boxes of an AudioSampleEntry, ISO/IEC 14496-12 §12.2.3."""
_TAGS = {"hevc": "hvc1"}
_SAMPLE_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8}
"""Channels by channel configuration, ISO/IEC 14496-3 §1.6.3.5; libav counts them for the others."""
_ESCAPED_TYPE = 31
_ESCAPED_RATE = 15


class EntryError(ValueError):
    """No sample entry can be made of these access units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEntry:
    """One stsd entry: the whole box, its RFC 6381 codec string, and what it says of the samples.

    `width` and `height` are pixels (0 for audio), `sample_rate` is that of the AAC core in Hz (0 for video).
    """

    box: bytes
    codec: str
    width: int = 0
    height: int = 0
    sample_rate: int = 0
    channels: int = 0


def sample_entry(codec: Codec, access_units: bytes) -> SampleEntry:
    """Make the sample entry for a key access unit (Annex B, with its parameter sets) or for some ADTS frames.

    Raises `EntryError` when libav finds no parameters in them.
    """
    try:
        return _read(_lift(_mux_first_packet(codec, access_units)))
    except (FFmpegError, Mp4Error, struct.error, IndexError, StopIteration) as error:
        raise EntryError(f"libav makes no {codec} sample entry of {len(access_units)} bytes: {error}") from error


def read_entry(box: bytes) -> SampleEntry:
    """What a sample entry says. Raises `EntryError` for one of another codec, or one that is damaged."""
    try:
        return _read(box)
    except (Mp4Error, struct.error, IndexError, StopIteration, ValueError) as error:
        raise EntryError(f"a sample entry of {len(box)} bytes cannot be read: {error}") from error


def configuration(entry: SampleEntry) -> bytes:
    """What a decoder of pictures is told first: the body of avcC or hvcC, ISO/IEC 14496-15 §5.3.3.1 and §8.3.3.1."""
    return next(body for kind, body in _children(entry.box, _VIDEO_HEADER) if kind in _NAMES)


def _mux_first_packet(codec: Codec, access_units: bytes) -> bytes:
    target = io.BytesIO()
    with av.open(io.BytesIO(access_units), "r", format=codec) as source, av.open(target, "w", format="mp4") as output:
        (stream,) = source.streams
        copy = output.add_stream_from_template(stream, opaque=True)
        if codec in _TAGS:
            copy.codec_context.codec_tag = _TAGS[codec]
        packet = next((packet for packet in source.demux(stream) if packet.size), None)
        if packet is None:
            raise Mp4Error("no packet is in them")
        packet.pts = packet.dts = 0
        packet.stream = copy
        output.mux_one(packet)
    return target.getvalue()


def _lift(mp4: bytes) -> bytes:
    """Cut out the first sample entry of the first track."""
    start, end = 0, len(mp4)
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        found = next(span for span in walk(mp4, start, end) if span.kind == kind)
        start, end = found.body, found.end
    entry = next(walk(mp4, start + 8, end))
    return mp4[entry.start : entry.end]


def _read(entry: bytes) -> SampleEntry:
    return _audio_entry(entry) if entry[4:8] == b"mp4a" else _video_entry(entry)


def _video_entry(entry: bytes) -> SampleEntry:
    """VisualSampleEntry, ISO/IEC 14496-12 §12.1.3."""
    width, height = struct.unpack_from(">HH", entry, 32)
    children = _children(entry, _VIDEO_HEADER)
    kind, configuration = next(child for child in children if child[0] in _NAMES)
    if configuration[1] & _PROFILE_BITS[kind] not in _PROFILES[kind] or not (width and height):
        raise EntryError(f"the parameter sets are damaged: profile {configuration[1]}, {width} x {height} pixels")
    codec = f"{entry[4:8].decode('latin-1')}.{_NAMES[kind](configuration)}"
    return SampleEntry(box=_rebuilt(entry[:_VIDEO_HEADER], children), codec=codec, width=width, height=height)


def _audio_entry(entry: bytes) -> SampleEntry:
    """AudioSampleEntry, ISO/IEC 14496-12 §12.2.3, with its esds, ISO/IEC 14496-14 §5.6."""
    children = _children(entry, _AUDIO_HEADER)
    esds, configuration = _steady_esds(next(body for kind, body in children if kind == b"esds"))
    children = [(kind, esds if kind == b"esds" else body) for kind, body in children]
    object_type, sample_rate, layout = _audio_configuration(configuration)
    (counted,) = struct.unpack_from(">H", entry, 24)
    return SampleEntry(
        box=_rebuilt(entry[:_AUDIO_HEADER], children),
        codec=f"mp4a.40.{object_type}",
        sample_rate=sample_rate,
        channels=_CHANNELS.get(layout, counted),
    )


def _children(entry: bytes, header: int) -> list[tuple[bytes, bytes]]:
    """Kind and body of each child box but btrt, which depends on the packet that was muxed."""
    return [(span.kind, entry[span.body : span.end]) for span in walk(entry, header) if span.kind != b"btrt"]


def _rebuilt(header: bytes, children: list[tuple[bytes, bytes]]) -> bytes:
    parts = [box(kind, body) for kind, body in children]
    return b"".join(box(header[4:8], header[8:], *parts))


def _avc_name(configuration: bytes) -> str:
    """Profile, constraints and level, RFC 6381 §3.3."""
    return configuration[1:4].hex()


def _hevc_name(configuration: bytes) -> str:
    """Profile, compatibility, tier, level and constraints, ISO/IEC 14496-15 §E.3."""
    space = ("", "A", "B", "C")[configuration[1] >> 6]
    compatibility = int(f"{int.from_bytes(configuration[2:6]):032b}"[::-1], 2)
    tier = "H" if configuration[1] & 0x20 else "L"
    constraints = configuration[6:12].rstrip(b"\0")
    fields = [f"{space}{configuration[1] & 31}", f"{compatibility:X}", f"{tier}{configuration[12]}"]
    return ".".join(fields + [f"{byte:X}" for byte in constraints])


_NAMES = {b"avcC": _avc_name, b"hvcC": _hevc_name}
_PROFILES = {
    b"avcC": frozenset({44, 66, 77, 83, 86, 88, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244}),
    b"hvcC": frozenset(range(1, 12)),
}
"""Profiles that exist (ITU-T H.264 annexes A, F to I; H.265 annex A): libav writes down any other number, too."""
_PROFILE_BITS = {b"avcC": 0xFF, b"hvcC": 0x1F}


def _steady_esds(body: bytes) -> tuple[bytes, bytes]:
    """Give the esds body without buffer size and bit rates, and its decoder configuration, ISO/IEC 14496-1 §7.2.6."""
    stream = _descriptor(body, 4, 3)
    decoder = _descriptor(body, stream + 3, 4)
    specific = _descriptor(body, decoder + 13, 5)
    # Object type and stream type stay; 3 bytes of buffer size and two bit rates were measured on one packet.
    steady = body[: decoder + 2] + bytes(11) + body[decoder + 13 :]
    return steady, body[specific : specific + body[specific - 1]]


def _descriptor(body: bytes, at: int, tag: int) -> int:
    """Where the content of the descriptor at `at` begins, ISO/IEC 14496-1 §8.3.3."""
    if body[at] != tag:
        raise Mp4Error(f"descriptor {body[at]} stands where {tag} was expected")
    at += 1
    while body[at] & 0x80:
        at += 1
    return at + 1


def _audio_configuration(configuration: bytes) -> tuple[int, int, int]:
    """Object type, sample rate in Hz and channel configuration, ISO/IEC 14496-3 §1.6.2.1."""
    bits = f"{int.from_bytes(configuration):0{8 * len(configuration)}b}"
    object_type, at = int(bits[:5], 2), 5
    if object_type == _ESCAPED_TYPE:
        object_type, at = 32 + int(bits[5:11], 2), 11
    index, at = int(bits[at : at + 4], 2), at + 4
    if index == _ESCAPED_RATE:
        return object_type, int(bits[at : at + 24], 2), int(bits[at + 24 : at + 28], 2)
    return object_type, _SAMPLE_RATES[index], int(bits[at : at + 4], 2)

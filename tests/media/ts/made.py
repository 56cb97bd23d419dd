"""MPEG-TS packets made by hand, for what no real muxer writes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from deployments.sandbox.packets import PACKET, crc32

PMT_PID, VIDEO_PID, AUDIO_PID = 0x1000, 0x100, 0x101
H264, HEVC, AAC, OTHER = 0x1B, 0x24, 0x0F, 0x81


def packet(
    pid: int,
    payload: bytes = b"",
    *,
    counter: int = 0,
    starts: bool = False,
    flags: int = 0,
    error: bool = False,
) -> bytes:
    """One packet, stuffed by an adaptation field in front of a payload that does not fill it (§2.4.3.2)."""
    head = bytes((0x47, error << 7 | starts << 6 | pid >> 8, pid & 0xFF))
    room = PACKET - 4 - len(payload)
    if room == 0 and not flags:
        return head + bytes((0x10 | counter & 15,)) + payload
    control = 0x20 | (0x10 if payload else 0) | counter & 15
    field_of = bytes((flags,)) + b"\xff" * (room - 2) if room > 1 else b""
    return head + bytes((control, room - 1)) + field_of + payload


def section(pid: int, body: bytes, *, counter: int = 0) -> bytes:
    """A packet with one section, its CRC appended."""
    whole = body + crc32(body).to_bytes(4, "big")
    return packet(pid, b"\0" + whole.ljust(PACKET - 5, b"\xff"), counter=counter, starts=True)


def pat(pmt_pid: int = PMT_PID) -> bytes:
    """A PAT of one programme."""
    return section(0, bytes((0, 0xB0, 13, 0, 1, 0xC1, 0, 0, 0, 1, 0xE0 | pmt_pid >> 8, pmt_pid & 0xFF)))


def pmt(streams: Iterable[tuple[int, int]], *, counter: int = 0) -> bytes:
    """A PMT of these (PID, stream type)."""
    entries = b"".join(bytes((kind, 0xE0 | pid >> 8, pid & 0xFF, 0xF0, 0)) for pid, kind in streams)
    head = bytes((2, 0xB0, 9 + len(entries) + 4, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0))
    return section(PMT_PID, head + entries, counter=counter)


def tables(*streams: tuple[int, int]) -> bytes:
    """PAT and PMT."""
    return pat() + pmt(streams)


def stamp(prefix: int, value: int) -> bytes:
    """A PTS or DTS field (§2.4.3.7)."""
    value %= 1 << 33
    return bytes(
        (
            prefix << 4 | value >> 30 << 1 | 1,
            value >> 22 & 0xFF,
            (value >> 15 & 0x7F) << 1 | 1,
            value >> 7 & 0xFF,
            (value & 0x7F) << 1 | 1,
        )
    )


def pes(
    data: bytes, *, pts: int | None = None, dts: int | None = None, sized: bool = False, video: bool = True
) -> bytes:
    """A PES packet; `sized` declares its length."""
    stamps, flags = b"", 0
    if pts is not None:
        flags = 0xC0 if dts is not None else 0x80
        stamps = stamp(3 if dts is not None else 2, pts) + (stamp(1, dts) if dts is not None else b"")
    body = bytes((0x80, flags, len(stamps))) + stamps + data
    return b"\0\0\1" + bytes((0xE0 if video else 0xC0,)) + (len(body) if sized else 0).to_bytes(2, "big") + body


@dataclass(slots=True)
class Stream:
    """Packets of one PID with counters that run on."""

    pid: int
    counter: int = 0
    kept: list[bytes] = field(default_factory=list)

    def packets(self, unit: bytes) -> list[bytes]:
        """A PES packet as TS packets; the last is stuffed."""
        made = []
        for start in range(0, len(unit), PACKET - 4):
            made.append(packet(self.pid, unit[start : start + PACKET - 4], counter=self.counter, starts=start == 0))
            self.counter += 1
        return made


def transport(pid: int, units: Sequence[bytes], *, counter: int = 0) -> bytes:
    """PES packets of one PID, one after the other."""
    stream = Stream(pid, counter)
    return b"".join(packet for unit in units for packet in stream.packets(unit))


def split(data: bytes) -> Iterator[bytes]:
    """Its packets."""
    return (data[at : at + PACKET] for at in range(0, len(data), PACKET))


def adts_frame(payload: bytes, *, rate_index: int = 3, channels: int = 1, crc: bool = False) -> bytes:
    """An AAC-LC frame in ADTS (ISO/IEC 14496-3 §1.A.2); `rate_index` 3 is 48 kHz."""
    header = 9 if crc else 7
    length = header + len(payload)
    fixed = bytes((0xFF, 0xF0 if crc else 0xF1, 1 << 6 | rate_index << 2 | channels >> 2))
    tail = bytes(((channels & 3) << 6 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F, 0xFC))
    return fixed + tail + b"\0\0" * crc + payload

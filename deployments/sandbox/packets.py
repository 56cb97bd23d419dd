"""MPEG-TS packets (ISO/IEC 13818-1), rewritten one by one and independently of the product's own code."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

PACKET = 188
WRAP = 1 << 33
VIDEO_TYPES = frozenset({0x1B, 0x24})
AUDIO_TYPES = frozenset({0x0F})

TrackType = Literal["audio", "video"]


def packets(data: bytes) -> Iterator[bytearray]:
    """The 188 byte packets of whole, undamaged TS data."""
    for start in range(0, len(data), PACKET):
        yield bytearray(data[start : start + PACKET])


def pid_of(packet: bytes | bytearray) -> int:
    """§2.4.3.3, 13 bits."""
    return (packet[1] & 0x1F) << 8 | packet[2]


def starts_unit(packet: bytes | bytearray) -> bool:
    """Whether a PES packet or a section begins here (payload_unit_start_indicator)."""
    return bool(packet[1] & 0x40)


def payload_at(packet: bytes | bytearray) -> int:
    """Where the payload begins; 188 where there is none."""
    if not packet[3] & 0x10:
        return PACKET
    return 5 + packet[4] if packet[3] & 0x20 else 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """The one programme of a clip: where its PMT is and the PID of each track."""

    pmt: int
    tracks: dict[TrackType, int]

    @property
    def audio(self) -> int:
        """The PID of the sound."""
        return self.tracks["audio"]

    @property
    def video(self) -> int:
        """The PID of the picture."""
        return self.tracks["video"]


def programme(data: bytes) -> Programme:
    """PAT and PMT (§2.4.4), each taken from its first packet."""
    pat = next(_section(packet) for packet in packets(data) if pid_of(packet) == 0)
    pmt_pid = (pat[10] & 0x1F) << 8 | pat[11]
    pmt = next(_section(packet) for packet in packets(data) if pid_of(packet) == pmt_pid)
    tracks: dict[TrackType, int] = {}
    for stream_type, pid, _ in _pmt_entries(pmt):
        if stream_type in VIDEO_TYPES:
            tracks["video"] = pid
        elif stream_type in AUDIO_TYPES:
            tracks["audio"] = pid
    return Programme(pmt=pmt_pid, tracks=tracks)


def _section(packet: bytearray) -> bytes:
    start = payload_at(packet)
    start += 1 + packet[start]
    length = (packet[start + 1] & 0x0F) << 8 | packet[start + 2]
    return bytes(packet[start : start + 3 + length])


def _pmt_entries(section: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 12 + ((section[10] & 0x0F) << 8 | section[11])
    while at < len(section) - 4:
        size = 5 + ((section[at + 3] & 0x0F) << 8 | section[at + 4])
        entry = section[at : at + size]
        yield entry[0], (entry[1] & 0x1F) << 8 | entry[2], entry
        at += size


def crc32(data: bytes) -> int:
    """The CRC of sections, Annex A: polynomial 0x04C11DB7, start value all ones, not reflected."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


def restamp(data: bytes, delta: int) -> bytes:
    """Every PTS, DTS and PCR moved by `delta` ticks of 90 kHz, modulo 2^33."""
    return b"".join(_restamped(packet, delta) for packet in packets(data))


def _restamped(packet: bytearray, delta: int) -> bytearray:
    if packet[3] & 0x20 and packet[4] >= 7 and packet[5] & 0x10:
        _write_pcr(packet, _read_pcr(packet) + delta)
    start = payload_at(packet)
    if starts_unit(packet) and bytes(packet[start : start + 3]) == b"\0\0\1":
        flags = packet[start + 7] >> 6
        for field in range(flags - 1 if flags else 0):
            at = start + 9 + 5 * field
            _write_stamp(packet, at, _read_stamp(packet, at) + delta)
    return packet


def _read_pcr(packet: bytearray) -> int:
    return int.from_bytes(packet[6:11], "big") >> 7


def _write_pcr(packet: bytearray, base: int) -> None:
    packet[6:11] = ((base % WRAP) << 7 | packet[10] & 0x7F).to_bytes(5, "big")


def _read_stamp(packet: bytearray, at: int) -> int:
    a, b, c, d, e = packet[at : at + 5]
    return (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1


def _write_stamp(packet: bytearray, at: int, value: int) -> None:
    value %= WRAP
    packet[at] = packet[at] & 0xF1 | value >> 30 << 1
    packet[at + 1] = value >> 22 & 0xFF
    packet[at + 2] = (value >> 15 & 0x7F) << 1 | 1
    packet[at + 3] = value >> 7 & 0xFF
    packet[at + 4] = (value & 0x7F) << 1 | 1


def pts_of(packet: bytearray) -> int | None:
    """The PTS of the PES packet that begins here, in ticks of 90 kHz; None where none begins or it has none."""
    start = payload_at(packet)
    if not starts_unit(packet) or bytes(packet[start : start + 3]) != b"\0\0\1" or not packet[start + 7] & 0x80:
        return None
    return _read_stamp(packet, start + 9)


def first_pts(data: bytes, pid: int) -> int:
    """The PTS of the first PES packet of a PID, in ticks of 90 kHz."""
    return next(pts for packet in packets(data) if pid_of(packet) == pid and (pts := pts_of(packet)) is not None)


def drop_pid(data: bytes, pid: int) -> bytes:
    """Without any packet of this PID; PAT and PMT still promise it."""
    return b"".join(packet for packet in packets(data) if pid_of(packet) != pid)


def drop_time(data: bytes, pid: int, begin: int, end: int, *, renumber: bool = True) -> bytes:
    """Without the PES packets of one PID whose PTS is in [begin, end), in ticks of 90 kHz.

    Renumbered, the continuity counters run on as if the recorder had never written them (a mute); otherwise they
    jump as after a loss.
    """
    kept, dropping = [], False
    for packet in packets(data):
        if pid_of(packet) == pid:
            pts = pts_of(packet)
            dropping = dropping if pts is None else begin <= pts < end
        if pid_of(packet) != pid or not dropping:
            kept.append(packet)
    return b"".join(_renumbered(kept, pid) if renumber else kept)


def _renumbered(kept: list[bytearray], pid: int) -> Iterator[bytearray]:
    counter: int | None = None
    for packet in kept:
        if pid_of(packet) == pid:
            carries = packet[3] >> 4 & 1
            counter = packet[3] & 0x0F if counter is None else (counter + carries) & 0x0F
            packet[3] = packet[3] & 0xF0 | counter
        yield packet


def drop_from_pmt(data: bytes, pid: int) -> bytes:
    """Without this PID's packets and without its entry in every PMT: a track that has not begun yet."""
    pmt = programme(data).pmt
    kept = (packet for packet in packets(data) if pid_of(packet) != pid)
    return b"".join(_without_entry(packet, pid) if pid_of(packet) == pmt else packet for packet in kept)


def _without_entry(packet: bytearray, pid: int) -> bytes:
    section = _section(packet)
    head = section[: 12 + ((section[10] & 0x0F) << 8 | section[11])]
    entries = b"".join(entry for _, other, entry in _pmt_entries(section) if other != pid)
    length = len(head) - 3 + len(entries) + 4
    head = head[:1] + (0xB000 | length).to_bytes(2, "big") + head[3:]
    body = head + entries
    start = payload_at(packet)
    start += 1 + packet[start]
    whole = bytes(packet[:start]) + body + crc32(body).to_bytes(4, "big")
    return whole.ljust(PACKET, b"\xff")

"""Program specific information: which PIDs carry what (ISO/IEC 13818-1 §2.4.4)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from media.ts.packets import Ints, Packets

PAT_PID = 0
_CRC_POLYNOMIAL = 0x04C11DB7


@dataclass(frozen=True, slots=True)
class ElementaryStream:
    """One entry of a program map: PID and stream_type (table 2-34)."""

    pid: int
    stream_type: int


@dataclass(frozen=True, slots=True)
class ProgramMap:
    """The elementary streams that a segment's program maps announce, in announced order, each PID once."""

    streams: tuple[ElementaryStream, ...] = ()


def read_program_map(packets: Packets, known: ProgramMap | None = None) -> ProgramMap:
    """The union of all program maps in `packets`, so that a track announced late is found; `known` where none is."""
    streams: dict[int, ElementaryStream] = {s.pid: s for s in known.streams} if known else {}
    for pid in _program_map_pids(packets):
        for section in _distinct_sections(packets, pid):
            streams.update({s.pid: s for s in _parse_map(section)})
    return ProgramMap(tuple(streams.values()))


def crc32(section: bytes) -> int:
    """CRC of a section with its CRC_32 field (annex A); 0 if the section is intact."""
    value = 0xFFFFFFFF
    for byte in section:
        value = ((value << 8) & 0xFFFFFFFF) ^ _CRC_TABLE[(value >> 24) ^ byte]
    return value


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = ((value << 1) ^ _CRC_POLYNOMIAL) & 0xFFFFFFFF if value & 0x80000000 else value << 1
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _program_map_pids(packets: Packets) -> list[int]:
    pids: dict[int, None] = {}
    for section in _distinct_sections(packets, PAT_PID):
        for at in range(8, len(section) - 7, 4):
            if section[at] << 8 | section[at + 1]:
                pids[(section[at + 2] & 0x1F) << 8 | section[at + 3]] = None
    return list(pids)


def _distinct_sections(packets: Packets, pid: int) -> Iterator[bytes]:
    """Intact sections of a PID, those that repeat byte by byte only once."""
    index = packets.by_pid.get(pid)
    if index is None:
        return
    starts = np.flatnonzero(packets.starts_unit[index])
    seen: set[bytes] = set()
    for nth in _changed(packets, index, starts):
        section = _section(packets, index, int(nth))
        if section and section not in seen and crc32(section) == 0:
            seen.add(section)
            yield section


def _changed(packets: Packets, index: Ints, starts: Ints) -> Ints:
    rows = packets.rows[index[starts], 4:]
    if len(rows) < 2:
        return starts
    differs = (rows[1:] != rows[:-1]).any(axis=1)
    return starts[np.concatenate(([True], differs))]


def _section(packets: Packets, index: Ints, nth: int) -> bytes:
    payload = b""
    for packet in index[nth : nth + 8].tolist():
        payload += packets.rows[packet, packets.payload_start[packet] :].tobytes()
        begin = 1 + payload[0] if payload else 0
        if len(payload) >= begin + 3:
            length = ((payload[begin + 1] & 15) << 8 | payload[begin + 2]) + 3
            if len(payload) >= begin + length:
                return payload[begin : begin + length]
    return b""


def _parse_map(section: bytes) -> Iterator[ElementaryStream]:
    if len(section) < 16 or section[0] != 2:
        return
    at = 12 + ((section[10] & 15) << 8 | section[11])
    while at + 5 <= len(section) - 4:
        length = (section[at + 3] & 15) << 8 | section[at + 4]
        yield ElementaryStream((section[at + 1] & 0x1F) << 8 | section[at + 2], section[at])
        at += 5 + length

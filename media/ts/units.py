"""PES packets of one elementary stream: where each unit begins, its stamps, and what of it is lost (§2.4.3.6)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.ts.packets import PACKET_SIZE, Bools, Continuity, Ints, Packets
from media.ts.psi import ElementaryStream

STAMP_MODULUS = 1 << 33
_LONGEST_DELAY = 17 * 90_000
"""Between decoding and presentation: sixteen pictures of a second each; a stamp further away is damaged."""
_HEADER_BYTES = 9
_FULL_PAYLOAD = PACKET_SIZE - 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The units (a PES packet with a PTS, and those without that continue it) of one PID.

    `index` and `start` give, for each packet with payload, its row and its first elementary stream byte;
    `lost` marks packets before which bytes are missing. `first` is the position in `index` at which each unit
    begins; `pts` and `dts` are its 33-bit stamps in 90 kHz ticks; `broken` says that bytes of it are missing.
    """

    stream: ElementaryStream
    index: Ints
    start: Ints
    lost: Bools
    first: Ints
    pts: Ints
    dts: Ints
    broken: Bools
    headless_packets: int
    ends_closed: bool
    ends_short: bool

    def __len__(self) -> int:
        return len(self.first)


def stamp_difference(later: Ints, earlier: Ints | int) -> Ints:
    """Signed difference of 33-bit stamps, right across the wrap of the clock."""
    half = STAMP_MODULUS >> 1
    return (later - earlier + half) % STAMP_MODULUS - half


def read_units(packets: Packets, stream: ElementaryStream, run: Continuity) -> Units:
    """Split the packets of one PID into units; packets before the first unit are counted and left out."""
    index, lost = run.index, run.lost_before.copy()
    start = packets.payload_start[index].copy()
    heads = np.flatnonzero(packets.starts_unit[index])
    header, fits = _headers(packets, index[heads], start[heads])
    prefixed = (header[:, 0] == 0) & (header[:, 1] == 0) & (header[:, 2] == 1) & fits
    lost[heads[~prefixed]] = True
    heads, header = heads[prefixed], header[prefixed]
    payload = PACKET_SIZE - start
    start[heads] += _HEADER_BYTES + header[:, 8].astype(np.int64)
    stamped = (header[:, 7] & 0x80) != 0
    first = heads[stamped]
    begin = int(first[0]) if first.size else len(index)
    flat = packets.rows.reshape(-1)
    at = index[first] * PACKET_SIZE + start[first] - header[stamped, 8]
    pts = read_stamps(flat, at)
    has_dts = (header[stamped, 7] & 0x40) != 0
    dts = pts.copy()
    dts[has_dts] = read_stamps(flat, at[has_dts] + 5)
    absurd = np.abs(stamp_difference(pts, dts)) > _LONGEST_DELAY
    pts[absurd] = dts[absurd]
    carried = np.add.reduceat(payload, heads) if heads.size else payload[:0]
    declared = (header[:, 4].astype(np.int64) << 8) | header[:, 5]
    short = (declared != 0) & (carried != declared + 6)
    first = first - begin
    return Units(
        stream=stream,
        index=index[begin:],
        start=start[begin:],
        lost=lost[begin:],
        first=first,
        pts=pts,
        dts=dts,
        broken=_broken(lost[begin:], first, heads - begin, short, declared) | absurd,
        headless_packets=begin,
        ends_closed=_ends_closed(start, heads, declared),
        ends_short=bool(heads.size and short[-1]),
    )


def _headers(packets: Packets, rows: Ints, start: Ints) -> tuple[np.ndarray, Bools]:
    fits = start + _HEADER_BYTES <= PACKET_SIZE
    at = np.minimum(start, PACKET_SIZE - _HEADER_BYTES)
    header = packets.rows[rows[:, None], at[:, None] + np.arange(_HEADER_BYTES)]
    fits &= start + _HEADER_BYTES + header[:, 8] <= PACKET_SIZE
    stamps = np.array([0, 0, 5, 10])[header[:, 7] >> 6]
    return header, fits & (header[:, 8] >= stamps)


def read_stamps(flat: NDArray[np.uint8], at: Ints) -> Ints:
    """The 33-bit stamps at these offsets (§2.4.3.7)."""
    b = flat[at[:, None] + np.arange(5)].astype(np.int64)
    stamps: Ints = (
        ((b[:, 0] >> 1 & 7) << 30) | (b[:, 1] << 22) | ((b[:, 2] >> 1) << 15) | (b[:, 3] << 7) | (b[:, 4] >> 1)
    )
    return stamps


def _broken(lost: Bools, first: Ints, heads: Ints, short: Bools, declared: Ints) -> Bools:
    """Units with bytes missing inside, or whose tail may be missing because bytes are lost before the next one."""
    broken = np.zeros(len(first), bool)
    where = np.flatnonzero(lost)
    if not len(first) or not (where.size or short.any()):
        return broken
    own = heads >= 0
    unit_of_head = np.searchsorted(first, heads[own], "right") - 1
    broken[unit_of_head[short[own]]] = True
    unit = np.searchsorted(first, where, "right") - 1
    at_first_packet = first[unit] == where
    broken[unit[~at_first_packet]] = True
    bounded = np.zeros(len(first), bool)
    bounded[unit_of_head[(declared != 0)[own]]] = True
    bounded &= (np.bincount(unit_of_head, minlength=len(first)) == 1) & ~broken
    before = unit[at_first_packet] - 1
    before = before[before >= 0]
    broken[before[~bounded[before]]] = True
    return broken


def _ends_closed(start: Ints, heads: Ints, declared: Ints) -> bool:
    """Whether the end of the last unit is marked: by its declared length, or by stuffing in its last packet.

    A unit that ends exactly with a packet, and declares no length, may go on in packets that are missing.
    """
    return bool(heads.size == 0 or declared[-1] != 0 or start[-1] > 4)


def gather(packets: Packets, index: Ints, start: Ints) -> tuple[bytearray, Ints]:
    """The bytes from `start` on of each packet in `index`, back to back, and the offset of each packet's first byte.

    One strided copy takes all payloads; the stuffing and headers in front of partial ones are then cut out.
    """
    payloads = packets.rows[:, 4:].view(f"V{_FULL_PAYLOAD}")[:, 0]
    flat = memoryview(payloads[index].view(np.uint8).data) if len(index) else memoryview(b"")
    partial = np.flatnonzero(start != 4)
    offsets = np.zeros(len(index) + 1, np.int64)
    np.cumsum(PACKET_SIZE - start, out=offsets[1:])
    begins = [0, *(partial * _FULL_PAYLOAD + start[partial] - 4).tolist()]
    ends = [*(partial * _FULL_PAYLOAD).tolist(), len(flat)]
    return bytearray().join([flat[b:e] for b, e in zip(begins, ends, strict=True)]), offsets

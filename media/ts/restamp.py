"""Moving the stamps of a TS segment: PTS, DTS and PCR, patched where the scan counted them (ISO/IEC 13818-1 §2.4.3).

Samples that `media.ts.demux` makes never need it, because they carry their stamps as numbers. It serves what reads
transport streams itself, such as libav for streams that we do not take apart.
"""

import numpy as np
from numpy.typing import NDArray

from media.samples import Buffer
from media.ts.packets import PACKET_SIZE, Ints, Packets, align, usable
from media.ts.units import STAMP_MODULUS, read_stamps, stamp_places

_PCR_FLAG = 0x10
_PCR_AT = 6


class UncountedStampsError(ValueError):
    """A segment holds other stamps than were counted: patching it would leave some of them wrong."""


def count_stamps(segment: Buffer) -> int:
    """How many PTS, DTS and PCR fields the packets of a segment hold."""
    packets, _ = usable(align(segment))
    return len(stamp_places(packets)) + len(_pcr_places(packets))


def restamp(segment: Buffer, shift: int, *, counted: int) -> bytes:
    """A copy of the segment's packets with every stamp moved by `shift` ticks of 90 kHz, modulo 2^33.

    Raises `UncountedStampsError` unless exactly `counted` stamps are found (see `count_stamps`).
    """
    packets, _ = usable(align(segment))
    rows = packets.rows.copy()
    flat = rows.reshape(-1)
    stamps, clocks = stamp_places(packets), _pcr_places(packets)
    if len(stamps) + len(clocks) != counted:
        raise UncountedStampsError(f"{len(stamps) + len(clocks)} stamps are there, {counted} were counted")
    _write_stamps(flat, stamps, (read_stamps(flat, stamps) + shift) % STAMP_MODULUS)
    _write_clocks(flat, clocks, (_read_clocks(flat, clocks) + shift) % STAMP_MODULUS)
    return flat.tobytes()


def _pcr_places(packets: Packets) -> Ints:
    """Offsets of program_clock_reference fields (§2.4.3.5)."""
    rows = np.flatnonzero((packets.adaptation_flags & _PCR_FLAG) != 0)
    rows = rows[packets.rows[rows, 4] >= 7]
    places: Ints = rows * PACKET_SIZE + _PCR_AT
    return places


def _read_clocks(flat: NDArray[np.uint8], at: Ints) -> Ints:
    b = flat[at[:, None] + np.arange(5)].astype(np.int64)
    clocks: Ints = (b[:, 0] << 25) | (b[:, 1] << 17) | (b[:, 2] << 9) | (b[:, 3] << 1) | (b[:, 4] >> 7)
    return clocks


def _write_clocks(flat: NDArray[np.uint8], at: Ints, value: Ints) -> None:
    for byte, shift in enumerate((25, 17, 9, 1)):
        flat[at + byte] = (value >> shift) & 0xFF
    flat[at + 4] = (flat[at + 4] & 0x7F) | ((value & 1) << 7).astype(np.uint8)


def _write_stamps(flat: NDArray[np.uint8], at: Ints, value: Ints) -> None:
    flat[at] = (flat[at] & 0xF1) | ((value >> 30) << 1).astype(np.uint8)
    flat[at + 1] = (value >> 22) & 0xFF
    flat[at + 2] = ((value >> 14) & 0xFE) | 1
    flat[at + 3] = (value >> 7) & 0xFF
    flat[at + 4] = ((value << 1) & 0xFE) | 1

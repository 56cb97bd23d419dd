"""Transport stream packets as arrays: alignment, headers, continuity (ISO/IEC 13818-1 §2.4.3).

Everything here is vectorised over packets; no Python step is made per packet.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from media.samples import Buffer

PACKET_SIZE = 188
SYNC_BYTE = 0x47
NULL_PID = 0x1FFF

_RESYNC_RUN = 4
_CC_PERIOD = 16

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Where the packets of a buffer lie: row views, and what was skipped to find them."""

    rows: NDArray[np.uint8]
    junk_before: Ints
    junk_bytes: int
    partial_bytes: int


def align(buffer: Buffer) -> Alignment:
    """Find the 188-byte packets of `buffer`; junk between them is skipped and marked, never guessed at."""
    flat = np.frombuffer(buffer, np.uint8)
    count, rest = divmod(flat.size, PACKET_SIZE)
    rows = flat[: count * PACKET_SIZE].reshape(count, PACKET_SIZE)
    if bool((rows[:, 0] == SYNC_BYTE).all()):
        return Alignment(rows=rows, junk_before=np.zeros(count, np.int64), junk_bytes=0, partial_bytes=rest)
    return _realign(flat)


def _realign(flat: NDArray[np.uint8]) -> Alignment:
    stretches: list[tuple[int, int]] = []
    position, junk = 0, 0
    while (start := _next_run(flat, position)) is not None:
        junk += start - position
        length = _run_length(flat, start)
        stretches.append((start, length))
        position = start + length * PACKET_SIZE
    rest = flat.size - position
    partial = 0 < rest < PACKET_SIZE and flat[position] == SYNC_BYTE
    if not stretches:
        none = np.zeros(0, np.int64)
        return Alignment(rows=flat[:0].reshape(0, PACKET_SIZE), junk_before=none, junk_bytes=flat.size, partial_bytes=0)
    rows = np.concatenate([flat[s : s + n * PACKET_SIZE].reshape(n, PACKET_SIZE) for s, n in stretches])
    before = np.zeros(len(rows), np.int64)
    ends = [0, *(s + n * PACKET_SIZE for s, n in stretches)]
    before[np.cumsum([0, *(n for _, n in stretches[:-1])])] = [
        s - e for (s, _), e in zip(stretches, ends, strict=False)
    ]
    return Alignment(
        rows=rows, junk_before=before, junk_bytes=junk + (0 if partial else rest), partial_bytes=rest if partial else 0
    )


def _next_run(flat: NDArray[np.uint8], position: int) -> int | None:
    """The next offset at which several sync bytes follow each other a packet apart (or up to the end)."""
    end = flat.size - PACKET_SIZE
    while position <= end:
        window = flat[position : position + (1 << 16)]
        for candidate in (np.flatnonzero(window == SYNC_BYTE) + position).tolist():
            if candidate > end:
                return None
            if bool((flat[candidate : candidate + _RESYNC_RUN * PACKET_SIZE : PACKET_SIZE] == SYNC_BYTE).all()):
                return int(candidate)
        position += window.size
    return None


def _run_length(flat: NDArray[np.uint8], start: int) -> int:
    count = (flat.size - start) // PACKET_SIZE
    sync = flat[start : start + count * PACKET_SIZE : PACKET_SIZE] == SYNC_BYTE
    broken = np.flatnonzero(~sync)
    return int(broken[0]) if broken.size else count


@dataclass(frozen=True, eq=False)
class Packets:
    """The usable packets of one stretch of a segment, with their header fields as arrays.

    `junk_before` is how many bytes before each packet are none.
    """

    rows: NDArray[np.uint8]
    junk_before: Ints

    @cached_property
    def header(self) -> NDArray[np.uint32]:
        """The four header bytes as one big-endian number a packet (§2.4.3.2)."""
        return self.rows[:, :4].view(">u4")[:, 0].astype(np.uint32)

    @cached_property
    def pid(self) -> Ints:
        """The packet identifier."""
        return ((self.header >> 8) & 0x1FFF).astype(np.int64)

    @cached_property
    def starts_unit(self) -> Bools:
        """The payload_unit_start_indicator."""
        starts: Bools = np.not_equal(self.header & 0x400000, 0)
        return starts

    @cached_property
    def counter(self) -> Ints:
        """The continuity_counter."""
        return (self.header & 15).astype(np.int64)

    @cached_property
    def has_payload(self) -> Bools:
        """Whether the adaptation_field_control announces payload."""
        payload: Bools = np.not_equal(self.header & 0x10, 0)
        return payload

    @cached_property
    def payload_start(self) -> Ints:
        """Offset of the first payload byte in each packet; 188 where there is no payload."""
        start = np.full(len(self.rows), 4, np.int64)
        adapted = np.flatnonzero((self.header & 0x20) != 0)
        start[adapted] += self.rows[adapted, 4].astype(np.int64) + 1
        start[~self.has_payload] = PACKET_SIZE
        return start

    @cached_property
    def adaptation_flags(self) -> NDArray[np.uint8]:
        """The flags byte of the adaptation field, 0 where there is none (§2.4.3.4)."""
        flags = np.zeros(len(self.rows), np.uint8)
        adapted = np.flatnonzero((self.header & 0x20) != 0)
        adapted = adapted[self.rows[adapted, 4] > 0]
        flags[adapted] = self.rows[adapted, 5]
        return flags

    @cached_property
    def by_pid(self) -> dict[int, Ints]:
        """Packet indices of each PID, in stream order."""
        if not len(self.rows):
            return {}
        order = np.argsort(self.pid.astype(np.uint16), kind="stable")
        counts = np.bincount(self.pid, minlength=1)
        present = np.flatnonzero(counts)
        return dict(zip(present.tolist(), np.split(order, np.cumsum(counts[present])[:-1]), strict=True))


def usable(alignment: Alignment) -> tuple[Packets, int]:
    """The packets that can be believed, and how many cannot: transport errors, scrambling, impossible lengths."""
    rows, junk = alignment.rows, alignment.junk_before
    bad = ((rows[:, 1] & 0x80) != 0) | ((rows[:, 3] & 0xC0) != 0)
    bad |= ((rows[:, 3] & 0x20) != 0) & (rows[:, 4] > 183)
    lost = int(np.count_nonzero(bad))
    if not lost:
        return Packets(rows, junk), 0
    passed = np.cumsum(junk + bad * PACKET_SIZE)[~bad]
    return Packets(rows[~bad], np.diff(passed, prepend=0)), lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuity:
    """The packets of one PID without duplicates, and where some are lost before them (§2.4.3.3)."""

    index: Ints
    lost_before: Bools
    first: int
    last: int


def continuity(packets: Packets, index: Ints, previous: int | None = None) -> Continuity:
    """Judge the continuity counters of one PID; `previous` is the counter of the packet before the first, if known.

    A repeated packet (same counter, same payload) is legal and left out. After sixteen packets of junk or more nothing
    is believed: a multiple of sixteen may have vanished behind an unbroken count.
    """
    counter, payload = packets.counter[index], packets.has_payload[index]
    step = (counter[1:] - counter[:-1]) & (_CC_PERIOD - 1)
    repeated = np.zeros(len(index), bool)
    suspects = np.flatnonzero((step == 0) & payload[1:] & payload[:-1])
    if suspects.size:
        same = (packets.rows[index[suspects + 1], 12:] == packets.rows[index[suspects], 12:]).all(axis=1)
        repeated[suspects[same] + 1] = True
    lost = np.zeros(len(index), bool)
    lost[1:] = step != payload[1:]
    if previous is not None:
        lost[0] = bool((int(counter[0]) - previous) % _CC_PERIOD != int(payload[0]))
    lost &= ~repeated & ((packets.adaptation_flags[index] & 0x80) == 0)
    lost |= _uncountable(packets, index)
    keep = ~repeated & payload
    carried = np.maximum.accumulate(np.where(lost, np.arange(len(index)), -1))
    kept = np.flatnonzero(keep)
    before = np.concatenate(([-1], kept[:-1]))
    return Continuity(
        index=index[kept], lost_before=carried[kept] > before, first=int(counter[0]), last=int(counter[-1])
    )


def _uncountable(packets: Packets, index: Ints) -> Bools:
    """The first packets after so much junk that the counters may have come round."""
    marks = np.flatnonzero(packets.junk_before >= _CC_PERIOD * PACKET_SIZE)
    lost = np.zeros(len(index), bool)
    if marks.size:
        first = np.searchsorted(index, marks)
        lost[first[first < len(index)]] = True
    return lost

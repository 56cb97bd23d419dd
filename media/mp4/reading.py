"""Boxes of a head and the tables of its tracks, read within bounds: what `check` judges and `index` uses.

Heads come from anywhere: every number is held against the box that it stands in, and memory follows the size of the
head, not the numbers that it claims. Sections are those of ISO/IEC 14496-12:2015.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from media.mp4.boxes import Mp4Error, Span, walk

Rows = NDArray[np.int64]
IMPLAUSIBLE = 1 << 62
"""Ticks that no file has; sums below this cannot overflow."""
_WIDE = 8
"""Bytes of a number that may overflow."""


@dataclass(frozen=True, slots=True)
class Node:
    """A box in the head with the boxes around it, to be read and to be named in errors. Methods raise `Mp4Error`."""

    head: memoryview
    span: Span
    path: str

    def children(self, skip: int = 0) -> Iterator["Node"]:
        """The boxes inside it, after `skip` bytes of its body."""
        for span in walk(self.head, self.span.body + skip, self.span.end):
            yield Node(self.head, span, f"{self.path}/{span.kind.decode('latin-1')}")

    def find(self, *kinds: bytes) -> "Node | None":
        """The only box inside it of one of these kinds, None if there is none."""
        found = [child for child in self.children() if child.span.kind in kinds]
        if len(found) > 1:
            raise self.error(f"has {len(found)} boxes {kinds[0]!r}")
        return found[0] if found else None

    def get(self, *kinds: bytes) -> "Node":
        """The only box inside it of one of these kinds."""
        found = self.find(*kinds)
        if found is None:
            raise self.error(f"has no box {kinds[0]!r}")
        return found

    def read(self, layout: str, at: int) -> tuple[int, ...]:
        """Numbers of this `struct` layout at a byte of the body."""
        if self.span.body + at + struct.calcsize(layout) > self.span.end:
            raise self.error("is too short")
        return struct.unpack_from(layout, self.head, self.span.body + at)

    def version(self) -> int:
        """Of a full box, ISO/IEC 14496-12 §4.2."""
        return self.read(">B", 0)[0]

    def rows(self, layout: str, columns: int, at: int = 8) -> Rows:
        """Read the table, `columns` equal numbers a row, whose count stands before `at` and which ends the box."""
        (count,) = self.read(">I", at - 4)
        cell = np.dtype(layout)
        if self.span.body + at + count * columns * cell.itemsize != self.span.end:
            raise self.error(f"has not the size of its {count} rows")
        flat = np.frombuffer(self.head, cell, count * columns, self.span.body + at)
        if cell.itemsize == _WIDE and flat.size and int(flat.max()) >= IMPLAUSIBLE:
            raise self.error("has a number that no file can have")
        return flat.astype(np.int64).reshape(count, columns)

    def error(self, what: str) -> Mp4Error:
        """An error that names the box."""
        return Mp4Error(f"box {self.path or 'file'} at {self.span.start} {what}")


class Chunks(NamedTuple):
    """The chunks of a track: where each begins in the file, how many samples it has, and their sample entry, from 1."""

    offsets: Rows
    counts: Rows
    entries: Rows


def clock(node: Node) -> tuple[int, int]:
    """Timescale and duration of mvhd or mdhd, ISO/IEC 14496-12 §8.2.2 and §8.4.2."""
    timescale, duration = node.read(">IQ", 20) if node.version() == 1 else node.read(">II", 12)
    if not timescale:
        raise node.error("has a timescale of 0")
    return timescale, duration


def handler(mdia: Node) -> bytes:
    """What kind of track this is, ISO/IEC 14496-12 §8.4.3."""
    return struct.pack(">I", *mdia.get(b"hdlr").read(">I", 8))


def sample_entries(stsd: Node) -> list[Node]:
    """The sample entries, ISO/IEC 14496-12 §8.5.2."""
    (count,) = stsd.read(">I", 4)
    entries = list(stsd.children(skip=8))
    if not entries or len(entries) != count:
        raise stsd.error(f"says it has {count} entries and has {len(entries)}")
    return entries


def sizes(stsz: Node) -> tuple[int, int | Rows]:
    """How many samples, and their one size or all their sizes, ISO/IEC 14496-12 §8.7.3.2."""
    size, count = stsz.read(">II", 4)
    if size:
        return count, size
    return count, stsz.rows(">u4", 1, at=12)[:, 0]


def sync_numbers(stbl: Node, samples: int) -> Rows | None:
    """Sync samples by number, from 1; None if all are. They are in order and exist. ISO/IEC 14496-12 §8.6.2."""
    stss = stbl.find(b"stss")
    if stss is None:
        return None
    numbers = stss.rows(">u4", 1)[:, 0]
    if numbers.size and (int(numbers[0]) < 1 or int(numbers[-1]) > samples or (np.diff(numbers) <= 0).any()):
        raise stss.error(f"is out of order or names a sample beyond {samples}")
    return numbers


def chunks(stbl: Node, samples: int, entries: int) -> Chunks:
    """The chunks, which hold all samples, ISO/IEC 14496-12 §8.7.4 and §8.7.5."""
    place = chunk_offsets(stbl)
    offsets = place.rows(">u8" if place.span.kind == b"co64" else ">u4", 1)[:, 0]
    stsc = stbl.get(b"stsc")
    rows = stsc.rows(">u4", 3)
    first, counts, described = rows[:, 0], rows[:, 1], rows[:, 2]
    if rows.size or offsets.size:
        if not rows.size or int(first[0]) != 1 or int(first[-1]) > len(offsets) or (np.diff(first) <= 0).any():
            raise stsc.error(f"does not describe its {len(offsets)} chunks in order")
        if int(counts.min()) < 1 or int(described.min()) < 1 or int(described.max()) > entries:
            raise stsc.error(f"has an empty chunk, or a sample entry beyond {entries}")
    held = np.diff(first, append=len(offsets) + 1)[: len(first)]
    found = Chunks(offsets, np.repeat(counts, held), np.repeat(described, held))
    if int(found.counts.sum()) != samples:
        raise stbl.error(f"has chunks for {int(found.counts.sum())} samples, and {samples} samples")
    return found


def chunk_offsets(stbl: Node) -> Node:
    """The box that says where chunks begin."""
    return stbl.get(b"stco", b"co64")


def runs(node: Node, layout: str, samples: int) -> tuple[Rows, Rows]:
    """Counts and values of stts or ctts, ISO/IEC 14496-12 §8.6.1; runs of no sample are left out."""
    rows = node.rows(layout, 2)
    counts, values = rows[:, 0] & 0xFFFF_FFFF, rows[:, 1]
    if int(counts.sum()) != samples:
        raise node.error(f"is about {int(counts.sum())} samples, and there are {samples}")
    return counts[counts > 0], values[counts > 0]


def edit_list(trak: Node) -> Node | None:
    """The box elst of a track, if it has one."""
    edts = trak.find(b"edts")
    return edts.find(b"elst") if edts else None


def edits(elst: Node) -> Iterator[tuple[int, int]]:
    """Duration in movie ticks and media time in media ticks, -1 for an empty edit; ISO/IEC 14496-12 §8.6.6."""
    (count,) = elst.read(">I", 4)
    entry = struct.Struct(">QqI" if elst.version() == 1 else ">IiI")
    begin = elst.span.body + 8
    if begin + count * entry.size != elst.span.end:
        raise elst.error(f"has not the size of its {count} edits")
    for duration, media_time, _ in entry.iter_unpack(elst.head[begin : elst.span.end]):
        yield duration, media_time

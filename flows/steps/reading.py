"""Segments from the store, read ahead in parallel for all lanes at once, each proved before it is handed on."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from media.plan import AssemblyPlan, Lane, PlannedSegment
from media.segments import Arrival
from storage.base import ObjectMeta, ObjectStore
from storage.errors import Changed, Corrupt, NotFound
from storage.reading import ReadProof, VerifiedReader

READ_AHEAD_BYTES = 24 << 20
WHOLE_BYTES = 32 << 20
"""Larger segments are used while they are read: they would not fit into the memory that is allowed."""
_PIECE_BYTES = 4 << 20
_READERS = 4


@dataclass(slots=True)
class SegmentSource:
    """Reads the planned segments of one stream; `proofs` fills with what was proved, by segment number.

    Segments in `spoilt` (number -> why) were found wrong after they had been used, and are left out this time.
    """

    store: ObjectStore
    metas: Mapping[str, ObjectMeta]
    proofs: dict[int, ReadProof] = field(default_factory=dict)
    spoilt: Mapping[int, str] = field(default_factory=dict)

    @contextmanager
    def opened(self, plan: AssemblyPlan) -> Iterator[Mapping[Lane, Iterator[Arrival]]]:
        """By lane, each segment's bytes, or why there are none; at most `READ_AHEAD_BYTES` are in memory in advance."""
        with ThreadPoolExecutor(_READERS, thread_name_prefix="read") as pool:
            ahead = _ReadAhead(plan, lambda segment: pool.submit(self.arrival, segment))
            try:
                yield {lane: ahead.of(lane) for lane in plan.lanes}
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def arrival(self, segment: PlannedSegment) -> Arrival:
        """Read one segment."""
        why_not = self._why_not(segment)
        if why_not is None:
            try:
                return self._read(segment, self.metas[segment.key])
            except NotFound:
                why_not = "segment_missing", "listed, and gone when it was read"
            except Changed:
                why_not = "segment_changed", "it was rewritten while it was read"
            except Corrupt as error:
                why_not = "segment_unreadable", error.detail
        return Arrival(segment=segment, code=why_not[0], detail=why_not[1])

    def _read(self, segment: PlannedSegment, meta: ObjectMeta) -> Arrival:
        if segment.byte_range:
            return self._range(segment, meta, *segment.byte_range)
        if meta.size_bytes > WHOLE_BYTES:
            pieces = self._proving(segment, meta)
            return Arrival(segment=segment, pieces=pieces, size_bytes=meta.size_bytes, proved=False)
        data, proof = VerifiedReader(self.store).read(meta)
        self.proofs[segment.number] = proof
        return Arrival(segment=segment, pieces=(data,), size_bytes=len(data), digest=int(proof.crc64xz, 16))

    def _why_not(self, segment: PlannedSegment) -> tuple[str, str] | None:
        if segment.absent:
            return segment.absent, segment.detail
        if segment.number in self.spoilt:
            return "segment_unreadable", self.spoilt[segment.number]
        if segment.byte_range and not segment.byte_range[1]:
            return "segment_empty", "its byte range has no bytes"
        return None if segment.size_bytes else ("segment_empty", "the object has no bytes")

    def _proving(self, segment: PlannedSegment, meta: ObjectMeta) -> Iterator[bytes]:
        stream = VerifiedReader(self.store).stream(meta, piece_bytes=_PIECE_BYTES)
        try:
            yield from stream
        except (Corrupt, Changed, NotFound) as error:
            raise SpoiltSegmentError(segment.number, error.detail) from error
        self.proofs[segment.number] = stream.proof

    def _range(self, segment: PlannedSegment, meta: ObjectMeta, offset: int, length: int) -> Arrival:
        """A part of an object (RFC 8216 §4.3.2.2): no store proves parts, so its length is all that can hold."""
        if offset + length > meta.size_bytes:
            detail = f"bytes {offset} to {offset + length} of an object of {meta.size_bytes}"
            return Arrival(segment=segment, code="segment_truncated", detail=detail)
        data, proof = VerifiedReader(self.store).read_range(meta, offset, offset + length)
        self.proofs[segment.number] = proof
        return Arrival(segment=segment, pieces=(data,), size_bytes=length, digest=int(proof.crc64xz, 16))


class _ReadAhead:
    """Reads that were begun and not taken yet: in the order of the plan over all lanes, as far as memory reaches."""

    def __init__(self, plan: AssemblyPlan, read: Callable[[PlannedSegment], Future[Arrival]]) -> None:
        self._read = read
        self._pending: dict[Lane, deque[PlannedSegment]] = {lane: deque() for lane in plan.lanes}
        self._begun: dict[Lane, deque[tuple[PlannedSegment, Future[Arrival]]]] = {lane: deque() for lane in plan.lanes}
        self._bytes = 0
        for segment in plan.segments:
            self._pending[segment.lane].append(segment)

    def of(self, lane: Lane) -> Iterator[Arrival]:
        """The segments of one lane. Who asks gets the next one, however much of other lanes is in memory."""
        begun, pending = self._begun[lane], self._pending[lane]
        while begun or pending:
            if not begun:
                self._begin(lane)
            self._begin_more()
            segment, future = begun.popleft()
            self._bytes -= _memory(segment)
            yield future.result()

    def _begin_more(self) -> None:
        while waiting := [lane for lane, pending in self._pending.items() if pending]:
            first = min(waiting, key=lambda lane: self._pending[lane][0].number)
            if self._bytes + _memory(self._pending[first][0]) > READ_AHEAD_BYTES:
                return
            self._begin(first)

    def _begin(self, lane: Lane) -> None:
        segment = self._pending[lane].popleft()
        self._bytes += _memory(segment)
        self._begun[lane].append((segment, self._read(segment)))


def _memory(segment: PlannedSegment) -> int:
    size = segment.byte_range[1] if segment.byte_range else segment.size_bytes
    return size if segment.byte_range or size <= WHOLE_BYTES else _PIECE_BYTES


class SpoiltSegmentError(Exception):
    """A large segment turned out wrong after parts of it had been used: assemble once more without it."""

    def __init__(self, number: int, detail: str) -> None:
        super().__init__(number, detail)
        self.number = number
        self.detail = detail

"""Recordings of which nothing is published yet: the segments around a range, put together for looking at.

They are planned and assembled as they will be for good, though into nothing: so what a clip is cut from has its index,
its clock, its gaps and its absences, and its bytes are made again when they are needed. Only the segments around the
range are read, and nothing of them is kept.
"""

import hashlib
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from catalog.certificate import CutFrom, SourceSegment
from catalog.export_request import Clip
from catalog.model import Manifest, RecordingId
from flows.steps.assembling import Nowhere, StreamResult, assembled, output_of
from flows.steps.describing import describe_stream
from flows.steps.movies import SourceGoneError, Write
from flows.steps.planning import RecordingPlan, StreamPlan, plan_recording
from flows.steps.publishing import describe
from flows.steps.working import Worker, located
from media.cut import Copied, Inserted
from media.mp4.index import Mp4Index, read_index
from media.parts import PartResult, Sink
from media.plan import PlannedSegment
from media.samples import Buffer
from media.timing import TICKS_PER_SECOND, seconds
from storage.base import ObjectStore
from storage.checksums import CRC64XZ, Crc64, Proof, crc64_text, crc64xz
from storage.keys import ObjectKey
from storage.wrappers import ReadOnlyStore
from storage.writing import PIECE_BYTES, Uploaded

_BEFORE: Final = timedelta(seconds=30)
"""How far before a range the segments begin that are looked at first: most recorders make a keyframe more often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """A recording as its bucket has it: planned, and nothing of its media read."""

    source: ObjectStore
    plan: RecordingPlan

    @property
    def started_at(self) -> datetime | None:
        """When its first segment begins, if any says so."""
        return min((at for stream in self.plan.streams for at, _ in _times(stream.assembly.segments)), default=None)


class AssembledMovie:
    """One part of a stream around a range, as `flows.steps.movies` asks for it; its media is made when it is sent."""

    def __init__(self, slices: Slices, stream: StreamPlan, part: PartResult) -> None:
        """`part` is what came of assembling `stream`, with nothing kept of its bytes."""
        self._slices = slices
        self._stream = stream
        self._part = part
        self._index = read_index(part.head, part.media_bytes)
        self._sent: StreamResult | None = None

    @property
    def index(self) -> Mp4Index:
        """See Movie."""
        return self._index

    def send(self, pieces: Sequence[Copied | Inserted], write: Write, /) -> None:
        """See Movie."""
        chosen = _Chosen(pieces, len(self._part.head), write)

        def open_sink(number: int) -> Sink:
            if number != self._part.number:
                return Nowhere()
            chosen.begin()
            return chosen

        self._sent = assembled(self._slices.source, self._slices.plan, self._stream, open_sink)
        chosen.finish()

    @property
    def cut_from(self) -> tuple[CutFrom, ...]:
        """See Movie."""
        proofs = self._sent.proofs if self._sent else {}
        return tuple(
            CutFrom(
                key=segment.key,
                size_bytes=segment.size_bytes,
                etag=proofs[segment.number].etag,
                crc64xz=proofs[segment.number].crc64xz,
                parts_sha256=None,
                proof=proofs[segment.number].proof.value,
                read_bytes=proofs[segment.number].size_bytes,
            )
            for segment in self._stream.assembly.segments
            if segment.number in proofs
        )

    @property
    def segments(self) -> tuple[SourceSegment, ...]:
        """The segments that it is made of."""
        return tuple(
            SourceSegment(
                key=each.key, size_bytes=each.size_bytes, etag=each.etag, crc64xz=each.crc64xz, proof=each.proof
            )
            for each in self.cut_from
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisional:
    """A recording around a range as it would be published now; `movies` are those of its outputs, by their keys.

    `pinned` are the segments of each stream, and `digests` their plans', for who has to come back to the very same.
    """

    manifest: Manifest
    movies: Mapping[str, AssembledMovie]
    pinned: Mapping[str, tuple[str, ...]]
    digests: Mapping[str, str]


def slices_of(worker: Worker, recording: RecordingId) -> Slices:
    """LIST and playlists of a recording of the catalog; nothing is changed."""
    known, vouched = worker.catalog.get(recording), worker.catalog.vouched(recording)
    _, store, (objects, metas) = located(worker, known, vouched)
    source = ReadOnlyStore(store)
    return Slices(source=source, plan=plan_recording(source, objects, metas, vouched))


def provisional(slices: Slices, begin: datetime, end: datetime, users: Collection[str]) -> Provisional | None:
    """The recording around a range, of some users or (none) of all; None if no segment of them lies there.

    It reaches back until each stream begins before the range, or has no earlier segment.
    """
    streams = [s for s in slices.plan.streams if not users or s.objects.user in users]
    found = [each for stream in streams if (each := _around(slices, stream, begin, end))]
    return _put_together(slices, found) if found else None


def pinned_again(slices: Slices, clip: Clip) -> Provisional:
    """What a clip was announced from. Raises `SourceGoneError` if its segments are not the same any more."""
    for stream in slices.plan.streams:
        if stream.objects.stream == clip.stream:
            wanted = set(clip.segments)
            narrowed = _narrowed(stream, [s for s in stream.assembly.segments if _pin(s) in wanted])
            if narrowed.assembly.digest == clip.content_digest:
                return _put_together(slices, [_assembled(slices, narrowed)])
    message = f"the slices of {clip.stream} have changed since: another look at them gives another file. Ask again."
    raise SourceGoneError(message)


def _around(slices: Slices, stream: StreamPlan, begin: datetime, end: datetime) -> StreamResult | None:
    """The stream from a keyframe at or before `begin`, as far as there is one, up to `end`.

    One whose segments have no times is taken whole, so that its seconds count from its first sample.
    """
    segments = stream.assembly.segments
    times = _times(segments)
    if not times:
        return _assembled(slices, stream) if segments else None
    back = _BEFORE
    while True:
        since = begin - back
        near = [s for s, (at, until) in zip(segments, times, strict=True) if at < end and until > since]
        if not near:
            return None
        result = _assembled(slices, _narrowed(stream, near))
        if _reaches(result, begin) or all(at >= since for at, _ in times):
            return result
        back *= 2


def _reaches(result: StreamResult, begin: datetime) -> bool:
    """Whether its pictures (its sound where there are none) begin at or before a time."""
    tracks = [track for part in result.assembly.parts for track in part.tracks]
    lead = [track.start for track in tracks if track.type == "video"] or [track.start for track in tracks]
    clock = describe_stream(result, None).clock
    at = clock.utc_at(seconds(min(lead) - result.assembly.zero)) if lead else None
    return at is not None and at <= begin


def _times(segments: Sequence[PlannedSegment]) -> Sequence[tuple[datetime, datetime]]:
    """When each begins and ends: by its own time, or behind the one before it in its lane; none if nobody knows.

    The first ones of a lane may have no time: they lie before the first that has.
    """
    times: list[tuple[datetime, datetime]] = []
    if not any(segment.wall for segment in segments):
        return times
    ends = {lane: _begin([s for s in segments if s.lane == lane], segments) for lane in {s.lane for s in segments}}
    for segment in segments:
        at = segment.wall.at if segment.wall else ends[segment.lane]
        ends[segment.lane] = at + _length([segment])
        times.append((at, ends[segment.lane]))
    return times


def _begin(lane: Sequence[PlannedSegment], segments: Sequence[PlannedSegment]) -> datetime:
    """Of a lane without any time, when the first of all segments that has one begins."""
    for number, segment in enumerate(lane):
        if segment.wall:
            return segment.wall.at - _length(lane[:number])
    return min(s.wall.at for s in segments if s.wall)


def _length(segments: Iterable[PlannedSegment]) -> timedelta:
    return timedelta(seconds=sum(s.promised for s in segments) / TICKS_PER_SECOND)


def _narrowed(stream: StreamPlan, segments: Sequence[PlannedSegment]) -> StreamPlan:
    return replace(stream, assembly=replace(stream.assembly, segments=tuple(segments)))


def _assembled(slices: Slices, stream: StreamPlan) -> StreamResult:
    """What comes of the segments, with the outputs that they would be."""
    weighed: dict[int, _Weighed] = {}

    def open_sink(number: int) -> Sink:
        weighed[number] = _Weighed()
        return weighed[number]

    result = assembled(slices.source, slices.plan, stream, open_sink)
    zero, name = result.assembly.zero, stream.assembly.digest
    outputs = (
        output_of(part, weighed[part.number].as_uploaded(f"{name}.p{part.number}", part.head), zero)
        for part in result.assembly.parts
    )
    return replace(result, outputs=tuple(outputs))


def _put_together(slices: Slices, results: Sequence[StreamResult]) -> Provisional:
    plan = replace(slices.plan, streams=tuple(result.plan for result in results))
    whole = replace(slices, plan=plan)
    # offsets count from the beginning of the recording, not from that of the segments that were read
    manifest = replace(describe(slices.source, plan, results), started_at=slices.started_at)
    return Provisional(
        manifest=manifest,
        movies={
            output.key: AssembledMovie(whole, result.plan, part)
            for result in results
            for output, part in zip(result.outputs, result.assembly.parts, strict=True)
        },
        pinned={_name(result): tuple(map(_pin, result.plan.assembly.segments)) for result in results},
        digests={_name(result): result.plan.assembly.digest for result in results},
    )


def _name(result: StreamResult) -> str:
    return result.plan.objects.stream


def _pin(segment: PlannedSegment) -> str:
    return f"{segment.key}@{segment.byte_range[0]}" if segment.byte_range else segment.key


class _Weighed:
    """A sink that keeps nothing but what an upload would have been told to be."""

    def __init__(self) -> None:
        self._size_bytes = 0
        self._crc64xz = Crc64()
        self._digests = b""
        self._piece, self._piece_bytes = hashlib.sha256(), 0

    def write(self, data: Buffer, /) -> None:
        self._crc64xz.update(data)
        self._size_bytes += len(data)
        rest = memoryview(data)
        while rest:
            some = rest[: PIECE_BYTES - self._piece_bytes]
            self._piece.update(some)
            self._piece_bytes += len(some)
            rest = rest[len(some) :]
            if self._piece_bytes == PIECE_BYTES:
                self._end_piece()

    def as_uploaded(self, key: str, head: bytes) -> Uploaded:
        if self._piece_bytes:
            self._end_piece()
        crc = CRC64XZ.combine(crc64xz(head), self._crc64xz.value, self._size_bytes)
        digests = hashlib.sha256(head).digest() + self._digests
        return Uploaded(
            key=ObjectKey(key),
            size_bytes=len(head) + self._size_bytes,
            crc64xz=crc64_text(crc),
            crc64nvme="",
            parts_sha256=hashlib.sha256(digests).hexdigest(),
            etag="",
            proof=Proof.LENGTH,
        )

    def _end_piece(self) -> None:
        self._digests += self._piece.digest()
        self._piece, self._piece_bytes = hashlib.sha256(), 0


class _Chosen:
    """A sink that passes on the bytes of some pieces, which ascend, and forgets all others."""

    def __init__(self, pieces: Sequence[Copied | Inserted], head_bytes: int, write: Write) -> None:
        self._left = deque(pieces)
        self._at = head_bytes
        self._write = write
        self._has_begun = False

    def begin(self) -> None:
        """It is written once only: what a large slice gave before it turned out wrong cannot be taken back."""
        if self._has_begun:
            raise SourceGoneError("a large slice is damaged: wait until its recording is published, and ask again.")
        self._has_begun = True

    def write(self, data: Buffer, /) -> None:
        begin, view = self._at, memoryview(data)
        self._at += len(view)
        while self._left:
            piece = self._left[0]
            if isinstance(piece, Inserted):
                self._write(piece.data)
            elif piece.start >= self._at:
                return
            else:
                self._write(view[max(piece.start - begin, 0) : piece.end - begin])
                if piece.end > self._at:
                    return
            self._left.popleft()

    def finish(self) -> None:
        """The last bytes have come. Raises `SourceGoneError` if they were fewer than the pieces need."""
        for piece in self._left:
            if isinstance(piece, Copied):
                raise SourceGoneError("a slice was there when the export was asked for, and is not now. Ask again.")
            self._write(piece.data)

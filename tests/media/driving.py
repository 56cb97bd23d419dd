"""Drives the assembler from slices in memory, and keeps everything that comes out of it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil

import fastcrc

from media.assemble import LIBAV_VERSION, Assembly, assemble
from media.clock import ClockSource, WallClock
from media.judge import Judgement, judge
from media.normalise import Upright
from media.plan import AssemblyPlan, PlannedSegment
from media.samples import Buffer, TrackType
from media.segments import Arrival, SegmentResult
from media.timing import TICKS_PER_SECOND
from media.track_result import TrackResult
from tests.lab import Slice, Stored

STREAM = "mix"
STARTED_AT = datetime(2026, 3, 4, 9, 30, 15, tzinfo=UTC)


@dataclass(slots=True)
class Memory:
    """A sink that keeps what it is given."""

    data: bytearray = field(default_factory=bytearray)

    def write(self, data: Buffer, /) -> None:
        self.data += data


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was assembled: the values, what they mean, and the files."""

    assembly: Assembly
    judgement: Judgement
    files: tuple[bytes, ...]

    @property
    def mp4(self) -> bytes:
        (only,) = self.files
        return only

    @property
    def segments(self) -> tuple[SegmentResult, ...]:
        return self.assembly.segments

    @property
    def tracks(self) -> tuple[TrackResult, ...]:
        return tuple(track for part in self.assembly.parts for track in part.tracks)

    def track(self, kind: TrackType) -> TrackResult:
        (only,) = (track for track in self.tracks if track.type == kind)
        return only

    @property
    def said(self) -> set[tuple[str, str]]:
        """(code, object) of every finding."""
        return {(finding.code, finding.where) for finding in self.judgement.findings}

    @property
    def codes(self) -> list[str]:
        return [finding.code for finding in self.judgement.findings]


def key(number: int) -> str:
    """The key of the slice with this number."""
    return f"slice-{number}.ts"


def planned(
    slices: Sequence[Slice],
    *,
    tagged: Collection[int] = (),
    walls: Mapping[int, WallClock] | None = None,
    marks: Mapping[int, tuple[str, ...]] | None = None,
    stored: Stored | None = None,
) -> AssemblyPlan:
    """The plan of these slices in playlist order; `stored` is what lies under their keys in the end."""
    pieces = list(slices) if stored is None else stored
    return AssemblyPlan(
        stream=STREAM,
        libav=LIBAV_VERSION,
        segments=tuple(
            PlannedSegment(
                number=number,
                key=key(number),
                size_bytes=len(piece.data) if piece else 0,
                etag="e",
                promised=round(listed.duration_s * TICKS_PER_SECOND),
                tagged=number in tagged,
                wall=(walls or {}).get(number),
                marks=(marks or {}).get(number, ()),
            )
            for number, (listed, piece) in enumerate(zip(slices, pieces, strict=True))
        ),
    )


def arrivals(plan: AssemblyPlan, stored: Stored, *, pieces_of: int | None = None) -> Iterator[Arrival]:
    """What the store would hand out: whole segments, or unproved ones in pieces of so many bytes."""
    for segment, piece in zip(plan.segments, stored, strict=True):
        if piece is None:
            yield Arrival(segment=segment, code="segment_missing", detail="not in the store")
        elif pieces_of is None:
            digest = fastcrc.crc64.xz(piece.data)
            yield Arrival(segment=segment, pieces=[piece.data], size_bytes=len(piece.data), digest=digest)
        else:
            pieces = cut_up(piece.data, pieces_of)
            yield Arrival(segment=segment, pieces=pieces, size_bytes=len(piece.data), proved=False)


def cut_up(data: bytes, size: int) -> list[bytes]:
    """The bytes in pieces of this size."""
    return [data[n * size : (n + 1) * size] for n in range(ceil(len(data) / size))]


def run(plan: AssemblyPlan, coming: Iterable[Arrival], *, upright: Upright | None = None) -> Made:
    """Assemble and judge."""
    sinks: dict[int, Memory] = {}

    def open_sink(part: int) -> Memory:
        sinks[part] = Memory()
        return sinks[part]

    assembly = assemble(plan, {"both": coming}, open_sink, upright=upright)
    files = tuple(part.head + bytes(sinks[part.number].data) for part in assembly.parts)
    assert sorted(sinks) == [part.number for part in assembly.parts]
    return Made(assembly=assembly, judgement=judge(assembly), files=files)


def make(
    slices: Sequence[Slice],
    *,
    stored: Stored | None = None,
    tagged: Collection[int] = (),
    walls: Mapping[int, WallClock] | None = None,
    marks: Mapping[int, tuple[str, ...]] | None = None,
    pieces_of: int | None = None,
) -> Made:
    """Plan, assemble and judge slices; what is `stored` in their places may differ."""
    plan = planned(slices, tagged=tagged, walls=walls, marks=marks, stored=stored)
    return run(plan, arrivals(plan, list(slices) if stored is None else stored, pieces_of=pieces_of))


def named_walls(slices: Sequence[Slice]) -> dict[int, WallClock]:
    """Wall clocks as Agora's slice names give them: the true start of each slice, to the millisecond."""
    return {
        number: WallClock(
            at=STARTED_AT + timedelta(milliseconds=round(piece.start_s * 1000)), source=ClockSource.SLICE_NAME
        )
        for number, piece in enumerate(slices)
    }


def each(slices: Iterable[Slice], change: Callable[[bytes], bytes]) -> list[Slice]:
    """The slices with other bytes."""
    return [piece.shows(change(piece.data)) for piece in slices]


def assert_intact(made: Made) -> None:
    """Nothing is said of an intact set, nothing is lost, and every sample is accounted for."""
    assert made.judgement.findings == ()
    assert made.judgement.gaps == ()
    assert made.judgement.impaired == ()
    assert_accounted(made)


def assert_accounted(made: Made) -> None:
    """Every ledger closes, and the files hold as many samples as their ledgers say."""
    for part in made.assembly.parts:
        assert [track.ledger.samples_out for track in part.tracks if track.ledger.samples_out] == [
            checked.samples for checked in sorted(part.report.tracks, key=lambda t: t.type, reverse=True)
        ]
        assert all(track.ledger.closes for track in part.tracks), [track.ledger for track in part.tracks]

"""The words of the catalog as values: verdicts, states, gaps and absences, outputs, and the manifest that holds them.

Times of media are seconds from the first sample of the output (negative for what is lost before it); wall-clock times
are aware UTC datetimes, None where the clock of the
stream is only a last resort.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from catalog.clocks import ClockAnchor as ClockAnchor  # noqa: PLC0414 - a word of the manifest
from catalog.clocks import StreamClock as StreamClock  # noqa: PLC0414 - a word of the manifest
from catalog.errors import LayoutError
from catalog.wire import Count, Counts, Crc64, MediaTime, Seconds, Sha256, UtcTime
from media.findings import Finding
from media.samples import TrackType

GapTrack = Literal["audio", "video", "both"]

VENDOR: Final = re.compile(r"[a-z][a-z0-9-]{0,19}")


class Verdict(StrEnum):
    """What became of a recording, finally.

    `COMPLETE` everything promised is there · `GAPS` published, each gap with cause and time · `DAMAGED` held by
    policy · `MISSING` promised, nothing usable came · `EMPTY` nobody published · `UNREADABLE` names or playlists not
    understood.
    """

    COMPLETE = "complete"
    GAPS = "gaps"
    DAMAGED = "damaged"
    MISSING = "missing"
    EMPTY = "empty"
    UNREADABLE = "unreadable"

    @property
    def rank(self) -> int:
        """Higher is better: first what is delivered, then what is known.

        `MISSING` stands above `EMPTY`, so that a promise which vanishes from the bucket counts as a step down.
        """
        return _RANKS[self]

    @property
    def is_published(self) -> bool:
        """Whether a recording with this verdict has outputs."""
        return self in {Verdict.COMPLETE, Verdict.GAPS}


_RANKS: Final = {
    Verdict.UNREADABLE: 0,
    Verdict.EMPTY: 1,
    Verdict.MISSING: 2,
    Verdict.DAMAGED: 3,
    Verdict.GAPS: 4,
    Verdict.COMPLETE: 5,
}


class State(StrEnum):
    """How far a recording has come; `FAILED` is our fault, carries no verdict and is always retried or alarmed."""

    HINTED = "hinted"
    RECORDING = "recording"
    STOPPED = "stopped"
    WAITING = "waiting"
    PROCESSING = "processing"
    SETTLED = "settled"
    FAILED = "failed"


class Mode(StrEnum):
    """How the vendor recorded: everybody in one picture, each stream alone, or a web page."""

    MIXED = "mixed"
    INDIVIDUAL = "individual"
    WEB = "web"


class StreamKind(StrEnum):
    """What a stream shows."""

    MIXED = "mixed"
    PARTICIPANT = "participant"
    SCREEN = "screen"
    WHITEBOARD = "whiteboard"
    PAGE = "page"


class Cause(StrEnum):
    """Why promised media could not be delivered."""

    MISSING = "missing"
    EMPTY = "empty"
    NOT_MEDIA = "not_media"
    FOREIGN = "foreign"
    REPEATED = "repeated"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    RECORDER_LOSS = "recorder_loss"
    UNREADABLE = "unreadable"
    CHANGED = "changed"
    ENCRYPTED = "encrypted"
    UNSUPPORTED = "unsupported"
    DECLARED = "declared"
    URI_OUTSIDE = "uri_outside"
    FAILOVER = "failover"
    NO_KEYFRAME = "no_keyframe"


class Evidence(StrEnum):
    """What shows that nothing was recorded in some time, so that it is no loss."""

    LATE_START = "late_start"
    EARLY_END = "early_end"
    TRACK_START = "track_start"
    DISCONTINUITY = "discontinuity"
    VENDOR_EVENT = "vendor_event"
    COUNTERS = "counters"
    UNMARKED = "unmarked"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingId:
    """One vendor task. `vendor` is a short lower-case word; `task_id` is kept as the vendor spells it."""

    vendor: str
    task_id: str

    def __post_init__(self) -> None:
        if not VENDOR.fullmatch(self.vendor):
            message = f"vendor {self.vendor!r} is not 1 to 20 of a-z, 0-9 and '-', beginning with a letter"
            raise LayoutError(message)
        if not self.task_id:
            message = f"a recording of {self.vendor} has no task id"
            raise LayoutError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some time of one track."""

    track: GapTrack
    from_s: MediaTime
    to_s: MediaTime
    from_utc: Annotated[UtcTime | None, Field(alias="from")]
    to_utc: Annotated[UtcTime | None, Field(alias="to")]

    def __post_init__(self) -> None:
        if not self.from_s <= self.to_s:
            message = f"a span ends ({self.to_s} s) before it begins ({self.from_s} s)"
            raise ValueError(message)

    @property
    def duration_s(self) -> float:
        """How long it is, in seconds."""
        return self.to_s - self.from_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(Span):
    """Media that was promised and cannot be delivered; `segment` is the key of the segment, if one is to blame."""

    cause: Cause
    segment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence(Span):
    """Time in which nothing was recorded, and what shows it. It changes no verdict."""

    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Impaired(Span):
    """Time after a lost reference, up to the next sync sample: kept, but players may show artefacts."""

    segment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimmedOverlap:
    """Time that was recorded twice and kept once: `duration_s` of `segment` were left out at `at_s`."""

    track: GapTrack
    at_s: MediaTime
    duration_s: Seconds
    segment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTrack:
    """The ledger of one track of an output, in samples. `samples_in` is counted from bytes, not by the demuxer.

    It lasts from `starts_at_s` to `ends_at_s`, in seconds of the stream.
    """

    type: TrackType
    codec: str
    samples_in: Count
    trimmed: Count
    dropped: Count
    inserted: Count
    samples_out: Count
    starts_at_s: Seconds
    ends_at_s: Seconds = 0.0

    @property
    def closes(self) -> bool:
        """Whether every sample is accounted for."""
        return self.samples_in - self.trimmed - self.dropped + self.inserted == self.samples_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One published media object.

    `parts_sha256` is the SHA-256 over the raw SHA-256 digests of the head (all bytes before the first media byte) and
    of the media bytes in pieces of 8 MiB. `progressive` says that the index stands before the media.
    """

    key: str
    size_bytes: Count
    crc64xz: Crc64
    parts_sha256: Sha256
    duration_s: Seconds
    container: str
    progressive: bool
    tracks: tuple[OutputTrack, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTrack:
    """One audio or video sequence of a stream as it was recorded; one for each change of parameters."""

    type: TrackType
    codec: str
    width: Count | None = None
    height: Count | None = None
    sample_rate: Count | None = None
    channels: Count | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """From `from_s` on, coded pictures are turned anticlockwise by `degrees` to stand upright, up to the next one.

    Without one they stand upright. `width` and `height` are the vendor's word on the coded picture. `applied` says that
    the output itself has players show it so; where a picture turns inside of a file, it cannot.
    """

    from_s: MediaTime
    from_utc: Annotated[UtcTime | None, Field(alias="from")]
    degrees: Annotated[int, Field(ge=0, lt=360, multiple_of=90)]
    width: Count | None
    height: Count | None
    applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentsFile:
    """The object with one proof a segment (`catalog.proofs`); `sha256` is that of the object as stored."""

    key: str
    size_bytes: Count
    sha256: Sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentsSummary:
    """The segments of a stream together; `proofs` counts them by what showed their bytes to be right."""

    count: Count
    size_bytes: Count
    proofs: Counts
    file: SegmentsFile | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRecord:
    """One participant's feed, or the mix, a screen, a whiteboard: what came, what is lost, what was published."""

    stream: str
    user: str | None
    kind: StreamKind
    tracks: tuple[StreamTrack, ...]
    started_at: UtcTime | None
    ended_at: UtcTime | None
    duration_s: Seconds
    clock: StreamClock
    segments: SegmentsSummary
    gaps: tuple[Gap, ...]
    absences: tuple[Absence, ...]
    impaired: tuple[Impaired, ...]
    overlaps_trimmed: tuple[TrimmedOverlap, ...]
    outputs: tuple[Output, ...]
    rotations: tuple[Rotation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object of the source bucket that is named and otherwise left alone."""

    key: str
    size_bytes: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistObject:
    """A playlist that was read, in the version that was read; `role` says what for."""

    key: str
    size_bytes: Count
    etag: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the recording was found. `store` is the kind of store, without credentials."""

    store: str
    bucket: str
    prefix: str
    playlists: tuple[PlaylistObject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """What wrote the manifest: versions of Aftertake, of libav and of the layout."""

    aftertake: str
    libav: str
    layout: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is there of one recording and what is not; immutable. `supersedes` is the key of the revision before."""

    vendor: str
    task_id: str
    room: str | None
    mode: Mode
    revision: Annotated[int, Field(ge=1)]
    supersedes: str | None
    verdict: Verdict
    created_at: UtcTime
    trace_id: str | None
    started_at: UtcTime | None
    ended_at: UtcTime | None
    source: Source
    streams: tuple[StreamRecord, ...]
    findings: tuple[Finding, ...]
    orphans: tuple[StoredObject, ...]
    side_files: tuple[StoredObject, ...]
    software: Software

    @property
    def recording(self) -> RecordingId:
        """The vendor task that this is about."""
        return RecordingId(vendor=self.vendor, task_id=self.task_id)

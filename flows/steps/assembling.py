"""Assemble: the segments of one stream -> its proved outputs, in one pass from store to store."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from catalog.layout import MediaKey, MediaName, served
from catalog.model import Output, OutputTrack, RecordingId
from flows.steps.planning import RecordingPlan, StreamPlan
from flows.steps.reading import SegmentSource, SpoiltSegmentError
from media.assemble import Arrivals, Assembly, assemble
from media.findings import Finding, finding
from media.judge import Judgement, judge
from media.normalise import Upright
from media.parts import PartResult, Sink
from media.plan import Pictures
from media.samples import Buffer
from media.segments import Arrival
from media.timing import seconds
from storage.base import ObjectStore
from storage.errors import AlreadyExists
from storage.keys import output_key
from storage.reading import ReadProof
from storage.writing import StreamingUpload, Uploaded, verify_upload

_MOST_ATTEMPTS = 9

Progress = Callable[[int], object]
"""Told how many source bytes have been taken since it was last told; what it raises ends the work."""
Accepts = Callable[[Judgement], bool]
"""Whether an output that is judged so may be completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamResult:
    """What came of one stream: what was met, what it means, and the outputs that stand in the store by now.

    One that `is_held` was not accepted as it is, and has none.
    """

    plan: StreamPlan
    assembly: Assembly
    judgement: Judgement
    proofs: Mapping[int, ReadProof]
    outputs: tuple[Output, ...]
    findings: tuple[Finding, ...] = ()
    is_held: bool = False


class Nowhere:
    """A sink for looking only."""

    def write(self, data: Buffer, /) -> None:
        """Forget the bytes."""


class LedgerOpenError(Exception):
    """Samples went in that are nowhere to be found: a fault of Aftertake. Please report it with the recording."""


class _KeyTakenError(Exception):
    """Another object stands under the key of this attempt."""


def check_stream(
    source: ObjectStore, plan: RecordingPlan, stream: StreamPlan, progress: Progress | None = None
) -> StreamResult:
    """Read and judge every byte of a stream, and write nothing."""
    return assembled(source, plan, stream, lambda _: Nowhere(), progress)


def assemble_stream(
    source: ObjectStore,
    target: ObjectStore,
    plan: RecordingPlan,
    stream: StreamPlan,
    *,
    accepts: Accepts,
    progress: Progress | None = None,
) -> StreamResult:
    """Make the outputs of a stream. An equal object under the key is ours; a different one is left alone.

    What `accepts` does not take is aborted before anybody sees it, and the result is held.
    """
    taken: list[Finding] = []
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        try:
            result = _attempt(source, target, plan, stream, accepts=accepts, attempt=attempt, progress=progress)
            return replace(result, findings=tuple(taken))
        except _KeyTakenError as error:
            taken.append(finding("output_key_taken", str(error), "a different object stands there; it was left alone"))
    raise AlreadyExists(
        "complete", taken[0].where, f"other objects stand there and under {_MOST_ATTEMPTS - 1} more keys"
    )


def _attempt(
    source: ObjectStore,
    target: ObjectStore,
    plan: RecordingPlan,
    stream: StreamPlan,
    *,
    accepts: Accepts,
    attempt: int,
    progress: Progress | None,
) -> StreamResult:
    uploads: dict[int, StreamingUpload] = {}
    with ExitStack() as stack:

        def open_upload(part: int) -> Sink:
            if part in uploads:
                uploads[part].abort()
            key = output_key(_media_key(plan.id, stream, attempt, part))
            uploads[part] = stack.enter_context(StreamingUpload(target, key, served=served(key)))
            return uploads[part]

        result = assembled(source, plan, stream, open_upload, progress)
        _require_closed_ledgers(result.assembly)
        if not accepts(result.judgement):
            return replace(result, is_held=True)
        outputs = tuple(
            output_of(part, _complete(target, uploads[part.number], part), result.assembly.zero)
            for part in result.assembly.parts
        )
    return replace(result, outputs=outputs)


def assembled(
    source: ObjectStore,
    plan: RecordingPlan,
    stream: StreamPlan,
    open_sink: Callable[[int], Sink],
    progress: Progress | None = None,
) -> StreamResult:
    """What comes of a stream, its bytes given to sinks.

    One pass; another one without a large segment that turned out wrong only at its end.

    Pictures that are to be of one form need one more where they are not: what the largest is shows at the end.
    """
    spoilt: dict[int, str] = {}
    upright: Upright | None = None
    while True:
        segments = SegmentSource(store=source, metas=plan.metas, spoilt=spoilt)
        try:
            with segments.opened(stream.assembly) as arrivals:
                assembly = assemble(stream.assembly, _told(arrivals, progress), open_sink, upright=upright)
        except SpoiltSegmentError as error:
            spoilt[error.number] = error.detail
            continue
        if stream.assembly.pictures is Pictures.NORMALISE and upright is None and (upright := assembly.upright):
            continue
        return StreamResult(
            plan=stream, assembly=assembly, judgement=judge(assembly), proofs=segments.proofs, outputs=()
        )


def _told(arrivals: Arrivals, progress: Progress | None) -> Arrivals:
    if progress is None:
        return arrivals
    return {lane: _each_told(coming, progress) for lane, coming in arrivals.items()}


def _each_told(arrivals: Iterable[Arrival], progress: Progress) -> Iterator[Arrival]:
    for arrival in arrivals:
        yield arrival
        progress(arrival.size_bytes)


def _media_key(recording: RecordingId, stream: StreamPlan, attempt: int, part: int) -> str:
    name = MediaName(
        plan16=stream.assembly.digest[:16], extension="mp4", attempt=attempt, part=part if part > 1 else None
    )
    return MediaKey(vendor=recording.vendor, task_id=recording.task_id, stream=stream.assembly.stream, name=name).key


def _complete(target: ObjectStore, upload: StreamingUpload, part: PartResult) -> Uploaded:
    """Complete an upload under a free key; if an equal object stands there already, that one is ours."""
    try:
        uploaded = upload.complete(part.head, create_only=True)
    except AlreadyExists as error:
        standing = upload.equal_standing()
        if standing is None:
            raise _KeyTakenError(error.key) from error
        return standing
    verify_upload(target, uploaded)
    return uploaded


def _require_closed_ledgers(assembly: Assembly) -> None:
    """An output that does not account for every sample is not published: that would be a fault of ours."""
    for part in assembly.parts:
        for track in part.tracks:
            if not track.ledger.closes:
                raise LedgerOpenError(f"{assembly.plan.stream}, part {part.number}, {track.type}: {track.ledger}")


def output_of(part: PartResult, uploaded: Uploaded, zero: int) -> Output:
    """How the manifest tells of a part that was written; times count from the tick `zero`."""
    return Output(
        key=uploaded.key,
        size_bytes=uploaded.size_bytes,
        crc64xz=uploaded.crc64xz,
        parts_sha256=uploaded.parts_sha256,
        duration_s=round(float(part.report.duration), 6),
        container="mp4",
        progressive=True,
        tracks=tuple(
            OutputTrack(
                type=track.type,
                codec=track.encoded or ",".join(track.codecs),
                samples_in=track.ledger.samples_in,
                trimmed=track.ledger.trimmed,
                dropped=track.ledger.dropped,
                inserted=track.ledger.inserted,
                samples_out=track.ledger.samples_out,
                starts_at_s=max(seconds(track.start - zero), 0.0),
                ends_at_s=max(seconds(track.end - zero), 0.0),
            )
            for track in part.tracks
        ),
    )

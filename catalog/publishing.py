"""What publishing writes around a manifest, and how revisions are counted. Pure: the flow lists, reads and writes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

from pydantic import TypeAdapter

from catalog.errors import DocumentError, LayoutError
from catalog.layout import IndexAxis, IndexKey, LatestKey, ManifestKey, decode_key, manifests_prefix
from catalog.manifest import content_digest, digest12, to_json
from catalog.model import Gap, Manifest, Mode, RecordingId, StreamRecord, Verdict
from catalog.wire import Sha256, UtcTime, from_document, parse_object, to_bytes, to_document

LATEST_SCHEMA: Final = "aftertake.latest/1"
INDEX_SCHEMA: Final = "aftertake.index/1"
_TOLERANCE_S: Final = 0.001
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """`latest.json`: a hint at the newest manifest. Whoever must be sure lists the manifests instead."""

    manifest: str
    revision: int
    content_digest: Sha256
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPointer:
    """A derived object of `index/`: one recording in which a room, user or stream was. `manifest` is a key."""

    axis: IndexAxis
    id: str
    vendor: str
    task_id: str
    room: str | None
    mode: Mode
    verdict: Verdict
    started_at: UtcTime | None
    ended_at: UtcTime | None
    first_published_at: UtcTime
    revision: int
    manifest: str
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A document and the key it is to be stored under."""

    key: str
    body: bytes


class _Place(NamedTuple):
    axis: IndexAxis
    id: str
    streams: tuple[str, ...]


_LATEST: Final = TypeAdapter(Latest)
_POINTER: Final = TypeAdapter(IndexPointer)


def revisions(recording: RecordingId, listed: Iterable[str]) -> tuple[ManifestKey, ...]:
    """The manifests of a recording among listed keys, the newest last; `latest.json` and strange keys are left out.

    Where two writers took one number, the digest decides, so that every reader calls the same one newest.
    """
    prefix = manifests_prefix(recording.vendor, recording.task_id)
    keys = (_manifest_key(key) for key in listed if key.startswith(prefix))
    return tuple(sorted((key for key in keys if key), key=lambda key: (key.revision, key.digest12)))


def next_revision(manifest: Manifest, newest: Manifest, newest_key: str) -> Manifest:
    """`manifest` as the revision after the newest one, which is stored under `newest_key`."""
    return replace(manifest, revision=newest.revision + 1, supersedes=newest_key)


def manifest_document(manifest: Manifest) -> StoredDocument:
    """The manifest under its immutable key: the commit."""
    body = to_json(manifest)
    key = ManifestKey(
        vendor=manifest.vendor, task_id=manifest.task_id, revision=manifest.revision, digest12=digest12(body)
    )
    return StoredDocument(key=key.key, body=body)


def latest_document(manifest: Manifest, manifest_key: str) -> StoredDocument:
    """`latest.json` for a manifest that is stored under `manifest_key`."""
    latest = Latest(
        manifest=manifest_key,
        revision=manifest.revision,
        content_digest=content_digest(manifest),
        verdict=manifest.verdict,
    )
    key = LatestKey(vendor=manifest.vendor, task_id=manifest.task_id).key
    return StoredDocument(key=key, body=_document_body(LATEST_SCHEMA, _LATEST, latest))


def read_latest(body: bytes) -> Latest:
    """The hint in a `latest.json`. Raises `DocumentError` when it is none."""
    return _read(LATEST_SCHEMA, _LATEST, body)


def index_documents(
    manifest: Manifest, manifest_key: str, *, first_published_at: datetime
) -> tuple[StoredDocument, ...]:
    """The pointers to a manifest: one for its room, one for each user, one for each stream.

    `first_published_at` is the `created_at` of the recording's first revision, so that later revisions replace the
    pointers of earlier ones.
    """
    return tuple(
        _index_document(_pointer(manifest, manifest_key, first_published_at, place)) for place in _places(manifest)
    )


def read_pointer(body: bytes) -> IndexPointer:
    """The pointer in an object of `index/`. Raises `DocumentError` when it is none."""
    return _read(INDEX_SCHEMA, _POINTER, body)


def what_is_worse(old: Manifest, new: Manifest) -> tuple[str, ...]:
    """In what `new` is worse than the published `old`, for people; empty when nothing good would be replaced.

    Worse is: a lower verdict, a stream that lost its outputs, an output that became shorter, or more time lost.
    """
    return tuple(_worse_verdict(old, new)) + tuple(
        complaint
        for stream in old.streams
        for complaint in _worse_stream(stream, next((s for s in new.streams if s.stream == stream.stream), None))
    )


def _worse_verdict(old: Manifest, new: Manifest) -> Iterator[str]:
    if (old.verdict, new.verdict) == (Verdict.MISSING, Verdict.EMPTY):
        return  # nothing was published, and nothing is lost, says its vendor
    if new.verdict.rank < old.verdict.rank:
        yield f"the verdict falls from {old.verdict} to {new.verdict}"


def _worse_stream(old: StreamRecord, new: StreamRecord | None) -> Iterator[str]:
    if not old.outputs:
        return
    if new is None or not new.outputs:
        yield f"stream {old.stream} was published and would be no more"
        return
    if new.duration_s < old.duration_s - _TOLERANCE_S:
        yield f"stream {old.stream} becomes shorter: {old.duration_s:.3f} s, then {new.duration_s:.3f} s"
    lost_before, lost_now = _lost_s(old.gaps), _lost_s(new.gaps)
    if lost_now > lost_before + _TOLERANCE_S:
        yield f"stream {old.stream} loses more: {lost_before:.3f} s, then {lost_now:.3f} s"


def _lost_s(gaps: Iterable[Gap]) -> float:
    return sum(gap.duration_s for gap in gaps)


def _manifest_key(key: str) -> ManifestKey | None:
    try:
        decoded = decode_key(key)
    except LayoutError:
        return None
    return decoded if isinstance(decoded, ManifestKey) else None


def _places(manifest: Manifest) -> Iterator[_Place]:
    names = tuple(stream.stream for stream in manifest.streams)
    if manifest.room:
        yield _Place(IndexAxis.ROOM, manifest.room, names)
    for user in dict.fromkeys(stream.user for stream in manifest.streams if stream.user):
        yield _Place(IndexAxis.USER, user, tuple(each.stream for each in manifest.streams if each.user == user))
    for name in dict.fromkeys(names):
        yield _Place(IndexAxis.STREAM, name, (name,))


def _pointer(manifest: Manifest, manifest_key: str, first_published_at: datetime, place: _Place) -> IndexPointer:
    return IndexPointer(
        axis=place.axis,
        id=place.id,
        vendor=manifest.vendor,
        task_id=manifest.task_id,
        room=manifest.room,
        mode=manifest.mode,
        verdict=manifest.verdict,
        started_at=manifest.started_at,
        ended_at=manifest.ended_at,
        first_published_at=first_published_at,
        revision=manifest.revision,
        manifest=manifest_key,
        streams=place.streams,
    )


def _index_document(pointer: IndexPointer) -> StoredDocument:
    key = IndexKey(
        axis=pointer.axis,
        id=pointer.id,
        first_published_at=pointer.first_published_at,
        vendor=pointer.vendor,
        task_id=pointer.task_id,
    )
    return StoredDocument(key=key.key, body=_document_body(INDEX_SCHEMA, _POINTER, pointer))


def _document_body(schema: str, adapter: TypeAdapter[T], value: T) -> bytes:
    return to_bytes({"schema": schema, **to_document(adapter, value)}) + b"\n"


def _read(schema: str, adapter: TypeAdapter[T], body: bytes) -> T:
    found = parse_object(body).get("schema")
    if found != schema:
        message = f"has the schema {found!r}, not {schema}"
        raise DocumentError(message)
    return from_document(adapter, body)

"""The certificate of an export: what the file is, what it was cut from, what is missing in it, and for whom it is.

It lies beside the file, under the file's name and `.certificate.json`; `aftertake verify-export` holds the one against
the other without a network (`certificate.schema.json` is its JSON Schema). It is written before the file appears and
stays when the file has expired.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from catalog.errors import DocumentError
from catalog.export_request import ExportMode
from catalog.model import VENDOR, Absence, Gap, Impaired, RecordingId, Software
from catalog.wire import (
    Count,
    Crc64,
    MediaTime,
    Seconds,
    Sha256,
    UtcTime,
    digest_of,
    from_document,
    parse_object,
    require_digest,
    require_schema,
    to_bytes,
    to_document,
)
from media.samples import TrackType

VERSION: Final = 1
SCHEMA: Final = f"aftertake.certificate/{VERSION}"
CLIPS_SCHEMA: Final = "aftertake.archive/1"
CLIPS_NAME: Final = "manifest.json"
"""The member of an archive that says what the others are."""
_DIGEST: Final = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedFile:
    """One file, whole: its name, its size in bytes and its digests."""

    name: str
    size_bytes: Count
    sha256: Sha256
    crc64xz: Crc64


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody asked for it, and why."""

    by: str
    at: UtcTime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFrom:
    """The object whose samples were copied: a published output, or one segment of a recording without outputs.

    `read_bytes` of it were read, all of one version: that with `etag`. `proof` says what showed that version to be the
    one that the manifest tells of: the store's checksum, or only its length.
    """

    key: str
    size_bytes: Count
    etag: str
    crc64xz: Crc64 | None
    parts_sha256: Sha256 | None
    proof: str
    read_bytes: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSegment:
    """A segment of the vendor that has a part in the clip, as it was proved when it was read."""

    key: str
    size_bytes: Count | None
    etag: str | None
    crc64xz: Crc64 | None
    proof: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedTrack:
    """One track of the file: `copied` samples as they were recorded, and `inserted` silent ones.

    It lasts from `starts_at_s` to `ends_at_s`, in seconds of the file.
    """

    type: TrackType
    codec: str
    copied: Count
    inserted: Count
    starts_at_s: Seconds
    ends_at_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedClip:
    """One MP4: what was asked for, where it really begins and ends, and all that is not in it.

    `from_s`, `to_s`, `starts_at_s`, `ends_at_s` and `zero_s` are seconds of the stream, as in its manifest; so are the
    times of gaps, absences and impaired pictures. `zero_s` is time 0 of the file. `segments_file` has the proofs of all
    segments of the stream, `segments` those of the clip.
    """

    file: CertifiedFile
    vendor: str
    task_id: str
    room: str | None
    stream: str
    user: str | None
    manifest: str | None
    manifest_sha256: Sha256 | None
    content_digest: Sha256
    from_s: MediaTime
    to_s: MediaTime
    starts_at_s: MediaTime
    ends_at_s: MediaTime
    zero_s: MediaTime
    starts_at: UtcTime | None
    ends_at: UtcTime | None
    clock: str | None
    tracks: tuple[CertifiedTrack, ...]
    cut_from: tuple[CutFrom, ...]
    segments_file: str | None
    segments: tuple[SourceSegment, ...]
    gaps: tuple[Gap, ...]
    absences: tuple[Absence, ...]
    impaired: tuple[Impaired, ...]

    @property
    def recording(self) -> RecordingId:
        """The recording that it is of."""
        return RecordingId(vendor=self.vendor, task_id=self.task_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """All that is said of an export. `file` is what was delivered: the MP4 of its only clip, or the archive of all."""

    export: str
    mode: ExportMode
    made_at: UtcTime
    asked: tuple[Asked, ...]
    from_utc: Annotated[UtcTime | None, Field(alias="from")]
    to_utc: Annotated[UtcTime | None, Field(alias="to")]
    file: CertifiedFile
    clips: Annotated[tuple[CertifiedClip, ...], Field(min_length=1)]
    software: Software

    @property
    def is_archive(self) -> bool:
        """Whether the clips are members of an archive, together with their manifest."""
        return len(self.clips) > 1 or self.mode is ExportMode.SEPARATE

    @property
    def has_gaps(self) -> bool:
        """Whether anything that was promised is missing in it."""
        return any(clip.gaps for clip in self.clips)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clips:
    """The manifest of an archive."""

    clips: tuple[CertifiedClip, ...]


_ADAPTER: Final = TypeAdapter(Certificate)
_CLIPS: Final = TypeAdapter(_Clips)


def to_json(certificate: Certificate) -> bytes:
    """The certificate as it is stored. `DocumentError` (our fault) if it contradicts itself or could not be read."""
    _require_sense(certificate)
    document = to_document(_ADAPTER, certificate)
    body = to_bytes({"schema": SCHEMA, _DIGEST: digest_of(document, {_DIGEST}), **document}) + b"\n"
    from_document(_ADAPTER, body)  # dumping checks no values
    return body


def from_json(body: bytes) -> Certificate:
    """The certificate in a body.

    Raises `DocumentError` when it is none, was written by a newer version or contradicts itself, `AlteredError` when it
    was changed.
    """
    document = parse_object(body)
    require_schema(document, "certificate", VERSION)
    require_digest(document, _DIGEST, ())
    certificate = from_document(_ADAPTER, body)
    _require_sense(certificate)
    return certificate


def clips_to_json(clips: Sequence[CertifiedClip]) -> bytes:
    """The manifest of an archive: what its other members are, as the certificate says it."""
    return to_bytes({"schema": CLIPS_SCHEMA, **to_document(_CLIPS, _Clips(clips=tuple(clips)))}) + b"\n"


def clips_from_json(body: bytes) -> tuple[CertifiedClip, ...]:
    """The clips in the manifest of an archive. Raises `DocumentError`."""
    require_schema(parse_object(body), "archive", 1)
    return from_document(_CLIPS, body).clips


def _require_sense(certificate: Certificate) -> None:
    if contradictions := tuple(_contradictions(certificate)):
        message = f"says of {certificate.export} what cannot be: {'; '.join(contradictions)}"
        raise DocumentError(message)


def _contradictions(certificate: Certificate) -> Iterator[str]:
    """What nobody could hold a file against is neither written nor believed."""
    names = [clip.file.name for clip in certificate.clips]
    if certificate.is_archive and len({*names, CLIPS_NAME}) <= len(names):
        yield f"its members share a name: {', '.join(names)}"
    if not certificate.is_archive and certificate.clips[0].file != certificate.file:
        yield "its only clip is another file"
    for clip in certificate.clips:
        if not clip.zero_s <= clip.starts_at_s <= clip.ends_at_s:
            yield f"{clip.file.name} ends before it begins, or begins before its zero"
        if not (VENDOR.fullmatch(clip.vendor) and clip.task_id):
            yield f"{clip.file.name} is of no recording that can be"

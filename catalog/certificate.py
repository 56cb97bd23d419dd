"""The certificate of an export: what the file is, what it was cut from, what is missing in it, and for whom it is.

It lies beside the file, under the file's name and `.certificate.json`; `aftertake verify-export` holds the one against
the other without a network (`certificate.schema.json` is its JSON Schema). It is written before the file appears and
stays when the file has expired.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from catalog.export_request import ExportMode
from catalog.model import Absence, Gap, Impaired, RecordingId, Software
from catalog.wire import Count, Crc64, MediaTime, Seconds, Sha256, UtcTime
from media.samples import TrackType

VERSION: Final = 1
SCHEMA: Final = f"aftertake.certificate/{VERSION}"


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

    `from_s`, `to_s`, `starts_at_s`, `ends_at_s` and `zero_s` are seconds of the stream, as in its manifest; the times of
    gaps, absences and impaired pictures, too. `zero_s` is time 0 of the file. `segments_file` has the proofs of all
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
    clips: tuple[CertifiedClip, ...]
    software: Software

    @property
    def has_gaps(self) -> bool:
        """Whether anything that was promised is missing in it."""
        return any(clip.gaps for clip in self.clips)

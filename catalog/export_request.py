"""What is asked of an export, down to immutable objects: equal requests are one job, and give equal bytes.

Seconds are those of the stream that a clip is of, as in its manifest; wall-clock times are None where that stream has
no clock.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from catalog.model import RecordingId
from catalog.wire import Count, Crc64, MediaTime, Sha256, UtcTime, from_document, to_bytes, to_document


class ExportMode(StrEnum):
    """How an export is made.

    `FAST` copies the samples of one person, from the sync sample at or before the time that is asked for. `SEPARATE`
    does the same for several people, a file for each, all of which share one zero.
    """

    FAST = "fast"
    SEPARATE = "separate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The output that a clip is cut from, as its manifest tells of it; at `origin_s` is its time 0.

    While nothing is published it is what the segments around the clip would become, and `key` is no object's.
    """

    key: str
    size_bytes: Count
    crc64xz: Crc64
    parts_sha256: Sha256
    origin_s: MediaTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """Some time of one stream, which becomes one file.

    `manifest` is the key of the revision that it is cut by. While there is none it is cut from `segments`, the keys of
    those around it (with `@` and the offset of a byte range). `content_digest` is that of the manifest, or of the plan
    of the segments.
    `from_s` and `to_s` are what was asked for. `starts_at_s` and `ends_at_s` are where the file really begins and ends,
    told before the job runs: the sync sample at or before `from_s`, and the last whole sample that `to_s` needs.
    `zero_s` becomes time 0 of the file. `size_bytes` is that of the file.
    """

    vendor: str
    task_id: str
    room: str | None
    manifest: str | None
    content_digest: Sha256
    stream: str
    user: str | None
    origin: Origin
    from_s: MediaTime
    to_s: MediaTime
    starts_at_s: MediaTime
    ends_at_s: MediaTime
    starts_at: UtcTime | None
    ends_at: UtcTime | None
    zero_s: MediaTime
    file: str
    size_bytes: Count
    segments: tuple[str, ...] = ()

    @property
    def recording(self) -> RecordingId:
        """The recording that it is of."""
        return RecordingId(vendor=self.vendor, task_id=self.task_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What becomes one file: the MP4 of the only clip, or an archive of those of all clips.

    `from_utc` and `to_utc` are the range on the wall clock, as it was asked for or follows from offsets.
    """

    mode: ExportMode
    from_utc: Annotated[UtcTime | None, Field(alias="from")]
    to_utc: Annotated[UtcTime | None, Field(alias="to")]
    clips: Annotated[tuple[Clip, ...], Field(min_length=1)]

    @property
    def is_archive(self) -> bool:
        """Whether several files become one archive."""
        return len(self.clips) > 1 or self.mode is ExportMode.SEPARATE

    @property
    def size_bytes(self) -> int:
        """Of all its files together."""
        return sum(clip.size_bytes for clip in self.clips)

    @property
    def digest(self) -> str:
        """SHA-256, in hex: that of an equal request is equal."""
        return hashlib.sha256(to_bytes(self.document(), sort_keys=True)).hexdigest()

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return to_document(_ADAPTER, self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "ExportRequest":
        """The request of a JSON object. Raises `DocumentError`."""
        return from_document(_ADAPTER, to_bytes(document))


_ADAPTER: Final = TypeAdapter(ExportRequest)

"""Uploads in parts to the clouds: what they have in common. How each asks its store is in the adapters."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from storage.base import ObjectMeta, Written, check_part_number
from storage.checksums import Buffer
from storage.errors import NotFound, StorageError
from storage.keys import ObjectKey


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part as the store answered for it; without a CRC where the store itself copied it, or keeps none."""

    etag: str
    size_bytes: int
    crc64nvme: int | None = None


class PartRequests(Protocol):
    """The requests of one upload."""

    def put(self, number: int, data: Buffer, /) -> SentPart:
        """Send a part."""

    def copy(self, number: int, source: ObjectMeta, start: int, end: int, /) -> SentPart:
        """Have the store copy a range of an object of the bucket as a part."""

    def join(self, parts: Mapping[int, SentPart], /, *, create_only: bool) -> Written:
        """Make the object of its parts, which are sorted by number."""

    def drop(self) -> None:
        """Abort; harmless when the upload is gone."""


@dataclass(slots=True, kw_only=True, eq=False)
class CloudUpload:
    """A Multipart of any cloud. An upload that the store may still have is not over, so that `abort` drops it."""

    key: ObjectKey
    upload_id: str
    requests: PartRequests
    sent: dict[int, SentPart] = field(default_factory=dict)
    is_over: bool = False

    def put_part(self, number: int, data: Buffer, /) -> None:
        """See Multipart."""
        check_part_number("put_part", self.key, number)
        self._require_running("put_part")
        self.sent[number] = self.requests.put(number, data)

    def copy_part(self, number: int, source: ObjectMeta, start: int, end: int, /) -> None:
        """Part `number` is bytes `start` up to but without `end` of an object of the same bucket."""
        self._require_running("copy_part")
        self.sent[number] = self.requests.copy(number, source, start, end)

    def complete(self, *, create_only: bool = False) -> Written:
        """See Multipart."""
        self._require_running("complete")
        if not self.sent:
            raise StorageError("complete", self.key, "no part was uploaded")
        parts = {number: self.sent[number] for number in sorted(self.sent)}
        written = self.requests.join(parts, create_only=create_only)
        self.is_over = True
        return written

    def abort(self) -> None:
        """See Multipart."""
        if not self.is_over:
            self.requests.drop()
            self.is_over = True

    def _require_running(self, operation: str) -> None:
        if self.is_over:
            raise NotFound(operation, self.key, "the upload is over")


def size_of(parts: Mapping[int, SentPart]) -> int:
    """Of the object that they make, in bytes."""
    return sum(part.size_bytes for part in parts.values())


def copy_in_parts(upload: CloudUpload, source: ObjectMeta, part_bytes: int) -> Written:
    """Copy an object that is larger than one request may copy; the upload is dropped on every exit but success."""
    try:
        for number, start in enumerate(range(0, source.size_bytes, part_bytes), 1):
            upload.copy_part(number, source, start, min(start + part_bytes, source.size_bytes))
        return upload.complete()
    except BaseException:
        with suppress(StorageError):  # the first error says more
            upload.abort()
        raise

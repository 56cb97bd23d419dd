"""Uploads to stores that want all parts but the last to have one size (some S3-compatible ones do).

The first part of an MP4 is its head and the first media, and how large that is shows only at the end. So the parts
after the first go up as an object of their own, beside the final key; at the end the store itself copies them, in
equal ranges, behind what was held back here. No media byte goes over the network twice, but for the one range in which
the first part ends. A process that is killed in between leaves such an object `….parts` behind; it is named by nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from storage.base import Multipart, ObjectMeta, ObjectStore, Written, check_part_number
from storage.checksums import Buffer
from storage.errors import Changed, NotFound, StorageError, Transient
from storage.keys import ObjectKey, output_key

BESIDE = ".parts"
"""What the key of the passing object ends in."""


class CopyingUpload(Multipart, Protocol):
    """A Multipart to which the store can copy from its own objects."""

    def copy_part(self, number: int, source: ObjectMeta, start: int, end: int, /) -> None:
        """Part `number` is bytes `start` up to but without `end` of an object of the same bucket."""


StartUpload = Callable[[ObjectKey], CopyingUpload]


@dataclass(slots=True, kw_only=True, eq=False)
class EqualParts:
    """A Multipart whose first part may have any size; those between the first and the last have one size.

    In memory: the first part, and one part of the others' size while the end is put together.
    """

    store: ObjectStore
    key: ObjectKey
    start: StartUpload
    beside: CopyingUpload
    first: bytes | None = None
    sizes: dict[int, int] = field(default_factory=dict)
    passing: ObjectMeta | None = None
    is_joined: bool = False
    is_over: bool = False

    @classmethod
    def begin(cls, store: ObjectStore, key: ObjectKey, start: StartUpload) -> "EqualParts":
        """Begin the passing object; `start` begins uploads whose parts are sent as they are."""
        return cls(store=store, key=key, start=start, beside=start(output_key(f"{key}{BESIDE}")))

    @property
    def upload_id(self) -> str:
        """That of the passing object: what an abandoned upload leaves behind."""
        return self.beside.upload_id

    def put_part(self, number: int, data: Buffer, /) -> None:
        """See Multipart; the first part stays here."""
        check_part_number("put_part", self.key, number)
        if self.is_over:
            raise NotFound("put_part", self.key, "the upload is over")
        if number == 1:
            self.first = bytes(data)
            return
        self.beside.put_part(number, data)
        self.sizes[number] = len(data)

    def complete(self, *, create_only: bool = False) -> Written:
        """See Multipart. May be called again after a Transient error: what is done already stays."""
        if self.is_over:
            raise NotFound("complete", self.key, "the upload is over")
        if self.first is None and not self.sizes:
            raise StorageError("complete", self.key, "no part was uploaded")
        if self.sizes and self.passing is None:
            self.passing = self._passing()
        written = self._join(create_only=create_only)
        self.abort()
        return written

    def abort(self) -> None:
        """See Multipart."""
        if self.is_over:
            return
        if self.passing is None:
            self.beside.abort()
        if self.is_joined:
            self.store.delete(self.beside.key)
        self.is_over = True

    def _passing(self) -> ObjectMeta:
        """Join the other parts, if that is not done yet: the answer of an earlier try may have been lost."""
        tried, self.is_joined = self.is_joined, True
        try:
            self.beside.complete()
        except NotFound:
            if not tried:
                raise
        meta = self.store.head(self.beside.key)
        if meta.size_bytes != sum(self.sizes.values()):
            self.is_joined = False
            raise Changed("complete", self.beside.key, "somebody else uploads to the same key")
        return meta

    def _join(self, *, create_only: bool) -> Written:
        final = self.start(self.key)
        try:
            for number, part in enumerate(self._ranges(), 1):
                if isinstance(part, bytes):
                    final.put_part(number, part)
                elif self.passing is not None:
                    final.copy_part(number, self.passing, *part)
            return final.complete(create_only=create_only)
        except BaseException:
            with suppress(StorageError):
                final.abort()
            raise

    def _ranges(self) -> Iterator[bytes | tuple[int, int]]:
        """The whole in parts of one size: bytes that are here, then ranges of the passing object."""
        first = self.first or b""
        total = self.passing.size_bytes if self.passing else 0
        unit = self._unit(len(first))
        whole = len(first) - len(first) % unit
        yield from (first[start : start + unit] for start in range(0, whole, unit))
        rest = first[whole:]
        taken = min(unit - len(rest), total) if rest else 0
        if rest or not (first or total):
            yield rest + (self._read(0, taken) if taken else b"")
        yield from ((start, min(start + unit, total)) for start in range(taken, total, unit))

    def _unit(self, first_bytes: int) -> int:
        """The size of all parts but the last. A part alone beside the first is the last one, and may be a few bytes."""
        if len(self.sizes) > 1:
            return max(self.sizes.values())
        return max(first_bytes, *self.sizes.values(), self.store.capabilities.min_part_bytes)

    def _read(self, start: int, end: int) -> bytes:
        if self.passing is None:
            return b""
        with self.store.open(self.passing.key, start=start, end=end, etag=self.passing.etag) as body:
            data = bytearray()
            while len(data) < end - start and (piece := body.read(end - start - len(data))):
                data += piece
        if len(data) < end - start:
            raise Transient("complete", self.key, "a range of its own parts ended early")
        return bytes(data)

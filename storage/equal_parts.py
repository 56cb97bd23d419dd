"""Uploads to stores that want all parts but the last to have one size (some S3-compatible ones do).

The first part of an MP4 is its head and the first media, and how large that is shows only at the end. So the parts
after the first go up as an object of their own, beside the final key; at the end the store itself copies them, in
equal ranges, behind what was held back here. No media byte goes over the network twice, but for the one range in which
the first part ends. A process that is killed in between leaves such an object `….parts` behind; it is named by nothing,
and `sweep_uploads` removes it.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from storage.base import Multipart, ObjectMeta, ObjectStore, Written, check_part_number
from storage.checksums import Buffer
from storage.errors import Changed, NotFound, StorageError, Transient
from storage.keys import ObjectKey, output_key

_log = logging.getLogger(__name__)

BESIDE = ".parts"
"""What the key of the passing object ends in."""


class CopyingUpload(Multipart, Protocol):
    """A Multipart to which the store can copy from its own objects."""

    def copy_part(self, number: int, source: ObjectMeta, start: int, end: int, /) -> None:
        """Part `number` is bytes `start` up to but without `end` of an object of the same bucket."""


StartUpload = Callable[[ObjectKey], CopyingUpload]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A part of the whole: bytes of the first part, then those of the passing object from `start` up to `end`."""

    held: memoryview
    start: int
    end: int


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
    final: CopyingUpload | None = None
    pieces_done: int = 0
    is_joined: bool = False
    is_over: bool = False
    is_dropped: bool = False

    @classmethod
    def begin(cls, store: ObjectStore, key: ObjectKey, start: StartUpload) -> "EqualParts":
        """Begin the passing object; `start` begins uploads whose parts are sent as they are."""
        return cls(store=store, key=key, start=start, beside=start(output_key(f"{key}{BESIDE}")))

    @property
    def upload_id(self) -> str:
        """That of the passing object: what an abandoned upload leaves behind."""
        return self.beside.upload_id

    @property
    def steps_done(self) -> int:
        """How far `complete` has come: it grows with each of its requests that stays done."""
        return (self.passing is not None) + (self.final is not None) + self.pieces_done

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
        self.is_over = True
        try:
            self._drop()
        except StorageError as error:
            _log.warning("it is complete, but its passing object stays until `abort` or a sweep: %s", error)
        return written

    def abort(self) -> None:
        """See Multipart. May be called again after an error, also where `complete` succeeded: then it tidies up."""
        self.is_over = True
        self._drop()

    def _drop(self) -> None:
        """Drop whatever is not the object itself; all of it is tried, also after an error."""
        if self.is_dropped:
            return
        with ExitStack() as steps:
            if self.is_joined:
                steps.callback(self.store.delete, self.beside.key)
            if self.passing is None:
                steps.callback(self.beside.abort)
            if self.final is not None:
                steps.callback(self.final.abort)
        self.is_dropped = True

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
        """Go on where an earlier try stopped."""
        if self.final is None:
            self.final = self.start(self.key)
        for piece in self._pieces()[self.pieces_done :]:
            self._send(self.final, self.pieces_done + 1, piece)
            self.pieces_done += 1
        return self.final.complete(create_only=create_only)

    def _send(self, final: CopyingUpload, number: int, piece: _Piece) -> None:
        if self.passing is not None and not piece.held:
            final.copy_part(number, self.passing, piece.start, piece.end)
        elif self.passing is not None and piece.start < piece.end:
            final.put_part(number, bytes(piece.held) + self._read(self.passing, piece.start, piece.end))
        else:
            final.put_part(number, piece.held)

    def _pieces(self) -> list[_Piece]:
        """The whole in parts of one size."""
        first = memoryview(self.first or b"")
        total = self.passing.size_bytes if self.passing else 0
        unit, size = self._unit(len(first)), len(first) + total
        return [
            _Piece(
                held=first[start : start + unit],
                start=max(start - len(first), 0),
                end=max(min(start + unit, size) - len(first), 0),
            )
            for start in range(0, max(size, 1), unit)
        ]

    def _unit(self, first_bytes: int) -> int:
        """The size of all parts but the last. A part alone beside the first is the last one, and may be a few bytes."""
        if len(self.sizes) > 1:
            return max(self.sizes.values())
        return max(first_bytes, *self.sizes.values(), self.store.capabilities.min_part_bytes)

    def _read(self, passing: ObjectMeta, start: int, end: int) -> bytes:
        with self.store.open(passing.key, start=start, end=end, etag=passing.etag) as body:
            data = bytearray()
            while len(data) < end - start and (piece := body.read(end - start - len(data))):
                data += piece
        if len(data) < end - start:
            raise Transient("complete", self.key, "a range of its own parts ended early")
        return bytes(data)

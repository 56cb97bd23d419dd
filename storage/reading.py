"""Reading that proves what it read: one version, its whole length, the store's checksum, and our own CRC-64/XZ.

A body that breaks goes on from its byte over a new connection, under the same etag; no SDK does this for us, and none
checks a plain streaming get on OSS or COS.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from storage.base import ObjectMeta, ObjectStore, OpenedObject
from storage.checksums import HASHERS, Crc64, Hasher, Proof
from storage.errors import Corrupt, StorageError, Transient
from storage.retry import Retry, Tries

_log = logging.getLogger(__name__)

READ_BYTES = 1024 * 1024
"""How much is read at a time once a connection has broken: what came before a break is kept."""

PROGRESS_BYTES = 64 * 1024
"""What a connection must have given before its failure counts as the first in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadProof:
    """What was read, and what showed it to be right: `proof` is the store's checksum that held, or only the length."""

    size_bytes: int
    crc64xz: str
    etag: str
    proof: Proof


class VerifiedReader:
    """Reads objects of a store as they were listed or headed; may be shared by threads.

    Errors: Changed (no longer the listed version), Corrupt (length or checksum does not hold), Transient (tried
    often enough), and those of `ObjectStore.open`.
    """

    def __init__(self, store: ObjectStore, *, retry: Retry | None = None) -> None:
        """`retry` bounds the failures in a row that bring less than `PROGRESS_BYTES` each."""
        self._store = store
        self._retry = retry or Retry()

    def read(self, meta: ObjectMeta) -> tuple[bytes, ReadProof]:
        """A whole object, in one piece.

        A checksum that does not hold is given a second pass over a new connection before it is Corrupt.
        """
        try:
            return self._read(meta)
        except Corrupt as error:
            if error.failed is Proof.LENGTH:
                raise
            _log.warning("read again over a new connection: %s", error)
        return self._read(meta)

    def read_range(self, meta: ObjectMeta, start: int, end: int) -> tuple[bytes, ReadProof]:
        """The bytes from `start` up to but without `end`, which lies in the object; no store proves parts of one."""
        with _Body(self._store, meta, self._retry, start=start, end=end) as body:
            return body.take(end - start), body.measure()

    def stream(self, meta: ObjectMeta, *, piece_bytes: int = READ_BYTES) -> "VerifiedStream":
        """An object in pieces of `piece_bytes`, for those too large for one buffer."""
        return VerifiedStream(self._store, meta, self._retry, piece_bytes)

    def _read(self, meta: ObjectMeta) -> tuple[bytes, ReadProof]:
        with _Body(self._store, meta, self._retry) as body:
            return body.take(meta.size_bytes), body.prove()


def read_standing(store: ObjectStore, key: str) -> bytes:
    """The object that stands under a key now, proved. Raises NotFound, and what `VerifiedReader.read` raises."""
    meta = Retry().call(lambda: store.head(key))
    return VerifiedReader(store).read(meta)[0]


class VerifiedStream:
    """The pieces of one object, once. `proof` is there after the last; Corrupt is raised in its place."""

    def __init__(self, store: ObjectStore, meta: ObjectMeta, retry: Retry, piece_bytes: int) -> None:
        """Nothing is opened before the first piece is asked for."""
        self._store = store
        self._meta = meta
        self._retry = retry
        self._piece_bytes = piece_bytes
        self._proof: ReadProof | None = None

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of `piece_bytes`; the last may be shorter."""
        with _Body(self._store, self._meta, self._retry) as body:
            for start in range(0, self._meta.size_bytes, self._piece_bytes):
                yield body.take(min(self._piece_bytes, self._meta.size_bytes - start))
            self._proof = body.prove()

    @property
    def proof(self) -> ReadProof:
        """What showed the bytes to be right; asking before the last piece was taken is an error."""
        if self._proof is None:
            raise RuntimeError(f"{self._meta.key!r} is proved only after its last piece")
        return self._proof


class _Body:
    """One version of an object, or a range of it, first byte to last, over as many connections as that takes."""

    def __init__(
        self, store: ObjectStore, meta: ObjectMeta, retry: Retry, *, start: int = 0, end: int | None = None
    ) -> None:
        self._store = store
        self._meta = meta
        self._tries = Tries(retry)
        self._connection: OpenedObject | None = None
        self._start = start
        self._end = end
        self._position = start
        self._failed_at = start
        self._has_failed = False
        self._crc = Crc64()
        self._offered: tuple[Proof, str] | None = None
        self._other_hash: Hasher | None = None

    def take(self, count: int) -> bytes:
        """The next `count` bytes: in one read, or put together where that broke."""
        pieces = []
        missing = count
        while missing:
            piece = self._read_some(min(missing, READ_BYTES) if self._has_failed else missing)
            pieces.append(piece)
            missing -= len(piece)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._crc.update(data)
        if self._other_hash is not None:
            self._other_hash.update(data)
        return data

    def prove(self) -> ReadProof:
        """Hold the bytes against what the store offered, after the last of them. Raises Corrupt."""
        connection = self._opened()
        if connection.read(1):
            raise self._corrupt(f"there are more than the {self._meta.size_bytes} bytes promised", Proof.LENGTH)
        proof, offered = self._offered or (Proof.LENGTH, "")
        computed = (self._other_hash or self._crc).hexdigest()
        if offered and computed != offered:
            raise self._corrupt(f"the {proof} of the bytes is {computed}, the store says {offered}", proof)
        return replace(self.measure(), proof=proof)

    def measure(self) -> ReadProof:
        """What was read so far, held against nothing but its length."""
        return ReadProof(
            size_bytes=self._position - self._start,
            crc64xz=self._crc.hexdigest(),
            etag=self._meta.etag,
            proof=Proof.LENGTH,
        )

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _read_some(self, count: int) -> bytes:
        """Some bytes, or none after a failure that may be tried again."""
        try:
            data = self._opened().read(count)
        except Transient as error:
            self._failed(error)
            return b""
        self._position += len(data)
        if not data:
            detail = f"the body ended after {self._position} of {self._meta.size_bytes} bytes"
            self._failed(self._corrupt(detail, Proof.LENGTH))
        return data

    def _failed(self, error: StorageError) -> None:
        """Wait before the next connection, or raise; a failure after some progress counts as the first."""
        self.close()
        self._has_failed = True
        if self._position - self._failed_at >= PROGRESS_BYTES:
            self._tries.progressed()
        self._failed_at = self._position
        self._tries.failed(error)

    def _opened(self) -> OpenedObject:
        """The connection at hand, or a new one from the byte reached, under the etag that was listed."""
        while self._connection is None:
            try:
                self._connection = self._store.open(
                    self._meta.key, start=self._position, end=self._end, etag=self._meta.etag
                )
            except Transient as error:
                self._failed(error)
            else:
                self._accept(self._connection.meta)
        return self._connection

    def _accept(self, meta: ObjectMeta) -> None:
        if meta.size_bytes != self._meta.size_bytes:
            # under one etag both cannot be true: an answer that was clipped on its way says so only once
            detail = f"it was listed with {self._meta.size_bytes} bytes and opened with {meta.size_bytes}"
            self._failed(self._corrupt(detail, Proof.LENGTH))
        elif self._position == 0:
            self._offered = meta.checksums.best() or self._meta.checksums.best()
            if self._offered is not None and self._offered[0] is not Proof.CRC64XZ:
                self._other_hash = HASHERS[self._offered[0]]()

    def _corrupt(self, detail: str, failed: Proof) -> Corrupt:
        return Corrupt("read", self._meta.key, detail, failed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()

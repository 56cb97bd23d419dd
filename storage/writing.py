"""Writing an object whose beginning is known last, in one pass and bounded memory.

An MP4 that plays while it loads has its tables in front of the media, and they are known when the media is. So the
first piece of media is held back, the others go up as parts 2, 3, …, and part 1 is the head and that first piece.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from threading import Semaphore
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from storage.base import (
    AS_BYTES,
    Multipart,
    ObjectStore,
    Served,
    Written,
)
from storage.checksums import Buffer, Proof
from storage.errors import AlreadyExists, Changed, Corrupt, NotFound, StorageError, Transient, Unsupported
from storage.expected import Expected, MeasuredPart, check_answer, hold, joined, measure
from storage.keys import ObjectKey
from storage.retry import Retry, Tries

_log = logging.getLogger(__name__)

PIECE_BYTES = 8 * 1024 * 1024
"""The unit of `parts_sha256`, and the size of a part."""
LATE_PART_PIECES = 4
"""Pieces in each part of the second half of the part numbers: 10,000 parts hold 195 GiB instead of 78."""
DROP_ATTEMPTS = 6
DROP_PATIENCE_S = 5.0
"""What is not needed any more is dropped on the way out, where an error or a user's interrupt waits to be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What was written. `parts_sha256`: SHA-256 over the raw SHA-256 digests of the head and of each piece of media.

    `proof` is CRC64XZ or CRC64NVME if the store's own checksum agreed, LENGTH if it answered with none: then
    `verify_upload` can tell.
    """

    key: ObjectKey
    size_bytes: int
    crc64xz: str
    crc64nvme: str
    parts_sha256: str
    etag: str
    proof: Proof


@runtime_checkable
class Stepwise(Protocol):
    """A Multipart whose `complete` is many requests, and goes on where it stopped when it is called again."""

    @property
    def steps_done(self) -> int:
        """Grows with each request that stays done."""


class StreamingUpload:
    """One upload, written by one thread, aborted on every exit that is not `complete`.

    Memory: the piece held back, and for each worker a part that is being filled or sent; so `workers` parts go up at
    the same time only while none is filled. Whether an object may stand under the key already is for the caller to
    know.
    """

    def __init__(
        self,
        store: ObjectStore,
        key: ObjectKey,
        *,
        piece_bytes: int = PIECE_BYTES,
        workers: int = 2,
        served: Served = AS_BYTES,
        retry: Retry | None = None,
    ) -> None:
        """Nothing is sent before the second piece is full."""
        self._store = store
        self._key = key
        self._piece_bytes = piece_bytes
        self._workers = workers
        self._served = served
        self._retry = retry or Retry()
        self._first: bytearray | None = None
        self._filling = bytearray()
        self._multipart: Multipart | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._free = Semaphore(workers)
        self._running: deque[tuple[int, Future[MeasuredPart]]] = deque()
        self._parts: dict[int, MeasuredPart] = {}
        self._next_number = 2
        self._is_over = False
        self._expected: Expected | None = None

    def write(self, data: Buffer) -> None:
        """Append media. Blocks while all workers are busy; raises, and aborts, what a worker met before."""
        self._check_open("write")
        rest = memoryview(data).cast("B")
        with self._aborting():
            while rest:
                self._make_room()
                room = self._filling_bytes() - len(self._filling)
                self._filling += rest[:room]
                rest = rest[room:]
                if len(self._filling) == self._filling_bytes():
                    self._take_filled()

    def complete(self, head: Buffer, *, create_only: bool = False) -> Uploaded:
        """Put the head in front and publish the object: a plain put if the media fits in one piece.

        Raises AlreadyExists with `create_only` and a key that is taken; Corrupt if the store says that it holds
        something else than what was sent (the object stands there then: do not point anybody at it).
        """
        self._check_open("complete")
        with self._aborting():
            if self._first is None:
                self._take_filled()
            expected, written = self._put(head, create_only) if self._fits_one_put() else self._join(head, create_only)
            proof = check_answer(written, expected)
        self._end()
        self._drop_parts()
        return self._uploaded(expected, written, proof)

    def equal_standing(self) -> Uploaded | None:
        """After AlreadyExists: the object that stands under the key, if it has exactly the bytes that were sent."""
        expected = self._expected
        standing = self._landed(expected) if expected is not None else None
        if expected is None or standing is None:
            return None
        return self._uploaded(expected, standing, Proof.CRC64XZ)

    def abort(self) -> None:
        """Stop the workers and drop the parts; harmless when the upload is over."""
        if self._is_over:
            return
        self._end()
        self._drop_parts()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Abort unless complete."""
        self.abort()

    def _uploaded(self, expected: Expected, written: Written, proof: Proof) -> Uploaded:
        return Uploaded(
            key=self._key,
            size_bytes=expected.size_bytes,
            crc64xz=expected.crc64xz,
            crc64nvme=expected.crc64nvme,
            parts_sha256=expected.parts_sha256,
            etag=written.etag,
            proof=proof,
        )

    @contextmanager
    def _aborting(self) -> Iterator[None]:
        """Abort when the block ends with any exception, the interrupt of a user included."""
        try:
            yield
        except BaseException:
            self.abort()
            raise

    def _check_open(self, operation: str) -> None:
        if self._is_over:
            raise StorageError(operation, self._key, "the upload is over")

    def _end(self) -> None:
        self._is_over = True
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
        self._first, self._filling = None, bytearray()

    def _drop_parts(self) -> None:
        """Drop what the store still has of the upload, beside the object; it is tried for seconds, not minutes."""
        if self._multipart is not None:
            attempts = min(self._retry.attempts, DROP_ATTEMPTS)
            patience_s = min(self._retry.patience_s, DROP_PATIENCE_S)
            try:
                replace(self._retry, attempts=attempts, patience_s=patience_s).call(self._multipart.abort)
            except StorageError as error:
                _log.warning("something of an upload was left behind, `sweep_uploads` removes it: %s", error)

    def _filling_bytes(self) -> int:
        """How large the part that is being filled gets."""
        needs = self._store.capabilities
        late = self._next_number > needs.max_parts // 2 and not needs.equal_parts
        return self._piece_bytes * (LATE_PART_PIECES if late else 1)

    def _make_room(self) -> None:
        """Wait until memory for the next part is free; the piece that is held back has its own."""
        if self._first is not None and not self._filling:
            self._free.acquire()
            self._take_finished()

    def _take_filled(self) -> None:
        filled, self._filling = self._filling, bytearray()
        if self._first is None:
            self._first = filled
        else:
            self._send(self._next_number, filled, head_bytes=None)
            self._next_number += 1

    def _fits_one_put(self) -> bool:
        return self._multipart is None and not self._filling

    def _put(self, head: Buffer, create_only: bool) -> tuple[Expected, Written]:
        whole = self._with_head(head)
        expected = joined([measure(whole, len(head), self._piece_bytes)])

        def put() -> Written:
            return self._store.put(self._key, whole, create_only=create_only, served=self._served)

        return expected, self._publish(put, expected, create_only=create_only)

    def _join(self, head: Buffer, create_only: bool) -> tuple[Expected, Written]:
        if self._filling:
            self._take_filled()
        self._free.acquire()
        self._send(1, self._with_head(head), head_bytes=len(head))
        multipart = self._collect()
        expected = joined([self._parts[number] for number in sorted(self._parts)])

        def complete() -> Written:
            return multipart.complete(create_only=create_only)

        return expected, self._publish(complete, expected, create_only=create_only)

    def _with_head(self, head: Buffer) -> bytearray:
        whole = bytearray(head)
        whole += self._first or b""
        self._first = None
        return whole

    def _send(self, number: int, data: bytearray, *, head_bytes: int | None) -> None:
        """Give a part to a worker; its memory was accounted for when it was begun."""
        multipart, pool = self._started()
        if number > self._store.capabilities.max_parts:
            detail = f"it is too large: it would need more than {self._store.capabilities.max_parts} parts"
            raise Unsupported("write", self._key, detail)
        self._running.append((number, pool.submit(self._put_part, multipart, number, data, head_bytes)))

    def _started(self) -> tuple[Multipart, ThreadPoolExecutor]:
        if self._multipart is None or self._pool is None:
            needs = self._store.capabilities
            if needs.min_part_bytes > self._piece_bytes:
                raise Unsupported("write", self._key, f"the store takes no parts of {self._piece_bytes} bytes and more")
            self._multipart = self._retry.call(lambda: self._store.start_multipart(self._key, served=self._served))
            self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="upload")
        return self._multipart, self._pool

    def _put_part(self, multipart: Multipart, number: int, data: bytearray, head_bytes: int | None) -> MeasuredPart:
        def put() -> None:
            self._check_open("put_part")  # who aborts waits for this thread, and not for all its tries
            multipart.put_part(number, data)

        try:
            self._retry.call(put)
            return measure(data, head_bytes, self._piece_bytes)
        finally:
            self._free.release()

    def _take_finished(self) -> None:
        """Keep what finished parts were; raise what a worker met."""
        while self._running and self._running[0][1].done():
            number, part = self._running.popleft()
            self._parts[number] = part.result()

    def _collect(self) -> Multipart:
        """Wait for all parts."""
        while self._running:
            number, part = self._running.popleft()
            self._parts[number] = part.result()
        return self._started()[0]

    def _publish(self, publish: Callable[[], Written], expected: Expected, *, create_only: bool) -> Written:
        """The one step that makes the object visible; an answer may get lost although the store did it."""
        self._expected = expected
        tries, steps_done = Tries(self._retry), 0
        while True:
            try:
                return publish()
            except Transient as error:
                before, steps_done = steps_done, self._steps_done()
                if steps_done > before:
                    tries.progressed()
                tries.failed(error)
            except (AlreadyExists, NotFound) as error:
                landed = self._landed(expected) if tries.failures else None
                if landed is None:
                    if create_only and tries.failures and isinstance(error, NotFound):
                        self._require_free()
                    raise
                self._drop_parts()
                return landed

    def _steps_done(self) -> int:
        return self._multipart.steps_done if isinstance(self._multipart, Stepwise) else 0

    def _require_free(self) -> None:
        """Raise AlreadyExists if an object stands under the key: S3 ends an upload that lost against another one."""
        with suppress(NotFound):
            self._retry.call(lambda: self._store.head(self._key))
            raise AlreadyExists("complete", self._key, "the key was taken meanwhile, and the upload is over")

    def _landed(self, expected: Expected) -> Written | None:
        """The object under the key, if an earlier try of ours put it there."""
        with suppress(NotFound, Changed, Corrupt):
            meta = self._retry.call(lambda: self._store.head(self._key))
            hold(self._store, meta, expected, self._retry)
            return meta
        return None


def put_proved(
    store: ObjectStore,
    key: ObjectKey,
    data: Buffer,
    *,
    create_only: bool = False,
    served: Served = AS_BYTES,
    retry: Retry | None = None,
) -> Uploaded:
    """Write a small object whole, and make sure that the store holds it.

    Raises AlreadyExists with `create_only` and a key that is taken by other bytes, and what `verify_upload` raises.
    """
    with StreamingUpload(store, key, served=served, retry=retry) as upload:
        try:
            uploaded = upload.complete(data, create_only=create_only)
        except AlreadyExists:
            standing = upload.equal_standing()
            if standing is None:
                raise
            return standing
    verify_upload(store, uploaded, retry=retry)
    return uploaded


def verify_upload(store: ObjectStore, uploaded: Uploaded, *, retry: Retry | None = None) -> None:
    """Make sure that the store holds what was sent: asks only where its answer to the upload held no checksum.

    Then its checksum of the object decides, or, where it has none, reading the object back. Raises Corrupt, Changed
    (another version stands there) or NotFound.
    """
    if uploaded.proof is not Proof.LENGTH:
        return
    policy = retry or Retry()
    meta = policy.call(lambda: store.head(uploaded.key))
    if meta.etag != uploaded.etag:
        raise Changed("verify_upload", uploaded.key, f"the etag is {meta.etag}, not {uploaded.etag}")
    hold(store, meta, Expected(uploaded.size_bytes, uploaded.crc64xz, uploaded.crc64nvme), policy)

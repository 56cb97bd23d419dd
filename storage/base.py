"""What every store promises. `memory.py` is the reference; `tests/conformance` holds all of them to it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from storage.checksums import Buffer, Checksums
from storage.errors import BadRange, Changed
from storage.keys import ObjectKey

MAX_PART_NUMBER = 10_000
"""The last part number that S3, OSS and COS take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How an object is handed to browsers: its Content-Type, and its Cache-Control if it has one."""

    content_type: str = "application/octet-stream"
    cache_control: str | None = None


AS_BYTES = Served()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a store answers for an object that it has just taken.

    `etag` is an opaque version token, never a hash: send it back as it came. `checksums` are those of the whole
    object, as the store computed them. `size_bytes` is what was sent where the answer does not say.
    """

    key: str
    size_bytes: int
    etag: str
    checksums: Checksums = field(default_factory=Checksums)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMeta(Written):
    """One version of one object, as listed, headed or opened.

    `last_modified` is aware, in UTC, and exact to the second only. A listing may leave out checksums that an open
    gives.
    """

    last_modified: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingUpload:
    """A multipart upload (or a put that was cut off) that was neither completed nor aborted."""

    key: str
    upload_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What cannot be made equal among stores.

    `min_part_bytes` holds for every part but the last. `equal_parts`: all parts but the first and the last must have
    one size. `tells_versions`: every write gives a new etag, also of equal bytes; where it is an MD5, it does not.
    `atomic_create`: of many who write one key with create_only, exactly one succeeds. `presigns`: `presign_get` works.
    """

    min_part_bytes: int = 1
    max_parts: int = MAX_PART_NUMBER
    equal_parts: bool = False
    tells_versions: bool = True
    atomic_create: bool = True
    presigns: bool = False


class OpenedObject(Protocol):
    """The body of one version of an object, from one connection; `meta` speaks of the whole object, not of the range.

    Reads raise Transient when the connection breaks. A body may also just end early: count the bytes.
    """

    @property
    def meta(self) -> ObjectMeta:
        """The whole object's size, etag and checksums."""

    def read(self, size_bytes: int, /) -> bytes:
        """The next bytes, at most `size_bytes` and as many as there are at once; b'' at the end."""

    def close(self) -> None:
        """Give the connection back; again is harmless."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close."""


class Multipart(Protocol):
    """An upload in parts. Nothing is seen under the key before `complete`; after an error only `abort` is left."""

    @property
    def key(self) -> ObjectKey:
        """Where the object will stand."""

    @property
    def upload_id(self) -> str:
        """What `abort_upload` asks for."""

    def put_part(self, number: int, data: Buffer, /) -> None:
        """Upload part `number` (1 to 10,000); in any order, from any thread, the same number again replaces it."""

    def complete(self, *, create_only: bool = False) -> Written:
        """Join the parts by number into the object, wholly or not at all.

        Raises AlreadyExists with `create_only` and a key that is taken.
        """

    def abort(self) -> None:
        """Drop the parts; harmless when the upload is over."""


class ObjectStore(Protocol):
    """Objects in one bucket (or one folder of it).

    - No reader ever sees half an object: a put and a complete appear wholly or not at all, also to who lists.
    - A body that was opened is of one version, whatever is written meanwhile.
    - What was written is seen by the next call.
    - Keys come back exactly as listed; those written follow `keys.output_key`, or InvalidKey is raised.
    - A key that no object of this store can have is NotFound or InvalidKey for who reads.
    - One call, one attempt: errors are those of `errors.py`, and whoever calls decides on another try.
    - All methods may be called from many threads.
    """

    @property
    def url(self) -> str:
        """Where it is, without credentials; `opening.open_store` understands it."""

    @property
    def capabilities(self) -> Capabilities:
        """What this store can and needs."""

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """The objects whose keys begin with `prefix` (any text), sorted by the UTF-8 bytes of the key.

        With `after`, only those whose keys sort after it (that key need not exist): a listing that broke goes on so.
        Paged inside. A prefix without objects gives nothing; a bucket that does not exist is NotFound, at the latest
        with the first item.
        """

    def head(self, key: str) -> ObjectMeta:
        """What `open` would say, without the bytes. Raises NotFound."""

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> OpenedObject:
        """The bytes from `start` up to but without `end`, which may lie past the object's end.

        Raises NotFound; Archived; Changed unless the object still has `etag`; BadRange unless `start` lies inside the
        object (0 of an empty one does) and before `end`.
        """

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> Written:
        """Write a whole object, over an older one unless `create_only`: then AlreadyExists."""

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """Begin an upload in parts."""

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """Uploads to keys that begin with `prefix` and are neither completed nor aborted: running or abandoned."""

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload that somebody left behind; harmless when it is gone."""

    def copy(self, source: str, target: ObjectKey) -> Written:
        """Copy inside the store, over an older object. Raises NotFound."""

    def delete(self, key: str) -> None:
        """Remove an object; harmless when it is gone."""

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        """A URL at which anybody may read the object for `seconds`, saved as `filename`. Raises Unsupported."""


def check_etag(meta: ObjectMeta, etag: str | None) -> None:
    """Raise Changed unless the object still has the `etag` that `open` was asked for."""
    if etag is not None and etag != meta.etag:
        raise Changed("open", meta.key, f"the etag is {meta.etag}, not {etag}")


def clip_range(meta: ObjectMeta, start: int, end: int | None) -> tuple[int, int]:
    """The range as `open` promises it: inside the object, or BadRange."""
    stop = meta.size_bytes if end is None else min(end, meta.size_bytes)
    whole_empty = start == stop == meta.size_bytes == 0 and end is None
    if not (0 <= start < stop or whole_empty):
        wanted = f"bytes {start} to {'the end' if end is None else end} of {meta.size_bytes}"
        raise BadRange("open", meta.key, f"{wanted} do not exist")
    return start, stop


def check_part_number(operation: str, key: str, number: int) -> None:
    """Raise BadRange unless `number` is one that every store takes."""
    if not 1 <= number <= MAX_PART_NUMBER:
        raise BadRange(operation, key, f"part {number} is not between 1 and {MAX_PART_NUMBER}")

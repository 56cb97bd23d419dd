"""Movies: what clips are cut from, of which only the head and the needed bytes are read."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Protocol

from catalog.certificate import CutFrom
from catalog.export_request import Origin
from flows.steps.unmade import UnmakeableError
from media.cut import Copied, Inserted
from media.mp4.boxes import Mp4Error
from media.mp4.index import Mp4Index, head_bytes, read_index
from media.samples import Buffer
from storage.base import ObjectMeta, ObjectStore
from storage.checksums import Proof
from storage.errors import Corrupt, NotFound
from storage.reading import VerifiedReader
from storage.retry import Retry

_BEGINNING_BYTES: Final = 64 << 10
"""The whole head of a short file, and enough to see how long that of any other is."""
_BLOCK_BYTES: Final = 4 << 20
_AHEAD: Final = 2
"""Blocks that are read while one is written."""

Write = Callable[[Buffer], object]


class SourceGoneError(UnmakeableError):
    """What a clip is to be cut from is not there any more, or is another object; the message says what to do."""


class Movie(Protocol):
    """An MP4, wherever its bytes come from."""

    @property
    def index(self) -> Mp4Index:
        """Its samples."""

    def send(self, pieces: Sequence[Copied | Inserted], write: Write, /) -> None:
        """Give the bytes of the pieces, in their order, to `write`."""

    @property
    def cut_from(self) -> tuple[CutFrom, ...]:
        """Which objects were read for what was sent, and how much of each."""


class PublishedMovie:
    """An output in the archive: its head is read at once, its media in ranges, all of one version."""

    def __init__(self, store: ObjectStore, origin: Origin) -> None:
        """Raises `SourceGoneError`, and what reading raises."""
        self._reader = VerifiedReader(store)
        self._origin = origin
        self._meta, self._proof = _standing(store, origin)
        self._read_bytes = 0
        self._index = self._read_index()

    @property
    def index(self) -> Mp4Index:
        """See Movie."""
        return self._index

    def send(self, pieces: Sequence[Copied | Inserted], write: Write, /) -> None:
        """See Movie."""
        with ThreadPoolExecutor(_AHEAD, thread_name_prefix="cut") as pool:
            try:
                for data in self._ahead(pieces, pool):
                    write(data)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    @property
    def cut_from(self) -> tuple[CutFrom, ...]:
        """See Movie."""
        return (
            CutFrom(
                key=self._origin.key,
                size_bytes=self._origin.size_bytes,
                etag=self._meta.etag,
                crc64xz=self._origin.crc64xz,
                parts_sha256=self._origin.parts_sha256,
                proof=self._proof.value,
                read_bytes=self._read_bytes,
            ),
        )

    def _ahead(self, pieces: Sequence[Copied | Inserted], pool: ThreadPoolExecutor) -> Iterator[bytes]:
        coming: deque[Future[bytes]] = deque()
        for block in _blocks(pieces):
            if len(coming) > _AHEAD:
                yield coming.popleft().result()
            if isinstance(block, Copied):
                self._read_bytes += block.end - block.start
            coming.append(pool.submit(self._block, block))
        while coming:
            yield coming.popleft().result()

    def _block(self, block: Copied | Inserted) -> bytes:
        return block.data if isinstance(block, Inserted) else self._range(block.start, block.end)

    def _range(self, start: int, end: int) -> bytes:
        return self._reader.read_range(self._meta, start, end)[0]

    def _read_index(self) -> Mp4Index:
        size = self._meta.size_bytes
        try:
            head = self._range(0, min(_BEGINNING_BYTES, size))
            length = min(head_bytes(head), size)
            if length > len(head):
                head += self._range(len(head), length)
            self._read_bytes += len(head)
            return read_index(head[:length], size - length)
        except Mp4Error as error:
            message = f"{self._origin.key} is no MP4 of ours any more: {error}. `aftertake retry` its recording."
            raise SourceGoneError(message) from error


def _standing(store: ObjectStore, origin: Origin) -> tuple[ObjectMeta, Proof]:
    """The object under the key, and what shows that it is the one that was published."""
    try:
        meta = Retry().call(lambda: store.head(origin.key))
    except NotFound as error:
        message = f"{origin.key} is not in the archive any more: another revision has replaced it. Ask again."
        raise SourceGoneError(message) from error
    if meta.size_bytes != origin.size_bytes:
        detail = f"it was published with {origin.size_bytes} bytes and has {meta.size_bytes}"
        raise Corrupt("head", origin.key, detail, Proof.LENGTH)
    if meta.checksums.crc64xz is None:
        return meta, Proof.LENGTH
    if meta.checksums.crc64xz != origin.crc64xz:
        detail = f"it was published with the crc64xz {origin.crc64xz} and has {meta.checksums.crc64xz}"
        raise Corrupt("head", origin.key, detail, Proof.CRC64XZ)
    return meta, Proof.CRC64XZ


def _blocks(pieces: Sequence[Copied | Inserted]) -> Iterator[Copied | Inserted]:
    for piece in pieces:
        if isinstance(piece, Inserted):
            yield piece
            continue
        for start in range(piece.start, piece.end, _BLOCK_BYTES):
            yield Copied(start=start, end=min(start + _BLOCK_BYTES, piece.end))

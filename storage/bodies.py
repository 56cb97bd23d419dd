"""Bodies that go to a cloud and come from it."""

import io
from types import TracebackType
from typing import TYPE_CHECKING, Self

import urllib3

from storage.answers import broken
from storage.base import ObjectMeta
from storage.checksums import Buffer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BROKEN = (urllib3.exceptions.HTTPError, OSError)
"""What urllib3 raises when a connection fails."""


class CloudBody:
    """An OpenedObject over one answer. Whatever breaks while it is read is Transient."""

    __slots__ = ("_answer", "meta")

    def __init__(self, meta: ObjectMeta, answer: urllib3.BaseHTTPResponse) -> None:
        """Takes over the answer, whose body is unread; read to its end, it gives its connection back by itself."""
        self.meta = meta
        self._answer = answer

    def read(self, size_bytes: int, /) -> bytes:
        """See OpenedObject."""
        try:
            return self._answer.read(size_bytes)
        except BROKEN as error:
            raise broken("read", self.meta.key, error) from error

    def close(self) -> None:
        """See OpenedObject."""
        self._answer.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close."""
        self.close()


def plain(data: Buffer) -> bytes | bytearray:
    """What requests takes as it is: it would send a view in pieces of one byte."""
    return bytes(data) if isinstance(data, memoryview) else data


class Readable(io.RawIOBase):
    """A buffer as a file: botocore would make a copy of anything else."""

    def __init__(self, data: Buffer) -> None:
        self._view = memoryview(data).cast("B")
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """See io.RawIOBase."""
        target = memoryview(buffer).cast("B")
        count = max(min(len(target), len(self._view) - self._position), 0)
        target[:count] = self._view[self._position : self._position + count]
        self._position += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See io.RawIOBase."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._view)}[whence]
        self._position = begin + offset
        return self._position

    def tell(self) -> int:
        """See io.RawIOBase."""
        return self._position

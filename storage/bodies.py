"""Bodies that go to a cloud and come from it."""

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from storage.answers import broken
from storage.base import AS_BYTES, ObjectMeta, Served
from storage.checksums import Buffer, Checksums, crc64_text, crc64xz
from storage.errors import Transient

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MD5 = re.compile(r"[0-9a-fA-F]{32}")


class RawBody(Protocol):
    """What urllib3 and the SDKs' streams have in common."""

    def read(self, size_bytes: int, /) -> bytes:
        """The next bytes; b'' at the end."""

    def close(self) -> None:
        """Close the connection, or give it back if the body was read to its end."""


class CloudBody:
    """An OpenedObject over one answer. Whatever breaks while it is read is Transient."""

    __slots__ = ("_errors", "_raw", "meta")

    def __init__(self, meta: ObjectMeta, raw: RawBody, errors: tuple[type[BaseException], ...]) -> None:
        """`errors` are those of the HTTP library below."""
        self.meta = meta
        self._raw = raw
        self._errors = errors

    def read(self, size_bytes: int, /) -> bytes:
        """See OpenedObject."""
        try:
            return self._raw.read(size_bytes)
        except self._errors as error:
            raise broken("read", self.meta.key, error) from error

    def close(self) -> None:
        """See OpenedObject."""
        self._raw.close()

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


@contextmanager
def closed_on_error(raw: RawBody) -> Iterator[None]:
    """Close the connection of an answer that turns out to be none that can be used."""
    try:
        yield
    except BaseException:
        raw.close()
        raise


def bare_etag(header: str | None) -> str:
    """An ETag without its quotes. Raises ValueError for none or a weak one, which tell no version from another."""
    etag = (header or "").strip('"')
    if not etag or etag.startswith("W/"):
        raise ValueError("there is no strong ETag")
    return etag


def is_md5(etag: str) -> bool:
    """Whether an ETag looks like the MD5 of a plain put; those of multipart uploads end in `-N`."""
    return _MD5.fullmatch(etag) is not None


def crc64ecma(headers: Mapping[str, str], vendor: str, *, md5: str | None = None) -> Checksums:
    """What OSS (`vendor` oss) or COS (cos) say of an object; "crc64ecma" is their name for CRC-64/XZ, in decimal."""
    value = headers.get(f"x-{vendor}-hash-crc64ecma")
    return Checksums(crc64xz=crc64_text(int(value)) if value else None, md5=md5)


def require_arrived(key: str, data: Buffer, answered: Checksums) -> None:
    """Raise Transient if the store's checksum of a part is not that of `data`, which can be sent again."""
    if answered.crc64xz not in {None, crc64_text(crc64xz(data))}:
        raise Transient("put_part", key, "the part was damaged on its way")


def http_time(text: str) -> datetime:
    """A time of a header (RFC 9110 §5.6.7), in UTC."""
    return parsedate_to_datetime(text).astimezone(UTC)


def boto_headers(served: Served) -> dict[str, str]:
    """The parameters of boto3 and of COS's SDK, which has taken over their names."""
    cached = {"CacheControl": served.cache_control} if served.cache_control else {}
    return {"ContentType": served.content_type, **cached}


def served_by(headers: Mapping[str, str]) -> Served:
    """How an object is handed to browsers; `headers` answer to names in lower case."""
    return Served(
        content_type=headers.get("content-type", AS_BYTES.content_type), cache_control=headers.get("cache-control")
    )

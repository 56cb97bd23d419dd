"""What headers of the clouds say, read and written."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from storage.base import AS_BYTES, Served
from storage.checksums import Buffer, Checksums, crc64_text, crc64xz
from storage.errors import Transient

_MD5 = re.compile(r"[0-9a-fA-F]{32}")


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

"""Listings of keys: one walk over the sorted keys, written as version 1 or version 2 of each store."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field

from deployments.sandbox.clouds.buckets import StoredObject
from deployments.sandbox.clouds.dialects import xml
from deployments.sandbox.clouds.dialects.base import Call
from deployments.sandbox.clouds.dialects.copying import iso
from deployments.sandbox.clouds.dialects.objects import XML
from deployments.sandbox.clouds.messages import Answer, Refusal

LAST = "\U0010ffff"


@dataclass(slots=True)
class Page:
    """Objects and common prefixes, at most as many as were asked for, and the last of them where there are more."""

    items: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    last: str = ""
    truncated: bool = False

    @property
    def count(self) -> int:
        """How many of both."""
        return len(self.items) + len(self.prefixes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a listing asks for; `after` may be a key or a common prefix."""

    prefix: str
    delimiter: str
    after: str
    limit: int


def walk(call: Call, wanted: Wanted) -> Page:
    """The page behind `after`."""
    page, after = Page(), wanted.after
    inclusive = after != wanted.prefix and after.startswith(wanted.prefix) and _ends_group(after, wanted.delimiter)
    if inclusive:
        after += LAST
    skip: str | None = after
    while skip is not None and wanted.limit > 0:
        with call.bucket.locked():
            found = call.bucket.scan(after=skip, inclusive=inclusive, prefix=wanted.prefix)
            skip = _fill(page, wanted, (item for item in found if item.key not in call.hidden))
        inclusive = True
    page.truncated |= call.repeats
    return page


def _ends_group(after: str, delimiter: str) -> bool:
    return bool(delimiter) and after.endswith(delimiter)


def _fill(page: Page, wanted: Wanted, found: Iterable[StoredObject]) -> str | None:
    """Add to the page; where to go on behind a common prefix, None at the end."""
    for item in found:
        if page.count >= wanted.limit:
            page.truncated = True
            return None
        end = item.key.find(wanted.delimiter, len(wanted.prefix)) if wanted.delimiter else -1
        if end >= 0:
            page.last = item.key[: end + len(wanted.delimiter)]
            page.prefixes.append(page.last)
            return page.last + LAST
        page.items.append(item)
        page.last = item.key
    return None


def version_1(call: Call) -> Answer:
    """S3 ListObjects, OSS GetBucket, COS GetBucket: paged by marker."""
    query, shown = call.request.query, call.dialect.shown(call)
    prefix, delimiter, marker = query.get("prefix", ""), query.get("delimiter", ""), query.get("marker", "")
    after = "" if call.repeats else marker
    limit = call.dialect.page_size(query.get("max-keys", ""))
    page = walk(call, Wanted(prefix=prefix, delimiter=delimiter, after=after, limit=limit))
    tells_next = page.truncated and (delimiter or call.dialect.tells_marker)
    pieces = xml.elements(
        Name=call.bucket.name,
        Prefix=shown(prefix),
        Marker=shown(marker),
        MaxKeys=limit,
        Delimiter=shown(delimiter) if delimiter else None,
        EncodingType="url" if query.get("encoding-type") == "url" else None,
        IsTruncated=str(page.truncated).lower(),
        NextMarker=shown(page.last) if tells_next else None,
    )
    return _answer(call, pieces, page)


def version_2(call: Call) -> Answer:
    """S3 and OSS ListObjectsV2: paged by an opaque token."""
    query, shown = call.request.query, call.dialect.shown(call)
    prefix, delimiter, start = query.get("prefix", ""), query.get("delimiter", ""), query.get("start-after", "")
    token = query.get("continuation-token", "")
    limit = call.dialect.page_size(query.get("max-keys", ""))
    after = start if call.repeats else _from_token(token) or start
    page = walk(call, Wanted(prefix=prefix, delimiter=delimiter, after=after, limit=limit))
    pieces = xml.elements(
        Name=call.bucket.name,
        Prefix=shown(prefix),
        StartAfter=shown(start) if start else None,
        ContinuationToken=token or None,
        MaxKeys=limit,
        Delimiter=shown(delimiter) if delimiter else None,
        EncodingType="url" if query.get("encoding-type") == "url" else None,
        IsTruncated=str(page.truncated).lower(),
        NextContinuationToken=_to_token(page.last) if page.truncated else None,
        KeyCount=page.count,
    )
    return _answer(call, pieces, page)


def _to_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        raise Refusal(400, "InvalidArgument", "The continuation token provided is incorrect") from None


def _answer(call: Call, pieces: str, page: Page) -> Answer:
    shown = call.dialect.shown(call)
    sized = [(item, len(item.body)) for item in page.items]
    sized += [(_not_there(call, key), size) for key, size in call.foreign]
    contents = "".join(_content(call, item, size) for item, size in sized)
    groups = "".join(f"<CommonPrefixes>{xml.element('Prefix', shown(one))}</CommonPrefixes>" for one in page.prefixes)
    body = xml.document("ListBucketResult", pieces, contents, groups, xmlns=call.dialect.xmlns)
    return Answer(headers=dict(XML), body=body)


def _content(call: Call, item: StoredObject, size: int) -> str:
    shown, dialect = call.dialect.shown(call), call.dialect
    return (
        f"<Contents><Key>{xml.escaped(shown(item.key))}</Key><LastModified>{iso(item)}</LastModified>"
        f"<ETag>{xml.escaped(dialect.etag(item.etag))}</ETag><Size>{size}</Size>{dialect.listed(item)}</Contents>"
    )


def _not_there(call: Call, key: str) -> StoredObject:
    return StoredObject(key=key, body=b"", etag="0" * 32, last_modified=call.now)

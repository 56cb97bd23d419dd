"""Whole objects: put, get, head, delete."""

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from deployments.sandbox.clouds.buckets import StoredObject
from deployments.sandbox.clouds.checksums import check_content_md5, md5
from deployments.sandbox.clouds.dialects import xml
from deployments.sandbox.clouds.dialects.base import STORED_HEADERS, Call
from deployments.sandbox.clouds.messages import Answer, Refusal, whole_number

XML = {"Content-Type": "application/xml"}
_OVERRIDES = {f"response-{name}": name.title() for name in STORED_HEADERS}


def put(call: Call) -> Answer:
    """Write a whole object."""
    body, trailers = call.dialect.payload(call)
    digest = check_content_md5(call.request.header("content-md5"), body, mismatch=call.dialect.md5_mismatch)
    item = StoredObject(
        key=call.key,
        body=bytes(body),
        etag=digest.hex(),
        last_modified=call.now,
        headers=kept_headers(call),
        storage_class=call.dialect.storage_class(call.header("storage-class") or "STANDARD"),
    )
    kept = write(call, call.dialect.sealed(call, item, trailers))
    return Answer(
        headers={"ETag": call.dialect.etag(kept.etag), **call.dialect.written(kept), **version_header(call, kept)}
    )


def place(call: Call, item: StoredObject) -> StoredObject:
    """Keep an object past all conditions, with the etag and checksums that a put would have given it."""
    plain = replace(item, etag=md5(item.body).hex(), checksum=None, crc64=None, multipart=False)
    return call.bucket.write(call.dialect.sealed(call, plain, {}))


def kept_headers(call: Call) -> dict[str, str]:
    """The headers of a request that are given back with the object."""
    meta = f"{call.dialect.prefix}meta-"
    headers = {n: v for n, v in call.request.headers.items() if n in STORED_HEADERS or n.startswith(meta)}
    encodings = [piece.strip() for piece in headers.pop("content-encoding", "").split(",")]
    encoding = ", ".join(piece for piece in encodings if piece not in {"", "aws-chunked"})
    if encoding:
        headers["content-encoding"] = encoding
    headers.setdefault("content-type", call.dialect.default_content_type)
    return headers


def write(call: Call, item: StoredObject) -> StoredObject:
    """Keep the object unless a condition of the request says no: looked at and done in one moment."""
    with call.bucket.locked():
        call.dialect.check_write(call, call.bucket.find(call.key))
        return call.bucket.write(item)


def version_header(call: Call, item: StoredObject) -> dict[str, str]:
    """Which version it is, where the bucket keeps them."""
    return {f"{call.dialect.prefix}version-id": item.version_id} if item.version_id else {}


def get(call: Call) -> Answer:
    """The object or a range of it."""
    item = call.stored()
    refuse_archived(item)
    return _read(call, item, memoryview(item.body))


def head(call: Call) -> Answer:
    """What `get` would say, without the bytes."""
    answer = _read(call, call.stored(), memoryview(call.stored().body))
    answer.length, answer.body = len(answer.body), b""
    return answer


def refuse_archived(item: StoredObject) -> None:
    """An archived object must be restored before its bytes can be had."""
    if item.archived:
        details = {"StorageClass": item.storage_class}
        message = "The operation is not valid for the object's storage class"
        raise Refusal(403, "InvalidObjectState", message, details=details)


def _read(call: Call, item: StoredObject, body: memoryview) -> Answer:
    base = {"ETag": call.dialect.etag(item.etag), "Last-Modified": http_date(item.last_modified)}
    if _not_modified(call, item):
        return Answer(status=304, headers=base)
    chosen = _range(call, len(body))
    whole = chosen is None
    headers = {
        **base,
        "Accept-Ranges": "bytes",
        **{_titled(name): value for name, value in item.headers.items()},
        **call.dialect.described(item),
        **call.dialect.integrity(call, item, whole=whole),
        **version_header(call, item),
        **_overrides(call),
    }
    if chosen is None:
        return Answer(headers=headers, body=body)
    first, last = chosen
    headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    return Answer(status=206, headers=headers, body=body[first : last + 1])


def _titled(name: str) -> str:
    return name if name.startswith("x-") else name.title()


def http_date(time: datetime) -> str:
    """RFC 9110 §5.6.7."""
    return format_datetime(time.astimezone(UTC), usegmt=True)


def _overrides(call: Call) -> dict[str, str]:
    wanted = {header: call.request.query[name] for name, header in _OVERRIDES.items() if name in call.request.query}
    if wanted and not call.account.key_id:
        message = "Request specific response headers cannot be used for anonymous GET requests."
        raise Refusal(400, "InvalidRequest", message)
    return {name: "".join(value.splitlines()) for name, value in wanted.items()}


def _not_modified(call: Call, item: StoredObject) -> bool:
    """Whether to answer 304; Refusal 412 where a condition does not hold (RFC 9110 §13.2.2)."""
    request = call.request
    if "if-match" in request.headers:
        if not matches(request.header("if-match"), item.etag):
            raise precondition_failed("If-Match")
    elif "if-unmodified-since" in request.headers and _newer(item, request.header("if-unmodified-since")):
        raise precondition_failed("If-Unmodified-Since")
    if "if-none-match" in request.headers:
        return matches(request.header("if-none-match"), item.etag)
    since = request.header("if-modified-since")
    return bool(since) and not _newer(item, since)


def matches(condition: str, etag: str) -> bool:
    """Whether the list of etags, or `*`, has this one; quotes and case do not matter, as clients drop them."""
    given = {piece.strip().removeprefix("W/").strip('"').lower() for piece in condition.split(",")}
    return "*" in given or etag in given


def _newer(item: StoredObject, text: str) -> bool:
    try:
        return item.last_modified.replace(microsecond=0) > parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return True


def precondition_failed(condition: str) -> Refusal:
    """412, with the name of what did not hold."""
    message = "At least one of the pre-conditions you specified did not hold"
    return Refusal(412, "PreconditionFailed", message, details={"Condition": condition})


def _range(call: Call, size: int) -> tuple[int, int] | None:
    """First and last byte; None for the whole object, also where the header is none that RFC 9110 §14.2 knows."""
    unit, _, text = call.request.header("range").partition("=")
    begin, dash, end = (piece.strip() for piece in text.partition("-"))
    first, last = whole_number(begin, digits=18), whole_number(end, digits=18)
    if unit.strip().lower() != "bytes" or not dash or (begin and first is None) or (end and last is None):
        return None
    if first is None:
        return (
            None if last is None else call.dialect.clipped(call, size, max(0, size - last) if last else size, size - 1)
        )
    if last is not None and last < first:
        return None
    return call.dialect.clipped(call, size, first, max(first, size - 1) if last is None else last)


def delete(call: Call) -> Answer:
    """Remove the object; 204 also where there is none."""
    marker = call.bucket.delete(call.key, call.request.query.get("versionId"))
    if marker is None:
        return Answer(status=204)
    prefix = call.dialect.prefix
    return Answer(status=204, headers={f"{prefix}delete-marker": "true", f"{prefix}version-id": marker})


def delete_many(call: Call) -> Answer:
    """Remove up to 1,000 objects that the body lists."""
    check_content_md5(call.request.header("content-md5"), call.request.body, mismatch=call.dialect.md5_mismatch)
    wanted = xml.parse(bytes(call.request.body), "Delete")
    keys = [node.get("Key") for node in wanted.all("Object")]
    if not 0 < len(keys) <= 1000:
        raise xml.malformed()
    for key in keys:
        call.bucket.delete(key)
    told = [] if wanted.get("Quiet").lower() == "true" else keys
    pieces = (f"<Deleted>{xml.element('Key', key)}</Deleted>" for key in told)
    return Answer(body=xml.document("DeleteResult", *pieces, xmlns=call.dialect.xmlns), headers=dict(XML))

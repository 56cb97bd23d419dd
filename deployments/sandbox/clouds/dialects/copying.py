"""Copies inside the store: of whole objects, and of ranges into parts."""

from dataclasses import dataclass, replace

from deployments.sandbox.clouds.buckets import Bucket, StoredObject
from deployments.sandbox.clouds.checksums import md5
from deployments.sandbox.clouds.dialects import objects, xml
from deployments.sandbox.clouds.dialects.base import Call
from deployments.sandbox.clouds.messages import Answer, Refusal, decoded, whole_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is copied from."""

    bucket: Bucket
    item: StoredObject


def source_of(call: Call) -> Source:
    """The object that the copy-source header names; Refusal where it is not there, may not be read or has changed."""
    path, _, version = call.header("copy-source").partition("?versionId=")
    name, slash, key = call.dialect.source_place(decoded(path))
    if not slash or not key:
        raise Refusal(400, "InvalidArgument", "Copy Source must mention the source bucket and key.")
    bucket = call.find_bucket(name)
    there = replace(call, bucket=bucket, key=key)
    for action in call.dialect.actions["GetObject"]:
        there.require(action)
    item = bucket.find(key, version or None)
    if item is None:
        raise call.dialect.missing_key(there)
    objects.refuse_archived(item)
    condition = call.header("copy-source-if-match")
    if condition and not objects.matches(condition, item.etag):
        raise objects.precondition_failed(f"{call.dialect.prefix}copy-source-If-Match")
    return Source(bucket=bucket, item=item)


def copy(call: Call) -> Answer:
    """Copy an object, with its headers unless they are to be replaced."""
    source = source_of(call)
    if len(source.item.body) > call.bucket.max_copy_bytes:
        message = "The specified copy source is larger than the maximum allowable size for a copy source: "
        raise Refusal(400, "InvalidRequest", f"{message}{call.bucket.max_copy_bytes}")
    replaced = call.header("metadata-directive").upper().startswith("REPLACE")
    item = StoredObject(
        key=call.key,
        body=source.item.body,
        etag=md5(source.item.body).hex(),
        last_modified=call.now,
        headers=objects.kept_headers(call) if replaced else source.item.headers,
        checksum=source.item.checksum,
        storage_class=call.dialect.storage_class(call.header("storage-class") or "STANDARD"),
    )
    item = call.dialect.sealed(call, item, {})
    if call.bucket.rules.copies_lack_crc:
        item = replace(item, crc64=None)
    kept = objects.write(call, item)
    headers = {**objects.XML, **call.dialect.written(kept, told_in_body=True), **objects.version_header(call, kept)}
    if call.dialect.etag_in_header:
        headers["ETag"] = call.dialect.etag(kept.etag)
    pieces = xml.elements(LastModified=iso(kept), ETag=call.dialect.etag(kept.etag))
    pieces += call.dialect.copied(kept)
    return Answer(headers=headers, body=xml.document("CopyObjectResult", pieces, xmlns=call.dialect.xmlns))


def iso(item: StoredObject) -> str:
    """A time as the XML of all three writes it: milliseconds that are always zero."""
    return f"{item.last_modified:%Y-%m-%dT%H:%M:%S}.000Z"


def part_of(call: Call, source: Source) -> bytes:
    """The bytes of the source that the copy-source-range header names; all of them without one."""
    text = call.header("copy-source-range")
    if not text:
        return source.item.body
    begin, _, end = text.removeprefix("bytes=").partition("-")
    first, last, size = whole_number(begin, digits=18), whole_number(end, digits=18), len(source.item.body)
    if first is None or last is None or not first <= last < size:
        message = f"Range specified is not valid for source object of size: {size}"
        raise Refusal(400, "InvalidArgument", message)
    return source.item.body[first : last + 1]

"""Uploads in parts, from the first request to the object."""

import uuid
from datetime import datetime
from itertools import pairwise

from deployments.sandbox.clouds.buckets import Part, StoredObject, Upload
from deployments.sandbox.clouds.checksums import check_content_md5, md5
from deployments.sandbox.clouds.dialects import copying, objects, xml
from deployments.sandbox.clouds.dialects.base import Call
from deployments.sandbox.clouds.messages import Answer, Refusal, whole_number

MAX_PARTS = 10_000


def create(call: Call) -> Answer:
    """Begin an upload."""
    algorithm, kind = call.dialect.upload_checksum(call)
    upload = Upload(
        key=call.key,
        upload_id=uuid.uuid4().hex.upper(),
        started_at=call.now,
        headers=objects.kept_headers(call),
        storage_class=call.dialect.storage_class(call.header("storage-class") or "STANDARD"),
        algorithm=algorithm,
        checksum_kind=kind,
    )
    call.bucket.start_upload(upload)
    pieces = xml.elements(Bucket=call.bucket.name, Key=call.key, UploadId=upload.upload_id)
    body = xml.document("InitiateMultipartUploadResult", pieces, xmlns=call.dialect.xmlns)
    headers = dict(objects.XML)
    if algorithm and kind:
        headers |= {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": kind}
    return Answer(headers=headers, body=body)


def upload_of(call: Call) -> Upload:
    """The upload that the request names; Refusal NoSuchUpload."""
    upload_id = call.request.query.get("uploadId", "")
    upload = call.bucket.find_upload(call.key, upload_id)
    if upload is None:
        raise call.dialect.missing_upload(upload_id)
    return upload


def put_part(call: Call) -> Answer:
    """Keep one part, from the body of the request."""
    upload, number = upload_of(call), _number(call)
    body, trailers = call.dialect.payload(call)
    digest = check_content_md5(call.request.header("content-md5"), body, mismatch=call.dialect.md5_mismatch)
    checksum = call.dialect.part_checksum(call, upload, body, trailers)
    part = Part(number=number, body=bytes(body), etag=digest.hex(), last_modified=call.now, checksum=checksum)
    _keep(call, upload, part)
    return Answer(headers={"ETag": call.dialect.etag(part.etag), **call.dialect.part_headers(part)})


def copy_part(call: Call) -> Answer:
    """Keep one part, from an object or a range of it."""
    upload, number = upload_of(call), _number(call)
    body = copying.part_of(call, copying.source_of(call))
    part = Part(number=number, body=body, etag=md5(body).hex(), last_modified=call.now)
    _keep(call, upload, part)
    pieces = xml.elements(LastModified=_iso(call.now), ETag=call.dialect.etag(part.etag))
    headers = {**objects.XML, **call.dialect.part_headers(part)}
    if call.dialect.etag_in_header:
        headers["ETag"] = call.dialect.etag(part.etag)
    return Answer(headers=headers, body=xml.document("CopyPartResult", pieces, xmlns=call.dialect.xmlns))


def _number(call: Call) -> int:
    text = call.request.query.get("partNumber", "")
    number = whole_number(text)
    if number is None or not 1 <= number <= MAX_PARTS:
        message = f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive"
        details = {"ArgumentName": "partNumber", "ArgumentValue": text}
        raise Refusal(400, "InvalidArgument", message, details=details)
    return number


def _keep(call: Call, upload: Upload, part: Part) -> None:
    if not call.bucket.put_part(upload, part):
        raise call.dialect.missing_upload(upload.upload_id)


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.000Z"


def abort(call: Call) -> Answer:
    """Drop an upload."""
    call.bucket.end_upload(upload_of(call))
    return Answer(status=204)


def complete(call: Call) -> Answer:
    """Join the listed parts into the object, wholly or not at all."""
    with call.bucket.locked():
        upload = upload_of(call)
        parts = _chosen(call, upload)
        body = b"".join(part.body for part in parts)
        item = StoredObject(
            key=call.key,
            body=body,
            etag=_etag(parts),
            last_modified=call.now,
            headers=upload.headers,
            storage_class=upload.storage_class,
            multipart=True,
        )
        kept = objects.write(call, call.dialect.joined(call, upload, parts, item))
        call.bucket.end_upload(upload)
    return _completed(call, kept)


def _etag(parts: list[Part]) -> str:
    joined = b"".join(bytes.fromhex(part.etag) for part in parts)
    return f"{md5(joined).hex()}-{len(parts)}"


def _completed(call: Call, kept: StoredObject) -> Answer:
    etag = call.dialect.etag(kept.etag)
    location = f"http://{call.request.header('host')}{call.request.path}"
    pieces = xml.elements(Location=location, Bucket=call.bucket.name, Key=call.key, ETag=etag)
    pieces += call.dialect.listed_checksum(kept.checksum)
    headers = {**objects.XML, **call.dialect.written(kept, told_in_body=True), **objects.version_header(call, kept)}
    if call.dialect.etag_in_header:
        headers["ETag"] = etag
    body = xml.document("CompleteMultipartUploadResult", pieces, xmlns=call.dialect.xmlns)
    return Answer(headers=headers, body=body)


def _chosen(call: Call, upload: Upload) -> list[Part]:
    """The parts that the body lists; Refusal where one is unknown, out of order or too small."""
    listed = [
        (_listed_number(node.get("PartNumber")), node)
        for node in xml.parse(bytes(call.request.body), "CompleteMultipartUpload").all("Part")
    ]
    if not 0 < len(listed) <= MAX_PARTS:
        raise xml.malformed()
    numbers = [number for number, _ in listed]
    if any(after <= before for before, after in pairwise(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise Refusal(400, "InvalidPartOrder", message, details={"UploadId": upload.upload_id})
    parts = [_listed_part(upload, number, node) for number, node in listed]
    _check_sizes(call, parts)
    return parts


def _listed_number(text: str) -> int:
    number = whole_number(text)
    if number is None:
        raise xml.malformed()
    return number


def _listed_part(upload: Upload, number: int, node: xml.Node) -> Part:
    part = upload.parts.get(number)
    wrong = part is None or node.get("ETag").strip('"').lower() != part.etag
    if part is not None and part.checksum is not None:
        wrong = wrong or node.get(part.checksum.element) not in {"", part.checksum.value}
    if part is None or wrong:
        message = "One or more of the specified parts could not be found. The part might not have been uploaded, or "
        details = {"UploadId": upload.upload_id, "PartNumber": str(number), "ETag": node.get("ETag")}
        raise Refusal(400, "InvalidPart", message + "the specified entity tag might not match.", details=details)
    return part


def _check_sizes(call: Call, parts: list[Part]) -> None:
    for part in parts[:-1]:
        if len(part.body) < call.bucket.min_part_bytes:
            details = {
                "ETag": part.etag,
                "MinSizeAllowed": str(call.bucket.min_part_bytes),
                "ProposedSize": str(len(part.body)),
                "PartNumber": str(part.number),
            }
            message = "Your proposed upload is smaller than the minimum allowed size"
            raise Refusal(400, "EntityTooSmall", message, details=details)
    if call.bucket.rules.equal_parts and len({len(part.body) for part in parts[:-1]}) > 1:
        raise Refusal(400, "InvalidPart", "All non-trailing parts must have the same length.")


def list_parts(call: Call) -> Answer:
    """The parts of an upload, by number, a page at a time."""
    upload = upload_of(call)
    limit = min(_positive(call, "max-parts", 1000), 1000)
    marker = _positive(call, "part-number-marker", 0)
    with call.bucket.locked():
        rest = [upload.parts[number] for number in sorted(upload.parts) if number > marker]
    page = rest[:limit]
    pieces = xml.elements(
        Bucket=call.bucket.name,
        Key=call.key,
        UploadId=upload.upload_id,
        StorageClass=upload.storage_class,
        PartNumberMarker=marker,
        NextPartNumberMarker=page[-1].number if page else marker,
        MaxParts=limit,
        IsTruncated=str(len(rest) > limit).lower(),
    )
    return Answer(
        headers=dict(objects.XML),
        body=xml.document("ListPartsResult", pieces, *(_listed(call, part) for part in page), xmlns=call.dialect.xmlns),
    )


def _positive(call: Call, name: str, default: int) -> int:
    text = call.request.query.get(name) or str(default)
    number = whole_number(text)
    if number is None:
        details = {"ArgumentName": name, "ArgumentValue": text}
        message = f"Provided {name} not an integer or within integer range"
        raise Refusal(400, "InvalidArgument", message, details=details)
    return number


def _listed(call: Call, part: Part) -> str:
    crc = call.dialect.part_headers(part).get("x-oss-hash-crc64ecma")
    etag = call.dialect.etag(part.etag)
    pieces = xml.elements(
        PartNumber=part.number, LastModified=_iso(part.last_modified), ETag=etag, HashCrc64ecma=crc, Size=len(part.body)
    )
    return f"<Part>{pieces}{call.dialect.listed_checksum(part.checksum)}</Part>"


def list_uploads(call: Call) -> Answer:
    """The uploads that are neither completed nor aborted, by key, a page at a time."""
    query = call.request.query
    prefix, limit = query.get("prefix", ""), min(_positive(call, "max-uploads", 1000), 1000)
    marker = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
    found = [upload for upload in call.bucket.uploads() if upload.key.startswith(prefix)]
    rest = found[_after(found, *marker) :]
    page = rest[:limit]
    truncated = len(rest) > limit
    shown = call.dialect.shown(call)
    pieces = xml.elements(
        Bucket=call.bucket.name,
        KeyMarker=shown(marker[0]),
        UploadIdMarker=marker[1],
        Prefix=shown(prefix),
        NextKeyMarker=shown(page[-1].key) if page else "",
        NextUploadIdMarker=page[-1].upload_id if page else "",
        MaxUploads=limit,
        EncodingType="url" if query.get("encoding-type") == "url" else None,
        IsTruncated=str(truncated).lower(),
    )
    uploads = (
        xml.elements(
            Key=shown(upload.key),
            UploadId=upload.upload_id,
            StorageClass=upload.storage_class,
            Initiated=_iso(upload.started_at),
        )
        for upload in page
    )
    body = xml.document(
        "ListMultipartUploadsResult", pieces, *(f"<Upload>{one}</Upload>" for one in uploads), xmlns=call.dialect.xmlns
    )
    return Answer(headers=dict(objects.XML), body=body)


def _after(found: list[Upload], key: str, upload_id: str) -> int:
    """Where the page begins: behind the named upload, or behind all of the key where only that is named."""
    for index, upload in enumerate(found):
        if upload.key > key or (not key and not upload_id):
            return index
        if upload.key == key and upload.upload_id == upload_id:
            return index + 1
    return len(found) if key else 0

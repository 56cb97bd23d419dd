"""Amazon S3: REST API, XML of 2006-03-01."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.buckets import Bucket, Part, StoredObject, Upload
from deployments.sandbox.clouds.checksums import (
    COMPOSITE,
    FULL_OBJECT,
    S3_ALGORITHMS,
    Checksum,
    Data,
    calculate,
    composite,
    md5,
)
from deployments.sandbox.clouds.dialects import chunked, objects, xml
from deployments.sandbox.clouds.dialects.base import Call, Dialect
from deployments.sandbox.clouds.messages import Refusal, Request
from deployments.sandbox.clouds.signatures import Asked, Lookup, s3

CHECKSUM = "x-amz-checksum-"
COMPOSITE_ONLY = frozenset({"sha1", "sha256"})
_ENDPOINT = re.compile(r"(?:^|\.)s3[.-]([a-z0-9-]+)\.amazonaws\.com$")


def endpoint_region(hostname: str) -> str | None:
    """The region that a regional endpoint's name says; None for others, such as an address."""
    found = _ENDPOINT.search(hostname)
    return found[1] if found else None


class S3(Dialect):
    """Amazon S3, and with `checksums="none"` or `create_only=False` a store that is only like it."""

    cloud = "s3"
    prefix = "x-amz-"
    server = "AmazonS3"
    xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
    default_content_type = "binary/octet-stream"
    archive_class = "GLACIER"
    tells_marker = False
    etag_in_header = False
    public_actions = frozenset({"s3:GetObject"})
    actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "GetObject": ("s3:GetObject",),
        "HeadObject": ("s3:GetObject",),
        "PutObject": ("s3:PutObject",),
        "CopyObject": ("s3:PutObject",),
        "DeleteObject": ("s3:DeleteObject",),
        "DeleteObjects": ("s3:DeleteObject",),
        "CreateMultipartUpload": ("s3:PutObject",),
        "UploadPart": ("s3:PutObject",),
        "UploadPartCopy": ("s3:PutObject",),
        "CompleteMultipartUpload": ("s3:PutObject",),
        "AbortMultipartUpload": ("s3:AbortMultipartUpload",),
        "ListParts": ("s3:ListMultipartUploadParts",),
        "ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
        "ListObjects": ("s3:ListBucket",),
        "ListObjectsV2": ("s3:ListBucket",),
        "HeadBucket": ("s3:ListBucket",),
        "GetBucketLocation": ("s3:GetBucketLocation",),
        "GetBucketVersioning": ("s3:GetBucketVersioning",),
        "GetBucketCors": ("s3:GetBucketCORS",),
        "GetBucketLifecycle": ("s3:GetLifecycleConfiguration",),
        "GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    }
    # "Uploading an object using multipart upload", permissions: parts are decrypted when they are joined.
    kms_actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "GetObject": ("kms:Decrypt",),
        "PutObject": ("kms:GenerateDataKey",),
        "CopyObject": ("kms:GenerateDataKey",),
        "CreateMultipartUpload": ("kms:GenerateDataKey",),
        "UploadPart": ("kms:Decrypt", "kms:GenerateDataKey"),
        "UploadPartCopy": ("kms:Decrypt", "kms:GenerateDataKey"),
        "CompleteMultipartUpload": ("kms:Decrypt",),
    }

    def signed(self, request: Request) -> bool:
        """AWS Signature Version 4."""
        return s3.signed(request)

    def verify(self, asked: Asked, lookup: Lookup) -> Account:
        """The scope must be for the endpoint's region where its name says one, otherwise for the bucket's."""
        region = endpoint_region(asked.request.hostname)
        return s3.verify(replace(asked, region=region) if region else asked, lookup)

    def resource(self, bucket: Bucket, key: str) -> str:
        """An ARN."""
        return f"arn:aws:s3:::{bucket.name}/{key}" if key else f"arn:aws:s3:::{bucket.name}"

    def list_action(self) -> str:
        """GetObject, "Permissions": without it a missing key is 403."""
        return "s3:ListBucket"

    def denied(self, action: str, account: Account) -> Refusal:
        """The message names who and what, as S3 does for accounts."""
        who = f"User: arn:aws:iam::000000000000:user/{account.key_id} is not authorized to perform: {action}"
        return Refusal(403, "AccessDenied", who if account.key_id else "Access Denied")

    def check_more(self, call: Call) -> None:
        """The bucket must be of the endpoint's region; the KMS key may want permissions of its own."""
        region = endpoint_region(call.request.hostname)
        if region and region != call.bucket.region:
            raise _elsewhere(call.bucket)
        if not call.bucket.rules.kms_key:
            return
        actions = list(self.kms_actions.get(call.operation, ()))
        if call.operation == "HeadObject" and _wants_checksum(call):
            actions.append("kms:Decrypt")
        for action in actions:
            call.require(action, call.bucket.rules.kms_key)

    def check_write(self, call: Call, current: StoredObject | None) -> None:
        """User Guide, "Conditional writes"."""
        if not call.bucket.rules.create_only:
            return
        absent, present = call.request.header("if-none-match"), call.request.header("if-match")
        if absent and absent != "*":
            raise Refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
        if absent and current is not None:
            raise objects.precondition_failed("If-None-Match")
        if present and current is None:
            raise Refusal(404, "NoSuchKey", "The specified key does not exist.", details={"Key": call.key})
        if present and current is not None and not objects.matches(present, current.etag):
            raise objects.precondition_failed("If-Match")

    def payload(self, call: Call) -> tuple[Data, Mapping[str, str]]:
        """The body; unwrapped where it came as aws-chunked with trailers. Its length must have been announced."""
        if "content-length" not in call.request.headers:
            raise Refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        if call.request.header("x-amz-content-sha256").startswith("STREAMING-"):
            return chunked.unwrap(call.request)
        return call.request.body, {}

    def integrity(self, call: Call, item: StoredObject, *, whole: bool) -> dict[str, str]:
        """Only of whole objects, and only where the request asks."""
        if not (whole and item.checksum and _wants_checksum(call)):
            return {}
        return {item.checksum.header: item.checksum.value, f"{CHECKSUM}type": item.checksum.kind}

    def described(self, item: StoredObject) -> dict[str, str]:
        """The class where it is not STANDARD, and the encryption at rest."""
        return super().described(item) | item_encryption(item)

    def written(self, item: StoredObject, *, told_in_body: bool = False) -> dict[str, str]:
        """The checksum, in the header of a put and in the body of a copy or complete."""
        headers = item_encryption(item)
        if item.checksum and not told_in_body:
            headers |= {item.checksum.header: item.checksum.value, f"{CHECKSUM}type": item.checksum.kind}
        return headers

    def sealed(self, call: Call, item: StoredObject, trailers: Mapping[str, str]) -> StoredObject:
        """With the checksum that was sent, or else CRC64NVME, which S3 adds by itself."""
        sealed = _encrypted(call, item)
        if call.bucket.rules.checksums == "none":
            return replace(sealed, checksum=None)
        given = given_checksum(call.request, trailers)
        wanted = call.header("checksum-algorithm").lower() if call.operation == "CopyObject" else ""
        if item.checksum is not None:
            wanted = wanted or item.checksum.algorithm
        checksum = calculate(given.algorithm if given else wanted or "crc64nvme", item.body)
        check_equal(given, checksum)
        return replace(sealed, checksum=checksum)

    def upload_checksum(self, call: Call) -> tuple[str | None, str | None]:
        """CreateMultipartUpload, x-amz-checksum-algorithm and x-amz-checksum-type."""
        if call.bucket.rules.checksums == "none":
            return None, None
        algorithm, kind = call.header("checksum-algorithm").lower(), call.header("checksum-type").upper()
        if not algorithm:
            if kind:
                message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
                raise Refusal(400, "InvalidRequest", message)
            return None, None
        if algorithm not in S3_ALGORITHMS:
            raise Refusal(400, "InvalidRequest", "Checksum algorithm provided is unsupported.")
        kind = kind or (FULL_OBJECT if algorithm == "crc64nvme" else COMPOSITE)
        impossible = {(name, FULL_OBJECT) for name in COMPOSITE_ONLY} | {("crc64nvme", COMPOSITE)}
        if kind not in {FULL_OBJECT, COMPOSITE} or (algorithm, kind) in impossible:
            message = f"The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
            raise Refusal(400, "InvalidRequest", message)
        return algorithm, kind

    def part_checksum(self, call: Call, upload: Upload, body: Data, trailers: Mapping[str, str]) -> Checksum | None:
        """It must be of the upload's algorithm; it may be left out where the whole object's is calculated anyway."""
        if call.bucket.rules.checksums == "none":
            return None
        given = given_checksum(call.request, trailers)
        actual = given.algorithm if given else None
        if actual != upload.algorithm and not (given is None and upload.checksum_kind == FULL_OBJECT):
            message = "Checksum Type mismatch occurred, expected checksum Type: "
            message += f"{upload.algorithm or 'null'}, actual checksum Type: {actual or 'null'}"
            raise Refusal(400, "InvalidRequest", message)
        if given is not None:
            check_equal(given, calculate(given.algorithm, body))
        return given

    def part_headers(self, part: Part) -> dict[str, str]:
        """The checksum that was sent with it."""
        return {part.checksum.header: part.checksum.value} if part.checksum else {}

    def joined(self, call: Call, upload: Upload, parts: list[Part], item: StoredObject) -> StoredObject:
        """With the checksum of the whole, or of the parts' checksums."""
        sealed = _encrypted(call, item)
        if call.bucket.rules.checksums == "none":
            return sealed
        algorithm = upload.algorithm or "crc64nvme"
        if upload.checksum_kind == COMPOSITE:
            checksum = composite(algorithm, [part.checksum for part in parts if part.checksum])
        else:
            checksum = calculate(algorithm, item.body)
        given = given_checksum(call.request, {})
        if given is not None and given.algorithm != algorithm:
            raise Refusal(400, "InvalidRequest", f"The checksum of the upload is {algorithm}.")
        check_equal(given, checksum)
        size = call.header("mp-object-size")
        if size and size != str(len(item.body)):
            message = f"The provided 'x-amz-mp-object-size' header value {size} does not match what was computed."
            raise Refusal(400, "InvalidRequest", message)
        return replace(sealed, checksum=checksum)

    def listed(self, item: StoredObject) -> str:
        """The algorithm, never the value."""
        if item.checksum is None:
            return xml.element("StorageClass", item.storage_class)
        return xml.elements(
            ChecksumAlgorithm=item.checksum.algorithm.upper(),
            ChecksumType=item.checksum.kind,
            StorageClass=item.storage_class,
        )

    def listed_checksum(self, checksum: Checksum | None) -> str:
        """Value and kind."""
        if checksum is None:
            return ""
        return xml.element(checksum.element, checksum.value) + xml.element("ChecksumType", checksum.kind)

    def location(self, region: str) -> str:
        """GetBucketLocation: buckets in us-east-1 have an empty one."""
        return "" if region == "us-east-1" else region

    def lifecycle_rule(self, days: int) -> str:
        """PutBucketLifecycleConfiguration, AbortIncompleteMultipartUpload."""
        return abort_rule(days)

    def request_headers(self, request_id: str) -> dict[str, str]:
        """Two ids."""
        return super().request_headers(request_id) | {"x-amz-id-2": request_id * 3}


def abort_rule(days: int) -> str:
    """The rule as S3 and COS write it."""
    abort = f"<AbortIncompleteMultipartUpload>{xml.elements(DaysAfterInitiation=days)}</AbortIncompleteMultipartUpload>"
    head = xml.element("ID", "abandoned-uploads")
    return f"<Rule>{head}<Filter><Prefix></Prefix></Filter><Status>Enabled</Status>{abort}</Rule>"


def _wants_checksum(call: Call) -> bool:
    return call.header("checksum-mode").upper() == "ENABLED"


def _elsewhere(bucket: Bucket) -> Refusal:
    message = "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all "
    endpoint = f"{bucket.name}.s3.{bucket.region}.amazonaws.com"
    return Refusal(
        301,
        "PermanentRedirect",
        message + "future requests to this endpoint.",
        details={"Endpoint": endpoint, "Bucket": bucket.name},
        headers={"x-amz-bucket-region": bucket.region},
    )


def item_encryption(item: StoredObject) -> dict[str, str]:
    """How the object is encrypted at rest, which S3 always says."""
    key = item.kms_key
    if not key:
        return {"x-amz-server-side-encryption": "AES256"}
    return {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": key}


def _encrypted(call: Call, item: StoredObject) -> StoredObject:
    """Objects under SSE-KMS have an ETag that is not the MD5 of their data (User Guide, "Object")."""
    key = call.bucket.rules.kms_key
    if not key:
        return item
    plain, dash, count = item.etag.partition("-")
    return replace(item, etag=f"{md5(f'{key} {plain}'.encode()).hex()}{dash}{count}", kms_key=key)


def given_checksum(request: Request, trailers: Mapping[str, str]) -> Checksum | None:
    """The one checksum that a request carries, in a header or behind its body; Refusal where there are two."""
    names = [f"{CHECKSUM}{algorithm}" for algorithm in S3_ALGORITHMS]
    found = {name: source[name] for source in (request.headers, trailers) for name in names if name in source}
    if len(found) > 1:
        raise Refusal(400, "InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple were found.")
    if not found:
        if "x-amz-sdk-checksum-algorithm" in request.headers and request.method == "PUT":
            message = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
            raise Refusal(400, "InvalidRequest", message + "headers were found.")
        return None
    name, value = found.popitem()
    return Checksum(algorithm=name.removeprefix(CHECKSUM), value=value.strip())


def check_equal(given: Checksum | None, actual: Checksum) -> None:
    """Refusal BadDigest where a checksum was sent and is another one; the -N of a composite may be left out."""
    if given is not None and given.value not in {actual.value, actual.value.partition("-")[0]}:
        name = actual.algorithm.upper()
        raise Refusal(400, "BadDigest", f"The {name} you specified did not match the calculated checksum.")

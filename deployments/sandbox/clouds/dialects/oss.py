"""Alibaba Cloud OSS."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.buckets import Bucket, Part, StoredObject, Upload
from deployments.sandbox.clouds.checksums import crc64xz
from deployments.sandbox.clouds.dialects import xml
from deployments.sandbox.clouds.dialects.base import Call, Dialect
from deployments.sandbox.clouds.messages import Answer, Refusal, Request, whole_number
from deployments.sandbox.clouds.signatures import Asked, Lookup, oss

CRC = "x-oss-hash-crc64ecma"


class OSS(Dialect):
    """What is not as S3 has it: upper-case ETags, CRC64 everywhere, ranges past the end, forbid-overwrite."""

    cloud = "oss"
    prefix = "x-oss-"
    server = "AliyunOSS"
    default_page = 100
    md5_mismatch = "InvalidDigest"
    archive_class = "Archive"
    longest_key = 1023
    key_too_long = "InvalidObjectName"
    no_lifecycle = "NoSuchLifecycle"
    no_encryption = "NoSuchServerSideEncryptionRule"
    public_actions = frozenset({"oss:GetObject"})
    own_names: ClassVar[Mapping[str, str]] = {
        "CreateMultipartUpload": "InitiateMultipartUpload",
        "DeleteObjects": "DeleteMultipleObjects",
    }
    actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "GetObject": ("oss:GetObject",),
        "HeadObject": ("oss:GetObject",),
        "PutObject": ("oss:PutObject",),
        "CopyObject": ("oss:PutObject",),
        "DeleteObject": ("oss:DeleteObject",),
        "DeleteObjects": ("oss:DeleteObject",),
        "CreateMultipartUpload": ("oss:PutObject",),
        "UploadPart": ("oss:PutObject",),
        "UploadPartCopy": ("oss:PutObject",),
        "CompleteMultipartUpload": ("oss:PutObject",),
        "AbortMultipartUpload": ("oss:AbortMultipartUpload",),
        "ListParts": ("oss:ListParts",),
        "ListMultipartUploads": ("oss:ListMultipartUploads",),
        "ListObjects": ("oss:ListObjects",),
        "ListObjectsV2": ("oss:ListObjects",),
        "HeadBucket": ("oss:GetBucketInfo",),
        "GetBucketInfo": ("oss:GetBucketInfo",),
        "GetBucketLocation": ("oss:GetBucketLocation",),
        "GetBucketVersioning": ("oss:GetBucketVersioning",),
        "GetBucketCors": ("oss:GetBucketCors",),
        "GetBucketLifecycle": ("oss:GetBucketLifecycle",),
        "GetBucketEncryption": ("oss:GetBucketEncryption",),
    }

    def signed(self, request: Request) -> bool:
        """Version 4 or 1."""
        return oss.signed(request)

    def verify(self, asked: Asked, lookup: Lookup) -> Account:
        """See `signatures.oss`."""
        return oss.verify(asked, lookup)

    def resource(self, bucket: Bucket, key: str) -> str:
        """An ARN of RAM, for any account and region."""
        return f"acs:oss:*:*:{bucket.name}/{key}" if key else f"acs:oss:*:*:{bucket.name}"

    def list_action(self) -> str:
        """GetObject: without permission to list, a missing key is 403."""
        return "oss:ListObjects"

    def denied(self, action: str, account: Account) -> Refusal:
        """With the action, as RAM tells it."""
        message = "You have no right to access this object because of bucket acl."
        details = {"AuthAction": action, "EC": "0003-00000001"}
        return Refusal(403, "AccessDenied", message, details=details if account.key_id else {"EC": "0003-00000001"})

    def check_key(self, key: str) -> None:
        """PutObject, object naming: not too long, and without a slash at its beginning."""
        super().check_key(key)
        if key.startswith(("/", "\\")):
            raise Refusal(400, "InvalidObjectName", "The specified object is not valid.")

    def etag(self, etag: str) -> str:
        """Upper-case."""
        return f'"{etag.upper()}"'

    def storage_class(self, name: str) -> str:
        """Standard, not STANDARD."""
        return "Standard" if name == "STANDARD" else name

    def clipped(self, call: Call, size: int, begin: int, end: int) -> tuple[int, int] | None:
        """GetObject, Range: one that does not lie inside gives the whole object, unless standard behaviour is asked."""
        if call.header("range-behavior").lower() != "standard" and (begin >= size or end >= size):
            return None
        return super().clipped(call, size, begin, end)

    def described(self, item: StoredObject) -> dict[str, str]:
        """Kind and class, always."""
        kind = "Multipart" if item.multipart else "Normal"
        return {"x-oss-object-type": kind, "x-oss-storage-class": item.storage_class}

    def integrity(self, call: Call, item: StoredObject, *, whole: bool) -> dict[str, str]:
        """The whole object's, of ranges too."""
        del call, whole
        return self.written(item)

    def written(self, item: StoredObject, *, told_in_body: bool = False) -> dict[str, str]:
        """The CRC64, in decimal."""
        del told_in_body
        return {} if item.crc64 is None else {CRC: str(item.crc64)}

    def sealed(self, call: Call, item: StoredObject, trailers: Mapping[str, str]) -> StoredObject:
        """With its CRC64; no checksum of the client is checked here."""
        del call, trailers
        return replace(item, crc64=crc64xz(item.body), checksum=None)

    def joined(self, call: Call, upload: Upload, parts: list[Part], item: StoredObject) -> StoredObject:
        """The same."""
        del upload, parts
        return self.sealed(call, item, {})

    def part_headers(self, part: Part) -> dict[str, str]:
        """The part's CRC64."""
        return {CRC: str(crc64xz(part.body))}

    def check_write(self, call: Call, current: StoredObject | None) -> None:
        """PutObject, x-oss-forbid-overwrite: ignored where versioning is on."""
        rules = call.bucket.rules
        forbidden = call.header("forbid-overwrite").lower() == "true" and rules.create_only and not rules.versioned
        if forbidden and current is not None:
            message = "The object you specified already exists and can not be overwritten."
            raise Refusal(409, "FileAlreadyExists", message, details={"EC": "0026-00000002"})

    def listed(self, item: StoredObject) -> str:
        """With the kind, which tells whether the ETag is an MD5."""
        return xml.elements(Type="Multipart" if item.multipart else "Normal", StorageClass=item.storage_class)

    def page_size(self, text: str) -> int:
        """More than 1,000 is refused, not clipped."""
        wanted = whole_number(text)
        if wanted is not None and not 0 < wanted <= 1000:
            details = {"ArgumentName": "max-keys", "ArgumentValue": text}
            raise Refusal(400, "InvalidArgument", "Argument max-keys must be between 1 and 1000.", details=details)
        return super().page_size(text)

    def location(self, region: str) -> str:
        """With `oss-` before it."""
        return f"oss-{region}"

    def lifecycle_rule(self, days: int) -> str:
        """PutBucketLifecycle, AbortMultipartUpload."""
        abort = f"<AbortMultipartUpload>{xml.elements(Days=days)}</AbortMultipartUpload>"
        head = xml.elements(ID="abandoned-uploads", Prefix="", Status="Enabled")
        return f"<Rule>{head}{abort}</Rule>"

    def refused(self, refusal: Refusal, request: Request, request_id: str) -> Answer:
        """Also in headers, as a HEAD has no body."""
        answer = super().refused(refusal, request, request_id)
        if "EC" in refusal.details:
            answer.headers["x-oss-ec"] = refusal.details["EC"]
        if request.method == "HEAD":
            answer.headers["x-oss-err"] = base64.b64encode(bytes(answer.body)).decode()
        return answer

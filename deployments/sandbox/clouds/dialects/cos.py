"""Tencent Cloud COS."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.buckets import Bucket, Part, StoredObject, Upload
from deployments.sandbox.clouds.checksums import crc64xz
from deployments.sandbox.clouds.dialects import xml
from deployments.sandbox.clouds.dialects.base import Call, Dialect
from deployments.sandbox.clouds.dialects.s3 import abort_rule
from deployments.sandbox.clouds.messages import Refusal, Request
from deployments.sandbox.clouds.signatures import Asked, Lookup, cos

CRC = "x-cos-hash-crc64ecma"
_HOST = re.compile(r"\.cos(?:-internal)?\.([a-z0-9-]+)\.(?:myqcloud\.com|tencentcos\.cn)$")


class COS(Dialect):
    """What is not as S3 has it: CRC64 everywhere, forbid-overwrite, and names of its own."""

    cloud = "cos"
    prefix = "x-cos-"
    server = "tencent-cos"
    longest_key = 850
    key_too_long = "KeyTooLong"
    no_encryption = "NoSuchEncryptionConfiguration"
    public_actions = frozenset({"name/cos:GetObject", "name/cos:HeadObject"})
    own_names: ClassVar[Mapping[str, str]] = {
        "CreateMultipartUpload": "InitiateMultipartUpload",
        "ListObjects": "GetBucket",
        "CopyObject": "PutObjectCopy",
        "DeleteObjects": "DeleteMultipleObjects",
    }
    actions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "GetObject": ("name/cos:GetObject",),
        "HeadObject": ("name/cos:HeadObject",),
        "PutObject": ("name/cos:PutObject",),
        "CopyObject": ("name/cos:PutObjectCopy",),
        "DeleteObject": ("name/cos:DeleteObject",),
        "DeleteObjects": ("name/cos:DeleteMultipleObjects",),
        "CreateMultipartUpload": ("name/cos:InitiateMultipartUpload",),
        "UploadPart": ("name/cos:UploadPart",),
        "UploadPartCopy": ("name/cos:UploadPartCopy",),
        "CompleteMultipartUpload": ("name/cos:CompleteMultipartUpload",),
        "AbortMultipartUpload": ("name/cos:AbortMultipartUpload",),
        "ListParts": ("name/cos:ListParts",),
        "ListMultipartUploads": ("name/cos:ListMultipartUploads",),
        "ListObjects": ("name/cos:GetBucket",),
        "HeadBucket": ("name/cos:HeadBucket",),
        "GetBucketLocation": ("name/cos:GetBucketLocation",),
        "GetBucketVersioning": ("name/cos:GetBucketVersioning",),
        "GetBucketCors": ("name/cos:GetBucketCORS",),
        "GetBucketLifecycle": ("name/cos:GetBucketLifecycle",),
        "GetBucketEncryption": ("name/cos:GetBucketEncryption",),
    }

    def signed(self, request: Request) -> bool:
        """A q-sign of SHA-1."""
        return cos.signed(request)

    def verify(self, asked: Asked, lookup: Lookup) -> Account:
        """See `signatures.cos`."""
        return cos.verify(asked, lookup)

    def resource(self, bucket: Bucket, key: str) -> str:
        """The six pieces of CAM; the APPID is the end of the bucket's name."""
        appid = bucket.name.rpartition("-")[2]
        return f"qcs::cos:{bucket.region}:uid/{appid}:{bucket.name}/{key}"

    def list_action(self) -> str:
        """A missing key is told to anybody who may read (guess)."""
        return ""

    def denied(self, action: str, account: Account) -> Refusal:
        """One message for all."""
        del action, account
        return Refusal(403, "AccessDenied", "Access Denied.")

    def source_place(self, path: str) -> tuple[str, str, str]:
        """The bucket is the beginning of a host name."""
        host, slash, key = path.removeprefix("/").partition("/")
        return host.partition(".cos.")[0], slash, key

    def integrity(self, call: Call, item: StoredObject, *, whole: bool) -> dict[str, str]:
        """The whole object's, of ranges too."""
        del call, whole
        return self.written(item)

    def written(self, item: StoredObject, *, told_in_body: bool = False) -> dict[str, str]:
        """The CRC64, in decimal."""
        del told_in_body
        return {} if item.crc64 is None else {CRC: str(item.crc64)}

    def sealed(self, call: Call, item: StoredObject, trailers: Mapping[str, str]) -> StoredObject:
        """With its CRC64."""
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
        """PUT Object, x-cos-forbid-overwrite: ignored where versioning is on."""
        rules = call.bucket.rules
        forbidden = call.header("forbid-overwrite").lower() == "true" and rules.create_only and not rules.versioned
        if forbidden and current is not None:
            raise Refusal(409, "FileAlreadyExists", "The object you specified already exists.")

    def check_more(self, call: Call) -> None:
        """Under the host of another region there is no such bucket (GET Bucket, NoSuchBucket)."""
        found = _HOST.search(call.request.hostname)
        if found and found[1] not in {call.bucket.region, "accelerate"}:
            raise self.missing_bucket(call.bucket.name)

    def copied(self, item: StoredObject) -> str:
        """The CRC64 in the body too."""
        return "" if item.crc64 is None else xml.element("CRC64", item.crc64)

    def lifecycle_rule(self, days: int) -> str:
        """PUT Bucket lifecycle, AbortIncompleteMultipartUpload."""
        return abort_rule(days)

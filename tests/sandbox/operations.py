"""How each cloud names what Aftertake does and what it must not do, and the policy files as an operator fills them."""

import json
from dataclasses import dataclass
from typing import cast

from tests.structure.repository import ROOT

FOLDER = ROOT / "deployments" / "policies"
CLOUDS = ("s3", "oss", "cos")
PREFIX = "school/recordings"
KMS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/0000"
PLACEHOLDERS = {
    "KMS_KEY_ARN": KMS_KEY,
    "BUCKET": "lessons",
    "ENCODED": "school%2Frecordings",
    "PREFIX": PREFIX,
    "REGION": "ap-guangzhou",
    "APPID": "1250000000",
    "ORIGIN": "https://aftertake.example",
}
POLICIES = ("source", "output", "doctor")


def filled(name: str) -> str:
    text = (FOLDER / name).read_text(encoding="utf-8")
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    return text


def policy(name: str) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(filled(name)))


@dataclass(frozen=True)
class Cloud:
    """How one cloud names buckets, objects and actions; `{}` in `resource` is a bucket and what follows it."""

    resource: str
    bucket_suffix: str
    read: tuple[str, ...]
    list_objects: str
    write: tuple[str, ...]
    list_uploads: str
    settings: tuple[str, ...]
    forbidden_on_objects: tuple[str, ...]
    forbidden_on_buckets: tuple[str, ...]
    uploads_know_prefix: bool

    def bucket(self, name: str = "lessons") -> str:
        return self.resource.format(name) + self.bucket_suffix

    def object(self, key: str, bucket: str = "lessons") -> str:
        return self.resource.format(bucket) + f"/{key}"


S3 = Cloud(
    resource="arn:aws:s3:::{}",
    bucket_suffix="",
    read=("s3:GetObject",),
    list_objects="s3:ListBucket",
    write=("s3:PutObject", "s3:AbortMultipartUpload"),
    list_uploads="s3:ListBucketMultipartUploads",
    settings=(
        "s3:GetBucketLocation",
        "s3:GetBucketVersioning",
        "s3:GetBucketCORS",
        "s3:GetLifecycleConfiguration",
        "s3:GetEncryptionConfiguration",
    ),
    forbidden_on_objects=(
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutObjectAcl",
        "s3:GetObjectAcl",
        "s3:PutObjectTagging",
        "s3:PutObjectRetention",
        "s3:BypassGovernanceRetention",
        "s3:RestoreObject",
        "s3:ListMultipartUploadParts",
    ),
    forbidden_on_buckets=(
        "s3:ListBucketVersions",
        "s3:PutBucketPolicy",
        "s3:GetBucketPolicy",
        "s3:DeleteBucket",
        "s3:PutBucketAcl",
        "s3:PutLifecycleConfiguration",
        "s3:PutBucketVersioning",
        "s3:PutBucketCORS",
        "s3:PutEncryptionConfiguration",
        "s3:ListAllMyBuckets",
    ),
    uploads_know_prefix=False,
)
OSS = Cloud(
    resource="acs:oss:*:*:{}",
    bucket_suffix="",
    read=("oss:GetObject",),
    list_objects="oss:ListObjects",
    write=("oss:PutObject", "oss:AbortMultipartUpload"),
    list_uploads="oss:ListMultipartUploads",
    settings=(
        "oss:GetBucketLocation",
        "oss:GetBucketVersioning",
        "oss:GetBucketCors",
        "oss:GetBucketLifecycle",
        "oss:GetBucketEncryption",
    ),
    forbidden_on_objects=(
        "oss:DeleteObject",
        "oss:DeleteObjectVersion",
        "oss:PutObjectAcl",
        "oss:GetObjectAcl",
        "oss:PutObjectTagging",
        "oss:RestoreObject",
        "oss:ListParts",
    ),
    forbidden_on_buckets=(
        "oss:ListObjectVersions",
        "oss:PutBucketPolicy",
        "oss:GetBucketPolicy",
        "oss:DeleteBucket",
        "oss:PutBucketAcl",
        "oss:PutBucketLifecycle",
        "oss:PutBucketVersioning",
        "oss:PutBucketCors",
        "oss:ListBuckets",
    ),
    uploads_know_prefix=False,
)
COS = Cloud(
    resource="qcs::cos:ap-guangzhou:uid/1250000000:{}-1250000000",
    bucket_suffix="/",
    read=("name/cos:GetObject", "name/cos:HeadObject"),
    list_objects="name/cos:GetBucket",
    write=(
        "name/cos:PutObject",
        "name/cos:InitiateMultipartUpload",
        "name/cos:UploadPart",
        "name/cos:CompleteMultipartUpload",
        "name/cos:AbortMultipartUpload",
    ),
    list_uploads="name/cos:ListMultipartUploads",
    settings=(
        "name/cos:HeadBucket",
        "name/cos:GetBucketVersioning",
        "name/cos:GetBucketCORS",
        "name/cos:GetBucketLifecycle",
        "name/cos:GetBucketEncryption",
    ),
    forbidden_on_objects=(
        "name/cos:DeleteObject",
        "name/cos:PutObjectACL",
        "name/cos:GetObjectACL",
        "name/cos:PutObjectTagging",
        "name/cos:PostObject",
        "name/cos:AppendObject",
        "name/cos:PostObjectRestore",
        "name/cos:ListParts",
    ),
    forbidden_on_buckets=(
        "name/cos:GetBucketObjectVersions",
        "name/cos:PutBucketPolicy",
        "name/cos:GetBucketPolicy",
        "name/cos:DeleteBucket",
        "name/cos:PutBucketACL",
        "name/cos:PutBucketLifecycle",
        "name/cos:PutBucketVersioning",
        "name/cos:PutBucketCORS",
        "name/cos:GetService",
    ),
    uploads_know_prefix=True,
)
BY_NAME = {"s3": S3, "oss": OSS, "cos": COS}

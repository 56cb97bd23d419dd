"""What a bucket says of itself, and what an account may."""

import pytest
from botocore.exceptions import ClientError
from qcloud_cos import CosServiceError

from deployments.sandbox.clouds import Account, BucketRules, Clouds, CorsRule
from tests.sandbox.clouds.clients import COS, KEY_ID, OSS, S3, SECRET, Client, Failed, cloud_of, failure, rebuild
from tests.sandbox.clouds.conftest import Connect

RULES = BucketRules(versioned=True, lifecycle_abort_days=3, cors=(CorsRule(origins=("https://example.com",)),))


def _s3(connect: Connect) -> S3:
    client = connect("s3")
    assert isinstance(client, S3)
    return client


def test_s3_tells_its_facts(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect)
    where = {"Bucket": client.bucket}
    assert "Status" not in client.sdk.get_bucket_versioning(**where)
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        client.sdk.get_bucket_cors(**where)
    with pytest.raises(ClientError, match="NoSuchLifecycleConfiguration"):
        client.sdk.get_bucket_lifecycle_configuration(**where)
    clouds.create_bucket("s3", client.bucket, RULES)
    assert client.sdk.get_bucket_location(**where)["LocationConstraint"] is None
    assert client.sdk.get_bucket_versioning(**where)["Status"] == "Enabled"
    assert client.sdk.get_bucket_cors(**where)["CORSRules"][0]["AllowedOrigins"] == ["https://example.com"]
    rule = client.sdk.get_bucket_lifecycle_configuration(**where)["Rules"][0]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 3}
    rule = client.sdk.get_bucket_encryption(**where)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert client.sdk.head_bucket(**where)["BucketRegion"] == "us-east-1"


def test_oss_tells_its_facts(connect: Connect, clouds: Clouds) -> None:
    client = connect("oss")
    assert isinstance(client, OSS)
    assert failure(lambda: client._call("get_bucket_cors")) == Failed(404, "NoSuchCORSConfiguration")
    assert failure(lambda: client._call("get_bucket_lifecycle")) == Failed(404, "NoSuchLifecycle")
    assert failure(lambda: client._call("get_bucket_encryption")) == Failed(404, "NoSuchServerSideEncryptionRule")
    clouds.create_bucket("oss", client.bucket, RULES)
    assert client.sdk.get_bucket_location().location == "oss-cn-hangzhou"
    assert client.sdk.get_bucket_versioning().status == "Enabled"
    assert client.sdk.get_bucket_cors().rules[0].allowed_origins == ["https://example.com"]
    assert client.sdk.get_bucket_lifecycle().rules[0].abort_multipart_upload.days == 3
    info = client.sdk.get_bucket_info()
    assert (info.name, info.versioning_status, info.acl.grant) == (client.bucket, "Enabled", "private")


def test_cos_tells_its_facts(connect: Connect, clouds: Clouds) -> None:
    client = connect("cos")
    assert isinstance(client, COS)
    where = {"Bucket": client.bucket}
    with pytest.raises(CosServiceError, match="NoSuchLifecycleConfiguration"):
        client.sdk.get_bucket_lifecycle(**where)
    clouds.create_bucket("cos", client.bucket, RULES)
    assert client.sdk.get_bucket_location(**where)["LocationConstraint"] == "ap-guangzhou"
    assert client.sdk.get_bucket_versioning(**where)["Status"] == "Enabled"
    assert client.sdk.get_bucket_cors(**where)["CORSRule"][0]["AllowedOrigin"] == ["https://example.com"]
    rule = client.sdk.get_bucket_lifecycle(**where)["Rule"][0]
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == "3"
    client.sdk.head_bucket(**where)


Asked = list[tuple[str, str, str]]


def _watch(clouds: Clouds, *forbidden: str) -> Asked:
    asked: Asked = []

    def may(action: str, resource: str, prefix: str) -> bool:
        asked.append((action, resource, prefix))
        return action not in forbidden

    clouds.add_account(Account(key_id=KEY_ID, secret=SECRET, may=may))
    return asked


ARNS = {
    "s3": "arn:aws:s3:::recordings",
    "oss": "acs:oss:*:*:recordings",
    "cos": "qcs::cos:ap-guangzhou:uid/1250000000:recordings-1250000000",
}
READS = {"s3": "s3:GetObject", "oss": "oss:GetObject", "cos": "name/cos:GetObject"}
LISTS = {"s3": "s3:ListBucket", "oss": "oss:ListObjects", "cos": "name/cos:GetBucket"}
WRITES = {"s3": "s3:PutObject", "oss": "oss:PutObject", "cos": "name/cos:PutObject"}


def test_an_account_is_asked_about_in_the_words_of_its_store(client: Client, clouds: Clouds, cloud: str) -> None:
    client.put("room/k", b"")
    asked = _watch(clouds)
    client.get("room/k")
    client.listed("room/")
    bucket = ARNS[cloud] + ("/" if cloud == "cos" else "")
    assert asked == [(READS[cloud], f"{ARNS[cloud]}/room/k", ""), (LISTS[cloud], bucket, "room/")]


def test_what_is_not_allowed_is_denied(client: Client, clouds: Clouds, cloud: str) -> None:
    client.put("k", b"")
    _watch(clouds, WRITES[cloud], READS[cloud], LISTS[cloud])
    for attempt in (lambda: client.put("k", b"x"), lambda: client.get("k"), client.listed):
        assert failure(attempt) == Failed(403, "AccessDenied")
    assert clouds.get(cloud_of(client), client.bucket, "k") == b""


def test_who_may_not_list_is_not_told_that_a_key_is_missing(client: Client, clouds: Clouds, cloud: str) -> None:
    _watch(clouds, LISTS[cloud])
    assert failure(lambda: client.get("gone")).status == (404 if cloud == "cos" else 403)
    assert failure(lambda: client.head("gone")).status == (404 if cloud == "cos" else 403)


def test_objects_under_kms_want_the_key_too(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect)
    key = "arn:aws:kms:us-east-1:000000000000:key/example"
    rebuild(clouds, client, kms_key=key)
    client.put("k", b"x")
    asked = _watch(clouds, "kms:Decrypt")
    assert failure(lambda: client.get("k")) == Failed(403, "AccessDenied")
    assert asked[-1][:2] == ("kms:Decrypt", key)
    client.head("k")
    client.put("k", b"y")
    _watch(clouds, "kms:GenerateDataKey")
    assert failure(lambda: client.put("k", b"z")) == Failed(403, "AccessDenied")


def test_a_copy_wants_to_read_its_source(connect: Connect, clouds: Clouds) -> None:
    for name in ("s3", "oss", "cos"):
        client = connect(name)
        client.put("k", b"x")
        _watch(clouds, READS[name])
        assert failure(lambda: client.copy("k", "copy")) == Failed(403, "AccessDenied")  # noqa: B023
        clouds.add_account(Account(key_id=KEY_ID, secret=SECRET))

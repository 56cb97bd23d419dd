"""Headers, ranges, conditions and checksums of single objects."""

import base64
import hashlib
from datetime import UTC, datetime

import pytest
import requests
from awscrt import checksums as awscrt_checksums
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from fastcrc import crc32, crc64

from deployments.sandbox.clouds import BucketRules, Clouds
from tests.sandbox.clouds.clients import COS, KEY_ID, OSS, S3, SECRET, Client, Failed, Read, cloud_of, failure, rebuild
from tests.sandbox.clouds.conftest import Connect

DATA = bytes(range(256)) * 4
CRC_HEADERS = {"oss": "x-oss-hash-crc64ecma", "cos": "x-cos-hash-crc64ecma"}


def _nvme(data: bytes) -> str:
    return base64.b64encode(awscrt_checksums.crc64nvme(data).to_bytes(8, "big")).decode()


RANGES = [("bytes=0-9", 0, 9), ("bytes=1020-", 1020, 1023), ("bytes=-4", 1020, 1023)]


@pytest.mark.parametrize(("text", "first", "last"), RANGES)
def test_a_range_inside_is_given(client: Client, text: str, first: int, last: int) -> None:
    client.put("k", DATA)
    read = client.get("k", Range=text)
    assert (read.status, read.body) == (206, DATA[first : last + 1])
    assert read.headers["content-range"] == f"bytes {first}-{last}/1024"


@pytest.mark.parametrize("name", ["s3", "cos"])
def test_a_range_past_the_end_is_clipped_or_refused(connect: Connect, name: str) -> None:
    client = connect(name)
    client.put("k", DATA)
    read = client.get("k", Range="bytes=1000-5000")
    assert (read.status, read.body) == (206, DATA[1000:])
    assert failure(lambda: client.get("k", Range="bytes=1024-")) == Failed(416, "InvalidRange")


def test_oss_gives_the_whole_object_for_a_range_past_the_end_unless_asked_not_to(connect: Connect) -> None:
    client = connect("oss")
    client.put("k", DATA)
    for text in ("bytes=1000-5000", "bytes=1024-", "bytes=1024-1030"):
        read = client.get("k", Range=text)
        assert (read.status, read.body) == (200, DATA)
    read = client.get("k", Range="bytes=1000-5000", RangeBehavior="standard")
    assert (read.status, read.body) == (206, DATA[1000:])
    assert failure(lambda: client.get("k", Range="bytes=1024-", RangeBehavior="standard")) == Failed(
        416, "InvalidRange"
    )


def test_conditions_hold_or_the_answer_says_which_did_not(client: Client) -> None:
    etag = client.put("k", DATA)["etag"]
    assert client.get("k", IfMatch=etag).body == DATA
    client.put("k", b"other")
    assert failure(lambda: client.get("k", IfMatch=etag)) == Failed(412, "PreconditionFailed")


def test_the_etag_of_a_put_is_its_md5(client: Client, cloud: str) -> None:
    digest = hashlib.md5(DATA, usedforsecurity=False).hexdigest()
    etag = client.put("k", DATA)["etag"]
    assert etag == f'"{digest.upper() if cloud == "oss" else digest}"'


def test_oss_and_cos_say_the_crc64_everywhere(client: Client, clouds: Clouds, cloud: str) -> None:
    if cloud == "s3":
        assert not any("crc64ecma" in name for name in client.put("k", DATA))
        return
    header, wanted = CRC_HEADERS[cloud], str(crc64.xz(DATA))
    assert client.put("k", DATA)[header] == wanted
    assert client.head("k")[header] == wanted
    assert client.get("k").headers[header] == wanted
    assert client.get("k", Range="bytes=0-3").headers[header] == wanted
    client.copy("k", "copy")
    assert client.head("copy")[header] == wanted
    rebuild(clouds, client, copies_lack_crc=True)
    client.put("k", DATA)
    client.copy("k", "copy")
    assert header not in client.head("copy")


def test_oss_says_what_kind_of_object_it_is(connect: Connect) -> None:
    client = connect("oss")
    client.put("k", DATA)
    upload = client.start("m")
    client.complete("m", upload, {1: client.part("m", upload, 1, DATA)})
    assert client.head("k")["x-oss-object-type"] == "Normal"
    assert client.head("m")["x-oss-object-type"] == "Multipart"


def _s3(connect: Connect) -> S3:
    client = connect("s3")
    assert isinstance(client, S3)
    return client


def test_s3_adds_crc64nvme_and_tells_it_to_who_asks_for_the_whole(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect)
    clouds.put("s3", client.bucket, "k", DATA)
    read = client.get("k", ChecksumMode="ENABLED")
    assert read.headers["x-amz-checksum-crc64nvme"] == _nvme(DATA)
    assert read.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    plain: Read = client.get("k", Range="bytes=0-3", ChecksumMode="ENABLED")
    assert "x-amz-checksum-crc64nvme" not in plain.headers
    assert (
        "x-amz-checksum-crc64nvme"
        not in client.sdk.head_object(Bucket=client.bucket, Key="k")["ResponseMetadata"]["HTTPHeaders"]
    )


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_s3_keeps_the_checksum_that_was_sent(connect: Connect, algorithm: str) -> None:
    client = _s3(connect)
    client.put("k", DATA, ChecksumAlgorithm=algorithm)
    answer = client.sdk.head_object(Bucket=client.bucket, Key="k", ChecksumMode="ENABLED")
    assert answer[f"Checksum{algorithm}"]
    listed = client.sdk.list_objects_v2(Bucket=client.bucket)["Contents"][0]
    assert listed["ChecksumAlgorithm"] == [algorithm]


def test_s3_refuses_a_checksum_of_other_bytes(connect: Connect) -> None:
    client = _s3(connect)
    for name in ("ChecksumCRC32", "ChecksumCRC32C"):
        assert failure(lambda: client.put("k", DATA, **{name: "AAAAAA=="})) == Failed(400, "BadDigest")  # noqa: B023
    assert failure(lambda: client.put("k", DATA, ChecksumCRC64NVME="AAAAAAAAAAA=")) == Failed(400, "BadDigest")


def test_a_store_that_is_only_like_s3_ignores_checksums(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect)
    rebuild(clouds, client, checksums="none")
    client.put("k", DATA, ChecksumCRC32="AAAAAA==")
    assert not any("checksum" in name for name in client.get("k", ChecksumMode="ENABLED").headers)


OTHER_MD5 = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()


def test_a_wrong_content_md5_is_refused(client: Client, cloud: str) -> None:
    header = {"oss": "Content-MD5"}.get(cloud, "ContentMD5")
    wrong = "InvalidDigest" if cloud == "oss" else "BadDigest"
    assert failure(lambda: client.put("k", DATA, **{header: OTHER_MD5})) == Failed(400, wrong)
    assert failure(lambda: client.put("k", DATA, **{header: "bm90IGFuIG1kNQ=="})) == Failed(400, "InvalidDigest")
    assert client.listed() == []


def test_headers_that_were_put_are_given_back(client: Client) -> None:
    client.put("k", DATA, ContentType="video/mp4", CacheControl="no-cache", ContentDisposition="inline")
    read = client.get("k")
    names = ("content-type", "cache-control", "content-disposition")
    assert [read.headers[name] for name in names] == ["video/mp4", "no-cache", "inline"]


def test_an_archived_object_can_be_headed_but_not_read(client: Client, clouds: Clouds, cloud: str) -> None:
    client.put("k", DATA)
    clouds.archive(cloud, client.bucket, "k")  # type: ignore[arg-type]
    assert client.head("k")["content-length"] == "1024"
    assert failure(lambda: client.get("k")) == Failed(403, "InvalidObjectState")
    assert failure(lambda: client.copy("k", "copy")) == Failed(403, "InvalidObjectState")


def test_the_etag_of_an_object_under_kms_is_no_md5(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect)
    rebuild(clouds, client, kms_key="arn:aws:kms:us-east-1:000000000000:key/example")
    etag = client.put("k", DATA)["etag"]
    assert hashlib.md5(DATA, usedforsecurity=False).hexdigest() not in etag
    read = client.get("k")
    assert (read.body, read.headers["x-amz-server-side-encryption"]) == (DATA, "aws:kms")


def test_copies_have_a_longest_size(client: Client, clouds: Clouds) -> None:
    rebuild(clouds, client, max_copy_bytes=1000)
    client.put("k", DATA)
    assert failure(lambda: client.copy("k", "copy")).status == 400


def test_versions_stay_readable(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect)
    rebuild(clouds, client, versioned=True)
    first = client.put("k", b"first")["x-amz-version-id"]
    client.put("k", b"second")
    client.delete("k")
    assert client.get("k", VersionId=first).body == b"first"
    assert failure(lambda: client.get("k")) == Failed(404, "NoSuchKey")


def test_an_object_can_be_laid_down_with_an_age_and_a_class(clouds: Clouds, connect: Connect) -> None:
    when = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    for name, storage_class in (("s3", "STANDARD_IA"), ("oss", "IA"), ("cos", "STANDARD_IA")):
        client = connect(name)
        cloud = cloud_of(client)
        clouds.put(cloud, client.bucket, "k", b"x", last_modified=when, storage_class=storage_class)
        headers = client.head("k")
        assert headers["last-modified"] == "Fri, 02 Jan 2026 03:04:05 GMT"
        assert storage_class in headers.values()


def test_many_are_deleted_at_once(connect: Connect) -> None:
    for name in ("s3", "oss", "cos"):
        client = connect(name)
        for key in ("a", "b & c", "d"):
            client.put(key, b"")
        if isinstance(client, S3):
            client.sdk.delete_objects(Bucket=client.bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b & c"}]})
        elif isinstance(client, OSS):
            client.sdk.batch_delete_objects(["a", "b & c"])
        elif isinstance(client, COS):
            client.sdk.delete_objects(Bucket=client.bucket, Delete={"Object": [{"Key": "a"}, {"Key": "b & c"}]})
        assert client.listed() == ["d"]


def test_two_clouds_do_not_share_a_bucket_of_one_name(clouds: Clouds) -> None:
    clouds.put("s3", "recordings", "k", b"s3")
    assert clouds.keys("oss", "recordings") == []
    with pytest.raises(KeyError):
        clouds.get("oss", "recordings", "k")


def test_what_clouds_says_of_an_object_is_what_a_put_would_have_said(clouds: Clouds, connect: Connect) -> None:
    clouds.create_bucket("oss", "recordings", BucketRules())
    client = connect("oss")
    clouds.put("oss", "recordings", "laid", DATA)
    client.put("put", DATA)
    for name in ("etag", "x-oss-hash-crc64ecma", "content-length", "x-oss-object-type", "x-oss-storage-class"):
        assert client.head("laid")[name] == client.head("put")[name]


def test_s3_takes_a_body_in_chunks_with_its_checksum_behind_it(clouds: Clouds) -> None:
    crc = base64.b64encode(crc32.iso_hdlc(DATA).to_bytes(4, "big")).decode()
    assert _put_in_chunks(clouds, DATA, crc) == 200
    assert clouds.get("s3", "recordings", "k") == DATA
    assert _put_in_chunks(clouds, DATA, "AAAAAA==") == 400
    assert _put_in_chunks(clouds, DATA, crc, announced=len(DATA) + 1) == 400
    assert _put_in_chunks(clouds, DATA, crc, trailer="x-amz-checksum-crc32c") == 400


def _put_in_chunks(
    clouds: Clouds, data: bytes, crc: str, *, announced: int | None = None, trailer: str = "x-amz-checksum-crc32"
) -> int:
    body = f"{len(data):x}\r\n".encode() + data + f"\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n".encode()
    headers = {
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": str(len(data) if announced is None else announced),
        "x-amz-trailer": trailer,
    }
    request = AWSRequest("PUT", f"{clouds.endpoint}/recordings/k", data=body, headers=headers)
    request.context["checksum"] = {"request_algorithm": {"in": "trailer"}}
    S3SigV4Auth(Credentials(KEY_ID, SECRET), "s3", "us-east-1").add_auth(request)
    sent = requests.put(request.url, data=body, headers=dict(request.headers), timeout=5)
    sent.close()
    return sent.status_code

"""What the stores refuse of an upload in parts, and what they say of its checksums."""

import base64

import boto3
import pytest
from awscrt import checksums as awscrt_checksums
from botocore.config import Config
from fastcrc import crc64

from deployments.sandbox.clouds import Clouds
from tests.sandbox.clouds.clients import COS, KEY_ID, MIN_PART, OSS, S3, SECRET, Client, Failed, failure, rebuild
from tests.sandbox.clouds.conftest import Connect


def _upload(client: Client, *parts: bytes) -> tuple[str, dict[int, str]]:
    upload = client.start("k")
    return upload, {number: client.part("k", upload, number, data) for number, data in enumerate(parts, 1)}


def test_all_parts_but_the_last_have_a_least_size(client: Client, cloud: str) -> None:
    upload, etags = _upload(client, b"1" * (MIN_PART[cloud] - 1), b"2")
    assert failure(lambda: client.complete("k", upload, etags)) == Failed(400, "EntityTooSmall")
    client.complete("k", upload, {1: etags[1]})
    assert len(client.get("k").body) == MIN_PART[cloud] - 1


def test_the_least_size_can_be_set_lower(client: Client, clouds: Clouds) -> None:
    rebuild(clouds, client, min_part_bytes=2)
    upload, etags = _upload(client, b"11", b"22", b"3")
    client.complete("k", upload, etags)
    assert client.get("k").body == b"11223"


def test_unknown_parts_are_refused(client: Client) -> None:
    upload, etags = _upload(client, b"1")
    assert failure(lambda: client.complete("k", upload, {2: etags[1]})) == Failed(400, "InvalidPart")
    assert failure(lambda: client.complete("k", upload, {1: '"0123456789abcdef0123456789abcdef"'})) == Failed(
        400, "InvalidPart"
    )


@pytest.mark.parametrize("name", ["s3", "cos"])
def test_parts_are_listed_in_order(connect: Connect, clouds: Clouds, name: str) -> None:
    client = connect(name)
    rebuild(clouds, client, min_part_bytes=1)
    upload, etags = _upload(client, b"1", b"2")
    swapped = {2: etags[2], 1: etags[1]}
    assert failure(lambda: client.complete("k", upload, swapped)) == Failed(400, "InvalidPartOrder")


def test_a_complete_lists_at_least_one_part(connect: Connect) -> None:
    for name in ("s3", "oss"):
        client = connect(name)
        upload, _ = _upload(client, b"1")
        assert failure(lambda: client.complete("k", upload, {})) == Failed(400, "MalformedXML")  # noqa: B023


def test_a_store_may_want_equal_parts(client: Client, clouds: Clouds) -> None:
    rebuild(clouds, client, equal_parts=True, min_part_bytes=1)
    upload, etags = _upload(client, b"11", b"2", b"333")
    assert failure(lambda: client.complete("k", upload, etags)) == Failed(400, "InvalidPart")
    etags[2] = client.part("k", upload, 2, b"22")
    client.complete("k", upload, etags)
    assert client.get("k").body == b"1122333"


def test_part_numbers_end_at_10000(client: Client) -> None:
    upload = client.start("k")
    assert failure(lambda: client.part("k", upload, 10_001, b"x")) == Failed(400, "InvalidArgument")
    assert client.part("k", upload, 10_000, b"x")


def test_a_part_can_be_copied_from_a_range(connect: Connect, clouds: Clouds) -> None:
    for name in ("s3", "oss", "cos"):
        client = connect(name)
        rebuild(clouds, client, min_part_bytes=1)
        client.put("source", b"0123456789")
        if isinstance(client, S3):
            upload = client.sdk.create_multipart_upload(Bucket=client.bucket, Key="k")["UploadId"]
        else:
            upload = client.start("k")
        etag = _copied_part(client, upload)
        client.complete("k", upload, {1: etag})
        assert client.get("k").body == b"234"


def _copied_part(client: Client, upload: str) -> str:
    if isinstance(client, OSS):
        return str(client.sdk.upload_part_copy(client.bucket, "source", (2, 4), "k", upload, 1).etag)
    if isinstance(client, COS):
        place = {"Bucket": client.bucket, "Key": "source", "Region": "ap-guangzhou"}
        copy = {"Key": "k", "UploadId": upload, "PartNumber": 1, "CopySource": place, "CopySourceRange": "bytes=2-4"}
        return str(client.sdk.upload_part_copy(Bucket=client.bucket, **copy)["ETag"])
    assert isinstance(client, S3)
    source = {"Bucket": client.bucket, "Key": "source"}
    copy = {"Key": "k", "UploadId": upload, "PartNumber": 1, "CopySource": source, "CopySourceRange": "bytes=2-4"}
    return str(client.sdk.upload_part_copy(Bucket=client.bucket, **copy)["CopyPartResult"]["ETag"])


@pytest.mark.parametrize("name", ["oss", "cos"])
def test_the_crc64_of_the_whole_is_told(connect: Connect, clouds: Clouds, name: str) -> None:
    client = connect(name)
    rebuild(clouds, client, min_part_bytes=1)
    upload, etags = _upload(client, b"one", b"two")
    client.complete("k", upload, etags)
    assert client.head("k")[f"x-{name}-hash-crc64ecma"] == str(crc64.xz(b"onetwo"))


def _s3(connect: Connect, clouds: Clouds) -> S3:
    client = connect("s3")
    assert isinstance(client, S3)
    rebuild(clouds, client, min_part_bytes=1)
    return client


def test_s3_tells_the_crc64nvme_of_the_whole(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect, clouds)
    upload, etags = _upload(client, b"one", b"two")
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in etags.items()]
    whole = base64.b64encode(awscrt_checksums.crc64nvme(b"onetwo").to_bytes(8, "big")).decode()
    where = {"Bucket": client.bucket, "Key": "k", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    wrong = {"ChecksumCRC64NVME": "AAAAAAAAAAA=", "ChecksumType": "FULL_OBJECT"}
    with pytest.raises(client.sdk.exceptions.ClientError, match="BadDigest"):
        client.sdk.complete_multipart_upload(**where, **wrong)
    answer = client.sdk.complete_multipart_upload(**where, ChecksumCRC64NVME=whole, ChecksumType="FULL_OBJECT")
    assert (answer["ChecksumCRC64NVME"], answer["ChecksumType"]) == (whole, "FULL_OBJECT")


def test_s3_makes_a_composite_of_crc32(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect, clouds)
    upload = client.sdk.create_multipart_upload(Bucket=client.bucket, Key="k", ChecksumAlgorithm="CRC32")["UploadId"]
    parts = []
    for number, data in enumerate((b"one", b"two"), 1):
        arguments = {"Bucket": client.bucket, "Key": "k", "UploadId": upload, "PartNumber": number, "Body": data}
        answer = client.sdk.upload_part(**arguments, ChecksumAlgorithm="CRC32")
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
    done = client.sdk.complete_multipart_upload(
        Bucket=client.bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    assert done["ChecksumCRC32"].endswith("-2")
    assert done["ChecksumType"] == "COMPOSITE"


def test_s3_refuses_a_part_with_the_checksum_of_other_bytes_or_another_kind(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect, clouds)
    upload = client.start("k")
    arguments = {"Bucket": client.bucket, "Key": "k", "UploadId": upload, "PartNumber": 1, "Body": b"x"}
    with pytest.raises(client.sdk.exceptions.ClientError, match="BadDigest"):
        client.sdk.upload_part(**arguments, ChecksumCRC64NVME="AAAAAAAAAAA=")
    with pytest.raises(client.sdk.exceptions.ClientError, match="Checksum Type mismatch"):
        client.sdk.upload_part(**arguments, ChecksumAlgorithm="CRC32")


def test_s3_refuses_kinds_that_an_algorithm_does_not_have(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect, clouds)
    for algorithm, kind in (("CRC64NVME", "COMPOSITE"), ("SHA256", "FULL_OBJECT")):
        with pytest.raises(client.sdk.exceptions.ClientError, match="InvalidRequest"):
            client.sdk.create_multipart_upload(
                Bucket=client.bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType=kind
            )


def test_uploads_are_listed_by_pages_and_prefix(clouds: Clouds) -> None:
    config = Config(s3={"addressing_style": "path"})
    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    sdk = boto3.client("s3", endpoint_url=clouds.endpoint, config=config, **keys)
    for key in ("a/1", "a/1", "a/2", "a b/ü", "z"):
        sdk.create_multipart_upload(Bucket="recordings", Key=key)
    pages = sdk.get_paginator("list_multipart_uploads").paginate(
        Bucket="recordings", Prefix="a", PaginationConfig={"PageSize": 1}
    )
    found = [upload for page in pages for upload in page.get("Uploads", ())]
    sdk.close()
    assert [upload["Key"] for upload in found] == ["a b/ü", "a/1", "a/1", "a/2"]
    assert len({upload["UploadId"] for upload in found}) == 4
    assert [upload.key for upload in clouds.uploads("s3", "recordings")] == ["a b/ü", "a/1", "a/1", "a/2", "z"]

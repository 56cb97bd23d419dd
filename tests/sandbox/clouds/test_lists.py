"""Listings: order, pages, prefixes, delimiters and what each store says of an object."""

import time

import oss2
import pytest

from deployments.sandbox.clouds import Clouds
from tests.sandbox.clouds.clients import BUCKETS, COS, OSS, S3, Client, Failed, cloud_of, failure
from tests.sandbox.clouds.conftest import Connect

KEYS = ["a", "a/1", "a/2", "a/b/3", "a0", "b c", "b+c", "ü", "\U0001f3a5", "\uffee"]


def _fill(clouds: Clouds, client: Client, keys: list[str]) -> None:
    for key in reversed(keys):
        clouds.put(cloud_of(client), client.bucket, key, key.encode())


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_every_key_comes_once_in_the_order_of_its_utf8(client: Client, clouds: Clouds, limit: int) -> None:
    _fill(clouds, client, KEYS)
    assert client.listed(limit=limit) == sorted(KEYS, key=lambda key: key.encode())


def test_a_prefix_is_any_text(client: Client, clouds: Clouds) -> None:
    _fill(clouds, client, KEYS)
    assert client.listed("a/") == ["a/1", "a/2", "a/b/3"]
    assert client.listed("a") == ["a", "a/1", "a/2", "a/b/3", "a0"]
    assert client.listed("nothing") == []


def _s3(connect: Connect) -> S3:
    client = connect("s3")
    assert isinstance(client, S3)
    return client


@pytest.mark.parametrize("limit", [1, 2, 1000])
@pytest.mark.parametrize("version", ["list_objects", "list_objects_v2"])
def test_a_delimiter_folds_keys_once(connect: Connect, clouds: Clouds, version: str, limit: int) -> None:
    client = _s3(connect)
    _fill(clouds, client, KEYS)
    pages = client.sdk.get_paginator(version).paginate(
        Bucket=client.bucket, Delimiter="/", PaginationConfig={"PageSize": limit}
    )
    found = list(pages)
    assert [group["Prefix"] for page in found for group in page.get("CommonPrefixes", ())] == ["a/"]
    keys = [item["Key"] for page in found for item in page.get("Contents", ())]
    assert keys == [key for key in sorted(KEYS, key=lambda key: key.encode()) if "/" not in key]


def test_start_after_is_left_out_itself(connect: Connect, clouds: Clouds) -> None:
    client = _s3(connect)
    _fill(clouds, client, KEYS)
    answer = client.sdk.list_objects_v2(Bucket=client.bucket, StartAfter="a/1", MaxKeys=1)
    assert ([item["Key"] for item in answer["Contents"]], answer["IsTruncated"]) == (["a/2"], True)
    assert client.sdk.list_objects_v2(Bucket=client.bucket, MaxKeys=0)["KeyCount"] == 0


def test_the_default_page_of_oss_has_100_keys_and_the_longest_1000(connect: Connect, clouds: Clouds) -> None:
    client = connect("oss")
    assert isinstance(client, OSS)
    _fill(clouds, client, [f"{number:04}" for number in range(101)])
    assert len(client.sdk.list_objects_v2(max_keys="").object_list) == 100
    assert failure(lambda: client.listed(limit=1001)) == Failed(400, "InvalidArgument")


def test_a_listing_says_what_the_store_says(connect: Connect, clouds: Clouds) -> None:
    for name in ("s3", "oss", "cos"):
        client = connect(name)
        _fill(clouds, client, ["k"])
        if isinstance(client, S3):
            item = client.sdk.list_objects_v2(Bucket=client.bucket)["Contents"][0]
            assert (item["Size"], item["StorageClass"], item["ChecksumAlgorithm"]) == (1, "STANDARD", ["CRC64NVME"])
        elif isinstance(client, OSS):
            found = next(iter(oss2.ObjectIterator(client.sdk)))
            assert (found.size, found.type, found.storage_class) == (1, "Normal", "Standard")
        elif isinstance(client, COS):
            item = client.sdk.list_objects(Bucket=client.bucket)["Contents"][0]
            assert (item["Size"], item["StorageClass"]) == ("1", "STANDARD")


def test_ten_thousand_keys_are_listed_quickly(connect: Connect, clouds: Clouds) -> None:
    client = connect("oss")
    for number in range(10_000):
        clouds.put("oss", BUCKETS["oss"], f"room/{number:06}.ts", b"")
    began = time.perf_counter()
    assert len(client.listed("room/")) == 10_000
    assert time.perf_counter() - began < 5

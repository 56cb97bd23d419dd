"""The measured process of the listing rows: `python -m tests.benchmarks.listing ours|sdk URL`.

Every object of a bucket, by us or by the plainest call of the cloud's own SDK that gets pages of 1,000.
"""

import os
import sys
from collections.abc import Callable, Mapping

import boto3
import oss2
import qcloud_cos

from storage.listing import listed
from storage.opening import open_store
from storage.urls import StoreUrl
from tests.benchmarks.child import Facts, report

_TIMES = 5
"""One listing is too short to be measured."""


def by_us(url: str) -> Callable[[], int]:
    store = open_store(url)
    return lambda: sum(1 for _ in listed(store))


def by_boto3(url: StoreUrl) -> Callable[[], int]:
    client = boto3.client(
        "s3",
        endpoint_url=url.options["endpoint"],
        region_name=url.options["region"],
        aws_access_key_id=os.environ["AFTERTAKE_S3_KEY_ID"],
        aws_secret_access_key=os.environ["AFTERTAKE_S3_SECRET"],
    )
    pages = client.get_paginator("list_objects_v2")
    return lambda: sum(len(page["Contents"]) for page in pages.paginate(Bucket=url.bucket))


def by_oss2(url: StoreUrl) -> Callable[[], int]:
    auth = oss2.AuthV4(os.environ["AFTERTAKE_OSS_KEY_ID"], os.environ["AFTERTAKE_OSS_SECRET"])
    bucket = oss2.Bucket(auth, url.options["endpoint"], url.bucket, region=url.options["region"])
    return lambda: sum(1 for _ in oss2.ObjectIteratorV2(bucket, max_keys=1000))


def by_cos(url: StoreUrl) -> Callable[[], int]:
    host, _, port = url.options["endpoint"].removeprefix("http://").partition(":")
    config = qcloud_cos.CosConfig(
        Region=url.options["region"],
        SecretId=os.environ["AFTERTAKE_COS_KEY_ID"],
        SecretKey=os.environ["AFTERTAKE_COS_SECRET"],
        Scheme="http",
        IP=host,
        Port=int(port),
    )
    client = qcloud_cos.CosS3Client(config)

    def listing() -> int:
        count, marker = 0, ""
        while True:
            page = client.list_objects(Bucket=url.bucket, Marker=marker)
            count += len(page["Contents"])
            if page["IsTruncated"] != "true":
                return count
            marker = page["NextMarker"]

    return listing


_SDKS: Mapping[str, Callable[[StoreUrl], Callable[[], int]]] = {"s3": by_boto3, "oss": by_oss2, "cos": by_cos}


def main() -> None:
    way, text = sys.argv[1:]
    url = StoreUrl.parse(text)
    listing = by_us(text) if way == "ours" else _SDKS[url.scheme](url)
    listing()  # connections and what is imported late

    def work() -> Facts:
        return {"keys": sum(listing() for _ in range(_TIMES))}

    report(work)


if __name__ == "__main__":
    main()

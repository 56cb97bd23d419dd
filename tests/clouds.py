"""Buckets of the sandbox's clouds, and the URLs and variables by which our stores open them."""

import itertools
from typing import Protocol

from deployments.sandbox.clouds import Account, BucketRules, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from storage.base import ObjectStore
from storage.opening import open_store

SECRET = "canary-secret-7f3a9b"  # noqa: S105  it is looked for where it must not be
ENVIRONMENT = {
    f"AFTERTAKE_{cloud}_{name}": value
    for cloud in ("S3", "OSS", "COS")
    for name, value in (("KEY_ID", "AKSANDBOX"), ("SECRET", SECRET))
}
CLOUDS: tuple[CloudName, ...] = ("s3", "oss", "cos")

_REGIONS = {"s3": "us-east-1", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
_numbers = itertools.count(1)


class Buckets(Protocol):
    """A sandbox, in this process or another."""

    @property
    def endpoint(self) -> str: ...

    def create_bucket(self, cloud: CloudName, name: str, rules: BucketRules | None = None) -> None: ...


def running_clouds() -> Clouds:
    """A sandbox that knows the account of `ENVIRONMENT`; use it in a `with`."""
    clouds = Clouds()
    clouds.add_account(Account(key_id="AKSANDBOX", secret=SECRET))
    return clouds


def new_bucket(
    clouds: Buckets, cloud: CloudName, rules: BucketRules | None = None, *, prefix: str = "", options: str = ""
) -> str:
    """The URL of a new bucket; `options` are further ones, as in `&parts=equal`."""
    number = next(_numbers)
    name = f"bucket-{number}-1250000000" if cloud == "cos" else f"bucket-{number}"
    clouds.create_bucket(cloud, name, rules)
    like_amazon = "&checksums=crc64nvme" if cloud == "s3" and "checksums" not in options else ""
    return f"{cloud}://{name}/{prefix}?region={_REGIONS[cloud]}&endpoint={clouds.endpoint}{like_amazon}{options}"


def new_store(
    clouds: Buckets, cloud: CloudName, rules: BucketRules | None = None, *, prefix: str = "", options: str = ""
) -> ObjectStore:
    """A new bucket, opened."""
    return open_store(new_bucket(clouds, cloud, rules, prefix=prefix, options=options), environment=ENVIRONMENT)

"""Where a recording goes, as its storage parameters say in each vendor's own numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from deployments.sandbox.clouds import Clouds
from deployments.sandbox.clouds.buckets import CloudName

STORES: Final[Mapping[int, CloudName]] = MappingProxyType({1: "s3", 2: "oss", 3: "cos"})
"""Amazon, Alibaba and Tencent have the same numbers at Agora and ZEGO."""
AGORA_S3_LIKE: Final = 11
ZEGO_S3_LIKE: Final = 10

AGORA_REGIONS: Final[Mapping[CloudName, Mapping[int, str]]] = MappingProxyType(
    {
        "s3": {0: "us-east-1", 1: "us-east-2", 3: "us-west-2", 4: "eu-west-1", 7: "eu-central-1", 8: "ap-southeast-1"},
        "oss": {0: "cn-hangzhou", 1: "cn-shanghai", 3: "cn-beijing", 6: "cn-shenzhen", 7: "cn-hongkong"},
        "cos": {1: "ap-beijing", 2: "ap-shanghai", 3: "ap-guangzhou", 9: "ap-hongkong", 10: "ap-singapore"},
    }
)
"""Only some of Agora's regions; another number is refused as a wrong parameter."""


class WrongStore(ValueError):  # noqa: N818 - an answer of the vendor, no error of ours
    """No store can be made of the parameters; the text says which is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A folder of a bucket and the key for it. `prefix` ends in "/" or is empty; a region of "" is not compared."""

    cloud: CloudName
    bucket: str
    region: str
    key_id: str
    secret: str = field(repr=False)
    prefix: str = ""

    def refusal(self, clouds: Clouds) -> str:
        """The store's code where it does not take what is put there; "" where it does."""
        return clouds.refusal_of_put(
            self.cloud,
            self.bucket,
            f"{self.prefix}x",
            key_id=self.key_id,
            secret=self.secret,
            region=self.region,
        )


def agora_store(config: Mapping[str, Any]) -> Store:
    """Of `storageConfig`. Raises WrongStore."""
    vendor, region = _number(config, "vendor"), _number(config, "region")
    elements = config.get("fileNamePrefix", [])
    if not isinstance(elements, list) or not all(isinstance(piece, str) and piece for piece in elements):
        raise WrongStore("fileNamePrefix must be an array of strings")
    if len("/".join(elements)) > 128:
        raise WrongStore("fileNamePrefix is longer than 128 characters")
    cloud: CloudName = "s3" if vendor == AGORA_S3_LIKE else _cloud(vendor)
    if vendor == AGORA_S3_LIKE:
        extension = config.get("extensionParams")
        if not isinstance(extension, Mapping) or not extension.get("endpoint"):
            raise WrongStore("vendor 11 needs extensionParams.endpoint")
    elif region not in AGORA_REGIONS[cloud]:
        raise WrongStore(f"the sandbox knows no region {region} of vendor {vendor}")
    return Store(
        cloud=cloud,
        bucket=_text(config, "bucket"),
        region="" if vendor == AGORA_S3_LIKE else AGORA_REGIONS[cloud][region],
        key_id=_text(config, "accessKey"),
        secret=_text(config, "secretKey"),
        prefix="".join(f"{piece}/" for piece in elements),
    )


def zego_store(params: Mapping[str, Any], folder: str) -> Store:
    """Of `StorageParams` and `OutputFolder`, which is taken to end in a slash: a guess. Raises WrongStore."""
    vendor = _number(params, "Vendor")
    s3_like = vendor == ZEGO_S3_LIKE
    cloud: CloudName = "s3" if s3_like else _cloud(vendor)
    if s3_like:
        _text(params, "EndPoint")
    region = _text(params, "Region")
    return Store(
        cloud=cloud,
        bucket=_text(params, "Bucket"),
        region="" if s3_like else region.removeprefix("oss-") if cloud == "oss" else region,
        key_id=_text(params, "AccessKeyId"),
        secret=_text(params, "AccessKeySecret"),
        prefix=folder if not folder or folder.endswith("/") else f"{folder}/",
    )


def _cloud(vendor: int) -> CloudName:
    if vendor not in STORES:
        raise WrongStore(f"the sandbox has no store for vendor {vendor}: it knows 1, 2 and 3")
    return STORES[vendor]


def _number(params: Mapping[str, Any], name: str) -> int:
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongStore(f"{name} must be a number")
    return value


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise WrongStore(f"{name} must be given")
    return value

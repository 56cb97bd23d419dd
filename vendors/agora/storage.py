"""Agora's `storageConfig`, both ways (`cloud-recording/reference/region-vendor` of its documents).

Agora numbers stores and regions and names regions in its own words (`US_West_1`); here are the stores' own region ids.
Its COS regions 0 (`AP_Beijing_1`) and 1 (`AP_Beijing`) are two regions of COS as well, so every number goes both ways.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from vendors.storage import (
    Scheme,
    StorageSettingsError,
    StoreLocation,
    google,
    huawei,
    huawei_region,
    is_google,
    number_setting,
    text_setting,
)

MAX_PREFIX_LENGTH = 128
"""Characters of all elements of `fileNamePrefix`, with the slashes between them."""

_AMAZON, _ALIBABA, _TENCENT, _GOOGLE, _HUAWEI, _S3_LIKE = 1, 2, 3, 6, 7, 11
_NO_REGION = 0

S3_REGIONS: Mapping[int, str] = MappingProxyType(
    {
        0: "us-east-1",
        1: "us-east-2",
        2: "us-west-1",
        3: "us-west-2",
        4: "eu-west-1",
        5: "eu-west-2",
        6: "eu-west-3",
        7: "eu-central-1",
        8: "ap-southeast-1",
        9: "ap-southeast-2",
        10: "ap-northeast-1",
        11: "ap-northeast-2",
        12: "sa-east-1",
        13: "ca-central-1",
        14: "ap-south-1",
        15: "cn-north-1",
        16: "cn-northwest-1",
        17: "us-gov-west-1",
        18: "af-south-1",
        19: "ap-east-1",
        20: "ap-northeast-3",
        21: "eu-north-1",
        22: "me-south-1",
        23: "us-gov-east-1",
        24: "ap-southeast-3",
        25: "eu-south-1",
    }
)
"""Amazon's region ids; the two of `amazonaws.com.cn` need nothing but their id."""

OSS_REGIONS: Mapping[int, str] = MappingProxyType(
    {
        0: "cn-hangzhou",
        1: "cn-shanghai",
        2: "cn-qingdao",
        3: "cn-beijing",
        4: "cn-zhangjiakou",
        5: "cn-huhehaote",
        6: "cn-shenzhen",
        7: "cn-hongkong",
        8: "us-west-1",
        9: "us-east-1",
        10: "ap-southeast-1",
        11: "ap-southeast-2",
        12: "ap-southeast-3",
        13: "ap-southeast-5",
        14: "ap-northeast-1",
        15: "ap-south-1",
        16: "eu-central-1",
        17: "eu-west-1",
        18: "me-east-1",
        19: "ap-southeast-6",
        20: "cn-heyuan",
        21: "cn-guangzhou",
        22: "cn-chengdu",
        23: "cn-nanjing",
        24: "cn-fuzhou",
        25: "cn-wulanchabu",
        26: "ap-northeast-2",
        27: "ap-southeast-7",
    }
)
"""Alibaba Cloud's region ids ("Regions and endpoints" of OSS)."""

COS_REGIONS: Mapping[int, str] = MappingProxyType(
    {
        0: "ap-beijing-1",
        1: "ap-beijing",
        2: "ap-shanghai",
        3: "ap-guangzhou",
        4: "ap-chengdu",
        5: "ap-chongqing",
        6: "ap-shenzhen-fsi",
        7: "ap-shanghai-fsi",
        8: "ap-beijing-fsi",
        9: "ap-hongkong",
        10: "ap-singapore",
        11: "ap-mumbai",
        12: "ap-seoul",
        13: "ap-bangkok",
        14: "ap-tokyo",
        15: "na-siliconvalley",
        16: "na-ashburn",
        17: "na-toronto",
        18: "eu-frankfurt",
        19: "eu-moscow",
    }
)
"""Tencent Cloud's region ids ("Regions and access endpoints" of COS, older editions for the regions it has closed)."""

HUAWEI_REGIONS: Mapping[int, str] = MappingProxyType(
    {
        0: "cn-north-1",
        1: "cn-north-4",
        2: "cn-east-2",
        3: "cn-east-3",
        4: "cn-south-1",
        5: "cn-southwest-2",
        6: "ap-southeast-1",
        7: "ap-southeast-2",
        8: "ap-southeast-3",
        9: "af-south-1",
        10: "sa-argentina-1",
        11: "sa-peru-1",
        12: "na-mexico-1",
        13: "sa-brazil-1",
        14: "la-south-2",
        15: "sa-chile-1",
    }
)
"""Huawei Cloud's region ids."""

_STORES: Mapping[int, tuple[Scheme, Mapping[int, str]]] = MappingProxyType(
    {_AMAZON: ("s3", S3_REGIONS), _ALIBABA: ("oss", OSS_REGIONS), _TENCENT: ("cos", COS_REGIONS)}
)
_NAMES = MappingProxyType(
    {
        _AMAZON: "Amazon S3",
        _ALIBABA: "Alibaba Cloud OSS",
        _TENCENT: "Tencent Cloud COS",
        _GOOGLE: "Google Cloud Storage",
        _HUAWEI: "Huawei Cloud OBS",
        _S3_LIKE: "any S3-compatible store",
    }
)
_UNREADABLE = MappingProxyType({0: "Qiniu Kodo", 4: "Kingsoft Cloud KS3", 5: "Azure Blob Storage", 8: "Baidu BOS"})
_GUESSES = MappingProxyType(
    {
        (_AMAZON, 17): "us-gov-west-1 stands in older copies of Agora's table only",
        (_AMAZON, 23): "us-gov-east-1 stands in older copies of Agora's table only",
        (_ALIBABA, 18): "Agora says EU_East_1, which OSS does not have; Alibaba's copy of the table adds ME_East_1",
        (
            _ALIBABA,
            26,
        ): "Agora says CN_Northeast_2, which OSS does not have; ap-northeast-2 (Seoul) is the nearest",
        (_ALIBABA, 27): "Agora says CN_Southeast_7, which OSS does not have; ap-southeast-7 (Bangkok) is the nearest",
    }
)


def location(storage_config: Mapping[str, object]) -> StoreLocation:
    """The folder that a `storageConfig` names; its keys and tokens are not looked at.

    Raises StorageSettingsError for stores we cannot read, unknown numbers, and settings of the wrong type.
    """
    vendor = number_setting(storage_config, "vendor", "Agora")
    if vendor not in _NAMES:
        raise _unreadable(vendor)
    bucket = text_setting(storage_config, "bucket", "Agora")
    prefix = _prefix(storage_config.get("fileNamePrefix"))
    if vendor == _GOOGLE:
        return google(bucket, prefix)
    if vendor == _S3_LIKE:
        return StoreLocation(scheme="s3", bucket=bucket, prefix=prefix, endpoint=_endpoint(storage_config))
    number = number_setting(storage_config, "region", "Agora")
    if vendor == _HUAWEI:
        return huawei(bucket, _region(vendor, number, HUAWEI_REGIONS), prefix)
    scheme, regions = _STORES[vendor]
    region = _region(vendor, number, regions)
    found = StoreLocation(scheme=scheme, bucket=bucket, prefix=prefix, region=region)
    return replace(found, guess=_GUESSES.get((vendor, number)))


def storage_config(place: StoreLocation) -> dict[str, object]:
    """The `storageConfig` of this folder, without `accessKey` and `secretKey`, which the caller adds.

    An S3-compatible store keeps its endpoint only: Agora has no field for its region and addressing. Raises
    StorageSettingsError for a region that Agora has no number for and a prefix that it would not take.
    """
    vendor, region = _numbers(place)
    config: dict[str, object] = {
        "vendor": vendor,
        "region": region,
        "bucket": place.bucket,
        "fileNamePrefix": _elements(place.prefix),
    }
    if vendor == _S3_LIKE:
        config["extensionParams"] = {"endpoint": place.endpoint}
    return config


def _numbers(place: StoreLocation) -> tuple[int, int]:
    if is_google(place):
        return _GOOGLE, _NO_REGION
    if region := huawei_region(place):
        return _HUAWEI, _number(_HUAWEI, region, HUAWEI_REGIONS)
    if place.endpoint is not None:
        return _S3_LIKE, _NO_REGION
    for vendor, (scheme, regions) in _STORES.items():
        if scheme == place.scheme:
            return vendor, _number(vendor, place.region, regions)
    raise AssertionError(place.scheme)


def _number(vendor: int, region: str | None, regions: Mapping[int, str]) -> int:
    for number, known in regions.items():
        if known == region:
            return number
    raise StorageSettingsError(
        f"Agora has no number for the region {region} of {_NAMES[vendor]}",
        known=regions.values(),
        advice="Record to a bucket in one of these, or look whether Agora has added the region.",
    )


def _region(vendor: int, number: int, regions: Mapping[int, str]) -> str:
    if number in regions:
        return regions[number]
    raise StorageSettingsError(
        f"region {number} of {_NAMES[vendor]} (vendor {vendor}) is not in Agora's table",
        known=[f"{known} {region}" for known, region in regions.items()],
        advice="If Agora has added it, write the store URL with the store's own region id instead.",
    )


def _unreadable(vendor: int) -> StorageSettingsError:
    name = _UNREADABLE.get(vendor)
    given = f"Agora's storage vendor {vendor} is {name}, which cannot be read" if name else f"{vendor} is no vendor"
    return StorageSettingsError(
        given,
        known=[f"{number} {store}" for number, store in _NAMES.items()],
        advice="Record to one of these, or give the store URL of a copy that is in one.",
    )


def _prefix(elements: object) -> str:
    if elements is None:
        return ""
    # Agora documents letters and digits only, but `_` and `-` are seen in real buckets: nothing else is checked.
    if isinstance(elements, list | tuple) and all(isinstance(element, str) and element for element in elements):
        return "".join(f"{element}/" for element in elements)
    raise StorageSettingsError(
        "fileNamePrefix of Agora's storage settings is no list of names",
        known=['["folder", "folder"]'],
        advice="Give the elements as a list; each becomes one folder.",
    )


def _elements(prefix: str) -> list[str]:
    elements = prefix.split("/")[:-1]
    if "" in elements or len("/".join(elements)) > MAX_PREFIX_LENGTH:
        raise StorageSettingsError(
            f"Agora has no fileNamePrefix for {prefix!r}",
            known=[f"up to {MAX_PREFIX_LENGTH} characters of names between single slashes"],
            advice="Record under a shorter prefix of letters and digits.",
        )
    return elements


def _endpoint(storage_config: Mapping[str, object]) -> str:
    params = storage_config.get("extensionParams")
    endpoint = text_setting(params if isinstance(params, Mapping) else {}, "endpoint", "Agora")
    return endpoint if "://" in endpoint else f"https://{endpoint}"

"""ZEGO's `StorageParams`, both ways (`server/start-record` and the FAQ on storage settings of its documents).

ZEGO numbers stores and names regions in the stores' own words, with `oss-` before those of OSS. The folder stands
elsewhere, in `RecordOutputParams.OutputFolder`.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from vendors.storage import (
    Addressing,
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

_AMAZON, _ALIBABA, _TENCENT, _HUAWEI, _GOOGLE, _S3_LIKE = 1, 2, 3, 7, 8, 10
_OSS_PREFIX = "oss-"

_STORES: Mapping[int, Scheme] = MappingProxyType({_AMAZON: "s3", _ALIBABA: "oss", _TENCENT: "cos"})
_NAMES = MappingProxyType(
    {
        _AMAZON: "Amazon S3",
        _ALIBABA: "Alibaba Cloud OSS",
        _TENCENT: "Tencent Cloud COS",
        _HUAWEI: "Huawei Cloud OBS",
        _GOOGLE: "Google Cloud Storage",
        _S3_LIKE: "any S3-compatible store",
    }
)
_UNREADABLE = MappingProxyType({4: "Qiniu Kodo", 5: "Alibaba Cloud VOD", 6: "Tencent Cloud VOD", 9: "China Mobile EOS"})


def location(storage_params: Mapping[str, object], *, output_folder: str = "") -> StoreLocation:
    """The folder that `StorageParams` and `OutputFolder` name; keys are not looked at.

    Raises StorageSettingsError for stores we cannot read and settings of the wrong type.
    """
    vendor = number_setting(storage_params, "Vendor", "ZEGO")
    if vendor not in _NAMES:
        raise _unreadable(vendor)
    bucket = text_setting(storage_params, "Bucket", "ZEGO")
    found = _store(vendor, bucket, storage_params)
    if not output_folder or output_folder.endswith("/"):
        return replace(found, prefix=output_folder)
    guess = f"the OutputFolder {output_folder} is taken as {output_folder}/; ZEGO does not say what it does without '/'"
    return replace(found, prefix=f"{output_folder}/", guess="; ".join(filter(None, (found.guess, guess))))


def storage_params(place: StoreLocation) -> dict[str, object]:
    """The `StorageParams` of this folder, without its keys, which the caller adds; `OutputFolder` is `place.prefix`.

    Raises StorageSettingsError for an S3-compatible store without a region, which ZEGO asks for.
    """
    if is_google(place):
        return {"Vendor": _GOOGLE, "Bucket": place.bucket}
    if place.region is None:
        raise StorageSettingsError(
            "ZEGO needs the region of an S3-compatible store",
            known=["region=… beside endpoint=…"],
            advice="Add the region that the store signs with; many take us-east-1.",
        )
    if region := huawei_region(place):
        return {"Vendor": _HUAWEI, "Region": region, "Bucket": place.bucket}
    if place.endpoint is not None:
        return _s3_like(place, place.region)
    (vendor,) = (number for number, scheme in _STORES.items() if scheme == place.scheme)
    region = f"{_OSS_PREFIX}{place.region}" if vendor == _ALIBABA else place.region
    return {"Vendor": vendor, "Region": region, "Bucket": place.bucket}


def _store(vendor: int, bucket: str, storage_params: Mapping[str, object]) -> StoreLocation:
    if vendor == _GOOGLE:
        return google(bucket)
    region = text_setting(storage_params, "Region", "ZEGO")
    if vendor == _HUAWEI:
        return huawei(bucket, region)
    if vendor == _S3_LIKE:
        endpoint = text_setting(storage_params, "EndPoint", "ZEGO")
        return StoreLocation(
            scheme="s3",
            bucket=bucket,
            region=region,
            endpoint=endpoint if "://" in endpoint else f"https://{endpoint}",
            addressing=_addressing(storage_params.get("S3ForcePathStyle")),
        )
    return StoreLocation(scheme=_STORES[vendor], bucket=bucket, region=region.removeprefix(_OSS_PREFIX))


def _s3_like(place: StoreLocation, region: str) -> dict[str, object]:
    params: dict[str, object] = {
        "Vendor": _S3_LIKE,
        "Region": region,
        "Bucket": place.bucket,
        "EndPoint": place.endpoint,
    }
    if place.addressing is not None:
        params["S3ForcePathStyle"] = place.addressing == "path"
    return params


def _addressing(force_path_style: object) -> Addressing | None:
    """None where the field is missing: older settings do not have it and say nothing of the addressing."""
    if force_path_style is None:
        return None
    if not isinstance(force_path_style, bool):
        raise StorageSettingsError(
            "S3ForcePathStyle of ZEGO's storage settings is neither true nor false",
            known=["true", "false"],
            advice="Copy the settings from the request that starts the recording.",
        )
    return "path" if force_path_style else "virtual"


def _unreadable(vendor: int) -> StorageSettingsError:
    name = _UNREADABLE.get(vendor)
    given = f"ZEGO's storage vendor {vendor} is {name}, which cannot be read" if name else f"{vendor} is no vendor"
    return StorageSettingsError(
        given,
        known=[f"{number} {store}" for number, store in _NAMES.items()],
        advice="Record to one of these, or give the store URL of a copy that is in one.",
    )

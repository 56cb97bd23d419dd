"""Where a vendor uploads to, as a store URL and back; the vendors' own settings are read in `vendors/*/storage.py`.

A store that only speaks S3 has `endpoint=` and perhaps `addressing=`; see `storage.urls` for the form.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

from storage.errors import InvalidUrl
from storage.urls import StoreUrl

Scheme = Literal["s3", "oss", "cos"]
Addressing = Literal["path", "virtual"]

GOOGLE_ENDPOINT = "https://storage.googleapis.com"
"""Google Cloud Storage's XML API, which takes S3's requests with an HMAC key ("Simple migration from Amazon S3")."""
GOOGLE_REGION = "auto"
"""What Google's samples for S3's SDKs sign with."""

_HUAWEI_ENDPOINT = re.compile(r"https://obs\.(?P<region>[a-z0-9-]+)\.myhuaweicloud\.com")
_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_COS_BUCKET = re.compile(r".+-[0-9]+", re.DOTALL)
_OPTIONS = ("region", "endpoint", "addressing")


class StorageSettingsError(ValueError):
    """Storage settings or a store URL that mean no store we can read.

    `given` is what was found, never with credentials; `known` is what would have been understood.
    """

    def __init__(self, given: str, *, known: Collection[str], advice: str) -> None:
        """`given` is a clause without a full stop, `advice` a sentence."""
        super().__init__(given, known, advice)
        self.given = given
        self.known = tuple(known)
        self.advice = advice

    def __str__(self) -> str:
        """One line for people: what was given, what is known, what to do."""
        return f"{self.given}. Known: {', '.join(self.known)}. {self.advice}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLocation:
    """A folder of a bucket. `prefix` ends in `/` or is empty; `region` is the store's own id (`cn-hangzhou`).

    `endpoint` (a URL) and `addressing` are for stores that only speak S3. `guess` says what of this no document
    confirms; it is no part of the place. Raises StorageSettingsError for what cannot be.
    """

    scheme: Scheme
    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint: str | None = None
    addressing: Addressing | None = None
    guess: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        _check_bucket(self.scheme, self.bucket)
        if self.prefix and not self.prefix.endswith("/"):
            raise _fault(f"the prefix {self.prefix!r} has no '/' at its end", "a prefix that ends in '/'")
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise _fault(f"{self.region!r} is no region", "ids such as us-east-1, cn-hangzhou, ap-guangzhou")
        if self.endpoint is not None:
            _check_endpoint(self.endpoint)
        if self.scheme != "s3" and (self.endpoint or self.addressing):
            raise _fault(f"{self.scheme}:// has no endpoint and no addressing", "region")
        if self.region is None and self.endpoint is None:
            raise _fault(f"the {self.scheme}:// store has no region", "region=…, or endpoint=… for an S3-like store")


def store_url(location: StoreLocation) -> str:
    """The URL of this folder; `parse_store_url` gives the location back."""
    options = {name: value for name in _OPTIONS if (value := getattr(location, name))}
    return str(StoreUrl(scheme=location.scheme, bucket=location.bucket, prefix=location.prefix, options=options))


def parse_store_url(url: str) -> StoreLocation:
    """The folder that a store URL names. What only says how to reach and read it is no part of the place.

    Such are `credentials=` and, of OSS and COS, `endpoint=`: an internal or accelerated host leads to the same bucket,
    which its name and region say in full. Raises StorageSettingsError.
    """
    try:
        found = StoreUrl.parse(url)
    except InvalidUrl as error:
        raise _fault(error.detail, *_SHAPES) from None
    if found.scheme not in get_args(Scheme):
        raise _fault(f"{found.scheme}:// is no store of a vendor", *_SHAPES)
    addressing = found.options.get("addressing")
    if addressing is not None and addressing not in get_args(Addressing):
        raise _fault(f"addressing={addressing!r} is not understood", *get_args(Addressing))
    return StoreLocation(
        scheme=cast("Scheme", found.scheme),
        bucket=found.bucket,
        prefix=found.prefix,
        region=found.options.get("region"),
        endpoint=found.options.get("endpoint") if found.scheme == "s3" else None,
        addressing=cast("Addressing | None", addressing),
    )


def google(bucket: str, prefix: str = "") -> StoreLocation:
    """A bucket of Google Cloud Storage, read through its S3-compatible XML API with an HMAC key."""
    return StoreLocation(
        scheme="s3", bucket=bucket, prefix=prefix, region=GOOGLE_REGION, endpoint=GOOGLE_ENDPOINT, guess=_GOOGLE_GUESS
    )


def huawei(bucket: str, region: str, prefix: str = "") -> StoreLocation:
    """A bucket of Huawei OBS, read through its endpoint as if it were S3; S3's tools list these endpoints."""
    return StoreLocation(
        scheme="s3",
        bucket=bucket,
        prefix=prefix,
        region=region,
        endpoint=f"https://obs.{region}.myhuaweicloud.com",
        addressing="virtual",
        guess=_HUAWEI_GUESS,
    )


def is_google(location: StoreLocation) -> bool:
    """Whether this is Google Cloud Storage."""
    return location.endpoint == GOOGLE_ENDPOINT


def huawei_region(location: StoreLocation) -> str | None:
    """The region of Huawei OBS that the endpoint is for; None for any other store."""
    found = _HUAWEI_ENDPOINT.fullmatch(location.endpoint or "")
    return found["region"] if found else None


def number_setting(settings: Mapping[str, object], name: str, vendor: str) -> int:
    """A number of a vendor's storage settings. Raises StorageSettingsError where it is missing or no whole number."""
    value = settings.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong_setting(vendor, name, value, "a whole number")
    return value


def text_setting(settings: Mapping[str, object], name: str, vendor: str) -> str:
    """A text of a vendor's storage settings. Raises StorageSettingsError where it is missing, empty or no text."""
    value = settings.get(name)
    if not isinstance(value, str) or not value:
        raise _wrong_setting(vendor, name, value, "text")
    return value


def _wrong_setting(vendor: str, name: str, value: object, expected: str) -> StorageSettingsError:
    # The value is not repeated: a key that slipped into the wrong field would end in a log.
    found = "missing" if value is None else f"a {type(value).__name__}"
    advice = f"Copy the settings from the request that starts the recording; {name} is {expected}."
    return StorageSettingsError(f"{name} of {vendor}'s storage settings is {found}", known=[expected], advice=advice)


_SHAPES = tuple(f"{scheme}://BUCKET/PREFIX/?region=…" for scheme in get_args(Scheme))
_ADVICE = "Write s3://, oss:// or cos://BUCKET/PREFIX/?region=…; credentials are set apart from it."
_GOOGLE_GUESS = "Google documents HMAC keys and S3's SDKs on this endpoint; no real bucket was tried"
_HUAWEI_GUESS = "Huawei OBS is read as an S3-compatible store with virtual addressing; no real bucket was tried"


def _fault(given: str, *known: str) -> StorageSettingsError:
    return StorageSettingsError(given, known=known, advice=_ADVICE)


def _check_bucket(scheme: Scheme, bucket: str) -> None:
    if not bucket or "/" in bucket:
        raise _fault(f"{bucket!r} is no name of a bucket", *_SHAPES)
    if scheme == "cos" and not _COS_BUCKET.fullmatch(bucket):
        raise _fault(f"the COS bucket {bucket!r} does not end in its account's number", "examplebucket-1250000000")


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise _fault("the endpoint is no address", "https://host, https://host:port/path") from None
    if not is_address or "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[\x00-\x20]", endpoint):
        raise _fault("the endpoint is no plain address", "https://host, https://host:port/path")

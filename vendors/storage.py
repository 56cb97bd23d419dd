"""Where a vendor uploads to, as a store URL and back; the vendors' own settings are read in `vendors/*/storage.py`.

A store URL is `s3://BUCKET/PREFIX/?region=…`, `oss://…` or `cos://…`; a store that only speaks S3 adds `endpoint=` and
perhaps `addressing=`. Bucket, prefix and values are percent-encoded. No URL ever holds credentials.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast, get_args
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

Scheme = Literal["s3", "oss", "cos"]
Addressing = Literal["path", "virtual"]

GOOGLE_ENDPOINT = "https://storage.googleapis.com"
"""Google Cloud Storage's XML API, which takes S3's requests with an HMAC key ("Simple migration from Amazon S3")."""
GOOGLE_REGION = "auto"
"""What Google's samples for S3's SDKs sign with."""

_HUAWEI_ENDPOINT = re.compile(r"https://obs\.(?P<region>[a-z0-9-]+)\.myhuaweicloud\.com")
_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_COS_BUCKET = re.compile(r".+-[0-9]+", re.DOTALL)
_PARAMETERS = ("region", "endpoint", "addressing")


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
    values = {name: getattr(location, name) for name in _PARAMETERS}
    query = urlencode({name: value for name, value in values.items() if value}, quote_via=quote, safe="")
    return f"{location.scheme}://{quote(location.bucket, safe='')}/{quote(location.prefix, safe='/')}?{query}"


def parse_store_url(url: str) -> StoreLocation:
    """The folder that a store URL names; a `/` is added to a prefix that lacks it.

    Raises StorageSettingsError, which repeats neither user parts nor values of unknown parameters.
    """
    if re.search(r"[\x00-\x20\x7f]", url):
        raise _fault("the URL has a space or a control character", "percent-encoding")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _fault("this is no URL", *_SHAPES) from error
    if parts.scheme not in get_args(Scheme):
        raise _fault(f"{parts.scheme}:// is no store of a vendor", *_SHAPES)
    if "@" in parts.netloc or ":" in parts.netloc:
        raise _fault("the URL has a user part or a port", *_SHAPES)
    if parts.fragment:
        raise _fault("the URL has a fragment", *_SHAPES)
    values = _parameters(parts)
    addressing = values.get("addressing")
    if addressing is not None and addressing not in get_args(Addressing):
        raise _fault(f"addressing={addressing!r} is not understood", *get_args(Addressing))
    prefix = _unquote(parts.path.removeprefix("/"))
    return StoreLocation(
        scheme=cast("Scheme", parts.scheme),
        bucket=_unquote(parts.netloc),
        prefix=prefix if not prefix or prefix.endswith("/") else f"{prefix}/",
        region=values.get("region"),
        endpoint=values.get("endpoint"),
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


def _parameters(parts: SplitResult) -> dict[str, str]:
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), errors="strict")
    except ValueError as error:
        raise _fault("the part after '?' is not name=value&…", *_PARAMETERS) from error
    for name, value in pairs:
        if name not in _PARAMETERS:
            raise _fault(f"the parameter {name!r} is not understood", *_PARAMETERS)
        if not value:
            raise _fault(f"the parameter {name!r} is empty", *_PARAMETERS)
    values = dict(pairs)
    if len(values) < len(pairs):
        raise _fault("a parameter is given twice", *_PARAMETERS)
    return values


def _unquote(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise _fault("bucket and prefix are not percent-encoded UTF-8", *_SHAPES) from error


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

"""What the flows are told by the environment; read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from storage.base import ObjectStore
from storage.urls import StoreUrl

PUBLISHED = ("media", "segments", "manifests", "index", "doctor")
"""The first parts of all keys of an output."""

_CLOUDS = ("s3://", "oss://", "cos://")
_DOMAINS: Mapping[str, str] = MappingProxyType(
    {
        ".amazonaws.com": "s3",
        ".amazonaws.com.cn": "s3",
        ".aliyuncs.com": "oss",
        ".myqcloud.com": "cos",
        ".tencentcos.cn": "cos",
        ".storage.googleapis.com": "google",
        ".myhuaweicloud.com": "huawei",
        ".r2.cloudflarestorage.com": "cloudflare",
    }
)
"""Where the hosts of public clouds end, and one name for each cloud."""


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Store URLs: where recordings lie, where outputs go, and where else lost recordings are looked for."""

    source: str
    output: str
    stores: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read `AFTERTAKE_SOURCE`, `AFTERTAKE_OUTPUT` and `AFTERTAKE_STORES` (URLs, apart by spaces)."""
        return cls(
            source=_required(environment, "AFTERTAKE_SOURCE"),
            output=_required(environment, "AFTERTAKE_OUTPUT"),
            stores=other_stores(environment),
        )


def other_stores(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The stores of `AFTERTAKE_STORES`."""
    return tuple(environment.get("AFTERTAKE_STORES", "").split())


def known_sources(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Every store that recordings may lie in. Raises `SettingsError` if none is configured."""
    source = environment.get("AFTERTAKE_SOURCE")
    known = (*((source,) if source else ()), *other_stores(environment))
    if not known:
        message = (
            "no store is configured. Set AFTERTAKE_SOURCE and AFTERTAKE_STORES to store URLs, or name one with --store."
        )
        raise SettingsError(message)
    return tuple(dict.fromkeys(known))


def require_apart(source: ObjectStore, target: ObjectStore) -> None:
    """Raise `SettingsError` if what is published would come to lie in the source, which is never written."""
    require_urls_apart(source.url, target.url)


def require_urls_apart(source: str, target: str) -> None:
    """As `require_apart`, of the stores' own URLs; nothing is opened.

    An endpoint has many spellings (a name, an alias, an address, an internal or an accelerated host), so that two
    different ones prove nothing: buckets of one name are one bucket, unless their URLs name two different public
    clouds. Two self-hosted stores with a bucket of one name are refused as well: no URL tells them from one store with
    two names, another bucket is soon made, and a source that was written to is not soon mended.
    """
    read, written = f"{_place(source).rstrip('/')}/", _place(target).rstrip("/")
    if not (f"{written}/".startswith(read) or any(read.startswith(f"{written}/{top}/") for top in PUBLISHED)):
        return
    clouds = {_cloud(source), _cloud(target)}
    if len(clouds) > 1 and None not in clouds:
        return
    doubt = ", or in a bucket of the same name at another address, which may be the same one" if None in clouds else ""
    message = (
        f"the output {target} lies in the source, which is never written{doubt}. "
        "Choose an --output with another prefix, or in a bucket of another name."
    )
    raise SettingsError(message)


def _place(url: str) -> str:
    """Bucket and prefix, whatever speaks to them: OSS and COS understand S3's requests too. Folders as they are."""
    if not url.startswith(_CLOUDS):
        return url
    return StoreUrl.parse(url).place.partition("://")[2]


def _cloud(url: str) -> str | None:
    """The public cloud that a URL names, None for an endpoint that may be anyone's; others by their scheme."""
    if not url.startswith(_CLOUDS):
        return url.partition("://")[0]
    parsed = StoreUrl.parse(url)
    endpoint = parsed.address("endpoint") if parsed.scheme == "s3" else None
    if endpoint is None:
        return parsed.scheme
    host = f".{urlsplit('://'.join(endpoint)).hostname}"
    return next((cloud for domain, cloud in _DOMAINS.items() if host.endswith(domain)), None)


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        message = f"{name} is not set. Set it to a store URL, such as file:///srv/recordings."
        raise SettingsError(message)
    return value

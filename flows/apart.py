"""Whether what is published would lie in a source, which is never written. URLs are compared; nothing is opened.

An endpoint has many spellings (a name, an alias, an address, an internal or an accelerated host), so that two
different ones prove nothing: buckets of one name are one bucket, unless their URLs name two different public
clouds. Two self-hosted stores with a bucket of one name are refused as well: no URL tells them from one store with
two names, another bucket is soon made, and a source that was written to is not soon mended.
"""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from storage.urls import StoreUrl

PUBLISHED = ("media", "segments", "manifests", "index", "backup", "doctor")
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


def why_not_apart(source: str, target: str) -> str | None:
    """What is wrong with the output `target`, and what to choose instead; None if it lies apart from the source.

    Both are the stores' own URLs.
    """
    read, written = f"{_place(source).rstrip('/')}/", _place(target).rstrip("/")
    if not (f"{written}/".startswith(read) or any(read.startswith(f"{written}/{top}/") for top in PUBLISHED)):
        return None
    clouds = {cloud_of(source), cloud_of(target)}
    if len(clouds) > 1 and None not in clouds:
        return None
    doubt = ", or in a bucket of the same name at another address, which may be the same one" if None in clouds else ""
    return (
        f"the output {target} lies in the source, which is never written{doubt}. "
        "Choose an output with another prefix, or in a bucket of another name."
    )


def _place(url: str) -> str:
    """Bucket and prefix, whatever speaks to them: OSS and COS understand S3's requests too. Folders as they are."""
    if not url.startswith(_CLOUDS):
        return url
    return StoreUrl.parse(url).place.partition("://")[2]


def cloud_of(url: str) -> str | None:
    """The public cloud that a URL names, None for an endpoint that may be anyone's; others by their scheme."""
    if not url.startswith(_CLOUDS):
        return url.partition("://")[0]
    parsed = StoreUrl.parse(url)
    endpoint = parsed.address("endpoint") if parsed.scheme == "s3" else None
    if endpoint is None:
        return parsed.scheme
    host = f".{urlsplit('://'.join(endpoint)).hostname}"
    return next((cloud for domain, cloud in _DOMAINS.items() if host.endswith(domain)), None)

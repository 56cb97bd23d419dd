"""Whether bytes leave a cloud or a region, for which clouds ask money. URLs are compared; nothing is opened."""

from typing import Final

from flows.apart import cloud_of
from storage.credentials import CLOUDS
from storage.urls import StoreUrl, split_url

_DEFAULT_REGIONS: Final = {"s3": "us-east-1"}


def crosses(source: str, target: str) -> bool:
    """Whether what is read from one store and written to the other passes between clouds, regions or machines."""
    return _site_of(source) != _site_of(target)


def _site_of(url: str) -> tuple[str, str]:
    """Cloud and region; a store of nobody's cloud is its host, and a folder is this machine."""
    scheme = split_url(url).scheme
    if scheme not in CLOUDS:
        return scheme, ""
    parsed, cloud = StoreUrl.parse(url), cloud_of(url)
    if cloud is None:
        return "host", (parsed.address("endpoint") or ("", ""))[1]
    region = parsed.options.get("region", _DEFAULT_REGIONS.get(cloud, ""))
    return cloud, region.removeprefix(f"{cloud}-")

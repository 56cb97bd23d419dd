"""Stores by URL: `file:///absolute/path`, a bare path, `memory://name`, and buckets of the clouds.

    s3://bucket/prefix/?region=eu-west-1                       Amazon S3
    s3://bucket/prefix/?endpoint=https://host&region=auto      a store that speaks its API
    oss://bucket/prefix/?region=cn-hangzhou                    Alibaba Cloud OSS
    cos://bucket-1250000000/prefix/?region=ap-guangzhou        Tencent Cloud COS

Each SDK is imported when the first URL names its cloud: they take a second and 65 MB together.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import SplitResult, unquote

from storage.base import ObjectStore
from storage.connection import Connection, silence_sdks
from storage.credentials import Provider, provider
from storage.errors import InvalidUrl
from storage.local import LocalStore
from storage.memory import MemoryStore
from storage.urls import StoreUrl, split_url
from storage.wrappers import Below, Within


def open_store(
    url: str, *, environment: Mapping[str, str] = os.environ, connection: Connection | None = None
) -> ObjectStore:
    """The store that a URL names, keys counted from its prefix: what is published goes here.

    Text without `://` is a path, taken from the working folder if it is relative. Raises InvalidUrl for other
    schemes and for what a scheme does not understand, Denied where there are no credentials. `connection` None is
    the one of the environment.
    """
    return _open(url, environment, connection, Below)


def open_source(
    url: str, *, environment: Mapping[str, str] = os.environ, connection: Connection | None = None
) -> ObjectStore:
    """As `open_store`, but of a bucket's prefix keys keep their full names: so recordings are told apart and found."""
    return _open(url, environment, connection, Within)


_View = Callable[[ObjectStore, str, str], ObjectStore]
"""A bucket, its prefix and the URL of both -> what is seen of it."""


def _open(url: str, environment: Mapping[str, str], connection: Connection | None, view: _View) -> ObjectStore:
    if not url or "\0" in unquote(url):
        raise InvalidUrl("open_store", url, "this is no path and no URL")
    if "://" not in url:
        return LocalStore(Path(url).absolute())
    parts = split_url(url)
    if parts.scheme in _CLOUDS:
        return _open_cloud(StoreUrl.parse(url), environment, connection, view)
    opener = _SCHEMES.get(parts.scheme)
    if opener is None:
        known = ", ".join(f"{scheme}://" for scheme in (*_SCHEMES, *_CLOUDS))
        # the rest of the URL is not repeated: it may hold credentials
        raise InvalidUrl("open_store", f"{parts.scheme}://", f"the supported stores are {known} and plain paths")
    return opener(parts)


def _open_cloud(
    url: StoreUrl, environment: Mapping[str, str], connection: Connection | None, view: _View
) -> ObjectStore:
    silence_sdks()
    named = url.options.get("credentials")
    # boto3 has the chain of S3 itself
    keys = None if (url.scheme, named) == ("s3", "chain") else provider(url.scheme, named, environment=environment)
    bucket = _CLOUDS[url.scheme](replace(url, prefix=""), keys, connection or Connection.from_environment(environment))
    silence_sdks()
    return view(bucket, url.prefix, str(url)) if url.prefix else bucket


def _open_s3(url: StoreUrl, credentials: Provider | None, connection: Connection) -> ObjectStore:
    from storage.s3_client import open_s3  # noqa: PLC0415

    return open_s3(url, credentials, connection)


def _open_oss(url: StoreUrl, credentials: Provider | None, connection: Connection) -> ObjectStore:
    from storage.oss import open_oss  # noqa: PLC0415

    return open_oss(url, credentials, connection)


def _open_cos(url: StoreUrl, credentials: Provider | None, connection: Connection) -> ObjectStore:
    from storage.cos_client import open_cos  # noqa: PLC0415

    return open_cos(url, credentials, connection)


_CLOUDS: Mapping[str, Callable[[StoreUrl, Provider | None, Connection], ObjectStore]] = MappingProxyType(
    {"s3": _open_s3, "oss": _open_oss, "cos": _open_cos}
)


def _open_file(parts: SplitResult) -> ObjectStore:
    if parts.netloc not in {"", "localhost"} or not parts.path:
        raise InvalidUrl("open_store", parts.geturl(), "a folder is written file:///absolute/path, with three slashes")
    if parts.query or parts.fragment:
        raise InvalidUrl("open_store", parts.geturl(), "in a folder's name, write %3F for '?' and %23 for '#'")
    return LocalStore(unquote(parts.path))


_memories: dict[str, MemoryStore] = {}
_memories_lock = threading.Lock()


def _open_memory(parts: SplitResult) -> ObjectStore:
    """The same name gives the same store, for as long as the process lives."""
    name = parts.netloc + parts.path
    with _memories_lock:
        return _memories.setdefault(name, MemoryStore(name))


_SCHEMES: Mapping[str, Callable[[SplitResult], ObjectStore]] = MappingProxyType(
    {"file": _open_file, "memory": _open_memory}
)

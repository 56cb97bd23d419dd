"""The stores that the suite holds to the contract; a new store joins with one line."""

import itertools
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from deployments.sandbox.clouds import BucketRules, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from storage.base import ObjectMeta, ObjectStore
from storage.keys import output_key
from storage.local import LocalStore
from storage.memory import MemoryStore
from storage.opening import open_store
from storage.overlay import Overlay
from storage.urls import StoreUrl
from storage.wrappers import Below, ReadOnlyStore
from tests.clouds import CLOUDS, new_store, running_clouds

_numbers = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """An empty bucket: `store` fills it, `reader` is the store under test for reading.

    `lay` fills it with many empty objects where nothing is said of how they came: past all requests, if it can.
    """

    store: ObjectStore
    reader: ObjectStore
    lay: Callable[[Iterable[str]], None]


Make = Callable[[pytest.FixtureRequest], ObjectStore]


def _memory(_: pytest.FixtureRequest) -> ObjectStore:
    return MemoryStore("conformance")


def _local(request: pytest.FixtureRequest) -> ObjectStore:
    folder: Path = request.getfixturevalue("tmp_path")
    return LocalStore(folder)


def _below_a_prefix(_: pytest.FixtureRequest) -> ObjectStore:
    inner = MemoryStore("conformance")
    inner.put(output_key("elsewhere"), b"not seen")
    inner.put(output_key("q"), b"not seen")
    return Below(inner, "p/", "memory://conformance/p/")


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto's server."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def _moto(request: pytest.FixtureRequest) -> ObjectStore:
    endpoint, name = request.getfixturevalue("moto"), f"conformance-{next(_numbers)}"
    keys = {"aws_access_key_id": "AK", "aws_secret_access_key": "SK"}
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys).create_bucket(Bucket=name)
    environment = {"AFTERTAKE_S3_KEY_ID": "AK", "AFTERTAKE_S3_SECRET": "SK"}
    return open_store(f"s3://{name}/?endpoint={endpoint}", environment=environment)


@pytest.fixture(scope="session")
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


def _sandbox(cloud: CloudName, rules: BucketRules | None = None, *, prefix: str = "", options: str = "") -> Make:
    def make(request: pytest.FixtureRequest) -> ObjectStore:
        return new_store(request.getfixturevalue("clouds"), cloud, rules, prefix=prefix, options=options)

    return make


WRITING: dict[str, Make] = {
    "memory": _memory,
    "local": _local,
    "prefix": _below_a_prefix,
    "s3": _sandbox("s3"),
    "s3 below a prefix": _sandbox("s3", prefix="some/folder/"),
    "s3 without checksums": _sandbox("s3", BucketRules(checksums="none"), options="&checksums=none"),
    "s3 with equal parts": _sandbox("s3", BucketRules(equal_parts=True), options="&parts=equal"),
    "s3 without conditions": _sandbox("s3", BucketRules(create_only=False), options="&creates=asked"),
    "oss": _sandbox("oss"),
    "cos": _sandbox("cos"),
    "moto": _moto,
}
SANDBOX = {name: cloud for name in WRITING for cloud in CLOUDS if name.startswith(cloud)}
LIVE = os.environ.get("AFTERTAKE_LIVE_STORES", "").split()
"""URLs of real prefixes that may be written and emptied."""


def _live(url: str) -> Make:
    """A folder of its own below a real prefix, emptied at the end."""

    def make(request: pytest.FixtureRequest) -> ObjectStore:
        place = StoreUrl.parse(url)
        store = open_store(str(replace(place, prefix=f"{place.prefix}conformance-{uuid.uuid4().hex}/")))

        def empty() -> None:
            for upload in list(store.list_uploads()):
                store.abort_upload(upload.key, upload.upload_id)
            for meta in list(store.list()):
                store.delete(meta.key)

        request.addfinalizer(empty)
        return store

    return make


READ_ONLY = "read-only "
OVERLAID = "overlaid "
_REAL = {f"live {number} ({url.partition('?')[0]})": _live(url) for number, url in enumerate(LIVE)}
_REAL_ONES = [pytest.param(name, marks=[pytest.mark.live, pytest.mark.timeout(600)]) for name in _REAL]
READING = [*WRITING, *(f"{how}{name}" for how in (READ_ONLY, OVERLAID) for name in ("memory", "local"))]


@pytest.fixture(params=[*WRITING, *_REAL_ONES])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return (WRITING | _REAL)[request.param](request)


@pytest.fixture(params=[*READING, *_REAL_ONES])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    name = request.param.removeprefix(READ_ONLY).removeprefix(OVERLAID)
    store = (WRITING | _REAL)[name](request)
    return Bucket(store=store, reader=_reader(request.param, store), lay=_laying(request, name, store))


def _laying(request: pytest.FixtureRequest, name: str, store: ObjectStore) -> Callable[[Iterable[str]], None]:
    def by_requests(keys: Iterable[str]) -> None:
        for key in keys:
            store.put(output_key(key), b"")

    def past_them(keys: Iterable[str]) -> None:
        clouds: Clouds = request.getfixturevalue("clouds")
        place = StoreUrl.parse(store.url)
        for key in keys:
            clouds.put(SANDBOX[name], place.bucket, place.prefix + key, b"")

    return past_them if name in SANDBOX else by_requests


def _reader(name: str, store: ObjectStore) -> ObjectStore:
    if name.startswith(OVERLAID):
        return Overlay(MemoryStore("empty"), store, _Lent(store))
    return ReadOnlyStore(store) if name.startswith(READ_ONLY) else store


class _Lent(Mapping[str, ObjectMeta]):
    """All that a store holds, at any time."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def __getitem__(self, key: str) -> ObjectMeta:
        found = {meta.key: meta for meta in self._store.list()}
        return found[key]

    def __iter__(self) -> Iterator[str]:
        return (meta.key for meta in self._store.list())

    def __len__(self) -> int:
        return sum(1 for _ in self._store.list())

"""The stores that the suite holds to the contract; a new store joins with one line."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from storage.base import ObjectStore
from storage.local import LocalStore
from storage.memory import MemoryStore
from storage.wrappers import ReadOnlyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """An empty bucket: `store` fills it, `reader` is the store under test for reading."""

    store: ObjectStore
    reader: ObjectStore


def _memory(_: Path) -> Bucket:
    store = MemoryStore("conformance")
    return Bucket(store=store, reader=store)


def _local(folder: Path) -> Bucket:
    store = LocalStore(folder)
    return Bucket(store=store, reader=store)


def _read_only_memory(_: Path) -> Bucket:
    store = MemoryStore("conformance")
    return Bucket(store=store, reader=ReadOnlyStore(store))


def _read_only_local(folder: Path) -> Bucket:
    store = LocalStore(folder)
    return Bucket(store=store, reader=ReadOnlyStore(store))


WRITING: dict[str, Callable[[Path], Bucket]] = {"memory": _memory, "local": _local}
READING = WRITING | {"read-only memory": _read_only_memory, "read-only local": _read_only_local}


@pytest.fixture(params=WRITING)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return WRITING[request.param](tmp_path).store


@pytest.fixture(params=READING)
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    return READING[request.param](tmp_path)

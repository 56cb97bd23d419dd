"""Copies of objects that are larger than one request may copy."""

from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from deployments.sandbox.clouds import BucketRules, Clouds
from deployments.sandbox.clouds.buckets import CloudName
from storage import cos, oss, s3
from storage.base import Served
from storage.keys import output_key
from tests.clouds import CLOUDS, new_store, running_clouds

MIB = 1 << 20
SOURCE, TARGET = output_key("a.mp4"), output_key("b.mp4")


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


@pytest.mark.parametrize("cloud", CLOUDS)
def test_they_are_whole_and_served_alike(clouds: Clouds, cloud: CloudName, monkeypatch: pytest.MonkeyPatch) -> None:
    for adapter in (s3, oss, cos):
        monkeypatch.setattr(adapter, "LARGEST_COPY_BYTES", 6 * MIB)
        monkeypatch.setattr(adapter, "COPY_PART_BYTES", 5 * MIB)
    store = new_store(clouds, cloud, BucketRules(max_copy_bytes=6 * MIB))
    data = bytes(range(256)) * (12 * MIB // 256) + b"end"
    store.put(SOURCE, data, served=Served(content_type="video/mp4", cache_control="private"))
    assert store.copy(SOURCE, TARGET).size_bytes == len(data)
    with urlopen(store.presign_get(TARGET, 60, "b.mp4")) as answer:  # noqa: S310  the store made the URL
        assert answer.read() == data
        assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("video/mp4", "private")
    assert list(store.list_uploads()) == []

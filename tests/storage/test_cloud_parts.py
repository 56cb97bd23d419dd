"""Parts that are damaged on their way to a cloud."""

from collections.abc import Iterator

import pytest

from deployments.sandbox.clouds import Clouds
from deployments.sandbox.clouds.buckets import CloudName
from storage.errors import Transient
from storage.keys import output_key
from storage.opening import open_store
from tests.clouds import CLOUDS, ENVIRONMENT, new_bucket, running_clouds
from tests.relays import Relay

KEY = output_key("media/a.mp4")


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    with running_clouds() as running:
        yield running


@pytest.mark.parametrize("cloud", CLOUDS)
def test_they_are_noticed_before_the_object_stands(clouds: Clouds, cloud: CloudName) -> None:
    """S3 refuses them by the checksum or signature that comes with them; OSS and COS answer with their own."""
    damaged: list[bool] = []

    def alter(data: bytes) -> bytes:
        if b"a picture" not in data or damaged:
            return data
        damaged.append(True)
        return data.replace(b"a picture", b"a ticture")

    url = new_bucket(clouds, cloud)
    with Relay(clouds.port, alter=alter) as relay:
        store = open_store(url.replace(clouds.endpoint, relay.url), environment=ENVIRONMENT)
        upload = store.start_multipart(KEY)
        with pytest.raises(Transient):
            upload.put_part(1, bytearray(b"a picture" + bytes(1000)))
        upload.put_part(1, bytearray(b"a picture" + bytes(1000)))
        upload.complete()
        with store.open(KEY) as opened:
            assert opened.read(2000) == b"a picture" + bytes(1000)

from collections.abc import Callable, Iterator

import pytest

from deployments.sandbox.clouds import Clouds
from tests.sandbox.clouds.clients import BUCKETS, CLIENTS, Client, Keys, cloud_of, open_clouds

Connect = Callable[..., Client]


@pytest.fixture
def clouds() -> Iterator[Clouds]:
    opened = open_clouds()
    yield opened
    opened.stop()


@pytest.fixture
def connect(clouds: Clouds) -> Iterator[Connect]:
    """`connect("s3", secret="…")`: a client with these keys, closed at the end."""
    opened: list[Client] = []

    def make(name: str, **keys: str) -> Client:
        cloud = name.partition("-")[0]
        client = CLIENTS[name](clouds.port, BUCKETS[cloud], Keys(**keys))
        opened.append(client)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.fixture(params=list(CLIENTS))
def client(request: pytest.FixtureRequest, connect: Connect) -> Client:
    """Each SDK in turn; of OSS with both signatures."""
    return connect(request.param)


@pytest.fixture
def cloud(client: Client) -> str:
    return str(cloud_of(client))

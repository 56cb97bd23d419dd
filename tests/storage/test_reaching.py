import socket
from collections.abc import Iterator

import pytest

from deployments.sandbox.clouds import Clouds
from storage.connection import Connection
from storage.reaching import Reach, Step, reach

PLAIN = Connection(connect_s=1.0)


@pytest.fixture
def origin() -> Iterator[str]:
    with Clouds() as clouds:
        yield clouds.endpoint


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def test_all_steps(origin: str) -> None:
    assert reach(origin, PLAIN) == Reach(host="127.0.0.1")


def test_a_name_that_nobody_has() -> None:
    found = reach(f"https://{'x' * 70}.example", PLAIN)
    assert found.failed is Step.NAME
    assert found.detail


def test_a_port_that_nobody_listens_on() -> None:
    found = reach(f"http://127.0.0.1:{closed_port()}", PLAIN)
    assert (found.failed, found.detail) == (Step.CONNECT, "Connection refused")


def test_tls_where_there_is_none(origin: str) -> None:
    found = reach(origin.replace("http", "https"), PLAIN)
    assert found.failed is Step.TLS
    assert "WRONG_VERSION_NUMBER" in found.detail


def test_a_proxy_is_asked_instead(origin: str) -> None:
    connection = Connection(connect_s=1.0, proxy=origin)
    assert reach("https://far.example", connection) == Reach(host="127.0.0.1", through_proxy=True)
    dead = Connection(connect_s=1.0, proxy=f"http://127.0.0.1:{closed_port()}")
    assert reach(origin, dead).failed is Step.CONNECT

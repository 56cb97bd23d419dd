"""What holds for every test: no network but loopback, one locale and time zone, golden files."""

import ipaddress
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.postgres"]

_GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden; review the diff")


def pytest_configure() -> None:
    # Far from UTC by an odd half hour, so that a time without a zone shows itself.
    os.environ["TZ"] = "Asia/Kolkata"
    os.environ["LC_ALL"] = "C.UTF-8"
    time.tzset()
    # Shells have what they start in the background ignore it, and so would every program that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


class NetworkDeniedError(RuntimeError):
    """A test tried to leave this machine. Not an OSError, so that no retry or error map takes it for an outage."""


def _is_local(connection: socket.socket, address: object) -> bool:
    if connection.family == socket.AF_UNIX:
        return True
    host = address[0] if isinstance(address, tuple) else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture(scope="session", autouse=True)
def _only_loopback(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.config.option.markexpr == "live":
        yield
        return
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(self: socket.socket, address: tuple[str, int]) -> None:
        if not _is_local(self, address):
            raise NetworkDeniedError(f"no network in tests, only loopback: {address}")
        connect(self, address)

    def guarded_ex(self: socket.socket, address: tuple[str, int]) -> int:
        if not _is_local(self, address):
            raise NetworkDeniedError(f"no network in tests, only loopback: {address}")
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket.socket, "connect_ex", guarded_ex)
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`golden(name, text)`: the text is what tests/golden/<name> holds; `--update-golden` writes it there."""

    def compare(name: str, text: str) -> None:
        path = _GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare

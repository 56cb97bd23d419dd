import socket
import time

import pytest


def test_no_test_reaches_beyond_this_machine() -> None:
    with socket.socket() as connection, pytest.raises(RuntimeError, match="only loopback"):
        connection.connect(("192.0.2.1", 80))


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_the_time_zone_is_the_same_everywhere() -> None:
    assert time.localtime(0).tm_gmtoff == 19_800

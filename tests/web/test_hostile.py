"""A real server on loopback, and clients that are slow, that lie, or that mean harm."""

import gzip
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.structure.repository import ROOT
from tests.web.receiving import Served, answer_on, body_of, request_of, served, status_of, until

GIB = 1024**3
STORED = b'{"status": "stored"}'


@pytest.fixture(scope="module")
def shared() -> Iterator[Served]:
    """For what is answered at once and leaves nothing behind."""
    with served() as server:
        yield server


@pytest.fixture
def server(shared: Served) -> Iterator[Served]:
    shared.forget()
    yield shared
    answer = shared.ask(request_of(body_of()))
    assert (status_of(answer), answer.endswith(STORED)) == (200, True)


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /hooks/bodied HTTP/1.1", "Host: here", *lines, "", ""]).encode()


def stream(connection: socket.socket, piece: bytes, most: int) -> int:
    """The bytes that could be sent until there was an answer, or the connection ended."""
    sent = 0
    connection.setblocking(False)
    while sent < most:
        try:
            sent += connection.send(piece)
        except BlockingIOError:
            time.sleep(0.002)
        except ConnectionError:
            break
        if _has_answer(connection):
            break
    connection.settimeout(10)
    return sent


def is_ended(connection: socket.socket) -> bool:
    """Whether it comes to its end soon; also of a connection that is reset for what it sent in vain."""
    with suppress(ConnectionError):
        while connection.recv(65536):
            pass
    return True


def _has_answer(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def test_an_announced_gibibyte_is_refused_before_it_comes(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(head(f"Content-Length: {GIB}"))
        assert status_of(answer_on(connection)) == 413
        assert is_ended(connection)


def test_an_announced_gibibyte_that_comes_is_not_read(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(head(f"Content-Length: {GIB}"))
        assert stream(connection, bytes(65536), GIB) < GIB / 20
        assert status_of(answer_on(connection)) == 413


def test_a_gibibyte_in_chunks_is_refused_at_the_limit(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        assert stream(connection, b"10000\r\n" + bytes(65536) + b"\r\n", GIB) < GIB / 20
        assert status_of(answer_on(connection)) == 413


def test_who_never_stops_sending_is_cut_off(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(head(f"Content-Length: {GIB}"))
        began = time.monotonic()
        sent = 0
        with suppress(ConnectionError):
            while sent < GIB:
                sent += connection.send(bytes(65536))
        assert (sent < GIB / 20, time.monotonic() - began < 5) == (True, True)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Content-Length: -1"], 400),
        (["Content-Length: many"], 400),
        (["Content-Length: 2", "Content-Length: 3"], 400),
        (["Content-Length: 2, 3"], 400),
        (["Content-Length: " + "9" * 5000], 400),
        (["Content-Length: 99999999999999999999999"], 400),
        (["Transfer-Encoding: gzip"], 501),
        (["Content-Length: 2", "Content-Encoding: gzip"], 400),
        (["X: " + "x" * 40_000, "Content-Length: 2"], 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_head_that_cannot_be_right_is_refused_and_the_connection_closed(
    server: Served, lines: list[str], status: int
) -> None:
    with server.connect() as connection:
        connection.sendall(head(*lines))
        assert status_of(answer_on(connection)) in {status, 400}
        assert is_ended(connection)
    assert server.inbox.deliveries == []


def test_a_length_that_is_too_short_leaves_no_signed_message(server: Served) -> None:
    body = body_of()
    answer = server.ask(request_of(body, length=str(len(body) - 1)))
    assert status_of(answer) == 400
    assert server.inbox.deliveries == []


def test_the_same_length_twice_is_one_length(server: Served) -> None:
    body = body_of()
    assert status_of(server.ask(request_of(body, more=f"Content-Length: {len(body)}\r\n"))) == 200


def test_half_a_request_is_nothing(server: Served) -> None:
    whole = request_of(body_of())
    for size in (0, 5, len(whole) // 2, len(whole) - 1):
        with server.connect() as connection:
            connection.sendall(whole[:size])
            connection.shutdown(socket.SHUT_WR)
            assert answer_on(connection) == b""
    assert server.inbox.deliveries == []


def test_a_gzip_bomb_stays_packed(server: Served) -> None:
    bomb = gzip.compress(bytes(20_000_000))
    answer = server.ask(request_of(bomb, more="Content-Encoding: gzip\r\n"))
    assert (status_of(answer), b"send it plain" in answer) == (400, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 413),
        (b'{"a":' + b"9" * 250_000 + b"}", 400),
        (b'{"a":' + b"9" * 10_000_000 + b"}", 413),
    ],
    ids=["deep lists", "deep objects", "a long number", "a number of 10 MB"],
)
def test_a_signed_message_may_be_hostile_too(server: Served, body: bytes, status: int) -> None:
    request = request_of(body)
    with server.connect() as connection:
        stream(connection, request, 1) if len(request) < 10**6 else connection.sendall(request[:65536])
        assert status_of(answer_on(connection)) == status
    assert server.inbox.deliveries == []


def test_a_connection_is_kept_for_more_than_a_hundred_messages(server: Served) -> None:
    with server.connect() as connection:
        for number in range(150):
            connection.sendall(request_of(body_of(number)))
            assert status_of(answer_on(connection)) == 200
    assert len(server.inbox.deliveries) == 150


def test_messages_one_after_the_other_without_waiting_are_all_answered(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(b"".join(request_of(body_of(number)) for number in range(20)))
        answers = b""
        while answers.count(STORED) < 20:
            answers += connection.recv(65536)
    assert len(server.inbox.deliveries) == 20


def test_an_answer_before_the_end_of_a_body_ends_the_connection_anywhere(server: Served) -> None:
    """Else somebody could send on for ever, to a path where nobody reads."""
    with server.connect() as connection:
        connection.sendall(b"POST /livez HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n.")
        assert status_of(answer_on(connection)) == 405
        assert is_ended(connection)


def test_the_answer_does_not_name_the_server(server: Served) -> None:
    assert b"\r\nserver:" not in server.ask(request_of(body_of())).lower()


def test_slow_clients_are_answered_408_and_others_meanwhile_as_ever() -> None:
    whole = request_of(body_of(pad="x" * 500))
    starts = {"nothing": b"", "a byte": whole[:1], "half a head": whole[:40], "half a body": whole[:-400]}
    with served(head_patience_s=1.5, patience_s=1.5) as server:
        slow = [(server.connect(), start) for start in starts.values() for _ in range(50)]
        for connection, start in slow:
            connection.sendall(start)
        latencies: list[float] = []
        began = time.monotonic()
        while time.monotonic() - began < 1.0:
            asked = time.monotonic()
            assert status_of(server.ask(request_of(body_of(len(latencies))))) == 200
            latencies.append(time.monotonic() - asked)
            for connection, start in slow:
                connection.send(b"x" if start else b"")
        statuses = Counter(status_of(answer_on(connection)) for connection, _ in slow)
        took = time.monotonic() - began
        for connection, _ in slow:
            connection.close()
    assert statuses == {408: 200}
    assert took < 6
    assert sorted(latencies)[int(len(latencies) * 0.99)] < 2
    assert len(server.inbox.deliveries) == len(latencies)


def test_a_later_request_on_a_kept_connection_must_be_quick_too() -> None:
    with served(head_patience_s=0.3) as server, server.connect() as connection:
        for _ in range(2):
            connection.sendall(request_of(body_of()))
            assert status_of(answer_on(connection)) == 200
        time.sleep(0.6)  # a connection that rests is not slow
        connection.sendall(b"POST /hooks/bodied HTTP/1.1\r\n")
        assert status_of(answer_on(connection)) == 408


def test_of_too_many_unfinished_bodies_the_oldest_are_given_up() -> None:
    began = time.monotonic()
    with served(unfinished=20) as server:
        slow = [server.connect() for _ in range(60)]
        for connection in slow:
            connection.sendall(request_of(body_of())[:-1])
            time.sleep(0.002)
        assert [status_of(answer_on(connection)) for connection in slow[:40]] == [408] * 40
        assert time.monotonic() - began < 8  # long before their time
        assert status_of(server.ask(request_of(body_of()))) == 200
        slow[-1].sendall(request_of(body_of())[-1:])
        assert status_of(answer_on(slow[-1])) == 200
        for connection in slow:
            connection.close()


def test_of_too_many_unfinished_heads_the_oldest_are_given_up() -> None:
    began = time.monotonic()
    with served(heads=20) as server:
        slow = [server.connect() for _ in range(60)]
        assert [status_of(answer_on(connection)) for connection in slow[:40]] == [408] * 40
        assert time.monotonic() - began < 8  # long before their time
        assert status_of(server.ask(request_of(body_of()))) == 200
        for connection in slow:
            connection.close()


def test_too_many_bytes_at_once_are_to_be_sent_again_later() -> None:
    with served(held_bytes=300_000) as server:
        with server.connect() as first, server.connect() as second:
            large = request_of(body_of(pad="x" * 200_000))
            first.sendall(large[:-1])
            second.sendall(large[:-1])
            (refused,), _, _ = select.select([first, second], [], [], 10)
            answer = answer_on(refused)
            assert (status_of(answer), b"retry-after: 5" in answer) == (503, True)
            other = second if refused is first else first
            other.sendall(large[-1:])
            assert status_of(answer_on(other)) == 200
        assert status_of(server.ask(request_of(body_of(pad="x" * 200_000)))) == 200


def test_nobody_is_told_that_it_is_stored_before_it_is() -> None:
    with served() as server, server.connect() as connection:
        server.inbox.gate.clear()
        connection.sendall(request_of(body_of()))
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        server.inbox.gate.set()
        connection.settimeout(10)
        assert answer_on(connection).endswith(STORED)


def test_who_leaves_before_the_answer_harms_nobody() -> None:
    with served() as server:
        server.inbox.gate.clear()
        for number in range(20):
            with server.connect() as connection:
                connection.sendall(request_of(body_of(number)))
        with server.connect() as connection:
            connection.sendall(request_of(body_of(20)))
            time.sleep(0.1)
            server.inbox.gate.set()
            assert status_of(answer_on(connection)) == 200
        until(lambda: len(server.inbox.deliveries) == 21)


_PROGRAM = """
import sys, threading, time
from pathlib import Path
import uvicorn
from tests.web.receiving import MemoryInbox, application, parts
from web.serving import limits

class Slow(MemoryInbox):
    def put(self, deliveries):
        Path(sys.argv[2]).write_text("storing")
        time.sleep(1)
        Path(sys.argv[2]).write_text("stored")

uvicorn.run(application(parts(Slow())), host="127.0.0.1", port=int(sys.argv[1]), **limits())
"""


def test_told_to_end_it_stores_and_answers_what_it_has(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    marks = tmp_path / "marks"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _PROGRAM, str(port), str(marks)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:  # noqa: S603 - ours
        try:
            until(lambda: _listens(port), seconds=30)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(request_of(body_of()))
                until(marks.exists)
                process.send_signal(signal.SIGTERM)
                assert answer_on(connection).endswith(STORED)
            assert marks.read_text(encoding="utf-8") == "stored"
            assert process.wait(8) == -signal.SIGTERM
        finally:
            process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0

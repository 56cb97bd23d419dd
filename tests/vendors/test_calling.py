import json
import logging
import threading
import time
from collections.abc import Iterator

import pytest

from storage.connection import Connection
from tests.flows.receiver import Handler
from tests.relays import Relay
from tests.vendors.api_server import Beat, VendorServer, cut, hang, hang_up, plain, says
from vendors.calling import MAX_ANSWER_BYTES, Call, Caller, Pace, Request, Rhythm, checked_host, hosts_from
from vendors.recorder import Access, BadCallError, CallError, RefusedCallError, VendorDownError
from vendors.recorders import DEFAULT_HOSTS, open_recorder
from vendors.replies import Fault, Reply, by_status

SECRET = "a-secret-of-ours"  # noqa: S105 - of no real project


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer() as opened:
        yield opened


@pytest.fixture
def other() -> Iterator[VendorServer]:
    with VendorServer() as opened:
        yield opened


class Line:
    """A caller, and a call of it."""

    def __init__(self, *hosts: str, connection: Connection | None = None, rhythm: Rhythm | None = None) -> None:
        self.beat = Beat()
        self.hosts = hosts
        self.made = 0
        self.rhythm = rhythm or self.beat.rhythm
        self.caller = Caller("agora", connection=connection or Connection(), rhythm=self.rhythm, secrets=(SECRET,))

    def ask(self, *, is_repeatable: bool = True, read_s: float = 5.0, deadline_s: float = 60.0) -> Reply:
        def make() -> Request:
            self.made += 1
            return Request(method="POST", path="/x", query={"Signature": SECRET}, body={"n": self.made})

        def judge(reply: Reply) -> Fault | None:
            is_good = reply.is_json and reply.status == 200
            return None if is_good else by_status("agora", "query", reply, is_repeatable=is_repeatable)

        call = Call(
            name="query",
            make=make,
            judge=judge,
            hosts=self.hosts,
            is_repeatable=is_repeatable,
            read_s=read_s,
            deadline_s=deadline_s,
        )
        try:
            return self.caller.call(call, Pace(1000, self.rhythm))
        finally:
            self.caller.close()


def test_the_same_host_is_asked_once_more_and_then_the_next_one(server: VendorServer, other: VendorServer) -> None:
    server.will(says({}, 500))
    other.will(says({}, 502), says({"fine": 1}))
    line = Line(server.base, other.base)
    assert line.ask().document == {"fine": 1}
    assert (len(server.received), len(other.received)) == (2, 2)
    assert line.beat.waits == [1, 3, 6]
    assert [json.loads(request.body)["n"] for request in (*server.received, *other.received)] == [1, 2, 3, 4]


def test_after_four_tries_it_ends(server: VendorServer) -> None:
    server.will(says({}, 503))
    with pytest.raises(VendorDownError, match="HTTP 503"):
        Line(server.base).ask()
    assert len(server.received) == 4


def test_no_wait_ends_after_the_deadline(server: VendorServer) -> None:
    server.will(says({}, 500))
    line = Line(server.base)
    with pytest.raises(VendorDownError):
        line.ask(deadline_s=3.0)
    assert line.beat.waits == [1]


def test_waits_are_longer_by_chance_by_a_quarter_at_most(server: VendorServer) -> None:
    server.will(says({}, 500), says({}))
    beat = Beat()
    rhythm = Rhythm(monotonic=lambda: beat.at, sleep=beat.sleep, random=lambda: 0.999)
    Line(server.base, rhythm=rhythm).ask()
    assert beat.waits == pytest.approx([1.25], rel=0.001)


@pytest.mark.parametrize("answer", [cut, hang_up, plain(b"<html>busy</html>"), plain(b"[1]"), plain(b"")])
def test_what_is_no_answer_is_asked_for_again(server: VendorServer, answer: object) -> None:
    server.will(answer, says({"fine": 1}))  # type: ignore[arg-type]
    assert Line(server.base).ask().document == {"fine": 1}


@pytest.mark.parametrize("answer", [cut, hang_up, plain(b"<html>busy</html>"), says({}, 500)])
def test_what_may_have_been_done_is_not_done_twice(server: VendorServer, answer: object) -> None:
    server.will(answer)  # type: ignore[arg-type]
    with pytest.raises(VendorDownError, match="It may have been done all the same"):
        Line(server.base).ask(is_repeatable=False)
    assert len(server.received) == 1


def test_what_was_never_sent_is_sent_to_the_next_host(server: VendorServer) -> None:
    with VendorServer() as closed:
        address = closed.base
    server.will(says({"fine": 1}))
    line = Line(address, server.base)
    assert line.ask(is_repeatable=False).host == server.base
    assert line.beat.waits == [1, 3]


def test_a_silent_host_is_left(server: VendorServer, other: VendorServer) -> None:
    server.will(hang(1.0))
    other.will(says({"fine": 1}))
    assert Line(server.base, other.base).ask(read_s=0.1).host == other.base
    with pytest.raises(VendorDownError, match="gave no answer"):
        Line(server.base).ask(read_s=0.1, is_repeatable=False)


def test_an_answer_without_an_end_is_left(server: VendorServer) -> None:
    sent = 0

    def endless(handler: Handler) -> None:
        nonlocal sent
        handler.answer(200, **{"Content-Length": str(1 << 40)})
        try:
            for _ in range(10_000):
                handler.wfile.write(b" " * 65536)
                sent += 65536
        except OSError:
            return

    server.will(endless)
    with pytest.raises(VendorDownError, match="has no end"):
        Line(server.base).ask(is_repeatable=False)
    assert sent < 16 * MAX_ANSWER_BYTES


def test_an_answer_that_drips_is_left_at_the_deadline(server: VendorServer) -> None:
    def drip(handler: Handler) -> None:
        handler.answer(200, **{"Content-Length": "1000"})
        try:
            for _ in range(1000):
                handler.wfile.write(b" ")
                time.sleep(0.02)
        except OSError:
            return

    server.will(drip)
    began = time.monotonic()
    with pytest.raises(VendorDownError, match="too slowly"):
        Line(server.base, rhythm=Rhythm()).ask(deadline_s=0.3)
    assert time.monotonic() - began < 5


def test_a_length_that_is_too_short_gives_no_json(server: VendorServer) -> None:
    server.will(plain(b'{"fine": 1}', 200, **{"Content-Length": "4"}))
    with pytest.raises(VendorDownError, match="without JSON"):
        Line(server.base).ask(is_repeatable=False)


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a": ' + b"9" * 5000 + b"}", b"\xff\xfe{}", b'{"a":1}{"b":2}'])
def test_bodies_that_break_parsers_are_no_json(server: VendorServer, body: bytes) -> None:
    server.will(plain(body))
    with pytest.raises(VendorDownError, match="without JSON"):
        Line(server.base).ask(is_repeatable=False)


def test_line_breaks_in_texts_and_a_byte_order_mark_are_read(server: VendorServer) -> None:
    server.will(plain(b'\xef\xbb\xbf{"resourceId": "a\nb"}'))
    assert Line(server.base).ask().document == {"resourceId": "a\nb"}


def test_a_redirect_is_not_followed(server: VendorServer, other: VendorServer) -> None:
    server.will(plain(b"", 302, Location=f"{other.base}/x"))
    other.will(says({}))
    with pytest.raises(RefusedCallError, match="base URL"):
        Line(server.base).ask()
    assert other.received == []


@pytest.mark.parametrize(
    ("status", "error", "tries"),
    [
        (401, RefusedCallError, 1),
        (403, RefusedCallError, 1),
        (404, RefusedCallError, 1),
        (400, BadCallError, 1),
        (408, VendorDownError, 4),
        (429, VendorDownError, 4),
        (504, VendorDownError, 4),
    ],
)
def test_a_page_is_judged_by_its_status(server: VendorServer, status: int, error: type[CallError], tries: int) -> None:
    server.will(plain(b"<html></html>", status))
    with pytest.raises(error) as caught:
        Line(server.base).ask()
    assert caught.value.advice.endswith((".", "!"))
    assert len(server.received) == tries


def test_the_proxy_of_the_settings_is_used_and_that_of_the_environment_is_not(
    server: VendorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    server.will(says({"fine": 1}))
    assert Line(server.base).ask().document
    with Relay(server.port) as proxy:
        Line(server.base, connection=Connection(proxy=proxy.url)).ask()
        assert proxy.sent.startswith(f"POST {server.base}/x".encode())


@pytest.mark.parametrize(
    "host",
    [
        "http://api.example.com",
        "ftp://a",
        "https://",
        "https://user:pass@a",
        "https://a?b=c",
        "https://a:0",
        "a",
        "http://[",
    ],
)
def test_secrets_go_over_https_only(host: str) -> None:
    with pytest.raises(RefusedCallError, match="https://"):
        open_recorder("agora", Access(app="a", secret=SECRET, hosts=(host,)))
    assert checked_host("agora", "http://127.0.0.1:80/base/") == "http://127.0.0.1:80/base"


def test_nothing_of_the_connection_is_logged_and_no_secret_is_said(
    server: VendorServer, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(server.base)
    for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    server.will(says({}, 500))
    with pytest.raises(VendorDownError) as caught:
        line.ask()
    assert "next try in" in caplog.text
    assert SECRET not in caplog.text + str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None
    assert SECRET not in repr(Request(method="GET", path="/x", query={"a": SECRET}, body={"a": SECRET}))


def test_words_of_others_are_short_plain_and_without_secrets() -> None:
    caller = Line("https://a").caller
    assert caller.quoted(f"bad\r\nkey {SECRET} and room-token!", ["room-token!"]) == "bad key … and …"
    assert len(caller.quoted("x" * 10_000)) == 200
    assert caller.quoted(None) == ""


def test_calls_begin_evenly_and_never_faster_than_allowed() -> None:
    lock, begun = threading.Lock(), []
    pace = Pace(50, Rhythm())

    def call() -> None:
        pace.wait()
        with lock:
            begun.append(time.monotonic())

    threads = [threading.Thread(target=call) for _ in range(20)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    begun.sort()
    assert begun[0] - start < 0.2
    assert begun[-1] - start >= 19 / 50
    assert all(begun[n] - start >= n / 50 for n in range(20))


def test_a_host_that_is_neither_configured_nor_the_vendors_own_is_not_asked() -> None:
    ours, known = ("https://a", "https://b"), ("https://c",)
    assert hosts_from("https://b", ours, known=known) == ("https://b", "https://a")
    assert hosts_from("https://c", ours, known=known) == ("https://c", "https://a", "https://b")
    assert hosts_from("https://evil", ours, known=known) == ours
    assert hosts_from(None, ours, known=known) == ours


@pytest.mark.parametrize("vendor", sorted(DEFAULT_HOSTS))
def test_each_vendor_has_a_recorder_with_hosts_of_its_own(vendor: str) -> None:
    recorder = open_recorder(vendor, Access(app="123", secret=SECRET))
    assert recorder.vendor == vendor
    recorder.close()


def test_other_vendors_have_none() -> None:
    with pytest.raises(RefusedCallError, match="Known: agora, zego, jocloud"):
        open_recorder("plain", Access(app="1", secret=SECRET))
    with pytest.raises(RefusedCallError, match="odd characters"):
        open_recorder("agora", Access(app="a b", secret=SECRET))
    with pytest.raises(RefusedCallError, match="Known: token, signature"):
        open_recorder("jocloud", Access(app="1", secret=SECRET, scheme="oauth"))

"""Whatever comes over the socket gets an answer or a closed connection, within bounds, and breaks nothing."""

import logging
import random
import socket
import threading

import pytest

from deployments.sandbox.clouds import BucketRules, Clouds, CorsRule
from tests.sandbox.clouds.clients import open_clouds

PUBLIC = BucketRules(public=True, cors=(CorsRule(origins=("https://*.example.com",), headers=("range",)),))


def _talk(clouds: Clouds, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", clouds.port), timeout=5) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


ODD_TIME = "q-sign-time=a%3Bb&q-key-time=1%3B2&q-header-list=&q-url-param-list=&q-signature=0"
HOSTILE = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
    "no path": (b"GET nonsense HTTP/1.1\r\n\r\n", b"400"),
    "a line without an end": (b"GET /" + b"a" * 20000, b"431"),
    "too many fields": (b"GET / HTTP/1.1\r\n" + b"".join(b"a%d: b\r\n" % n for n in range(200)) + b"\r\n", b"431"),
    "a field without a colon": (b"GET / HTTP/1.1\r\nnonsense\r\n\r\n", b"400"),
    "a length that is none": (b"PUT /b/k HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"400"),
    "a length beyond all": (b"PUT /b/k HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n", b"413"),
    "a body that ends early": (b"PUT /b/k HTTP/1.1\r\nContent-Length: 50\r\n\r\nabc", b"400"),
    "two kinds of length": (
        b"PUT /b/k HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"400",
    ),
    "a chunk that is none": (b"PUT /b/k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    "a path that is no UTF-8": (b"GET /b/%ff HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
    "a query that is no UTF-8": (b"GET /open/k?%ff=%fe HTTP/1.1\r\nHost: localhost\r\n\r\n", b"200"),
    "an endless range": (b"GET /open/k HTTP/1.1\r\nHost: x\r\nRange: bytes=" + b"9" * 6000 + b"-\r\n\r\n", b"200"),
    "an unknown scheme": (b"GET /b/k HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic YTpi\r\n\r\n", b"400"),
    "an unknown method": (b"BREW /open/k HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405"),
    "what is not imitated": (b"GET /open?acl HTTP/1.1\r\nHost: localhost\r\n\r\n", b"501"),
    "half a signature": (
        b"GET /open/k HTTP/1.1\r\nHost: localhost\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a\r\n\r\n",
        b"400",
    ),
    "half a signature of OSS": (b"GET /open/k HTTP/1.1\r\nAuthorization: OSS4-HMAC-SHA256 a\r\n\r\n", b"400"),
    "half a signature of COS": (b"GET /open/k HTTP/1.1\r\nAuthorization: q-sign-algorithm=sha1\r\n\r\n", b"400"),
    "an odd time of COS": (
        f"GET /o/k?q-sign-algorithm=sha1&q-ak=AKEXAMPLE&{ODD_TIME} HTTP/1.1\r\n\r\n".encode(),
        b"400",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_requests_get_an_error_and_no_trace(
    name: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    sent, status = HOSTILE[name]
    with open_clouds(max_body_bytes=1 << 20) as clouds:
        clouds.create_bucket("s3", "open", PUBLIC)
        clouds.put("s3", "open", "k", b"x")
        answer = _talk(clouds, sent)
        assert answer.split(b" ")[1] == status
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert capfd.readouterr().err == ""


S3_QUERY = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20130524%2Fr%2Fs3%2Faws4_request"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=a"
)
OSS_QUERY = (
    "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=AKEXAMPLE%2F20130524%2Fr%2Foss%2Faliyun_v4_request"
    "&x-oss-date=20130524T000000Z&x-oss-expires=86400&x-oss-signature=a"
)
COS_QUERY = f"q-sign-algorithm=sha1&q-ak=AKEXAMPLE&{ODD_TIME.replace('a%3Bb', '1%3B2')}"
SEEDS = (
    b"GET /open/k?partNumber=1&uploadId=a&max-keys=1 HTTP/1.1\r\nHost: open.localhost\r\nRange: bytes=0-1\r\n\r\n",
    b"GET /open?list-type=2&continuation-token=YQ%3D%3D&delimiter=%2F&encoding-type=url HTTP/1.1\r\n\r\n",
    b"PUT /open/k HTTP/1.1\r\nContent-Length: 3\r\nContent-MD5: AAAA\r\nx-amz-checksum-crc32: AA==\r\n\r\nabc",
    b"POST /open/k?uploadId=1 HTTP/1.1\r\nContent-Length: 25\r\n\r\n<CompleteMultipartUpload/>",
    b"GET /open/k HTTP/1.1\r\nAuthorization: OSS AKEXAMPLE:abc=\r\nDate: Thu, 17 Nov 2005 18:49:58 GMT\r\n\r\n",
    *(f"GET /open/k?{query} HTTP/1.1\r\n\r\n".encode() for query in (S3_QUERY, OSS_QUERY, COS_QUERY)),
)


def test_garbled_requests_break_nothing(caplog: pytest.LogCaptureFixture) -> None:
    dice = random.Random(20)
    with open_clouds(max_body_bytes=1 << 20) as clouds:
        clouds.create_bucket("s3", "open", PUBLIC)
        clouds.put("s3", "open", "k", b"x")
        for _ in range(600):
            garbled = bytearray(dice.choice(SEEDS))
            for _ in range(dice.randrange(4)):
                place = dice.randrange(len(garbled))
                garbled[place : place + dice.randrange(3)] = dice.choice([b"", b"\xff", b"9" * 5000, b"%", b";", b"/"])
            _talk(clouds, bytes(garbled))
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_client_that_goes_away_is_no_news(clouds: Clouds, capfd: pytest.CaptureFixture[str]) -> None:
    clouds.create_bucket("s3", "open", PUBLIC)
    clouds.put("s3", "open", "k", bytes(4 << 20))
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", clouds.port)) as connection:
            connection.sendall(b"GET /open/k HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.recv(10)
    clouds.stop()
    assert capfd.readouterr().err == ""


def test_one_connection_carries_many_requests_and_head_has_no_body(clouds: Clouds) -> None:
    clouds.create_bucket("s3", "open", PUBLIC)
    clouds.put("s3", "open", "k", b"hello")
    head = b"HEAD /open/k HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answers = _talk(clouds, head + head.replace(b"HEAD", b"GET") + head)
    assert answers.count(b"HTTP/1.1 200 OK") == 3
    assert answers.count(b"hello") == 1
    assert answers.count(b"Content-Length: 5") == 3


def test_who_expects_to_be_told_is_told_to_continue(clouds: Clouds) -> None:
    request = b"PUT /open/k HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"
    assert _talk(clouds, request).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 ")


def test_browsers_are_told_who_may_read(clouds: Clouds) -> None:
    clouds.create_bucket("s3", "open", PUBLIC)
    clouds.put("s3", "open", "k", b"hello")
    ask = b"OPTIONS /open/k HTTP/1.1\r\nHost: localhost\r\nOrigin: %s\r\nAccess-Control-Request-Method: GET\r\n"
    ask += b"Access-Control-Request-Headers: range\r\n\r\n"
    granted = _talk(clouds, ask % b"https://www.example.com")
    assert b" 200 " in granted
    assert b"Access-Control-Allow-Origin: https://www.example.com" in granted
    assert b" 403 " in _talk(clouds, ask % b"https://evil.test")
    read = _talk(clouds, b"GET /open/k HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example.com\r\n\r\n")
    assert b"Access-Control-Allow-Origin: https://a.example.com" in read


def test_stop_leaves_no_thread_and_can_be_repeated() -> None:
    before = threading.active_count()
    clouds = open_clouds()
    connection = socket.create_connection(("127.0.0.1", clouds.port))
    connection.sendall(b"GET /b/k HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"NoSuchBucket" in connection.recv(65536)
    clouds.stop()
    clouds.stop()
    assert connection.recv(1) == b""
    connection.close()
    for thread in threading.enumerate():
        if thread.name.startswith(("clouds", "Thread-")):
            thread.join(2)
    assert threading.active_count() <= before

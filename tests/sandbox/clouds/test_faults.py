"""Each kind of fault does what it says, when it says, and the same again from the same seed."""

import http.client
import socket
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from deployments.sandbox.clouds import BucketRules, Clouds, Fault, FaultPlan
from deployments.sandbox.clouds.faults import KINDS, Kind, Subject
from tests.sandbox.clouds.clients import Client, Failed, cloud_of, failure
from tests.sandbox.clouds.conftest import Connect

DATA = bytes(range(256)) * 64


@pytest.fixture
def read(clouds: Clouds) -> Callable[..., tuple[int, str | None, bytes]]:
    """Read the public object `k` with nothing between: status, length as declared, and what came of the body."""
    clouds.create_bucket("s3", "open", BucketRules(public=True))
    clouds.put("s3", "open", "k", DATA)

    def once() -> tuple[int, str | None, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", clouds.port, timeout=5)
        try:
            connection.request("GET", "/open/k")
            answer = connection.getresponse()
            with answer:
                body = b""
                try:
                    while piece := answer.read1(1000):
                        body += piece
                except (http.client.IncompleteRead, ConnectionResetError):
                    pass
                return answer.status, answer.headers["Content-Length"], body
        finally:
            connection.close()

    return once


Read = Callable[[], tuple[int, str | None, bytes]]


def test_without_faults_it_is_whole(read: Read) -> None:
    assert read() == (200, "16384", DATA)


@pytest.mark.parametrize("reset", [True, False])
def test_cut_ends_the_connection_in_the_body(clouds: Clouds, read: Read, reset: bool) -> None:
    clouds.faults = FaultPlan([Fault("cut", operation="GetObject", after_bytes=5000, reset=reset)])
    status, length, body = read()
    assert (status, length) == (200, "16384")
    assert body == DATA[: len(body)]
    assert len(body) <= 5000
    assert read()[2] == DATA


def test_cut_is_a_reset_unless_it_is_told_not_to_be(clouds: Clouds, read: Read) -> None:
    assert read()[0] == 200
    ends = []
    for reset in (True, False):
        clouds.faults = FaultPlan([Fault("cut", after_bytes=100, reset=reset)])
        with socket.create_connection(("127.0.0.1", clouds.port), timeout=5) as connection:
            connection.sendall(b"GET /open/k HTTP/1.1\r\nHost: localhost\r\n\r\n")
            ends.append(_end_of(connection))
    assert ends == ["reset", "closed"]


def _end_of(connection: socket.socket) -> str:
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        return "reset"
    return "closed"


def test_short_lacks_the_end(clouds: Clouds, read: Read) -> None:
    clouds.faults = FaultPlan([Fault("short", missing_bytes=10)])
    assert read() == (200, "16384", DATA[:-10])


def test_clipped_lacks_the_end_and_says_nothing(clouds: Clouds, read: Read) -> None:
    clouds.faults = FaultPlan([Fault("clipped", missing_bytes=10)])
    assert read() == (200, "16374", DATA[:-10])


def test_flip_turns_one_bit(clouds: Clouds, read: Read) -> None:
    clouds.faults = FaultPlan([Fault("flip", at_byte=100)], seed=1)
    body = read()[2]
    assert [place for place, (got, meant) in enumerate(zip(body, DATA, strict=True)) if got != meant] == [100]
    assert body[100] ^ DATA[100] == 1


def test_replace_leaves_this_answer_whole_and_changes_the_next(clouds: Clouds, connect: Connect) -> None:
    for name in ("s3", "oss", "cos"):
        client = connect(name)
        etag = client.put("k", DATA)["etag"]
        clouds.faults = FaultPlan([Fault("replace", operation="GetObject", body=b"other")])
        assert client.get("k").body == DATA
        assert failure(lambda: client.get("k", IfMatch=etag)) == Failed(412, "PreconditionFailed")  # noqa: B023
        assert client.get("k").body == b"other"
    clouds.faults = FaultPlan([Fault("replace", operation="GetObject")])
    client.get("k")
    assert client.get("k").body == bytes(byte ^ 0xFF for byte in b"other")


def test_status_does_nothing_and_says_so(client: Client, clouds: Clouds) -> None:
    clouds.faults = FaultPlan(
        [Fault("status", operation="PutObject", status=429, code="TooManyRequests", times=1, skip=1)]
    )
    client.put("first", b"")
    assert failure(lambda: client.put("second", b"")) == Failed(429, "TooManyRequests")
    client.put("third", b"")
    assert clouds.keys(cloud_of(client), client.bucket) == ["first", "third"]


def test_slow_answers_later(clouds: Clouds, read: Read) -> None:
    clouds.faults = FaultPlan([Fault("slow", seconds=0.2)])
    began = time.perf_counter()
    read()
    assert time.perf_counter() - began >= 0.2


def test_a_stale_list_lacks_the_newest(client: Client, clouds: Clouds) -> None:
    for key in ("b", "c", "a"):
        client.put(key, b"")
    clouds.faults = FaultPlan([Fault("stale_list", newest=2)])
    assert client.listed() == ["b"]
    assert client.listed() == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["s3", "oss"])
def test_skew_moves_the_clock_of_the_server(clouds: Clouds, connect: Connect, name: str) -> None:
    client = connect(name)
    clouds.faults = FaultPlan([Fault("skew", seconds=3600)])
    assert failure(lambda: client.put("k", b"")) == Failed(403, "RequestTimeTooSkewed")
    assert clouds.journal.seen()[-1].at - datetime.now(UTC) > timedelta(minutes=59)
    client.put("k", b"")


def test_a_lost_answer_is_of_something_done(clouds: Clouds, connect: Connect) -> None:
    client = connect("s3")
    clouds.faults = FaultPlan([Fault("lost_answer", operation="PutObject", key="k")])
    with pytest.raises(Exception, match="closed"):
        client.put("k", b"done")
    assert clouds.get("s3", client.bucket, "k") == b"done"
    assert clouds.journal.seen()[-1].status == 0


def test_status_may_say_much(clouds: Clouds) -> None:
    clouds.faults = FaultPlan([Fault("status", error_bytes=100_000)])
    connection = http.client.HTTPConnection("127.0.0.1", clouds.port, timeout=5)
    connection.request("GET", "/recordings/k")
    answer = connection.getresponse()
    assert (answer.status, len(answer.read()) > 100_000) == (503, True)
    connection.close()


def test_ignores_condition(client: Client, clouds: Clouds) -> None:
    client.put("k", DATA)
    clouds.faults = FaultPlan([Fault("ignores_condition", operation="GetObject")])
    assert client.get("k", IfMatch="another").body == DATA
    assert failure(lambda: client.get("k", IfMatch="another")).status == 412


def test_ignores_condition_of_a_create(clouds: Clouds, connect: Connect) -> None:
    client = connect("s3")
    client.put("k", DATA)
    clouds.faults = FaultPlan([Fault("ignores_condition", operation="PutObject")])
    client.put("k", b"over it", IfNoneMatch="*")
    assert clouds.get("s3", client.bucket, "k") == b"over it"


@pytest.mark.parametrize("truthful", [True, False])
@pytest.mark.parametrize(
    ("asked", "answered"), [((100, 199), (99, 198)), ((0, 99), (1, 100)), ((0, 16383), (0, 16383))]
)
def test_shifts_range(
    client: Client, clouds: Clouds, asked: tuple[int, int], answered: tuple[int, int], truthful: bool
) -> None:
    client.put("k", DATA)
    clouds.faults = FaultPlan([Fault("shifts_range", truthful=truthful)])
    read = client.get("k", Range=f"bytes={asked[0]}-{asked[1]}")
    assert read.body == DATA[answered[0] : answered[1] + 1]
    first, last = answered if truthful else asked
    assert read.headers["content-range"] == f"bytes {first}-{last}/{len(DATA)}"
    clouds.faults = FaultPlan([Fault("shifts_range")])
    assert client.get("k").body == DATA


def test_repeats_page_with_the_same_token(clouds: Clouds, connect: Connect) -> None:
    client = connect("s3")
    for key in ("a", "b", "c", "d"):
        client.put(key, b"")
    clouds.faults = FaultPlan([Fault("repeats_page", times=0)])
    pages = [client.sdk.list_objects_v2(Bucket=client.bucket, MaxKeys=2)]
    pages.append(
        client.sdk.list_objects_v2(Bucket=client.bucket, MaxKeys=2, ContinuationToken=pages[0]["NextContinuationToken"])
    )
    assert [[item["Key"] for item in page["Contents"]] for page in pages] == [["a", "b"], ["a", "b"]]
    assert len({page["NextContinuationToken"] for page in pages}) == 1
    assert all(page["IsTruncated"] for page in pages)


@pytest.mark.parametrize("name", ["oss", "cos"])
def test_repeats_page_once(clouds: Clouds, connect: Connect, name: str) -> None:
    client = connect(name)
    for key in ("a", "b", "c"):
        client.put(key, b"")
    clouds.faults = FaultPlan([Fault("repeats_page", skip=1)])
    assert client.listed(limit=2) == ["a", "b", "a", "b", "c"]


def test_foreign_key(client: Client, clouds: Clouds) -> None:
    client.put("room/a", b"")
    clouds.faults = FaultPlan([Fault("foreign_key", shows="hall/b")])
    assert set(client.listed("room/")) == {"room/a", "hall/b"}
    assert client.listed("room/") == ["room/a"]


def test_foreign_key_of_a_negative_size(clouds: Clouds, connect: Connect) -> None:
    client = connect("s3")
    clouds.faults = FaultPlan([Fault("foreign_key", shows="b", shows_bytes=-5)])
    page = client.sdk.list_objects_v2(Bucket=client.bucket)
    assert [(item["Key"], item["Size"]) for item in page["Contents"]] == [("b", -5)]


def test_every_kind_is_shown_above() -> None:
    names = " ".join(name for name in globals() if name.startswith("test_"))
    assert [kind for kind in KINDS if kind not in names] == []


def test_a_fault_hits_only_what_it_names() -> None:
    subject = Subject(cloud="cos", operation="GetBucket", action="ListObjects", bucket="b", key="room/")
    for named in ({"operation": "GetBucket"}, {"operation": "ListObjects"}, {"cloud": "cos"}, {"key": "oom"}, {}):
        assert FaultPlan([Fault("slow", **named)]).strike(subject)  # type: ignore[arg-type]
    for named in ({"operation": "GetObject"}, {"cloud": "s3"}, {"bucket": "c"}, {"key": "hall"}):
        assert not FaultPlan([Fault("slow", **named)]).strike(subject)  # type: ignore[arg-type]
    always = FaultPlan([Fault("slow", times=0)])
    assert all(always.strike(subject) for _ in range(5))


RATE: dict[str, dict[Kind, float]] = {"GetObject": {"status": 0.4, "cut": 0.3}}


def _subject(key: str) -> Subject:
    return Subject(cloud="s3", operation="GetObject", action="GetObject", bucket="b", key=key)


def _drawn(plan: FaultPlan, key: str, attempts: int) -> list[tuple[object, ...]]:
    hits = [plan.strike(_subject(key)) for _ in range(attempts)]
    return [tuple((hit.fault, hit.place(None, 1000)) for hit in one) for one in hits]


def test_random_faults_depend_on_the_seed_and_not_on_the_order_of_keys() -> None:
    one, two = FaultPlan(seed=7, rate=RATE), FaultPlan(seed=7, rate=RATE)
    first = {key: _drawn(one, key, 20) for key in ("a", "b", "c")}
    second = {key: _drawn(two, key, 20) for key in ("c", "a", "b")}
    assert first == second
    assert first["a"] != first["b"]
    assert first["a"] != _drawn(FaultPlan(seed=8, rate=RATE), "a", 20)


def test_random_faults_come_at_their_rate_and_never_more_than_two_in_a_row() -> None:
    plan = FaultPlan(seed=1, rate=RATE)
    total = 0
    for number in range(300):
        struck = [bool(one) for one in _drawn(plan, f"{number}", 6)]
        total += struck[0]
        assert all(not all(struck[place : place + 3]) for place in range(4))
    assert 0.6 < total / 300 < 0.8
    eager = FaultPlan(seed=1, rate={"": {"status": 1.0}}, most_in_a_row=3)
    assert [bool(one) for one in _drawn(eager, "k", 8)] == [True, True, True, False, True, True, True, False]


def test_who_resumes_with_other_ranges_gets_on(clouds: Clouds, connect: Connect) -> None:
    client = connect("cos")
    client.put("k", DATA)
    clouds.faults = FaultPlan(seed=3, rate={"GetObject": {"status": 1.0}}, most_in_a_row=2)
    refused = [failure(lambda: client.get("k", Range=text)).status for text in ("bytes=0-", "bytes=1-")]  # noqa: B023
    assert set(refused) <= {429, 500, 503}
    assert client.get("k", Range="bytes=2-").body == DATA[2:]


def test_a_stop_does_not_wait_for_slow_answers(clouds: Clouds) -> None:
    clouds.faults = FaultPlan([Fault("slow", seconds=60)])
    connection = http.client.HTTPConnection("127.0.0.1", clouds.port, timeout=5)
    connection.request("GET", "/open/k")
    began = time.perf_counter()
    clouds.stop()
    assert time.perf_counter() - began < 2
    connection.close()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(clouds.endpoint)

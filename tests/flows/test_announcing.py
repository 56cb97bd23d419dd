"""Webhooks of ours: signed so that others can tell, and tried until they arrive."""

import logging
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from catalog.records import Posting
from flows.steps.addresses import Limits
from flows.steps.announcing import GRACE, PATIENCE, WAITS, Answer, next_wait
from tests.certificates import self_signed
from tests.flows.bench import OTHER, SECRET, VARIABLE, Bench
from tests.flows.receiver import Handler, Receiver


class TestSending:
    def test_it_arrives_once_and_is_signed(self, bench: Bench, receiver: Receiver) -> None:
        assert [bench.deliver(), bench.deliver()] == [1, 0]
        bench.later(days=6)
        bench.deliver()
        [received] = receiver.received
        assert received.verified(SECRET)["type"] == "recording.settled"
        assert (received.path, received.headers["content-type"]) == ("/hooks?a=b", "application/json")
        assert received.headers["host"] == f"127.0.0.1:{receiver.port}"
        with pytest.raises(WebhookVerificationError):
            received.verified(OTHER)

    def test_while_secrets_are_exchanged_both_hold(self, bench: Bench, receiver: Receiver) -> None:
        bench.environment[VARIABLE] = f"{OTHER} {SECRET}"
        bench.deliver()
        assert receiver.received[0].verified(SECRET) == receiver.received[0].verified(OTHER)
        assert len(receiver.received[0].headers["webhook-signature"].split(" ")) == 2

    def test_a_file_of_secrets_is_read_each_time(self, bench: Bench, receiver: Receiver, tmp_path: Path) -> None:
        file = tmp_path / "secrets"
        bench.endpoint = replace(bench.endpoint, secrets=file)
        for number, secret in enumerate((SECRET, OTHER)):
            file.write_text(f"{secret}\n")
            bench.announce(f"file {number}")
            bench.deliver()
            assert receiver.received[-1].verified(secret)

    def test_a_secret_that_is_gone_sends_nothing_and_is_waited_for(
        self, bench: Bench, receiver: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench.environment.clear()
        assert bench.deliver() == 0
        assert receiver.received == []
        assert f"{VARIABLE} must hold one secret" in caplog.text
        bench.environment[VARIABLE] = SECRET
        bench.later(seconds=5)
        assert bench.deliver() == 1

    def test_several_are_sent_in_one_pass(self, bench: Bench, receiver: Receiver) -> None:
        for number in range(4):
            bench.announce(f"more {number}")
        assert bench.deliver() == 5
        assert len({received.id for received in receiver.received}) == 5

    def test_a_pass_ends_after_its_time(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flows.steps.announcing._PASS_S", 0)
        bench.announce("another")
        assert [bench.deliver() for _ in range(3)] == [1, 1, 0]

    def test_over_tls_with_an_authority_of_ones_own(self, bench: Bench, tmp_path: Path) -> None:
        pem = self_signed(tmp_path)
        with Receiver(pem=pem) as receiver:
            bench.endpoint = replace(bench.endpoint, url=receiver.url)
            assert bench.deliver() == 0
            bench.environment["AFTERTAKE_CA_BUNDLE"] = str(pem)
            bench.later(hours=1)
            assert bench.deliver() == 1
            assert receiver.received[0].verified(SECRET)

    def test_tls_asks_for_the_name_wherever_the_connection_goes(
        self, bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        pem = self_signed(tmp_path)
        bench.environment["AFTERTAKE_CA_BUNDLE"] = str(pem)
        with Receiver(pem=pem) as receiver:
            bench.endpoint = replace(bench.endpoint, url=f"https://crm.example:{receiver.port}/")
            assert bench.deliver("127.0.0.1") == 0
            assert receiver.received == []
        assert "Hostname mismatch" in caplog.text

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.1"])
    def test_hosts_that_are_no_plain_addresses(self, bench: Bench, receiver: Receiver, host: str) -> None:
        bench.endpoint = replace(bench.endpoint, url=f"http://{host}:{receiver.port}/")
        assert bench.deliver() == 1

    def test_an_address_that_does_not_answer_is_passed_over(self, bench: Bench, receiver: Receiver) -> None:
        assert bench.deliver("127.0.0.9", "127.0.0.1") == 1
        assert len(receiver.received) == 1


class TestTryingAgain:
    def test_the_same_bytes_under_the_same_id_at_a_time_of_its_own(self, bench: Bench, receiver: Receiver) -> None:
        receiver.says(500)
        bench.deliver()
        time.sleep(1.1)
        bench.later(seconds=5)
        receiver.says(204)
        assert bench.deliver() == 1
        first, second = receiver.received
        assert (first.body, first.id) == (second.body, second.id)
        assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
        assert second.verified(SECRET)

    def test_a_receiver_that_is_away_for_two_hours_gets_everything(self, bench: Bench, receiver: Receiver) -> None:
        bench.announce("another")
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            bench.endpoint = replace(bench.endpoint, url=f"http://127.0.0.1:{closed.getsockname()[1]}/")
            for _ in range(12):
                assert bench.deliver() == 0
                bench.later(minutes=10)
        bench.endpoint = replace(bench.endpoint, url=receiver.url)
        bench.later(hours=2)
        assert bench.deliver() == 2
        assert len({received.id for received in receiver.received}) == 2

    def test_a_crash_between_sending_and_noting_sends_it_twice(
        self, bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(bench.announcements, "delivered", die)
            with pytest.raises(KeyboardInterrupt):
                bench.deliver()
        assert bench.deliver() == 0, "not before its grace is over"
        bench.later(seconds=GRACE.total_seconds())
        assert bench.deliver() == 1
        first, second = receiver.received
        assert (first.id, first.body) == (second.id, second.body)

    def test_gone_is_gone(self, bench: Bench, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
        receiver.says(410)
        bench.deliver()
        bench.later(days=6)
        bench.deliver()
        assert len(receiver.received) == 1
        [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert "is given up after 1 tries: it answered 410" in record.getMessage()

    def test_what_never_arrives_is_tried_for_three_days_and_given_up_loudly(
        self, bench: Bench, receiver: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        receiver.says(500)
        for wait in WAITS:
            bench.deliver()
            assert [r.levelno for r in caplog.records if r.levelno == logging.ERROR] == []
            bench.later(seconds=wait.total_seconds() - 2)
            assert bench.deliver() == 0
            bench.later(seconds=4)
        bench.deliver()
        bench.later(days=30)
        bench.deliver()
        assert len(receiver.received) == len(WAITS) + 1
        assert "is given up after 10 tries: it answered 500" in caplog.text
        assert receiver.url not in caplog.text

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_redirect_is_not_followed(self, bench: Bench, receiver: Receiver, status: int) -> None:
        with Receiver() as elsewhere:
            receiver.says(status, Location=elsewhere.url)
            assert bench.deliver() == 0
            assert elsewhere.received == []
        receiver.says(200)
        bench.later(seconds=5)
        assert bench.deliver() == 1

    @pytest.mark.parametrize("status", [200, 500])
    def test_an_endless_answer_is_left_alone(self, bench: Bench, receiver: Receiver, status: int) -> None:
        sent, hung_up = [0], threading.Event()

        def endless(handler: Handler) -> None:
            handler.send_response(status)
            handler.end_headers()
            try:
                while sent[0] < 100_000_000:
                    sent[0] += handler.wfile.write(b"x" * 10_000)
            except OSError:
                hung_up.set()

        receiver.answers_by(endless)
        assert bench.deliver() == (status == 200)
        assert hung_up.wait(5)
        assert sent[0] < 20_000_000, "what fits into the buffers of the machine"

    @pytest.mark.parametrize("piece", [b"H", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nx"])
    def test_one_that_comes_byte_by_byte_is_waited_for_no_longer(
        self, bench: Bench, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, piece: bytes
    ) -> None:
        monkeypatch.setattr("flows.steps.announcing.Limits", partial(Limits, total_s=0.6))

        def slow(handler: Handler) -> None:
            for _ in range(50):
                handler.wfile.write(piece)
                time.sleep(0.1)

        receiver.answers_by(slow)
        began = time.monotonic()
        assert bench.deliver() == (len(piece) > 1), "whose status came, came"
        assert time.monotonic() - began < 3

    def test_what_is_no_http_is_a_failure(self, bench: Bench, receiver: Receiver) -> None:
        receiver.answers_by(lambda handler: handler.wfile.write(b"SSH-2.0-x\r\n\r\n"))
        assert bench.deliver() == 0
        receiver.says(200)
        bench.later(seconds=5)
        assert bench.deliver() == 1

    @pytest.mark.parametrize(
        ("status", "asked", "waits_s"),
        [
            (429, "120", 120),
            (503, "999999999999", 3600),
            (503, "2", 5),
            (503, "soon", 5),
            (503, "-5", 5),
            (500, "120", 5),
            (503, "Mon, 01 Jan 0001 00:00:00 +2300", 5),
        ],
    )
    def test_a_receiver_may_ask_for_patience(
        self, bench: Bench, receiver: Receiver, status: int, asked: str, waits_s: int
    ) -> None:
        receiver.says(status, Retry_After=asked)
        bench.deliver()
        receiver.says(200)
        bench.later(seconds=waits_s - 2)
        assert bench.deliver() == 0
        bench.later(seconds=2)
        assert bench.deliver() == 1

    def test_until_a_date(self, bench: Bench, receiver: Receiver) -> None:
        receiver.says(503, Retry_After=format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True))
        bench.deliver()
        receiver.says(200)
        bench.later(minutes=9)
        assert bench.deliver() == 0
        bench.later(minutes=1)
        assert bench.deliver() == 1


class TestWaits:
    def delivery(self, tries: int, age: timedelta = timedelta()) -> Posting:
        return Posting(id=1, announcement="msg_1", endpoint="crm", payload="{}", tries=tries, age=age)

    def test_they_are_jittered_by_a_fifth(self) -> None:
        for tries, wait in enumerate(WAITS, 1):
            found = [next_wait(self.delivery(tries), Answer(error="e"), chance) for chance in (0.0, 0.5, 1.0)]
            assert found == [wait * 0.8, wait, wait * 1.2]

    def test_nothing_is_given_up_before_three_days_are_over(self) -> None:
        last = len(WAITS) + 1
        assert next_wait(self.delivery(last, PATIENCE - timedelta(hours=1)), Answer(error="e"), 0.5) == WAITS[-1]
        assert next_wait(self.delivery(last, PATIENCE), Answer(error="e"), 0.5) is None
        assert next_wait(self.delivery(last - 1, PATIENCE * 2), Answer(error="e"), 0.5) is not None
        assert sum(WAITS, timedelta()) > PATIENCE

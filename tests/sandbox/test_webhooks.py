"""The sandbox's webhooks, made from the documents, against our reading of the same documents."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import unquote

import pytest

from catalog.events import Presence, Signature, Word
from catalog.model import RecordingId
from deployments.sandbox.webhooks import SAMPLES, TEST_TASKS, Posted, agora, deliver, jocloud, sample, zego
from vendors.hooks import TEST_ROOM, Key, Message, check, parse
from vendors.registry import HOOKS, VENDORS

SECRET = "sandbox-secret-of-32-characters-1"  # noqa: S105
SENT_AT = datetime(2024, 1, 2, 3, 4, 5, 6000, UTC)

WORDS = {
    ("agora", "started"): Word.RECORDING,
    ("agora", "slice_started"): Word.RECORDING,
    ("agora", "progress"): Word.RECORDING,
    ("agora", "uploaded"): Word.UPLOADED,
    ("agora", "backed_up"): Word.BACKED_UP,
    ("agora", "error"): Word.ENDED,
    ("agora", "failover"): Word.RECORDING,
    ("agora", "left"): Word.LEFT,
    ("agora", "exit"): Word.ENDED,
    ("agora", "abnormal_exit"): Word.ENDED,
    ("zego", "uploaded"): Word.UPLOADED,
    ("zego", "backed_up"): Word.BACKED_UP,
    ("zego", "abnormal"): Word.ENDED,
    ("zego", "idle_end"): Word.ENDED,
    ("zego", "no_stream"): Word.RECORDING,
    ("zego", "left"): Word.ENDED,
    ("zego", "stopped"): Word.ENDED,
    ("zego", "m3u8_known"): Word.RECORDING,
    ("zego", "paused"): Word.RECORDING,
    ("zego", "resumed"): Word.RECORDING,
    ("zego", "snapshot"): Word.RECORDING,
    ("jocloud", "m3u8_info"): Word.ENDED,
}
TROUBLED = {("agora", "error"), ("agora", "abnormal_exit"), ("zego", "abnormal")}
WITH_FILES = {("agora", "uploaded"), ("agora", "backed_up"), ("jocloud", "m3u8_info")} | {
    ("zego", event) for event in ("uploaded", "backed_up", "snapshot", "m3u8_known")
}


def made(vendor: str, event: str, *, room: str = "room1", sequence: int = 5) -> Posted:
    return sample(
        vendor,
        event,
        task_id=TEST_TASKS[vendor],
        room=room,
        secret=SECRET,
        sequence=sequence,
        sent_at=SENT_AT,
    )


def received(posted: Posted) -> Message:
    return Message(
        body=posted.body,
        document=parse(posted.body),
        headers={name.lower(): value for name, value in posted.headers.items()},
        url_secret=unquote(posted.path_suffix.removeprefix("/")) or None,
    )


def test_every_sample_is_expected() -> None:
    assert {(vendor, event) for vendor, events in SAMPLES.items() for event in events} == set(WORDS)


@pytest.mark.parametrize(("vendor", "event"), WORDS)
def test_a_sample_is_signed_and_means_what_it_says(vendor: str, event: str) -> None:
    sent = received(made(vendor, event))
    keys, others = [Key(secret=SECRET, source="a")], [Key(secret=SECRET.swapcase(), source="a")]
    assert check(HOOKS[vendor], sent, keys, SENT_AT).signature is Signature.GOOD
    assert check(HOOKS[vendor], sent, others, SENT_AT).signature is Signature.WRONG
    read = HOOKS[vendor].read(sent)
    assert (read.word, read.ignored) == (WORDS[vendor, event], None)
    assert (read.recording, read.room) == (RecordingId(vendor=vendor, task_id=TEST_TASKS[vendor]), "room1")
    assert (read.trouble is not None) is ((vendor, event) in TROUBLED)
    assert (len(read.files) == 1) is ((vendor, event) in WITH_FILES)


@pytest.mark.parametrize(("vendor", "event"), WORDS)
def test_a_sample_of_the_test_room_is_a_test(vendor: str, event: str) -> None:
    sent = received(made(vendor, event, room=TEST_ROOM))
    assert not HOOKS[vendor].is_check(sent), "its signature counts: that is what is tried out"
    assert HOOKS[vendor].read(sent).ignored == "a test"


@pytest.mark.parametrize(("vendor", "event"), WORDS)
def test_a_sample_is_the_same_event_however_often_it_is_made(vendor: str, event: str) -> None:
    ids = [HOOKS[vendor].read(received(made(vendor, event, sequence=number))).dedupe_id for number in (5, 5, 6)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("vendor", SAMPLES)
def test_the_files_of_a_sample_have_names_of_the_vendor(vendor: str) -> None:
    for event in SAMPLES[vendor]:
        for file in HOOKS[vendor].read(received(made(vendor, event))).files:
            name = VENDORS[vendor].parse_name(file.name.rpartition("/")[2], room="room1")
            assert name is not None
            assert name.task_id == TEST_TASKS[vendor]


def test_times_in_names_are_utc() -> None:
    far = SENT_AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    posted = sample("zego", "uploaded", task_id=TEST_TASKS["zego"], room="room1", secret=SECRET, sent_at=far)
    (file,) = HOOKS["zego"].read(received(posted)).files
    assert file.name.endswith("_20240102030305006.m3u8")
    assert file.started_at == SENT_AT - timedelta(seconds=60)


def test_a_slice_leaves_a_mark() -> None:
    (mark,) = HOOKS["agora"].read(received(made("agora", "slice_started"))).presence
    assert (mark.presence, mark.since) == (Presence.SLICE_START, None)


def test_any_event_can_be_made() -> None:
    odd = agora(113, sid="a", cname="b", secret=SECRET, sent_at=SENT_AT, notice_id="c", details={"new": 1})
    assert HOOKS["agora"].read(received(odd)).name == "event 113"
    odd = zego(99, task_id="a", room="b", secret=SECRET, sent_at=SENT_AT, nonce="c", app_id=7, detail={"new": 1})
    assert HOOKS["zego"].read(received(odd)).app == "7"
    odd = jocloud("new", record_id="a", room="b", secret=SECRET, sent_at=SENT_AT, msgtype=1, context={"new": 1})
    assert HOOKS["jocloud"].read(received(odd)).word is Word.HEARD


def test_secrets_are_not_shown() -> None:
    assert SECRET not in repr(made("jocloud", "m3u8_info"))


class Answer(BaseHTTPRequestHandler):
    """Answers with the number in its path, and keeps what it was sent."""

    got: list[tuple[str, bytes, str | None]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, body, self.headers["Agora-Signature-V2"]))
        self.send_response(int(self.path.split("/")[1]))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering() -> Iterator[tuple[str, list[tuple[str, bytes, str | None]]]]:
    got: list[tuple[str, bytes, str | None]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Handler", (Answer,), {"got": got}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("status", [200, 202, 401, 429, 503])
def test_a_delivery_gives_the_status(status: int) -> None:
    posted = made("agora", "uploaded")
    with answering() as (url, got):
        assert deliver(posted, f"{url}/{status}/") == status
    assert got == [(f"/{status}/hooks/agora", posted.body, posted.headers["Agora-Signature-V2"])]


def test_paths() -> None:
    assert made("zego", "stopped").path == "/hooks/zego"
    assert made("jocloud", "m3u8_info").path == f"/hooks/jocloud/{SECRET}"
    odd = jocloud("new", record_id="a", room="b", secret="a/b?c é", sent_at=SENT_AT)  # noqa: S106
    assert odd.path == "/hooks/jocloud/a%2Fb%3Fc%20%C3%A9"
    assert received(odd).url_secret == "a/b?c é"  # noqa: S105


@pytest.mark.parametrize("url", ["file:///etc", "ftp://a.example", "a.example"])
def test_deliveries_go_to_web_servers_only(url: str) -> None:
    with pytest.raises(ValueError, match="no web server"):
        deliver(made("zego", "stopped"), url)

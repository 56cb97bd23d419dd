"""Jocloud's client, against the answers of which the documents are readable; the rest is guessed, and says so."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from catalog.events import Word
from catalog.model import RecordingId
from tests.flows.receiver import Answering, Handler, Received
from tests.vendors.api_server import (
    CALLBACK,
    SECRET,
    SECRETS,
    UPLOAD_SECRET,
    Beat,
    VendorServer,
    cut,
    minutes,
    order,
    plain,
    query_of,
    says,
)
from vendors.jocloud.recorder import JocloudRecorder
from vendors.jocloud.signing import GUESSES
from vendors.recorder import (
    Access,
    BadCallError,
    CallError,
    Handle,
    NoSuchCallError,
    RefusedCallError,
    VendorDownError,
)
from vendors.recorders import open_recorder

APP = "123123"
RESOURCE = "3c0fb770e6b3bdfd7b04e70bf95c11277ab5a444336978859551a5f108aa-ae88144600772ca2"
RECORD = "da8c521e4502e5522b91d95e2ee8a6db6e375"
APPLIED = {"code": 0, "message": "success", "resid": RESOURCE, "traceId": "38170700926071971069460502"}
STARTED = {"code": 0, "message": "success", "recordid": RECORD, "traceId": "1"}
AT_MS = 1_615_186_943_000


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer() as opened:
        yield opened


@pytest.fixture
def beat() -> Beat:
    return Beat()


@pytest.fixture
def recorder(server: VendorServer, beat: Beat) -> Iterator[JocloudRecorder]:
    with closing(open_on(server, beat)) as opened:
        yield opened


def open_on(server: VendorServer, beat: Beat, scheme: str | None = None) -> JocloudRecorder:
    access = Access(app=APP, key_id="certificate", secret=SECRET, hosts=(server.base,), scheme=scheme)
    opened = open_recorder("jocloud", access, rhythm=beat.rhythm)
    assert isinstance(opened, JocloudRecorder)
    return opened


RECORDING = RecordingId(vendor="jocloud", task_id=RECORD)
HANDLE = Handle(recording=RECORDING, room="room_1")


def body_of(request: Received) -> Any:  # noqa: ANN401 - JSON
    return json.loads(request.body)


def test_a_start_applies_for_a_resource_and_uses_it_at_once(server: VendorServer, recorder: JocloudRecorder) -> None:
    server.will(says(APPLIED), says(STARTED))
    begun = recorder.start(order(callback_url="https://hooks.example/jocloud"))
    apply, start = server.received
    assert [(request.method, urlsplit(request.path).path) for request in (apply, start)] == [
        ("GET", f"/app/{APP}/v1/recordoss/applyrecord"),
        ("POST", f"/app/{APP}/v1/recordoss/startrecord"),
    ]
    assert apply.body == b""
    # neither the place nor the key: no field for them is documented
    assert body_of(start) == {
        "resid": RESOURCE,
        "appid": 123123,
        "roomid": "room_1",
        "recordtype": 0,
        "streamtype": 1,
        "callbackurl": "https://hooks.example/jocloud",
    }
    traces = [query_of(request)["traceId"] for request in (apply, start)]
    assert len(set(traces)) == 2
    assert all(trace.isdigit() and len(trace) == 26 for trace in traces)
    assert start.headers["content-type"] == "application/json;charset=UTF-8"
    assert begun == Handle(recording=RECORDING, room="room_1", host=server.base, details={"resource_id": RESOURCE})


@pytest.mark.parametrize(
    ("fields", "record_type", "stream_type"),
    [
        ({}, 0, 1),
        ({"tracks": "video"}, 1, 1),
        ({"tracks": "audio", "mode": "individual"}, 2, 2),
    ],
)
def test_modes_and_tracks_are_numbers(
    server: VendorServer,
    recorder: JocloudRecorder,
    *,
    fields: dict[str, Any],
    record_type: int,
    stream_type: int,
) -> None:
    server.will(says(APPLIED), says(STARTED))
    recorder.start(order(**fields))
    body = body_of(server.received[1])
    assert (body["recordtype"], body["streamtype"]) == (record_type, stream_type)


@pytest.mark.parametrize(
    "known",
    [
        pytest.param({"ossconfig": {"bucket": "lessons"}, "recordtype": 1}, id="storage"),
        pytest.param({"uids": ["7"], "token": "t", "idletime": 60}, id="users, the room's token, how long it may idle"),
        pytest.param({"mixlayout": {"width": 1280, "users": [{"uid": "7"}]}}, id="a layout"),
    ],
)
def test_what_a_customer_knows_of_further_fields_is_sent(
    server: VendorServer, recorder: JocloudRecorder, known: dict[str, Any]
) -> None:
    server.will(says(APPLIED), says(STARTED))
    recorder.start(order(more=known))
    body = body_of(server.received[1])
    assert {name: body[name] for name in known} == known
    assert (body["resid"], body["roomid"]) == (RESOURCE, "room_1")


def test_the_scheme_of_the_english_documents(server: VendorServer, recorder: JocloudRecorder) -> None:
    server.will(says(APPLIED), says(STARTED))
    recorder.start(order())
    basic = base64.b64encode(f"certificate:{SECRET}".encode()).decode()
    for request in server.received:
        assert (request.headers["appid"], request.headers["token"]) == (APP, f"Basic {basic}")
        assert not {"authorization", "signature", "nonce", "timestamp"} & set(request.headers)


def test_the_scheme_of_the_chinese_documents(server: VendorServer, beat: Beat) -> None:
    server.will(says({}, 503), says(APPLIED), says(STARTED))
    with closing(open_on(server, beat, "signature")) as recorder:
        recorder.start(order())
    nonces = set()
    for request in server.received:
        sent = request.headers
        nonces.add(sent["nonce"])
        assert sent["appid"] == APP
        assert AT_MS <= int(sent["timestamp"]) <= beat.at * 1000
        # the rule is our guess: no page with it could be read
        signed = f"{APP}{sent['nonce']}{SECRET}{sent['timestamp']}".encode()
        assert sent["signature"] == hashlib.md5(signed, usedforsecurity=False).hexdigest()
        assert not {"authorization", "token"} & set(sent)
    assert len(nonces) == 3


def signed_by(rule: Callable[..., str], then: Answering, **refusal: Any) -> Answering:  # noqa: ANN401 - JSON
    """Lets pass what is signed by this rule of the project's, and refuses the rest."""

    def answer(handler: Handler) -> None:
        sent = handler.headers
        expected = rule(APP, sent["Nonce"], SECRET, int(sent["Timestamp"]))
        (then if sent["Signature"] == expected else says(**refusal))(handler)

    return answer


@pytest.mark.parametrize("refusal", [{"document": {}, "status": 401}, {"document": {"code": 403}}])
@pytest.mark.parametrize("guess", range(len(GUESSES)))
def test_each_guess_at_the_signature_is_tried_and_the_right_one_kept(
    server: VendorServer, beat: Beat, guess: int, refusal: dict[str, Any]
) -> None:
    """Also of a start: what was refused was not done."""
    gate = [signed_by(GUESSES[guess], says(said), **refusal) for said in (APPLIED, STARTED)]
    server.will(*gate[:1] * (guess + 1), *gate[1:])
    with closing(open_on(server, beat, "signature")) as recorder:
        assert recorder.start(order()).recording == RECORDING
    assert [path.rpartition("/")[2] for path in server.asked] == ["applyrecord"] * (guess + 1) + ["startrecord"]


def test_a_key_that_no_guess_at_the_signature_helps_is_refused(server: VendorServer, beat: Beat) -> None:
    server.will(says({"code": 401, "message": "sign"}))
    with closing(open_on(server, beat, "signature")) as recorder, pytest.raises(RefusedCallError, match="sign"):
        recorder.start(order())
    assert len({request.headers["signature"] for request in server.received}) == len(GUESSES) == 3


def test_what_the_guesses_sign() -> None:
    made = [rule("123123", "abc", "s3cr3t", 1_700_000_000_000) for rule in GUESSES]
    assert made == [
        hashlib.md5(b"123123abcs3cr3t1700000000000", usedforsecurity=False).hexdigest(),
        hashlib.sha1(b"1231231700000000000abcs3cr3t", usedforsecurity=False).hexdigest(),
        hmac.new(b"s3cr3t", b"123123abc1700000000000", hashlib.sha256).hexdigest(),
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mode": "web", "page": "https://a"}, "no mode web"),
        ({"mode": "raw"}, "no mode raw"),
        (
            {"users": ("1",), "recorder": "2", "room_token": "t", "most_idle": minutes(1)},
            "users and recorder and room_",
        ),
    ],
)
def test_what_is_not_documented_is_refused_before_anything_is_sent(
    server: VendorServer, recorder: JocloudRecorder, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadCallError, match=said):
        recorder.start(order(**fields))
    assert server.received == []


@pytest.mark.parametrize(
    ("applied", "started", "said"),
    [
        ({"code": 0}, None, "no resid"),
        ({**APPLIED, "resid": ""}, None, "no resid"),
        (APPLIED, {"code": 0, "message": "success"}, "no recordid"),
    ],
)
def test_without_ids_nothing_began(
    server: VendorServer, recorder: JocloudRecorder, applied: object, started: object, said: str
) -> None:
    server.will(says(applied), says(started))
    with pytest.raises(VendorDownError, match=said):
        recorder.start(order())
    assert len(server.received) == (1 if started is None else 2)


def test_answers_without_a_code_are_good(server: VendorServer, recorder: JocloudRecorder) -> None:
    """Only applyrecord's answer is documented; that of startrecord need not hold more than the recordid."""
    server.will(says({"resid": RESOURCE}), says({"recordid": 77}))
    assert recorder.start(order()).recording.task_id == "77"


@pytest.mark.parametrize(
    ("status", "document", "error", "code"),
    [
        (200, {"code": 1001, "message": "bad room"}, BadCallError, 1001),
        (200, {"code": "E1", "message": "bad room"}, BadCallError, "E1"),
        (400, {"code": -5}, BadCallError, -5),
        (401, {"code": 3, "message": "auth"}, RefusedCallError, 3),
        (200, {"code": 401, "message": "auth"}, RefusedCallError, 401),
        (200, {"code": 403}, RefusedCallError, 403),
        (200, {"code": "429"}, VendorDownError, 429),
        (403, {}, RefusedCallError, None),
        (404, {}, RefusedCallError, None),
        (429, {"code": 9}, VendorDownError, 9),
        (500, {"code": 2, "message": "oops"}, VendorDownError, 2),
        (502, {}, VendorDownError, None),
    ],
)
def test_all_but_zero_is_a_failure_in_the_vendors_words(
    server: VendorServer,
    recorder: JocloudRecorder,
    *,
    status: int,
    document: dict[str, Any],
    error: type[CallError],
    code: object,
) -> None:
    server.will(says(document, status))
    with pytest.raises(error) as caught:
        recorder.start(order())
    assert caught.value.code == code
    assert caught.value.advice.endswith(".")
    if error is BadCallError:
        assert document.get("message", "it refused") in caught.value.said
    assert len(server.received) == (4 if error is VendorDownError else 1)


@pytest.mark.parametrize("answer", [cut, plain(b"<html>", 502), says({"code": 2}, 500)])
def test_a_start_is_not_sent_twice(server: VendorServer, recorder: JocloudRecorder, answer: Any) -> None:  # noqa: ANN401
    server.will(says(APPLIED), answer)
    with pytest.raises(VendorDownError):
        recorder.start(order())
    assert len(server.received) == 2


def test_a_layout_is_updated(server: VendorServer, recorder: JocloudRecorder) -> None:
    server.will(says({"code": 0}))
    recorder.layout(HANDLE, {"layout": [{"uid": "7"}]})
    (request,) = server.received
    assert (request.method, urlsplit(request.path).path) == ("POST", f"/app/{APP}/v1/recordoss/updatemixrecord")
    # a guess, after the fields of startrecord
    assert body_of(request) == {"layout": [{"uid": "7"}], "appid": 123123, "roomid": "room_1", "recordid": RECORD}


def test_a_stop(server: VendorServer, recorder: JocloudRecorder) -> None:
    server.will(says({"code": 0, "message": "success", "traceId": "9", "new": 1}))
    status = recorder.stop(HANDLE)
    assert (status.word, status.trouble, status.room) == (Word.ENDED, None, "room_1")
    assert status.details == {"code": 0, "message": "success", "traceId": "9", "new": 1}
    (request,) = server.received
    assert (request.method, urlsplit(request.path).path) == ("POST", f"/app/{APP}/v1/recordoss/stoprecord")
    assert body_of(request) == {"appid": 123123, "roomid": "room_1", "recordid": RECORD}


@pytest.mark.parametrize("name", ["stoprecord", "updatemixrecord"])
@pytest.mark.parametrize("wanted", [{"resid"}, set()])
def test_the_resource_is_named_and_left_out_where_that_is_refused(
    server: VendorServer, recorder: JocloudRecorder, name: str, wanted: set[str]
) -> None:
    begun = replace(HANDLE, details={"resource_id": RESOURCE})

    def judged(handler: Handler) -> None:
        body = body_of(server.received[-1])
        says({"code": 0} if body.keys() & {"resid"} == wanted else {"code": 7, "message": "bad body"})(handler)

    server.will(judged)
    if name == "stoprecord":
        assert recorder.stop(begun).trouble is None
    else:
        recorder.layout(begun, {"layout": []})
    bodies = [body_of(request) for request in server.received]
    assert [body.get("resid") for body in bodies] == [RESOURCE] + [None] * (not wanted)
    assert {(body["appid"], body["roomid"], body["recordid"]) for body in bodies} == {(123123, "room_1", RECORD)}
    assert {path.rpartition("/")[2] for path in server.asked} == {name}


def test_what_a_known_signature_is_refused_is_told_and_not_what_other_guesses_are(
    server: VendorServer, beat: Beat
) -> None:
    refusals = [says({"code": 403, "message": said}) for said in ("not open to you", "bad sign", "bad sign")]
    server.will(says({"code": 0}), *refusals)
    with closing(open_on(server, beat, "signature")) as recorder:
        recorder.stop(HANDLE)
        with pytest.raises(RefusedCallError, match="not open to you"):
            recorder.stop(HANDLE)


def test_a_host_that_did_not_begin_it_may_know_it_or_not(server: VendorServer, beat: Beat) -> None:
    """The one that began it is asked first, whichever is preferred."""
    access = Access(app=APP, key_id="certificate", secret=SECRET, hosts=())
    with VendorServer() as other:
        access = replace(access, hosts=(server.base, other.base))
        begun = replace(HANDLE, host=other.base)
        with closing(open_recorder("jocloud", access, rhythm=beat.rhythm)) as recorder:
            other.will(says({"code": 0}))
            assert recorder.stop(begun).trouble is None
            assert (len(other.received), len(server.received)) == (1, 0)
            other.will(says({}, 503))
            server.will(says({"code": 0}))
            assert recorder.stop(begun).trouble is None
            server.will(says({"code": 5, "message": "who is that"}))
            assert "goes on until the room is empty: who is that" in (recorder.stop(begun).trouble or "")


def test_a_refused_stop_is_taken_for_over_and_told(server: VendorServer, recorder: JocloudRecorder) -> None:
    server.will(says({"code": 4, "message": "no such task"}))
    status = recorder.stop(HANDLE)
    assert (status.word, status.is_gone) == (Word.ENDED, False)
    assert status.trouble is not None
    assert status.trouble.endswith("no such task")


@pytest.mark.parametrize(("status", "code"), [(401, 4), (503, 4), (200, 401), (200, 429)])
def test_a_stop_that_never_arrived_is_an_error(
    server: VendorServer, recorder: JocloudRecorder, status: int, code: int
) -> None:
    server.will(says({"code": code}, status))
    with pytest.raises(CallError):
        recorder.stop(HANDLE)


def test_it_cannot_be_asked(server: VendorServer, recorder: JocloudRecorder) -> None:
    now = datetime(2024, 1, 2, tzinfo=UTC)
    with pytest.raises(NoSuchCallError):
        recorder.status(HANDLE)
    with pytest.raises(NoSuchCallError):
        recorder.history(now, now)
    assert recorder.handle_of(RECORDING, "room_1") is None
    with pytest.raises(BadCallError, match="room"):
        recorder.stop(Handle(recording=RECORDING, room=None))
    assert server.received == []


def test_ten_calls_a_second(server: VendorServer, recorder: JocloudRecorder, beat: Beat) -> None:
    server.will(says({"code": 0}))
    for _ in range(3):
        recorder.layout(HANDLE, {})
    assert beat.slept == pytest.approx([0.105] * 2, rel=0.001)


@pytest.mark.parametrize("scheme", ["token", "signature"])
def test_a_secret_is_never_said(
    server: VendorServer, beat: Beat, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    caplog.set_level(logging.DEBUG)
    basic = base64.b64encode(f"certificate:{SECRET}".encode()).decode()
    server.will(says(APPLIED), says({"code": 5, "message": " ".join((*SECRETS, basic))}))
    ordered = order(callback_url=CALLBACK)
    with closing(open_on(server, beat, scheme)) as recorder, pytest.raises(BadCallError) as caught:
        recorder.start(ordered)
    shown = caplog.text + repr(caught.value) + str(caught.value) + repr(ordered) + repr(recorder)
    assert [secret for secret in (SECRET, UPLOAD_SECRET, CALLBACK, basic) if secret in shown] == []

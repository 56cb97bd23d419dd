"""ZEGOCLOUD's client, against answers as its documents have them; ids are made up."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog.events import Kept, Word
from catalog.model import RecordingId
from tests.flows.receiver import Handler, Received
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
from vendors.recorder import (
    Access,
    BadCallError,
    CallError,
    GoneError,
    Handle,
    RefusedCallError,
    VendorDownError,
)
from vendors.recorders import open_recorder
from vendors.storage import StoreLocation
from vendors.zego.codes import MEANINGS
from vendors.zego.recorder import ZegoRecorder
from vendors.zego.signing import signature, signed_query

APP, TASK = "1234567890", "Zm0-x_E4IaBcAAAQ"
FINE = {"Code": 0, "Message": "succeed", "RequestId": "abcd123"}
GONE = {"Code": 300001000, "Message": "task not exist", "RequestId": "abcd123"}
NAME = f"{TASK}_room_1_mix_out_VA_20240102030405006"
BEGAN = datetime(2024, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)
BEGAN_MS, ENDED_MS = 1704164645006, 1704164701702


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer() as opened:
        opened.will(says(FINE))
        yield opened


@pytest.fixture
def beat() -> Beat:
    return Beat()


@pytest.fixture
def recorder(server: VendorServer, beat: Beat) -> Iterator[ZegoRecorder]:
    with closing(open_on(beat, server.base)) as opened:
        yield opened


def open_on(beat: Beat, *hosts: str, scheme: str | None = None) -> ZegoRecorder:
    opened = open_recorder("zego", Access(app=APP, secret=SECRET, hosts=hosts, scheme=scheme), rhythm=beat.rhythm)
    assert isinstance(opened, ZegoRecorder)
    return opened


RECORDING = RecordingId(vendor="zego", task_id=TASK)
HANDLE = Handle(recording=RECORDING, room="room_1")


def body_of(request: Received) -> Any:  # noqa: ANN401 - JSON
    return json.loads(request.body)


def file(status: object = 3, **fields: object) -> dict[str, object]:
    usual = {
        "UserId": "mix_out",
        "UserName": "mix_out",
        "StreamId": "mix_out",
        "FileId": f"{NAME}.m3u8",
        "VideoId": "",
        "FileUrl": f"https://store.example/record/{NAME}.m3u8",
        "OutputFileFormat": "hls",
        "FileSize": 432643544,
        "Duration": 33874,
        "ResolutionWidth": 1920,
        "ResolutionHeight": 1080,
        "MediaTrackType": 3,
        "BeginTimestamp": BEGAN_MS,
        "Status": status,
    }
    return {**usual, **fields}


def described(status: object, files: object = None, **fields: object) -> dict[str, object]:
    """An answer of DescribeRecordStatus; without files the field is absent."""
    data: dict[str, object] = {
        "RoomId": "room_1",
        "RecordMode": 2,
        "StreamType": 3,
        "RecordBeginTimestamp": BEGAN_MS,
        "RecordEndTimestamp": ENDED_MS,
        "Status": status,
        **fields,
    }
    return {**FINE, "Data": data if files is None else {**data, "RecordFiles": files}}


def test_the_vendors_own_signature() -> None:
    secret = "9193cc662a4c0ec135ec71fb57194b38"  # noqa: S105 - of the documents
    assert signature("12345", "4fd24687296dd9f3", secret, 1615186943) == "43e5cfcca828314675f91b001390566a"
    assert signed_query("12345", secret, "StopRecord", nonce="4fd24687296dd9f3", timestamp=1615186943) == {
        "Action": "StopRecord",
        "AppId": "12345",
        "SignatureNonce": "4fd24687296dd9f3",
        "Timestamp": "1615186943",
        "SignatureVersion": "2.0",
        "Signature": "43e5cfcca828314675f91b001390566a",
    }


def test_every_try_is_signed_anew(server: VendorServer, recorder: ZegoRecorder, beat: Beat) -> None:
    server.will(says({"Code": 300010000}), says(described(2)))
    recorder.status(HANDLE)
    queries = [query_of(request) for request in server.received]
    assert [int(query["Timestamp"]) for query in queries] == [int(beat.at) - 1, int(beat.at)]
    assert len({query["SignatureNonce"] for query in queries}) == 2
    for query in queries:
        assert set(query) == {"Action", "AppId", "SignatureNonce", "Timestamp", "SignatureVersion", "Signature"}
        assert (query["Action"], query["AppId"], query["SignatureVersion"]) == ("DescribeRecordStatus", APP, "2.0")
        assert len(bytes.fromhex(query["SignatureNonce"])) == 8
        signed = f"{APP}{query['SignatureNonce']}{SECRET}{query['Timestamp']}"
        assert query["Signature"] == hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(("scheme", "sent"), [(None, None), ("IsTest=true", "true"), ("IsTest=false", "false")])
def test_older_projects_say_whether_they_are_tests(
    server: VendorServer, beat: Beat, scheme: str | None, sent: str | None
) -> None:
    server.will(says(described(2)))
    with closing(open_on(beat, server.base, scheme=scheme)) as recorder:
        recorder.status(HANDLE)
    (request,) = server.received
    query = query_of(request)
    assert query.get("IsTest") == sent
    signed = f"{APP}{query['SignatureNonce']}{SECRET}{query['Timestamp']}"
    assert query["Signature"] == hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest()


def test_a_scheme_of_another_vendor_is_refused(beat: Beat) -> None:
    with pytest.raises(RefusedCallError, match="scheme") as caught:
        open_on(beat, "https://api.example", scheme="token")
    assert caught.value.advice == "Known: IsTest=true, IsTest=false."


STORAGE = {
    "Vendor": 2,
    "Region": "oss-cn-hangzhou",
    "Bucket": "lessons",
    "AccessKeyId": "writer",
    "AccessKeySecret": UPLOAD_SECRET,
}
OUTPUT = {
    "OutputFileFormat": "hls",
    "OutputFolder": "classes/2024/",
    "RealtimeUploadFragment": True,
    "ShortFragmentPath": True,
}


def started_with(server: VendorServer, opened: ZegoRecorder, /, **fields: object) -> tuple[Any, Handle]:
    server.will(says({**FINE, "Data": {"TaskId": TASK}}))
    begun = opened.start(order(**fields))
    (request,) = server.received
    assert (request.method, query_of(request)["Action"]) == ("POST", "StartRecord")
    assert request.headers["content-type"] == "application/json"
    return body_of(request), begun


def test_a_mixed_start(server: VendorServer, recorder: ZegoRecorder) -> None:
    body, begun = started_with(
        server,
        recorder,
        room="room 1/é",
        most_idle=minutes(5),
        callback_url="https://hooks.example/zego",
        client_id="lesson-7",
    )
    assert body == {
        "RoomId": "room 1/é",
        "RecordInputParams": {
            "RecordMode": 2,
            "StreamType": 3,
            "MaxIdleTime": 300,
            "ClientTaskId": "lesson-7",
            "MixConfig": {
                "MixMode": 2,
                "MixOutputStreamId": "mix_room-1-",
                "MixOutputVideoConfig": {"Width": 1280, "Height": 720, "Fps": 15, "Bitrate": 1500000},
            },
        },
        "RecordOutputParams": {**OUTPUT, "CallbackUrl": "https://hooks.example/zego"},
        "StorageParams": STORAGE,
    }
    assert begun == Handle(recording=RECORDING, room="room 1/é", host=server.base)


def test_a_single_stream_start(server: VendorServer, recorder: ZegoRecorder) -> None:
    body, _ = started_with(server, recorder, mode="individual", users=("s1", "s2"), tracks="audio")
    assert body["RecordInputParams"] == {
        "RecordMode": 1,
        "StreamType": 1,
        "RecordStreamList": [{"StreamId": "s1"}, {"StreamId": "s2"}],
    }
    assert body["RecordOutputParams"] == OUTPUT
    server.received.clear()
    body, _ = started_with(server, recorder, mode="individual", tracks="video")
    assert body["RecordInputParams"] == {"RecordMode": 1, "StreamType": 2}


def test_a_mixed_start_without_pictures_describes_none(server: VendorServer, recorder: ZegoRecorder) -> None:
    body, _ = started_with(server, recorder, tracks="audio")
    assert body["RecordInputParams"]["MixConfig"] == {"MixMode": 2, "MixOutputStreamId": "mix_room_1"}


def test_the_bucket_itself_is_a_folder_too(server: VendorServer, recorder: ZegoRecorder) -> None:
    body, _ = started_with(server, recorder, place=StoreLocation(scheme="s3", bucket="b", region="us-west-2"))
    assert body["RecordOutputParams"]["OutputFolder"] == ""
    assert (body["StorageParams"]["Vendor"], body["StorageParams"]["Region"]) == (1, "us-west-2")


def test_the_vendors_own_fields_are_put_over_ours(server: VendorServer, recorder: ZegoRecorder) -> None:
    more = {
        "RecordInputParams": {"FillBlank": True, "MixConfig": {"MixMode": 5}},
        "RecordOutputParams": {"RealtimeUploadFragment": False, "FragmentSeconds": 10},
    }
    body, _ = started_with(server, recorder, more=more)
    assert body["RecordInputParams"]["FillBlank"] is True
    assert body["RecordInputParams"]["MixConfig"]["MixMode"] == 5
    assert body["RecordInputParams"]["MixConfig"]["MixOutputStreamId"] == "mix_room_1"
    assert body["RecordOutputParams"] == {**OUTPUT, "RealtimeUploadFragment": False, "FragmentSeconds": 10}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mode": "web", "page": "https://a"}, "no mode web"),
        ({"mode": "raw"}, "no mode raw"),
        ({"users": ("u",)}, "cannot be told users"),
        ({"mode": "individual", "recorder": "7", "room_token": "t"}, "recorder and room_token"),
        ({"most_idle": minutes(0.01)}, "empty for 1 s"),
        ({"most_idle": minutes(1441)}, "empty for"),
        ({"place": StoreLocation(scheme="s3", bucket="b", endpoint="https://minio.example")}, "needs the region"),
    ],
)
def test_what_zegocloud_has_no_words_for_is_refused_before_anything_is_sent(
    server: VendorServer, recorder: ZegoRecorder, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadCallError, match=said) as caught:
        recorder.start(order(**fields))
    assert caught.value.advice.endswith(".")
    assert server.received == []


@pytest.mark.parametrize("data", [{}, {"TaskID": TASK}, {"TaskId": ""}, None])
def test_without_a_task_id_nothing_can_be_asked(server: VendorServer, recorder: ZegoRecorder, data: object) -> None:
    server.will(says({**FINE, "Data": data}))
    with pytest.raises(VendorDownError, match="no TaskId"):
        recorder.start(order())


@pytest.mark.parametrize("answer", [cut, plain(b"<html>", 502), says({"Code": 300010000})])
@pytest.mark.parametrize(("client_id", "tries"), [(None, 1), ("lesson-7", 2)])
def test_a_start_is_sent_twice_only_under_one_client_id(
    server: VendorServer,
    recorder: ZegoRecorder,
    *,
    answer: Any,  # noqa: ANN401 - any of them
    client_id: str | None,
    tries: int,
) -> None:
    server.will(answer, says({**FINE, "Data": {"TaskId": TASK}}))
    if client_id:
        assert recorder.start(order(client_id=client_id)).recording == RECORDING
    else:
        with pytest.raises(VendorDownError):
            recorder.start(order())
    assert len(server.received) == tries


@pytest.mark.parametrize("code", [300000003, 100000004, 300000005])
def test_a_start_that_was_turned_away_at_the_door_is_sent_again(
    server: VendorServer, recorder: ZegoRecorder, code: int
) -> None:
    server.will(says({"Code": code}), says({**FINE, "Data": {"TaskId": TASK}}))
    assert recorder.start(order()).recording == RECORDING


def test_a_limit_that_no_table_has_is_waited_for(server: VendorServer, recorder: ZegoRecorder, beat: Beat) -> None:
    """Of a vendor that lets one call a second pass, or of a gateway before it."""
    began, passed = beat.at, list[int]()

    def limited(handler: Handler) -> None:
        second = int(beat.at - began)
        is_free = second not in passed
        passed.append(second)
        (says({**FINE, "Data": {"TaskId": TASK}}) if is_free else says({"Code": 300000003}))(handler)

    server.will(limited)
    assert [recorder.start(order()).recording for _ in range(5)] == [RECORDING] * 5
    server.will(says({}, 429), says({**FINE, "Data": {"TaskId": TASK}}))
    assert recorder.start(order()).recording == RECORDING


DESCRIBED = [
    *(pytest.param(described(status), Word.RECORDING, [], id=f"status {status}") for status in (1, 2, 5)),
    pytest.param(described(2, [file(1)]), Word.RECORDING, [Kept.COMING], id="recording"),
    pytest.param(described("2"), Word.RECORDING, [], id="a number as text"),
    pytest.param(described(3, [file(1)]), Word.ENDED, [Kept.COMING], id="over, a file is recorded"),
    pytest.param(described(3, [file(3), file(2)]), Word.ENDED, [Kept.STORED, Kept.COMING], id="over, uploading"),
    pytest.param(described(3, [file(3), file(3)]), Word.UPLOADED, [Kept.STORED, Kept.STORED], id="over"),
    pytest.param(described(3, [file(3), file(4)]), Word.BACKED_UP, [Kept.STORED, Kept.BACKUP], id="backup"),
    pytest.param(described(3, [file(2), file(4)]), Word.BACKED_UP, [Kept.COMING, Kept.BACKUP], id="backup at once"),
    pytest.param(described(3, [file(3), file(5)]), Word.UPLOADED, [Kept.STORED, Kept.LOST], id="lost"),
    pytest.param(described(3, [file(9)]), Word.ENDED, [Kept.UNKNOWN], id="an unknown status of a file"),
    pytest.param(described(3), Word.EMPTY, [], id="nobody published: no field"),
    pytest.param(described(3, []), Word.EMPTY, [], id="nobody published: an empty list"),
    pytest.param(described(4, [file(3)]), Word.UPLOADED, [Kept.STORED], id="abnormal"),
    pytest.param(described(4), Word.EMPTY, [], id="abnormal and empty"),
    pytest.param(described(3, RecordEndTimestamp=0), Word.ENDED, [], id="over, and ending still"),
    pytest.param(described(4, [file(2)]), Word.ENDED, [Kept.COMING], id="abnormal, uploading"),
    pytest.param(described(77), Word.HEARD, [], id="an unknown status"),
    pytest.param(described(None), Word.HEARD, [], id="no status"),
    pytest.param({**FINE, "Data": "?"}, Word.HEARD, [], id="no object"),
    pytest.param(FINE, Word.HEARD, [], id="no data"),
    pytest.param(described(3, {"0": file()}), Word.ENDED, [], id="files that are no list"),
]


@pytest.mark.parametrize(("document", "word", "kept"), DESCRIBED)
def test_a_status_is_that_of_the_task_and_of_its_files(
    server: VendorServer, recorder: ZegoRecorder, document: dict[str, object], word: Word, kept: list[Kept]
) -> None:
    server.will(says(document))
    status = recorder.status(HANDLE)
    assert (status.word, status.is_gone) == (word, False)
    assert [named.kept for named in status.files] == kept
    (request,) = server.received
    assert (query_of(request)["Action"], body_of(request)) == ("DescribeRecordStatus", {"TaskId": TASK})


def test_what_a_status_tells_is_read(server: VendorServer, recorder: ZegoRecorder) -> None:
    answer = described(3, [file(4), {**file(3), "FileUrl": None}], New=1)
    server.will(says(answer))
    status = recorder.status(HANDLE)
    first, second = status.files
    assert (first.name, first.stream, first.user) == (f"{NAME}.m3u8", "mix_out", "mix_out")
    assert (first.size_bytes, first.duration_s, first.started_at) == (432643544, 33.874, BEGAN)
    assert first.url == f"https://store.example/record/{NAME}.m3u8"
    assert second.url is None
    assert status.room == "room_1"
    assert status.began_at == BEGAN
    assert status.ended_at == datetime(2024, 1, 2, 3, 5, 1, 702_000, tzinfo=UTC)
    assert status.details == answer["Data"]


@pytest.mark.parametrize("slices", [0, 2])
def test_files_may_be_the_playlist_alone_or_its_slices_too(
    server: VendorServer, recorder: ZegoRecorder, slices: int
) -> None:
    names = [f"{NAME}.m3u8", *(f"{NAME}_{number}.ts" for number in range(slices))]
    server.will(says(described(3, [file(FileId=name, FileUrl=None) for name in names])))
    status = recorder.status(HANDLE)
    assert (status.word, [named.name for named in status.files]) == (Word.UPLOADED, names)
    server.will(says(described(3, [*(file(2, FileId=name) for name in names[1:]), file(FileId=names[0])])))
    assert recorder.status(HANDLE).word is (Word.ENDED if slices else Word.UPLOADED)


def test_a_url_is_only_told_of_what_must_be_fetched(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says(described(3, [file(status) for status in (1, 2, 3, 5)])))
    assert {named.url for named in recorder.status(HANDLE).files} == {None}


@pytest.mark.parametrize("url", ["file:///etc/passwd", "record/a.m3u8", "//host/a", "ftp://host/a", "http://", 5, None])
def test_a_backup_lies_under_an_absolute_http_address(
    server: VendorServer, recorder: ZegoRecorder, url: object
) -> None:
    server.will(says(described(3, [file(4, FileUrl=url)])))
    (named,) = recorder.status(HANDLE).files
    assert (named.url, named.kept) == (None, Kept.BACKUP)


def test_trouble_is_told(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says(described(4, [file(3), file(5)])))
    assert recorder.status(HANDLE).trouble == (
        "ZEGOCLOUD ended the recording abnormally; ZEGOCLOUD could store 1 of 2 files nowhere"
    )


def test_a_stop_asks_what_there_is(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says(FINE), says(described(3, [file(2)])))
    status = recorder.stop(HANDLE)
    assert (status.word, len(status.files)) == (Word.ENDED, 1)
    assert [query_of(request)["Action"] for request in server.received] == ["StopRecord", "DescribeRecordStatus"]
    assert body_of(server.received[0]) == {"TaskId": TASK}


def test_a_stop_of_an_ended_task_is_its_status(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says({"Code": 300001001, "Message": "task ended"}), says(described(3, [file(3)])))
    assert recorder.stop(HANDLE).word is Word.UPLOADED


def test_a_stopped_task_that_is_still_leaving_has_ended(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says(FINE), says(described(2, [file(1)])))
    assert recorder.stop(HANDLE).word is Word.ENDED


def test_a_stop_is_done_even_if_nothing_can_be_asked_after_it(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says(FINE), says({"Code": 300010000}))
    assert recorder.stop(HANDLE).word is Word.ENDED


def test_a_stop_of_an_unknown_task_is_no_error(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says(GONE))
    status = recorder.stop(HANDLE)
    assert (status.word, status.is_gone) == (Word.ENDED, True)


def test_a_task_that_one_host_does_not_know_is_asked_for_at_the_next(server: VendorServer, beat: Beat) -> None:
    with VendorServer() as regional, closing(open_on(beat, server.base, regional.base)) as recorder:
        begun = Handle(recording=RECORDING, room="room_1", host=regional.base)
        regional.will(says(GONE))
        server.will(says(described(2)))
        assert recorder.status(begun).word is Word.RECORDING
        assert (len(regional.received), len(server.received), beat.waits) == (1, 1, [])
        server.will(says(GONE))
        status = recorder.status(begun)
        assert (status.word, status.is_gone, status.details["code"]) == (Word.HEARD, True, 300001000)
        regional.will(says(described(2)))
        recorder.status(begun)
        assert len(server.received) == 2


def test_too_old_may_be_a_bad_parameter(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says({"Code": 300000004, "Message": "invalid task"}))
    assert recorder.status(HANDLE).is_gone
    with pytest.raises(BadCallError, match="invalid task"):
        recorder.status(Handle(recording=RecordingId(vendor="zego", task_id="too-short"), room=None))


def test_pause_resume_layout_and_whiteboard(server: VendorServer, recorder: ZegoRecorder) -> None:
    boxes = [{"StreamId": "s1", "Top": 0, "Left": 0, "Bottom": 720, "Right": 640, "Layer": 1}]
    recorder.pause(HANDLE)
    recorder.resume(HANDLE)
    recorder.layout(HANDLE, {"MixMode": 1, "MixInputList": boxes})
    recorder.whiteboard(HANDLE, "wb-1")
    assert [(query_of(request)["Action"], body_of(request)) for request in server.received] == [
        ("PauseRecord", {"TaskId": TASK}),
        ("ResumeRecord", {"TaskId": TASK}),
        ("UpdateLayout", {"MixMode": 1, "MixInputList": boxes, "TaskId": TASK}),
        ("UpdateWhiteboard", {"WhiteboardId": "wb-1", "TaskId": TASK}),
    ]
    server.will(says({"Code": 300001004}))
    recorder.resume(HANDLE)
    server.will(says({"Code": 300001001}))
    for call in (recorder.pause, recorder.resume):
        with pytest.raises(BadCallError, match="the task has ended"):
            call(HANDLE)


WAITING = {
    100000004: [1],
    300000003: [1, 3, 6],
    300000005: [1, 3],
    300010000: [1, 3, 6],
}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (100000004, RefusedCallError),
        (100000005, RefusedCallError),
        (300000002, RefusedCallError),
        (300000003, VendorDownError),
        (300000004, BadCallError),
        (300000005, VendorDownError),
        (300000006, VendorDownError),
        (300001000, GoneError),
        (300001001, BadCallError),
        (300001004, BadCallError),
        (300010000, VendorDownError),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_each_code_has_its_error_its_advice_and_its_waits(
    server: VendorServer,
    recorder: ZegoRecorder,
    beat: Beat,
    *,
    code: int,
    error: type[CallError],
    status: int,
) -> None:
    assert code in MEANINGS
    server.will(says({"Code": code, "Message": "what zego says"}, status))
    with pytest.raises(error) as caught:
        recorder.pause(HANDLE)
    assert (caught.value.code, caught.value.call) == (code, "PauseRecord")
    assert "what zego says" in caught.value.said
    assert caught.value.advice.endswith(".")
    assert beat.waits == WAITING.get(code, [])


def test_every_known_code_is_in_the_test_before_this() -> None:
    assert len(MEANINGS) == 11


def test_an_unknown_code_is_kept_as_a_number(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says({"Code": "399999999", "Message": "new"}))
    with pytest.raises(BadCallError, match=r"new \(code 399999999\)"):
        recorder.status(HANDLE)


def test_http_200_alone_is_no_success(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says({"Message": "?"}))
    with pytest.raises(VendorDownError, match="HTTP 200"):
        recorder.status(HANDLE)


def task(number: int, status: int = 2) -> dict[str, object]:
    return {
        "RecordBeginTimestamp": BEGAN_MS + number,
        "TaskId": f"Zm0-x_E4IaBc{number:04d}",
        "RoomId": "room_1",
        "Status": status,
    }


def page(tasks: Sequence[Mapping[str, object]], total: int | None, *, key: str = "TaskidList") -> dict[str, object]:
    return {**FINE, "Data": {"PageOffset": 1, "PageSize": 50, "TotalCount": total, key: tasks}}


NOTHING = page([], 0)
NOW = datetime(2024, 1, 3, 3, tzinfo=UTC)


@pytest.fixture
def today(beat: Beat) -> None:
    beat.at = NOW.timestamp()


@pytest.mark.usefixtures("today")
def test_tasks_are_listed_running_ones_first_and_page_by_page(server: VendorServer, recorder: ZegoRecorder) -> None:
    running = [task(number) for number in range(53)]
    ended: list[dict[str, object]] = [task(52, 3), task(60, 3), task(61, 4), task(62, 9), {"TaskId": None}]
    twice = says(page(running[:50], 53)), says(page(running[49:], 53)), says(page(running, 53))
    server.will(*twice, says(page(ended, 5)), says(NOTHING))
    found = list(recorder.history(NOW - timedelta(hours=5), NOW, room="room_1"))
    assert [past.recording.task_id[-4:] for past in found] == [f"{number:04d}" for number in [*range(53), 60, 61, 62]]
    assert [past.word for past in found[52:]] == [Word.RECORDING, Word.ENDED, Word.ENDED, Word.HEARD]
    assert (found[0].room, found[0].started_at) == ("room_1", BEGAN)
    milliseconds = round(NOW.timestamp() * 1000)
    window = {"StartTime": milliseconds - 5 * 3_600_000, "EndTime": milliseconds, "RoomId": "room_1", "PageSize": 50}
    assert [body_of(request) for request in server.received] == [
        {"Status": 2, **window, "PageOffset": 1},
        {"Status": 2, **window, "PageOffset": 2},
        # once more, as it may have shrunk meanwhile
        {"Status": 2, **window, "PageOffset": 1},
        {"Status": 3, **window, "PageOffset": 1},
        {"Status": 3, **window, "PageOffset": 2},
        {"Status": 3, **window, "PageOffset": 1},
    ]


def tasks_of(server: VendorServer, running: list[dict[str, object]], *, total: bool) -> None:
    """Pages of the running tasks, of which three end whenever a page was read; those that ended are listed too."""
    ended: list[dict[str, object]] = []

    def listed(handler: Handler) -> None:
        asked = body_of(server.received[-1])
        tasks = running if asked["Status"] == 2 else ended
        first = (asked["PageOffset"] - 1) * 50
        says(page(tasks[first : first + 50], len(tasks) if total else None))(handler)
        if asked["Status"] == 2:
            ended.extend({**gone, "Status": 3} for gone in running[:3])
            del running[:3]

    server.will(listed)


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.usefixtures("today")
def test_a_list_that_shrinks_while_it_is_read_hides_no_task(
    server: VendorServer, recorder: ZegoRecorder, *, total: bool
) -> None:
    tasks_of(server, [task(number) for number in range(120)], total=total)
    found = [past.recording.task_id[-4:] for past in recorder.history(NOW - timedelta(hours=1), NOW)]
    assert sorted(found) == [f"{number:04d}" for number in range(120)]
    assert len(server.received) < 20


@pytest.mark.parametrize("key", ["TaskidList", "TaskList", "TaskIdList"])
@pytest.mark.usefixtures("today")
def test_the_list_goes_by_several_names(server: VendorServer, recorder: ZegoRecorder, key: str) -> None:
    server.will(says(page([task(1)], 1, key=key)), says(NOTHING))
    assert len(list(recorder.history(NOW - timedelta(hours=1), NOW))) == 1
    assert "RoomId" not in body_of(server.received[0])


@pytest.mark.usefixtures("today")
def test_a_list_that_repeats_itself_ends(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says(page([task(1)], 10**9)))
    assert len(list(recorder.history(NOW - timedelta(hours=1), NOW))) == 1
    assert len(server.received) == 2 * 2 * 2  # pages, passes, running and ended


@pytest.mark.usefixtures("today")
def test_a_long_window_is_cut_and_that_is_said(
    server: VendorServer, recorder: ZegoRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    server.will(says(NOTHING))
    assert list(recorder.history(NOW - timedelta(days=7), NOW + timedelta(days=1))) == []
    asked = body_of(server.received[0])
    assert asked["EndTime"] - asked["StartTime"] == 3 * 86_400_000 - 60_000
    assert asked["EndTime"] == round(NOW.timestamp() * 1000)
    assert "the last three days only: from 2023-12-31 03:01 UTC on of what was asked for is listed" in caplog.text


@pytest.mark.usefixtures("today")
def test_nothing_is_asked_of_a_window_that_is_too_old(
    server: VendorServer, recorder: ZegoRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    assert list(recorder.history(NOW - timedelta(days=9), NOW - timedelta(days=4))) == []
    assert server.received == []
    assert "nothing of what was asked for" in caplog.text


@pytest.mark.usefixtures("today")
def test_a_short_window_is_not_commented(
    server: VendorServer, recorder: ZegoRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    server.will(says(NOTHING))
    assert list(recorder.history(NOW - timedelta(hours=1), NOW)) == []
    assert caplog.text == ""


def test_a_task_that_others_began_is_asked_for_by_its_id(server: VendorServer, recorder: ZegoRecorder) -> None:
    server.will(says(described(2)))
    found = recorder.handle_of(RECORDING, None)
    assert found == Handle(recording=RECORDING, room=None)
    assert recorder.status(HANDLE).word is Word.RECORDING


def test_starts_and_stops_go_faster_than_questions(server: VendorServer, recorder: ZegoRecorder, beat: Beat) -> None:
    server.will(says({**FINE, "Data": {"TaskId": TASK}}))
    for _ in range(3):
        recorder.start(order())
    assert beat.slept == pytest.approx([0.021] * 2, rel=0.001)
    beat.slept.clear()
    for _ in range(3):
        recorder.pause(HANDLE)
    assert beat.slept == pytest.approx([0.105] * 2, rel=0.001)


def test_a_secret_is_never_said(server: VendorServer, recorder: ZegoRecorder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.will(says({"Code": 300000004, "Message": " ".join(SECRETS)}))
    ordered = order(callback_url=CALLBACK)
    with pytest.raises(BadCallError) as caught:
        recorder.start(ordered)
    signed = query_of(server.received[0])["Signature"]
    shown = caplog.text + repr(caught.value) + str(caught.value) + repr(ordered) + repr(recorder)
    assert [secret for secret in (SECRET, UPLOAD_SECRET, CALLBACK, signed) if secret in shown] == []

"""Agora's client, against answers as Agora's documents and real ones have them; ids are made up."""

import base64
import json
import logging
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest

from catalog.events import Kept, Word
from catalog.model import RecordingId
from tests.flows.receiver import Received
from tests.vendors.api_server import (
    CALLBACK,
    PLACE,
    ROOM_TOKEN,
    SECRET,
    SECRETS,
    UPLOAD_SECRET,
    Beat,
    VendorServer,
    cut,
    minutes,
    order,
    plain,
    says,
    without,
)
from vendors.agora.codes import MEANINGS, meaning_of
from vendors.agora.recorder import AgoraRecorder
from vendors.recorder import (
    Access,
    BadCallError,
    CallError,
    GoneError,
    Handle,
    NoSuchCallError,
    RefusedCallError,
    Status,
    VendorDownError,
)
from vendors.recorders import open_recorder
from vendors.storage import StoreLocation

APP = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
SID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
RESOURCE = "okiAB83MNkiDGbKY9no_gn70-xW/w+veW5"
BEGAN = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
ACQUIRED, STARTED = {"resourceId": RESOURCE}, {"cname": "room_1", "uid": "527841", "resourceId": RESOURCE, "sid": SID}
NO_WORKER = {"cname": "room_1", "code": 404, "reason": "failed to find worker", "uid": "527841"}


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer() as opened:
        yield opened


@pytest.fixture
def beat() -> Beat:
    return Beat()


@pytest.fixture
def recorder(server: VendorServer, beat: Beat) -> Iterator[AgoraRecorder]:
    with closing(open_on(beat, server.base)) as opened:
        yield opened


def open_on(beat: Beat, *hosts: str) -> AgoraRecorder:
    access = Access(app=APP, key_id="customer", secret=SECRET, hosts=hosts)
    opened = open_recorder("agora", access, rhythm=beat.rhythm)
    assert isinstance(opened, AgoraRecorder)
    return opened


def handle(server: VendorServer, mode: str = "mix") -> Handle:
    return Handle(
        recording=RecordingId(vendor="agora", task_id=SID),
        room="room_1",
        host=server.base,
        details={"resource_id": RESOURCE, "uid": "527841", "mode": mode},
    )


def body_of(request: Received) -> Any:  # noqa: ANN401 - JSON
    return json.loads(request.body)


def told(**server_response: object) -> dict[str, object]:
    return {"resourceId": RESOURCE, "sid": SID, "cname": "room_1", "uid": "527841", "serverResponse": server_response}


def file(name: str, **fields: object) -> dict[str, object]:
    usual = {"trackType": "audio_and_video", "uid": "0", "mixedAllUser": True, "isPlayable": True}
    return {"fileName": name, **usual, "sliceStartTime": 1700000000123, **fields}


def started_with(server: VendorServer, opened: AgoraRecorder, /, **fields: object) -> tuple[Any, Any, Handle]:
    """The bodies of both calls, and the handle."""
    server.will(says(ACQUIRED), says(STARTED))
    begun = opened.start(order(**fields))
    return body_of(server.received[0]), body_of(server.received[1]), begun


STORAGE = {
    "vendor": 2,
    "region": 0,
    "bucket": "lessons",
    "fileNamePrefix": ["classes", "2024"],
    "accessKey": "writer",
    "secretKey": UPLOAD_SECRET,
}


def test_a_start_acquires_a_resource_and_uses_it_at_once(server: VendorServer, recorder: AgoraRecorder) -> None:
    acquire, start, begun = started_with(server, recorder, recorder="527841", room_token=ROOM_TOKEN)
    prefix = f"/v1/apps/{APP}/cloud_recording"
    assert [request.method for request in server.received] == ["POST", "POST"]
    assert server.received[0].path == f"{prefix}/acquire"
    assert unquote(server.received[1].path) == f"{prefix}/resourceid/{RESOURCE}/mode/mix/start"
    assert "%2F" in server.received[1].path
    for request in server.received:
        assert request.headers["authorization"] == "Basic " + base64.b64encode(f"customer:{SECRET}".encode()).decode()
        assert request.headers["content-type"] == "application/json;charset=utf-8"
    # without a startParameter nothing in it can differ from the start: "request_hash mismatch!"
    assert acquire == {"cname": "room_1", "uid": "527841", "clientRequest": {"scene": 0}}
    assert start == {
        "cname": "room_1",
        "uid": "527841",
        "clientRequest": {
            "token": ROOM_TOKEN,
            "recordingConfig": {"streamTypes": 2},
            "recordingFileConfig": {"avFileType": ["hls"]},
            "storageConfig": STORAGE,
        },
    }
    assert begun == handle(server)


def test_individual_recording_names_whom_it_records(server: VendorServer, recorder: AgoraRecorder) -> None:
    _, start, begun = started_with(
        server, recorder, mode="individual", users=("101", "102", "103"), most_idle=minutes(5)
    )
    assert start["clientRequest"]["recordingConfig"] == {
        "streamTypes": 2,
        "maxIdleTime": 300,
        "subscribeAudioUids": ["101", "102", "103"],
        "subscribeVideoUids": ["101", "102", "103"],
        "subscribeUidGroup": 1,
    }
    assert begun.details["mode"] == "individual"


@pytest.mark.parametrize(
    ("users", "group"),
    [(0, 5), (1, 0), (2, 0), (3, 1), (7, 1), (8, 2), (12, 2), (13, 3), (17, 3), (18, 4), (32, 4)],
)
def test_the_group_holds_all_users(server: VendorServer, recorder: AgoraRecorder, users: int, group: int) -> None:
    _, start, _ = started_with(server, recorder, mode="individual", users=tuple(map(str, range(users))))
    assert start["clientRequest"]["recordingConfig"]["subscribeUidGroup"] == group


@pytest.mark.parametrize(
    ("tracks", "types", "lists"),
    [
        ("audio", 0, {"subscribeAudioUids"}),
        ("video", 1, {"subscribeVideoUids"}),
        ("both", 2, {"subscribeAudioUids", "subscribeVideoUids"}),
    ],
)
def test_tracks_are_stream_types(
    server: VendorServer, recorder: AgoraRecorder, tracks: str, types: int, lists: set[str]
) -> None:
    _, start, _ = started_with(server, recorder, tracks=tracks, users=("7",))
    config = start["clientRequest"]["recordingConfig"]
    assert config["streamTypes"] == types
    assert {name for name in config if name.endswith("Uids")} == lists


def test_web_recording_opens_a_page(server: VendorServer, recorder: AgoraRecorder) -> None:
    acquire, start, begun = started_with(server, recorder, mode="web", page="https://class.example/1")
    assert acquire["clientRequest"] == {"scene": 1}
    assert set(start["clientRequest"]) == {"recordingFileConfig", "storageConfig", "extensionServiceConfig"}
    (service,) = start["clientRequest"]["extensionServiceConfig"]["extensionServices"]
    assert service["serviceName"] == "web_recorder_service"
    assert service["serviceParam"]["url"] == "https://class.example/1"
    assert begun.details["mode"] == "web"


def test_mode_raw_is_ordered_asked_and_stopped_under_its_own_name(
    server: VendorServer, recorder: AgoraRecorder
) -> None:
    """The newest documents name it as the successor of individual, and say no more than that it has no streamMode."""
    acquire, start, begun = started_with(server, recorder, mode="raw", users=("7",), recorder="527841")
    assert acquire["clientRequest"] == {"scene": 0}
    assert start["clientRequest"]["recordingConfig"] == {
        "streamTypes": 2,
        "subscribeAudioUids": ["7"],
        "subscribeVideoUids": ["7"],
    }
    assert begun == handle(server, "raw")
    server.will(says(told(status=5)), says(told(uploadingStatus="uploaded")))
    assert (recorder.status(begun).word, recorder.stop(begun).word) == (Word.RECORDING, Word.UPLOADED)
    modes = [path.partition("/mode/")[2] for path in server.asked[1:]]
    assert modes == ["raw/start", "raw/query", "raw/stop"]
    # what the documents are silent of, a customer may know
    server.received.clear()
    more = {"clientRequest": {"recordingConfig": {"subscribeUidGroup": 0}}}
    _, start, _ = started_with(server, recorder, mode="raw", more=more)
    assert start["clientRequest"]["recordingConfig"] == {"streamTypes": 2, "subscribeUidGroup": 0}


@pytest.mark.parametrize("channel_type", [None, 0, 1])
def test_the_kind_of_channel_is_agoras_default_or_said(
    server: VendorServer, recorder: AgoraRecorder, channel_type: int | None
) -> None:
    said = {} if channel_type is None else {"recordingConfig": {"channelType": channel_type}}
    _, start, _ = started_with(server, recorder, more={"clientRequest": said})
    assert start["clientRequest"]["recordingConfig"].get("channelType") == channel_type


@pytest.mark.parametrize("length", [63, 64, 128, 129, 1024])
def test_a_rooms_name_is_as_long_as_agora_takes_it(server: VendorServer, recorder: AgoraRecorder, length: int) -> None:
    room = "r" * length
    acquire, start, begun = started_with(server, recorder, mode="web", page="https://a", room=room)
    assert (acquire["cname"], start["cname"], begun.room) == (room, room, room)
    server.will(says({"code": 1013, "reason": "too long"}, 400))
    with pytest.raises(BadCallError, match=r"name is invalid \(too long\)"):
        recorder.start(order(mode="web", page="https://a", room=room))


def test_a_recorder_without_a_uid_gets_one_of_32_bits(server: VendorServer, recorder: AgoraRecorder) -> None:
    uids = set()
    for _ in range(3):
        server.received.clear()
        acquire, start, begun = started_with(server, recorder)
        assert acquire["uid"] == start["uid"] == begun.details["uid"]
        uids.add(acquire["uid"])
    assert len(uids) == 3
    assert all(1 <= int(uid) < 2**32 for uid in uids)


def test_the_fields_of_a_real_start_can_all_be_said(server: VendorServer, recorder: AgoraRecorder) -> None:
    """As a customer's mixed recording in HLS and MP4 had them."""
    layout = [{"uid": "2481730659", "x_axis": 0, "y_axis": 0, "width": 1, "height": 1, "render_mode": 1}]
    transcoding = {"width": 1920, "height": 1080, "fps": 50, "bitrate": 5000, "mixedVideoLayout": 3}
    more = {
        "clientRequest": {
            "recordingFileConfig": {"avFileType": ["hls", "mp4"]},
            "recordingConfig": {"channelType": 1, "transcodingConfig": {**transcoding, "layoutConfig": layout}},
        }
    }
    place = StoreLocation(scheme="oss", bucket="b", prefix="testVideo/20250313114229237/", region="cn-shenzhen")
    _, start, _ = started_with(server, recorder, recorder="16558", place=place, more=more)
    asked = start["clientRequest"]
    assert asked["recordingFileConfig"] == {"avFileType": ["hls", "mp4"]}
    assert asked["recordingConfig"] == {
        "streamTypes": 2,
        "channelType": 1,
        "transcodingConfig": {**transcoding, "layoutConfig": layout},
    }
    assert asked["storageConfig"]["fileNamePrefix"] == ["testVideo", "20250313114229237"]
    assert (asked["storageConfig"]["vendor"], asked["storageConfig"]["region"]) == (2, 6)


def test_a_prefix_is_not_held_to_the_documented_letters(server: VendorServer, recorder: AgoraRecorder) -> None:
    place = StoreLocation(scheme="oss", bucket="b", prefix="AB_Test/room-1.x/", region="cn-hangzhou")
    _, start, _ = started_with(server, recorder, place=place)
    assert start["clientRequest"]["storageConfig"]["fileNamePrefix"] == ["AB_Test", "room-1.x"]


def test_postponed_transcoding_is_another_scene(server: VendorServer, recorder: AgoraRecorder) -> None:
    more = {"clientRequest": {"appsCollection": {"combinationPolicy": "postpone_transcoding"}}}
    acquire, start, _ = started_with(server, recorder, mode="individual", more=more)
    assert acquire["clientRequest"] == {"scene": 2}
    assert start["clientRequest"]["appsCollection"] == {"combinationPolicy": "postpone_transcoding"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"callback_url": CALLBACK}, "cannot be told callback_url"),
        ({"page": "https://a"}, "cannot be told page"),
        ({"mode": "web", "page": "https://a", "users": ("1",), "room_token": "t"}, "users and room_token"),
        ({"mode": "web"}, "needs a page"),
        *(({"recorder": uid}, "no number") for uid in ("0", "-1", "alice", "007", str(2**32), "1.0")),
        ({"users": tuple(map(str, range(33)))}, "33 users"),
        ({"most_idle": minutes(0.05)}, "3 s"),
        ({"most_idle": minutes(43_201)}, "empty for"),
        ({"place": StoreLocation(scheme="oss", bucket="b", region="cn-nowhere")}, "no number for the region"),
        ({"place": StoreLocation(scheme="oss", bucket="b", region="cn-hangzhou", prefix="x" * 129 + "/")}, "Prefix"),
    ],
)
def test_what_agora_has_no_words_for_is_refused_before_anything_is_sent(
    server: VendorServer, recorder: AgoraRecorder, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadCallError, match=said) as caught:
        recorder.start(order(**fields))
    assert caught.value.advice.endswith(".")
    assert server.received == []
    assert all(secret not in str(caught.value) for secret in SECRETS)


@pytest.mark.parametrize(
    ("status", "document", "error", "code"),
    [
        (201, {"resourceId": RESOURCE, "sid": "", "code": 7}, BadCallError, 7),
        (200, {"resourceId": RESOURCE, "sid": "", "code": 7}, BadCallError, 7),
        (500, {"resourceId": RESOURCE, "sid": "", "code": 15}, VendorDownError, 15),
        (400, {"code": 2, "reason": "services not selected!"}, BadCallError, 2),
        (400, {"code": 2, "reason": "request_hash mismatch!"}, BadCallError, 2),
        (200, {"resourceId": RESOURCE, "sid": ""}, VendorDownError, None),
        (200, {"resourceId": RESOURCE}, VendorDownError, None),
    ],
)
def test_without_a_sid_nothing_began(
    server: VendorServer,
    recorder: AgoraRecorder,
    *,
    status: int,
    document: dict[str, Any],
    error: type[CallError],
    code: int | None,
) -> None:
    server.will(says(ACQUIRED), says(document, status))
    with pytest.raises(error) as caught:
        recorder.start(order())
    assert caught.value.code == code
    assert document.get("reason", "") in str(caught.value)
    assert len(server.received) == 2


@pytest.mark.parametrize("document", [{}, {"resourceId": ""}, {"resourceId": 5}])
def test_without_a_resource_nothing_is_started(
    server: VendorServer, recorder: AgoraRecorder, document: dict[str, object]
) -> None:
    server.will(says(document))
    with pytest.raises(VendorDownError, match="no resourceId"):
        recorder.start(order())
    assert len(server.received) == 1


QUERIED = [
    pytest.param(told(status=0), Word.HEARD, 0, id="not begun"),
    *(pytest.param(told(status=status), Word.RECORDING, 0, id=f"status {status}") for status in (1, 2, 3, 4, 5)),
    *(pytest.param(told(status=status), Word.ENDED, 0, id=f"status {status}") for status in (6, 7, 8, 20)),
    pytest.param(told(status="5"), Word.RECORDING, 0, id="a number as text"),
    pytest.param(told(status=77), Word.RECORDING, 0, id="an unknown status, and it answers"),
    pytest.param(
        told(
            status=5,
            fileListMode="json",
            sliceStartTime=1700000000123,
            fileList=[
                file(f"classes/2024/{SID}_room_1__uid_s_101__uid_e_{track}.m3u8", trackType=track, uid="101")
                for track in ("audio", "video")
            ],
        ),
        Word.RECORDING,
        2,
        id="individual",
    ),
    pytest.param(
        told(status=5, fileListMode="string", fileList=f"classes/2024/{SID}_room_1.m3u8"), Word.RECORDING, 1, id="mix"
    ),
    pytest.param(told(status=5, sliceStartTime=1700000000123), Word.RECORDING, 0, id="snapshots only"),
    pytest.param(
        told(
            status=5,
            extensionServiceState=[
                {
                    "serviceName": "web_recorder_service",
                    "payload": {
                        "state": "inProgress",
                        "onhold": False,
                        "fileList": [{"filename": f"{SID}_room-1.m3u8", "sliceStartTime": 1700000000123}],
                    },
                },
                {
                    "serviceName": "rtmp_publish_service",
                    "payload": {"state": "inProgress", "outputs": [{"rtmpUrl": "rtmp://a", "status": "connected"}]},
                },
            ],
        ),
        Word.RECORDING,
        1,
        id="web",
    ),
    pytest.param(
        told(extensionServiceState=[{"serviceName": "web_recorder_service", "payload": {"state": "exit"}}]),
        Word.ENDED,
        0,
        id="web, over, without a status",
    ),
    pytest.param(
        told(extensionServiceState={"serviceName": "web_recorder_service", "payload": {"state": "exit"}}),
        Word.ENDED,
        0,
        id="the same as an object",
    ),
    pytest.param(
        told(
            extensionServiceState={
                "serviceName": "yitu_voice_async_scan",
                "streamState": {"status": "inProgress", "streamType": "audio", "uid": "0"},
            },
            subServiceStatus={"mediaDistributeService": "serviceReady", "recordingService": "serviceInProgress"},
        ),
        Word.RECORDING,
        0,
        id="moderation: an object, and no status",
    ),
    *(
        pytest.param(told(subServiceStatus={"a": state, "b": over}), word, 0, id=f"services: {state!r}, {over!r}")
        for over in ("exit", "Exit", "serviceCompleted", 8, "8", 20)
        for state, word in [
            (over, Word.ENDED),
            ("inProgress", Word.RECORDING),
            (5, Word.RECORDING),
            ("5", Word.RECORDING),
            ("paused?", Word.RECORDING),
            (77, Word.RECORDING),
        ]
    ),
    *(
        pytest.param(told(extensionServiceState=[{"payload": {"state": state}}]), word, 0, id=f"a service: {state!r}")
        for state, word in [(7, Word.ENDED), ("8", Word.ENDED), ("EXIT", Word.ENDED), (4, Word.RECORDING)]
    ),
    pytest.param(told(), Word.RECORDING, 0, id="nothing"),
    pytest.param({"sid": SID, "serverResponse": "?"}, Word.RECORDING, 0, id="no object"),
]


@pytest.mark.parametrize(("document", "word", "files"), QUERIED)
def test_a_query_is_answered_while_it_lives(
    server: VendorServer, recorder: AgoraRecorder, document: dict[str, object], word: Word, files: int
) -> None:
    server.will(says(document))
    status = recorder.status(handle(server))
    assert (status.word, status.is_gone, len(status.files)) == (word, False, files)
    assert {named.kept for named in status.files} <= {Kept.COMING}
    assert status.details == document
    (request,) = server.received
    path = f"/v1/apps/{APP}/cloud_recording/resourceid/{RESOURCE}/sid/{SID}/mode/mix/query"
    assert (request.method, unquote(request.path), request.body) == ("GET", path, b"")


def test_what_a_query_names_is_read(server: VendorServer, recorder: AgoraRecorder) -> None:
    server.will(says(QUERIED[12].values[0]))
    status = recorder.status(handle(server, "individual"))
    assert (status.room, status.began_at) == ("room_1", BEGAN)
    server.will(says(told(status=20)))
    assert recorder.status(handle(server)).trouble == "Agora's recorder exited abnormally"


MP4, PLAYLIST = file(f"{SID}_room_3_0.mp4"), file(f"{SID}_room_3.m3u8")
WEB_STOPPED = told(
    extensionServiceState=[
        {
            "serviceName": "web_recorder_service",
            "payload": {
                "onhold": False,
                "state": "exit",
                "fileList": [
                    {"filename": f"{SID}_room-3.m3u8", "sliceStartTime": 1700000000123},
                    {"filename": f"{SID}_room-3_0.mp4", "sliceStartTime": 1700000000123},
                ],
            },
        },
        {"serviceName": "upload_service", "payload": {"uploadingStatus": "uploaded", "state": "exit"}},
    ]
)
NAMES = [f"{SID}_room_3_0.mp4", f"{SID}_room_3.m3u8"]
STOPPED = [
    pytest.param(
        told(fileListMode="json", uploadingStatus="uploaded", fileList=[PLAYLIST, MP4]),
        Word.UPLOADED,
        Kept.STORED,
        NAMES[::-1],
        id="as documented",
    ),
    pytest.param(
        told(fileListMode="json", uploadingStatus="uploaded", fileList=[MP4, PLAYLIST]),
        Word.UPLOADED,
        Kept.STORED,
        NAMES,
        id="as seen: the MP4 first",
    ),
    pytest.param(
        told(fileListMode="json", uploadingStatus="backuped", fileList=[]),
        Word.BACKED_UP,
        None,
        [],
        id="backuped, and no name",
    ),
    pytest.param(
        told(fileListMode="string", uploadingStatus="backuped", fileList=NAMES[1]),
        Word.BACKED_UP,
        Kept.UNKNOWN,
        NAMES[1:],
        id="backuped",
    ),
    pytest.param(told(uploadingStatus="unknown", fileList=[PLAYLIST]), Word.ENDED, Kept.UNKNOWN, NAMES[1:], id="EN"),
    pytest.param(told(uploadingStatus="unknow", fileList=[PLAYLIST]), Word.ENDED, Kept.UNKNOWN, NAMES[1:], id="CN"),
    pytest.param(told(fileList=[PLAYLIST]), Word.ENDED, Kept.UNKNOWN, NAMES[1:], id="not told"),
    pytest.param(told(uploadingStatus="uploaded"), Word.UPLOADED, None, [], id="snapshots only"),
    pytest.param(
        WEB_STOPPED, Word.UPLOADED, Kept.STORED, [f"{SID}_room-3.m3u8", f"{SID}_room-3_0.mp4"], id="web: filename"
    ),
    pytest.param({"sid": SID}, Word.ENDED, None, [], id="without serverResponse"),
]


@pytest.mark.parametrize(("document", "word", "kept", "names"), STOPPED)
def test_a_stop_says_what_became_of_the_upload(
    server: VendorServer,
    recorder: AgoraRecorder,
    *,
    document: dict[str, object],
    word: Word,
    kept: Kept | None,
    names: list[str],
) -> None:
    server.will(says(document))
    status = recorder.stop(handle(server))
    assert (status.word, status.trouble, status.is_gone) == (word, None, False)
    assert [named.name for named in status.files] == names
    assert {named.kept for named in status.files} == ({kept} if kept else set())
    (request,) = server.received
    path = f"/v1/apps/{APP}/cloud_recording/resourceid/{RESOURCE}/sid/{SID}/mode/mix/stop"
    assert (request.method, unquote(request.path)) == ("POST", path)
    assert body_of(request) == {"cname": "room_1", "uid": "527841", "clientRequest": {"async_stop": False}}


def test_a_stop_that_the_backend_did_not_answer_is_sent_again(
    server: VendorServer, recorder: AgoraRecorder, beat: Beat
) -> None:
    timed_out = says({"code": 65, "reason": "timeout"}, 206)
    server.will(timed_out, timed_out, says(told(uploadingStatus="uploaded")))
    assert recorder.stop(handle(server)).word is Word.UPLOADED
    assert beat.waits == [3, 6]
    server.will(timed_out)
    with pytest.raises(VendorDownError, match=r"code 65"):
        recorder.stop(handle(server))


@pytest.mark.parametrize("written", [1700000000123, "1700000000123", 1700000000])
def test_slice_starts_are_read_by_their_size(server: VendorServer, recorder: AgoraRecorder, written: object) -> None:
    server.will(says(told(uploadingStatus="uploaded", fileList=[file("a.m3u8", sliceStartTime=written)])))
    began_at = recorder.stop(handle(server)).began_at
    assert began_at is not None
    assert began_at.replace(microsecond=0) == BEGAN.replace(microsecond=0)


def test_of_a_mixed_file_the_user_is_nobody(server: VendorServer, recorder: AgoraRecorder) -> None:
    one = file("b.m3u8", uid=101, mixedAllUser=False)
    server.will(says(told(uploadingStatus="uploaded", fileList=[file("a.m3u8"), one])))
    assert [named.user for named in recorder.stop(handle(server)).files] == [None, "101"]


REFUSED_49 = {
    **told(
        backuped=0,
        fileListMode="string",
        fileListStr=f"quickstart/{SID}_room_1.m3u8",
        gwWorkerVersion=1,
        inProgressBitmask=1,
        output={},
        payload={"message": "Failed"},
    ),
    "code": 49,
}


@pytest.mark.parametrize(
    ("status", "document", "trouble", "names"),
    [
        (400, REFUSED_49, None, [f"quickstart/{SID}_room_1.m3u8"]),
        (400, {"code": 49}, None, []),
        (206, {"code": 435, "reason": "no recorded data"}, None, []),
        (200, {"code": 435}, None, []),
        (200, {"code": 50, **told(fileList=[PLAYLIST])}, None, NAMES[1:]),
        (206, told(), "in part", []),
        (206, told(uploadingStatus="unknown", fileList=[PLAYLIST]), None, NAMES[1:]),
        (206, {"code": 999}, "in part", []),
        (500, {"code": 501}, None, []),
    ],
)
def test_a_stop_that_comes_too_late_or_finds_nothing_is_no_error(
    server: VendorServer,
    recorder: AgoraRecorder,
    *,
    status: int,
    document: dict[str, Any],
    trouble: str | None,
    names: list[str],
) -> None:
    server.will(says(document, status))
    found = recorder.stop(handle(server))
    assert found.word is (Word.EMPTY if document.get("code") == 435 else Word.ENDED)
    assert (found.trouble or "").find(trouble or "") >= 0
    assert (found.trouble is None) == (trouble is None)
    assert [named.name for named in found.files] == names
    assert len(server.received) == 1


def test_a_recording_that_is_not_found_may_be_moving(server: VendorServer, recorder: AgoraRecorder, beat: Beat) -> None:
    server.will(says(NO_WORKER, 404), says(NO_WORKER, 404), says(told(status=5)))
    assert recorder.status(handle(server)).word is Word.RECORDING
    assert beat.waits == [5, 10]


@pytest.mark.parametrize("call", ["status", "stop"])
def test_a_recording_that_stays_unfound_is_gone(
    server: VendorServer, recorder: AgoraRecorder, beat: Beat, call: str
) -> None:
    server.will(says(NO_WORKER, 404))
    found = getattr(recorder, call)(handle(server))
    assert isinstance(found, Status)
    # a stop that nobody heard is to be told again
    assert (found.word, found.is_gone) == (Word.HEARD if call == "status" else Word.LEFT, True)
    assert beat.waits == [5, 10, 15]
    assert len(server.received) == 4


@pytest.mark.parametrize("answer", [says({"message": "no Route matched"}, 404), plain(b"<html>", 404)])
def test_a_404_without_a_code_is_a_wrong_address(server: VendorServer, recorder: AgoraRecorder, answer: Any) -> None:  # noqa: ANN401
    server.will(answer)
    for call in (recorder.status, recorder.stop):
        with pytest.raises(RefusedCallError, match="app id and the base URL"):
            call(handle(server))
    assert len(server.received) == 2


def test_the_404_is_believed_at_once_where_that_is_said(server: VendorServer, beat: Beat) -> None:
    access = Access(app=APP, key_id="c", secret=SECRET, hosts=(server.base,))
    server.will(says(NO_WORKER, 404))
    with closing(open_recorder("agora", access, rhythm=beat.rhythm, failover_waits_s=())) as opened:
        assert opened.status(handle(server)).is_gone
    assert (len(server.received), beat.waits) == (1, [])


def test_a_layout_is_told_again_while_the_recording_moves(server: VendorServer, recorder: AgoraRecorder) -> None:
    server.will(says(NO_WORKER, 404), says(told()))
    recorder.layout(handle(server), {"mixedVideoLayout": 1})
    assert body_of(server.received[1]) == {
        "cname": "room_1",
        "uid": "527841",
        "clientRequest": {"mixedVideoLayout": 1},
    }
    assert server.received[1].path.endswith("/mode/mix/updateLayout")
    server.will(says(NO_WORKER, 404))
    with pytest.raises(GoneError, match="moves to another server"):
        recorder.layout(handle(server), {})


def test_an_expired_resource_is_gone_at_once(server: VendorServer, recorder: AgoraRecorder, beat: Beat) -> None:
    server.will(says({"code": 433}, 400))
    assert recorder.status(handle(server)).is_gone
    assert (recorder.stop(handle(server)).word, beat.waits) == (Word.ENDED, [])


def test_a_service_that_is_exiting_has_ended(server: VendorServer, recorder: AgoraRecorder) -> None:
    server.will(says({"code": 501, "reason": "exiting"}, 500))
    found = recorder.status(handle(server))
    assert (found.word, found.is_gone) == (Word.ENDED, True)


def test_subscriptions_are_updated(server: VendorServer, recorder: AgoraRecorder) -> None:
    asked = {"streamSubscribe": {"audioUidList": {"subscribeAudioUids": ["7"]}}}
    server.will(says(told()))
    recorder.update(handle(server, "individual"), asked)
    (request,) = server.received
    assert (request.method, request.path.endswith("/mode/individual/update")) == ("POST", True)
    assert body_of(request)["clientRequest"] == asked


def test_only_mixed_recordings_have_a_layout(server: VendorServer, recorder: AgoraRecorder) -> None:
    with pytest.raises(BadCallError, match="mode web has no layout"):
        recorder.layout(handle(server, "web"), {})


def test_agora_tells_nothing_of_what_others_began(server: VendorServer, recorder: AgoraRecorder) -> None:
    with pytest.raises(NoSuchCallError):
        recorder.history(BEGAN, BEGAN)
    assert recorder.handle_of(RecordingId(vendor="agora", task_id=SID), "room_1") is None
    for call in (recorder.status, recorder.stop):
        with pytest.raises(BadCallError, match="not known"):
            call(Handle(recording=RecordingId(vendor="agora", task_id=SID), room="room_1"))
    assert server.received == []


WAITING = {
    62: [1, 3, 6],
    65: [3, 6],
    206: [3, 6],
    429: [1, 3, 6],
    500: [1, 3, 6],
    501: [1, 3, 6],
    502: [1, 3, 6],
    504: [1, 3, 6],
}
STATUS_OF = {65: 206, 206: 206, 401: 401, 404: 404, 429: 429, 15: 500, 500: 500, 502: 500, 504: 500, 62: 504}


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_each_code_has_its_error_its_advice_and_its_waits(
    server: VendorServer, recorder: AgoraRecorder, beat: Beat, code: int
) -> None:
    server.will(says({"code": code, "reason": "what agora says"}, STATUS_OF.get(code, 400)))
    with pytest.raises(CallError) as caught:
        recorder.start(order())  # which fails at acquire, a call that may be repeated
    error = caught.value
    assert (type(error), error.code, error.call) == (MEANINGS[code].error, code, "acquire")
    assert error.advice.endswith(".")
    assert "what agora says" in error.said
    assert beat.waits == WAITING.get(code, [])


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (2, BadCallError),
        (7, BadCallError),
        (8, BadCallError),
        (15, VendorDownError),
        (50, VendorDownError),
        (53, BadCallError),
        (62, VendorDownError),
        (65, VendorDownError),
        (109, RefusedCallError),
        (110, RefusedCallError),
        (401, RefusedCallError),
        (404, GoneError),
        (429, VendorDownError),
        (432, BadCallError),
        (433, GoneError),
        (435, BadCallError),
        (500, VendorDownError),
        (501, VendorDownError),
        (502, VendorDownError),
        (504, VendorDownError),
        *((code, BadCallError) for code in (49, 1001, 1003, 1013, 1028)),
    ],
)
def test_who_must_act_on_a_code(code: int, error: type[CallError]) -> None:
    assert MEANINGS[code].error is error


def test_62_means_two_things() -> None:
    refused, timed_out = meaning_of(400, 62), meaning_of(504, 62)
    assert refused is not None
    assert timed_out is not None
    assert (refused.error, timed_out.error) == (RefusedCallError, VendorDownError)


@pytest.mark.parametrize(("status", "error"), [(400, BadCallError), (200, BadCallError), (500, VendorDownError)])
def test_an_unknown_code_is_kept_as_a_number(
    server: VendorServer, recorder: AgoraRecorder, status: int, error: type[CallError]
) -> None:
    server.will(says({"code": "4321", "reason": "new"}, status))
    with pytest.raises(error, match=r"\(code 4321\)") as caught:
        recorder.status(handle(server))
    assert caught.value.code == 4321


@pytest.mark.parametrize("answer", [cut, plain(b"<html>", 502), says({"code": 500}, 500), says({"code": 62}, 504)])
def test_a_start_is_not_sent_twice(server: VendorServer, recorder: AgoraRecorder, answer: Any) -> None:  # noqa: ANN401
    server.will(says(ACQUIRED), answer)
    with pytest.raises(VendorDownError):
        recorder.start(order())
    assert len(server.received) == 2


@pytest.mark.parametrize(("code", "status"), [(65, 206), (429, 429)])
def test_a_start_that_cannot_have_been_done_twice_is_sent_again(
    server: VendorServer, recorder: AgoraRecorder, beat: Beat, code: int, status: int
) -> None:
    server.will(says(ACQUIRED), says({"code": code}, status), says(STARTED))
    recorder.start(order())
    assert server.received[1].body == server.received[2].body
    assert beat.waits == [3 if code == 65 else 1]


def test_the_other_host_is_asked_and_the_handle_names_it(server: VendorServer, beat: Beat) -> None:
    with VendorServer() as down, closing(open_on(beat, down.base, server.base)) as recorder:
        down.will(says({}, 500))
        server.will(says(ACQUIRED), says(STARTED))
        begun = recorder.start(order(recorder="527841"))
        assert (begun.host, len(down.received)) == (server.base, 2)
        server.will(says(told(status=5)))
        recorder.status(begun)
        assert len(down.received) == 2


def test_ten_calls_a_second_for_a_project(server: VendorServer, recorder: AgoraRecorder, beat: Beat) -> None:
    server.will(says(told(status=5)))
    for _ in range(5):
        recorder.status(handle(server))
    assert beat.slept == pytest.approx([0.105] * 4, rel=0.001)


def test_a_secret_is_never_said(
    server: VendorServer, recorder: AgoraRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    basic = base64.b64encode(f"customer:{SECRET}".encode()).decode()
    echo = " ".join((*SECRETS, basic))
    server.will(says(ACQUIRED), says({"code": 2, "reason": echo}, 400))
    ordered = order(room_token=ROOM_TOKEN)
    with pytest.raises(BadCallError) as caught:
        recorder.start(ordered)
    shown = caplog.text + repr(caught.value) + str(caught.value) + repr(ordered) + repr(recorder) + repr(PLACE)
    assert [secret for secret in (SECRET, UPLOAD_SECRET, ROOM_TOKEN, basic) if secret in shown] == []


def test_answers_keep_what_is_not_known(server: VendorServer, recorder: AgoraRecorder) -> None:
    api = recorder._api
    server.will(says({**ACQUIRED, "new": 1}), says({**STARTED, "new": 2}))
    assert api.acquire({}).rest == {"new": 1}
    started = api.start(RESOURCE, "mix", {}, host=server.base)
    assert (started.sid, started.rest) == (SID, {**without(STARTED, "sid"), "new": 2})

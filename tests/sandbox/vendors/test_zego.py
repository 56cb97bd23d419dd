"""ZEGOCLOUD's API as its sheet has it: every action, answer and code."""

import base64
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.request import urlopen

import pytest

from deployments.sandbox.vendors import SCRIPTS, Limits
from tests.lab.judging import judge_ts
from tests.sandbox.vendors.callers import PACE, Site, ask, opened, wait_for, zego_body

FILE = {
    "UserId",
    "UserName",
    "StreamId",
    "FileId",
    "VideoId",
    "FileUrl",
    "OutputFileFormat",
    "FileSize",
    "Duration",
    "ResolutionWidth",
    "ResolutionHeight",
    "MediaTrackType",
    "BeginTimestamp",
    "Status",
}


def test_a_mixed_recording_from_start_to_upload(site: Site) -> None:
    task_id = site.zego_start("r1")
    assert re.fullmatch("[A-Za-z0-9_-]{16}", task_id)
    made = int.from_bytes(base64.urlsafe_b64decode(task_id)[:4], "big")
    assert abs(made - time.time()) < 60
    site.wait_slices("zego", task_id, 2)
    running = site.zego_status(task_id)
    assert (running["Status"], running["RecordFiles"][0]["Status"], running["RecordEndTimestamp"]) == (2, 1, 0)
    stopped = site.zego("StopRecord", {"TaskId": task_id})
    assert set(stopped) == {"Code", "Message", "RequestId"}, "no file list"
    site.settle()
    ended = site.zego_status(task_id)
    (file,) = ended.pop("RecordFiles")
    times = ended.pop("RecordBeginTimestamp"), ended.pop("RecordEndTimestamp")
    assert ended == {"RoomId": "r1", "RecordMode": 2, "StreamType": 3, "Status": 3}
    assert times[0] <= file["BeginTimestamp"] < times[1]
    assert set(file) == FILE
    assert (file["UserId"], file["UserName"], file["StreamId"], file["Status"]) == ("mix_out", "mix_out", "mix_out", 3)
    assert re.fullmatch(rf"{task_id}_r1_mix_out_VA_\d{{17}}\.m3u8", file["FileId"])
    assert site.playlists("zego", task_id) == [f"record/{file['FileId']}"]
    assert file["FileUrl"].endswith(f"/calls-1250000000/record/{file['FileId']}")
    assert file["FileSize"] == sum(len(site.read("zego", key)) for key in site.slices("zego", task_id))
    assert site.types() == [102, 7, 5, 1]


def test_callbacks_have_the_shape_of_the_documents(site: Site) -> None:
    task_id = site.record("zego", "r1")
    events = site.events()
    assert [event["sequence"] for event in events] == [0, 1, 2, 3]
    for event in events:
        assert set(event) == {
            *("app_id", "task_id", "room_id", "event_type", "message"),
            *("nonce", "timestamp", "signature", "sequence", "detail"),
        }
        assert (event["app_id"], event["task_id"], event["room_id"]) == (1234567890, task_id, "r1")
        assert isinstance(event["timestamp"], str)
    assert set(events[0]["detail"]) == {"stream_id", "file_id", "file_url", "media_track_type"}
    assert events[1]["detail"] == events[2]["detail"] == {}
    (file,) = events[3]["detail"]["file_info"]
    assert events[3]["detail"]["upload_status"] == 1
    spelled = {name.title().replace("_", ""): value for name, value in file.items()}
    assert spelled == site.zego_status(task_id)["RecordFiles"][0]


def test_nothing_is_uploaded_before_the_end_unless_it_was_asked_for(site: Site) -> None:
    task_id = site.zego_start("r1", outputs={"RealtimeUploadFragment": False})
    wait_for(lambda: site.zego_status(task_id).get("RecordFiles", [{}])[0].get("Duration", 0) >= 4000)
    assert site.keys("zego", task_id) == []
    site.zego("StopRecord", {"TaskId": task_id})
    site.settle()
    (playlist,) = site.playlists("zego", task_id)
    listed = [line for line in site.text("zego", playlist).split("\n") if line.endswith(".ts")]
    assert [f"record/{name}" for name in listed] == site.slices("zego", task_id)
    assert site.types() == [7, 5, 1], "no word of the playlist's address"


@pytest.mark.parametrize(("short", "folder"), [(True, ""), (False, "record/")])
def test_playlists_name_paths_or_names(site: Site, *, short: bool, folder: str) -> None:
    task_id = site.zego_start("r1", outputs={"ShortFragmentPath": short})
    site.wait_slices("zego", task_id, 1)
    site.zego("StopRecord", {"TaskId": task_id})
    site.settle()
    (playlist,) = site.playlists("zego", task_id)
    listed = [line for line in site.text("zego", playlist).split("\n") if line.endswith(".ts")]
    assert listed
    assert all(line.startswith(f"{folder}{task_id}_") for line in listed)


@pytest.mark.parametrize(("kind", "letters"), [(1, ["A"]), (2, ["V"]), (3, ["VA"]), (4, ["A", "V"])])
def test_single_streams_have_files_of_their_own(site: Site, kind: int, letters: list[str]) -> None:
    site.vendors.publish("zego", "r1", ("u_1", "u2"))
    task_id = site.zego_start("r1", inputs={"RecordMode": 1, "StreamType": kind})
    wait_for(lambda: len(site.playlists("zego", task_id)) == 2 * len(letters))
    site.zego("StopRecord", {"TaskId": task_id})
    site.settle()
    names = [name.rpartition("_")[0] for name in site.playlists("zego", task_id)]
    users = ("u2_u2_main", "u_1_u_1_main")
    assert names == [f"record/{task_id}_r1_{user}_{letter}" for user in users for letter in letters]
    tracks = {file["MediaTrackType"] for file in site.zego_status(task_id)["RecordFiles"]}
    assert tracks == {{"A": 1, "V": 2, "VA": 3}[letter] for letter in letters}


def test_only_the_streams_that_are_named(site: Site) -> None:
    site.vendors.publish("zego", "r1", ("a", "b"))
    task_id = site.zego_start("r1", inputs={"RecordMode": 1, "RecordStreamList": [{"StreamId": "b_main"}]})
    site.wait_slices("zego", task_id, 1)
    site.zego("StopRecord", {"TaskId": task_id})
    site.settle()
    assert [file["UserId"] for file in site.zego_status(task_id)["RecordFiles"]] == ["b"]


def test_a_screen_and_a_whiteboard_have_files_of_their_own(site: Site) -> None:
    site.vendors.follow("zego", "r1", SCRIPTS["screen share"])
    task_id = site.zego_start("r1", inputs={"RecordMode": 1, "HasWhiteboard": True})
    time.sleep(8.6 / PACE)
    site.zego("StopRecord", {"TaskId": task_id})
    site.settle()
    names = [name.removeprefix(f"record/{task_id}_r1_") for name in site.playlists("zego", task_id)]
    assert [name.rpartition("_")[0] for name in names] == ["123_123_main_VA", "123_123_screen_VA", "whiteboard_V"]
    files = {file["StreamId"]: file for file in site.zego_status(task_id)["RecordFiles"]}
    assert [files[stream]["UserId"] for stream in ("123_main", "123_screen")] == ["123", "123"]
    begins = {stream: file["BeginTimestamp"] for stream, file in files.items()}
    assert begins["123_screen"] - begins["123_main"] == 2000
    assert begins["whiteboard"] - begins["123_main"] == 1000
    assert abs(files["123_screen"]["Duration"] - 4000) <= 40
    told = next(event["detail"] for event in site.events() if event["event_type"] == 1)["file_info"]
    assert {(one["user_id"], one["stream_id"], one["media_track_type"]) for one in told} == {
        ("123", "123_main", 3),
        ("123", "123_screen", 3),
        ("whiteboard", "whiteboard", 2),
    }
    seconds = {}
    for stream, begin in (("123_123_main", 0), ("123_123_screen", 2)):
        data = b"".join(site.read("zego", key) for key in site.slices("zego", task_id) if stream in key)
        seconds[stream] = judge_ts(data)
        assert seconds[stream].seconds[0] == begin
        assert seconds[stream].worst_offset_s <= 0.001


@pytest.mark.parametrize(("fill", "files"), [(False, 2), (True, 1)])
def test_who_comes_back_gets_another_file(site: Site, *, fill: bool, files: int) -> None:
    site.vendors.follow("zego", "r1", SCRIPTS["several files"])
    task_id = site.zego_start("r1", inputs={"RecordMode": 1, "FillBlank": fill})
    time.sleep(9.6 / PACE)
    site.zego("StopRecord", {"TaskId": task_id})
    site.settle()
    assert len(site.playlists("zego", task_id)) == files
    described = site.zego_status(task_id)["RecordFiles"]
    assert len(described) == files
    assert [file["Status"] for file in described] == [3] * files


def test_a_pause_is_a_hole(site: Site) -> None:
    task_id = site.zego_start("r1")
    site.wait_slices("zego", task_id, 1)
    assert site.zego("ResumeRecord", {"TaskId": task_id})["Code"] == 300001004
    assert site.zego("PauseRecord", {"TaskId": task_id})["Code"] == 0
    assert site.zego_status(task_id)["Status"] == 5
    time.sleep(3 / PACE)
    assert site.zego("ResumeRecord", {"TaskId": task_id})["Code"] == 0
    count = len(site.slices("zego", task_id))
    site.wait_slices("zego", task_id, count + 2)
    site.zego("StopRecord", {"TaskId": task_id})
    site.settle()
    (playlist,) = site.playlists("zego", task_id)
    assert site.text("zego", playlist).count("#EXT-X-DISCONTINUITY") == 1
    assert [kind for kind in site.types() if kind > 200] == [201, 202]


def test_layout_and_whiteboard(site: Site) -> None:
    mixed, single = site.zego_start("r1"), site.zego_start("r2", inputs={"RecordMode": 1})
    assert site.zego("UpdateLayout", {"TaskId": mixed})["Code"] == 0
    assert site.zego("UpdateWhiteboard", {"TaskId": single})["Code"] == 0
    for action in ("UpdateLayout", "PauseRecord", "ResumeRecord"):
        assert site.zego(action, {"TaskId": single})["Code"] == 300000004


def test_nobody_published(site: Site) -> None:
    site.vendors.publish("zego", "r1", ())
    task_id = site.record("zego", "r1", seconds=3)
    assert "RecordFiles" not in site.zego_status(task_id)
    assert site.types() == [4, 7, 5, 1]
    assert site.events()[-1]["detail"] == {"upload_status": 1, "file_info": []}


def test_an_empty_room_ends_it_abnormally(site: Site) -> None:
    task_id = site.zego_start("r1", inputs={"MaxIdleTime": 5})
    site.wait_slices("zego", task_id, 1)
    site.vendors.publish("zego", "r1", ())
    wait_for(lambda: 1 in site.types())
    assert site.types() == [102, 4, 2, 1]
    assert site.events()[2]["detail"] == {"quit_reason": 3}
    assert site.zego_status(task_id)["Status"] == 4
    assert site.zego("StopRecord", {"TaskId": task_id})["Code"] == 300001001


def test_a_repeated_stop_and_unknown_tasks(site: Site) -> None:
    task_id = site.record("zego", "r1")
    assert site.zego("StopRecord", {"TaskId": task_id})["Code"] == 300001001
    for action in ("StopRecord", "DescribeRecordStatus", "PauseRecord"):
        assert site.zego(action, {"TaskId": "A" * 16})["Code"] == 300001000


def test_a_client_task_id_starts_only_once(site: Site) -> None:
    first = site.zego_start("r1", inputs={"ClientTaskId": "mine"})
    assert site.zego_start("r1", inputs={"ClientTaskId": "mine"}) == first
    assert site.zego_start("r1", inputs={"ClientTaskId": "other"}) != first


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def test_tasks_are_listed_in_pages_newest_first(site: Site) -> None:
    tasks = [site.zego_start(f"r{number}") for number in range(3)]
    now = datetime.now(UTC)
    window = {"StartTime": ms(now - timedelta(days=3)), "EndTime": ms(now)}
    page = site.zego("DescribeTasks", {"Status": 2, **window, "PageOffset": 2, "PageSize": 2})["Data"]
    assert {name: page[name] for name in ("PageOffset", "PageSize", "TotalCount")} == {
        "PageOffset": 2,
        "PageSize": 2,
        "TotalCount": 3,
    }
    (item,) = page["TaskidList"]
    assert isinstance(item.pop("RecordBeginTimestamp"), int)
    assert item == {"TaskId": tasks[0], "RoomId": "r0", "Status": 2}
    site.zego("StopRecord", {"TaskId": tasks[1]})
    site.settle()
    ended = site.zego("DescribeTasks", {"Status": 3, "RoomId": "r1", **window, "PageOffset": 0})["Data"]
    assert [item["TaskId"] for item in ended["TaskidList"]] == [tasks[1]]
    assert (ended["PageOffset"], ended["PageSize"]) == (1, 50)


@pytest.mark.parametrize(
    ("begin", "end"), [(timedelta(days=4), timedelta(0)), (timedelta(0), timedelta(hours=1)), (None, timedelta(0))]
)
def test_windows_that_are_refused(site: Site, begin: timedelta | None, end: timedelta) -> None:
    now = datetime.now(UTC)
    start = {} if begin is None else {"StartTime": ms(now - begin)}
    assert site.zego("DescribeTasks", {"Status": 3, **start, "EndTime": ms(now - end)})["Code"] == 300000004


def test_a_task_is_forgotten_after_three_days(site: Site) -> None:
    task_id = site.record("zego", "r1")
    recording = site.vendors._zego.recordings.find(task_id)
    assert recording is not None
    recording.started_at -= timedelta(days=3, seconds=1)
    assert site.zego("DescribeRecordStatus", {"TaskId": task_id})["Code"] == 300001000


@pytest.mark.parametrize("change", [{"AccessKeySecret": "wrong"}, {"Bucket": "none"}, {"Region": "ap-beijing"}])
def test_what_the_store_refuses_is_in_the_backup_store(site: Site, change: dict[str, Any]) -> None:
    task_id = site.zego_start("r1", storage=change, outputs={"ShortFragmentPath": True})
    time.sleep(4.6 / PACE)
    site.zego("StopRecord", {"TaskId": task_id})
    site.settle()
    assert site.keys("zego", task_id) == []
    (file,) = site.zego_status(task_id)["RecordFiles"]
    assert file["Status"] == 4
    assert file["FileUrl"].startswith(f"{site.vendors.backup_url}/record/{task_id}")
    detail = site.events()[-1]["detail"]
    assert (detail["upload_status"], detail["file_info"][0]["status"]) == (2, 4)
    with urlopen(file["FileUrl"]) as answer:
        text = answer.read().decode()
        assert answer.headers["ETag"]
    names = [line for line in text.split("\n") if line.endswith(".ts")]
    sizes = []
    for name in names:
        with urlopen(f"{file['FileUrl'].rpartition('/')[0]}/{name}") as answer:
            sizes.append(int(answer.headers["Content-Length"]))
    assert sum(sizes) == file["FileSize"]


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": {"OutputFileFormat": "mp4"}},
        {"outputs": {"FragmentSeconds": 1}},
        {"outputs": {"OutputFileRule": 2}},
        {"outputs": {"OutputFolder": 7}},
        {"inputs": {"RecordMode": 3}},
        {"inputs": {"StreamType": True}},
        {"inputs": {"MixConfig": {}}},
        {"inputs": {"MaxIdleTime": 1}},
        {"inputs": {"FillBlank": "no"}},
        {"inputs": {"RecordMode": 1, "RecordStreamList": [7]}},
        {"storage": {"Vendor": 4}},
        {"storage": {"Region": ""}},
    ],
)
def test_wrong_parameters(site: Site, changes: dict[str, Any]) -> None:
    answer = site.zego("StartRecord", zego_body("r1", **changes))
    assert answer["Code"] == 300000004
    assert answer["Message"]


def test_storage_inside_of_the_output_is_not_seen(site: Site) -> None:
    body = zego_body()
    body["RecordOutputParams"]["StorageParams"] = body.pop("StorageParams")
    assert site.zego("StartRecord", body)["Code"] == 300000004


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", {}])
def test_odd_bodies(site: Site, body: Any) -> None:
    assert site.zego("StartRecord", body)["Code"] == 300000004


def test_signatures(site: Site) -> None:
    assert site.zego("DescribeRecordStatus", {}, secret="another")["Code"] == 100000005
    assert site.zego("DescribeRecordStatus", {}, SignatureVersion="1.0")["Code"] == 100000005
    assert site.zego("DescribeRecordStatus", {}, AppId="1")["Code"] == 300000002
    for seconds in (-660, 660):
        assert site.zego("DescribeRecordStatus", {}, at=int(time.time()) + seconds)["Code"] == 100000004
    assert site.zego("DescribeRecordStatus", {}, at=int(time.time()) - 540)["Code"] == 300000004
    assert site.zego("Nonsense", {})["Code"] == 300000004
    assert site.zego("StopRecord", None, method="GET")["Code"] == 300000004
    status, answer = ask("POST", site.vendors.api["zego"], {})
    assert (status, answer["Code"]) == (200, 300000002)


def test_the_rate_is_limited() -> None:
    with opened(limits=Limits(zego=3, zego_start_stop=4)) as site:
        codes = [site.zego("DescribeRecordStatus", {"TaskId": "x"})["Code"] for _ in range(4)]
        assert codes == [300001000] * 3 + [300000003]
        codes = [site.zego("StopRecord", {"TaskId": "x"})["Code"] for _ in range(5)]
        assert codes == [300001000] * 4 + [300000003]


def test_any_code_can_be_the_next_answer(site: Site) -> None:
    site.vendors.answer_next("zego", "StopRecord", 300010000)
    assert [site.zego("StopRecord", {"TaskId": "x"})["Code"] for _ in range(2)] == [300010000, 300001000]


def test_another_recorder_makes_another_file(site: Site) -> None:
    site.vendors.follow("zego", "r1", SCRIPTS["failover overlap"])
    task_id = site.record("zego", "r1", seconds=9.6)
    first, second = site.zego_status(task_id)["RecordFiles"]
    assert second["BeginTimestamp"] - first["BeginTimestamp"] == 3000
    assert first["Duration"] == 5000, "two seconds are in both"
    texts = [site.text("zego", key) for key in site.playlists("zego", task_id)]
    assert ["ENDLIST" in text for text in texts] == [False, True]

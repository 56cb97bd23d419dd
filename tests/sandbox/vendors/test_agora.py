"""Agora's API as its sheet has it: every call, answer and code."""

import base64
import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest

from deployments.sandbox.vendors import SCRIPTS, Failover, Limits, Script
from tests.sandbox.vendors.callers import AGORA_STORE, PACE, Site, agora_client, ask, opened, wait_for

UTC17 = re.compile(r"_(\d{17})\.ts$")


def test_a_mixed_recording_from_acquire_to_stop(site: Site) -> None:
    call = site.agora("mix")
    assert re.fullmatch("[0-9a-f]{32}", call.sid)
    site.wait_slices("agora", call.sid, 2)
    playlist = f"classes/one/{call.sid}_room1.m3u8"
    wait_for(lambda: site.playlists("agora", call.sid) == [playlist])
    assert "#EXT-X-ENDLIST" not in site.text("agora", playlist), "it is rewritten while it grows"
    status, queried = call.query()
    said = queried.pop("serverResponse")
    assert (status, queried) == (200, call.ids)
    assert isinstance(said.pop("sliceStartTime"), int)
    assert said == {"status": 5, "fileListMode": "string", "fileList": playlist}
    status, stopped = call.stop()
    said = stopped.pop("serverResponse")
    assert (status, stopped) == (200, call.ids)
    assert said == {"fileListMode": "string", "fileList": playlist, "uploadingStatus": "uploaded"}
    assert site.text("agora", playlist).endswith("#EXT-X-ENDLIST\n")
    site.settle()
    assert site.types() == [40, 42, 4, 41, 11, 31]


def test_an_individual_recording_has_a_playlist_of_each_track_of_each_user(site: Site) -> None:
    site.vendors.publish("agora", "room1", ("101", "3000000000"))
    call = site.agora("individual")
    names = {
        f"classes/one/{call.sid}_room1__uid_s_{uid}__uid_e_{kind}.m3u8"
        for uid in ("101", "3000000000")
        for kind in ("audio", "video")
    }
    wait_for(lambda: set(site.playlists("agora", call.sid)) == names)
    status, queried = call.query()
    assert (status, queried["serverResponse"]["fileListMode"]) == (200, "json")
    _, stopped = call.stop()
    files = stopped["serverResponse"]["fileList"]
    assert {file["fileName"] for file in files} == names
    keys = {"fileName", "trackType", "uid", "mixedAllUser", "isPlayable", "sliceStartTime"}
    assert all(set(file) == keys and file["mixedAllUser"] is False for file in files)
    for file in files:
        first = UTC17.search(site.text("agora", file["fileName"]).split("\n#EXTINF")[1].split("\n")[1])
        assert first is not None
        assert int(first[1][-3:]) == file["sliceStartTime"] % 1000, "the name and the answer have one time"
    site.settle()
    assert sorted(site.types()) == [4, 4, 4, 4, 11, 31, 40, 41, 42, 42, 42, 42, 43, 43, 44, 44]


def test_only_who_is_subscribed_to_is_recorded(site: Site) -> None:
    site.vendors.publish("agora", "room1", ("1", "2"))
    config = {"subscribeUidGroup": 0, "subscribeAudioUids": ["1"], "subscribeVideoUids": ["#allstream#"]}
    call = site.agora("individual", recordingConfig=config)
    wait_for(lambda: len(site.playlists("agora", call.sid)) == 3)
    call.stop()
    kinds = {key.partition("__uid_s_")[2].removesuffix(".m3u8") for key in site.playlists("agora", call.sid)}
    assert kinds == {"1__uid_e_audio", "1__uid_e_video", "2__uid_e_video"}


def test_an_mp4_comes_at_the_end_and_stands_before_its_playlist(site: Site) -> None:
    call = site.agora("mix", recordingFileConfig={"avFileType": ["hls", "mp4"]})
    site.wait_slices("agora", call.sid, 2)
    names = [file["fileName"] for file in call.query()[1]["serverResponse"]["fileList"]]
    stem = f"classes/one/{call.sid}_room1"
    assert names == [f"{stem}.m3u8"]
    said = call.stop()[1]["serverResponse"]
    assert [file["fileName"] for file in said["fileList"]] == [f"{stem}_0.mp4", f"{stem}.m3u8"]
    assert len({file["sliceStartTime"] for file in said["fileList"]}) == 1
    assert site.read("agora", f"{stem}_0.mp4")[4:8] == b"ftyp"


def test_a_web_recording_spells_names_otherwise_and_can_be_put_on_hold(site: Site) -> None:
    call = site.agora("web", cname="page_1.a")
    site.wait_slices("agora", call.sid, 1)
    name = f"{call.sid}_page-1-a.m3u8"
    (service,) = call.query()[1]["serverResponse"]["extensionServiceState"]
    assert service["serviceName"] == "web_recorder_service"
    assert service["payload"]["state"] == "inProgress"
    assert service["payload"]["fileList"][0]["filename"] == name
    assert call.post("update", {"webRecordingConfig": {"onhold": True}})[0] == 200
    time.sleep(3 / PACE)
    assert call.query()[1]["serverResponse"]["extensionServiceState"][0]["payload"]["onhold"] is True
    call.post("update", {"webRecordingConfig": {"onhold": False}})
    time.sleep(3 / PACE)
    web, upload = call.stop()[1]["serverResponse"]["extensionServiceState"]
    assert (web["payload"]["state"], web["payload"]["fileList"][0]["filename"]) == ("exit", name)
    assert upload == {"serviceName": "upload_service", "payload": {"uploadingStatus": "uploaded"}}
    text = site.text("agora", f"classes/one/{name}")
    assert text.count("TRACK_TYPE=VIDEO") == 2, "it started twice"
    site.settle()
    events = site.events()
    assert [event["eventType"] for event in events] == [70, 4, 71, 11, 31]
    assert "fileList" not in events[-1]["payload"]["details"]


def test_an_asynchronous_stop_knows_nothing_of_uploads(site: Site) -> None:
    call = site.agora("mix")
    site.wait_slices("agora", call.sid, 1)
    status, stopped = call.stop(later=True)
    assert (status, stopped["serverResponse"]["uploadingStatus"]) == (200, "unknown")
    site.settle()
    assert site.types()[-1] == 31


def test_a_second_stop_is_code_49_and_then_nobody_answers() -> None:
    with opened(linger_s=1.0) as site:
        call = site.agora("mix")
        site.wait_slices("agora", call.sid, 1)
        call.stop()
        status, again = call.stop()
        said = again.pop("serverResponse")
        assert (status, again) == (400, {**call.ids, "code": 49})
        assert said == {
            "backuped": 0,
            "fileListMode": "string",
            "fileListStr": f"classes/one/{call.sid}_room1.m3u8",
            "gwWorkerVersion": 1,
            "inProgressBitmask": 1,
            "output": {},
            "payload": {"message": "Failed"},
            "selectionBitmask": 1,
            "subscribeModeBitmask": 1,
        }
        gone = {"cname": "room1", "code": 404, "reason": "failed to find worker", "uid": "527841"}
        assert call.query() == (404, gone)
        time.sleep(1.05)
        assert call.stop() == (404, gone)


def test_nobody_published(site: Site) -> None:
    site.vendors.publish("agora", "room1", ())
    call = site.agora("mix")
    time.sleep(2 / PACE)
    status, stopped = call.stop()
    assert (status, stopped["code"], site.keys("agora", call.sid)) == (206, 435, [])
    site.settle()
    assert site.types() == [40, 41, 11]


def test_an_empty_room_ends_it(site: Site) -> None:
    call = site.agora("mix", recordingConfig={"maxIdleTime": 5})
    site.wait_slices("agora", call.sid, 1)
    site.vendors.publish("agora", "room1", ())
    wait_for(lambda: 31 in site.types())
    left = next(event for event in site.events() if event["eventType"] == 41)
    assert left["payload"]["details"]["leaveCode"] == 4
    assert call.stop()[1]["code"] == 49


def test_starts_that_are_refused(site: Site) -> None:
    call = site.agora("mix")
    rid, empty = call.rid, {"resourceId": call.rid, "sid": ""}
    assert call.start(agora_client("mix")) == (201, {**empty, "code": 7}), "started already"
    other = site.acquire("mix")
    status, answer = other.start(agora_client("mix"))
    assert (status, answer["code"], answer["sid"]) == (400, 53, ""), "the same cname and uid"
    third = site.acquire("mix", "room2")
    third.cname = "room3"
    assert third.start(agora_client("mix"))[1]["code"] == 432, "not what was acquired"
    wrong = site.acquire("mix", "room4")
    wrong.rid = rid[::-1]
    assert wrong.start(agora_client("mix"))[0] == 400


def test_a_start_that_is_not_what_was_announced(site: Site) -> None:
    body = {"cname": "r", "uid": "1", "clientRequest": {"startParameter": {"storageConfig": {}}}}
    _, answer = ask("POST", f"{site.agora_base}/acquire", body, site.agora_headers)
    url = f"{site.agora_base}/resourceid/{answer['resourceId']}/mode/mix/start"
    body = {"cname": "r", "uid": "1", "clientRequest": agora_client("mix")}
    assert ask("POST", url, body, site.agora_headers) == (400, {"code": 2, "reason": "request_hash mismatch!"})


def test_a_resource_lives_for_a_while_only() -> None:
    with opened(resource_s=0.2) as site:
        call = site.acquire("mix")
        time.sleep(0.25)
        status, answer = call.start(agora_client("mix"))
        assert (status, answer["code"], answer["sid"]) == (400, 433, "")


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        ("raw", {}),
        ("individual", {"recordingConfig": {}}),
        ("individual", {"recordingFileConfig": {"avFileType": ["hls", "mp4"]}}),
        ("mix", {"recordingFileConfig": {"avFileType": ["mp4"]}}),
        ("mix", {"recordingConfig": {"maxIdleTime": 1}}),
        ("mix", {"recordingConfig": {"streamTypes": 7}}),
        ("mix", {"recordingConfig": []}),
        ("mix", {"storageConfig": None}),
        ("mix", {"storageConfig": {**AGORA_STORE, "vendor": 5}}),
        ("mix", {"storageConfig": {**AGORA_STORE, "region": 99}}),
        ("mix", {"storageConfig": {**AGORA_STORE, "fileNamePrefix": "classes"}}),
        ("mix", {"storageConfig": {**AGORA_STORE, "bucket": 7}}),
        ("web", {"extensionServiceConfig": {}}),
        ("mix", {"snapshotConfig": {}}),
    ],
)
def test_wrong_parameters_are_code_2(site: Site, mode: str, changes: dict[str, Any]) -> None:
    call = site.acquire(mode)
    status, answer = call.start(agora_client(mode, **changes))
    assert (status, answer["code"]) == (400, 2)
    assert answer["reason"]


def test_services_must_be_selected(site: Site) -> None:
    call = site.acquire("mix")
    answer = {"code": 2, "reason": "services not selected!"}
    assert call.start({"storageConfig": AGORA_STORE}) == (400, answer)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"cname": 1}', b'{"cname": "a", "uid": 1}', b"\xff" * 9])
def test_odd_bodies_are_code_2(site: Site, body: bytes) -> None:
    status, answer = ask("POST", f"{site.agora_base}/acquire", body, site.agora_headers)
    assert (status, answer["code"]) == (400, 2)


def test_who_is_not_known_gets_401(site: Site) -> None:
    for header in ({}, {"Authorization": "Basic " + base64.b64encode(b"a:b").decode()}, {"Authorization": "x"}):
        assert ask("POST", f"{site.agora_base}/acquire", {}, header)[0] == 401
    other = site.agora_base.replace(site.vendors.accounts["agora"].app, "another")
    assert ask("POST", f"{other}/acquire", {}, site.agora_headers)[0] == 401


def test_paths_and_methods_that_do_not_exist(site: Site) -> None:
    assert ask("GET", f"{site.agora_base}/acquire", headers=site.agora_headers)[0] == 404
    assert ask("POST", f"{site.vendors.api['agora']}/", {}, site.agora_headers)[0] == 404
    assert ask("POST", f"{site.agora_base}/resourceid/a/mode/mix/stop", {}, site.agora_headers)[0] == 404


def test_the_rate_is_limited() -> None:
    with opened(limits=Limits(agora=3)) as site:
        for _ in range(3):
            site.acquire()
        assert ask("POST", f"{site.agora_base}/acquire", {}, site.agora_headers)[0] == 429


@pytest.mark.parametrize(("code", "status"), [(15, 500), (65, 206), (109, 400), (110, 400), (501, 500), (62, 504)])
def test_any_code_can_be_the_next_answer(site: Site, code: int, status: int) -> None:
    site.vendors.answer_next("agora", "start", code)
    call = site.acquire()
    assert call.start(agora_client("mix")) == (status, {"resourceId": call.rid, "sid": "", "code": code})
    assert call.start(agora_client("mix"))[0] == 200, "only that one"


def test_layouts_are_for_mixed_recordings(site: Site) -> None:
    mixed, single = site.agora("mix"), site.agora("individual", "room2")
    assert mixed.post("updateLayout")[0] == mixed.post("update")[0] == 200
    assert single.post("updateLayout")[1]["code"] == 2
    assert mixed.post("update", {"webRecordingConfig": {"onhold": True}})[1]["code"] == 2


@pytest.mark.parametrize("change", [{"secretKey": "wrong"}, {"accessKey": "nobody"}, {"bucket": "none"}, {"region": 0}])
def test_a_store_that_refuses_ends_it_with_an_error(site: Site, change: dict[str, Any]) -> None:
    call = site.agora("mix", storageConfig={**AGORA_STORE, **change})
    wait_for(lambda: 11 in site.types())
    error, ended = site.events()
    assert error["payload"]["details"] == {
        "msgName": "cloud_recording_error",
        "module": 1,
        "errorLevel": 5,
        "errorCode": 32,
        "stat": 0,
        "errorMsg": "",
    }
    assert ended["payload"]["details"] == {"msgName": "session_exit", "exitStatus": 1}
    assert call.query()[0] == call.stop()[0] == 404


def test_a_key_that_is_taken_away_meanwhile(site: Site) -> None:
    call = site.agora("mix")
    site.wait_slices("agora", call.sid, 1)
    site.clouds.remove_account("AK")
    call.stop()
    site.settle()
    assert site.types() == [40, 42, 4, 41, 1, 11]
    assert site.events()[-2]["payload"]["details"]["errorCode"] == 47
    assert "ENDLIST" not in site.text("agora", f"classes/one/{call.sid}_room1.m3u8")


def test_a_wrong_token_keeps_the_recorder_out(site: Site) -> None:
    site.vendors.follow("agora", "room1", Script(token_error=110))
    call = site.agora("mix")
    wait_for(lambda: 11 in site.types())
    assert [event["payload"]["details"].get("errorCode") for event in site.events()] == [110, None]
    assert call.query()[0] == 404


def test_webhooks_have_the_shape_of_real_ones(site: Site) -> None:
    site.record("agora")
    for number, event in enumerate(site.events()):
        assert set(event) == {"noticeId", "productId", "eventType", "notifyMs", "sid", "payload"}
        payload = event["payload"]
        assert (event["productId"], payload["sid"], payload["sequence"]) == (3, event["sid"], number)
        assert payload["serviceScene"] == "mix_record"
        assert event["notifyMs"] >= payload["sendts"]
    started = json.loads(site.receiver.received[0].body)["payload"]
    assert (started["serviceType"], started["details"]) == (1, {"msgName": "recorder_started", "status": 0})


def test_another_recorder_takes_over(site: Site) -> None:
    site.vendors.follow("agora", "room1", Script(failover=Failover(after_s=3, gap_s=20)))
    call = site.agora("mix")
    wait_for(lambda: call.query()[0] == 404)
    assert call.stop()[0] == 404, "it is alive, and nobody answers for it"
    wait_for(lambda: call.query()[0] == 200)
    wait_for(lambda: any("bak0_" in key for key in site.playlists("agora", call.sid)))
    call.stop()
    site.settle()
    before, after = f"classes/one/{call.sid}_room1.m3u8", f"classes/one/bak0_{call.sid}_room1.m3u8"
    assert set(site.playlists("agora", call.sid)) == {before, after}
    assert "ENDLIST" not in site.text("agora", before)
    assert all(f"bak0_{call.sid}" in line for line in site.text("agora", after).split("\n") if line.endswith(".ts"))
    uids = {event["payload"]["uid"]: event["eventType"] for event in site.events()}
    failover = next(event for event in site.events() if event["eventType"] == 12)
    assert list(uids) == ["527841", str(failover["payload"]["details"]["newUid"])]


def test_what_was_backed_up_is_moved_without_a_word(site: Site) -> None:
    site.vendors.follow("agora", "room1", replace(SCRIPTS["backup store"], late_s=0.5))
    call = site.agora("mix")
    time.sleep(6.6 / PACE)
    said = call.stop()[1]["serverResponse"]
    assert said == {"fileListMode": "json", "fileList": [], "uploadingStatus": "backuped"}
    assert len(site.slices("agora", call.sid)) == 1
    wait_for(lambda: 32 in site.types())
    before = len(site.receiver.received)
    site.settle()
    assert len(site.receiver.received) == before
    stem = f"classes/one/{call.sid}_room1"
    assert site.playlists("agora", call.sid) == [
        f"{stem}.m3u8",
        f"{stem}_22194679897_0.m3u8",
        f"{stem}_22194679897_1.m3u8",
    ]
    sizes = [len(site.text("agora", key)) for key in site.playlists("agora", call.sid)]
    assert sizes[2] > sizes[1] >= sizes[0]
    assert len(site.slices("agora", call.sid)) == site.text("agora", f"{stem}_22194679897_1.m3u8").count("#EXTINF") >= 3

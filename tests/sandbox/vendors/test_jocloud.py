"""Jocloud's API as far as it is known, and our guesses of the rest."""

import hashlib
import re
import time
from typing import Any

import pytest

from deployments.sandbox.vendors import Limits
from tests.sandbox.vendors.callers import PACE, Site, ask, opened, wait_for


def test_a_mixed_recording(site: Site) -> None:
    applied = site.jocloud("applyrecord", trace="23117")
    resid = applied.pop("resid")
    assert applied == {"code": 0, "message": "success", "traceId": "23117"}
    assert re.fullmatch("[0-9a-f]{60}-[0-9a-f]{16}", resid)
    record_id = site.jocloud_start("abc")
    assert re.fullmatch("[0-9a-f]{35,37}", record_id)
    site.wait_slices("jocloud", record_id, 2)
    assert site.playlists("jocloud", record_id) == [], "it comes when the file is complete"
    assert site.jocloud_stop(record_id)["code"] == 0
    site.settle()
    stem = f"live/rid_{record_id}_abc"
    assert site.playlists("jocloud", record_id) == [f"{stem}.m3u8"]
    count = len(site.slices("jocloud", record_id))
    assert site.slices("jocloud", record_id) == [f"{stem}_{number}.ts" for number in range(count)]
    assert site.jocloud_stop(record_id)["code"] != 0, "it has ended"


def test_the_callback_has_the_shape_of_the_documents(site: Site) -> None:
    record_id = site.record("jocloud", "abc")
    (received,) = site.receiver.received
    assert received.path == "/hooks/jocloud/hook-j"
    (event,) = site.events()
    assert re.fullmatch(rf"RECORD-{record_id}-[0-9a-f]+", event.pop("msgid"))
    context = event.pop("context")
    assert isinstance(event.pop("notifytime"), int)
    assert event == {"product": 1, "msgtype": 2}
    duration, starttime, address = (context.pop(name) for name in ("duration", "starttime", "fileaddress"))
    assert context == {
        "msgname": "recordtask_m3u8_info",
        "appid": 123123,
        "roomid": "abc",
        "uid": ["0"],
        "recordid": record_id,
        "filetype": "m3u8",
    }
    assert address.endswith(f"/calls/live/rid_{record_id}_abc.m3u8")
    assert duration >= 4000
    assert abs(starttime / 1000 - time.time()) < 60


def test_each_user_has_a_playlist_and_a_callback_to_the_address_of_the_task(site: Site) -> None:
    site.vendors.publish("jocloud", "abc", ("10266666", "a_b"))
    url = f"http://127.0.0.1:{site.receiver.port}/mine?x=1"
    record_id = site.jocloud_start("abc", streamtype=2, callbackurl=url)
    site.wait_slices("jocloud", record_id, 2)
    site.jocloud_stop(record_id)
    site.settle()
    names = [f"live/rid_{record_id}_abc__uid_s_{uid}__uid_e.m3u8" for uid in ("10266666", "a_b")]
    assert site.playlists("jocloud", record_id) == names
    assert [one.path for one in site.receiver.received] == ["/mine?x=1"] * 2
    assert [event["context"]["uid"] for event in site.events()] == [["10266666"], ["a_b"]]


@pytest.mark.parametrize("record_type", [0, 1, 2])
def test_tracks(site: Site, record_type: int) -> None:
    record_id = site.jocloud_start("abc", recordtype=record_type)
    wait_for(lambda: site.slices("jocloud", record_id) != [])
    data = site.read("jocloud", site.slices("jocloud", record_id)[0])
    pids = {(data[at + 1] & 0x1F) << 8 | data[at + 2] for at in range(0, len(data), 188)}
    assert len(pids & {0x100, 0x101}) == (2 if record_type == 0 else 1)


def signed(site: Site, *, off_ms: int = 0, **changes: str) -> dict[str, str]:
    account = site.vendors.accounts["jocloud"]
    stamp = str(int(time.time() * 1000) + off_ms)
    text = f"{account.app}n1{changes.get('secret', account.app_secret)}{stamp}"
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return {"AppID": changes.get("app", account.app), "Nonce": "n1", "Timestamp": stamp, "Signature": digest}


def test_both_schemes_are_taken(site: Site) -> None:
    assert site.jocloud("applyrecord")["code"] == 0
    assert site.jocloud("applyrecord", headers=signed(site))["code"] == 0
    for headers in (
        {},
        {"AppID": "123123"},
        {**site.jocloud_headers, "AppID": "1"},
        {**site.jocloud_headers, "token": "Basic x"},
        signed(site, secret="another"),
        signed(site, off_ms=-700_000),
        {**signed(site), "Timestamp": "soon"},
    ):
        assert site.jocloud("applyrecord", headers=headers)["code"] != 0


@pytest.mark.parametrize(
    "changes",
    [
        {"resid": "unknown"},
        {"resid": 7},
        {"appid": 7},
        {"roomid": ""},
        {"recordtype": 3},
        {"streamtype": "1"},
        {"streamtype": 3},
        {"callbackurl": 7},
    ],
)
def test_wrong_parameters(site: Site, changes: dict[str, Any]) -> None:
    resid = site.jocloud("applyrecord")["resid"]
    body = {"resid": resid, "appid": 123123, "roomid": "abc", "recordtype": 0, "streamtype": 1}
    assert site.jocloud("startrecord", body | changes)["code"] != 0


def test_a_resource_is_for_one_recording_and_not_for_long() -> None:
    with opened(resource_s=0.6) as site:
        resid = site.jocloud("applyrecord")["resid"]
        body = {"resid": resid, "appid": 123123, "roomid": "abc", "recordtype": 0, "streamtype": 1}
        assert [site.jocloud("startrecord", body)["code"] == 0 for _ in range(2)] == [True, False]
        late = body | {"resid": site.jocloud("applyrecord")["resid"]}
        time.sleep(0.65)
        assert site.jocloud("startrecord", late)["code"] != 0


def test_layouts_stops_and_what_is_unknown(site: Site) -> None:
    mixed, single = site.jocloud_start("abc"), site.jocloud_start("abc", streamtype=2)
    update = {"appid": 123123, "roomid": "abc"}
    assert site.jocloud("updatemixrecord", {**update, "recordid": mixed})["code"] == 0
    assert site.jocloud("updatemixrecord", {**update, "recordid": single})["code"] != 0
    assert site.jocloud_stop("0" * 35)["code"] != 0
    assert site.jocloud_stop(mixed, "another")["code"] != 0
    url = site.vendors.api["jocloud"]
    assert ask("GET", f"{url}/app/123123/v1/recordoss/startrecord", headers=site.jocloud_headers)[1]["code"] != 0
    assert ask("POST", f"{url}/nowhere", b"{", site.jocloud_headers)[1]["code"] != 0
    for body in (b"", b"[]", b"\xff"):
        assert site.jocloud("stoprecord", body)["code"] != 0


def test_the_rate_is_limited() -> None:
    with opened(limits=Limits(jocloud_apply=2)) as site:
        assert [site.jocloud("applyrecord")["code"] == 0 for _ in range(3)] == [True, True, False]


def test_nobody_published(site: Site) -> None:
    site.vendors.publish("jocloud", "abc", ())
    record_id = site.record("jocloud", "abc", seconds=3)
    assert (site.keys("jocloud", record_id), site.receiver.received) == ([], [])


def test_a_bucket_that_is_gone_loses_all_and_nobody_says_so(site: Site) -> None:
    site.vendors.jocloud_store("none")
    site.record("jocloud", "abc", seconds=4 + 0.5 / PACE)
    assert site.receiver.received == []

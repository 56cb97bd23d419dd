"""What each script does to a bucket and to what is said of it."""

import io
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import unquote

import av
import pytest

from catalog.events import Signature
from deployments.sandbox import scene
from deployments.sandbox.vendors import SCRIPTS, Astray, Script
from tests.lab.luma import luma_of
from tests.sandbox.vendors.callers import PACE, SECRETS, Site, wait_for
from tests.sandbox.vendors.tracks import to_ms
from vendors.hooks import Key, Message, check, parse
from vendors.registry import HOOKS

VENDORS = ("agora", "zego", "jocloud")
SAID = {"agora": 31, "zego": 1, "jocloud": 2}
"""The message that says that all is uploaded."""


def promised(text: str, key: str) -> list[str]:
    """The keys that a playlist names."""
    folder = key.rpartition("/")[0]
    names = [line for line in text.split("\n") if line.endswith(".ts")]
    return [name if "/" in name else f"{folder}/{name}" for name in names]


def named(site: Site, vendor: str, task_id: str) -> list[str]:
    """What the only playlist of a recording promises."""
    (playlist,) = site.playlists(vendor, task_id)
    return promised(site.text(vendor, playlist), playlist)


def recorded_under(site: Site, vendor: str, script: Script, seconds: float = 6.6) -> str:
    site.vendors.follow(vendor, "room1", script)
    return site.record(vendor, seconds=seconds)


@pytest.mark.parametrize("vendor", VENDORS)
def test_all_goes_well(site: Site, vendor: str) -> None:
    task_id = site.record(vendor)
    assert named(site, vendor, task_id) == site.slices(vendor, task_id)
    assert len(site.slices(vendor, task_id)) >= 3
    assert site.text(vendor, site.playlists(vendor, task_id)[0]).endswith("#EXT-X-ENDLIST\n")
    again = site.record(vendor)
    assert again != task_id


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", ["late slice", "late uploads"])
def test_slices_come_after_it_was_said_that_they_had(site: Site, vendor: str, name: str) -> None:
    site.vendors.follow(vendor, "room1", replace(SCRIPTS[name], late_s=0.6))
    task_id, stop = site.start(vendor, "room1")
    time.sleep(8.6 / PACE)
    stop()
    wait_for(lambda: SAID[vendor] in site.types())
    expected = named(site, vendor, task_id)
    late = expected[1::2] if name == "late uploads" else expected[1:2]
    assert [key for key in expected if key not in site.slices(vendor, task_id)] == late
    site.settle()
    assert site.slices(vendor, task_id) == expected


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_shorter_playlist_overwrites_the_full_one(site: Site, vendor: str) -> None:
    task_id = recorded_under(site, vendor, SCRIPTS["partial playlist"])
    slices = site.slices(vendor, task_id)
    assert named(site, vendor, task_id) == slices[: len(slices) // 2]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_playlist_is_missing(site: Site, vendor: str) -> None:
    task_id = recorded_under(site, vendor, SCRIPTS["playlist missing"])
    assert site.playlists(vendor, task_id) == []
    assert len(site.slices(vendor, task_id)) >= 3


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_playlist_has_no_end(site: Site, vendor: str) -> None:
    task_id = recorded_under(site, vendor, SCRIPTS["no ENDLIST"])
    assert named(site, vendor, task_id) == site.slices(vendor, task_id)
    assert "ENDLIST" not in site.text(vendor, site.playlists(vendor, task_id)[0])


@pytest.mark.parametrize("vendor", VENDORS)
def test_orphans_are_named_by_no_playlist(site: Site, vendor: str) -> None:
    task_id = recorded_under(site, vendor, SCRIPTS["orphans"])
    assert named(site, vendor, task_id) == site.slices(vendor, task_id)[:-1]


@pytest.mark.parametrize("vendor", VENDORS)
def test_another_bucket_gets_it_all(site: Site, vendor: str) -> None:
    task_id = recorded_under(site, vendor, SCRIPTS["wrong bucket"])
    assert site.keys(vendor, task_id) == []
    assert len([key for key in site.clouds.keys("s3", "elsewhere") if task_id in key]) >= 4
    assert SAID[vendor] in site.types(), "the vendor knows of nothing"
    site.clouds.create_bucket("oss", "strange")
    other = recorded_under(site, vendor, Script(astray=Astray(cloud="oss", bucket="strange")))
    assert len([key for key in site.clouds.keys("oss", "strange") if other in key]) >= 4


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_slice_is_cut_in_the_middle(site: Site, vendor: str) -> None:
    task_id = recorded_under(site, vendor, SCRIPTS["damaged slice"])
    sizes = [len(site.read(vendor, key)) for key in site.slices(vendor, task_id)]
    assert sizes[1] < sizes[0] * 0.7
    assert sizes[2] > sizes[1]


@pytest.mark.parametrize("vendor", VENDORS)
def test_nobody_published(site: Site, vendor: str) -> None:
    task_id = recorded_under(site, vendor, SCRIPTS["nobody published"], seconds=3)
    assert site.keys(vendor, task_id) == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_webhooks_are_lost(site: Site, vendor: str) -> None:
    task_id = recorded_under(site, vendor, SCRIPTS["lost webhooks"])
    assert (site.receiver.received, len(site.playlists(vendor, task_id))) == ([], 1)
    site.record(vendor, seconds=2.2)
    assert SAID[vendor] in site.types(), "a script is for one recording"


@pytest.mark.parametrize("vendor", VENDORS)
def test_webhooks_come_twice(site: Site, vendor: str) -> None:
    recorded_under(site, vendor, SCRIPTS["doubled webhooks"])
    events = site.events()
    for event in events:
        for changing in ("notifyMs", "timestamp", "signature"):
            event.pop(changing, None)
    assert events[0::2] == events[1::2]
    assert len(events) >= 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_several_files_or_a_hole_in_one(site: Site, vendor: str) -> None:
    site.vendors.follow(vendor, "room1", SCRIPTS["several files"])
    task_id, stop = site.start(vendor, "room1")
    time.sleep(9.6 / PACE)
    stop()
    site.settle()
    text = site.text(vendor, site.playlists(vendor, task_id)[0])
    assert text.count("TRACK_TYPE=VIDEO" if vendor == "agora" else "#EXT-X-DISCONTINUITY") == (
        2 if vendor == "agora" else 1
    )


@pytest.mark.parametrize("vendor", VENDORS)
def test_webhooks_are_signed(site: Site, vendor: str) -> None:
    site.record(vendor)
    for received in site.receiver.received:
        path, url_secret = received.path.removeprefix(f"/hooks/{vendor}"), None
        if path:
            url_secret = unquote(path.removeprefix("/"))
        message = Message(
            body=received.body, document=parse(received.body), headers=received.headers, url_secret=url_secret
        )
        key = Key(secret=SECRETS[vendor], source="a")
        assert check(HOOKS[vendor], message, [key], datetime.now(UTC)).signature is Signature.GOOD
        assert HOOKS[vendor].read(message).recording is not None


@pytest.mark.parametrize("script", [Script(), SCRIPTS["failover overlap"], SCRIPTS["several files"]])
def test_every_picture_tells_the_time_in_its_name(site: Site, script: Script) -> None:
    site.vendors.follow("agora", "room1", script)
    call = site.agora("mix")
    time.sleep(9.6 / PACE)
    call.stop()
    site.settle()
    started = next(event for event in site.events() if event["eventType"] == 42)["payload"]["details"]["startUtcMs"]
    slices = site.slices("agora", call.sid)
    assert len(slices) >= 4
    assert min(first_picture(site.read("agora", key)) for key in slices) == (0, 0)
    for key in slices:
        stamp = key.rpartition("_")[2].removesuffix(".ts")
        named_ms = to_ms(stamp)
        second, frame = first_picture(site.read("agora", key))
        assert abs(named_ms - started - 1000 * second - 40 * frame) <= 1


def first_picture(data: bytes) -> tuple[int, int]:
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        frame = next(container.decode(video=0))
        _, second, number = scene.read_picture(luma_of(frame))
        return second, number


def test_stamps_go_on_in_a_file_and_leave_a_hole_where_nothing_was_recorded(site: Site) -> None:
    task_id = recorded_under(site, "jocloud", SCRIPTS["several files"], seconds=9.6)
    data = b"".join(site.read("jocloud", key) for key in site.slices("jocloud", task_id))
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        times = sorted(
            float((packet.pts or 0) * packet.time_base) for packet in container.demux(video=0) if packet.size
        )
    steps = [round(later - earlier, 3) for earlier, later in pairwise(times)]
    assert sorted(set(steps)) == [0.04, 3.04]

from datetime import UTC, datetime, timedelta

import pytest

from media.clock import ClockSource, WallClock
from media.playlist import Segment, parse
from tests.builders import AGORA_SID, JOCLOUD_RECORD, ZEGO_TASK, playlist
from vendors.agora.playlists import read_time
from vendors.agora.playlists import segment_facts as agora_facts
from vendors.base import SegmentFacts
from vendors.registry import VENDORS
from vendors.zego.playlists import segment_facts as zego_facts

AT = datetime(2024, 1, 2, 3, 4, 5, 6000, UTC)
UTC17, MS13 = "20240102030405006", "1704164645006"
SLICE = f"rec/{AGORA_SID}_room1__uid_s_101__uid_e_video_{UTC17}.ts"
UNTIMED = f"rec/{AGORA_SID}_room1__uid_s_101__uid_e_video.ts"
START = "#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE=VIDEO,TIME="


def segment(*tags: str, at: datetime | None = None) -> Segment:
    return Segment(uri="a.ts", duration=timedelta(seconds=1), tags=tags, program_date_time=at)


def clock(source: ClockSource, at: datetime = AT) -> WallClock:
    return WallClock(at=at, source=source)


def test_agora_slice_name_is_the_clock() -> None:
    later = AT + timedelta(seconds=9)
    facts = agora_facts(segment(f"{START}20240102030406000", at=later), SLICE)
    assert facts == SegmentFacts(wall_clock=clock(ClockSource.SLICE_NAME), marks=("track_start",))


@pytest.mark.parametrize("time", [UTC17, MS13])
def test_agora_track_event_is_the_clock_of_a_name_without_time(time: str) -> None:
    facts = agora_facts(segment(f"{START}{time}"), UNTIMED)
    assert facts == SegmentFacts(wall_clock=clock(ClockSource.VENDOR_TAG), marks=("track_start",))


def test_agora_earliest_start_counts() -> None:
    tags = (f"{START}20240102030406000", f"{START.replace('VIDEO', 'AUDIO')}{UTC17}")
    facts = agora_facts(segment(*tags), UNTIMED)
    assert facts == SegmentFacts(wall_clock=clock(ClockSource.VENDOR_TAG), marks=("track_start", "track_start"))


@pytest.mark.parametrize(
    ("tag", "mark"),
    [
        (f"WIDTH=640,HEIGHT=480,ROTATE=90,TIME={UTC17}", "rotate:90:640x480@2024-01-02T03:04:05.006+00:00"),
        (f"WIDTH=640,HEIGHT=480,ROTATE=0,TIME={MS13}", "rotate:0:640x480@2024-01-02T03:04:05.006+00:00"),
        ("WIDTH=1280,HEIGHT=720,ROTATE=270", "rotate:270:1280x720"),
        ("", "rotate:0:?x?"),
    ],
)
def test_agora_rotate(tag: str, mark: str) -> None:
    assert agora_facts(segment(f"#EXT-X-AGORA-ROTATE:{tag}"), SLICE).marks == (mark,)


def test_agora_marks_keep_the_order_of_tags() -> None:
    rotate = "#EXT-X-AGORA-ROTATE:WIDTH=2,HEIGHT=1,ROTATE=0"
    facts = agora_facts(segment(rotate, f"{START}{UTC17}", "#EXT-X-OTHER", rotate), SLICE)
    assert facts.marks == ("rotate:0:2x1", "track_start", "rotate:0:2x1")


@pytest.mark.parametrize(
    "tag",
    ["#EXT-X-AGORA-TRACK-EVENT:EVENT=STOP,TIME=" + UTC17, "#EXT-X-AGORA-TRACK-EVENT", "#EXT-X-AGORA-TRACK-EVENTS:x"],
)
def test_only_a_start_starts(tag: str) -> None:
    assert agora_facts(segment(tag), UNTIMED) == SegmentFacts()


def test_agora_start_without_a_time() -> None:
    assert agora_facts(segment(f"{START}soon"), UNTIMED) == SegmentFacts(marks=("track_start",))


@pytest.mark.parametrize("text", ["", "soon", "١٧٠٤١٦٤٦٤٥٠٠٦", "170416464500", "20241302030405006"])
def test_what_is_no_agora_time(text: str) -> None:
    assert read_time(text) is None


def test_agora_tags_survive_the_playlist_parser() -> None:
    rotate = f"#EXT-X-AGORA-ROTATE:WIDTH=640,HEIGHT=480,ROTATE=0,TIME={UTC17}"
    for lines in (
        ("#EXT-X-DISCONTINUITY", rotate, f"{START}{UTC17}"),
        (rotate, f"{START}{UTC17}", "#EXT-X-DISCONTINUITY"),
        (rotate, "#EXT-X-DISCONTINUITY", f"{START}{UTC17}"),
    ):
        (found,) = parse(playlist(*lines, "#EXTINF:6.332000", "a.ts")).segments
        marks = agora_facts(found, SLICE).marks
        assert marks == ("rotate:0:640x480@2024-01-02T03:04:05.006+00:00", "track_start")


ZEGO_PLAYLIST = f"record/{ZEGO_TASK}_room_mix_VA_{UTC17}.m3u8"


def test_zego_playlist_name_is_the_clock_of_its_first_segment() -> None:
    facts = zego_facts(segment(), "record/0.ts", first_of=ZEGO_PLAYLIST)
    assert facts.wall_clock == clock(ClockSource.FILE_NAME)
    assert zego_facts(segment(), "record/1.ts").wall_clock is None
    assert zego_facts(segment(), "record/0.ts", first_of="record/other.m3u8").wall_clock is None


@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_program_date_time_is_a_clock_everywhere(vendor: str) -> None:
    facts = VENDORS[vendor].segment_facts(segment(at=AT), "rec/0.ts", first_of=ZEGO_PLAYLIST)
    assert facts == SegmentFacts(wall_clock=clock(ClockSource.PROGRAM_DATE_TIME))


@pytest.mark.parametrize("vendor", ["jocloud", "plain"])
def test_names_are_no_clock_where_they_hold_no_time(vendor: str) -> None:
    key = f"rid_{JOCLOUD_RECORD}_room_{UTC17}.ts"
    assert VENDORS[vendor].segment_facts(segment(), key, first_of=ZEGO_PLAYLIST) == SegmentFacts()

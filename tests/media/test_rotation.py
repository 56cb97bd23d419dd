"""Which way up pictures are: from marks to turns, and from a turn that holds for a whole file to what players show."""

import io
from dataclasses import dataclass
from datetime import timedelta

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.sandbox.scene import read_picture
from media.clock import ClockSource, WallClock
from media.plan import PlannedSegment
from media.rotation import Turn, angles, turns
from media.timing import TICKS_PER_SECOND
from tests.media.driving import STARTED_AT, make, named_walls, planned
from tests.media.recordings import recording, resumed

SECOND = TICKS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Lying:
    segment: PlannedSegment
    begin: int | None
    end: int | None


def utc(seconds: float) -> str:
    return (STARTED_AT + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def placed(
    number: int,
    *marks: str,
    left_out: bool = False,
    file: int = 0,
    source: ClockSource | None = ClockSource.SLICE_NAME,
) -> Lying:
    """The segment of seconds 10 × number to 10 × number + 10, which lies one second later in the output."""
    wall = WallClock(at=STARTED_AT + timedelta(seconds=10 * number), source=source) if source else None
    segment = PlannedSegment(
        number=number, key="a.ts", size_bytes=1, etag="e", promised=10 * SECOND, marks=marks, wall=wall, file=file
    )
    begin = (10 * number + 1) * SECOND
    return Lying(segment=segment, begin=None if left_out else begin, end=None if left_out else begin + 10 * SECOND)


def turn(at: float, degrees: int, width: int | None = 640, height: int | None = 480) -> Turn:
    return Turn(begin=round(at * SECOND), degrees=degrees, width=width, height=height)


def test_a_mark_without_a_time_holds_from_its_segment_on() -> None:
    assert turns([placed(0), placed(1, "rotate:90:640x480"), placed(2)]) == (turn(11, 90),)


def test_several_marks_in_one_segment_hold_from_their_times_on() -> None:
    marks = [f"rotate:{degrees}:640x480@{utc(at)}" for at, degrees in ((10, 0), (12.5, 90), (17.123, 270))]
    assert turns([placed(1, *marks)]) == (turn(11, 0), turn(13.5, 90), turn(18.123, 270))


def test_their_times_may_stand_in_any_order() -> None:
    marks = [f"rotate:{degrees}:640x480@{utc(at)}" for at, degrees in ((17, 270), (12, 90))]
    assert turns([placed(1, *marks)]) == (turn(13, 90), turn(18, 270))


@pytest.mark.parametrize(("at", "expected"), [(3, 11), (9.99, 11), (10.04, 11), (10.06, 11.06), (19.97, 21), (31, 21)])
def test_no_mark_lies_outside_of_its_segment(at: float, expected: float) -> None:
    assert turns([placed(1, f"rotate:90:640x480@{utc(at)}")]) == (turn(expected, 90),)


@pytest.mark.parametrize("source", [None, ClockSource.OBJECT_TIME])
def test_without_a_clock_a_mark_holds_from_its_segment_on(source: ClockSource | None) -> None:
    assert turns([placed(1, f"rotate:90:640x480@{utc(15)}", source=source)]) == (turn(11, 90),)


def test_of_two_marks_at_one_time_the_last_holds() -> None:
    assert turns([placed(0, "rotate:90:640x480", "rotate:180:640x480")]) == (turn(1, 180),)


def test_what_holds_already_is_no_turn() -> None:
    again = placed(1, "rotate:90:640x480", f"rotate:90:?x?@{utc(15)}")
    assert turns([placed(0, "rotate:90:640x480"), again]) == (turn(1, 90),)
    larger = placed(1, "rotate:90:1280x720")
    assert turns([placed(0, "rotate:90:640x480"), larger]) == (turn(1, 90), turn(11, 90, 1280, 720))


def test_the_mark_of_a_segment_that_was_left_out_holds_from_the_next_one_of_its_file_on() -> None:
    lost = placed(1, "rotate:90:640x480", f"rotate:180:640x480@{utc(15)}", left_out=True)
    assert turns([placed(0), lost, placed(2)]) == (turn(21, 180),)
    spared = placed(1, "rotate:90:640x480", left_out=True, file=1)
    assert turns([placed(0), spared, placed(2), placed(3, file=1)]) == (turn(31, 90),)
    assert turns([placed(0), lost]) == ()


@pytest.mark.parametrize(
    "mark",
    ["rotate:45:640x480", "rotate:-90:640x480", "rotate:٩٠:640x480", "rotate:", "rotate", "rotate:90", "track_start"],
)
def test_what_is_no_right_angle_is_ignored(mark: str) -> None:
    assert turns([placed(0, mark)]) == ()


@pytest.mark.parametrize("size", ["?x?", "0x480", "640", "-640x480", "9999999x480", "axb", "", "640x480x1"])
def test_an_odd_size_is_none(size: str) -> None:
    assert turns([placed(0, f"rotate:90:{size}")]) == (turn(1, 90, None, None),)


@pytest.mark.parametrize("time", ["soon", "", "2026-03-04T09:30:16", "99999-01-01"])
def test_an_odd_time_is_none(time: str) -> None:
    assert turns([placed(0, f"rotate:90:640x480@{time}")]) == (turn(1, 90),)


@given(st.lists(st.one_of(st.text(), st.text().map("rotate:90:".__add__), st.just("rotate:90:1x1@0001-01-01T00Z"))))
def test_any_text_is_bearable(marks: list[str]) -> None:
    assert {each.degrees for each in turns([placed(0, *marks)])} <= {90}


def test_angles_of_a_stretch() -> None:
    turned = [turn(10, 90), turn(20, 90, 1280, 720), turn(30, 0)]
    assert angles(turned, 10 * SECOND, 30 * SECOND) == {90}
    assert angles(turned, 10 * SECOND - 1, 30 * SECOND) == {0, 90}
    assert angles(turned, 10 * SECOND, 30 * SECOND + 1) == {0, 90}
    assert angles((), 0, SECOND) == angles(turned, 30 * SECOND, 40 * SECOND) == {0}


def shown(mp4: bytes, index: int) -> tuple[int, int, tuple[bool, int, int]]:
    """Size and content of one picture, turned by libav's filters as ffplay turns it."""
    with av.open(io.BytesIO(mp4), "r", format="mp4") as source:
        found = next(f for n, f in enumerate(source.decode(video=0)) if n == index)
    filters = {0: [], 90: ["transpose=clock"], 180: ["hflip", "vflip"], 270: ["transpose=cclock"]}
    clockwise = -found.rotation % 360
    graph = av.filter.Graph()
    last = graph.add_buffer(width=found.width, height=found.height, format=found.format, time_base=found.time_base)
    for name, _, options in (text.partition("=") for text in filters[clockwise]):
        following = graph.add(name, options)
        last.link_to(following)
        last = following
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    graph.push(found)
    upright = graph.pull()
    assert isinstance(upright, av.VideoFrame)
    luma = np.asarray(upright.to_ndarray(format="gray"), np.uint8)
    return upright.width, upright.height, read_picture(luma)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_libav_shows_a_lying_picture_upright(degrees: int) -> None:
    made = make(recording(3, degrees=degrees), marks={0: (f"rotate:{degrees}:90x160",)})
    assert made.codes == []
    assert made.track("video").degrees == degrees
    assert shown(made.mp4, 35) == (160, 90, (False, 1, 10))


def test_a_stream_that_turns_inside_a_file_has_no_matrix() -> None:
    slices = resumed(recording(4, audio=False), recording(4, audio=False, first_second=4, degrees=90), 4)
    made = make(slices, tagged={2}, walls=named_walls(slices), marks={2: (f"rotate:90:90x160@{utc(4)}",)})
    assert made.track("video").degrees == 0
    assert [(t.begin - made.track("video").start, t.degrees) for t in made.assembly.turns] == [(4 * SECOND, 90)]
    assert shown(made.mp4, 25) == (160, 90, (True, 1, 0))


def test_a_turn_holds_over_holes_and_parts_and_each_part_has_its_own_matrix() -> None:
    """H.264 lying, then a slice that is lost, then H.265 lying the same way, that stands up with its last slice."""
    first, then = recording(6, degrees=90), recording(4, first_second=6, degrees=90, hevc=True)
    slices = resumed(first, then, 6)
    stored = [None if number == 2 else piece for number, piece in enumerate(slices)]
    lasting = make(slices, stored=stored, tagged={3}, marks={0: ("rotate:90:90x160",)})
    assert [track.degrees for track in lasting.tracks if track.type == "video"] == [90, 90]
    assert [shown(file, 25) for file in lasting.files] == [(160, 90, (True, 1, 0)), (160, 90, (True, 7, 0))]
    turning = make(slices, tagged={3}, marks={0: ("rotate:90:90x160",), 4: ("rotate:0:160x90",)})
    assert [track.degrees for track in turning.tracks if track.type == "video"] == [90, 0]


def test_a_plan_whose_marks_turn_pictures_has_a_digest_of_its_own() -> None:
    slices = recording(4)
    plain = planned(slices).digest
    assert planned(slices, marks={0: ("track_start",)}).digest == plain
    assert planned(slices, marks={0: ("rotate:0:640x480",)}).digest != plain, "it also says that pictures belong"
    turned = [{0: ("rotate:90:9x6",)}, {1: ("rotate:90:9x6",)}, {0: ("rotate:90:9x6",), 1: ("rotate:0:6x9",)}]
    assert len({plain, *(planned(slices, marks=marks).digest for marks in turned)}) == 4

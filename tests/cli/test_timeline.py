"""`aftertake show TASK --timeline`: drawn so that each state can be told from the others without colours."""

import os
import sys
from dataclasses import replace

import pytest

from catalog.model import Evidence, StreamKind, StreamRecord
from catalog.timeline import timeline
from cli.timeline import Canvas, lines
from tests.catalog.builders import absence, gap
from tests.catalog.test_timeline import NO_CLOCK, person, room, track
from tests.cli.running import aftertake
from tests.cli.site import HOSTILE, ZEGO, Site


def drawn(*people: StreamRecord, width: int = 75, lasts: float = 60.0, has_colour: bool = False) -> list[str]:
    return list(lines(timeline(room(*people, lasts=lasts)), Canvas(width=width, has_colour=has_colour)))


def test_a_row_for_each_track_and_a_line_for_each_thing_that_is_not_there() -> None:
    camera_off = absence(30, 45, track="video", evidence=Evidence.VENDOR_EVENT)

    assert drawn(
        person("7", absences=(camera_off,), gaps=(gap(12, 18, segment="rec/a.ts"),)),
        person("8", wall_s=30, lasts=30, outputs=(track("audio", 0, 30),)),
    ) == [
        "agora:5f0c1e7ab2d34c5e8f9a0b1c2d3e4f50: complete, room math-7",
        "                      14:00:20  14:00:30  14:00:40  14:00:50  14:01:00",
        "             +--------+---------+---------+---------+---------+---------+-+",
        "7  7  audio  |============XXXXXX==========================================|",
        "      video  |============XXXXXX============...............===============|",
        "8  8  audio  |..............................==============================|",
        "      video  |............................................................|",
        "= recorded, . absent, X gap; a column is 1.0 s; times of 2026-05-03 in UTC",
        "  absent  14:00:11.250 to 14:00:41.250     30.0 s  user 8 audio: not there yet",
        "  absent  14:00:11.250 to 14:01:11.250     60.0 s  user 8 video: the stream has no such track",
        "  lost    14:00:23.250 to 14:00:29.250      6.0 s  user 7 audio and video: missing rec/a.ts",
        "  absent  14:00:41.250 to 14:00:56.250     15.0 s  user 7 video: paused: the vendor's messages say so",
    ]


def test_colours_only_colour() -> None:
    people = person("7", absences=(absence(30, 45),), gaps=(gap(12, 18),))
    plain, painted = drawn(people), drawn(people, has_colour=True)

    assert painted[3].endswith("|\x1b[32m============\x1b[0m\x1b[1;31mXXXXXX\x1b[0m\x1b[32m" + "=" * 42 + "\x1b[0m|")
    for colour in ("32", "2", "1;31"):
        assert any(f"\x1b[{colour}m" in line for line in painted)
        painted = [line.replace(f"\x1b[{colour}m", "").replace("\x1b[0m", "") for line in painted]
    assert painted == plain


def test_a_lost_tenth_of_a_second_is_seen_in_a_day() -> None:
    day = 86_400.0

    rows = drawn(person(lasts=day, gaps=(gap(0.5 * day, 0.5 * day + 0.1),)), lasts=day)
    assert rows[3].count("X") == 1
    assert max(map(len, rows[:5])) <= 75


def test_seventeen_people_fit_a_plain_terminal() -> None:
    people = [person(f"participant-{n:07d}", wall_s=n, lasts=3000, name=f"stream-{n:012d}") for n in range(17)]

    rows = drawn(*people, width=80, lasts=3020)
    head = rows[: 3 + 2 * 17]
    assert max(map(len, head)) <= 80
    assert sum("=" * 30 in row for row in head) == 34
    assert [row.split()[0] for row in head[3::2]] == [f"partic…{n:07d}" for n in range(17)]


def test_several_streams_of_a_user_stand_below_one_name() -> None:
    screen = person("7", name="7s", kind=StreamKind.SCREEN)

    labels = [row.split("|")[0].split() for row in drawn(person("7"), screen)[3:7]]
    assert labels == [["7", "7", "audio"], ["video"], ["7s", "audio"], ["video"]]


def test_without_a_wall_clock_times_are_those_of_the_stream() -> None:
    nowhere = replace(room(person(clock=NO_CLOCK, gaps=(gap(20, 30),))), started_at=None, ended_at=None)

    shown = list(lines(timeline(nowhere), Canvas(width=77)))
    assert shown[1].split() == ["0:00:00", "0:00:10", "0:00:20", "0:00:30", "0:00:40", "0:00:50"]
    assert shown[3] == f"7  7 ~  audio  |{'=' * 20}{'X' * 10}{'=' * 30}|"
    assert "no wall clock is known" in shown[5]
    assert shown[6].startswith("  lost    20.000 to 30.000 s     10.0 s  user 7 audio and video: missing")


def test_names_do_no_harm_and_wide_ones_keep_the_rows_straight() -> None:
    rows = drawn(person(HOSTILE, gaps=(gap(1, 2, segment=HOSTILE),)), person("漢字", name="x"))

    assert not {"\x1b", "\x07", "\u202e", "\n"} & set("".join(rows))
    assert rows[5].index("|") == rows[6].index("|") - 2  # two characters of two columns each


def test_an_empty_recording() -> None:
    assert list(lines(timeline(replace(room(), streams=())), Canvas()))[1:] == ["  no stream was recorded"]


@pytest.fixture
def published(site: Site) -> Site:
    """A recording with a gap, in the catalog and in the output."""
    site.lay_zego(without=2)
    aftertake("submit", site.source)
    assert aftertake("process", ZEGO).code == 3
    return site


def test_from_the_catalog_and_from_the_output_alike(published: Site) -> None:
    run = aftertake("show", ZEGO, "--timeline")
    alone = aftertake("show", ZEGO, "--timeline", "--output", published.output)

    assert (run.code, run.err, run.out) == (0, "", alone.out)
    assert run.out.startswith(f"{ZEGO}: gaps, room ")
    assert "X" in run.out.splitlines()[3]
    assert "\x1b" not in run.out
    assert max(map(len, run.out.splitlines()[:5])) == 80


def test_as_json(published: Site) -> None:
    run = aftertake("show", ZEGO, "--timeline", "--json")

    assert run.json == aftertake("show", ZEGO, "--timeline", "--json", "--output", published.output).json
    assert run.json["schema"] == "aftertake.timeline/1"
    (recording,) = run.json["recordings"]
    assert (recording["vendor"], recording["verdict"], recording["reason"]) == ("zego", "gaps", None)
    assert [lane["track"] for lane in recording["lanes"]] == ["audio", "video"]
    (lost,) = recording["lanes"][1]["gaps"]
    assert (lost["cause"], lost["from"] is not None) == ("missing", recording["from"] is not None)


def test_one_that_is_not_published_says_so(site: Site) -> None:
    site.register("early")

    assert aftertake("show", "early", "--timeline").out == "agora:early: no timeline: nothing is published yet\n"
    (recording,) = aftertake("show", "early", "--timeline", "--json").json["recordings"]
    assert (recording["task_id"], recording["lanes"], recording["reason"]) == ("early", [], "nothing is published yet")
    assert aftertake("show", "nobody", "--timeline").code == 4


@pytest.mark.parametrize(("no_colour", "has_colour"), [(None, True), ("1", False), ("", True)])
def test_colours_on_a_terminal_unless_nobody_wants_them(
    no_colour: str | None, has_colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_colour is not None:
        monkeypatch.setenv("NO_COLOR", no_colour)
    main, terminal = os.openpty()
    with os.fdopen(main, "rb"), os.fdopen(terminal, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        canvas = Canvas.of_stdout()
        monkeypatch.undo()
    assert canvas == Canvas(width=100, has_colour=has_colour)

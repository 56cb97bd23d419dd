"""`aftertake who` and `aftertake rooms`: people and times, exact to absences."""

import json
import shlex

import pytest

from catalog.model import State
from tests.catalog.builders import absence, at
from tests.catalog.steps import key_of
from tests.catalog.test_attendance import held
from tests.catalog.test_timeline import NO_CLOCK, person
from tests.cli.running import aftertake
from tests.cli.site import HOSTILE, Site


@pytest.fixture
def met(site: Site) -> Site:
    """Ann is in a room with Bob, goes out for ten seconds, and is alone in another one afterwards."""
    out = absence(20, 30, track="both")
    first = held("t1", person("ann", absences=(out,)), person("bob", wall_s=10, lasts=50))
    with site.catalog() as catalog:
        late = person("ann", wall_s=600, lasts=60)
        second = held("t2", late, room="S", lasts=660)
        catalog.reindex([(each, key_of(each)) for each in (first, second)])
    return site


@pytest.mark.usefixtures("met")
def test_who_was_on_at_a_moment() -> None:
    run = aftertake("who", "--room", "R", "--at", "2026-05-03T14:00:25Z")

    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines() == [
        "user  stream  track            from (UTC)               to (UTC)                 recording",
        "ann   ann     audio and video  2026-05-03 14:00:11.250  2026-05-03 14:00:31.250  agora:t1",
        "bob   bob     audio and video  2026-05-03 14:00:21.250  2026-05-03 14:01:11.250  agora:t1",
    ]
    (bob,) = aftertake("who", "--room", "R", "--at", "2026-05-03T14:00:35Z", "--json").json["people"]
    assert (bob["user"], bob["from"], bob["is_exact"]) == ("bob", "2026-05-03T14:00:21.250Z", True)


@pytest.mark.usefixtures("met")
def test_who_was_on_over_some_time() -> None:
    given = ("who", "--room", "R", "--at", "2026-05-03T14:00", "--to", "2026-05-03T14:02")
    told = [json.loads(line) for line in aftertake(*given, "--jsonl").out.splitlines()]
    run = aftertake(*given, "--json")

    assert [each["user"] for each in told] == ["ann", "bob", "ann"]
    assert run.json["people"] == told
    assert (run.json["schema"], run.json["room"], run.json["has_more"]) == ("aftertake.who/1", "R", False)


@pytest.mark.usefixtures("met")
@pytest.mark.parametrize("given", [("R", "2026-05-03T14:30"), ("nowhere", "2026-05-03T14:00:25")])
def test_nobody(given: tuple[str, str]) -> None:
    run = aftertake("who", "--room", given[0], "--at", given[1])

    assert (run.code, run.out) == (4, "")
    assert run.err.startswith(f"aftertake: nobody was recorded in room {given[0]} at {given[1][:16]}")
    assert aftertake("who", "--room", given[0], "--at", given[1], "--json").json["people"] == []


def test_what_is_not_published_cannot_tell_yet(site: Site) -> None:
    site.register("t9", room="R", state=State.RECORDING)

    run = aftertake("who", "--room", "R", "--at", "9998-01-01")
    assert run.code == 4
    assert "not known yet: agora:t9: recording; who is in it is told once it is published" in run.err
    (unknown,) = aftertake("who", "--room", "R", "--at", "9998-01-01", "--json").json["unknown"]
    assert unknown["task_id"] == "t9"


def test_times_that_are_not_known_and_names_that_do_harm(site: Site) -> None:
    vague = person(HOSTILE, clock=NO_CLOCK, started_at=None, ended_at=None)
    with site.catalog() as catalog:
        manifest = held("t1", vague, room=HOSTILE)
        catalog.reindex([(manifest, key_of(manifest))])

    for run in (aftertake("who", "--room", HOSTILE, "--at", str(at(5))), aftertake("rooms", "--user", HOSTILE)):
        assert run.code == 0
        assert not {"\x1b", "\x07", "\u202e"} & set(run.out)
        assert "~2026-05-03 14:00:11" in run.out
        assert len(run.out.splitlines()) == 2


@pytest.mark.usefixtures("met")
def test_rooms_of_a_user() -> None:
    run = aftertake("rooms", "--user", "ann", "--from", "2026-05-03T14:00")

    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines() == [
        "room  recording  from (UTC)           to (UTC)             stream",
        "S     agora:t2   2026-05-03 14:10:11  2026-05-03 14:11:11  ann",
        "R     agora:t1   2026-05-03 14:00:11  2026-05-03 14:00:31  ann",
        "R     agora:t1   2026-05-03 14:00:41  2026-05-03 14:01:11  ann",
    ]
    out = aftertake("rooms", "--user", "ann", "--from", "2026-05-03T14:00:32", "--to", "2026-05-03T14:00:41")
    assert (out.code, out.out) == (4, "")
    assert out.err.startswith("aftertake: user ann was not recorded in that time")


@pytest.mark.usefixtures("met")
@pytest.mark.parametrize(("at", "task"), [("14:00:25", "t1"), ("14:10:30", "t2")])
def test_the_recording_of_a_user_at_a_time(at: str, task: str) -> None:
    given = ("--user", "ann", "--from", f"2026-05-03T{at}Z", "--to", f"2026-05-03T{at}.001Z")

    assert [each["task_id"] for each in aftertake("ls", *given, "--json").json["recordings"]] == [task]
    assert aftertake("ls", "--user", "cy", *given[2:]).code == 4


@pytest.mark.usefixtures("met")
def test_rooms_page_by_page() -> None:
    first = aftertake("rooms", "--user", "ann", "--limit", "1")
    *_, more = first.out.splitlines()
    second = aftertake(*shlex.split(more.removeprefix("more: "))[1:], "--jsonl")

    assert first.out.splitlines()[1].startswith("S ")
    (line,) = second.out.splitlines()
    assert (json.loads(line)["room"], len(json.loads(line)["attendances"])) == ("R", 2)
    whole = aftertake("rooms", "--user", "ann", "--json").json
    assert (whole["schema"], whole["recordings"][1]) == ("aftertake.rooms/1", json.loads(line))


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    "given",
    [("who", "--room", "R"), ("who", "--at", "24h"), ("rooms",), ("rooms", "--user", "a", "--from", "yesterday")],
)
def test_what_must_be_said(given: tuple[str, ...]) -> None:
    run = aftertake(*given)

    assert (run.code, run.out) == (2, "")
    assert "usage: aftertake" in run.err

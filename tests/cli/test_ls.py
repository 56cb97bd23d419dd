"""`aftertake ls`: what is found, page by page, and how it is shown."""

import json
import shlex
from pathlib import Path

import pytest

from catalog.model import State
from catalog.records import id_text
from deployments.sandbox.layouts import AGORA_SID, ZEGO_TASK
from tests.cli.running import aftertake
from tests.cli.site import AGORA, HOSTILE, ZEGO, Site


@pytest.fixture
def processed(site: Site) -> Site:
    """A complete recording of Agora's, one of ZEGOCLOUD's with a gap, and one that was only heard of."""
    site.lay_agora()
    site.lay_zego(without=2)
    assert aftertake("submit", site.source).code == 0
    assert [aftertake("process", task).code for task in (AGORA, ZEGO)] == [0, 3]
    site.register("waits", room="later", state=State.RECORDING)
    return site


def ids(*arguments: str) -> list[str]:
    run = aftertake("ls", *arguments, "--json")
    assert (run.code, run.err) == (0, "")
    return [recording["task_id"] for recording in run.json["recordings"]]


@pytest.mark.usefixtures("processed")
def test_a_table_for_people() -> None:
    run = aftertake("ls")

    assert (run.code, run.err) == (0, "")
    head, first, *others = run.out.splitlines()
    assert head.split() == ["verdict", "recording", "room", "start", "(UTC)", "length", "rev"]
    assert first.split() == ["recording", "agora:waits", "later", "-", "-", "-"]
    for line in (first, *others):
        assert line[head.index("recording") :].startswith(("agora:", "zego:"))
        assert line[head.index("room") - 1] == " "
    assert f"complete   {AGORA}" in run.out
    assert "physics_101  2026-03-04 09:30:15  0:00:08  1" in run.out


@pytest.mark.usefixtures("processed")
def test_everything_that_can_be_asked() -> None:
    assert set(ids()) == {"waits", AGORA_SID, ZEGO_TASK}
    assert ids("--task", AGORA_SID) == ids("--task", AGORA) == ids("--room", "physics_101") == [AGORA_SID]
    assert ids("--vendor", "zego") == ids("--verdict", "gaps,missing") == [ZEGO_TASK]
    assert ids("--verdict", "complete,gaps", "--stream", "mix") == [AGORA_SID]
    assert ids("--state", "recording,waiting") == ids("--from", "24h") == ["waits"]
    assert set(ids("--from", "2026-03-04", "--to", "2026-03-05")) == {AGORA_SID, ZEGO_TASK}
    assert set(ids("--from", "2026-03-04T15:00+05:30", "--to", "2026-03-04T09:30:16Z")) == {AGORA_SID, ZEGO_TASK}
    for nothing in (("--task", f"zego:{AGORA_SID}"), ("--user", "1"), ("--alarm",), ("--to", "2026-03-04T09:30:15")):
        run = aftertake("ls", *nothing)
        assert (run.code, run.out) == (4, "")
        assert run.err.startswith("aftertake: no such recording in the catalog sqlite:///")


@pytest.mark.usefixtures("processed")
def test_json_and_its_lines() -> None:
    run, told = aftertake("ls", "--json"), aftertake("ls", "--jsonl", "--limit", "2")

    assert run.json["schema"] == "aftertake.ls/1"
    assert run.json["cursor"] is None
    assert {(r["state"], r["verdict"]) for r in run.json["recordings"]} == {
        ("settled", "complete"),
        ("settled", "gaps"),
        ("recording", None),
    }
    assert [json.loads(line) for line in told.out.splitlines()] == run.json["recordings"][:2]
    assert told.err.startswith("more: aftertake ls --limit=2 --cursor=")


def test_the_next_page_is_a_command(site: Site) -> None:
    tasks = [id_text(site.register(f"task{number}", room="a room; rm -rf")) for number in range(7)]

    seen: list[str] = []
    command = ["ls", "--room", "a room; rm -rf", "--limit", "3", "--from", "1h"]
    for size in (3, 3, 1):
        run = aftertake(*command)
        *rows, last = run.out.splitlines()[1:] if size == 3 else [*run.out.splitlines()[1:], ""]
        seen += [row.split()[1] for row in rows]
        assert len(rows) == size
        command = shlex.split(last.removeprefix("more: "))[1:]
    assert seen == tasks[::-1]
    assert last == ""


def test_the_cursor_of_another_search(site: Site) -> None:
    for number in range(2):
        site.register(f"task{number}")
    cursor = aftertake("ls", "--limit", "1", "--json").json["cursor"]

    for given, says in ((cursor, "belongs to another search"), ("x", "is no cursor"), ("\udcff\x1b", "is no cursor")):
        run = aftertake("ls", "--vendor", "agora", "--cursor", given)
        assert (run.code, run.out) == (2, "")
        assert says in run.err
        assert "\x1b" not in run.err


def test_alarms_stand_below_their_recordings(site: Site) -> None:
    site.register("fine")
    site.alarm(site.register("held"), HOSTILE)

    run = aftertake("ls", "--alarm")

    _, row, alarm = run.out.splitlines()
    assert row.startswith("waiting !  agora:held")
    assert alarm == "    ! \\x1b[2Jroom\\x1b]0;owned\\x07\\n\\u202eü漢字"
    assert aftertake("ls", "--json").json["recordings"][0]["alarm"] == HOSTILE


def test_names_do_no_harm_and_keep_the_table_straight(site: Site) -> None:
    for task_id, room in ((HOSTILE, HOSTILE), ("漢" * 20, "字" * 40), ("x" * 900, "y" * 900), ("e\u0301" * 9, None)):
        site.register(task_id, room=room)

    run = aftertake("ls")

    assert run.code == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(run.out)
    assert len(run.out.splitlines()) == 5
    assert f"agora:{'x' * 900}  {'y' * 23}…" in run.out
    assert {r["task_id"] for r in aftertake("ls", "--json").json["recordings"]} >= {HOSTILE, "漢" * 20}
    assert ids("--room", HOSTILE) == ids("--task", HOSTILE) == [HOSTILE]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "yesterday"), "write a time as"),
        (("--from", "0001-01-01T00:00+14:00"), "write a time as"),
        (("--to", "9999-12-31T23:59-12:00"), "write a time as"),
        (("--to", "999999d"), "write a time as"),
        (("--verdict", "good"), "write some of complete, gaps"),
        (("--state", ","), "write some of hinted, recording"),
        (("--limit", "0"), "from 1 to 500"),
        (("--limit", "501"), "from 1 to 500"),
        (("--limit", "9" * 5000), "from 1 to 500"),
        (("--room", ""), "write 1 to 1024 characters"),
        (("--room", "a\0b"), "write 1 to 1024 characters"),
        (("--task", "\udcff"), "write 1 to 1024 characters"),
        (("--user", "x" * 1025), "write 1 to 1024 characters"),
        (("--colour",), "usage: aftertake"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], says: str, site: Site) -> None:
    run = aftertake("ls", *arguments)

    assert (run.code, run.out) == (2, "")
    assert says in run.err
    assert not (site.folder / "data").exists()


@pytest.mark.usefixtures("site")
def test_a_catalog_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    monkeypatch.setenv("AFTERTAKE_CATALOG", f"sqlite:///{tmp_path}/folder.db")

    run = aftertake("ls")

    assert (run.code, run.out) == (5, "")
    assert "does not answer" in run.err


def test_doctor_asks_the_catalog(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def catalog() -> dict[str, str]:
        check: dict[str, str] = aftertake("doctor", "--json").json["catalog"]
        return check

    assert "are made" in catalog()["seen"]
    assert not (site.folder / "data" / "catalog.db").exists()
    site.register("one")
    assert "of this version" in catalog()["seen"]
    (site.folder / "folder.db").mkdir()
    monkeypatch.setenv("AFTERTAKE_CATALOG", f"sqlite:///{site.folder}/folder.db")
    assert catalog()["outcome"] == "fail"
    assert "  FAIL     catalog " in aftertake("doctor").out

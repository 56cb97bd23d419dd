"""`aftertake show TASK`: all that the catalog and the manifest know of a recording."""

import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from catalog.model import State
from catalog.records import read_id
from deployments.sandbox.layouts import AGORA_SID, ZEGO_TASK
from tests.catalog.builders import at
from tests.catalog.steps import key_of, recording_id, told_by
from tests.cli.running import aftertake
from tests.cli.site import AGORA, HOSTILE, ZEGO, Site


@pytest.fixture
def published(site: Site) -> Site:
    """A recording with a gap, in the catalog and in the output."""
    site.lay_zego(without=2)
    aftertake("submit", site.source)
    assert aftertake("process", ZEGO).code == 3
    return site


def test_a_published_one_with_its_gaps_and_its_story(published: Site) -> None:
    run = aftertake("show", ZEGO)

    assert (run.code, run.err) == (0, "")
    shown = run.out.splitlines()
    assert shown[0] == f"{ZEGO}: gaps"
    assert "  source    calls, folder record/" in shown
    assert "  stream    room_7_mix_out  user -  mixed  8.021 s" in shown
    manifest = aftertake("show", ZEGO, "--output", published.output).out.splitlines()
    assert manifest == shown[shown.index(manifest[0]) :][: len(manifest)]
    assert any("lost " in line for line in manifest)
    told = [line.split("  ")[2:] for line in shown[-3:]]
    assert told[0] == ["stopped: submitted", "(ada@desk)"]
    assert told[1][0] == "processing: by hand"
    assert told[2][0] == "gaps: gaps, revision 1"


def test_json_is_that_of_the_manifest_and_more(published: Site) -> None:
    run = aftertake("show", ZEGO_TASK, "--json")
    alone = aftertake("show", ZEGO_TASK, "--output", published.output, "--json")

    assert (run.json["schema"], run.json["state"], run.json["verdict"]) == ("aftertake.show/1", "settled", "gaps")
    ((shown,), (manifest,)) = run.json["recordings"], alone.json["recordings"]
    assert {key: shown[key] for key in manifest} == manifest
    assert shown["source"] == "calls"
    assert shown["next"].startswith("it is looked at again at ")
    assert [(c["was"], c["state"], c["verdict"]) for c in shown["history"]] == [
        (None, "stopped", None),
        ("stopped", "processing", None),
        ("processing", "settled", "gaps"),
    ]


def test_one_that_was_only_heard_of(site: Site) -> None:
    site.register("early", state=State.RECORDING)

    run, shown = aftertake("show", "early"), aftertake("show", "early", "--json")

    assert run.code == 0
    assert "  next      it is due once it is known to have stopped" in run.out.splitlines()
    (recording,) = shown.json["recordings"]
    assert (shown.json["state"], shown.json["verdict"], recording["revision"]) == ("recording", None, 0)
    assert (recording["streams"], recording["outputs"], recording["manifest"]) == ([], [], None)


def test_a_verdict_is_not_told_while_it_is_processed_again(published: Site) -> None:

    with published.catalog() as catalog:
        catalog.claims.take(read_id(ZEGO), holder="other", ttl=timedelta(minutes=1), cause="run 1")

    shown = aftertake("show", ZEGO, "--json")

    (recording,) = shown.json["recordings"]
    assert (recording["state"], recording["verdict"], recording["revision"]) == ("processing", None, 1)
    assert shown.json["verdict"] is None
    assert "  next      somebody works on it now" in aftertake("show", ZEGO).out


@pytest.mark.parametrize("damage", ["gone", "strange"])
def test_without_its_manifest_the_catalog_is_shown(damage: str, published: Site) -> None:
    if damage == "gone":
        shutil.rmtree(published.output)
    else:
        for manifest in published.output.rglob("0*.json"):
            manifest.write_bytes(b"{}")

    run, shown = aftertake("show", ZEGO), aftertake("show", ZEGO, "--json")

    assert run.code == 0
    assert "  ! the manifest could not be read: " in run.out
    assert "  output    media/zego/" in run.out
    (recording,) = shown.json["recordings"]
    assert (recording["verdict"], len(recording["streams"]), len(recording["outputs"])) == ("gaps", 1, 1)
    assert recording["manifest_error"]


@pytest.mark.usefixtures("site")
def test_all_with_that_id() -> None:
    aftertake("submit", "agora:same")
    aftertake("submit", "zego:same")

    run = aftertake("show", "same")

    assert [line for line in run.out.splitlines() if line[0] != " "] == ["agora:same: stopped", "zego:same: stopped"]
    assert len(aftertake("show", "same", "--json").json["recordings"]) == 2
    assert len(aftertake("show", "zego:same", "--json").json["recordings"]) == 1


def test_names_do_no_harm(site: Site) -> None:
    site.alarm(site.register(HOSTILE, room=HOSTILE), HOSTILE)

    run = aftertake("show", HOSTILE)

    assert run.code == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(run.out)
    assert "  ! \\x1b[2Jroom\\x1b]0;owned\\x07\\n\\u202eü漢字" in run.out.splitlines()
    assert aftertake("show", HOSTILE, "--json").json["recordings"][0]["room"] == HOSTILE


@pytest.mark.parametrize(
    ("task", "code", "says"),
    [
        ("nothing", 4, "`aftertake submit` makes one known"),
        (f"zego:{AGORA_SID}", 4, "knows no recording"),
        ("a\0b", 2, "write 1 to 1024 characters"),
        ("", 2, "write 1 to 1024 characters"),
    ],
)
def test_what_is_not_known(task: str, code: int, says: str, site: Site) -> None:
    site.register(AGORA_SID)

    run = aftertake("show", task)

    assert (run.code, run.out) == (code, "")
    assert says in run.err
    assert aftertake("show", AGORA).code == 0


def test_a_chain_has_a_line_for_each_recording_and_its_hole(site: Site) -> None:
    with site.catalog() as catalog:
        for task_id, begin, end in (("t1", 0, 60), ("t2", 72.5, 100), ("t3", 95, 120)):
            made = told_by(recording_id(task_id), started_at=at(begin), ended_at=at(end))
            made = replace(made, streams=())
            catalog.reindex([(made, key_of(made))])

    run = aftertake("show", "t2")
    assert [line for line in run.out.splitlines() if line.startswith("  chain")] == [
        "  chain     agora:t1: complete  2026-05-03T14:00:11.250Z to 2026-05-03T14:01:11.250Z",
        "  chain   > agora:t2: complete  2026-05-03T14:01:23.750Z to 2026-05-03T14:01:51.250Z  hole 12500 ms",
        "  chain     agora:t3: complete  2026-05-03T14:01:46.250Z to 2026-05-03T14:02:11.250Z  overlap 5000 ms",
    ]
    (shown,) = aftertake("show", "t2", "--json").json["recordings"]
    assert [(link["task_id"], link["hole_ms"], link["is_exact"]) for link in shown["chain"]] == [
        ("t1", None, True),
        ("t2", 12_500, True),
        ("t3", -5_000, True),
    ]
    site.register("alone", room="elsewhere")
    site.register("nowhere")
    assert "chain" not in aftertake("show", "alone").out
    assert aftertake("show", "nowhere", "--json").json["recordings"][0]["chain"] is None

"""`aftertake reindex`: a catalog out of nothing but the output."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from catalog.records import read_id
from deployments.sandbox.layouts import AGORA_SID
from tests.cli.running import aftertake
from tests.cli.site import AGORA, ZEGO, Site
from tests.flows.folders import contents, slices
from tests.lab import plain


@pytest.fixture
def published(site: Site) -> Site:
    """Three settled recordings, one of them in its second revision."""
    laid = site.lay_agora(without=2)
    site.lay_zego(without=1)
    plain(slices()).write_to(site.source / "more")
    submitted = aftertake("submit", site.source, "--json").json["recordings"]
    for recording in submitted:
        assert aftertake("process", f"{recording['vendor']}:{recording['task_id']}").code in {0, 3}
    site.lay_agora()
    assert laid.segments
    assert aftertake("process", AGORA).code == 0
    return site


def drop(site: Site) -> None:
    for path in (site.folder / "data").glob("catalog.db*"):
        path.unlink()


def listed() -> dict[str, Any]:
    run = aftertake("ls", "--json")
    return {recording["task_id"]: recording for recording in run.json["recordings"]}


def derived(site: Site) -> dict[str, bytes]:
    return {
        key: body
        for key, body in contents(site.output).items()
        if key.startswith("index/") or key.endswith("latest.json")
    }


def test_a_dropped_catalog_comes_back(published: Site) -> None:
    before, table = listed(), sorted(aftertake("ls").out.splitlines())
    drop(published)
    assert aftertake("ls").code == 4

    run = aftertake("reindex")

    assert (run.code, run.err) == (0, "")
    assert run.out.startswith("4 manifests of 3 recordings: ")
    assert listed() == before
    assert sorted(aftertake("ls").out.splitlines()) == table
    with published.catalog() as catalog:
        recording = catalog.get(read_id(AGORA))
    assert (recording.source, recording.folder, recording.revision) == ("calls", "classes/", 2)
    for task in before:
        assert aftertake("retry", task).code == 0
        assert aftertake("process", task).code in {0, 3}
    assert listed() == before


def test_what_was_derived_is_made_again_as_it_was(published: Site) -> None:
    before = derived(published)
    shutil.rmtree(published.output / "index")
    for hint in published.output.rglob("latest.json"):
        hint.unlink()

    run = aftertake("reindex", "--json")

    assert derived(published) == before
    assert run.json == {
        "schema": "aftertake.reindex/1",
        "recordings": 3,
        "manifests": 4,
        "newer": 0,
        "derived": len(before),
        "unreadable": [],
    }
    assert aftertake("reindex", "--json").json["derived"] == 0


def test_what_cannot_be_read_is_told_and_skipped(published: Site) -> None:
    drop(published)
    manifests = published.output / "manifests"
    newest = next(manifests.glob(f"agora/{AGORA_SID}/000002-*.json"))
    first = next(manifests.glob("zego/*/000001-*.json"))
    newest.write_bytes(b'{"schema": "\x1b[2J"}')
    (manifests / "agora" / "other").mkdir()
    shutil.copy(first, manifests / "agora" / "other" / first.name)
    (manifests / "agora" / "other" / "notes.txt").write_text("not ours")
    (manifests / "agora" / AGORA_SID / "latest.json").unlink()

    run = aftertake("reindex")

    assert run.code == 3
    assert len(run.err.splitlines()) == 2
    assert f"what stands at manifests/agora/{AGORA_SID}/{newest.name} cannot be read" in run.err
    assert "says that it is revision 1 of Zk3-QeE4Iq2AAAAB. Move it away" in run.err
    assert "\x1b" not in run.err
    assert "2 unreadable" in run.out
    assert {task: r["revision"] for task, r in listed().items() if task == AGORA_SID} == {AGORA_SID: 1}
    assert len(listed()) == 3
    assert not (manifests / "agora" / AGORA_SID / "latest.json").exists()
    assert not (manifests / "agora" / "other" / "latest.json").exists()


def test_in_small_batches_each_recording_stays_whole(published: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before, hints = listed(), derived(published)
    drop(published)
    shutil.rmtree(published.output / "index")
    monkeypatch.setattr("flows.steps.reindexing.BATCH", 1)
    monkeypatch.setattr("cli.progress._PLAIN_EVERY_S", 0.0)

    run = aftertake("reindex")

    assert run.err.splitlines() == ["reindex: 2 manifests", "reindex: 3 manifests", "reindex: 4 manifests"]
    assert listed() == before
    assert derived(published) == hints


def test_another_output_and_a_source_that_is_not_configured(published: Site, tmp_path: Path) -> None:
    shutil.move(published.output, tmp_path / "moved")
    drop(published)
    published.configure()

    assert aftertake("reindex").code == 4
    run = aftertake("reindex", "--output", tmp_path / "moved")

    assert run.code == 0
    assert len(listed()) == 3
    with published.catalog() as catalog:
        assert catalog.get(read_id(ZEGO)).source is None


def test_what_is_known_better_stays(published: Site) -> None:
    with published.catalog() as catalog:
        before = catalog.get(read_id(ZEGO))
        changes = catalog.changes(read_id(ZEGO))

    assert aftertake("reindex").code == 0
    with published.catalog() as catalog:
        assert catalog.get(read_id(ZEGO)) == before
        assert catalog.changes(read_id(ZEGO)) == changes


@pytest.mark.usefixtures("site")
def test_nothing_is_there() -> None:
    run = aftertake("reindex")

    assert (run.code, run.out) == (4, "")
    assert "no manifest in file:///" in run.err
    assert aftertake("reindex", "--output", "\0").code == 2

"""`aftertake backfill`: counted first, handed over once, followed to the end."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from catalog.model import RecordingId, State
from catalog.records import read_id
from cli.exits import Exit
from deployments.sandbox.clouds.buckets import CloudName
from flows.opening import open_worker
from flows.process import Inline, process_recording, run_inline
from flows.settings import Settings
from tests.cli.running import aftertake
from tests.cli.site import AGORA, HOSTILE, ZEGO, Site
from tests.clouds import ENVIRONMENT, new_bucket, running_clouds
from tests.flows.folders import aged, slices
from tests.lab import agora_mixed


@pytest.fixture
def laid(site: Site) -> Site:
    """Two recordings that nobody knows, and a strange file."""
    site.lay_agora()
    site.lay_zego()
    (site.source / "notes.txt").write_text("12345")
    aged(site.source)
    return site


def todos(document: dict[str, Any]) -> dict[str, str]:
    [source] = document["sources"]
    return {f"{each['vendor']}:{each['task_id']}": each["todo"] for each in source["recordings"]}


def state(site: Site, recording: str) -> State:
    with site.catalog() as catalog:
        return catalog.get(read_id(recording)).state


@contextmanager
def a_worker(*recordings: RecordingId) -> Iterator[None]:
    """Somebody who works on these recordings as soon as they are known."""

    def work() -> None:
        with open_worker(Settings.load()) as worker:
            for recording in recordings:
                while not worker.catalog.known([recording]):
                    time.sleep(0.02)
                run_inline(process_recording(Inline(), worker, recording))

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def test_a_dry_run_counts_and_lists_and_changes_nothing(laid: Site) -> None:
    run = aftertake("backfill", "--dry-run")
    assert (run.code, run.err) == (Exit.OK, "")
    head, store, strange, *listed, end = run.out.splitlines()
    assert head == "calls: 2 recordings: 2 to build"
    assert store.startswith(f"  {laid.source.as_uri()}: 11 objects listed; 0.")
    assert strange == "  ! 1 unreadable name, which no recording claims: notes.txt"
    assert listed[0].startswith(f"  build  {AGORA}  physics_101  2026-03-04 09:30:15  new")
    assert len(listed) == 2
    assert end == "nothing was changed (--dry-run)"
    with laid.catalog() as catalog:
        assert catalog.counts() == {}


def test_it_is_handed_over_and_a_second_one_does_nothing(laid: Site) -> None:
    run = aftertake("backfill", "--json")
    assert (run.json["schema"], run.json["dry_run"], run.json["handed_over"]) == ("aftertake.backfill/1", False, 2)
    assert todos(run.json) == {AGORA: "build", ZEGO: "build"}
    assert (run.json["counts"]["build"], run.json["cross_cloud_bytes"]) == (2, 0)
    assert run.json["sources"][0]["unreadable"] == {"count": 1, "size_bytes": 5, "keys": ["notes.txt"]}
    again = aftertake("backfill")
    assert "calls: 2 recordings: 2 under way\n" in again.out
    assert again.out.endswith("nothing is to be done\n")
    assert (again.code, state(laid, ZEGO)) == (Exit.OK, State.STOPPED)


@pytest.mark.usefixtures("laid")
def test_what_is_waited_for_is_complete() -> None:
    with a_worker(read_id(AGORA), read_id(ZEGO)):
        run = aftertake("backfill", "--wait")
    assert (run.code, run.err) == (Exit.OK, "")
    assert run.out.endswith("looked at: 2 complete\n")
    assert "handed over: 2 recordings" in run.out
    done = aftertake("backfill", "--wait", "--json")
    assert (done.code, done.json["counts"]["complete"], done.json["done"]) == (Exit.OK, 2, [])


def test_something_that_is_lost_is_told_by_the_exit_code(site: Site) -> None:
    site.lay_agora(without=2)
    aged(site.source)
    with a_worker(read_id(AGORA)):
        run = aftertake("backfill", "--wait", "--json")
    assert run.code == Exit.LOST
    assert [each["verdict"] for each in run.json["done"]] == ["gaps"]


def test_something_that_is_not_final_is_told_by_the_exit_code(site: Site) -> None:
    site.configure({"name": "calls", "store": str(site.source), "deadline": "24h", "settle_time": "4h"})
    site.lay_agora(end=False)
    site.lay_zego()
    aged(site.source)
    with site.catalog() as catalog:
        catalog.register(read_id(AGORA), state=State.STOPPED, source="calls", cause="heard", actor="test")
    with a_worker(read_id(AGORA)):
        run = aftertake("backfill", "--wait")
    assert run.code == Exit.NOT_FINAL
    assert run.out.endswith("looked at: 1 waiting\n")


def test_times_and_places_narrow_it(laid: Site) -> None:
    laid.configure({"name": "calls", "store": str(laid.source), "vendor": "agora"})
    assert todos(aftertake("backfill", "--dry-run", "--from", "2026-03-04T09:00Z", "--json").json) == {AGORA: "build"}
    assert todos(aftertake("backfill", "--dry-run", "--from", "24h", "--json").json) == {}
    assert todos(aftertake("backfill", "--dry-run", "--to", "2026-03-04", "--json").json) == {}
    assert todos(aftertake("backfill", "--dry-run", "--prefix", "classes/", "--json").json) == {AGORA: "build"}
    assert todos(aftertake("backfill", "--dry-run", "--prefix", "lessons/", "--json").json) == {}
    folder = laid.source / "classes"
    assert todos(aftertake("backfill", "--dry-run", "--prefix", str(folder), "--json").json) == {AGORA: "build"}
    outside = aftertake("backfill", "--dry-run", "--prefix", str(laid.folder))
    assert (outside.code, "lies in no configured source" in outside.err) == (Exit.USAGE, True)


def test_only_what_a_person_names(site: Site) -> None:
    site.lay_agora(without=2)
    site.lay_zego()
    for recording in (AGORA, ZEGO):
        assert aftertake("submit", recording).code == Exit.OK
        aftertake("process", recording)
    run = aftertake("backfill", "--only", "gaps,missing", "--reason", "the bucket was mended", "--json")
    assert todos(run.json) == {AGORA: "again"}
    assert ("ada@desk", "backfill", AGORA, "the bucket was mended") in site.audited()
    wrong = aftertake("backfill", "--only", "gaps,broken")
    assert (wrong.code, "write some of complete, damaged" in wrong.err) == (Exit.USAGE, True)


def test_names_of_others_do_no_harm_to_a_terminal(site: Site) -> None:
    agora_mixed(slices(1), cname=HOSTILE.replace("/", "")).write_to(site.source)
    (site.source / "\x1b[2J.txt").write_text("x")
    aged(site.source)
    run = aftertake("backfill", "--dry-run")
    assert run.code == Exit.OK
    assert "\x1b" not in run.out
    assert "1 to build" in run.out


def test_it_says_what_is_wrong(site: Site) -> None:
    assert "there is no source 'x'" in aftertake("backfill", "--source", "x").err
    assert "no source has app" in aftertake("backfill", "--history").err
    turned = aftertake("backfill", "--from", "2026-03-05", "--to", "2026-03-04")
    assert (turned.code, "Write the earlier one first" in turned.err) == (Exit.USAGE, True)
    site.configure()
    run = aftertake("backfill")
    assert (run.code, "no source is configured" in run.err) == (Exit.USAGE, True)


def test_a_source_whose_vendor_cannot_be_asked_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("calls", "more"):
        (site.folder / name).mkdir(exist_ok=True)
    site.configure(
        {"name": "calls", "store": str(site.folder / "calls"), "vendor": "agora"},
        {"name": "more", "store": str(site.folder / "more"), "vendor": "zego", "app": "1234567890"},
    )
    monkeypatch.setenv("AFTERTAKE_MORE_API_SECRET", "0" * 32)
    run = aftertake("backfill", "--source", "calls", "--history")
    assert (run.code, "source calls lacks app" in run.err) == (Exit.USAGE, True)


@pytest.mark.parametrize("cloud", ["s3", "oss", "cos"])
def test_a_bucket_of_another_cloud_costs_traffic(site: Site, monkeypatch: pytest.MonkeyPatch, cloud: CloudName) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    laid = agora_mixed(slices(), folder="calls/2026/")
    with running_clouds() as clouds:
        url = new_bucket(clouds, cloud)
        bucket = url.removeprefix(f"{cloud}://").partition("/")[0]
        for key, data in laid.objects.items():
            clouds.put(cloud, bucket, key, data)
        site.configure(
            {"name": "calls", "store": url.replace(f"{bucket}/", f"{bucket}/calls/", 1), "settle_time": "0s"}
        )
        run = aftertake("backfill", "--prefix", "2026/", "--dry-run", "--json")
        shown = aftertake("backfill", "--dry-run").out
    size_bytes = sum(map(len, laid.objects.values()))
    assert todos(run.json) == {AGORA: "build"}
    assert (run.json["size_bytes"], run.json["cross_cloud_bytes"]) == (size_bytes, size_bytes)
    assert run.json["sources"][0]["recordings"][0]["folder"] == "calls/2026/"
    assert "MB leave their cloud or region on the way to the output" in shown

"""What stands in the output after one, two and three runs."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pytest

from catalog.layout import LatestKey
from catalog.publishing import read_pointer
from deployments.sandbox.layouts import AGORA_SID
from flows.process import Inline, check, process, run_inline
from flows.steps import waiting
from flows.steps.assembling import LedgerOpenError
from flows.steps.finding import NotFinalError, find_recordings
from flows.steps.publishing import Published, StrangeManifestError
from flows.steps.tasks import Task
from media.tracks import Ledger
from storage.base import ObjectStore
from storage.errors import AlreadyExists, Corrupt, Denied
from storage.keys import output_key
from storage.local import LocalStore
from tests.flows.folders import aged, contents, followed, manifests, slices, unfinished
from tests.flows.stores import GarblingStore, InterruptedStore
from tests.lab import Laid, agora_mixed, plain

P = ParamSpec("P")
T = TypeVar("T")


def task(source: ObjectStore) -> Task:
    ((objects, metas),) = find_recordings(source)
    return Task(source=source, objects=objects, metas=metas, now=datetime.now(UTC))


def processed(source: Path, output: Path) -> Published:
    return run_inline(process(Inline(), task(LocalStore(source)), LocalStore(output)))


def without(laid: Laid, *numbers: int) -> Laid:
    lost = {laid.segments[number] for number in numbers}
    return replace(laid, objects={key: data for key, data in laid.objects.items() if key not in lost})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return agora_mixed(slices()).write_to(tmp_path / "in")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_reader_finds_everything_by_its_index(source: Path, output: Path) -> None:
    published = processed(source, output)
    manifest = followed(output, "agora", AGORA_SID)

    assert manifest == published.manifest
    pointers = [read_pointer(body) for key, body in contents(output).items() if key.startswith("index/")]
    assert {(p.axis.value, p.id) for p in pointers} == {("room", "physics_101"), ("stream", "mix")}
    assert {p.manifest for p in pointers} == {published.key}
    assert unfinished(output) == []


def test_twice_publishes_once(source: Path, output: Path) -> None:
    first = processed(source, output)
    before = contents(output)
    second = processed(source, output)

    assert (second.key, second.manifest) == (first.key, first.manifest)
    assert contents(output) == before


def test_check_says_what_process_would_and_writes_nothing(source: Path, output: Path) -> None:
    checked = run_inline(check(Inline(), task(LocalStore(source))))
    manifest = processed(source, output).manifest

    assert checked.key is None
    assert (checked.manifest.verdict, checked.manifest.findings) == (manifest.verdict, manifest.findings)
    assert [s.gaps for s in checked.manifest.streams] == [s.gaps for s in manifest.streams]


def test_a_late_slice_makes_a_second_revision(tmp_path: Path, output: Path) -> None:
    laid = agora_mixed(slices())
    source = without(laid, 2).write_to(tmp_path / "in")
    first = processed(source, output)
    before = contents(output)
    assert (first.manifest.verdict, first.manifest.revision) == ("gaps", 1)

    laid.write_to(source)
    second = processed(source, output)

    assert (second.manifest.verdict, second.manifest.revision, second.manifest.supersedes) == ("complete", 2, first.key)
    assert followed(output, "agora", AGORA_SID) == second.manifest
    assert second.manifest.streams[0].outputs[0].key != first.manifest.streams[0].outputs[0].key
    derived = ("index/", LatestKey(vendor="agora", task_id=AGORA_SID).key)
    after = contents(output)
    assert {k: after[k] for k in before if not k.startswith(derived)} == {
        k: v for k, v in before.items() if not k.startswith(derived)
    }
    assert {k for k in after if k.startswith("index/")} == {k for k in before if k.startswith("index/")}


def test_a_worse_run_replaces_nothing(source: Path, output: Path) -> None:
    laid = agora_mixed(slices())
    first = processed(source, output)
    before = {k: v for k, v in contents(output).items() if not k.startswith("media/")}

    (source / laid.segments[2]).unlink()
    worse = processed(source, output)

    assert worse.kept == "the verdict falls from complete to gaps; stream mix loses more: 0.000 s, then 2.075 s"
    assert (worse.key, worse.stands, worse.manifest.verdict) == (first.key, first.manifest, "gaps")
    assert {k: v for k, v in contents(output).items() if not k.startswith("media/")} == before


def test_another_object_under_the_key_is_left_alone(source: Path, output: Path, tmp_path: Path) -> None:
    key = processed(source, tmp_path / "first").manifest.streams[0].outputs[0].key
    (output / key).parent.mkdir(parents=True)
    (output / key).write_bytes(b"somebody else's")

    published = processed(source, output)

    (made,) = published.manifest.streams[0].outputs
    assert made.key == key.replace(".mp4", "-2.mp4")
    assert [(f.code, f.where) for f in published.manifest.findings] == [("output_key_taken", key)]
    assert published.manifest.verdict == "complete"
    assert (output / key).read_bytes() == b"somebody else's"
    assert (output / made.key).read_bytes() == (tmp_path / "first" / key).read_bytes()
    followed(output, "agora", AGORA_SID)
    assert processed(source, output).manifest == published.manifest


def test_nine_other_objects_are_enough(source: Path, output: Path, tmp_path: Path) -> None:
    key = processed(source, tmp_path / "first").manifest.streams[0].outputs[0].key
    (output / key).parent.mkdir(parents=True)
    for end in (".mp4", *(f"-{n}.mp4" for n in range(2, 10))):
        (output / key.replace(".mp4", end)).write_bytes(end.encode())

    with pytest.raises(AlreadyExists, match="8 more keys"):
        processed(source, output)
    assert manifests(output) == []


def test_an_equal_object_under_the_key_is_ours(source: Path, output: Path, tmp_path: Path) -> None:
    made = processed(source, tmp_path / "first").manifest.streams[0].outputs[0]
    (output / made.key).parent.mkdir(parents=True)
    (output / made.key).write_bytes((tmp_path / "first" / made.key).read_bytes())

    manifest = processed(source, output).manifest

    assert (manifest.streams[0].outputs[0], manifest.findings) == (made, ())


def test_an_output_that_the_store_garbled_is_never_named(source: Path, output: Path) -> None:
    with pytest.raises(Corrupt, match="crc64xz"):
        run_inline(process(Inline(), task(LocalStore(source)), GarblingStore(output)))
    assert {key.partition("/")[0] for key in contents(output)} == {"media"}

    published = processed(source, output)

    assert followed(output, "agora", AGORA_SID) == published.manifest
    assert [finding.code for finding in published.manifest.findings] == ["output_key_taken"]


def test_an_output_that_does_not_account_for_every_sample_is_not_written(
    source: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "closes", False)
    with pytest.raises(LedgerOpenError, match="mix, part 1, video"):
        processed(source, output)
    assert (contents(output), unfinished(output)) == ({}, [])


def test_a_manifest_that_is_none_is_not_published_over(source: Path, output: Path) -> None:
    key = processed(source, output).key
    assert key is not None
    (output / key).write_bytes(b"{}")

    with pytest.raises(StrangeManifestError, match="Move it away"):
        processed(source, output)
    assert manifests(output) == [key]


@pytest.mark.parametrize("opened", ["playlist", "slice"])
def test_a_playlist_that_is_rewritten_meanwhile(opened: str, tmp_path: Path, output: Path) -> None:
    laid = agora_mixed(slices(8))
    source = agora_mixed(slices(8)[:4]).write_to(tmp_path / "in")
    key = laid.playlists[0] if opened == "playlist" else laid.segments[0]
    store = InterruptedStore(source, key=key, happening=lambda: laid.write_to(source))

    with pytest.raises(NotFinalError, match="was rewritten while it was read"):
        run_inline(process(Inline(), task(store), LocalStore(output)))
    assert manifests(output) == []
    assert processed(source, output).manifest.streams[0].segments.count == 8


def test_a_slice_that_arrives_meanwhile_is_not_called_missing(tmp_path: Path, output: Path) -> None:
    laid = agora_mixed(slices())
    source = without(laid, 2).write_to(tmp_path / "in")
    late = laid.segments[2]
    arrive = (source / late).write_bytes
    store = InterruptedStore(source, key=laid.segments[3], happening=lambda: arrive(laid.objects[late]))

    with pytest.raises(NotFinalError, match=f"slice {late} arrived"):
        run_inline(process(Inline(), task(store), LocalStore(output)))
    assert manifests(output) == []
    assert processed(source, output).manifest.verdict == "complete"


@pytest.mark.parametrize("happening", ["rewritten", "removed"])
def test_a_slice_that_changes_meanwhile_is_left_out_and_named(happening: str, source: Path, output: Path) -> None:
    laid = agora_mixed(slices())
    path = source / laid.segments[2]
    act = path.unlink if happening == "removed" else lambda: path.write_bytes(b"x" * 188)
    store = InterruptedStore(source, key=laid.segments[2], happening=act)

    manifest = run_inline(process(Inline(), task(store), LocalStore(output))).manifest

    assert manifest.verdict == "gaps"
    code = "segment_missing" if happening == "removed" else "segment_changed"
    assert (code, laid.segments[2]) in [(f.code, f.where) for f in manifest.findings]


class Spy(Inline):
    """Remembers the store that each step reads."""

    def __init__(self) -> None:
        self.stores: list[ObjectStore] = []

    async def run(self, name: str, step: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        store: Any = args[0]
        self.stores.append(store)
        return await super().run(name, step, *args, **kwargs)


@pytest.mark.parametrize("story", ["process", "check"])
def test_no_step_can_write_the_source(story: str, source: Path, output: Path) -> None:
    spy, work = Spy(), task(LocalStore(source))
    run_inline(check(spy, work) if story == "check" else process(spy, work, LocalStore(output)))

    assert len(spy.stores) == (3 if story == "check" else 4)
    for store in spy.stores:
        with pytest.raises(Denied):
            store.put(output_key("a"), b"")


def test_large_slices_are_read_in_pieces_with_the_same_result(
    source: Path, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = processed(source, tmp_path / "whole").manifest
    monkeypatch.setattr("flows.steps.reading.WHOLE_BYTES", 10_000)
    monkeypatch.setattr("flows.steps.reading._PIECE_BYTES", 8_192)
    pieces = processed(source, output).manifest

    (by_pieces,), (at_once,) = pieces.streams[0].outputs, whole.streams[0].outputs
    assert (by_pieces.tracks, by_pieces.duration_s) == (at_once.tracks, at_once.duration_s)
    assert pieces.streams[0].segments == whole.streams[0].segments


def test_a_large_slice_that_turns_out_wrong_is_left_out(
    source: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laid = agora_mixed(slices())
    monkeypatch.setattr("flows.steps.reading.WHOLE_BYTES", 10_000)
    monkeypatch.setattr("flows.steps.reading._PIECE_BYTES", 8_192)
    path = source / laid.segments[2]
    store = InterruptedStore(source, key=laid.segments[2], happening=lambda: path.write_bytes(b"x" * 188))

    manifest = run_inline(process(Inline(), task(store), LocalStore(output))).manifest

    assert manifest.verdict == "gaps"
    assert ("segment_unreadable", laid.segments[2]) in [(f.code, f.where) for f in manifest.findings]
    followed(output, "agora", AGORA_SID)


def test_the_settle_time_is_half_an_hour(tmp_path: Path) -> None:
    assert waiting.SETTLE_TIME.total_seconds() == 1800
    laid = plain(slices())
    laid.objects[laid.playlists[0]] = laid.objects[laid.playlists[0]].removesuffix(b"#EXT-X-ENDLIST\n")
    source = aged(laid.write_to(tmp_path / "in"), 0.51)

    assert processed(source, tmp_path / "out").manifest.verdict == "complete"
    with pytest.raises(NotFinalError):
        processed(aged(source, 0.49), tmp_path / "out")


def test_a_story_that_waits_is_not_inline() -> None:
    async def story() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waited"):
        run_inline(story())

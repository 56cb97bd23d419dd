"""A stream of several files: which are used, in what order, and what is said of those that are not."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.model import Cause, Evidence, Manifest, Verdict
from deployments.sandbox.layouts import (
    AGORA_CNAME,
    JOCLOUD_RECORD,
    JOCLOUD_ROOM,
    STARTED_AT,
    Laid,
    MixedLayout,
    agora_mixed,
    jocloud_mixed,
    naming_only,
    never_closed,
    plain,
    transferred,
    without_playlist,
    zego_mixed,
)
from deployments.sandbox.playlists import utc17
from flows.process import Inline, check, run_inline
from flows.steps.finding import NotFinalError, find_recordings
from flows.steps.planning import plan_recording, require_unchanged
from flows.steps.tasks import Task
from storage.local import LocalStore
from tests.media.recordings import recording


def judged(laid: Laid, folder: Path) -> Manifest:
    store = LocalStore(laid.write_to(folder))
    ((objects, metas),) = find_recordings(store)
    task = Task(source=store, objects=objects, metas=metas, now=datetime.now(UTC) + timedelta(days=1))
    return run_inline(check(Inline(), task)).manifest


def later(seconds: float) -> datetime:
    return STARTED_AT + timedelta(seconds=seconds)


def test_a_stream_published_again_goes_on_in_its_second_file(tmp_path: Path) -> None:
    slices = recording(6)
    both = zego_mixed(slices) | zego_mixed(slices, started_at=later(60))
    manifest = judged(both, tmp_path)
    (stream,) = manifest.streams
    assert manifest.verdict is Verdict.COMPLETE
    assert stream.duration_s == pytest.approx(66, abs=0.1)
    (absence,) = stream.absences
    assert absence.evidence is Evidence.UNMARKED
    assert "unmarked_pause" in {found.code for found in manifest.findings}
    assert absence.to_s == pytest.approx(60, abs=0.1)


def test_one_playlist_name_in_two_folders_is_two_files(tmp_path: Path) -> None:
    slices = recording(12)
    manifest = judged(agora_mixed(slices[:3], folder="a/") | agora_mixed(slices[3:], folder="a/b/"), tmp_path)
    assert manifest.verdict is Verdict.COMPLETE
    assert manifest.streams[0].segments.count == 6


def named(manifest: Manifest) -> dict[str, str]:
    """The role of each playlist, by what stands behind its stem."""
    return {p.key.rpartition(AGORA_CNAME)[2]: p.role for p in manifest.source.playlists}


def codes(manifest: Manifest) -> set[str]:
    return {found.code for found in manifest.findings}


@pytest.mark.parametrize(
    ("plain", "copies", "roles"),
    [
        (slice(0, 6), {1: slice(0, 4)}, {".m3u8": "index", "_9_1.m3u8": "superseded"}),
        (slice(0, 4), {1: slice(2, 6)}, {".m3u8": "index", "_9_1.m3u8": "index"}),
        (
            None,
            {0: slice(0, 2), 2: slice(4, 6), 1: slice(2, 4)},
            dict.fromkeys(("_9_0.m3u8", "_9_1.m3u8", "_9_2.m3u8"), "index"),
        ),
        (None, {0: slice(0, 3), 1: slice(0, 6)}, {"_9_0.m3u8": "superseded", "_9_1.m3u8": "index"}),
        (
            slice(0, 3),
            {10: slice(0, 6), 9: slice(3, 5)},
            {".m3u8": "superseded", "_9_9.m3u8": "superseded", "_9_10.m3u8": "index"},
        ),
    ],
)
def test_what_any_version_of_a_playlist_names_is_used_once(
    tmp_path: Path, plain: slice | None, copies: dict[int, slice], roles: dict[str, str]
) -> None:
    whole = agora_mixed(recording(12))
    versions = [transferred(naming_only(whole, entries), 9, at) for at, entries in copies.items()]
    versions += [naming_only(whole, plain)] if plain else []
    laid = without_playlist(whole)
    for version in versions:
        laid |= version
    manifest = judged(laid, tmp_path)
    (stream,) = manifest.streams
    assert manifest.verdict is Verdict.COMPLETE
    assert stream.segments.count == 6
    assert stream.duration_s == pytest.approx(12, abs=0.1)
    assert manifest.findings == ()
    assert named(manifest) == roles


def test_the_newest_entry_of_a_slice_counts_and_any_end_ends_the_file(tmp_path: Path) -> None:
    whole = agora_mixed(recording(12))
    (index,) = whole.playlists
    wrong = whole.objects[index].replace(b"#EXTINF:2.0", b"#EXTINF:9.0")
    old = transferred(Laid(objects={**whole.objects, index: wrong}, playlists=(index,), segments=()), 5, 0)
    manifest = judged(old | transferred(never_closed(whole), 5, 1), tmp_path)
    assert manifest.verdict is Verdict.COMPLETE
    assert manifest.findings == ()


def test_a_slice_that_only_an_old_version_names_was_promised(tmp_path: Path) -> None:
    slices = recording(12)
    whole = agora_mixed(slices, stored=[*slices[:2], None, *slices[3:]])
    manifest = judged(transferred(whole, 5, 0) | transferred(naming_only(whole, slice(3, 6)), 5, 1), tmp_path)
    (gap,) = manifest.streams[0].gaps
    assert (gap.cause, manifest.verdict) == (Cause.MISSING, Verdict.GAPS)


PARTIAL: dict[str, MixedLayout] = {"agora": agora_mixed, "zego": zego_mixed, "jocloud": jocloud_mixed}


@pytest.mark.parametrize("vendor", PARTIAL)
@pytest.mark.parametrize("kept", [slice(0, 8), slice(8, 12), slice(3, 9)], ids=["begin", "end", "middle"])
def test_a_shorter_playlist_over_the_whole_one_loses_nothing(tmp_path: Path, vendor: str, kept: slice) -> None:
    """Twelve slices, so that their numbers are not in the order of keys."""
    laid = naming_only(PARTIAL[vendor](recording(12, slice_s=1)), kept)
    manifest = judged(laid, tmp_path)
    (stream,) = manifest.streams
    assert manifest.verdict is Verdict.COMPLETE
    assert codes(manifest) == {"index_rebuilt"}
    assert manifest.orphans == ()
    assert stream.segments.count == 12
    assert stream.duration_s == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("vendor", PARTIAL)
def test_a_slice_that_nothing_names_any_more_is_a_gap(tmp_path: Path, vendor: str) -> None:
    slices = recording(12, slice_s=1)
    laid = PARTIAL[vendor](slices, stored=[*slices[:9], None, *slices[10:]])
    manifest = judged(naming_only(laid, slice(0, 8)), tmp_path)
    (gap,) = manifest.streams[0].gaps
    assert (manifest.verdict, gap.cause) == (Verdict.GAPS, Cause.MISSING)
    assert gap.from_s == pytest.approx(9, abs=0.1)
    assert gap.duration_s == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("vendor", PARTIAL)
def test_without_any_playlist_the_index_is_rebuilt_and_the_end_is_not_known(tmp_path: Path, vendor: str) -> None:
    manifest = judged(without_playlist(PARTIAL[vendor](recording(12, slice_s=1))), tmp_path)
    (stream,) = manifest.streams
    assert manifest.verdict is Verdict.GAPS
    assert stream.gaps == ()
    assert codes(manifest) == {"index_rebuilt", "playlist_missing"}
    assert stream.segments.count == 12
    assert stream.duration_s == pytest.approx(12, abs=0.1)


def test_slices_without_a_number_are_ordered_by_when_they_were_stored(tmp_path: Path) -> None:
    laid = without_playlist(jocloud_mixed(recording(6, slice_s=1)))
    letters = dict(zip(laid.segments, "fedcba", strict=True))
    named = {f"live/rid_{JOCLOUD_RECORD}_{JOCLOUD_ROOM}_{letters[key]}.ts": laid.objects[key] for key in laid.segments}
    Laid(objects=named, playlists=(), segments=()).write_to(tmp_path)
    for at, key in enumerate(named):
        os.utime(tmp_path / key, (1_700_000_000 + at, 1_700_000_000 + at))
    manifest = judged(Laid(objects={}, playlists=(), segments=()), tmp_path)
    assert manifest.streams[0].duration_s == pytest.approx(6, abs=0.1)
    assert codes(manifest) == {"index_rebuilt", "playlist_missing"}


def test_a_slice_inside_the_time_of_those_that_are_named_stays_an_orphan(tmp_path: Path) -> None:
    whole = agora_mixed(recording(6))
    second = whole.segments[1]
    stray = second.replace(utc17(later(2)), utc17(later(3)))
    manifest = judged(replace(whole, objects={**whole.objects, stray: whole.objects[second]}), tmp_path)
    assert [orphan.key for orphan in manifest.orphans] == [stray]
    assert codes(manifest) == {"orphan_segment"}


def test_numbers_between_two_that_are_named_in_a_row_stay_orphans(tmp_path: Path) -> None:
    whole = zego_mixed(recording(6))
    (index,) = whole.playlists
    renamed = whole.objects[index].replace(b"_2.ts", b"_3.ts")
    objects = {
        **whole.objects,
        index: renamed,
        whole.segments[2].replace("_2.ts", "_3.ts"): whole.objects[whole.segments[2]],
    }
    manifest = judged(replace(whole, objects=objects), tmp_path)
    assert [orphan.key for orphan in manifest.orphans] == [whole.segments[2]]


def test_a_playlist_that_cannot_be_read_is_rebuilt_and_the_verdict_says_so(tmp_path: Path) -> None:
    whole = agora_mixed(recording(6))
    manifest = judged(replace(whole, objects={**whole.objects, whole.playlists[0]: b"<Error/>"}), tmp_path)
    assert manifest.verdict is Verdict.GAPS
    assert codes(manifest) == {"index_rebuilt", "playlist_unreadable"}
    assert manifest.streams[0].duration_s == pytest.approx(6, abs=0.1)


def test_ordinary_hls_is_never_rebuilt(tmp_path: Path) -> None:
    laid = naming_only(plain(recording(6, slice_s=1)), slice(0, 4))
    manifest = judged(laid, tmp_path)
    assert (manifest.streams[0].segments.count, len(manifest.orphans)) == (4, 2)


def test_what_comes_of_a_rebuilt_stream_while_it_is_read_stops_it(tmp_path: Path) -> None:
    laid = without_playlist(agora_mixed(recording(6)))
    last = laid.segments[-1]
    store = LocalStore(replace(laid, objects={k: v for k, v in laid.objects.items() if k != last}).write_to(tmp_path))
    ((objects, metas),) = find_recordings(store)
    plan = plan_recording(store, objects, metas)
    require_unchanged(store, plan)
    laid.write_to(tmp_path)
    with pytest.raises(NotFinalError, match="arrived while it was read"):
        require_unchanged(store, plan)
    ((objects, metas),) = find_recordings(store)
    assert plan_recording(store, objects, metas).digest != plan.digest


@pytest.mark.parametrize("closed", [True, False])
def test_parts_that_overlap_are_joined_where_the_later_one_begins(tmp_path: Path, closed: bool) -> None:
    first, second = zego_mixed(recording(12)), zego_mixed(recording(8, first_second=7), started_at=later(7))
    manifest = judged((first if closed else never_closed(first)) | second, tmp_path)
    (stream,) = manifest.streams
    assert (manifest.verdict, stream.gaps, stream.absences) == (Verdict.COMPLETE, (), ())
    assert stream.duration_s == pytest.approx(15, abs=0.1)
    assert codes(manifest) == {"overlap_trimmed"}
    assert [t.duration_s for t in stream.overlaps_trimmed] == pytest.approx([5, 5], abs=0.1)


def test_parts_follow_each_other_where_their_names_are_a_little_off(tmp_path: Path) -> None:
    manifest = judged(zego_mixed(recording(6)) | zego_mixed(recording(6), started_at=later(5.5)), tmp_path)
    (stream,) = manifest.streams
    assert stream.duration_s == pytest.approx(12, abs=0.1)
    assert stream.overlaps_trimmed == ()


def test_a_part_without_its_playlist_begins_when_its_name_says(tmp_path: Path) -> None:
    second = without_playlist(zego_mixed(recording(6, slice_s=1), started_at=later(30)))
    manifest = judged(zego_mixed(recording(6)) | second, tmp_path)
    (stream,) = manifest.streams
    assert manifest.verdict is Verdict.GAPS
    assert stream.duration_s == pytest.approx(36, abs=0.1)
    assert "playlist_missing" in codes(manifest)


def test_a_uri_without_its_duration_is_an_error(tmp_path: Path) -> None:
    whole = agora_mixed(recording(6))
    (index,) = whole.playlists
    text = b"\n".join(line for at, line in enumerate(whole.objects[index].split(b"\n")) if at != 7)
    assert text.count(b"#EXTINF") == 2
    manifest = judged(replace(whole, objects={**whole.objects, index: text}), tmp_path)
    assert "playlist_stray_uri" in {found.code for found in manifest.findings}
    assert manifest.verdict is Verdict.GAPS

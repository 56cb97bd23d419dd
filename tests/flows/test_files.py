"""A stream of several files: which are used, in what order, and what is said of those that are not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.model import Cause, Evidence, Manifest, Verdict
from deployments.sandbox.layouts import AGORA_CNAME, AGORA_SID, STARTED_AT, Laid, agora_mixed, zego_mixed
from flows.process import Inline, check, run_inline
from flows.steps.finding import find_recordings
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
    assert absence.evidence is Evidence.DISCONTINUITY
    assert absence.to_s == pytest.approx(60, abs=0.1)


def failed_over(seconds: float) -> Laid:
    """The second half of a recording under `bak0_` names, by a recorder that began so much later."""
    slices = recording(12)
    first, rest = agora_mixed(slices[:3]), [replace(piece, start_s=piece.start_s - 6) for piece in slices[3:]]
    other = agora_mixed(rest, started_at=later(6 + seconds))
    renamed = {key.replace(AGORA_SID, f"bak0_{AGORA_SID}"): data for key, data in other.objects.items()}
    (index,) = (key for key in renamed if key.endswith(".m3u8"))
    renamed[index] = renamed[index].replace(
        f"{AGORA_SID}_{AGORA_CNAME}_".encode(), f"bak0_{AGORA_SID}_{AGORA_CNAME}_".encode()
    )
    return first | Laid(objects=renamed, playlists=(index,), segments=())


def test_the_hole_of_a_failover_is_a_gap(tmp_path: Path) -> None:
    manifest = judged(failed_over(20), tmp_path)
    (gap,) = manifest.streams[0].gaps
    assert manifest.verdict is Verdict.GAPS
    assert gap.cause is Cause.FAILOVER
    assert gap.to_s - gap.from_s == pytest.approx(20, abs=0.2)


def test_one_playlist_name_in_two_folders_is_two_files(tmp_path: Path) -> None:
    slices = recording(12)
    manifest = judged(agora_mixed(slices[:3], folder="a/") | agora_mixed(slices[3:], folder="a/b/"), tmp_path)
    assert manifest.verdict is Verdict.COMPLETE
    assert manifest.streams[0].segments.count == 6


@pytest.mark.parametrize(("kept", "verdict"), [(6, Verdict.COMPLETE), (4, Verdict.GAPS)])
def test_the_longest_version_of_a_playlist_is_used_and_others_may_not_know_more(
    tmp_path: Path, kept: int, verdict: Verdict
) -> None:
    whole = agora_mixed(recording(12))
    (index,) = whole.playlists
    lines = whole.objects[index].decode().split("\n")
    entries = [at for at, line in enumerate(lines) if line.startswith("#EXTINF")]
    other = lines[: entries[0]] + lines[entries[6 - kept] :]
    objects = {**whole.objects, index.replace(".m3u8", "_123_4.m3u8"): "\n".join(other).encode()}
    if kept < 6:
        objects[index] = "\n".join([*lines[: entries[5]], "#EXT-X-ENDLIST", ""]).encode()
    manifest = judged(replace(whole, objects=objects), tmp_path)
    assert manifest.verdict is verdict
    assert ("playlist_left_out" in {found.code for found in manifest.findings}) is (kept < 6)


def test_a_uri_without_its_duration_is_an_error(tmp_path: Path) -> None:
    whole = agora_mixed(recording(6))
    (index,) = whole.playlists
    text = b"\n".join(line for at, line in enumerate(whole.objects[index].split(b"\n")) if at != 7)
    assert text.count(b"#EXTINF") == 2
    manifest = judged(replace(whole, objects={**whole.objects, index: text}), tmp_path)
    assert "playlist_stray_uri" in {found.code for found in manifest.findings}
    assert manifest.verdict is Verdict.GAPS

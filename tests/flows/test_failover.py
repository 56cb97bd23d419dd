"""After a failover: one recording, one output a stream, every second once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.model import Cause, Verdict
from deployments.sandbox.layouts import never_closed, without_playlist
from flows.steps.finding import find_recordings
from flows.steps.planning import plan_recording
from storage.local import LocalStore
from tests.flows.scenes import FRAME_S, SCENE_S, Outcome, assert_each_second_once, began, heard, outcome, recorder
from tests.lab import Laid, agora_individual, agora_mixed, judge_mp4

SLICE_S = 1.2
SCENE_SLICES = 20
SOUND_S = 0.1
"""Slices are cut where a picture begins, and the sound beside it is that much off."""


def leg(number: int, begin_s: float, end_s: float, *, missing: tuple[int, ...] = ()) -> Laid:
    """What the recorder with this number left of this time; 0 is the original."""
    slices, started_at = began(heard(recorder(number), begin_s, end_s))
    stored = [None if at in missing else piece for at, piece in enumerate(slices)]
    return agora_mixed(slices, stored=stored, started_at=started_at, leg=number - 1 if number else None)


def assert_in_step(found: Outcome) -> None:
    assert judge_mp4(found.mp4()).worst_offset_s <= FRAME_S


@pytest.mark.parametrize("hole_s", [1.2, 8.4])
def test_a_hole_is_one_gap_of_its_length(tmp_path: Path, hole_s: float) -> None:
    found = outcome(never_closed(leg(0, 0, 9.6)) | leg(1, 9.6 + hole_s, SCENE_S), tmp_path)
    (gap,) = found.stream.gaps
    assert found.manifest.verdict is Verdict.GAPS
    assert (gap.cause, gap.track) == (Cause.FAILOVER, "both")
    assert gap.from_s == pytest.approx(9.6, abs=SOUND_S)
    assert gap.duration_s == pytest.approx(hole_s, abs=SOUND_S)
    assert "playlist_no_end" not in found.codes
    assert_each_second_once(found, 0, SCENE_S)
    assert_in_step(found)


@pytest.mark.parametrize("overlap_s", [1.2, 4.8, 14.4])
def test_an_overlap_is_played_once(tmp_path: Path, overlap_s: float) -> None:
    found = outcome(leg(0, 0, 16.8) | leg(1, 16.8 - overlap_s, SCENE_S), tmp_path)
    assert found.manifest.verdict is Verdict.COMPLETE
    assert found.stream.gaps == ()
    assert found.stream.absences == ()
    assert {(t.track, round(t.duration_s, 1)) for t in found.stream.overlaps_trimmed} == {
        ("video", overlap_s),
        ("audio", overlap_s),
    }
    assert_each_second_once(found, 0, SCENE_S)
    assert_in_step(found)
    assert found.stream.duration_s == pytest.approx(SCENE_S, abs=0.1)


@pytest.mark.parametrize(
    ("legs", "open_end"),
    [
        (lambda: never_closed(leg(0, 0, 6)) | leg(1, 6, 12), None),
        (lambda: leg(0, 0, 6) | never_closed(leg(1, 6, 12)), "has no #EXT-X-ENDLIST"),
        (lambda: leg(0, 0, 6) | without_playlist(leg(1, 6, 12)), "no playlist names its slices"),
        (lambda: without_playlist(leg(0, 0, 6)) | leg(1, 6, 12), None),
    ],
)
def test_the_last_leg_says_whether_it_is_over(tmp_path: Path, legs: Callable[[], Laid], open_end: str | None) -> None:
    store = LocalStore(legs().write_to(tmp_path))
    ((objects, metas),) = find_recordings(store)
    said = plan_recording(store, objects, metas).open_end
    assert (said is None) if open_end is None else (said is not None and said.endswith(open_end))


def test_recorders_that_begin_between_slices(tmp_path: Path) -> None:
    slices, started_at = began(heard(recorder(1, slice_s=0.8), 7.5, SCENE_S))
    found = outcome(leg(0, 0, 12) | agora_mixed(slices, started_at=started_at, leg=0), tmp_path)
    assert found.manifest.verdict is Verdict.COMPLETE
    assert_each_second_once(found, 0, SCENE_S)
    assert_in_step(found)


def test_the_original_goes_on_until_the_first_slice_of_the_next_leg_that_can_be_used(tmp_path: Path) -> None:
    found = outcome(leg(0, 0, 12) | leg(1, 7.2, SCENE_S, missing=(0, 1)), tmp_path)
    assert found.stream.gaps == ()
    assert_each_second_once(found, 0, SCENE_S)


def test_a_slice_that_the_next_leg_lacks_is_taken_from_the_original(tmp_path: Path) -> None:
    found = outcome(leg(0, 0, 16.8) | leg(1, 7.2, SCENE_S, missing=(3,)), tmp_path)
    assert found.manifest.verdict is Verdict.COMPLETE
    assert "segment_covered" in found.codes
    assert_each_second_once(found, 0, SCENE_S)


def test_what_both_lack_is_a_gap(tmp_path: Path) -> None:
    found = outcome(leg(0, 0, 12, missing=(7,)) | leg(1, 7.2, SCENE_S, missing=(1,)), tmp_path)
    (gap,) = found.stream.gaps
    assert gap.cause is Cause.MISSING
    assert gap.from_s == pytest.approx(8.4, abs=0.1)
    assert gap.duration_s == pytest.approx(SLICE_S, abs=0.1)
    assert_each_second_once(found, 0, SCENE_S)


def test_what_the_original_lacks_of_an_overlap_is_no_loss(tmp_path: Path) -> None:
    found = outcome(leg(0, 0, 12, missing=(7, 8, 9)) | leg(1, 7.2, SCENE_S), tmp_path)
    assert found.manifest.verdict is Verdict.COMPLETE
    assert "segment_missing" not in found.codes


def test_a_missing_slice_beside_the_hole_is_told_from_it(tmp_path: Path) -> None:
    found = outcome(leg(0, 0, 8.4, missing=(6,)) | leg(1, 12, SCENE_S, missing=(0,)), tmp_path)
    gaps = found.stream.gaps
    assert [gap.cause for gap in gaps] == [Cause.MISSING, Cause.FAILOVER, Cause.MISSING]
    assert [gap.to_s for gap in gaps] == pytest.approx([8.4, 12.0, 13.2], abs=SOUND_S)
    assert [gap.duration_s for gap in gaps] == pytest.approx([1.2, 3.6, 1.2], abs=SOUND_S)


def test_three_recorders(tmp_path: Path) -> None:
    found = outcome(leg(0, 0, 8.4) | leg(1, 6, 14.4) | leg(2, 16.8, SCENE_S), tmp_path)
    (gap,) = found.stream.gaps
    assert gap.cause is Cause.FAILOVER
    assert gap.duration_s == pytest.approx(2.4, abs=SOUND_S)
    assert_each_second_once(found, 0, SCENE_S)
    assert_in_step(found)


def test_an_original_that_outlives_its_successor_goes_on(tmp_path: Path) -> None:
    found = outcome(leg(0, 0, SCENE_S) | leg(1, 7.2, 10.8), tmp_path)
    assert_each_second_once(found, 0, SCENE_S)
    assert found.stream.duration_s == pytest.approx(SCENE_S, abs=0.1)


def test_a_leg_without_its_playlist_is_rebuilt_from_its_names(tmp_path: Path) -> None:
    found = outcome(never_closed(leg(0, 0, 9.6)) | without_playlist(leg(1, 8.4, SCENE_S)), tmp_path)
    assert found.manifest.verdict is Verdict.GAPS
    assert {"index_rebuilt", "playlist_missing"} <= found.codes
    assert_each_second_once(found, 0, SCENE_S)


def test_a_leg_without_its_playlist_between_two_that_have_theirs_is_whole(tmp_path: Path) -> None:
    legs = leg(0, 0, 9.6) | without_playlist(leg(1, 8.4, 15.6)) | leg(2, 14.4, SCENE_S)
    found = outcome(legs, tmp_path)
    assert found.manifest.verdict is Verdict.COMPLETE
    assert "index_rebuilt" in found.codes
    assert_each_second_once(found, 0, SCENE_S)


def test_legs_of_each_track(tmp_path: Path) -> None:
    """One user's sound has an overlap where the pictures have a hole; both are cut by themselves."""

    def tracks(number: int, audio: tuple[float, float], video: tuple[float, float]) -> Laid:
        sound, sound_at = began(heard(recorder(number, video=False), *audio))
        pictures, pictures_at = began(heard(recorder(number, audio=False), *video))
        bak = number - 1 if number else None
        return agora_individual(audio=sound, started_at=sound_at, leg=bak) | agora_individual(
            video=pictures, started_at=pictures_at, leg=bak
        )

    found = outcome(tracks(0, (-0.1, 12), (0, 9.6)) | tracks(1, (9.6, SCENE_S), (12, SCENE_S)), tmp_path)
    (stream,) = found.manifest.streams
    assert [(g.track, g.cause) for g in stream.gaps] == [("video", Cause.FAILOVER)]
    assert stream.gaps[0].duration_s == pytest.approx(2.4, abs=FRAME_S)
    assert_each_second_once(found, 0, SCENE_S)
    assert_in_step(found)


@st.composite
def recordings(draw: st.DrawFn) -> Laid:
    """Two recorders with an overlap or a hole between them, and slices missing on either side."""
    end = draw(st.integers(5, 16))
    begin = end + draw(st.integers(-4, 4))
    lost = (
        draw(st.sets(st.integers(1, 15), max_size=2)),
        draw(st.sets(st.integers(0, SCENE_SLICES - 1 - begin - 1), max_size=2)),
    )
    later = leg(1, begin * SLICE_S, SCENE_S, missing=tuple(lost[1]))
    is_indexed = draw(st.booleans())
    return leg(0, 0, end * SLICE_S, missing=tuple(lost[0])) | (later if is_indexed else without_playlist(later))


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(laid=recordings())
def test_every_second_is_there_once_or_in_a_gap(tmp_path_factory: pytest.TempPathFactory, laid: Laid) -> None:
    found = outcome(laid, tmp_path_factory.mktemp("legs"))
    assert_each_second_once(found, 0, SCENE_S)
    assert (found.manifest.verdict is Verdict.COMPLETE) <= (found.stream.gaps == ())

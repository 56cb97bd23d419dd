from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.steps.finding import NotFinalError, find_recordings
from flows.steps.planning import RecordingPlan, plan_recording
from flows.steps.waiting import HeldError, Now, Patience, next_look
from storage.local import LocalStore
from tests.flows.folders import slices
from tests.lab import agora_mixed

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def planned(folder: Path, *, missing: bool = False, open_end: bool = False) -> RecordingPlan:
    laid = agora_mixed(slices(), stored=[*slices()[:3], None] if missing else None)
    if open_end:
        laid.objects[laid.playlists[0]] = laid.objects[laid.playlists[0]].replace(b"#EXT-X-ENDLIST\n", b"")
    store = LocalStore(laid.write_to(folder))
    [(objects, metas)] = find_recordings(store)
    return plan_recording(store, objects, metas)


def patience(**policy: object) -> Patience:
    return Patience(**{"deadline": DAY, "heard_at": NOW, **policy})  # type: ignore[arg-type]


def test_a_whole_recording_is_not_waited_for(tmp_path: Path) -> None:
    patience().require_go(planned(tmp_path), NOW)


def test_missing_slices_are_waited_for_until_the_deadline(tmp_path: Path) -> None:
    plan = planned(tmp_path, missing=True)
    heard_at = plan.newest + HOUR

    with pytest.raises(NotFinalError, match="1 promised slices are not there"):
        patience(heard_at=heard_at).require_go(plan, plan.newest + DAY - timedelta(seconds=1))
    patience(heard_at=heard_at).require_go(plan, plan.newest + DAY)


def test_who_hears_of_a_recording_late_does_not_wait_anew(tmp_path: Path) -> None:
    plan = planned(tmp_path, missing=True)
    later = plan.newest + 9 * DAY
    patience(heard_at=later).require_go(plan, later)


def test_slices_that_come_now_and_then_do_not_put_the_deadline_off(tmp_path: Path) -> None:
    plan = planned(tmp_path, missing=True)
    patience(heard_at=plan.newest - DAY).require_go(plan, plan.newest)


def test_a_policy_holds_it_after_the_deadline(tmp_path: Path) -> None:
    plan = planned(tmp_path, missing=True)
    with pytest.raises(HeldError, match="process --force"):
        patience(heard_at=plan.newest, holds_at_deadline=True).require_go(plan, plan.newest + DAY)


def test_without_a_sign_of_its_end_it_must_be_quiet(tmp_path: Path) -> None:
    plan = planned(tmp_path, open_end=True)
    with pytest.raises(NotFinalError, match="has no #EXT-X-ENDLIST"):
        patience(heard_at=plan.newest).require_go(plan, plan.newest + timedelta(minutes=29))
    patience(heard_at=plan.newest).require_go(plan, plan.newest + timedelta(minutes=30))


def test_without_a_deadline_missing_slices_are_no_reason_to_wait(tmp_path: Path) -> None:
    plan = planned(tmp_path, missing=True)
    Patience().require_go(plan, plan.newest)
    assert Patience().accepts_damage(plan, plan.newest)


def test_damage_counts_when_it_was_seen_before_or_at_the_deadline(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    soon = plan.newest + HOUR
    assert not patience(heard_at=plan.newest).accepts_damage(plan, soon)
    assert not patience(heard_at=plan.newest, damage_digest="of other etags").accepts_damage(plan, soon)
    assert patience(heard_at=plan.newest, damage_digest=plan.digest).accepts_damage(plan, soon)
    assert patience(heard_at=plan.newest).accepts_damage(plan, plan.newest + DAY)


def test_a_slice_that_is_written_anew_changes_the_plan(tmp_path: Path) -> None:
    before = planned(tmp_path)
    assert planned(tmp_path / "again").digest != before.digest


def test_who_wants_it_now_gets_it(tmp_path: Path) -> None:
    plan = planned(tmp_path, missing=True, open_end=True)
    Now().require_go(plan, plan.newest)
    assert Now().accepts_damage(plan, plan.newest)


def test_looks_become_more_seldom() -> None:
    seconds = [next_look(looks).total_seconds() for looks in (0, 1, 2, 6, 7, 1000)]
    assert seconds == [30, 60, 120, 1920, 3600, 3600]


def test_a_promise_that_is_not_kept_is_part_of_what_a_verdict_follows_from(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert replace(plan, unkept=("a.m3u8",)).digest != plan.digest


def test_what_goes_on_by_its_vendors_word_is_not_over_because_somebody_said_so_long_ago(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    said = {"heard_at": plan.newest - 9 * DAY, "goes_on": True}
    with pytest.raises(NotFinalError, match="it goes on"):
        patience(**said).require_go(plan, plan.newest + HOUR)
    patience(**said).require_go(plan, plan.newest + DAY)

"""What messages say of presence: evidence where it agrees with what was recorded, and nothing where it does not."""

# ruff: noqa: ANN401 - the changes are whatever fields a value has

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.events import Presence, PresenceMark, Vouched
from catalog.model import Verdict
from deployments.sandbox.layouts import STARTED_AT
from flows.process import Inline, check, process, run_inline
from flows.steps.finding import find_recordings
from flows.steps.presence import refined, unrecorded
from flows.steps.tasks import Task
from media.findings import Severity
from media.losses import Absence, Gap
from media.timing import TICKS_PER_SECOND
from storage.local import LocalStore
from tests.catalog.builders import at
from tests.flows.folders import slices
from tests.lab import agora_individual
from vendors.base import RecordingObjects, StreamObjects

SECOND = TICKS_PER_SECOND
ON, OFF, SLICE = Presence.RECEIVING, Presence.NOT_RECEIVING, Presence.SLICE_START
TRACKS = ("audio", "video")


def absent(begin: float = 10, end: float = 40, **changes: Any) -> Absence:
    base = Absence(track="audio", begin=int(begin * SECOND), end=int(end * SECOND), evidence="unmarked")
    return replace(base, **changes)


def lost(begin: float, end: float, track: Any = "audio") -> Gap:
    return Gap(track=track, begin=int(begin * SECOND), end=int(end * SECOND), cause="missing", segment="a.ts")


def mark(presence: Presence, second: float, track: Any = "audio", stream: str = "7", **changes: Any) -> PresenceMark:
    return replace(PresenceMark(stream=stream, track=track, presence=presence, at=at(second)), **changes)


def utc_at(tick: int) -> datetime | None:
    return at(0) + timedelta(seconds=tick / SECOND)


def evidence(absence: Absence, *marks: PresenceMark, gaps: tuple[Gap, ...] = ()) -> str:
    (told,) = refined([absence], gaps, marks, names=("7", "7_audio"), utc_at=utc_at)
    assert replace(told, evidence=absence.evidence) == absence
    return told.evidence


@pytest.mark.parametrize("evidence_before", ["unmarked", "track_start", "discontinuity", "late_start"])
@pytest.mark.parametrize("again", [ON, SLICE])
def test_messages_of_both_ends_are_evidence(evidence_before: str, again: Presence) -> None:
    gone = absent(evidence=evidence_before)

    assert evidence(gone, mark(OFF, 8), mark(again, 42)) == "vendor_event"
    assert evidence(gone, mark(OFF, 12), mark(again, 38, stream="7_audio")) == "vendor_event"
    assert evidence(gone, mark(OFF, 7.999), mark(again, 42)) == evidence_before
    assert evidence(gone, mark(OFF, 8), mark(again, 42.001)) == evidence_before
    assert evidence(gone, mark(OFF, 10)) == evidence(gone, mark(again, 40)) == evidence(gone) == evidence_before
    assert evidence(gone, mark(again, 10), mark(OFF, 40)) == evidence_before


def test_of_another_user_or_track_they_are_none() -> None:
    gone = absent()

    assert evidence(gone, mark(OFF, 10, stream="8"), mark(ON, 40, stream="8")) == "unmarked"
    assert evidence(gone, mark(OFF, 10, "video"), mark(ON, 40, "video")) == "unmarked"
    assert evidence(gone, mark(OFF, 10, "both"), mark(ON, 40, None)) == "vendor_event"


def test_an_absence_of_both_tracks_needs_both() -> None:
    gone = absent(track="both")
    audio, video = ((mark(OFF, 10, track), mark(ON, 40, track)) for track in TRACKS)

    assert evidence(gone, *audio) == evidence(gone, *video) == "unmarked"
    assert evidence(gone, *audio, *video) == "vendor_event"


def test_a_slice_that_says_since_when_there_was_none_is_enough() -> None:
    assert evidence(absent(), mark(SLICE, 40, since=at(10))) == "vendor_event"
    assert evidence(absent(), mark(SLICE, 40, since=at(20))) == "unmarked"


def test_beside_a_gap_it_may_have_been_at_any_time_of_that() -> None:
    marks = (mark(OFF, 5), mark(ON, 49))

    assert evidence(absent(), *marks) == "unmarked"
    assert evidence(absent(), *marks, gaps=(lost(4, 10), lost(40, 50, "both"))) == "vendor_event"
    assert evidence(absent(), *marks, gaps=(lost(4, 10, "video"), lost(40, 50))) == "unmarked"
    assert evidence(absent(), *marks, gaps=(lost(4, 9), lost(40, 50))) == "unmarked"


def test_without_a_wall_clock_nothing_can_be_compared() -> None:
    gone, marks = absent(), (mark(OFF, 10), mark(ON, 40))

    assert refined([gone], (), marks, names=("7",), utc_at=lambda _: None) == (gone,)


def objects(*users: str, mode: Any = "individual") -> RecordingObjects:
    streams = tuple(StreamObjects(stream=f"{user}_audio", kind="participant", user=user) for user in users)
    return RecordingObjects(
        vendor="agora",
        task_id="t1",
        room="R",
        mode=mode,
        folder="",
        streams=streams,
        segments=(),
        side_files=(),
    )


def test_a_user_of_whom_nothing_came_is_told_of() -> None:
    marks = [mark(ON, 5, stream="103"), mark(ON, 7, "video", "103"), mark(OFF, 20, stream="103"), mark(ON, 6)]

    (found,) = unrecorded(objects("7"), marks)
    assert (found.code, found.severity, found.where) == ("user_not_recorded", Severity.NOTICE, "103")
    assert found.detail == (
        "user 103 sent audio from 2026-05-03T14:00:16.250Z to 2026-05-03T14:00:31.250Z and "
        "video from 2026-05-03T14:00:18.250Z on, and no slice of it came"
    )


def test_who_is_recorded_sent_nothing_or_is_in_a_mix_is_not() -> None:
    assert list(unrecorded(objects("7"), [mark(ON, 5), mark(ON, 5, stream="7_audio"), mark(ON, 5, stream="0")])) == []
    assert list(unrecorded(objects("7"), [mark(OFF, 5, stream="103")])) == []
    assert list(unrecorded(objects("7", mode="mixed"), [mark(ON, 5, stream="103")])) == []


@pytest.mark.parametrize("writes", [True, False])
def test_messages_stand_in_the_manifest(tmp_path: Path, *, writes: bool) -> None:
    """User 7 is silent from 6 s to 12 s, as the messages say, and of user 103 there is nothing."""
    made = slices(10)
    store = LocalStore(agora_individual(audio=[*made[:3], *made[6:]], uid="7").write_to(tmp_path / "in"))
    ((objects, metas),) = find_recordings(store)

    presence = tuple(
        mark(said, 0, track, stream=stream, at=STARTED_AT + timedelta(seconds=second))
        for said, second, stream in ((OFF, 6.4, "7"), (ON, 11.8, "7"), (ON, 3, "103"))
        for track in TRACKS
    )
    now = datetime.now(UTC) + timedelta(days=1)
    task = Task(source=store, objects=objects, metas=metas, now=now, vouched=Vouched(presence=presence))
    story = process(Inline(), task, LocalStore(tmp_path / "out")) if writes else check(Inline(), task)
    manifest = run_inline(story).manifest

    ((absence,),) = (stream.absences for stream in manifest.streams)
    assert (absence.evidence, round(absence.from_s), round(absence.to_s)) == ("vendor_event", 6, 12)
    assert [found.where for found in manifest.findings if found.code == "user_not_recorded"] == ["103"]
    assert manifest.verdict is Verdict.COMPLETE

"""What the outputs show and sound, second by second, decoded by libav."""

import pytest

from media.losses import Absence, Gap
from media.timing import seconds
from tests.e2e.cases import AFTER, BEFORE, CHANGING, HOLED, MUTED_FROM, WHOLE, Case, holed
from tests.lab import SyncReport, judge_mp4, judge_ts
from tests.media.driving import Made, assert_accounted
from tests.media.recordings import joined, recording

FRAME = 1 / 25
HALF_AAC_FRAME = 512 / 44_100
MILLISECOND = 0.001


def assert_true_time(report: SyncReport, case: Case) -> None:
    """Every second that must be there is, n seconds after second 0, and its sound is at its picture."""
    flashes = {mark.second: mark.flash_s for mark in report.marks if mark.flash_s is not None}
    beeps = {mark.second: mark.beep_s for mark in report.marks if mark.beep_s is not None}
    assert flashes.keys() == case.flashes
    assert beeps.keys() == case.beeps
    for number, at in flashes.items():
        assert at == pytest.approx(number + case.zero_s, abs=FRAME)
    for number, at in beeps.items():
        assert at == pytest.approx(number + case.zero_s, abs=HALF_AAC_FRAME + MILLISECOND)
    assert report.worst_offset_s < FRAME


@pytest.mark.parametrize("name", WHOLE)
def test_where_nothing_is_missing_nothing_moves(name: str) -> None:
    case = WHOLE[name]()
    report = judge_mp4(case.make().mp4)
    assert_true_time(report, case)
    source = judge_ts(joined(recording(8, hevc=name == "hevc")))
    assert report.beyond(source) <= MILLISECOND
    first = min(case.flashes | case.beeps)
    for mark in report.marks:
        for at, begin in ((mark.flash_s, report.marks[0].flash_s), (mark.beep_s, report.marks[0].beep_s)):
            assert at is None or begin is None or at - begin == pytest.approx(mark.second - first, abs=MILLISECOND)


@pytest.mark.parametrize("name", CHANGING)
def test_late_tracks_and_changes(name: str) -> None:
    case = CHANGING[name]()
    made = case.make()
    assert_true_time(judge_mp4(made.mp4), case)
    assert made.judgement.gaps == ()
    assert_accounted(made)


@pytest.mark.parametrize(("kind", "hole"), HOLED)
def test_holes_keep_their_length(kind: str, hole: int) -> None:
    case = holed(kind, hole)
    made = case.make()
    assert_true_time(judge_mp4(made.mp4), case)
    assert_accounted(made)
    assert_listed(made, kind, hole)


def assert_listed(made: Made, kind: str, hole: int) -> None:
    """The manifest's words for the hole: promised and lost, or never recorded.

    The packets of one track were taken out of whole slices: their counters jump over the hole, which is a sign of loss.
    """
    judgement = made.judgement
    spans: tuple[Gap | Absence, ...] = (*judgement.gaps, *judgement.absences)
    if kind == "both lost":
        assert judgement.absences == ()
    if kind == "both absent":
        assert judgement.gaps == ()
    assert {span.track for span in spans} == {kind.removeprefix("no ").partition(" ")[0]}
    begin, end = seconds(min(s.begin for s in spans)), seconds(max(s.end for s in spans))
    # Several frames of sound share a PES packet, and go with it.
    expected, near = {"no audio": (MUTED_FROM["audio"], 0.2)}.get(kind, (BEFORE, 0.1))
    assert begin == pytest.approx(expected, abs=near)
    assert end - begin == pytest.approx(hole, abs=near)


def test_sound_and_pictures_end_where_the_recording_does() -> None:
    for hole in (3, 300):
        report = holed("both lost", hole).make().assembly.parts[0].report
        for track in report.tracks:
            assert float(track.ends_at) == pytest.approx(BEFORE + hole + AFTER, abs=0.1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("continuous", "counters restart"),
        ("continuous", "stamps restart, tagged"),
        ("continuous", "stamps restart, not tagged"),
        ("late audio, not in the PMT", "late audio, in the PMT"),
    ],
)
def test_the_same_recording_written_in_two_ways_is_one_file(one: str, other: str) -> None:
    named = {**WHOLE, **CHANGING}
    assert named[one]().make().mp4 == named[other]().make().mp4

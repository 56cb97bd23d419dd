"""Intact recordings of every make: nothing at all may be said of them."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployments.sandbox.packets import WRAP
from media.clock import ClockSource, WallClock
from tests.lab import Slice, drop_from_pmt, drop_pid, drop_time, first_pts, programme, restamp
from tests.media.driving import STARTED_AT, Made, assert_intact, each, make, named_walls
from tests.media.recordings import first_dts, from_zero, joined, recording, resumed, ticks

TRACK_START = ("track_start video", "track_start audio")


def samples_of(made: Made) -> list[int]:
    return [track.ledger.samples_in for track in made.tracks]


@pytest.mark.parametrize(
    "slices",
    [
        recording(),
        recording(restart_counters=True),
        recording(b_frames=0),
        recording(b_frames=4, gop=50),
        recording(6, hevc=True),
        recording(sample_rate=44_100, channels=2),
        recording(11.5, video=False),
        recording(11.5, video=False, sample_rate=44_100, channels=2),
        recording(audio=False),
        recording(6, slice_s=6),
        recording(60, slice_s=1),
        recording(60, slice_s=1, restart_counters=True),
    ],
    ids=[
        "b-frames",
        "counters restart",
        "no b-frames",
        "long groups",
        "hevc",
        "44.1 kHz stereo",
        "sound alone",
        "sound alone 44.1 kHz",
        "pictures alone",
        "one slice",
        "60 slices of a second",
        "60 slices of a second, counters restart",
    ],
)
def test_recordings_of_every_make(slices: Sequence[Slice]) -> None:
    made = make(slices)
    assert_intact(made)
    assert made.judgement.absences == ()
    assert all(track.ledger.dropped == track.ledger.trimmed == track.ledger.inserted == 0 for track in made.tracks)


def wrapping_at(slices: Sequence[Slice], ticks_before_wrap: int) -> list[Slice]:
    """The slices with the clock wrapping so many ticks after their first decode stamp."""
    delta = WRAP - ticks_before_wrap - first_dts(slices[0].data)
    return each(slices, lambda data: restamp(data, delta))


@settings(max_examples=20, deadline=None)
@given(ticks_before_wrap=st.integers(min_value=-ticks(1), max_value=ticks(7)))
@example(ticks_before_wrap=0)
@example(ticks_before_wrap=1)
@example(ticks_before_wrap=ticks(2))
@example(ticks_before_wrap=ticks(2) + 1)
@example(ticks_before_wrap=ticks(4) - 1)
@example(ticks_before_wrap=ticks(6) - 3600)
def test_the_clock_may_wrap_anywhere(ticks_before_wrap: int) -> None:
    plain = make(recording(6))
    made = make(wrapping_at(recording(6), ticks_before_wrap))
    assert_intact(made)
    assert made.mp4 == plain.mp4


@pytest.mark.parametrize("kind", ["both", "audio", "video"])
def test_wrap_with_one_track(kind: str) -> None:
    slices = recording(5.5, audio=kind != "video", video=kind != "audio")
    made = make(wrapping_at(slices, ticks(2)))
    assert_intact(made)
    assert made.mp4 == make(slices).mp4


def test_a_discontinuity_declared_before_every_slice() -> None:
    slices = recording()
    made = make(slices, tagged=range(1, len(slices)))
    assert_intact(made)
    assert made.mp4 == make(slices).mp4


@pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "not tagged"])
@pytest.mark.parametrize("restart_counters", [True, False], ids=["counters restart", "counters go on"])
@pytest.mark.parametrize("kind", ["both", "audio", "video"])
def test_stamps_that_begin_at_zero_in_each_slice(kind: str, *, tagged: bool, restart_counters: bool) -> None:
    slices = recording(11.5, audio=kind != "video", video=kind != "audio", restart_counters=restart_counters)
    made = make([from_zero(piece) for piece in slices], tagged=range(1, len(slices)) if tagged else ())
    assert_intact(made)
    assert made.judgement.absences == ()
    assert made.mp4 == make(slices).mp4


@pytest.mark.parametrize("exact", [True, False], ids=["slice names", "no wall clock"])
@pytest.mark.parametrize("minutes", [1, 7, 90])
def test_an_absence_of_minutes(minutes: int, *, exact: bool) -> None:
    away = minutes * 60
    slices = resumed(recording(6), recording(6, first_second=6 + away), 6 + away)
    made = make(
        slices,
        tagged={3},
        marks={0: TRACK_START, 3: TRACK_START},
        walls=named_walls(slices) if exact else None,
    )
    assert_intact(made)
    assert {a.evidence for a in made.judgement.absences} == {"track_start"}
    (absence,) = made.judgement.absences
    assert absence.track == "both"
    assert absence.end - absence.begin == pytest.approx(ticks(away), abs=ticks(0.15))


@pytest.mark.parametrize("marked", [True, False], ids=["marked", "not marked"])
def test_a_second_without_pictures_is_an_absence_where_they_are_marked_to_start_anew(*, marked: bool) -> None:
    slices = resumed(recording(6, audio=False), recording(6, audio=False, first_second=7), 7)
    made = make(slices, marks={3: TRACK_START} if marked else {})
    assert_intact(made)
    assert [(a.track, a.evidence) for a in made.judgement.absences] == ([("video", "track_start")] if marked else [])


def test_an_absence_with_a_new_clock_is_measured_by_the_slice_names() -> None:
    """A recorder that restarts after the pause knows nothing of the old clock; the names of its slices do."""
    slices = resumed(recording(6), recording(6, first_second=426), 426)
    walls = named_walls(slices)
    restarted = [*slices[:3], *(piece.shows(restamp(piece.data, -ticks(426))) for piece in slices[3:])]
    made = make(restarted, tagged={3}, marks={3: TRACK_START}, walls=walls)
    assert_intact(made)
    (absence,) = made.judgement.absences
    assert absence.end - absence.begin == pytest.approx(ticks(420), abs=ticks(0.15))


@pytest.mark.parametrize("muted", ["audio", "video"])
@pytest.mark.parametrize("promised", [True, False], ids=["promised by the PMT", "not promised"])
@pytest.mark.parametrize("away", [(2, 4), (0, 2), (4, 6)], ids=["middle", "begin", "end"])
def test_a_track_missing_from_some_slices(muted: str, away: tuple[int, int], *, promised: bool) -> None:
    """Mute, or the camera off: only one track goes on; the discontinuity that recorders write says so."""
    slices = list(recording())
    pid = programme(slices[0].data).tracks["audio" if muted == "audio" else "video"]
    take = drop_pid if promised else drop_from_pmt
    for at in range(*away):
        slices[at] = slices[at].shows(take(slices[at].data, pid))
    made = make(slices, tagged=set(away), marks=dict.fromkeys(away, TRACK_START))
    assert_intact(made)
    (absence,) = made.judgement.absences
    assert absence.track == muted
    assert absence.end - absence.begin == pytest.approx(ticks(2 * (away[1] - away[0])), abs=ticks(0.15))


@pytest.mark.parametrize("tagged", [True, False], ids=["tagged", "not tagged"])
@pytest.mark.parametrize(
    "then",
    [
        recording(6, first_second=6, size=(320, 180)),
        recording(6, first_second=6, b_frames=0),
    ],
    ids=["resolution", "parameter sets"],
)
def test_a_change_of_the_picture(then: tuple[Slice, ...], *, tagged: bool) -> None:
    made = make(resumed(recording(6), then, 6), tagged={3} if tagged else ())
    assert_intact(made)
    assert made.assembly.parts[0].report.tracks[0].entries == 2


def test_a_picture_that_changes_back() -> None:
    third = resumed(recording(6), recording(6, first_second=6, size=(320, 180)), 6)
    made = make(resumed(tuple(third), recording(6, first_second=12), 12))
    assert_intact(made)


def test_a_start_in_the_middle_of_a_group_is_a_warning() -> None:
    """Nobody can decode the pictures before the first key frame: rightly said, and not an error."""
    slices = list(recording(gop=50, b_frames=0))
    video = programme(slices[0].data).video
    begin = first_pts(slices[0].data, video)
    cut_off = slices[0].shows(drop_time(slices[0].data, video, begin, begin + ticks(0.5)))
    made = make([cut_off, *slices[1:]])
    assert made.codes == ["late_keyframe"]
    assert made.judgement.gaps == ()
    (impaired,) = made.judgement.impaired
    assert impaired.end - impaired.begin == pytest.approx(ticks(1.5), abs=3600)
    assert made.track("video").ledger.trimmed == 37
    assert all(track.ledger.closes for track in made.tracks)


def test_wall_clocks_that_are_too_coarse_to_measure_by_change_nothing() -> None:
    slices = recording(6)
    walls = {n: WallClock(at=STARTED_AT, source=ClockSource.OBJECT_TIME) for n in range(len(slices))}
    made = make(slices, walls=walls)
    assert_intact(made)
    assert made.mp4 == make(slices).mp4


def test_recordings_whose_durations_are_whole_seconds() -> None:
    """EXTINF was a whole number before protocol version 3 (RFC 8216 §4.3.2.1)."""
    slices = [replace(piece, duration_s=float(round(piece.duration_s))) for piece in recording(7, slice_s=1)]
    assert_intact(make(slices))


def test_slices_that_are_not_cut_at_key_frames() -> None:
    """Some recorders cut by time: slices begin with pictures that refer to the slice before."""
    whole = joined(recording(6, gop=150))
    pids = programme(whole)
    begin = first_pts(whole, pids.video)
    edges = [begin + ticks(s) for s in (-1, 2, 4, 9)]
    pieces = [
        drop_time(
            drop_time(drop_time(drop_time(whole, pids.video, 0, a), pids.video, b, WRAP), pids.audio, 0, a),
            pids.audio,
            b,
            WRAP,
        )
        for a, b in pairwise(edges)
    ]
    lengths = [2.0, 2.0, 2.0]
    starts = accumulate(lengths, initial=0.0)
    made = make([Slice(data=d, duration_s=t, start_s=s) for d, t, s in zip(pieces, lengths, starts, strict=False)])
    assert_intact(made)

"""Timelines: where each sample lies, what is trimmed or filled, and that all of it is counted."""

from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.tracks import AudioTimeline, VideoTimeline
from media.ts.demux import AudioFrames, VideoUnits

STEP = 3600
FRAME = 1920


def pictures(
    dts: list[int], *, pts: list[int] | None = None, sync: Collection[int] = (0,), lost: Collection[int] = ()
) -> VideoUnits:
    count = len(dts)
    return VideoUnits(
        data=bytearray(count),
        sizes=np.ones(count, np.int64),
        dts=np.array(dts, np.int64),
        pts=np.array(dts if pts is None else pts, np.int64),
        sync=np.isin(np.arange(count), list(sync)),
        after_loss=np.isin(np.arange(count), list(lost)),
        lost_at_end=False,
        dropped=0,
        changes=(),
    )


def sound(stamps: list[int], *, lost: Collection[int] = ()) -> AudioFrames:
    count = len(stamps)
    return AudioFrames(
        data=bytearray(count),
        sizes=np.ones(count, np.int64),
        anchor=np.array(stamps, np.int64),
        rank=np.zeros(count, np.int64),
        after_loss=np.isin(np.arange(count), list(lost)),
        lost_at_end=False,
        dropped=0,
    )


def test_a_window_without_any_whole_picture_costs_nothing_else() -> None:
    """Where pictures are reordered, each is asked whether it lacks a reference; here there is none to ask."""
    timeline = VideoTimeline()
    timeline.place(pictures([0, 3600, 7200, 10_800], pts=[3600, 14_400, 7200, 10_800]), 0, 0)
    used, dts, pts = timeline.place(pictures([]), 0, 1)
    assert (len(used), len(dts), len(pts)) == (0, 0, 0)
    assert timeline.ledger.samples_out == 4


def every(step: int, begin: int, end: int) -> list[int]:
    return list(range(begin, end, step))


@settings(deadline=None)
@given(st.lists(st.integers(-5000, 200_000), min_size=1, max_size=200))
def test_sound_does_not_stay_further_than_half_a_frame_from_its_stamps(jumps: list[int]) -> None:
    stamps = np.cumsum([max(jump, 1) for jump in jumps]).tolist()
    timeline = AudioTimeline(rate=48_000)
    runs = timeline.place(sound(stamps), 0, 0)
    astray = 0
    for run in (run for run in runs if run.kind == "samples"):
        for nth, at in enumerate(range(run.begin, run.end)):
            off = (run.position + nth * 1024) * 90_000 / 48_000 - stamps[at]
            side = 0 if abs(off) <= FRAME // 2 + 2 else int(np.sign(off))
            astray = astray + side if side and astray * side >= 0 else side
            assert abs(astray) < 64
    placed = sum(run.end - run.begin for run in runs)
    assert timeline.ledger.samples_out == placed
    assert len(stamps) - timeline.ledger.trimmed + timeline.ledger.inserted == placed


@pytest.mark.parametrize("jitter_ms", [8, 12, 25])
def test_stamps_that_jitter_cost_no_sound(jitter_ms: int) -> None:
    chance = np.random.default_rng(jitter_ms)
    stamps = 90_000 + np.arange(2000) * FRAME + chance.integers(-jitter_ms * 90, jitter_ms * 90 + 1, 2000)
    timeline = AudioTimeline(rate=48_000)
    timeline.place(sound(stamps.tolist()), 0, 0)
    assert timeline.ledger.trimmed + timeline.ledger.inserted <= 2


def test_sound_without_holes_is_one_run() -> None:
    timeline = AudioTimeline(rate=48_000)
    assert len(timeline.place(sound(every(FRAME, 0, 100 * FRAME)), 0, 0)) == 1
    assert timeline.holes == []
    assert timeline.end == 100 * FRAME


@pytest.mark.parametrize("frames", [1, 10, 15_000])
def test_a_hole_in_sound_is_filled_to_the_frame(frames: int) -> None:
    timeline = AudioTimeline(rate=48_000)
    timeline.place(sound(every(FRAME, 0, 10 * FRAME)), 0, 0)
    begin = (10 + frames) * FRAME
    runs = timeline.place(sound(every(FRAME, begin, begin + 10 * FRAME)), 0, 1)
    assert sum(run.end - run.begin for run in runs if run.kind == "silence") == frames
    assert [(run.kind, run.end - run.begin) for run in runs][-1] == ("samples", 10)
    assert [(hole.begin, hole.end, hole.after, hole.before) for hole in timeline.holes] == [(10 * FRAME, begin, 0, 1)]


def test_sound_that_comes_twice_is_kept_once() -> None:
    timeline = AudioTimeline(rate=48_000)
    timeline.place(sound(every(FRAME, 0, 10 * FRAME)), 0, 0)
    timeline.place(sound(every(FRAME, 7 * FRAME, 15 * FRAME)), 0, 1)
    assert timeline.ledger.trimmed == 3
    assert timeline.end == 15 * FRAME
    (trim,) = timeline.trims
    assert (trim.begin, trim.end) == (7 * FRAME, 10 * FRAME)


def test_pictures_that_come_twice_are_kept_once() -> None:
    timeline = VideoTimeline()
    timeline.place(pictures(every(STEP, 0, 50 * STEP)), 0, 0)
    used, *_ = timeline.place(pictures(every(STEP, 40 * STEP, 60 * STEP)), 0, 1)
    assert used.tolist() == list(range(10, 20))
    assert timeline.ledger.trimmed == 10
    assert timeline.holes == []


def test_decode_times_always_increase() -> None:
    timeline = VideoTimeline()
    _, dts, _ = timeline.place(pictures([0, 3600, 3600, 3500, 7200, 10_800]), 0, 0)
    assert (np.diff(dts) > 0).all()
    assert dts[-1] == 10_800


def test_a_hole_between_segments() -> None:
    timeline = VideoTimeline()
    timeline.place(pictures(every(STEP, 0, 50 * STEP)), 0, 0)
    timeline.place(pictures(every(STEP, 75 * STEP, 100 * STEP)), 0, 2)
    (hole,) = timeline.holes
    assert (hole.begin, hole.end, hole.after, hole.before, hole.lost) == (50 * STEP, 75 * STEP, 0, 2, False)


def test_lost_pictures_are_told_where_they_would_have_been_seen() -> None:
    """Decoded in the order 0 3 1 2 6 4 5 and, from a sync sample on, 9 7 8: the picture 4 is lost, and 5 with it."""
    order, decoded = [0, 3, 1, 2, 6, 5, 9, 7, 8], [0, 1, 2, 3, 4, 6, 7, 8, 9]
    units = pictures([n * STEP for n in decoded], pts=[(n + 2) * STEP for n in order], sync=[0, 6], lost=[5])
    timeline = VideoTimeline()
    used, *_ = timeline.place(units, 0, 0)
    assert used.tolist() == [0, 1, 2, 3, 4, 6, 7, 8]
    assert [(hole.begin // STEP - 2, hole.end // STEP - 2, hole.lost) for hole in timeline.holes] == [(4, 6, True)]
    assert timeline.ledger.dropped == 1


def test_without_reordering_pictures_after_a_loss_are_kept() -> None:
    timeline = VideoTimeline()
    used, *_ = timeline.place(pictures([0, STEP, 3 * STEP, 4 * STEP], lost=[2]), 0, 0)
    assert len(used) == 4
    assert [(hole.begin, hole.end) for hole in timeline.holes] == [(2 * STEP, 3 * STEP)]


def test_time_after_a_loss_is_impaired_until_the_next_sync_sample() -> None:
    timeline = VideoTimeline()
    dts = [*every(STEP, 0, 10 * STEP), *every(STEP, 12 * STEP, 50 * STEP)]
    timeline.place(pictures(dts, sync=[0, 23], lost=[10]), 0, 0)
    timeline.finish()
    assert [(i.begin, i.end) for i in timeline.impaired] == [(12 * STEP, 25 * STEP)]

"""No moment of a range is silently left out: it is in a piece, or it is said to be missing and why."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.covering import Missing, Moment, Seat, seats, uncovered
from catalog.model import Evidence, Manifest, StreamRecord
from catalog.timeline import TRACKS, Presence, Stretch
from tests.catalog.builders import absence, at, gap
from tests.catalog.test_timeline import NO_CLOCK, person, records, room, track

SHARP_S = 0.15
"""Audio and video that begin or end together are told together."""


def seat(shown: Manifest, begin: float, end: float) -> Seat:
    (found,) = seats(shown, at(begin), at(end)).seats
    return found


def is_told(missing: Sequence[Missing], of: str, stretch: Stretch) -> bool:
    return any(
        of in each.tracks
        and each.stretch.why == stretch.why
        and each.stretch.from_s - SHARP_S <= stretch.from_s
        and stretch.to_s <= each.stretch.to_s + SHARP_S
        for each in missing
    )


def clipped(stretch: Stretch, of: Seat) -> Stretch:
    return replace(stretch, from_s=max(stretch.from_s, of.from_s), to_s=min(stretch.to_s, of.to_s))


@given(records(), st.integers(0, 700), st.integers(1, 300))
def test_what_is_not_recorded_is_told_and_what_is_recorded_is_in_a_piece(
    record: StreamRecord, begin: int, length: int
) -> None:
    of = seat(room(record), begin / 10, (begin + length) / 10)
    asked = [(lane.track, clipped(each, of), each) for lane in of.lanes.lanes for each in lane.stretches]

    for name, part, whole in asked:
        if part.duration_s <= 0:
            continue
        if part.state is Presence.RECORDED:
            outputs = [(each.tracks[0].starts_at_s, each.tracks[0].ends_at_s) for each in record.outputs]
            for since, until in outputs:
                inside = max(since, part.from_s), min(until, part.to_s)
                if inside[0] < inside[1]:
                    assert any(each.from_s <= inside[0] and inside[1] <= each.to_s for each in of.pieces)
        else:
            assert whole.is_brief or is_told(of.missing, name, part)
    for number, piece in enumerate(of.pieces):
        assert of.from_s <= piece.from_s < piece.to_s <= of.to_s
        assert number == 0 or piece.from_s <= max(each.to_s for each in of.pieces[:number])
    assert not of.pieces or (of.pieces[0].from_s, of.pieces[-1].to_s) == (of.from_s, of.to_s)


@given(records(), st.integers(0, 700), st.integers(1, 300))
def test_what_is_nearest_is_there(record: StreamRecord, begin: int, length: int) -> None:
    shown = room(record)
    asked = seat(shown, begin / 10, (begin + length) / 10)
    if asked.nearest is None:
        assert not asked.pieces
        return
    since, until = asked.nearest
    assert 0 < until - since <= max(asked.to_s - asked.from_s, 1.0) + 1e-6
    times = [asked.place(each, at(0)) for each in (since, until)]
    again = seats(shown, times[0] or at(0), times[1] or at(0)).seats[0]
    assert again.pieces
    assert any(all(name not in each.tracks for each in again.missing) for name in TRACKS)


@pytest.mark.parametrize("like", [at(0), timedelta()])
def test_places_go_both_ways(like: Moment) -> None:
    record = person("7", wall_s=20, lasts=10)
    shown = room(person("8"), record)
    begin, end = (at(22), at(25)) if not isinstance(like, timedelta) else (timedelta(seconds=22), timedelta(seconds=25))
    of = seats(shown, begin, end).seats[1]

    assert (of.from_s, of.to_s) == (2.0, 5.0)
    assert (of.place(of.from_s, like), of.place(of.to_s, like)) == (begin, end)


def test_a_stream_without_a_clock_is_untimed_and_counts_its_own_seconds() -> None:
    shown = room(person("8"), person("7", clock=NO_CLOCK))

    by_time, by_offset = seats(shown, at(1), at(2)), seats(shown, timedelta(seconds=1), timedelta(seconds=2))
    assert [each.user for each in by_time.untimed] == ["7"]
    assert [(each.record.user, each.from_s) for each in by_offset.seats] == [("8", 1.0), ("7", 1.0)]


def test_what_audio_and_video_miss_together_is_one() -> None:
    outs = absence(10.02, 20, track="audio"), absence(10, 20.04, track="video", evidence=Evidence.TRACK_START)
    lost = gap(30, 36, track="video")

    missing = seat(room(person(absences=outs, gaps=(lost,))), 5, 40).missing
    assert [(each.tracks, each.is_lost) for each in missing] == [(("audio", "video"), False), (("video",), True)]
    only = seat(room(person(outputs=(track("audio", 0, 60),))), 5, 40).missing
    assert [(each.tracks, each.stretch.reason) for each in only] == [(("video",), "the stream has no such track")]


def test_what_no_recording_covers() -> None:
    spans = [(at(10), at(20)), (at(15), at(30)), (at(40), at(50))]

    assert list(uncovered(at(0), at(60), spans)) == [(at(0), at(10)), (at(30), at(40)), (at(50), at(60))]
    assert list(uncovered(at(12), at(28), spans)) == []
    assert list(uncovered(at(32), at(38), spans)) == [(at(32), at(38))]
    assert list(uncovered(timedelta(), timedelta(seconds=1), [])) == [(timedelta(), timedelta(seconds=1))]

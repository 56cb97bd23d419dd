"""The timeline of a room: nothing of a track's time is missing from it, and each stretch says what it is and why."""

# ruff: noqa: ANN401 - the changes are whatever fields a stream has

from dataclasses import replace
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.clocks import ClockAnchor, StreamClock
from catalog.model import Absence, Cause, Evidence, Gap, Manifest, StreamKind, StreamRecord, Verdict
from catalog.timeline import Lane, Presence, Stretch, document, timeline
from media.clock import ClockSource
from tests.catalog.builders import absence, at, gap, manifest, output, output_track, stream

NO_CLOCK = StreamClock(source=None, anchors=(), drift_ppm=0.0)
NUMBERS = count()
Said = tuple[float, float, str]


def clock(wall_s: float = 0.0, *, drift_ppm: float = 0.0, source: ClockSource = ClockSource.SLICE_NAME) -> StreamClock:
    """Output time 0 is so long after the start."""
    return StreamClock(source=source, anchors=(ClockAnchor(media_s=0.0, utc=at(wall_s)),), drift_ppm=drift_ppm)


def track(kind: str, begin: float, end: float) -> Any:
    return output(key=f"media/{next(NUMBERS)}.mp4", tracks=(output_track(type=kind, starts_at_s=begin, ends_at_s=end),))


def person(user: str | None = "7", wall_s: float = 0.0, lasts: float = 60.0, **changes: Any) -> StreamRecord:
    """Somebody who was there with both tracks, from `wall_s` after the start on."""
    base: dict[str, Any] = {
        "user": user,
        "kind": StreamKind.PARTICIPANT,
        "started_at": at(wall_s),
        "ended_at": at(wall_s + lasts),
        "duration_s": lasts,
        "clock": clock(wall_s),
        "absences": (),
        "outputs": (track("audio", 0.0, lasts), track("video", 0.0, lasts)),
    }
    return stream(changes.pop("name", user or "mix"), **{**base, **changes})


def room(*streams: StreamRecord, lasts: float = 60.0) -> Manifest:
    return manifest(*streams, started_at=at(0), ended_at=at(lasts))


def lanes(shown: Manifest, name: str) -> dict[str, Lane]:
    return {lane.track: lane for _, of, lane in timeline(shown).all_lanes if of.stream == name}


def said(lane: Lane) -> list[Said]:
    """When, and why or what."""
    return [(each.from_s, each.to_s, word(each)) for each in lane.stretches]


def word(stretch: Stretch) -> str:
    return str(stretch.cause or stretch.evidence or stretch.state)


def test_before_they_came_and_after_they_left() -> None:
    shown = room(person("7", lasts=60), person("8", wall_s=20, lasts=10))

    assert said(lanes(shown, "7")["audio"]) == [(0, 60, "recorded")]
    late = lanes(shown, "8")["video"]
    assert said(late) == [(-20, 0, "late_start"), (0, 10, "recorded"), (10, 40, "early_end")]
    assert [(each.from_utc, each.to_utc) for each in late.stretches] == [
        (at(0), at(20)),
        (at(20), at(30)),
        (at(30), at(60)),
    ]
    assert (timeline(shown).from_utc, timeline(shown).to_utc) == (at(0), at(60))


def test_gaps_and_absences_of_one_track_and_of_both() -> None:
    camera_off = absence(10, 20, track="video", evidence=Evidence.VENDOR_EVENT)
    lost = gap(30, 36, track="both", segment="a.ts")
    both = lanes(room(person(absences=(camera_off,), gaps=(lost,))), "7")

    assert said(both["audio"]) == [(0, 30, "recorded"), (30, 36, "missing"), (36, 60, "recorded")]
    assert said(both["video"])[:3] == [(0, 10, "recorded"), (10, 20, "vendor_event"), (20, 30, "recorded")]
    assert [each.segment for each in both["audio"].stretches] == [None, "a.ts", None]


def test_a_gap_wins_over_an_absence_and_the_earlier_gap_over_the_later() -> None:
    gone = absence(10, 40, track="audio", evidence=Evidence.DISCONTINUITY)
    gaps = (gap(20, 30, segment="a.ts"), gap(25, 35, cause=Cause.TRUNCATED, segment="b.ts"))

    assert said(lanes(room(person(absences=(gone,), gaps=gaps)), "7")["audio"]) == [
        (0, 10, "recorded"),
        (10, 20, "discontinuity"),
        (20, 30, "missing"),
        (30, 35, "truncated"),
        (35, 40, "discontinuity"),
        (40, 60, "recorded"),
    ]


def test_a_track_that_never_came_is_one_absence() -> None:
    without = lanes(room(person("8", lasts=60), person(outputs=(track("audio", 0, 60),), wall_s=5, lasts=55)), "7")

    (never,) = without["video"].stretches
    assert (never.state, never.evidence, never.from_s, never.to_s) == (Presence.ABSENT, None, -5, 55)


def test_a_track_ends_before_its_stream_and_begins_after_it() -> None:
    ends_first = person(outputs=(track("audio", 0, 30), track("video", 12, 60)))

    both = lanes(room(ends_first), "7")
    assert said(both["audio"]) == [(0, 30, "recorded"), (30, 60, "early_end")]
    assert said(both["video"]) == [(0, 12, "late_start"), (12, 60, "recorded")]


def test_samples_of_another_length_are_no_absence() -> None:
    both = lanes(room(person(outputs=(track("audio", 0, 59.97), track("video", 0.04, 60)))), "7")

    assert said(both["audio"]) == said(both["video"]) == [(0, 60, "recorded")]


def test_a_track_that_one_part_lacks_is_absent_there() -> None:
    parts = (track("video", 0, 20), track("video", 20.1, 30), track("video", 50, 60), track("audio", 0, 60))

    assert said(lanes(room(person(outputs=parts)), "7")["video"]) == [
        (0, 30, "recorded"),
        (30, 50, "unmarked"),
        (50, 60, "recorded"),
    ]


def test_what_was_lost_before_the_first_sample_and_after_the_last_makes_the_axis_longer() -> None:
    shown = room(person(gaps=(gap(-12, 0), gap(60, 70))))

    assert said(lanes(shown, "7")["audio"]) == [(-12, 0, "missing"), (0, 60, "recorded"), (60, 70, "missing")]
    assert (timeline(shown).from_utc, timeline(shown).to_utc) == (at(-12), at(70))


def test_a_clock_that_runs_fast_is_heard_out() -> None:
    hour = 3600.0
    fast = person(clock=clock(0, drift_ppm=100), lasts=hour * 1.0001)
    (stretch,) = lanes(room(fast, lasts=hour), "7")["audio"].stretches

    assert (stretch.from_s, stretch.to_s) == (0, hour * 1.0001)
    assert (stretch.from_utc, stretch.to_utc) == (at(0), at(hour))


def test_milliseconds_of_a_manifest_make_no_absence_of_less() -> None:
    late = clock()
    late = replace(late, anchors=(replace(late.anchors[0], utc=at(0) + (at(0.001) - at(0)) / 2),))

    assert said(lanes(room(person(clock=late)), "7")["audio"]) == [(0, 60, "recorded")]


@pytest.mark.parametrize("source", [None, ClockSource.OBJECT_TIME])
def test_without_a_clock_there_are_no_wall_times(source: ClockSource | None) -> None:
    unknown = replace(clock(), source=source)
    shown = room(person(clock=unknown, wall_s=3, lasts=20, gaps=(gap(5, 6),)))

    told = lanes(shown, "7")["audio"]
    assert said(told) == [(0, 5, "recorded"), (5, 6, "missing"), (6, 20, "recorded")]
    assert {(each.from_utc, each.to_utc) for each in told.stretches} == {(None, None)}


def test_all_that_was_lost_of_a_stream_without_outputs() -> None:
    nothing = person(outputs=(), clock=NO_CLOCK, lasts=0, gaps=(gap(0, 6), gap(6, 12, segment="b.ts")))

    assert said(lanes(room(nothing), "7")["video"]) == [(0, 6, "missing"), (6, 12, "missing")]


def test_streams_of_a_user_stand_together_and_those_of_nobody_apart() -> None:
    streams = [person("7"), person("8"), person("7", name="7_screen", kind=StreamKind.SCREEN)]
    streams += [person(None, name="a"), person(None, name="b")]

    users = timeline(room(*streams)).users
    assert [(each.user, [of.stream for of in each.streams]) for each in users] == [
        ("7", ["7", "7_screen"]),
        ("8", ["8"]),
        (None, ["a"]),
        (None, ["b"]),
    ]


def test_a_manifest_of_the_first_days_says_no_ends() -> None:
    old = replace(output_track(type="audio", starts_at_s=0.0), ends_at_s=0.0)

    assert said(lanes(room(person(outputs=(output(tracks=(old,)),))), "7")["audio"]) == [(0, 60, "recorded")]


def test_an_empty_recording_has_an_empty_timeline() -> None:
    shown = timeline(replace(manifest(), streams=(), verdict=Verdict.EMPTY, started_at=None, ended_at=None))

    assert (shown.users, shown.from_utc, shown.to_utc) == ((), None, None)


def test_the_document_has_both_clocks_and_every_why() -> None:
    told = document(timeline(room(person(absences=(absence(10, 20),), gaps=(gap(30, 36, segment="a.ts"),)))))

    assert (told["from"], told["to"]) == ("2026-05-03T14:00:11.250Z", "2026-05-03T14:01:11.250Z")
    video = told["lanes"][1]
    assert (video["user"], video["stream"], video["kind"], video["track"]) == ("7", "7", "participant", "video")
    assert video["clock"] == {"source": "slice_name", "drift_ppm": 0.0, "is_known": True}
    assert [each["state"] for each in video["segments"]] == ["recorded", "absent", "recorded", "gap", "recorded"]
    assert video["gaps"] == [
        {
            "from_s": 30.0,
            "to_s": 36.0,
            "from": "2026-05-03T14:00:41.250Z",
            "to": "2026-05-03T14:00:47.250Z",
            "cause": "missing",
            "segment": "a.ts",
        }
    ]
    assert [each["evidence"] for each in video["absences"]] == ["track_start"]


SPANS = st.tuples(st.integers(-50, 650), st.integers(0, 200)).map(lambda span: (span[0] / 10, sum(span) / 10))
WHICH = st.sampled_from(["audio", "video", "both"])


@st.composite
def records(draw: st.DrawFn) -> StreamRecord:
    gaps = [gap(*span, track=draw(WHICH)) for span in draw(st.lists(SPANS))]
    absences = [absence(*span, track=draw(WHICH)) for span in draw(st.lists(SPANS))]
    parts = draw(st.lists(st.tuples(st.sampled_from(["audio", "video"]), SPANS)))
    outputs = tuple(track(kind, max(0.0, begin), max(0.1, end)) for kind, (begin, end) in parts)
    return person(wall_s=draw(st.integers(0, 30)), gaps=tuple(gaps), absences=tuple(absences), outputs=outputs)


def states_at(record: StreamRecord, of: str, moment: float) -> set[Presence]:
    """What may be told of a moment, by a plain reading of the manifest; two seconds around a part are not notable."""

    def covers(span: Gap | Absence) -> bool:
        return span.track in {of, "both"} and span.from_s <= moment < span.to_s

    if any(map(covers, record.gaps)):
        return {Presence.GAP}
    if any(map(covers, record.absences)):
        return {Presence.ABSENT}
    tracks = [one for each in record.outputs for one in each.tracks if one.type == of]
    if any(one.starts_at_s <= moment < one.ends_at_s for one in tracks):
        return {Presence.RECORDED}
    is_near = any(abs(edge - moment) <= 2 for one in tracks for edge in (one.starts_at_s, one.ends_at_s))
    return {Presence.ABSENT, Presence.RECORDED} if is_near else {Presence.ABSENT}


@given(records())
def test_every_moment_is_told_once_and_as_the_manifest_says(record: StreamRecord) -> None:
    for of, lane in lanes(room(record, lasts=120), "7").items():
        assert all(one.to_s == next_.from_s and one.why != next_.why for one, next_ in pairwise(lane.stretches))
        assert lane.stretches[0].from_s <= 0
        assert lane.stretches[-1].to_s >= 60
        for stretch in lane.stretches:
            moment = (stretch.from_s + stretch.to_s) / 2
            assert stretch.state in states_at(record, of, moment)

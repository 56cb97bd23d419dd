"""Individual recordings: sound and pictures of each user joined on one true timeline, decoded by libav."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from catalog.model import Absence, Cause, Evidence, Gap, Verdict
from deployments.sandbox.clips import VideoCodec
from deployments.sandbox.packets import TrackType
from deployments.sandbox.vendors import Failover, Person, Shot
from deployments.sandbox.vendors.cast import Clock, Stretch
from tests.e2e.casting import Listed, Taped, Witness, assert_true, farthest_apart, offsets, publish, sound_frames, tape
from tests.e2e.casts import taped as made_up
from tests.flows.scenes import FRAME_S, outcome
from tests.lab import Slice, agora_individual, cut, flash_and_beep

MILLISECOND = 0.001
HALF_AAC_FRAME = 512 / 48_000
WRAP = 1 << 33
HZ = 90_000
TRACK_START = Evidence.TRACK_START


def assert_in_step(witness: Witness, within_s: float = MILLISECOND, user: str = "102") -> None:
    """Sound is beside its picture in all files of a user."""
    for output in witness.stream(user).outputs:
        found = offsets(witness.mp4(output))
        assert found
        assert max(map(abs, found)) <= within_s


def words(witness: Witness, user: str = "102") -> tuple[list[Any], list[Any]]:
    """Gaps and absences of a user as (track, why, begin, end) in seconds of the recording."""
    stream = witness.stream(user)

    def told(span: Gap | Absence, why: str) -> tuple[Any, ...]:
        begin, end = witness.was(stream, span.from_s), witness.was(stream, span.to_s)
        return (span.track, why, pytest.approx(begin, abs=0.1), pytest.approx(end, abs=0.1))

    return [told(g, g.cause) for g in stream.gaps], [told(a, a.evidence) for a in stream.absences]


# ---- the offset of the two tracks ----


@pytest.mark.parametrize(
    ("clock", "late_s", "codec"),
    [
        ("recorder", 3.2, "h264"),
        ("track", 3.2, "h264"),
        ("recorder", 0.05, "h264"),
        ("track", 0.05, "h264"),
        ("track", 3.2, "hevc"),
    ],
)
def test_a_late_picture_is_beside_its_sound(tmp_path: Path, clock: Clock, late_s: float, codec: VideoCodec) -> None:
    person = Person(user="102", stays=((0.317, 6.3),), video_after_s=late_s, shots=(Shot(codec=codec),))
    witness = publish(tape(person, clock=clock), tmp_path)
    assert_true(witness)
    assert_in_step(witness)


@pytest.mark.parametrize(
    ("clock", "kind", "at_s"),
    [("recorder", None, 0.5), ("recorder", None, 2), ("track", "audio", 2), ("track", "video", 2)],
)
def test_stamps_wrap(tmp_path: Path, clock: Clock, kind: TrackType | None, at_s: float) -> None:
    """Before the first picture, and in the midst of one track or both."""
    taped = tape(Person(user="102", stays=((0, 6.5),), video_after_s=3.2), clock=clock)
    witness = publish(taped.later(WRAP - round((1 + at_s) * HZ), kind), tmp_path)
    assert_true(witness)
    assert_in_step(witness)


# ---- holes ----


def away(what: str, hole: tuple[float, float], codec: VideoCodec) -> Person:
    """Somebody who is not seen, or not heard, or not there, for so long."""
    end, shots = hole[1] + 2.5, (Shot(codec=codec),)
    match what:
        case "camera off":
            return Person(user="102", stays=((0, end),), camera_off=(hole,), video_after_s=0.2, shots=shots)
        case "muted":
            return Person(user="102", stays=((0, end),), muted=(hole,), video_after_s=0.2, shots=shots)
        case _:
            return Person(user="102", stays=((0, hole[0]), (hole[1], end)), video_after_s=0.2, shots=shots)


@pytest.mark.parametrize(
    ("what", "hole_s", "stamps", "codec"),
    [
        ("gone", 8, ("recorder", False), "h264"),
        ("gone", 300, ("recorder", False), "h264"),
        ("gone", 300, ("recorder", True), "hevc"),
        ("gone", 8, ("track", True), "h264"),
        ("gone", 8, ("recorder", True), "h264"),
        ("camera off", 8, ("track", False), "h264"),
        ("camera off", 30, ("recorder", True), "h264"),
        ("camera off", 8, ("track", True), "h264"),
        ("muted", 30, ("recorder", False), "h264"),
    ],
)
def test_holes_keep_their_length(
    tmp_path: Path, what: str, hole_s: int, stamps: tuple[Clock, bool], codec: VideoCodec
) -> None:
    """`stamps`: whose clock they are by, and whether they begin anew after the hole."""
    hole, (clock, restamps) = (3.3, 3.3 + hole_s), stamps
    witness = publish(tape(away(what, hole, codec), clock=clock, restamps=restamps), tmp_path)
    assert_true(witness)
    assert_in_step(witness, MILLISECOND + HALF_AAC_FRAME)
    stream = witness.stream("102")
    assert stream.gaps == ()
    assert witness.found.manifest.verdict is Verdict.COMPLETE
    track = {"gone": "both", "camera off": "video", "muted": "audio"}[what]
    assert [(a.track, a.evidence) for a in stream.absences if a.duration_s > 3] == [(track, TRACK_START)]


@pytest.mark.parametrize(
    ("clock", "restamps"),
    [
        ("recorder", False),
        ("track", True),
    ],
)
def test_two_users_after_three_rejoins_each(tmp_path: Path, clock: Clock, restamps: bool) -> None:
    one = Person(user="102", stays=((0, 2.3), (4.1, 6.9), (9.4, 12.2), (16.013, 20)), video_after_s=0.4)
    other = Person(user="103", stays=((1.7, 3.2), (4.3, 6.7), (10.05, 13), (15.5, 20)), video_after_s=0.1)
    witness = publish(tape(one, other, clock=clock, restamps=restamps), tmp_path)
    assert_true(witness)
    first, second = ({s.second: s.was_s for s in witness.seen(user)["video"]} for user in ("102", "103"))
    both = first.keys() & second.keys()
    assert both >= {2, 5, 6, 11, 12, 17, 18, 19}
    assert all(abs(first[n] - second[n]) <= FRAME_S for n in both)


@pytest.mark.parametrize(
    "stays", [((0, 2), (4, 6), (8, 11)), ((0, 4), (6, 6.28), (9, 12))], ids=["a slice each", "shorter than tolerance"]
)
def test_short_stays_with_stamps_that_begin_anew(tmp_path: Path, stays: tuple[Stretch, ...]) -> None:
    person = Person(user="102", stays=stays, shots=(Shot(codec="hevc"),))
    witness = publish(tape(person, restamps=True), tmp_path)
    assert_true(witness)
    assert "segment_out_of_order" not in witness.found.codes


# ---- failover ----


@pytest.mark.parametrize(("clock", "overlap_s"), [("recorder", 5), ("track", 15)])
def test_an_overlap_is_played_once(tmp_path: Path, clock: Clock, overlap_s: int) -> None:
    person = Person(user="102", stays=((0, overlap_s + 7),), video_after_s=0.52)
    failover = Failover(after_s=overlap_s + 3, gap_s=-overlap_s)
    witness = publish(tape(person, clock=clock, failover=failover), tmp_path)
    assert_true(witness)
    assert_in_step(witness, MILLISECOND + HALF_AAC_FRAME)
    assert words(witness) == ([], [])


@pytest.mark.parametrize("clock", ["recorder", "track"])
def test_a_hole_of_a_failover_is_kept(tmp_path: Path, clock: Clock) -> None:
    person = Person(user="102", stays=((0, 48),), video_after_s=0.52)
    witness = publish(tape(person, clock=clock, failover=Failover(after_s=5, gap_s=40)), tmp_path)
    assert_true(witness)
    assert_in_step(witness, MILLISECOND + HALF_AAC_FRAME)
    gaps, absences = words(witness)
    assert {gap[:2] for gap in gaps} <= {("both", Cause.FAILOVER), ("audio", Cause.FAILOVER), ("video", Cause.FAILOVER)}
    assert len({gap[0] for gap in gaps} - {"both"}) in {0, 2}, "of both tracks"
    assert absences == []


def test_who_comes_back_while_two_recorders_run(tmp_path: Path) -> None:
    person = Person(user="102", stays=((0, 5.16), (8.001, 12)))
    witness = publish(tape(person, failover=Failover(after_s=9, gap_s=-4)), tmp_path)
    assert words(witness)[0] == []
    assert_true(witness)


def test_who_is_away_when_another_recorder_begins(tmp_path: Path) -> None:
    person = Person(user="102", stays=((0, 1.92), (4.08, 8)))
    witness = publish(tape(person, failover=Failover(after_s=6, gap_s=-4)), tmp_path)
    assert_true(witness)
    assert words(witness) == ([], [("both", TRACK_START, 1.92, 4.08)])


# ---- right files, right words ----


@pytest.mark.parametrize(("missing", "there"), [("camera_off", "audio"), ("muted", "video")])
def test_a_track_that_never_came(tmp_path: Path, missing: str, there: str) -> None:
    person = Person(user="102", stays=((0, 4),), **{missing: ((0, None),)})  # type: ignore[arg-type]
    witness = publish(tape(Person(user="101", stays=((0, 1),)), person), tmp_path)
    assert_true(witness)
    (output,) = witness.stream("102").outputs
    assert [track.type for track in output.tracks] == [there]
    assert words(witness) == ([], [])
    assert witness.found.manifest.verdict is Verdict.COMPLETE


def test_a_user_whose_sound_stops_first(tmp_path: Path) -> None:
    witness = publish(tape(Person(user="102", stays=((0, 8),), muted=((4.4, None),))), tmp_path)
    assert_true(witness)
    assert words(witness) == ([], [("audio", "early_end", 4.4, 8)])
    assert witness.found.manifest.verdict is Verdict.COMPLETE


@pytest.mark.parametrize(
    ("clock", "restamps", "late_s"), [("recorder", False, 0), ("track", True, 1.2), ("recorder", True, 1.2)]
)
def test_a_user_who_comes_back_with_another_codec(tmp_path: Path, clock: Clock, restamps: bool, late_s: float) -> None:
    shots = (Shot(), Shot(at_s=6, codec="hevc"))
    person = Person(user="102", stays=((0, 5.5), (8.7, 12)), shots=shots, video_after_s=late_s)
    witness = publish(tape(person, clock=clock, restamps=restamps), tmp_path)
    assert_parts_meet(witness, parts=2)
    stream = witness.stream("102")
    begin_s = min(track.starts_at_s for track in stream.outputs[1].tracks)
    assert witness.was(stream, begin_s) == pytest.approx(8.72 + late_s, abs=FRAME_S)


@pytest.mark.parametrize("clock", ["recorder", "track"])
def test_another_codec_while_the_sound_goes_on(tmp_path: Path, clock: Clock) -> None:
    shots = (Shot(), Shot(at_s=4, codec="hevc"), Shot(at_s=7.4))
    witness = publish(tape(Person(user="102", stays=((0, 11.5),), shots=shots), clock=clock), tmp_path)
    assert_parts_meet(witness, parts=3)


def test_sound_that_all_belongs_into_the_next_part_is_listed_there_alone(tmp_path: Path) -> None:
    shots = (Shot(), Shot(at_s=4, codec="hevc"))
    witness = publish(tape(Person(user="102", stays=((0, 8),), muted=((0, 4.3),), shots=shots)), tmp_path)
    first, second = witness.stream("102").outputs
    assert [track.type for track in first.tracks] == ["video"]
    assert {track.type for track in second.tracks} == {"audio", "video"}
    assert_true(witness)


@pytest.mark.parametrize(
    "shots",
    [
        (Shot(), Shot(at_s=4.4, codec="hevc")),
        (Shot(), Shot(at_s=4.4, size=(320, 180))),
        (Shot(), Shot(at_s=2.4, size=(320, 180)), Shot(at_s=3.6)),
    ],
    ids=["codec at the end", "size at the end", "size in between"],
)
def test_a_single_slice_of_another_kind(tmp_path: Path, shots: tuple[Shot, ...]) -> None:
    witness = publish(tape(Person(user="102", stays=((0, 6),), shots=shots)), tmp_path)
    assert witness.found.codes == set()
    assert words(witness) == ([], [])
    assert_true(witness)


def test_an_absence_between_two_parts_is_listed_once(tmp_path: Path) -> None:
    shots = (Shot(), Shot(at_s=5, codec="hevc"))
    witness = publish(tape(Person(user="102", stays=((0, 4), (7, 10)), shots=shots)), tmp_path)
    assert_true(witness)
    assert words(witness) == ([], [("both", TRACK_START, 4, 7)])


def assert_parts_meet(witness: Witness, parts: int) -> None:
    """No frame of sound is in two parts, and none is lost between them."""
    assert_true(witness)
    assert_in_step(witness, HALF_AAC_FRAME + MILLISECOND)
    outputs = witness.stream("102").outputs
    assert len(outputs) == parts
    for earlier, later in pairwise(outputs):
        before, after = ({t.type: t for t in output.tracks} for output in (earlier, later))
        assert after["audio"].starts_at_s - before["audio"].ends_at_s == pytest.approx(0, abs=0.002)
        near = pytest.approx(after["video"].starts_at_s, abs=HALF_AAC_FRAME + MILLISECOND)
        assert after["audio"].starts_at_s == near
    frames = sum(track.samples_in for output in outputs for track in output.tracks if track.type == "audio")
    assert frames == sum(sound_frames(witness.taped.data(each)) for each in witness.taped.of("102", "audio"))


def test_two_tracks_with_other_numbers_of_slices(tmp_path: Path) -> None:
    taped = tape(Person(user="102", stays=((0, 6.1),), camera_off=((2.2, 4.9),)), slice_s=1)
    assert len(taped.of("102", "audio")) != len(taped.of("102", "video"))
    witness = publish(taped, tmp_path)
    assert_true(witness)
    assert words(witness) == ([], [("video", TRACK_START, 2.2, 4.9)])


# ---- lost slices ----


@pytest.mark.parametrize(
    ("kind", "number", "clock"),
    [
        ("audio", 0, "track"),
        ("audio", 1, "recorder"),
        ("audio", -1, "track"),
        ("video", 0, "recorder"),
        ("video", 1, "track"),
        ("video", -1, "recorder"),
    ],
)
def test_a_slice_is_missing_in_one_lane(tmp_path: Path, kind: TrackType, number: int, clock: Clock) -> None:
    taped = tape(Person(user="102", stays=((0, 7.9),), video_after_s=0.32), clock=clock)
    assert_gaps(taped, tmp_path, taped.of("102", kind)[number])


def test_a_slice_is_missing_before_one_of_a_single_frame(tmp_path: Path) -> None:
    """As it is left where an encoder is flushed: 22 ms of sound belong after the gap, not before it."""
    taped = tape(Person(user="102", stays=((0, 12),), muted=((6, 9),)))
    lost, flushed = taped.of("102", "audio")[2:4]
    assert flushed.end_s - flushed.begin_s < 0.03
    assert_gaps(taped, tmp_path, lost, absences=[("audio", TRACK_START, 6, 9)])


@pytest.mark.parametrize("side", ["before", "after", "both"])
@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_slice_is_missing_beside_an_absence(tmp_path: Path, kind: TrackType, side: str) -> None:
    hole, what = (5.7, 20.7), {"audio": "muted", "video": "camera_off"}[kind]
    taped = tape(Person(user="102", stays=((0, 24),), **{what: (hole,)}))  # type: ignore[arg-type]
    slices = taped.of("102", kind)
    first = next(at for at, each in enumerate(slices) if each.begin_s > 20)
    lost = {
        "before": slices[first - 1 : first],
        "after": slices[first : first + 1],
        "both": slices[first - 1 : first + 1],
    }
    assert_gaps(taped, tmp_path, *lost[side], absences=[(kind, TRACK_START, *hole)])


@pytest.mark.parametrize("number", [0, -1])
def test_a_slice_is_missing_with_an_absence_inside_of_it(tmp_path: Path, number: int) -> None:
    """The only one of a stay, the first or the last: its gap lies where it was recorded."""
    ends = ((0, 1.5), (5, 8)) if number == 0 else ((0, 3), (6.5, 8))
    taped = tape(Person(user="101", stays=((0, 8),)), Person(user="102", stays=ends, muted=((0, None),)))
    assert_gaps(taped, tmp_path, taped.of("102", "video")[number])


def assert_gaps(taped: Taped, folder: Path, *lost: Listed, absences: list[Any] | None = None) -> None:
    """Each lost slice is a gap of its track, where it was; the other track plays on."""
    witness = publish(taped.without(*lost), folder)
    assert_true(witness)
    gaps, others = words(witness)
    assert gaps == [(each.kind, Cause.MISSING, each.begin_s, each.end_s) for each in lost]
    assert absences is None or others == absences


# ---- playlists that lie ----


def test_the_name_of_a_first_slice_is_a_year_off(tmp_path: Path) -> None:
    taped = tape(Person(user="102", stays=((0, 8),), video_after_s=0.32), clock="recorder")
    first = taped.of("102", "video")[0].key
    year = taped.started_at.year
    lying = first.replace(f"_video_{year}", f"_video_{year + 1}")
    objects = {
        key.replace(first, lying): data.replace(Path(first).name.encode(), Path(lying).name.encode())
        if key.endswith("m3u8")
        else data
        for key, data in taped.laid.objects.items()
    }
    found = outcome(replace(taped.laid, objects=objects), tmp_path)
    (stream,) = found.manifest.streams
    assert stream.duration_s == pytest.approx(8, abs=0.1)
    (output,) = stream.outputs
    assert [track.ends_at_s for track in output.tracks] == [pytest.approx(8, abs=0.1)] * 2


def test_slices_with_both_tracks_in_the_playlist_of_the_sound(tmp_path: Path) -> None:
    """Whatever a playlist carries beside what it is for is told, and breaks nothing."""
    both, pictures = cut(flash_and_beep(10), 2), cut(flash_and_beep(10, audio=False), 2)
    stored: list[Slice | None] = [*both[:2], None, *both[3:]]
    found = outcome(agora_individual(audio=both, stored_audio=stored, video=pictures), tmp_path)
    assert "track_unsupported" in found.codes
    assert [(gap.track, gap.cause) for gap in found.stream.gaps] == [("audio", Cause.MISSING)]
    assert [t.samples_in for t in found.stream.outputs[0].tracks if t.type == "video"] == [250]


# ---- how near each other ----


def test_sound_and_pictures_lie_near_each_other(tmp_path: Path) -> None:
    taped = tape(Person(user="102", stays=((0, 20),), camera_off=((6, 14),), video_after_s=0.4))
    (output,) = (witness := publish(taped, tmp_path)).stream("102").outputs
    assert farthest_apart(witness.mp4(output)) <= 2 * max(len(taped.data(each)) for each in taped.listed)


# ---- any cast ----


@pytest.mark.parametrize("seed", range(5))
def test_a_cast_that_was_made_up(tmp_path: Path, seed: int) -> None:
    assert_true(publish(made_up(seed, restamps=False, losses=0), tmp_path))


@pytest.mark.parametrize("seed", range(100, 105))
def test_a_cast_that_was_made_up_with_losses_and_new_stamps(tmp_path: Path, seed: int) -> None:
    assert_true(publish(made_up(seed), tmp_path))

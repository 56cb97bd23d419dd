"""Individual recordings of several users: each track comes, goes and changes on its own, and tells the scene's time."""

import io
from typing import Any

import av
import pytest

from deployments.sandbox.vendors import SCRIPTS, Cast, Drop, Failover, Person, Script, Shot
from tests.lab.judging import judge_ts
from tests.sandbox.vendors.callers import Site, opened
from tests.sandbox.vendors.tracks import Taken, first_stamp, taken, taken_until_all_left

HERE = Person(user="101")
LEAD_IN_S = 1024 / 48_000
"""An AAC encoder writes one frame before the sound begins."""
NEAR_0 = pytest.approx(0, abs=0.03)


def cast_of(*people: Person, **options: Any) -> Script:
    return Script(cast=Cast(people=(HERE, *people), **options))


def said(site: Site, event_type: int, user: str, kind: str = "") -> list[dict[str, Any]]:
    """The details of these events of a user."""
    details = [event["payload"]["details"] for event in site.events() if event["eventType"] == event_type]
    return [one for one in details if one["streamUid"] == user and one.get("trackType", kind) == kind]


def states(site: Site, result: Taken, kind: str, user: str = "102") -> list[tuple[int, float]]:
    """State and moment of each change, in seconds of the recording."""
    event_type = {"audio": 43, "video": 44}[kind]
    moments = said(site, event_type, user)
    return [(one["state"], round((one["UtcMs"] - result.started_ms) / 1000, 2)) for one in moments]


def slice_starts(site: Site, result: Taken, kind: str, user: str = "102") -> list[tuple[float, float]]:
    """`startUtcMs` and `discontinueUtcMs` of each event 42, in seconds of the recording."""
    return [
        tuple(round((one[name] - result.started_ms) / 1000, 2) for name in ("startUtcMs", "discontinueUtcMs"))
        for one in said(site, 42, user, kind)
    ]


def about(*seconds: float) -> Any:
    """Within the frame that an AAC encoder writes too much at either end."""
    return pytest.approx(seconds, abs=0.045)


def test_who_leaves_and_comes_back_goes_on_in_the_same_playlists(site: Site) -> None:
    result = taken(site, SCRIPTS["rejoin"])
    assert set(result.tracks) == {f"{user}_{kind}" for user in ("101", "102") for kind in ("audio", "video")}
    result.assert_true()
    first, second = result.spans("102_video")
    assert (first, second[0]) == ((0, 4), 7)
    first, second = result.spans("102_audio")
    assert first == about(0, 4)
    assert second[0] == pytest.approx(7 - LEAD_IN_S, abs=0.006)
    for kind in ("audio", "video"):
        assert states(site, result, kind) == [(0, NEAR_0), (1, 4), (0, pytest.approx(7, abs=0.03))]
        (one, other) = slice_starts(site, result, kind)
        assert one[0] == one[1]
        assert other == about(7, 4)
        starts = [piece.begins_ms for piece in result.tracks[f"102_{kind}"].pieces if piece.restarts]
        assert [event["startUtcMs"] for event in said(site, 42, "102", kind)] == starts, "the names of the slices"


def test_three_stays_at_odd_moments(site: Site) -> None:
    stays = ((1.317, 3.402), (4.25, 6.6), (8.013, None))
    result = taken(site, cast_of(Person(user="102", stays=stays)))
    result.assert_true()
    assert [span[0] for span in result.spans("102_video")] == [1.32, 4.28, 8.04], "the next picture of a camera"
    begins = [span[0] for span in result.spans("102_audio")]
    assert begins == [pytest.approx(begin - LEAD_IN_S, abs=0.006) for begin, _ in stays]


def test_long_holes_take_no_time() -> None:
    quiet = Person(user="101", stays=((0, 354),), camera_off=((2, None),), muted=((2, None),))
    stays = ((0, 4), (12, 16), (46, 50), (350, 354))
    with opened(pace=2000.0) as site:
        result = taken_until_all_left(site, Script(cast=Cast(people=(quiet, Person(user="102", stays=stays)))))
    result.assert_true()
    assert result.spans("102_video") == list(stays)


def test_camera_and_microphone_go_off_by_themselves(site: Site) -> None:
    result = taken(site, SCRIPTS["camera off"])
    result.assert_true()
    first, second = result.spans("102_video")
    assert (first, second[0]) == ((0, 3), 6)
    first, second = result.spans("102_audio")
    assert (*first, second[0]) == about(0, 5, 8)
    assert states(site, result, "video") == [(0, 0), (1, 3), (0, 6)]
    assert states(site, result, "audio") == [(0, NEAR_0), (1, 5), (0, pytest.approx(8, abs=0.03))]


def test_a_mute_is_silence_for_a_while(site: Site) -> None:
    result = taken(site, cast_of(Person(user="102", muted=((1.5, 2.5), (4.5, 9.5)), silence_s=2)))
    first, second = result.spans("102_audio")
    assert (*first, second[0]) == about(0, 6.5, 9.5)
    data = b"".join(piece.data for piece in result.tracks["102_audio"].stretches[0])
    assert [mark.second for mark in judge_ts(data).marks] == [0, 1, 3, 4]
    assert states(site, result, "audio") == [(0, NEAR_0), (1, 4.5), (0, pytest.approx(9.5, abs=0.03))]


def test_a_track_that_never_comes_and_one_that_ends_first(site: Site) -> None:
    blind = Person(user="102", camera_off=((0, None),))
    quiet = Person(user="103", muted=((2.2, None),))
    result = taken(site, cast_of(blind, quiet), seconds=6.6)
    assert "102_video" not in result.tracks
    assert "102_audio" in result.tracks
    result.assert_true()
    assert result.spans("103_audio") == [about(0, 2.2)]
    assert said(site, 42, "102", "video") == []


@pytest.mark.parametrize("clock", ["track", "recorder"])
def test_stamps_carry_the_offset_of_a_late_picture_or_not(site: Site, clock: Any) -> None:
    result = taken(site, cast_of(Person(user="102", stays=((1, None),), video_after_s=3.2), clock=clock), seconds=8.6)
    result.assert_true()
    sound, picture = (
        b"".join(piece.data for piece in result.tracks[f"102_{kind}"].pieces) for kind in ("audio", "video")
    )
    assert result.spans("102_video")[0][0] == 4.2
    heard, seen = judge_ts(sound), judge_ts(picture)
    both = set(heard.seconds) & set(seen.seconds)
    assert both >= {5, 6, 7}
    offset_s = 0 if clock == "recorder" else 3.2
    assert all(abs(heard.beep(n) - seen.flash(n) - offset_s) <= 0.001 for n in both)


@pytest.mark.parametrize("restamps", [False, True])
@pytest.mark.parametrize("clock", ["track", "recorder"])
def test_stamps_go_on_or_begin_anew(site: Site, clock: Any, restamps: bool) -> None:
    person = Person(user="102", stays=((1, 4), (6, None)), video_after_s=0.52)
    result = taken(site, cast_of(person, clock=clock, restamps=restamps), seconds=8.6)
    result.assert_true()
    stamps = {
        kind: [first_stamp(stretch[0].data) for stretch in result.tracks[f"102_{kind}"].stretches]
        for kind in ("audio", "video")
    }
    for earlier, later in stamps.values():
        assert later - earlier == pytest.approx(0 if restamps else 5, abs=0.001)
    offset_s = 0.52 if clock == "recorder" else 0
    for sound, picture in zip(stamps["audio"], stamps["video"], strict=True):
        assert picture - sound == pytest.approx(offset_s + LEAD_IN_S, abs=0.001)


@pytest.mark.parametrize("times", ["utc17", "unix_ms"])
def test_a_phone_is_turned_within_a_slice(site: Site, times: Any) -> None:
    script = SCRIPTS["turned phone"]
    assert script.cast is not None
    result = taken(site, Script(cast=Cast(people=script.cast.people, times=times)))
    result.assert_true()
    track = result.tracks["102_video"]
    told = [(one.degrees, (one.ms - result.started_ms) / 1000, one.size) for one in track.rotates]
    size = (160, 90)
    assert told == [(0, 0, size), (90, 4.2, size), (180, 5.4, size), (270, 7, size), (0, 8.6, size)]
    assert len(track.stretches) == 1
    assert [len([tag for tag in piece.tags if "ROTATE" in tag]) for piece in track.pieces][:5] == [1, 0, 2, 1, 1]
    assert ("TIME=17" in track.text) == (times == "unix_ms")
    assert "ROTATE" not in result.tracks["102_audio"].text


def test_another_size_makes_another_slice(site: Site) -> None:
    shots = (Shot(), Shot(at_s=3.5, size=(192, 108)), Shot(at_s=6.04, size=(108, 192), degrees=90))
    result = taken(site, cast_of(Person(user="102", shots=shots), breaks=True), seconds=8.6)
    result.assert_true()
    track = result.tracks["102_video"]
    assert [(one.size, one.degrees) for one in track.rotates] == [((160, 90), 0), ((192, 108), 0), ((108, 192), 90)]
    begins = [round((piece.begins_ms - result.started_ms) / 1000, 2) for piece in track.pieces]
    assert begins[:5] == [0, 2, 3.52, 5.52, 6.04]
    assert [index for index, piece in enumerate(track.pieces) if "#EXT-X-DISCONTINUITY" in piece.tags] == [2, 4]
    assert len(track.stretches) == len(said(site, 42, "102", "video")) == 1, "nothing was interrupted"
    assert states(site, result, "video") == [(0, 0)]


def test_another_codec_after_a_rejoin(site: Site) -> None:
    result = taken(site, SCRIPTS["another codec"])
    result.assert_true()
    before, after = result.tracks["102_video"].stretches
    assert [codec_of(stretch[0].data) for stretch in (before, after)] == ["hevc", "h264"]
    assert [one.degrees for one in result.tracks["102_video"].rotates] == [0], "of codecs no tag tells"


def codec_of(data: bytes) -> str:
    with av.open(io.BytesIO(data), "r", format="mpegts") as source:
        return source.streams.video[0].codec_context.name


@pytest.mark.parametrize("gap_s", [3, -2])
def test_another_recorder_goes_on_with_everybody(site: Site, gap_s: int) -> None:
    people = (Person(user="102", stays=((1.5, None),), shots=(Shot(degrees=180),)), Person(user="103", stays=((0, 2),)))
    script = cast_of(*people, clock="recorder")
    result = taken(site, Script(cast=script.cast, failover=Failover(after_s=5, gap_s=gap_s)), seconds=11.6)
    assert set(result.tracks) == {
        f"{backup}{user}_{kind}"
        for backup, user in [("", "101"), ("", "102"), ("", "103"), ("bak0_", "101"), ("bak0_", "102")]
        for kind in ("audio", "video")
    }
    result.assert_true()
    for name, track in result.tracks.items():
        assert track.text.endswith("#EXT-X-ENDLIST\n") == name.startswith("bak0_")
        assert track.pieces[0].restarts
    for user in ("101", "102"):
        assert result.spans(f"bak0_{user}_video")[0][0] == 5 + gap_s
        assert result.spans(f"{user}_video")[0][1] <= 5
    assert [one.degrees for one in result.tracks["bak0_102_video"].rotates] == [180]
    (failover,) = [event for event in site.events() if event["eventType"] == 12]
    after = str(failover["payload"]["details"]["newUid"])
    tellers = {
        (event["payload"]["uid"], event["payload"]["details"]["startUtcMs"] >= result.started_ms + 2900)
        for event in site.events()
        if event["eventType"] == 42
    }
    assert tellers == {("527841", False), (after, True)}
    assert [len(said(site, 42, user, "video")) for user in ("101", "102", "103")] == [2, 2, 1]


def test_three_people_and_a_failover_of_three_seconds(site: Site) -> None:
    result = taken(site, SCRIPTS["three people"], seconds=12.6)
    result.assert_true()
    whole = [(name, result.spans(name)) for name in ("101_video", "102_video", "103_video")]
    assert whole == [
        ("101_video", [(0, 6)]),
        ("102_video", [(0, 2.6), (4.32, 6.32)]),
        ("103_video", [(0.52, 1.8), (4, 6)]),
    ]
    assert [result.spans(f"bak0_{user}_video")[0][0] for user in ("101", "102", "103")] == [9, 9, 9]
    assert [one.degrees for one in result.tracks["101_video"].rotates] == [0, 90]
    assert [one.degrees for one in result.tracks["bak0_101_video"].rotates] == [90, 0]


def test_everybody_drops_out_of_a_cast(site: Site) -> None:
    script = cast_of(Person(user="102", stays=((0, 5), (8, None))))
    result = taken(site, Script(cast=script.cast, drop=Drop(after_s=3, for_s=3)))
    result.assert_true()
    assert [span[0] for span in result.spans("101_video")] == [0, 6]
    assert [span[0] for span in result.spans("102_video")] == [0, 8]


def test_all_is_uploaded_is_said_of_every_track(site: Site) -> None:
    result = taken(site, SCRIPTS["rejoin"], seconds=8.6)
    (uploaded,) = [event for event in site.events() if event["eventType"] == 31]
    files = uploaded["payload"]["details"]["fileList"]
    begins = {f"{one['uid']}_{one['trackType']}": one["sliceStartTime"] for one in files}
    assert begins == {name: track.pieces[0].begins_ms for name, track in result.tracks.items()}


def test_names_of_a_cast_are_those_of_the_vendor(site: Site) -> None:
    with pytest.raises(ValueError, match="numbers"):
        site.vendors.follow("agora", "room1", Script(cast=Cast(people=(Person(user="ann"),))))
    with pytest.raises(ValueError, match="several stays"):
        site.vendors.follow("agora", "room1", cast_of(HERE))

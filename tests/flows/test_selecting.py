"""From what is asked for to the clips, and what is answered where nothing was recorded: in sentences.

All begins at 2026-05-03T14:00:11.250Z.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.export_request import ExportMode
from catalog.model import Cause, Evidence, State, StreamKind, Verdict
from flows.steps.refusing import NotReadyError, NotRecordedError, SelectionError
from flows.steps.selecting import Selection
from tests.catalog.builders import absence, at, gap
from tests.catalog.steps import hear, recording_id
from tests.flows.asked import MIX, UNTIMED, Archive, archive, held, mp4, one

SEPARATE = {"mode": ExportMode.SEPARATE}
CAMERA_OFF = absence(20, 30, track="video", evidence=Evidence.TRACK_START)
LOST = gap(40, 50, track="both", cause=Cause.TRUNCATED, segment="rec/a.ts")


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Archive]:
    with archive(tmp_path) as opened:
        yield opened


def spans(selection: Selection) -> list[tuple[str | None, float, float]]:
    return [(wish.user, wish.from_s, wish.to_s) for wish in selection.wishes]


def refused(made: Archive, begin: str, end: str, *users: str, **more: object) -> list[str]:
    with pytest.raises(NotRecordedError) as caught:
        made.select(begin, end, *users, **more)  # type: ignore[arg-type]
    return list(caught.value.lines)


def test_one_person_by_room_and_time(made: Archive) -> None:
    ann = one("ann", wall_s=10, lasts=50)
    made.publish(held("t1", ann, one("bob")))

    chosen = made.select("2026-05-03T14:00:31.250Z", "+5s", "ann")
    (wish,) = chosen.wishes
    assert (wish.user, wish.stream, wish.from_s, wish.to_s) == ("ann", "ann", 10.0, 15.0)
    assert (wish.origin.key, wish.origin.origin_s) == (ann.outputs[0].key, 0.0)
    assert (wish.manifest or "").startswith("manifests/agora/t1/000001-")
    assert wish.file == "ann_20260503T140031Z.mp4"
    assert (chosen.name, chosen.from_utc, chosen.to_utc) == ("R_ann_20260503T140031Z", at(20), at(25))
    assert (chosen.notes, chosen.has_gaps, chosen.unpublished) == ((), False, ())


def test_offsets_count_from_the_beginning_of_the_recording(made: Archive) -> None:
    made.publish(held("t1", one("ann", wall_s=10, lasts=50), one("bob")))

    by_offset = made.select("0:20", "+5s", "ann", task="t1")
    by_time = made.select("2026-05-03T14:00:31.250Z", "+5s", "ann")
    assert by_offset.wishes == by_time.wishes
    assert (by_offset.from_utc, by_offset.to_utc) == (at(20), at(25))
    clips = [
        wish.clip(starts_at_s=9.0, ends_at_s=15.02, zero_s=9.0, size_bytes=1)
        for chosen in (by_offset, by_time)
        for wish in chosen.wishes
    ]
    assert clips[0].starts_at == at(19)
    assert by_offset.request(clips[:1]).digest == by_time.request(clips[1:]).digest


def test_without_a_clock_only_offsets_say_when(made: Archive) -> None:
    made.publish(held("t1", one("ann", **UNTIMED), started_at=None, ended_at=None))

    assert spans(made.select("0:20", "0:25", "ann", task="t1")) == [("ann", 20.0, 25.0)]
    assert made.select("0:20", "0:25", task="t1").name == "R_0-00-20.000"
    with pytest.raises(SelectionError, match=r"is not known. Ask with offsets: aftertake export agora:t1 --in 0:00"):
        made.select("2026-05-03T14:00:31Z", "+5s", "ann", task="t1")


def test_camera_and_screen_are_two_clips(made: Archive) -> None:
    screen = one("ann", wall_s=10, lasts=20, name="ann-screen", kind=StreamKind.SCREEN)
    made.publish(held("t1", one("ann"), screen, one("bob")))

    chosen = made.select("0:15", "0:50", "ann", task="t1")
    assert [wish.file for wish in chosen.wishes] == ["ann_20260503T140026Z.mp4", "ann_screen_20260503T140026Z.mp4"]
    assert spans(chosen) == [("ann", 15.0, 50.0), ("ann", 5.0, 40.0)]
    assert chosen.notes == (
        (
            "the screen of user ann: audio and video not recorded from 2026-05-03T14:00:41.250Z to "
            "2026-05-03T14:01:01.250Z (0:00:30.000 to 0:00:50.000 of agora:t1): gone."
        ),
    )
    assert len(made.select("0:35", "0:50", "ann", task="t1").wishes) == 1


def test_very_many_recordings_are_refused(made: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.steps.selecting.MOST_RECORDINGS", 1)
    made.publish(held("t1", one("ann")), held("t2", one("ann", wall_s=70), wall_s=70))

    with pytest.raises(SelectionError, match="2 recordings lie in that time, and 1 are the most"):
        made.select("2026-05-03T14:00:21.250Z", "+1m30s", "ann")


def test_one_zero_reaches_over_a_day_at_most(made: Archive) -> None:
    made.publish(held("t1", one("ann")), held("t2", one("ann", wall_s=259_200), wall_s=259_200))

    with pytest.raises(SelectionError, match=r"over a day at most.* Ask for less time at once"):
        made.select("2026-05-03", "+100h", "ann", **SEPARATE)
    assert len(made.select("2026-05-03", "+100h", "ann").wishes) == 2
    assert len(made.select("2026-05-03", "+24h", "ann", **SEPARATE).wishes) == 1


def test_parts_and_recordings_of_a_room_give_clips_in_order(made: Archive) -> None:
    parts = one("ann", outputs=(mp4(30.0, 60.0), mp4(0.04, 30.0)))
    made.publish(held("t2", one("ann", wall_s=70), wall_s=70), held("t1", parts))

    chosen = made.select("2026-05-03T14:00:21.250Z", "+1m30s", "ann")
    assert [(wish.task_id, wish.from_s, wish.to_s, wish.origin.origin_s) for wish in chosen.wishes] == [
        ("t1", 10.0, 30.0, 0.04),
        ("t1", 30.0, 100.0, 30.0),
        ("t2", -60.0, 30.0, 0.0),
    ]
    assert chosen.notes == ("no recording from 2026-05-03T14:01:11.250Z to 2026-05-03T14:01:21.250Z.",)


def test_files_of_one_name_are_told_apart(made: Archive) -> None:
    parts = one("ann", outputs=(mp4(0.0, 10.2), mp4(10.2, 10.6), mp4(10.6, 60.0)))
    made.publish(held("t1", parts))

    names = [wish.file for wish in made.select("0:10", "0:11", "ann", task="t1").wishes]
    assert names == ["ann_20260503T140021Z.mp4", "ann_20260503T140021Z_2.mp4", "ann_20260503T140021Z_3.mp4"]


def test_nobody_named_is_the_only_one_or_the_mix(made: Archive) -> None:
    made.publish(held("t1", one("ann")), held("t2", one(None, **MIX), one("bob"), room="M"))

    assert spans(made.select("0:10", "0:20", task="t1")) == [("ann", 10.0, 20.0)]
    assert spans(made.select("0:10", "0:20", task="t2")) == [(None, 10.0, 20.0)]
    assert spans(made.select("0:10", "0:20", task="t2", **SEPARATE)) == [("bob", 10.0, 20.0)]


def test_several_people_need_a_file_each(made: Archive) -> None:
    made.publish(held("t1", one("bob"), one("ann", wall_s=30, lasts=30), one("cy", lasts=5)))

    with pytest.raises(SelectionError, match=r"several .*: user bob, user ann. Name one with --user, or .* --separate"):
        made.select("0:20", "0:40", task="t1")
    with pytest.raises(SelectionError, match=r"one file holds one person. Ask .* --separate"):
        made.select("0:20", "0:40", "ann", "bob", task="t1", mode=ExportMode.FAST)
    everybody = made.select("0:20", "0:40", task="t1", **SEPARATE)
    assert spans(everybody) == [("ann", -10.0, 10.0), ("bob", 20.0, 40.0)]
    assert spans(made.select("0:20", "0:40", "bob", "ann", task="t1")) == [("bob", 20.0, 40.0), ("ann", -10.0, 10.0)]
    assert spans(made.select("0:10", "0:20", task="t1")) == [("bob", 10.0, 20.0)]


def test_what_is_missing_in_the_middle_is_told_beforehand(made: Archive) -> None:
    made.publish(held("t1", one("ann", absences=(CAMERA_OFF,), gaps=(LOST,)), verdict=Verdict.GAPS))

    chosen = made.select("0:25", "0:45", "ann", task="t1")
    assert chosen.notes == (
        (
            "user ann: video not recorded from 2026-05-03T14:00:36.250Z to 2026-05-03T14:00:41.250Z (0:00:25.000 to "
            "0:00:30.000 of agora:t1): paused: the vendor marks a new start of the track after it."
        ),
        (
            "user ann: audio and video lost from 2026-05-03T14:00:51.250Z to 2026-05-03T14:00:56.250Z (0:00:40.000 to "
            "0:00:45.000 of agora:t1): truncated rec/a.ts."
        ),
    )
    assert chosen.has_gaps
    assert not made.select("0:05", "0:25", "ann", task="t1").has_gaps


def test_who_gives_no_file_because_all_of_it_is_lost_is_told(made: Archive) -> None:
    lost: dict[str, Any] = {"gaps": (gap(0, 60, track="both"),), "outputs": ()}
    screen = one("ann", name="ann-screen", kind=StreamKind.SCREEN, **lost)
    mix = held("t2", one(None, wall_s=70, **MIX, **lost), wall_s=70, room="M", verdict=Verdict.GAPS)
    made.publish(held("t1", one("ann"), screen, one("bob", **lost), one("cy", lasts=5), verdict=Verdict.GAPS))
    made.publish(held("t3", one(None, **MIX), room="M"), mix)

    for chosen, people in (
        (made.select("0:10", "0:20", "ann", task="t1"), ["the screen of user ann"]),
        (made.select("0:10", "0:20", task="t1", **SEPARATE), ["the screen of user ann", "user bob"]),
        (made.select("2026-05-03T14:00:21.250Z", "+80s", room="M"), ["the mix"]),
    ):
        notes = [note for note in chosen.notes if " lost from " in note]
        assert [note.partition(":")[0] for note in notes] == people
        assert chosen.has_gaps


def test_a_range_that_reaches_further_is_told(made: Archive) -> None:
    made.publish(held("t1", one("ann")))

    chosen = made.select("0:50", "1:30", "ann", task="t1")
    assert spans(chosen) == [("ann", 50.0, 90.0)]
    assert chosen.notes == ("no recording from 0:01:00.000 to 0:01:30.000.",)


def test_wholly_within_a_gap(made: Archive) -> None:
    made.publish(held("t1", one("ann", gaps=(LOST,)), verdict=Verdict.GAPS))

    assert refused(made, "2026-05-03T14:00:53.250Z", "+5s", "ann") == [
        "user ann: nothing was recorded from 2026-05-03T14:00:53.250Z to 2026-05-03T14:00:58.250Z in agora:t1.",
        (
            "user ann: audio and video lost from 2026-05-03T14:00:53.250Z to 2026-05-03T14:00:58.250Z (0:00:42.000 to "
            "0:00:47.000 of agora:t1): truncated rec/a.ts."
        ),
        "The nearest of user ann that was recorded: --in 2026-05-03T14:00:46.250Z --out 2026-05-03T14:00:51.250Z",
    ]


def test_what_is_said_instead_can_be_asked_as_it_stands(made: Archive) -> None:
    """It is rounded inwards to the millisecond, so that none of it is missing."""
    lost = gap(0, 20.0004, track="both"), gap(29.9996, 60, track="both")
    made.publish(held("t1", one("ann", gaps=lost), verdict=Verdict.GAPS))

    *_, instead = refused(made, "0:05", "0:19", "ann", task="t1")
    assert instead.endswith("--in 0:00:20.001 --out 0:00:29.999")
    _, begin, _, end = instead.rpartition("recorded: ")[2].split()
    again = made.select(begin, end, "ann", task="t1")
    assert (spans(again), again.notes) == ([("ann", 20.001, 29.999)], ())


def test_not_in_the_room_yet(made: Archive) -> None:
    made.publish(held("t1", one("ann", wall_s=20, lasts=40), one("bob")))

    assert refused(made, "0:05", "0:15", "ann", task="t1")[1:] == [
        (
            "user ann: audio and video not recorded from 2026-05-03T14:00:16.250Z to 2026-05-03T14:00:26.250Z "
            "(0:00:05.000 to 0:00:15.000 of agora:t1): not there yet."
        ),
        "The nearest of user ann that was recorded: --in 0:00:20.000 --out 0:00:30.000",
    ]


def test_somebody_who_was_never_there(made: Archive) -> None:
    made.publish(
        held("t1", one("ann"), one("bob", wall_s=30, lasts=30)), held("t2", one("cy", wall_s=600), room="S", wall_s=600)
    )

    assert refused(made, "0:05", "0:15", "cy", task="t1") == [
        "user cy was not recorded from 0:00:05.000 to 0:00:15.000 in agora:t1.",
        "Recorded then: user ann.",
    ]
    assert refused(made, "2026-05-03T14:00:16.250Z", "+10s", "cy") == [
        "user cy was not recorded from 2026-05-03T14:00:16.250Z to 2026-05-03T14:00:26.250Z in room R.",
        "Recorded then: user ann.",
        "User cy is in no published recording in room R; `aftertake who` tells who was on.",
    ]
    assert refused(made, "2026-05-03T14:00:16.250Z", "+10s", "cy", room=None) == [
        "user cy was not recorded from 2026-05-03T14:00:16.250Z to 2026-05-03T14:00:26.250Z, in any room.",
        "Nearest after, in agora:t2: agora:t2 --user cy --in 2026-05-03T14:10:11.250Z --out 2026-05-03T14:10:21.250Z",
    ]


def test_a_user_of_a_mix_cannot_be_taken_out(made: Archive) -> None:
    made.publish(held("t1", one(None, **MIX)))

    assert "Only the mix of everybody was recorded: leave out --user." in refused(made, "0:05", "0:15", "a", task="t1")


def test_a_room_that_was_not_recorded_then(made: Archive) -> None:
    made.publish(held("t1", one("ann")), held("t2", one("ann", wall_s=600, lasts=5), wall_s=600, lasts=5))

    assert refused(made, "2026-05-03T14:05:00Z", "+10s") == [
        "room R was not recorded from 2026-05-03T14:05:00.000Z to 2026-05-03T14:05:10.000Z.",
        "Nearest before, agora:t1: --room R --in 2026-05-03T14:01:01.250Z --out 2026-05-03T14:01:11.250Z",
        "Nearest after, agora:t2: --room R --in 2026-05-03T14:10:11.250Z --out 2026-05-03T14:10:16.250Z",
    ]
    assert refused(made, "2026-05-03T14:05:00Z", "+10s", room="X")[1:] == [
        "No recording of room X is known; `aftertake ls` shows those that are."
    ]


def test_a_task_that_is_not_known_or_not_of_that_room(made: Archive) -> None:
    made.publish(held("t1", one("ann")))

    unknown, advice = refused(made, "0:05", "0:15", task="t9")
    assert "knows no recording t9" in unknown
    assert "aftertake ls" in advice
    assert refused(made, "0:05", "0:15", task="t1", room="S")[0] == "agora:t1 is of room R, not of S."


def test_after_its_end(made: Archive) -> None:
    made.publish(held("t1", one("ann")))

    assert refused(made, "14:05", "14:10", task="t1") == [
        "user ann: nothing was recorded from 0:14:05.000 to 0:14:10.000 in agora:t1.",
        "agora:t1 lasts 0:01:00.000, from 2026-05-03T14:00:11.250Z to 2026-05-03T14:01:11.250Z.",
        "The nearest of user ann that was recorded: --in 0:00:55.000 --out 0:01:00.000",
    ]


def test_a_time_of_day_that_was_meant(made: Archive) -> None:
    """14:00:30 is 14 hours in; a recording that goes on at that time of the day was meant otherwise."""
    made.publish(held("t1", one("ann")))

    said = refused(made, "14:00:30", "14:00:40", task="t1")
    assert "If the time of day is meant: --in 2026-05-03T14:00:30.000Z --out 2026-05-03T14:00:40.000Z" in said


def test_a_recording_of_which_nothing_was_published(made: Archive) -> None:
    made.publish(held("t1", verdict=Verdict.EMPTY))

    assert refused(made, "0:05", "0:15", task="t1") == [
        "nothing is published of 0:00:05.000 to 0:00:15.000: agora:t1 is empty.",
        "`aftertake show agora:t1` tells why.",
    ]


def test_what_is_not_published_yet(made: Archive) -> None:
    hear(made.catalog, "t1", state=State.STOPPED, room="R")

    with pytest.raises(NotReadyError, match="agora:t1 is not published yet: it is stopped") as caught:
        made.select("0:05", "0:15", task="t1")
    assert [each.id for each in caught.value.recordings] == [recording_id("t1")]


def test_what_may_come_to_it_is_told(made: Archive) -> None:
    heard = hear(made.catalog, "t2", state=State.RECORDING, room="R")
    wall_s = (heard.heard_at - at(0)).total_seconds() - 30
    made.publish(held("t1", one("ann", wall_s=wall_s), wall_s=wall_s))
    begin = at(wall_s + 20).isoformat()

    chosen = made.select(begin, "+15s", "ann")
    assert [each.id for each in chosen.unpublished] == [recording_id("t2")]
    assert chosen.notes == ("agora:t2 is not published yet, and may have more of that time.",)
    assert made.select(begin, "+15s", "ann", room=None) == chosen
    with pytest.raises(NotReadyError, match=r"user bob is in no published recording from .* agora:t2 is not published"):
        made.select(begin, "+15s", "bob", room=None)
    with pytest.raises(NotReadyError, match="agora:t2 is not published yet: it is recording"):
        made.select(at(wall_s + 20).isoformat(), "+15s", "bob")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"room": None}, "whose recording"),
        ({"room": "R"}, "name its task"),
    ],
)
def test_what_leaves_open_what_is_meant(made: Archive, asked: dict[str, str | None], said: str) -> None:
    with pytest.raises(SelectionError, match=said):
        made.select("0:05", "0:15", **asked)


def test_a_task_id_that_two_vendors_have(made: Archive) -> None:
    made.publish(held("t1", one("ann")), held("t1", one("ann"), vendor="zego"))

    with pytest.raises(SelectionError, match="t1 may be agora:t1 or zego:t1: write which"):
        made.select("0:05", "0:15", task="t1")
    assert made.select("0:05", "0:15", task="zego:t1").wishes[0].vendor == "zego"


def test_manifests_of_the_first_days_have_no_ends(made: Archive) -> None:
    made.publish(held("t1", one("ann", outputs=(mp4(0.5, 0.0),))))

    assert spans(made.select("0:00", "0:59", "ann", task="t1")) == [("ann", 0.0, 59.0)]


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\0b", "\x1b[2J", "x" * 400, "con:1", "ü漢字", "..."])
def test_names_fit_every_file_system(made: Archive, name: str) -> None:
    made.publish(held("t1", one(name.replace("\0", ""), name="s")))

    chosen = made.select("0:05", "0:15", task="t1", name=name)
    for text in (chosen.name, chosen.wishes[0].file, made.select("0:05", "0:15", task="t1").name):
        assert not set(text) & set('/\\:*?"<>|\0\x1b')
        assert 0 < len(text.encode()) <= 204
        assert text.strip(". ") == text

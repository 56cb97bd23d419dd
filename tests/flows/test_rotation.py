"""Which way up pictures are: from an Agora playlist's tags to the manifest's list and the output's own word."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.model import Rotation, Verdict
from deployments.sandbox.layouts import STARTED_AT
from flows.steps.describing import MOST_ROTATIONS
from media.plan import Pictures
from tests.flows.folders import unfinished
from tests.flows.scenes import Outcome, outcome
from tests.lab import Slice, agora_individual, judge_mp4
from tests.media.recordings import recording, resumed, undecodable


def processed(
    folder: Path, slices: list[Slice], tags: dict[int, list[str]], pictures: Pictures = Pictures.AS_RECORDED
) -> Outcome:
    """The pictures of one user, with these ROTATE tags before slices by number."""
    laid = agora_individual(video=slices)
    (playlist,) = laid.playlists
    before, *entries = laid.objects[playlist].decode().split("#EXTINF")
    for number, found in tags.items():
        lines = "".join(f"#EXT-X-AGORA-ROTATE:{tag}\n" for tag in found)
        if number:
            entries[number - 1] += lines
        else:
            before += lines
    text = "#EXTINF".join([before, *entries])
    return outcome(replace(laid, objects={**laid.objects, playlist: text.encode()}), folder, pictures)


def tag(degrees: int, at_s: float, size: str = "WIDTH=90,HEIGHT=160") -> str:
    time = (STARTED_AT + timedelta(seconds=at_s)).strftime("%Y%m%d%H%M%S%f")[:17]
    return f"{size},ROTATE={degrees},TIME={time}"


def told(at_s: float, degrees: int, *, applied: bool, size: tuple[int, int] = (90, 160)) -> Rotation:
    utc = STARTED_AT + timedelta(seconds=at_s)
    return Rotation(from_s=at_s, from_utc=utc, degrees=degrees, width=size[0], height=size[1], applied=applied)


def lying(*, hevc: bool = False) -> list[Slice]:
    return resumed(
        recording(4, audio=False, degrees=90), recording(4, audio=False, degrees=90, first_second=4, hevc=hevc), 4
    )


def test_a_turn_that_holds_for_a_whole_file_is_applied(tmp_path: Path) -> None:
    found = processed(tmp_path, lying(), {0: [tag(90, 0)]})
    assert found.manifest.verdict is Verdict.COMPLETE
    assert found.stream.rotations == (told(0, 90, applied=True),)


def test_a_turn_inside_a_file_is_told_and_not_applied(tmp_path: Path) -> None:
    found = processed(tmp_path, lying(), {0: [tag(0, 0)], 1: [tag(90, 3), tag(180, 3.5)]})
    assert found.manifest.verdict is Verdict.COMPLETE
    assert found.stream.rotations == (
        told(0, 0, applied=True),
        told(3, 90, applied=False),
        told(3.5, 180, applied=False),
    )


def test_a_turn_over_two_files_is_told_of_each(tmp_path: Path) -> None:
    """The first turns inside, the second does not."""
    found = processed(tmp_path, lying(hevc=True), {1: [tag(90, 2)]})
    assert [len(each.outputs) for each in found.manifest.streams] == [2]
    assert found.stream.rotations == (told(2, 90, applied=False), told(4, 90, applied=True))


@pytest.mark.parametrize("tags", [{}, {0: [tag(0, 0)], 2: [tag(0, 4, "WIDTH=9,HEIGHT=6")]}, {0: ["ROTATE=45"]}])
def test_nothing_is_told_of_pictures_that_stand_upright(tmp_path: Path, tags: dict[int, list[str]]) -> None:
    assert processed(tmp_path, lying(), tags).stream.rotations == ()


def test_a_telephone_that_is_turned_for_ever_does_not_swell_the_manifest(tmp_path: Path) -> None:
    turning = [tag(90 * (number % 4), number * 0.006) for number in range(10, MOST_ROTATIONS + 40)]
    found = processed(tmp_path, lying(), {0: turning})
    assert len(found.stream.rotations) == MOST_ROTATIONS
    (finding,) = (each for each in found.manifest.findings if each.code == "rotations_left_out")
    assert finding.detail == "30 more turns from 1.26 s on are not in the manifest"
    assert found.manifest.verdict is Verdict.COMPLETE


def test_pictures_that_could_not_be_encoded_anew_are_lost_and_told(tmp_path: Path) -> None:
    slices = resumed(recording(4, audio=False), recording(4, audio=False, degrees=90, first_second=4), 4)
    slices[1] = undecodable(slices[1])
    found = processed(tmp_path, slices, {0: [tag(0, 0)], 2: [tag(90, 4)]}, pictures=Pictures.NORMALISE)
    assert (found.manifest.verdict, found.codes) == (Verdict.GAPS, {"pictures_refused"})


def test_pictures_of_one_form_where_the_policy_says_so(tmp_path: Path) -> None:
    """Read once more where they turn; sound, or what never turns, is copied as it is."""
    slices = resumed(recording(3, audio=False), recording(5, audio=False, degrees=90, first_second=3), 3)
    found = processed(tmp_path / "form", slices, {0: [tag(0, 0)], 2: [tag(90, 3)]}, pictures=Pictures.NORMALISE)
    (output,) = found.stream.outputs
    assert found.manifest.verdict is Verdict.COMPLETE
    assert found.stream.rotations == (told(0, 0, applied=True), told(3, 90, applied=True))
    assert [track.codec[:4] for track in output.tracks] == ["avc1"]
    assert judge_mp4(found.mp4()).seconds == tuple(range(8))
    assert unfinished(tmp_path / "form" / "out") == []
    plain = processed(tmp_path / "plain", lying(), {0: [tag(90, 0)]}, pictures=Pictures.NORMALISE)
    copied = processed(tmp_path / "copied", lying(), {0: [tag(90, 0)]})
    assert plain.mp4() == copied.mp4()
    assert plain.stream.outputs[0].key != copied.stream.outputs[0].key

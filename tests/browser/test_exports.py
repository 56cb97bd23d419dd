"""Cuts in a real Chromium: their first picture, their sound beside it, and people side by side from one zero."""

from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from media.cut import Cut, cut, start_of
from tests.browser.player import Player, in_one_of_three_plays
from tests.browser.rooms import FRAME, REFRESH, offsets, side_by_side, spread
from tests.e2e.cases import LEAD_IN, holed
from tests.media.cutting import index_of, written
from tests.media.driving import make
from tests.media.recordings import recording

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def cut_of(
    mp4: bytes, begin: float | Fraction, end: float | Fraction, zero: Fraction | None = None
) -> tuple[Cut, bytes]:
    made = cut(index_of(mp4), Fraction(begin), Fraction(end), zero=zero)
    return made, written(made, mp4)


def judge(player: Player, mp4: bytes, first: int, seconds: set[int]) -> None:
    """The file begins with the picture of second `first`; each second is seen and heard as long after it as it was."""
    report = player.play(mp4)
    assert report.flash(first) == pytest.approx(0, abs=0.001)
    assert seconds <= report.offsets.keys()
    for second in seconds:
        assert report.flash(second) == pytest.approx(second - first, abs=FRAME)
        assert report.beep(second) == pytest.approx(second - first, abs=FRAME)
    assert report.worst_offset_s < FRAME


def test_a_cut_plays_from_its_first_picture(player: Player) -> None:
    made, mp4 = cut_of(make(recording(12)).mp4, 5.3, 7.2)
    assert float(made.starts_at) == pytest.approx(5 + LEAD_IN)
    in_one_of_three_plays(partial(judge, player, mp4, 5, {6, 7}))


def test_a_cut_over_a_hole_plays_on_in_time(player: Player) -> None:
    """Seconds 6 to 8 are lost."""
    made, mp4 = cut_of(holed("both lost", 3).make().mp4, 5.2, 10.2)
    assert float(made.starts_at) == pytest.approx(5 + LEAD_IN)
    in_one_of_three_plays(partial(judge, player, mp4, 5, {9, 10}))


@pytest.fixture(scope="module")
def room() -> tuple[list[bytes], float]:
    """Cuts of one who was there, one who came two seconds later, and one who came with that one without sound.

    All three have one zero, with the first picture of second 1; and when the last one's first picture is due.
    """
    there, late, mute = (
        make(slices).mp4
        for slices in (recording(8), recording(6, first_second=2), recording(6, first_second=2, audio=False))
    )
    begin, end = Fraction(13, 10), Fraction(42, 10)
    zero = start_of(index_of(there), begin, end)
    # Where there is sound, it begins before the first picture.
    by_pictures = zero - Fraction(1024, 48_000) - 2
    cuts = [cut_of(there, begin, end, zero), cut_of(late, begin - 2, end - 2, zero - 2)]
    cuts.append(cut_of(mute, begin - 2, end - 2, by_pictures))
    return [mp4 for _, mp4 in cuts], float(cuts[-1][0].starts_at - by_pictures)


def test_people_with_one_zero_play_in_step(player: Player, room: tuple[list[bytes], float]) -> None:
    """Chromium shows a file whose tracks all begin late at once, and from its first picture: silence keeps it waiting.

    A file without sound it must be told to start when its first picture is due. Its times count from zero all the same.
    """
    in_one_of_three_plays(partial(judge_room, player, *room))


def judge_room(player: Player, files: list[bytes], due: float) -> None:
    seen = side_by_side(player, files, [{"at": at, "turns": []} for at in (0, 0, due)])
    assert [set(map(int, frames[:, 2])) for frames in seen] == [{1, 2, 3, 4}, {2, 3, 4}, {2, 3, 4}]
    by_media = [offsets(frames, frames[:, 1]) for frames in seen]
    assert max(spread(by_media)) < FRAME
    assert by_media[0][1] == pytest.approx(-1, abs=FRAME)
    on_page = [offsets(frames, frames[:, 0]) for frames in seen]
    assert float(np.median(spread(on_page))) < FRAME + REFRESH

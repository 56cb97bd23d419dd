"""Our outputs in a real Chromium: what is seen and heard, which is not always what the stamps say."""

from functools import cache

import pytest

from tests.browser.player import Player
from tests.e2e.cases import CHANGING, HOLED, WHOLE, Case, holed

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FRAME = 1 / 25
NAMED = WHOLE | CHANGING


@cache
def output(name: str, hole: int = 0) -> bytes:
    return (holed(name, hole) if hole else NAMED[name]()).make().mp4


def judge_in_player(player: Player, case: Case, mp4: bytes) -> None:
    """In each stretch, every second that must be there is seen and heard in time."""
    for begin, end in case.plays:
        report = player.play(mp4, from_s=begin, to_s=end)
        flashes = {mark.second: mark.flash_s for mark in report.marks if mark.flash_s is not None}
        beeps = {mark.second: mark.beep_s for mark in report.marks if mark.beep_s is not None}
        # A player may drop what is at the very edges of a stretch.
        due = {n for n in range(round(begin), round(end) + 1) if begin + 0.5 < n + case.zero_s < end - 0.5}
        assert due & case.flashes <= flashes.keys() <= case.flashes
        assert due & case.beeps <= beeps.keys() <= case.beeps
        for number, at in flashes.items():
            assert at == pytest.approx(number + case.zero_s, abs=FRAME)
        if not case.flashes:
            return
        for number in beeps.keys() & flashes.keys():
            assert beeps[number] == pytest.approx(flashes[number], abs=FRAME)
        for number, at in beeps.items():
            assert at == pytest.approx(number + case.zero_s, abs=FRAME)


@pytest.mark.parametrize("name", NAMED)
def test_in_time(player: Player, name: str) -> None:
    case = NAMED[name]()
    if case.no_player:
        pytest.skip(case.no_player)
    judge_in_player(player, case, output(name))


@pytest.mark.parametrize(("kind", "hole"), HOLED)
def test_in_time_after_a_hole(player: Player, kind: str, hole: int) -> None:
    judge_in_player(player, holed(kind, hole), output(kind, hole))


@pytest.mark.parametrize("name", [name for name in NAMED if name not in {"hevc", "sound alone"}])
def test_it_plays_from_its_first_bytes(player: Player, name: str) -> None:
    """One request, from the first byte; a player that needs the end of a file first makes another."""
    mp4 = output(name)
    opening = player.open(mp4, bytes_per_second=len(mp4))
    assert opening.requests == (0,)
    assert opening.bytes_sent < len(mp4)


@pytest.mark.parametrize("kind", ["both lost", "no audio", "no video"])
def test_a_long_one_plays_from_its_first_bytes(player: Player, kind: str) -> None:
    mp4 = output(kind, 300)
    opening = player.open(mp4, bytes_per_second=len(mp4) // 2)
    assert opening.requests == (0,)
    assert opening.bytes_sent < len(mp4) / 2

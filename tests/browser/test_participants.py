"""Somebody whose sound and pictures were listed apart, in a real Chromium: in step, late starts and holes kept."""

from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deployments.sandbox.vendors import Person
from deployments.sandbox.vendors.cast import Clock
from tests.browser.player import Player, in_one_of_three_plays
from tests.e2e.casting import publish, tape

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FRAME = 1 / 25
EDGE = 0.35
"""Seconds at both ends of a stretch in which a player may not show everything."""
STAYS = ((0, 5.5), (13.5, 16.5), (46.5, 49.5))
"""Holes of 8 and 30 seconds."""
LATE_S = 3.2
CATCHING_UP = 1.0
"""After a hole a busy player may leave out pictures for so long, and a flash is two of them."""


@cache
def joined(clock: Clock, *, restamps: bool) -> tuple[bytes, float]:
    """The MP4, and where second 0 of the recording lies in it."""
    person = Person(user="102", stays=STAYS, video_after_s=0, camera_off=((0, LATE_S),))
    with TemporaryDirectory() as folder:
        witness = publish(tape(person, clock=clock, restamps=restamps), Path(folder))
        (output,) = witness.stream("102").outputs
        return witness.mp4(output), -witness.was(witness.stream("102"), 0.0)


@pytest.mark.parametrize(
    ("clock", "restamps", "stretch"),
    [("track", True, (0.0, 16.4)), ("recorder", False, (45.9, 49.4))],
    ids=["late pictures and 8 s, each from zero, anew", "30 s, one clock"],
)
def test_in_step(player: Player, clock: Clock, restamps: bool, stretch: tuple[float, float]) -> None:
    mp4, zero_s = joined(clock, restamps=restamps)
    in_one_of_three_plays(partial(judge, player, mp4, zero_s, stretch))


def judge(player: Player, mp4: bytes, zero_s: float, stretch: tuple[float, float]) -> None:
    begin, end = stretch
    report = player.play(mp4, from_s=begin, to_s=end)
    flashes = {mark.second: mark.flash_s for mark in report.marks if mark.flash_s is not None}
    beeps = {mark.second: mark.beep_s for mark in report.marks if mark.beep_s is not None}
    recorded = {n for a, b in STAYS for n in range(50) if a <= n < b - EDGE}
    due = {n for n in recorded if begin + EDGE < n + zero_s < end - EDGE}
    seen = {n for n in due if n >= LATE_S + FRAME and not any(a <= n < a + CATCHING_UP for a, _ in STAYS)}
    assert seen <= flashes.keys() <= recorded
    assert due <= beeps.keys() <= recorded
    for number, at in (flashes | beeps).items():
        assert at == pytest.approx(number + zero_s, abs=FRAME)
    for number in seen & due:
        assert beeps[number] == pytest.approx(flashes[number], abs=FRAME)

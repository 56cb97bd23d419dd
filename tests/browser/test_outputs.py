"""Our outputs in a real Chromium: what is seen and heard, which is not always what the stamps say."""

import base64
from functools import cache, partial

import numpy as np
import pytest

from tests.browser.player import Player, in_one_of_three_plays
from tests.browser.server import serve
from tests.e2e.cases import CHANGING, HOLED, WHOLE, Case, holed
from tests.lab import DAMAGES
from tests.lab.judging import find_beeps
from tests.media.driving import make
from tests.media.recordings import recording

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FRAME = 1 / 25
NAMED = {**WHOLE, **CHANGING}
EDGE = 0.35
"""Seconds at both ends of a stretch in which a player may not show everything."""
PLAY_FAST = """async () => {
  const video = document.getElementById("video");
  video.src = "media.mp4"; video.muted = true; video.playbackRate = 8;
  const over = new Promise((resolve) => {
    video.onerror = () => resolve(video.error.message);
    video.onended = () => resolve("ended");
  });
  await video.play();
  return [await over, video.currentTime];
}"""
DECODE = """async () => {
  const file = await (await fetch("media.mp4")).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 1, 48000).decodeAudioData(file);
  const bytes = new Uint8Array(sound.getChannelData(0).buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}"""


@cache
def output(name: str, hole: int = 0) -> bytes:
    return (holed(name, hole) if hole else NAMED[name]()).make().mp4


def judge_in_player(player: Player, case: Case, mp4: bytes) -> None:
    """In each stretch, every second that must be there is seen and heard in time."""
    if case.no_player:
        pytest.skip(case.no_player)
    for begin, end in case.plays:
        in_one_of_three_plays(partial(judge_stretch, player, case, mp4, begin, end))


def judge_stretch(player: Player, case: Case, mp4: bytes, begin: float, end: float) -> None:
    report = player.play(mp4, from_s=begin, to_s=end)
    flashes = {mark.second: mark.flash_s for mark in report.marks if mark.flash_s is not None}
    beeps = {mark.second: mark.beep_s for mark in report.marks if mark.beep_s is not None}
    due = {n for n in range(round(end) + 1) if begin + EDGE < n + case.zero_s < end - EDGE}
    assert due & case.flashes <= flashes.keys() <= case.flashes
    assert due & case.beeps <= beeps.keys() <= case.beeps
    for number in due & flashes.keys():
        assert flashes[number] == pytest.approx(number + case.zero_s, abs=FRAME)
    for number in due & beeps.keys():
        assert beeps[number] == pytest.approx(number + case.zero_s, abs=FRAME)
    for number in due & beeps.keys() & flashes.keys():
        assert beeps[number] == pytest.approx(flashes[number], abs=FRAME)


@pytest.mark.parametrize("name", NAMED)
def test_in_time(player: Player, name: str) -> None:
    judge_in_player(player, NAMED[name](), output(name))


@pytest.mark.parametrize(("kind", "hole"), HOLED)
def test_in_time_after_a_hole(player: Player, kind: str, hole: int) -> None:
    judge_in_player(player, holed(kind, hole), output(kind, hole))


def test_sound_alone(player: Player) -> None:
    with serve(output("sound alone")) as site:
        page = player.browser.new_page()
        try:
            page.goto(site.url)
            encoded = page.evaluate(DECODE)
        finally:
            page.close()
    samples = np.frombuffer(base64.b64decode(encoded), np.float32)
    heard = {code: at / 48_000 for code, at in find_beeps(samples, 48_000)}
    assert heard == {n: pytest.approx(n + WHOLE["sound alone"]().zero_s, abs=0.001) for n in range(8)}


@pytest.mark.parametrize("name", ["pictures alone", "late video, not in the PMT"])
def test_it_plays_from_its_first_bytes(player: Player, name: str) -> None:
    """One request, from the first byte; a player that needs the end of a file first makes another."""
    assert player.open(output(name), bytes_per_second=len(output(name))).requests == (0,)


@pytest.mark.parametrize("kind", ["both lost", "no audio", "no video"])
def test_a_long_one_plays_from_its_first_bytes(player: Player, kind: str) -> None:
    mp4 = output(kind, 300)
    opening = player.open(mp4, bytes_per_second=len(mp4) // 2)
    assert opening.requests == (0,)
    assert opening.bytes_sent < len(mp4)


@pytest.mark.parametrize(
    ("name", "b_frames", "gop"), [("random bytes", 2, 25), ("zeros", 3, 100), ("random bytes", 6, 250)]
)
def test_after_a_loss_it_plays_on(player: Player, name: str, b_frames: int, gop: int) -> None:
    slices = list(recording(b_frames=b_frames, gop=gop))
    with serve(make(slices, stored=DAMAGES[name].apply(slices, "middle").stored).mp4) as site:
        page = player.browser.new_page()
        try:
            page.goto(site.url)
            how, at = page.evaluate(PLAY_FAST)
        finally:
            page.close()
    assert how == "ended"
    assert at == pytest.approx(12, abs=0.1)

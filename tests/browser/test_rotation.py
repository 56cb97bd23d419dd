"""Pictures that were coded lying stand upright in a real Chromium: it is their pixels that are looked at."""

from functools import partial

import pytest

from tests.browser.player import Player, in_one_of_three_plays
from tests.browser.server import serve
from tests.media.driving import Made, arrivals, make, planned, run
from tests.media.recordings import recording, resumed

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LOOK = """async at => {
  const shown = event("canplaythrough");
  video.src = "media.mp4";
  await shown;
  const presented = new Promise((resolve) => {
    const look = (_, frame) => {
      if (Math.abs(frame.mediaTime - at) < 0.04) resolve();
      else video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  });
  video.currentTime = at;
  await presented;
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, canvas.width, canvas.height);
  const seen = read(context.getImageData(0, 0, canvas.width, canvas.height));
  return [canvas.width, canvas.height, seen.second, seen.frame];
}"""


def look(player: Player, mp4: bytes, at_s: float) -> list[int]:
    """Size of the picture at this time, its second, and its number in that second."""
    with serve(mp4) as site:
        page = player.browser.new_page()
        try:
            page.goto(site.url)
            seen: list[int] = page.evaluate(LOOK, at_s)
            return seen
        finally:
            page.close()


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_lying_picture_stands_upright(player: Player, degrees: int) -> None:
    mp4 = make(recording(3, audio=False, degrees=degrees), marks={0: (f"rotate:{degrees}:90x160",)}).mp4
    assert look(player, mp4, 1.42) == [160, 90, 1, 10]


def test_it_does_so_in_every_size(player: Player) -> None:
    first = recording(4, audio=False, degrees=90)
    larger = recording(4, audio=False, first_second=4, size=(320, 180), degrees=90)
    mp4 = make(resumed(first, larger, 4), marks={0: ("rotate:90:90x160",), 2: ("rotate:90:180x320",)}).mp4
    assert look(player, mp4, 1.42)[2:] == [1, 10]
    assert look(player, mp4, 5.42) == [320, 180, 5, 10]


def normalised() -> Made:
    """Four seconds upright, then four that lie and are larger: one upright form, and the sound beside it."""
    slices = resumed(
        recording(4, flash_frames=5), recording(4, first_second=4, size=(320, 180), degrees=90, flash_frames=5), 4
    )
    plan = planned(slices, marks={2: ("rotate:90:180x320",)})
    upright = run(plan, arrivals(plan, list(slices))).assembly.upright
    return run(plan, arrivals(plan, list(slices)), upright=upright)


def test_pictures_of_one_form_play_in_time(player: Player) -> None:
    in_one_of_three_plays(partial(judge, player, normalised().mp4))


def judge(player: Player, mp4: bytes) -> None:
    report = player.play(mp4, from_s=2.5, to_s=6.5)
    assert {mark.second for mark in report.marks if mark.flash_s is not None} == {3, 4, 5, 6}
    assert all(mark.flash_s == pytest.approx(mark.second + 0.021, abs=1 / 25) for mark in report.marks if mark.flash_s)
    assert {3, 5, 6} <= report.offsets.keys()
    assert report.worst_offset_s < 1 / 25

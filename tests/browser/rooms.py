"""Several files on one page of a real Chromium, each started at its time on the one clock of the page."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.browser.player import Player
from tests.browser.server import serve

FRAME = 1 / 25
REFRESH = 1 / 60

# Each video starts when the one clock of the page has come to its first moment. Pictures that the manifest says to lie
# are turned before they are read.
_PLAY = """async people => {
  const clock = () => performance.now() / 1000;
  document.body.style.cssText = "margin: 0; display: flex; gap: 8px; background: #222";
  video.remove();
  const players = people.map(({at, turns}) => {
    const element = document.createElement("video");
    element.muted = true;
    element.style.cssText = "width: 320px; height: 180px";
    document.body.append(element);
    return {element, at, turns, frames: []};
  });
  window.players = players.map(each => each.element);
  const lying = (turns, at) => turns.filter(([since]) => since <= at + 0.001).reduce((_, [, degrees]) => degrees, 0);
  const watch = ({element, turns, frames}) => {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("2d", {willReadFrequently: true});
    const onFrame = (now, about) => {
      const {width, height} = about, degrees = lying(turns, about.mediaTime);
      [canvas.width, canvas.height] = degrees % 180 ? [height, width] : [width, height];
      context.setTransform(1, 0, 0, 1, canvas.width / 2, canvas.height / 2);
      context.rotate(-degrees * Math.PI / 180);
      context.drawImage(element, -width / 2, -height / 2, width, height);
      const seen = read(context.getImageData(0, 0, canvas.width, canvas.height));
      frames.push([about.expectedDisplayTime / 1000, about.mediaTime, seen.second, seen.frame, seen.flash ? 1 : 0]);
      element.requestVideoFrameCallback(onFrame);
    };
    element.requestVideoFrameCallback(onFrame);
  };
  await Promise.all(players.map(async ({element}, number) => {
    const file = await (await fetch(`user-${number}.mp4`)).blob();
    await new Promise((resolve, reject) => {
      element.oncanplaythrough = resolve;
      element.onerror = () => reject(new Error(element.error.message));
      element.src = URL.createObjectURL(file);
    });
  }));
  players.forEach(watch);
  const zero = clock() + 0.2;
  await Promise.all(players.map(({element, at}) => new Promise(resolve => {
    element.onended = resolve;
    setTimeout(() => element.play(), (zero + at - clock()) * 1000);
  })));
  return {zero, frames: players.map(each => each.frames)};
}"""


def side_by_side(
    player: Player, files: Sequence[bytes], told: Sequence[Mapping[str, object]]
) -> list[NDArray[np.float64]]:
    """Of each, a row for each picture: page time, media time, second and number that it shows, if it is bright.

    Of each is told `at`, when it is started in seconds, and `turns`: (seconds, degrees) from which its pictures lie.
    """
    with serve(b"") as server:
        page = player.browser.new_page(viewport={"width": 976, "height": 180})
        try:
            for number, mp4 in enumerate(files):
                page.route(f"**/user-{number}.mp4", partial(_answer, mp4))
            page.goto(server.url)
            seen: dict[str, Any] = page.evaluate(_PLAY, list(told))
        finally:
            page.close()
    return [np.array(frames, np.float64) for frames in seen["frames"]]


def _answer(mp4: bytes, route: Any) -> None:  # noqa: ANN401 - a route of the browser's own
    route.fulfill(body=mp4, content_type="video/mp4")


def offsets(frames: NDArray[np.float64], times: NDArray[np.float64]) -> dict[int, float]:
    """For each second that is shown, how much later the clock of `times` is than the one in the pictures."""
    late = times - (frames[:, 2] + frames[:, 3] * FRAME)
    return {int(second): float(np.median(late[frames[:, 2] == second])) for second in np.unique(frames[:, 2])}


def spread(of_each: Sequence[dict[int, float]]) -> list[float]:
    """How far apart people are in each second that several of them show."""
    seconds = sorted({second for each in of_each for second in each})
    found = [[each[second] for each in of_each if second in each] for second in seconds]
    return [max(late) - min(late) for late in found if len(late) > 1]

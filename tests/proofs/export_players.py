"""Cuts in a real Chromium, at sixteen times the speed of life: what the first picture shows, and how they end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page

from tests.browser.chromium import find
from tests.browser.player import chromium
from tests.browser.server import serve

_PLAY = """async hasPictures => {
  const presented = new Promise(resolve => video.requestVideoFrameCallback((_, about) => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const seen = read(context.getImageData(0, 0, canvas.width, canvas.height));
    resolve([seen.second, seen.frame]);
  }));
  const over = new Promise(resolve => {
    video.onerror = () => resolve(video.error.message);
    video.onended = () => resolve("ended");
  });
  video.muted = true;
  video.src = "media.mp4";
  const first = hasPictures ? await Promise.race([presented, over]) : null;
  video.playbackRate = 16;
  await video.play();
  return [await over, video.currentTime, first];
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How it ended ("ended", or what the player complained of), when, and which picture came first."""

    how: str
    at_s: float
    first: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class FastPlayer:
    """A page of a running Chromium."""

    page: Page

    def play(self, mp4: bytes, *, has_pictures: bool) -> Played:
        """Play all of it."""
        with serve(mp4) as site:
            self.page.goto(site.url)
            how, at_s, first = self.page.evaluate(_PLAY, has_pictures)
        return Played(how=how, at_s=at_s, first=None if first is None else (first[0], first[1]))


@contextmanager
def fast_player() -> Iterator[FastPlayer]:
    """Raises `FileNotFoundError` where there is no Chromium."""
    executable = find()
    if executable is None:
        raise FileNotFoundError("there is no Chromium")
    with chromium(executable) as player:
        yield FastPlayer(player.browser.new_page())

"""Plays an MP4 in a real Chromium and measures when its flashes are seen and its beeps are heard.

A file's time stamps say one thing and a player may do another: Chromium plays through a hole in an audio track, so
that everything after it sounds early. Frames are timed by `requestVideoFrameCallback`, sound by the stamps of the
element's captured audio; both are put on the page's one clock.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, sync_playwright

from tests.browser.server import serve
from tests.lab.judging import SyncReport, find_beeps, pair

_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
# Frames are shown in steps of the screen's refresh, and audio is stamped when its thread gets to run; the median over
# this many neighbours is finer than either.
_SMOOTHED = 25

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a file opened over a slow line: seconds and bytes until the first picture, and where each request began.

    A progressive file needs one request, at its first byte; one with its tables at the end needs more.
    """

    seconds: float
    bytes_sent: int
    requests: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Player:
    """A running browser that plays files."""

    browser: Browser

    def play(self, mp4: bytes, *, from_s: float = 0, to_s: float | None = None) -> SyncReport:
        """Play from one media time to another (the end if None) and report what was seen and heard.

        `flash_s` is a picture's media time; `beep_s` the media time that the picture had reached when the beep was
        heard, with an error of about 15 ms. It plays at the speed of life: faster, the error was half a second on a
        busy machine.
        """
        with serve(mp4) as site:
            page = self.browser.new_page()
            try:
                page.goto(site.url)
                heard = page.evaluate("play", {"from": from_s, "until": to_s})
            finally:
                page.close()
        return _report(heard)

    def open(self, mp4: bytes, *, bytes_per_second: int) -> Opening:
        """Begin to play over a line of this speed."""
        with serve(mp4, bytes_per_second=bytes_per_second) as site:
            page = self.browser.new_page()
            try:
                page.goto(site.url)
                seconds = page.evaluate("open()")
                return Opening(seconds=seconds, bytes_sent=site.sent, requests=tuple(site.requests))
            finally:
                page.close()


def in_one_of_three_plays(judge: Callable[[], None]) -> None:
    """A busy machine can disturb a measurement, never mend a file: it is right if one play of three shows it right."""
    for _ in range(2):
        with suppress(AssertionError):
            judge()
            return
    judge()


@contextmanager
def chromium(executable: Path) -> Iterator[Player]:
    """A headless Chromium of its own, with a profile of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=_SWITCHES)
        try:
            yield Player(browser)
        finally:
            browser.close()


def _report(heard: dict[str, Any]) -> SyncReport:
    frames = np.array(heard["frames"], np.float64).reshape(-1, 5)
    wall, media = frames[:, 0], frames[:, 1]
    beeps = [(code, _mapped(at, wall, media)) for code, at in _beeps(heard)]
    return pair(list(_flashes(frames)), beeps)


def _flashes(frames: Times) -> Iterator[tuple[int, float]]:
    """The media time at which each second with a flash begins, told by its bright frames' own numbers."""
    seconds, numbers = frames[:, 2].astype(int), frames[:, 3]
    for second in np.unique(seconds):
        here = seconds == second
        bright = np.flatnonzero(here & (frames[:, 4] == 1))
        if len(bright):
            step = np.median(np.diff(frames[here, 1]) / np.diff(numbers[here])) if here.sum() > 1 else 0.0
            yield int(second), float(frames[bright[0], 1] - numbers[bright[0]] * step)


def _beeps(heard: dict[str, Any]) -> list[tuple[int, float]]:
    """Number of each beep and the page time at which it was heard, in seconds."""
    if not heard["blocks"]:
        return []
    stamps, arrivals, sample_rates, sizes = np.array(heard["blocks"], np.float64).T
    samples = np.frombuffer(base64.b64decode(heard["samples"]), np.float32)
    begins = (np.cumsum(sizes) - sizes) / sample_rates
    # A block arrives when it is handed to the output and is stamped earlier by the output's delay; it is heard later
    # by the same delay.
    delay = float(np.median(arrivals - stamps))
    assert 0 <= delay < 1, "this Chromium stamps captured audio by another clock than the page's: use a newer one"
    heard_at = stamps + 2 * delay
    found = find_beeps(samples, round(sample_rates[0]))
    return [(code, _mapped(at / float(sample_rates[0]), begins, heard_at)) for code, at in found]


def _mapped(at: float, here: Times, there: Times) -> float:
    """A time of one clock on another that runs at the same speed, by the median distance of their nearest readings."""
    nearest = np.argsort(np.abs(here - at), kind="stable")[:_SMOOTHED]
    return at + float(np.median((there - here)[nearest]))

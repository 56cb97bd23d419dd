"""People of one room, each recorded apart, play in step with each other on one page of a real Chromium."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.model import StreamRecord
from deployments.sandbox.vendors import SCRIPTS
from storage.opening import open_store
from storage.reading import VerifiedReader
from tests.browser.player import Player, in_one_of_three_plays
from tests.browser.server import serve
from tests.flows.vendor_site import PACE, vendor_site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SECONDS = 12.6
FRAME = 1 / 25
REFRESH = 1 / 60
LATE_S = 1.44
"""When 103 joins; the first flash that is then seen is that of second 2."""

# Each video starts when the one clock of the page has come to its first moment. Pictures that the manifest says to lie
# are turned before they are read.
PLAY = """async people => {
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


@dataclass(frozen=True, slots=True)
class Person:
    """The MP4 of one, and what its manifest says of it."""

    record: StreamRecord
    mp4: bytes

    @property
    def turns(self) -> list[tuple[float, int]]:
        return [(turn.from_s, 0 if turn.applied else turn.degrees) for turn in self.record.rotations]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Person, ...]]:
    """Those of the demo, but for 103, who joins late."""
    script = SCRIPTS["three people"]
    assert script.cast is not None
    *others, last = script.cast.people
    late = replace(last, stays=((LATE_S, None),), video_after_s=0, camera_off=((4.2, 5.4),))
    script = replace(script, cast=replace(script.cast, people=(*others, late)))
    with pytest.MonkeyPatch.context() as patch, vendor_site(tmp_path_factory.mktemp("site"), patch.setenv) as site:
        recording = site.start("agora", "lesson_7", script, "individual")
        time.sleep(SECONDS / PACE)
        site.recordings.stop(recording)
        site.vendors.wait_idle(60)
        site.settled(recording)
        output = open_store(site.stage.output, environment=site.environment)
        reader = VerifiedReader(output)
        yield tuple(
            Person(stream, reader.read(output.head(stream.outputs[0].key))[0])
            for stream in site.manifest(recording).streams
        )


def shown(player: Player, people: Sequence[Person]) -> list[NDArray[np.float64]]:
    """Of each, a row for each picture: page time, media time, second and number that it shows, if it is bright."""
    begins = [person.record.started_at for person in people]
    first = min(begin for begin in begins if begin)
    told = [
        {"at": (begin - first).total_seconds(), "turns": person.turns}
        for person, begin in zip(people, begins, strict=True)
        if begin
    ]
    with serve(b"") as server:
        page = player.browser.new_page(viewport={"width": 976, "height": 180})
        try:
            for number, person in enumerate(people):
                page.route(f"**/user-{number}.mp4", partial(_answer, person.mp4))
            page.goto(server.url)
            seen: dict[str, Any] = page.evaluate(PLAY, told)
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


def utc_times(person: Person, frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the manifest puts each picture on the wall clock, in seconds."""
    times = [person.record.clock.utc_at(float(at)) for at in frames[:, 1]]
    return np.array([at.timestamp() for at in times if at], np.float64)


def judge(player: Player, people: Sequence[Person]) -> None:
    seen = shown(player, people)
    first, second, third = [set(map(int, frames[:, 2])) for frames in seen]
    assert first >= {0, 1, 2, 3, 4, 5, 9, 10, 11}
    assert second >= {0, 1, 5, 9, 10, 11}
    assert 3 not in second
    assert third >= {2, 3, 9, 10, 11}
    assert not third & {0, 7, 8}
    by_manifest = [offsets(frames, utc_times(person, frames)) for person, frames in zip(people, seen, strict=True)]
    assert max(spread(by_manifest)) < FRAME
    on_page = [offsets(frames, frames[:, 0]) for frames in seen]
    assert float(np.median(spread(on_page))) < FRAME + REFRESH


def test_people_of_a_room_play_in_step(player: Player, people: tuple[Person, ...]) -> None:
    assert [person.record.user for person in people] == ["101", "102", "103"]
    in_one_of_three_plays(partial(judge, player, people))

"""People of one room, each recorded apart, play in step with each other on one page of a real Chromium."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.model import StreamRecord
from deployments.sandbox.vendors import SCRIPTS
from storage.opening import open_store
from storage.reading import VerifiedReader
from tests.browser.player import Player, in_one_of_three_plays
from tests.browser.rooms import FRAME, REFRESH, offsets, side_by_side, spread
from tests.flows.vendor_site import PACE, vendor_site

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SECONDS = 12.6
LATE_S = 1.44
"""When 103 joins; the first flash that is then seen is that of second 2."""


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
    return side_by_side(player, [person.mp4 for person in people], told)


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

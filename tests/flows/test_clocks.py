"""A recorder whose clock runs wrong, from its playlists to the manifest's mapping."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.sandbox.layouts import STARTED_AT
from deployments.sandbox.playlists import utc17
from tests.flows.scenes import outcome
from tests.lab import Laid, Slice, agora_individual, cut, flash_and_beep, sightings

SECONDS = 64
NUMBER, OFF_S = 9, 7


def by_wall(slices: list[Slice], ppm: int) -> list[Slice]:
    """The slices under the names that a wall clock gives them."""
    return [replace(piece, start_s=piece.start_s / (1 + ppm / 1e6)) for piece in slices]


def misnamed(laid: Laid, right: str, wrong: str) -> Laid:
    """With another time in the name of one slice."""
    objects = {key.replace(right, wrong): data for key, data in laid.objects.items()}
    (playlist,) = laid.playlists
    objects[playlist] = objects[playlist].replace(right.encode(), wrong.encode())
    return replace(laid, objects=objects)


@pytest.mark.parametrize("ppm", [-10_000, 10_000])
def test_the_mapping_predicts_every_flash(tmp_path: Path, ppm: int) -> None:
    """A hundred times the drift for a hundredth of four hours and more; one name is wrong."""
    sound = by_wall(cut(flash_and_beep(SECONDS, video=False), 4), ppm)
    pictures = by_wall(cut(flash_and_beep(SECONDS, audio=False), 4), ppm)
    named = STARTED_AT + timedelta(seconds=pictures[NUMBER].start_s)
    wrong = named + timedelta(seconds=OFF_S)
    laid = agora_individual(audio=sound) | misnamed(agora_individual(video=pictures), utc17(named), utc17(wrong))
    found = outcome(laid, tmp_path)
    clock = found.stream.clock

    assert clock.drift_ppm == pytest.approx(ppm, abs=60)
    flashes, _ = sightings(found.mp4())
    assert len(flashes) == SECONDS
    for number, at in flashes:
        utc = clock.utc_at(at)
        assert utc is not None
        assert abs(utc - STARTED_AT - timedelta(seconds=number / (1 + ppm / 1e6))) <= timedelta(milliseconds=40)
    assert [abs(anchor.utc - wrong) < timedelta(milliseconds=1) for anchor in clock.disbelieved] == [True]

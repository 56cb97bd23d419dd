"""Killed before any change of the output, a second run ends as an undisturbed one."""

from pathlib import Path

import pytest

from catalog.manifest import from_json
from catalog.publishing import read_latest, read_pointer
from deployments.sandbox.layouts import AGORA_SID
from tests.faults.aftermath import media
from tests.faults.killing import killed_at, run
from tests.flows.folders import contents, followed, manifests, slices
from tests.lab import Laid, agora_individual, agora_mixed, cut, flash_and_beep

STRIDES = 4
MOST_STAGES = 400


def individual() -> Laid:
    sound = cut(flash_and_beep(4, video=False), 2)
    return agora_individual(audio=sound, uid="11") | agora_individual(audio=sound, uid="22")


@pytest.mark.parametrize("first", range(STRIDES))
def test_killed_at_every_change_and_run_again(first: int, tmp_path: Path) -> None:
    source = agora_mixed(slices()).write_to(tmp_path / "in")
    run(source, tmp_path / "whole")
    expected = media(tmp_path / "whole")

    for stage in range(first, MOST_STAGES, STRIDES):
        output = tmp_path / f"{stage}"
        if not killed_at(stage, run, source, output, watched=output):
            assert stage > 20
            break
        _readers_meet_nothing_half(output)
        run(source, output)
        assert media(output) == expected
        assert len(manifests(output)) == 1
        assert followed(output, "agora", AGORA_SID).revision == 1
    else:
        pytest.fail("the run never came to its end")


def _readers_meet_nothing_half(output: Path) -> None:
    """What is named is there, however soon after it the kill came."""
    objects = contents(output)
    latest = [read_latest(body).manifest for key, body in objects.items() if key.endswith("/latest.json")]
    pointed = [read_pointer(body).manifest for key, body in objects.items() if key.startswith("index/")]
    assert objects.keys() >= {*latest, *pointed}
    for key in manifests(output):
        manifest = from_json(objects[key])
        for stream in manifest.streams:
            assert stream.segments.file is not None
            assert len(objects[stream.segments.file.key]) == stream.segments.file.size_bytes
            assert [len(objects[o.key]) for o in stream.outputs] == [o.size_bytes for o in stream.outputs]


def test_killed_again_and_again_on_the_same_output(tmp_path: Path) -> None:
    source, output = individual().write_to(tmp_path / "in"), tmp_path / "out"
    run(source, tmp_path / "whole")

    kills = [killed_at(stage, run, source, output, watched=output) for stage in (3, 9, 14, 20, 26, 31)]
    run(source, output)

    assert kills[:3] == [True] * 3
    assert media(output) == media(tmp_path / "whole")
    assert len(manifests(output)) == 1
    followed(output, "agora", AGORA_SID)

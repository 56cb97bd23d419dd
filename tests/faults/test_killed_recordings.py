"""Recordings of the catalog: whoever dies, at whatever change, they are settled once, and nothing is left behind."""

from pathlib import Path

import pytest

from catalog.records import Queue
from tests.faults.aftermath import beside, undisturbed, wrong_after
from tests.faults.killing import killed_at, one_pass, process_recording
from tests.flows.folders import contents

STRIDES = 4
MOST_STAGES = 400


@pytest.mark.parametrize("first", range(STRIDES))
def test_a_worker_is_killed_at_every_change(first: int, tmp_path: Path) -> None:
    expected = undisturbed(tmp_path / "whole", 1)

    for stage in range(first, MOST_STAGES, STRIDES):
        site = beside(tmp_path / f"{stage}", tmp_path / "whole" / "in")
        site.submit(1)
        if not killed_at(stage, process_recording, site.root, 1, watched=site.output):
            assert stage > 30
            return
        assert wrong_after(site, 1, expected=expected) == []
    pytest.fail("the run never came to its end")


def test_a_loop_is_killed_at_every_change(tmp_path: Path) -> None:
    """A recording is taken back from a dead worker, a run that died is noted, another recording is handed over."""
    expected = undisturbed(tmp_path / "whole", 1, 2, 3)

    for stage in range(MOST_STAGES):
        site = beside(tmp_path / f"{stage}", tmp_path / "whole" / "in")
        site.submit(2, Queue.BULK)
        one_pass(site.root)
        site.submit(1)
        site.dies_over(1)
        site.submit(3, Queue.BULK)
        if not killed_at(stage, one_pass, site.root, watched=site.root / "started"):
            assert stage >= 12
            return
        assert wrong_after(site, 1, 2, 3, expected=expected) == []
    pytest.fail("the pass never came to its end")


def test_killed_again_and_again_over_the_same_recording(tmp_path: Path) -> None:
    expected = undisturbed(tmp_path / "whole", 1)
    site = beside(tmp_path / "killed", tmp_path / "whole" / "in")
    site.submit(1)

    for stage in (4, 9, 15, 20, 26):
        assert killed_at(stage, process_recording, site.root, 1, watched=site.output)
        site.time_passes()
        site.overseer().reconcile()

    alarmed = site.recording(1)
    assert alarmed.alarm == "its worker ended without a word"
    assert wrong_after(site, 1, expected=expected, kills=5) == []
    assert site.recording(1).alarm is None
    assert set(contents(site.output)) >= set(expected)

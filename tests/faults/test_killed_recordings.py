"""Recordings of the catalog: whoever dies, at whatever change, they are settled once, and nothing is left behind."""

from pathlib import Path

import pytest

from catalog.model import State, Verdict
from catalog.records import Queue
from tests.faults.killing import killed_at, one_pass, process_recording
from tests.faults.test_killed import media
from tests.flows.folders import contents, manifests, slices, unfinished
from tests.flows.site import Site

STRIDES = 4
MOST_STAGES = 400


def settled_once(site: Site, *numbers: int, expected: dict[str, bytes]) -> None:
    """All of it is as an undisturbed run leaves it."""
    site.settle()
    assert len(unfinished(site.output)) <= 1, "more than one upload was left"
    site.days_pass()
    site.overseer().sweep()
    assert unfinished(site.output) == []
    assert site.held_leases() == []
    assert media(site.output) == expected
    assert len(manifests(site.output)) == len(numbers)
    for number in numbers:
        recording = site.recording(number)
        assert (recording.state, recording.verdict, recording.revision) == (State.SETTLED, Verdict.COMPLETE, 1)
        assert site.manifest(number).revision == 1


def undisturbed(root: Path, *numbers: int) -> dict[str, bytes]:
    """The media and proofs of recordings that nobody is killed over."""
    site = Site(root)
    for number in numbers:
        site.lay(number, pieces=slices(2))
        site.submit(number)
    site.settle()
    return media(site.output)


def beside(root: Path, source: Path) -> Site:
    """A site with the same recordings: the very same files, because keys of outputs follow from their etags."""
    root.mkdir()
    (root / "in").symlink_to(source)
    return Site(root)


@pytest.mark.parametrize("first", range(STRIDES))
def test_a_worker_is_killed_at_every_change(first: int, tmp_path: Path) -> None:
    expected = undisturbed(tmp_path / "whole", 1)

    for stage in range(first, MOST_STAGES, STRIDES):
        site = beside(tmp_path / f"{stage}", tmp_path / "whole" / "in")
        site.submit(1)
        if not killed_at(stage, process_recording, site.root, 1, watched=site.output):
            assert stage > 30
            return
        settled_once(site, 1, expected=expected)
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
        settled_once(site, 1, 2, 3, expected=expected)
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
    settled_once(site, 1, expected=expected)
    assert site.recording(1).alarm is None
    assert set(contents(site.output)) >= set(expected)

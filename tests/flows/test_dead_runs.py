"""Batches whose process died, and loops that go on while nobody says what became of a run."""

from datetime import timedelta
from pathlib import Path

import pytest

from catalog.records import Queue, Run, id_text, run_lease
from catalog.runs import Pulse
from flows.loops import Overseer
from flows.starting import RefusedError, Seen, StarterDownError
from flows.steps.working import STOPPED, taking
from tests.flows.site import Site, recording_id

MINUTE = timedelta(minutes=1)


class Engine:
    """Starts nothing; says of every run the same, or does not answer."""

    def __init__(self) -> None:
        self.started: list[Run] = []
        self.asked: list[str] = []
        self.ended: list[str] = []
        self.is_down = False
        self.refused: set[str] = set()

    def start(self, run: Run) -> str:
        if any(subject in self.refused for subject in run.subjects):
            raise RefusedError("not this one")
        self.started.append(run)
        return run.key

    def look(self, flow_run: str) -> Seen:
        self.asked.append(flow_run)
        if self.is_down:
            raise StarterDownError("away")
        return Seen.RUNNING

    def end(self, flow_run: str, why: str) -> None:
        assert "without a word" in why
        self.ended.append(flow_run)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def overseer(site: Site, engine: Engine) -> Overseer:
    return site.overseer(engine)


def begun_batch(site: Site, overseer: Overseer, engine: Engine, *, lives_for: timedelta) -> Run:
    """A batch of two that was delivered a moment ago, and whose process has taken its lease."""
    for number in (1, 2):
        site.lay(number)
        site.submit(number, Queue.BULK)
    overseer.dispatch()
    (run,) = engine.started
    site.catalog.claims.lead(run_lease(run.key), holder="flow", ttl=lives_for)
    return run


def test_a_batch_that_died_gives_its_recordings_back_as_soon_as_its_lease_is_over(
    site: Site, overseer: Overseer, engine: Engine
) -> None:
    run = begun_batch(site, overseer, engine, lives_for=timedelta(0))

    overseer.reconcile()

    assert engine.ended == [run.key]
    assert [site.recording(number).run for number in (1, 2)] == [None, None]
    assert site.held_leases() == []
    overseer.dispatch()
    assert len(engine.started) == 2


def test_a_batch_that_lost_its_lease_keeps_them_while_it_works_on_one(
    site: Site, overseer: Overseer, engine: Engine
) -> None:
    """One recording may take longer than any batch says a word."""
    run = begun_batch(site, overseer, engine, lives_for=timedelta(0))
    site.catalog.claims.take(recording_id(1), holder="flow", ttl=MINUTE, cause="it", run=run.key)

    overseer.reconcile()

    assert [site.recording(number).run for number in (1, 2)] == [run.key, run.key]
    site.time_passes()
    overseer.reconcile()
    assert [site.recording(number).run for number in (1, 2)] == [None, None]


def test_a_run_that_gave_its_lease_back_is_left_to_end(site: Site, overseer: Overseer, engine: Engine) -> None:
    site.lay(1)
    site.submit(1)
    overseer.dispatch()
    (run,) = engine.started
    claim = site.catalog.claims.take(recording_id(1), holder="flow", ttl=MINUTE, cause="it", run=run.key)
    assert claim is not None
    site.catalog.claims.release(claim.lease)

    assert site.catalog.runs.pulse(run.key) is Pulse.ENDING


def test_many_recordings_are_shared_by_several_runs(site: Site, overseer: Overseer, engine: Engine) -> None:
    for number in range(120):
        site.submit(number, Queue.BULK)

    assert overseer.dispatch() == 4

    assert [len(run.subjects) for run in engine.started] == [30] * 4


def test_a_batch_that_is_told_to_end_gives_the_rest_back(site: Site, overseer: Overseer, engine: Engine) -> None:
    from flows.deployed import _kept  # noqa: PLC0415 - Prefect only where a test needs it

    for number in (1, 2):
        site.submit(number, Queue.BULK)
    overseer.dispatch()
    (run,) = engine.started

    def interrupted() -> None:
        with _kept(site.worker(), run.key) as require_ours:
            require_ours()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert [site.recording(number).run for number in (1, 2)] == [None, None]
    assert site.held_leases() == []


def test_a_batch_that_lives_keeps_them(site: Site, overseer: Overseer, engine: Engine) -> None:
    run = begun_batch(site, overseer, engine, lives_for=MINUTE)

    overseer.reconcile()

    assert (engine.asked, engine.ended) == ([], [])
    assert site.recording(1).run == run.key


def test_while_nobody_answers_one_question_is_asked_and_dead_workers_are_noticed(
    site: Site, overseer: Overseer, engine: Engine
) -> None:
    for number in (1, 2, 3):
        site.lay(number)
        site.submit(number)
    overseer.dispatch()
    site.dies_over(1)
    engine.is_down = True

    overseer.reconcile()

    assert len(engine.asked) == 1
    assert site.recording(1).run is None
    engine.is_down = False
    site.time_passes()
    overseer.reconcile()
    assert site.recording(2).run is None


def test_a_run_that_is_refused_holds_nobody_up(site: Site, overseer: Overseer, engine: Engine) -> None:
    for number in (1, 2, 3):
        site.submit(number)
    engine.refused = {id_text(recording_id(1))}

    assert overseer.dispatch() == 2

    engine.refused = set()
    site.time_passes()
    assert overseer.dispatch() == 1


def test_a_batch_of_recordings_is_not_worked_on_by_who_lost_it(site: Site, overseer: Overseer, engine: Engine) -> None:
    run = begun_batch(site, overseer, engine, lives_for=timedelta(0))
    overseer.reconcile()

    assert site.process(1, run=run.key) is None
    assert site.catalog.get(recording_id(1)).tries == 0


@pytest.mark.parametrize("is_told_first", [False, True])
def test_a_worker_that_is_told_to_stop_while_it_takes_a_recording_gives_it_back(
    site: Site, *, is_told_first: bool
) -> None:
    site.submit(1)
    grip = taking(site.worker(), recording_id(1), None)

    for step in (grip.stop, grip.take) if is_told_first else (grip.take, grip.stop):
        step()

    assert site.held_leases() == []
    assert site.causes(1)[-1] == STOPPED
    assert site.recording(1).due_at is not None

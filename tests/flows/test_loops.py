"""The loops see what is due, what died and what got lost, and hand it over once."""

import logging
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog.model import State, Verdict
from catalog.records import Queue, Run, run_lease
from flows.loops import run_loops
from flows.recorders import Recorders
from flows.starting import BusyError, Seen, StarterDownError
from storage.keys import ObjectKey
from storage.local import LocalStore
from tests.flows.folders import manifests, slices, unfinished
from tests.flows.site import InlineStarter, Site, recording_id, sid

MINUTE = timedelta(minutes=1)


class ScriptedStarter:
    """Starts nothing, and says of each run what it is told to say."""

    def __init__(self) -> None:
        self.started: list[Run] = []
        self.ended: list[str] = []
        self.seen = Seen.QUEUED
        self.is_down = False
        self.busy = 0
        """So many runs are not taken."""

    def start(self, run: Run) -> str:
        self._answer()
        if self.busy:
            self.busy -= 1
            raise BusyError("503")
        self.started.append(run)
        return f"flow run of {run.key}"

    def look(self, flow_run: str) -> Seen:
        self._answer()
        assert flow_run.startswith("flow run of ")
        return self.seen

    def end(self, flow_run: str, why: str) -> None:
        self._answer()
        assert why
        self.ended.append(flow_run)

    def _answer(self) -> None:
        if self.is_down:
            raise StarterDownError("connection refused")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def starter() -> ScriptedStarter:
    return ScriptedStarter()


def test_what_is_due_is_handed_over_once(site: Site, starter: ScriptedStarter) -> None:
    site.submit(1)
    overseer = site.overseer(starter)

    assert [overseer.dispatch(), overseer.dispatch()] == [1, 0]

    [run] = starter.started
    assert (run.flow, run.subjects, run.queue) == ("process_recording", (f"agora:{sid(1)}",), Queue.LIVE)


def test_urgent_recordings_go_first_and_alone_and_others_together(site: Site, starter: ScriptedStarter) -> None:
    for number in (1, 2, 3):
        site.submit(number, Queue.BULK)
    site.submit(4)

    site.overseer(starter).dispatch()

    assert [(run.flow, len(run.subjects)) for run in starter.started] == [
        ("process_recording", 1),
        ("process_batch", 3),
    ]


def test_while_nobody_starts_runs_nothing_is_lost(
    site: Site, starter: ScriptedStarter, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1, 6):
        site.submit(number)
    overseer = site.overseer(starter)
    starter.is_down = True
    for _ in range(3):
        overseer.dispatch()
        overseer.reconcile()
        site.time_passes()
    assert {record.levelno for record in caplog.records if record.name == "flows.loops"} == {logging.WARNING}
    assert "5 runs wait: connection refused" in caplog.messages

    starter.is_down = False
    overseer.dispatch()
    overseer.dispatch()

    assert sorted(run.subjects[0] for run in starter.started) == sorted(f"agora:{sid(n)}" for n in range(1, 6))


def test_what_a_busy_starter_did_not_take_is_brought_again_at_once_and_holds_up_no_other(
    site: Site, starter: ScriptedStarter
) -> None:
    site.submit(1)
    site.submit(2)
    starter.busy = 1
    overseer = site.overseer(starter)
    assert overseer.dispatch() == 1
    time.sleep(0.4)
    assert overseer.dispatch() == 1
    assert {run.subjects[0] for run in starter.started} == {f"agora:{sid(1)}", f"agora:{sid(2)}"}


def test_a_run_that_waits_in_the_queue_is_left_alone(site: Site, starter: ScriptedStarter) -> None:
    site.submit(1)
    overseer = site.overseer(starter)
    overseer.dispatch()

    for _ in range(3):
        site.time_passes()
        overseer.reconcile()
        overseer.dispatch()

    assert len(starter.started) == 1


@pytest.mark.parametrize("seen", [Seen.ENDED, Seen.UNKNOWN, Seen.RUNNING])
def test_a_run_that_came_to_nothing_is_replaced(site: Site, starter: ScriptedStarter, seen: Seen) -> None:
    """It ended, nobody knows it any more, or it counts as running and no process of it lives."""
    site.submit(1)
    overseer = site.overseer(starter)
    overseer.dispatch()
    starter.seen = seen

    site.time_passes()
    overseer.reconcile()
    overseer.dispatch()

    first, second = starter.started
    assert first.subjects == second.subjects
    assert first.key != second.key
    assert starter.ended == ([f"flow run of {first.key}"] if seen is Seen.RUNNING else [])
    assert site.process(1, run=first.key) is None, "it comes too late"


def test_a_recording_that_nobody_begins_with_is_handed_over_less_and_less_often(
    site: Site, starter: ScriptedStarter
) -> None:
    """Its worker is broken: each run ends before its claim."""
    site.submit(1)
    overseer = site.overseer(starter)
    starter.seen = Seen.ENDED
    waits = []
    for _ in range(5):
        overseer.dispatch()
        site.time_passes()
        overseer.reconcile()
        due_at = site.recording(1).due_at
        assert due_at is not None
        waits.append(round((due_at - datetime.now(UTC)).total_seconds(), -1))
        if len(waits) == 1:
            assert site.recording(1).alarm is None
        site.time_passes()

    assert waits == [0, 60, 900, 3600, 3600]
    cause = "its run ended, and left it undone"
    assert site.causes(1) == ["submitted", *[cause] * 5]
    assert site.recording(1).alarm == f"{cause}; are the workers all right?"
    site.lay(1)
    site.process(1)
    assert (site.recording(1).verdict, site.recording(1).alarm) == (Verdict.COMPLETE, None)


@pytest.mark.parametrize("is_down", [False, True])
def test_a_recording_that_waits_in_a_queue_for_long_is_alarmed_once(
    site: Site, starter: ScriptedStarter, *, is_down: bool
) -> None:
    starter.is_down = is_down
    site.submit(1)
    site.submit(2, Queue.BULK)
    overseer = site.overseer(starter)
    overseer.dispatch()
    overseer.remind()
    assert site.recording(1).alarm is None

    for _ in range(2):
        site.handed_over(timedelta(hours=1))
        overseer.remind()

    assert "nobody began" in (site.recording(1).alarm or "")
    assert len(site.causes(1)) == 2
    assert site.recording(2).alarm is None
    site.handed_over(timedelta(hours=25))
    overseer.remind()
    assert site.recording(2).alarm is not None


def test_new_live_recordings_are_started_however_many_looks_are_overdue(site: Site, starter: ScriptedStarter) -> None:
    for number in range(1, 121):
        site.submit(number)
    overseer = site.overseer(starter)
    overseer.dispatch()
    overseer.dispatch()
    assert len(starter.started) == 120
    site.time_passes()
    site.submit(200)

    assert overseer.dispatch() == 1


def test_bulk_recordings_wait_here_and_not_in_prefect(
    site: Site, starter: ScriptedStarter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.loops.MOST_BULK", 1)
    monkeypatch.setattr("flows.loops.BATCH", 2)
    for number in (1, 2, 3):
        site.submit(number, Queue.BULK)
    overseer = site.overseer(starter)

    assert [overseer.dispatch(), overseer.dispatch()] == [1, 0]


@pytest.mark.parametrize("seen", [Seen.CANCELLED, Seen.CANCELLING])
def test_what_somebody_cancels_is_left_to_a_person(site: Site, starter: ScriptedStarter, seen: Seen) -> None:
    """Even before anybody began; of a batch, exactly what is left, and late looks are only put off."""
    site.lay(1)
    for number in (1, 2, 3):
        site.submit(number, Queue.BULK)
    site.lay(3, [*slices(4)[:3], None])
    site.has_policies(deadline=timedelta(0))
    site.process(3)
    site.time_passes()
    overseer = site.overseer(starter)
    overseer.dispatch()
    [run] = starter.started
    assert len(run.subjects) == 3
    site.process(1, run=run.key)
    starter.seen = seen

    site.time_passes()
    overseer.reconcile()
    overseer.dispatch()

    done, held, late = (site.recording(number) for number in (1, 2, 3))
    assert (done.verdict, done.alarm) == (Verdict.COMPLETE, None)
    assert (held.alarm, held.due_at, held.run) == ("its run was cancelled in Prefect", None, None)
    assert (late.state, late.alarm) == (State.SETTLED, None)
    assert late.due_at is not None
    assert len(starter.started) == 1
    assert site.catalog.runs.to_look_after(most=10) == []


def test_a_cancel_is_not_undone_by_handing_back(site: Site, starter: ScriptedStarter) -> None:
    site.submit(1)
    overseer = site.overseer(starter)
    overseer.dispatch()
    [run] = starter.started
    claim = site.catalog.claims.take(recording_id(1), holder="flow", ttl=MINUTE, cause="it", run=run.key)
    assert claim is not None
    starter.seen = Seen.CANCELLING
    site.catalog.claims.hand_back(claim, cause="told to stop")

    overseer.dispatch()
    overseer.reconcile()
    assert (site.recording(1).run, site.recording(1).alarm) == (run.key, None), "its process is still ending"
    starter.seen = Seen.CANCELLED
    site.time_passes()
    overseer.reconcile()
    overseer.dispatch()

    assert site.recording(1).alarm == "its run was cancelled in Prefect"
    assert len(starter.started) == 1


def test_a_run_that_was_told_to_end_is_replaced_at_once(site: Site, starter: ScriptedStarter) -> None:
    site.submit(1)
    overseer = site.overseer(starter)
    overseer.dispatch()
    claim = site.catalog.claims.take(recording_id(1), holder="flow", ttl=MINUTE, cause="it", run=starter.started[0].key)
    assert claim is not None
    site.catalog.claims.hand_back(claim, cause="told to stop")
    starter.seen = Seen.ENDED

    overseer.reconcile()
    overseer.dispatch()

    assert len(starter.started) == 2
    assert site.recording(1).alarm is None


def test_recordings_in_the_hands_of_a_forgotten_run_are_handed_over(site: Site, starter: ScriptedStarter) -> None:
    site.submit(1)
    overseer = site.overseer(starter)
    overseer.dispatch()
    site.catalog.runs.forget(starter.started[0].key)

    overseer.reconcile()
    overseer.dispatch()

    assert len(starter.started) == 2


def test_a_batch_whose_process_lives_keeps_its_recordings(site: Site, starter: ScriptedStarter) -> None:
    for number in (1, 2, 3):
        site.submit(number, Queue.BULK)
    overseer = site.overseer(starter)
    overseer.dispatch()
    [run] = starter.started
    starter.seen = Seen.RUNNING
    site.time_passes()
    lease = site.catalog.claims.lead(run_lease(run.key), holder="batch", ttl=MINUTE)
    assert lease is not None

    overseer.reconcile()
    overseer.dispatch()
    assert len(starter.started) == 1

    site.catalog.claims.release(lease)
    site.time_passes()
    overseer.reconcile()
    overseer.dispatch()
    assert len(starter.started) == 2
    assert starter.started[1].subjects == run.subjects


def test_a_batch_that_ended_early_gives_up_the_rest_only(site: Site, starter: ScriptedStarter) -> None:
    for number in (1, 2, 3):
        site.lay(number, pieces=slices(1))
        site.submit(number, Queue.BULK)
    overseer = site.overseer(starter)
    overseer.dispatch()
    [run] = starter.started
    site.process(1, run=run.key)
    starter.seen = Seen.ENDED

    site.time_passes()
    overseer.reconcile()
    overseer.dispatch()

    assert starter.started[1].subjects == run.subjects[1:]


def test_a_run_that_prefect_left_running_after_its_end_is_ended(site: Site, starter: ScriptedStarter) -> None:
    site.lay(1, pieces=slices(1))
    site.submit(1)
    overseer = site.overseer(starter)
    overseer.dispatch()
    [run] = starter.started
    site.process(1, run=run.key)
    starter.seen = Seen.RUNNING

    for _ in range(2):
        site.time_passes()
        overseer.reconcile()
        overseer.dispatch()

    assert starter.ended == [f"flow run of {run.key}"]
    assert len(starter.started) == 1
    assert site.catalog.runs.to_look_after(most=10) == []


def test_a_dead_worker_is_noticed_by_its_lease(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    site.dies_over(1)
    overseer = site.overseer()

    overseer.reconcile()
    overseer.dispatch()

    recording = site.recording(1)
    assert (recording.state, recording.verdict, recording.tries) == (State.SETTLED, Verdict.COMPLETE, 0)
    assert "its worker ended without a word" in site.causes(1)


def test_a_living_worker_is_left_alone(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    claim = site.catalog.claims.take(recording_id(1), holder="alive", ttl=MINUTE, cause="it works")
    assert claim is not None

    site.overseer().reconcile()
    site.overseer().dispatch()

    assert site.recording(1).state == State.PROCESSING
    assert site.causes(1) == ["submitted", "it works"]


def test_a_recording_without_a_verdict_after_its_deadline_is_alarmed_once(site: Site) -> None:
    site.submit(1)
    site.submit(2)
    site.heard_long_ago(1)

    for _ in range(2):
        site.overseer().remind()

    alarmed = site.recording(1)
    assert alarmed.alarm is not None
    assert "no verdict since it was heard of at 2000-01-01" in alarmed.alarm
    assert len(site.causes(1)) == 2
    assert site.recording(2).alarm is None


def test_a_recording_whose_end_nobody_told_is_looked_at(site: Site) -> None:
    site.lay(1)
    site.catalog.register(recording_id(1), state=State.RECORDING, cause="it began", actor="test", source="calls")
    site.overseer().dispatch()
    assert site.recording(1).state == State.RECORDING
    site.heard_long_ago(1)

    site.overseer().remind()
    site.overseer().dispatch()

    settled = site.recording(1)
    assert (settled.verdict, settled.alarm) == (Verdict.COMPLETE, None)


def test_abandoned_uploads_are_swept_and_young_ones_are_not(site: Site) -> None:
    store = LocalStore(site.output)
    store.start_multipart(ObjectKey("media/agora/x/mix/0123456789abcdef.mp4")).put_part(1, b"half")
    overseer = site.overseer()

    assert overseer.sweep() == 0
    site.days_pass()
    assert overseer.sweep() == 1
    assert unfinished(site.output) == []


def test_two_overseers_at_once_hand_over_each_recording_once(site: Site) -> None:
    """Both believe that they lead, as one does that slept past its lease."""
    for number in range(1, 41):
        site.submit(number)
    starters = [ScriptedStarter(), ScriptedStarter()]
    sites = [Site(site.root), Site(site.root)]

    def work(mine: Site, starter: ScriptedStarter) -> None:
        for _ in range(5):
            mine.overseer(starter).dispatch()

    threads = [
        threading.Thread(target=work, args=(mine, starter)) for mine, starter in zip(sites, starters, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    keys = {run.key for starter in starters for run in starter.started}
    assert len(keys) == 40


def test_the_loops_run_until_they_are_told_to_end(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    ended = threading.Event()
    thread = threading.Thread(target=run_loops, args=(site.overseer(InlineStarter(Site(site.root))), ended))

    thread.start()
    for _ in range(100):
        if site.recording(1).state == State.SETTLED or ended.wait(0.1):
            break
    ended.set()
    thread.join(10)

    assert not thread.is_alive()
    assert len(manifests(site.output)) == 1
    assert site.held_leases() == [], "another machine can go on at once"


def test_of_two_machines_one_runs_the_loops(site: Site) -> None:
    site.submit(1)
    lease = site.catalog.claims.lead("loop:dispatch", holder="another machine", ttl=MINUTE)
    assert lease is not None
    ended, starter = threading.Event(), ScriptedStarter()
    thread = threading.Thread(target=run_loops, args=(site.overseer(starter), ended))

    thread.start()
    ended.wait(0.5)
    assert starter.started == []
    site.catalog.claims.release(lease)
    ended.wait(1.5)
    ended.set()
    thread.join(10)

    assert len(starter.started) == 1


@pytest.mark.parametrize(("lease_s", "waited_s"), [(6, 3), (60, 30), (3600, 30)])
def test_the_loops_of_a_dead_machine_are_waited_for_half_a_lease_but_never_for_long(
    site: Site, lease_s: int, waited_s: int
) -> None:
    begun, ended, waits = threading.Event(), threading.Event(), list[timedelta]()

    class Watching(ScriptedStarter):
        def start(self, run: Run) -> str:
            waits.append(site.expiries()["loop:dispatch"] - datetime.now(UTC))
            begun.set()
            return super().start(run)

    site.submit(1)
    overseer = site.overseer(Watching())
    settings = replace(overseer.settings, lease=timedelta(seconds=lease_s))
    thread = threading.Thread(target=run_loops, args=(replace(overseer, settings=settings), ended))
    thread.start()
    assert begun.wait(10)
    ended.set()
    thread.join(10)

    assert timedelta(seconds=waited_s / 3) < waits[0] <= timedelta(seconds=waited_s)


def test_a_long_pass_keeps_its_loop(site: Site) -> None:
    begun, ended = threading.Event(), threading.Event()

    class Slow(ScriptedStarter):
        def start(self, run: Run) -> str:
            begun.set()
            ended.wait(10)
            return super().start(run)

    site.submit(1)
    overseer = site.overseer(Slow())
    hasty = replace(overseer, settings=replace(overseer.settings, lease=timedelta(seconds=1)))
    thread = threading.Thread(target=run_loops, args=(hasty, ended))
    thread.start()
    assert begun.wait(10)
    time.sleep(1)

    assert site.catalog.claims.lead("loop:dispatch", holder="another machine", ttl=MINUTE) is None
    ended.set()
    thread.join(10)


def test_when_they_end_the_loops_let_go_of_the_vendors(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    closed, ended = list[Recorders](), threading.Event()

    def close(self: Recorders) -> None:
        closed.append(self)

    monkeypatch.setattr(Recorders, "close", close)
    ended.set()
    run_loops(site.overseer(ScriptedStarter()), ended)
    assert len(closed) == 1


def test_a_fault_in_a_pass_does_not_end_the_loop(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedStarter):
        def start(self, run: Run) -> str:
            super().start(run)
            if len(self.started) == 1:
                raise ZeroDivisionError
            return f"flow run of {run.key}"

    site.submit(1)
    ended, starter = threading.Event(), Broken()
    overseer = replace(site.overseer(starter), patience=timedelta(seconds=1))
    thread = threading.Thread(target=run_loops, args=(overseer, ended))

    thread.start()
    ended.wait(2.5)
    ended.set()
    thread.join(10)

    assert "loop dispatch: a fault of Aftertake" in caplog.text
    assert [run.key for run in starter.started[:2]] == [starter.started[0].key] * 2, "delivered again, under its key"

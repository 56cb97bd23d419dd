"""The same story under Prefect, and without it."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.model import State, Verdict
from catalog.records import Queue
from catalog.runs import Pulse
from deployments.sandbox.layouts import agora_mixed
from flows.process import process_recording
from storage.errors import NoSpace
from tests.cli.running import ROOT
from tests.flows.folders import aged, contents, manifests, slices, unfinished
from tests.flows.site import Site, recording_id, sid

# Prefect's event clients leave their sockets to the garbage collector.
pytestmark = [
    pytest.mark.xdist_group("prefect"),  # one server for all of them
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: None) -> Site:  # noqa: ARG001 - it must run
    """Whoever loads the settings in this process works on this site."""
    site = Site(tmp_path)
    for name, value in site.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    return site


def told(story: Callable[[], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401 - whatever the flow answers
    answer = asyncio.run(story())
    gc.collect()
    return answer


async def run_of(name: str) -> Any:  # noqa: ANN401 - Prefect's own value
    """The newest of this name: other tests have recordings of the same."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect only where a test needs it
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName  # noqa: PLC0415
    from prefect.client.schemas.sorting import FlowRunSort  # noqa: PLC0415

    async with get_client() as client:
        named = FlowRunFilter(name=FlowRunFilterName(any_=[name]))
        [run] = await client.read_flow_runs(flow_run_filter=named, sort=FlowRunSort.START_TIME_DESC, limit=1)
        return run


async def tasks_of(run: Any, count: int) -> list[Any]:  # noqa: ANN401 - Prefect's own values
    """The tasks of a run; the server hears of them a little later."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId  # noqa: PLC0415

    async with get_client() as client:
        for _ in range(50):
            found = await client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
            if len(found) == count and all(task.state and task.state.is_final() for task in found):
                break
            await asyncio.sleep(0.2)
    return sorted(found, key=lambda task: str(task.start_time))


def test_each_step_shows_as_a_task(site: Site) -> None:
    from flows.deployed import process_recording  # noqa: PLC0415

    site.lay(1)
    site.submit(1)
    recording = f"agora:{sid(1)}"

    async def story() -> None:
        assert await process_recording(recording) == "settled complete"
        run = await run_of(f"rec-{recording}")
        assert run.parameters == {"recording_id": recording}
        assert run.state_name == "Completed"
        mine = await tasks_of(run, 7)
        names = [task.name.rpartition("-")[0] for task in mine]
        assert names == ["claim", "find", "plan", "assemble mix", "look again", "publish", "conclude"]
        assert {task.state_name for task in mine} == {"Completed"}
        assert all(not inputs for task in mine for inputs in task.task_inputs.values())

    told(story)
    assert site.manifest(1).revision == 1


def test_a_person_finds_the_story_of_a_recording_on_its_page(site: Site) -> None:
    from prefect.artifacts import Artifact  # noqa: PLC0415

    from flows.deployed import process_recording  # noqa: PLC0415

    site.lay(1)
    site.submit(1)

    async def story() -> str:
        await process_recording(f"agora:{sid(1)}")
        found = await Artifact.aget(f"rec-agora-{sid(1)}")
        assert found is not None
        return str(found.data)

    text = told(story)
    assert f"# agora:{sid(1)}: complete" in text
    assert "| mix |" in text
    assert "| settled | complete, revision 1 |" in text


def test_a_recording_without_a_verdict_is_a_failed_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import deployed  # noqa: PLC0415

    site.lay(1)
    site.submit(1)
    monkeypatch.setattr("flows.process.plan_recording", lambda *_: 1 / 0)

    with pytest.raises(deployed.NoVerdictError, match="ZeroDivisionError"):
        told(lambda: deployed.process_recording(f"agora:{sid(1)}"))
    assert site.recording(1).state == State.FAILED


def test_a_step_that_fails_in_passing_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import deployed  # noqa: PLC0415
    from flows.steps.planning import plan_recording  # noqa: PLC0415

    site.lay(1)
    site.submit(1)
    failures = [NoSpace("put", "x", "full")]

    def failing_once(*arguments: Any) -> Any:  # noqa: ANN401 - those of the step
        if failures:
            raise failures.pop()
        return plan_recording(*arguments)

    monkeypatch.setattr("flows.process.plan_recording", failing_once)

    assert told(lambda: deployed.process_recording(f"agora:{sid(1)}")) == "settled complete"
    assert failures == []


def test_a_batch_processes_one_after_another(site: Site) -> None:
    from flows.deployed import process_batch  # noqa: PLC0415

    for number in (1, 2):
        site.lay(number, pieces=slices(1))
        site.submit(number, Queue.BULK)
    ids = [f"agora:{sid(1)}", "agora:unknown", f"agora:{sid(2)}"]

    assert told(lambda: process_batch(ids)) == {"settled": 2}
    assert [site.recording(number).verdict for number in (1, 2)] == [Verdict.COMPLETE] * 2


def test_the_recordings_of_a_batch_show_in_a_table_and_on_a_page_if_something_is_wrong(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.artifacts import Artifact  # noqa: PLC0415
    from prefect.client.orchestration import get_client  # noqa: PLC0415

    from flows.deployed import process_batch  # noqa: PLC0415

    site.has_policies(deadline=timedelta(0))
    monkeypatch.setenv("AFTERTAKE_SOURCES", site.settings.as_environment()["AFTERTAKE_SOURCES"])
    for number, stored in ((11, None), (12, [*slices(4)[:3], None])):
        site.lay(number, stored)
        site.submit(number, Queue.BULK)
    ids = [f"agora:{sid(11)}", f"agora:{sid(12)}"]

    async def story() -> list[bool]:
        assert await process_batch(ids) == {"settled": 2}
        run = await run_of(f"batch-from-{ids[0]}")
        async with get_client() as client:
            [table] = [each for each in await client.read_artifacts() if each.flow_run_id == run.id and not each.key]
        rows = json.loads(str(table.data))
        assert [row["recording"] for row in rows] == ids
        assert [(row["state"], row["verdict"]) for row in rows] == [("settled", "complete"), ("settled", "gaps")]
        assert all(0 < float(row["seconds"]) < 60 for row in rows)
        return [await Artifact.aget(f"rec-agora-{sid(number)}") is not None for number in (11, 12)]

    assert told(story) == [False, True]
    assert site.recording(12).verdict is Verdict.GAPS


def test_a_batch_makes_room_for_urgent_recordings_that_come_after_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import deployed  # noqa: PLC0415

    async def and_another_comes(*args: Any, **named: Any) -> Any:  # noqa: ANN401
        settled = await process_recording(*args, **named)
        if settled and settled.id == recording_id(2):
            site.submit(6, Queue.LIVE)
        site.catalog.runs.hand_over(most=10, batch=10)
        return settled

    monkeypatch.setattr(deployed, "_URGENT", timedelta(0))
    monkeypatch.setattr(deployed, "story", and_another_comes)
    site.submit(7, Queue.LIVE)
    for number in (1, 2, 3):
        site.lay(number, pieces=slices(1))
        site.submit(number, Queue.BULK)
    site.catalog.runs.hand_over(most=10, batch=10)

    assert told(lambda: deployed.process_batch([f"agora:{sid(n)}" for n in (1, 2, 3)])) == {"settled": 2}
    assert site.recording(3).state == State.STOPPED


def test_a_batch_that_makes_room_counts_as_no_loss(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import deployed  # noqa: PLC0415

    async def and_another_comes(*args: Any, **named: Any) -> Any:  # noqa: ANN401
        settled = await process_recording(*args, **named)
        site.submit(3, Queue.LIVE)
        site.catalog.runs.hand_over(most=10, batch=10)
        return settled

    monkeypatch.setattr(deployed, "_URGENT", timedelta(0))
    monkeypatch.setattr(deployed, "story", and_another_comes)
    for number in (1, 2):
        site.lay(number, pieces=slices(1))
        site.submit(number, Queue.BULK)
    [batch] = site.catalog.runs.hand_over(most=10, batch=10)
    monkeypatch.setattr(deployed, "_key", lambda: batch.key)

    assert told(lambda: deployed.process_batch(list(batch.subjects))) == {"settled": 1}

    rest = site.recording(2)
    assert (rest.run, rest.alarm, site.causes(2)) == (None, None, ["submitted"])
    assert rest.due_at is not None
    assert site.held_leases() == []


def test_a_batch_that_was_replaced_does_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import deployed  # noqa: PLC0415

    site.submit(1, Queue.BULK)
    [run] = site.catalog.runs.hand_over(most=10, batch=10)
    site.catalog.runs.give_back(run.key)
    site.catalog.runs.forget(run.key)
    monkeypatch.setattr(deployed, "_key", lambda: run.key)

    assert told(lambda: deployed.process_batch(list(run.subjects))) == {}
    assert site.leases() == []


def test_a_backfill_hands_over_what_nobody_has_looked_at(site: Site) -> None:
    from flows.deployed import backfill  # noqa: PLC0415

    site.lay(21)
    aged(site.source)

    async def story() -> dict[str, int]:
        counts = await backfill(since="2026-03-01", source="calls")
        mine = await tasks_of(await run_of("backfill-since-2026-03-01"), 2)
        assert [task.name.rpartition("-")[0] for task in mine] == ["plan calls", "hand over calls"]
        return counts

    counts = told(story)
    assert (counts["build"], counts["handed_over"]) == (1, 1)
    [batch] = site.catalog.runs.hand_over(most=10, batch=10)
    assert (batch.flow, batch.subjects) == ("process_batch", (f"agora:{sid(21)}",))


@pytest.mark.usefixtures("site")
def test_a_batch_is_named_by_its_first_recording() -> None:
    from flows.deployed import process_batch  # noqa: PLC0415

    async def story() -> None:
        await process_batch([f"agora:{sid(77)}"])
        await run_of(f"batch-from-agora:{sid(77)}")

    told(story)


def test_a_batch_keeps_its_lease_over_a_recording_that_takes_long(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import deployed  # noqa: PLC0415

    monkeypatch.setattr("flows.steps.working.STALL", timedelta(seconds=0))
    worker = replace(site.worker(), settings=replace(site.settings, lease=timedelta(milliseconds=300)))
    site.submit(1)
    [run] = site.catalog.runs.hand_over(most=1, batch=1)

    with deployed._kept(worker, run.key) as require_ours:
        time.sleep(1)
        assert site.catalog.runs.pulse(run.key) is Pulse.ALIVE
        require_ours()
    assert site.held_leases() == []


HANGING = """
import asyncio, sys, time
from datetime import timedelta
from flows import process
from flows.steps import working

working.STALL = timedelta(seconds=1)
process.plan_recording = lambda *_: time.sleep(600)

from flows.deployed import process_recording
asyncio.run(process_recording(sys.argv[1]))
"""


def test_a_process_that_hangs_ends_and_frees_its_slot(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": api_url(), "AFTERTAKE_LEASE": "5s"}
    arguments = [sys.executable, "-c", HANGING, f"agora:{sid(1)}"]

    done = subprocess.run(arguments, env=environment, capture_output=True, check=False, timeout=60)  # noqa: S603

    assert done.returncode == os.EX_SOFTWARE
    assert b"no progress; the process ends" in done.stderr
    assert site.recording(1).state == State.PROCESSING


SLOW = """
import asyncio, sys, time
from flows.steps import assembling
from media import assemble

real = assembling.assemble
def slowly(plan, arrivals, open_sink, **form):
    def slowed(coming):
        for arrival in coming:
            print("reading", flush=True)
            time.sleep(2)
            yield arrival
    return real(plan, {lane: slowed(coming) for lane, coming in arrivals.items()}, open_sink, **form)
assembling.assemble = slowly

from flows.deployed import process_recording
asyncio.run(process_recording(sys.argv[1]))
"""


def test_a_run_that_is_told_to_end_hands_its_recording_back(site: Site) -> None:
    """SIGTERM is what Prefect's worker sends when it is told to end, and when somebody cancels the run."""
    site.lay(1, pieces=slices(20))
    site.submit(1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": api_url()}
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", SLOW, f"agora:{sid(1)}"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reading\n"
        told_at = datetime.now(UTC)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)

    handed_back = site.recording(1)
    assert site.catalog.changes(handed_back.id)[-1].at - told_at < timedelta(seconds=20)
    assert (handed_back.state, handed_back.tries) == (State.STOPPED, 0)
    assert handed_back.due_at is not None
    assert site.held_leases() == []
    assert unfinished(site.output) == []
    assert manifests(site.output) == []


def api_url() -> str:
    from prefect.settings import PREFECT_API_URL  # noqa: PLC0415

    return str(PREFECT_API_URL.value())


def test_inline_runs_do_not_import_prefect(tmp_path: Path) -> None:
    source, output = agora_mixed(slices()).write_to(tmp_path / "in"), tmp_path / "out"
    text = (
        "import sys; from cli.main import main\n"
        "code = main(sys.argv[1:])\n"
        "loaded = {'prefect', 'sqlalchemy', 'fastapi', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(f'{code} {sorted(loaded)}')"
    )
    arguments = ["process", str(source), "--output", str(output)]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", text, *arguments], cwd=ROOT, capture_output=True, check=False, timeout=60
    )

    assert done.stderr.decode().strip() == "0 []"
    assert any(key.startswith("manifests/") for key in contents(output))

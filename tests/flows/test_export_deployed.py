"""Exports through a real Prefect: handed over by the loops, run in a process of their own, which may be killed."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

from catalog.exports import Export, ExportState
from flows.export import export_replay
from tests.catalog.exports import KEEP, MOST, request
from tests.cli.running import ROOT
from tests.flows.export_making import bytes_of, maker
from tests.flows.folders import contents, unfinished
from tests.flows.site import Site
from tests.flows.test_deployed import api_url, run_of, tasks_of, told

# Prefect's event clients leave their sockets to the garbage collector.
pytestmark = [
    pytest.mark.xdist_group("prefect"),  # one server for all of them
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

MAKING = """
import runpy, sys, time
from functools import partial
from flows import export
from tests.flows.export_making import maker

how = sys.argv.pop()

def hold_up(point):
    if point == "complete" and how == "hang":
        print("making", flush=True)
        time.sleep(600)

export.export_replay = partial(export.export_replay, make=maker(hold_up))
import flows.deployed
runpy.run_module("prefect.engine", run_name="__main__")
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefect_server: None) -> Iterator[Site]:  # noqa: ARG001
    """Whoever loads the settings in this process works on this site."""
    site = Site(tmp_path)
    for name, value in site.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    yield site
    gc.collect()


def ask(site: Site) -> Export:
    asked = partial(site.catalog.exports.ask, by="ann", reason="a case", name="cut", keep=KEEP, most=MOST)
    return asked(request())[0]


async def registered() -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect only where a test needs it

    from flows.hosting import register  # noqa: PLC0415

    async with get_client() as client:
        await register(client)


def process_of(flow_run: str, how: str) -> subprocess.Popen[bytes]:
    """As Prefect's worker starts it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_API_URL": api_url()}
    environment |= {"PREFECT__FLOW_RUN_ID": flow_run}
    command = [sys.executable, "-c", MAKING, how]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603


def flow_run_of(site: Site, export: Export) -> str:
    """What the loops started of it last."""
    [run] = [
        run for run in site.catalog.runs.to_look_after(most=10) if run.key == site.catalog.exports.get(export.id).run
    ]
    assert run.flow_run is not None
    return run.flow_run


def test_what_is_asked_for_is_handed_over_and_made_and_what_a_killed_process_had_is_made_by_another(site: Site) -> None:
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    asyncio.run(registered())
    export = ask(site)
    with PatientStarter(beginning=timedelta(0)) as starter:
        overseer = replace(site.overseer(starter), patience=timedelta(0))
        assert overseer.dispatch() == 1
        first = flow_run_of(site, export)
        with process_of(first, "hang") as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"making\n"
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
        assert site.catalog.exports.get(export.id).state is ExportState.RUNNING
        assert len(unfinished(site.output)) == 1

        site.time_passes()
        overseer.reconcile()
        site.time_passes()
        assert site.catalog.exports.get(export.id).state is ExportState.QUEUED
        assert overseer.dispatch() == 1
        again = flow_run_of(site, export)
        assert again != first
        with process_of(again, "go on") as process:
            _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()

        overseer.reconcile()
        assert site.catalog.runs.to_look_after(most=10) == []

    done = site.catalog.exports.get(export.id)
    assert (done.state, done.tries) == (ExportState.DONE, 2)
    assert contents(site.output)[export.key.key] == bytes_of(export.request)
    assert unfinished(site.output) == []


def test_each_step_shows_as_a_task(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import deployed  # noqa: PLC0415

    monkeypatch.setattr(deployed, "export_story", partial(export_replay, make=maker()))
    export = ask(site)

    async def story() -> None:
        assert await deployed.export_replay(export.id) == "done"
        run = await run_of(f"export-{export.id}")
        assert run.parameters == {"export_id": export.id}
        names = [task.name.rpartition("-")[0] for task in await tasks_of(run, 3)]
        assert names == ["claim", "cut", "conclude"]
        assert await deployed.export_replay(export.id) == "somebody else has it, or it is over"

    told(story)


def test_one_that_could_not_be_made_is_a_failed_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows import deployed  # noqa: PLC0415

    def fail(*_: Any) -> NoReturn:  # noqa: ANN401 - those of the step
        raise ZeroDivisionError("of a test")

    monkeypatch.setattr(deployed, "export_story", partial(export_replay, make=fail))
    export = ask(site)

    with pytest.raises(deployed.NotMadeError, match="a fault of Aftertake: ZeroDivisionError"):
        told(lambda: deployed.export_replay(export.id))
    assert site.catalog.exports.get(export.id).state is ExportState.QUEUED

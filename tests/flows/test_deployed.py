"""The same story under Prefect, and without it."""

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.sandbox.layouts import AGORA_SID
from flows.steps.finding import NothingFoundError
from tests.cli.running import ROOT
from tests.flows.folders import contents, followed, slices
from tests.lab import agora_mixed


# Prefect's event clients leave their sockets to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.usefixtures("prefect_server")
def test_each_step_shows_as_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect only where a test needs it

    from flows.deployed import process_recording  # noqa: PLC0415

    source, output = agora_mixed(slices()).write_to(tmp_path / "in"), tmp_path / "out"
    monkeypatch.setenv("AFTERTAKE_SOURCE", str(source))
    monkeypatch.setenv("AFTERTAKE_OUTPUT", str(output))
    recording = f"agora:{AGORA_SID}"

    async def story() -> None:
        assert await process_recording(recording) == "complete"
        with pytest.raises(NothingFoundError, match="Check the id"):
            await process_recording("agora:other")
        async with get_client() as client:
            runs = {run.name: run for run in await client.read_flow_runs()}
            tasks = await client.read_task_runs()
        run = runs[f"rec-{recording}"]
        assert run.parameters == {"recording_id": recording}
        assert run.state_name == "Completed"
        mine = sorted((task for task in tasks if task.flow_run_id == run.id), key=lambda task: str(task.start_time))
        names = [task.name.rpartition("-")[0] for task in mine]
        assert names == ["find", "plan", "assemble mix", "look again", "publish"]
        assert {task.state_name for task in mine} == {"Completed"}
        assert all(not inputs for task in mine for inputs in task.task_inputs.values())

    asyncio.run(story())
    gc.collect()
    assert followed(output, "agora", AGORA_SID).revision == 1


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

    assert done.stderr.decode().split(maxsplit=1)[0] == "0"
    assert "prefect" not in done.stderr.decode()
    assert any(key.startswith("manifests/") for key in contents(output))

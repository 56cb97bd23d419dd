"""What holds for all commands: they are there, say how they are used, and import only what they need."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import COMMANDS
from deployments.sandbox.layouts import AGORA_SID
from tests.cli.running import ROOT, aftertake
from tests.flows.cut_files import exported
from tests.flows.folders import slices
from tests.lab import agora_mixed

_WATCHED = """
import json, sys
from cli.main import main
for arguments in json.loads(sys.argv[1]):
    code = main(arguments)
    loaded = {'prefect', 'sqlalchemy', 'alembic', 'fastapi', 'uvicorn', 'asyncio', 'httpx'} & set(sys.modules)
    print(arguments[0], code, sorted(loaded), file=sys.stderr)
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_says_how_it_is_used(name: str) -> None:
    run = aftertake(name, "--help")

    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(f"usage: aftertake {name} ")
    assert "--json" in run.out
    assert "Exit codes: 0 " in run.out


def test_all_are_listed() -> None:
    run = aftertake("--help")

    assert run.code == 0
    assert all(f"\n    {name}" in run.out for name in COMMANDS)


def test_bare_commands_import_no_sql_no_web_and_no_event_loop(tmp_path: Path) -> None:
    source, output = str(agora_mixed(slices()).write_to(tmp_path / "in")), str(tmp_path / "out")
    given = [
        ["check", source],
        ["process", source, "--output", output],
        ["show", AGORA_SID, "--output", output],
        ["find", AGORA_SID, "--store", source],
        ["doctor", "--source", source, "--output", output],
        ["verify-export", str(exported().save(tmp_path))],
    ]
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _WATCHED, json.dumps(given)], cwd=ROOT, capture_output=True, check=False, timeout=60
    )

    assert done.stderr.decode().splitlines() == [f"{arguments[0]} 0 []" for arguments in given]

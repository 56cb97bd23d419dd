"""What lies in `deployments/`, and the linters that read it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.structure.repository import ROOT

DEPLOYMENTS = ROOT / "deployments"
KUBERNETES = DEPLOYMENTS / "kubernetes"
DOCKERFILE = DEPLOYMENTS / "Dockerfile"

WRITTEN = tuple(
    sorted(
        path
        for path in (*DEPLOYMENTS.glob("*"), *(DEPLOYMENTS / "postgres").glob("*"), *KUBERNETES.rglob("*"))
        if path.is_file() and path.suffix != ".py" and path.name != ".env"
    ),
)
"""Every text that says how Aftertake is deployed."""


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def yaml_of(path: Path) -> Any:  # noqa: ANN401
    return yaml.safe_load(text_of(path))


def lint(tool: str, *arguments: str | Path) -> str:
    """What a linter of this environment says; it must be content."""
    command = [str(Path(sys.executable).with_name(tool)), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

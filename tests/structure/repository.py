"""The repository's own files."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def tracked_files() -> list[Path]:
    """Everything that git holds or would add."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout, so nothing says which files belong to it")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=30).stdout  # noqa: S603
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]

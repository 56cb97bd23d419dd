import re
import tomllib
from pathlib import Path

import pytest

from tests.structure.repository import ROOT, tracked_files

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = re.compile("|".join([r"pypi\." + "org", "python" + "hosted", "npmjs" + r"\.", r"deb\." + "debian"]))
LARGEST_BINARY = 200_000
LOCKS = ("requirements.lock", "requirements-dev.lock")


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


def entries_of(lock: str) -> list[str]:
    """Each package with its hashes."""
    return re.split(r"\n(?=\S)", text_of(ROOT / lock).strip())


def direct_of(requirements: str) -> set[str]:
    return set(re.findall(r"^(\w[\w-]*)", text_of(ROOT / requirements), re.MULTILINE))


def test_no_file_names_a_package_registry() -> None:
    named = [str(path.relative_to(ROOT)) for path in tracked_files() if REGISTRIES.search(text_of(path))]
    assert named == []


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    own = (str(ROOT), f"{Path.home()}/.", "/wo" + "rk/")
    named = [str(path.relative_to(ROOT)) for path in tracked_files() if any(p in text_of(path) for p in own)]
    assert named == []


def test_no_large_binary_is_kept() -> None:
    large = (path for path in tracked_files() if path.stat().st_size > LARGEST_BINARY)
    assert [str(path.relative_to(ROOT)) for path in large if b"\0" in path.read_bytes()] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_requirement_has_hashes(lock: str) -> None:
    entries = entries_of(lock)
    assert len(entries) > 50
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry or "==" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_the_locks_hold_no_address(lock: str) -> None:
    lines = text_of(ROOT / lock).splitlines()
    assert [line for line in lines if "://" in line or line.startswith("-")] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_the_locks_follow_the_direct_requirements(lock: str) -> None:
    locked = set(re.findall(r"^([\w-]+)==", text_of(ROOT / lock), re.MULTILINE))
    assert direct_of(lock.replace(".lock", ".in")) <= locked


def test_what_runs_is_what_was_tested() -> None:
    assert set(entries_of("requirements.lock")) <= set(entries_of("requirements-dev.lock"))


def test_what_runs_brings_no_tests() -> None:
    for_tests = direct_of("requirements-dev.in")
    assert {"pytest", "ruff", "mypy", "moto"} <= for_tests
    # Prefect runs with jsonschema too.
    locked = set(re.findall(r"^([\w-]+)==", text_of(ROOT / "requirements.lock"), re.MULTILINE))
    assert for_tests & locked == {"jsonschema"}


def test_every_package_is_listed_by_name() -> None:
    """A room that is missing there is missing from an installation."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    found = {".".join(path.relative_to(ROOT).parent.parts) for path in tracked_files() if path.name == "__init__.py"}
    assert sorted(listed) == sorted(name for name in found if name.partition(".")[0] != "tests")

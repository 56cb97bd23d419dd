import re
import tomllib
from pathlib import Path

from tests.structure.repository import ROOT, tracked_files

# Put together here, so that this file does not hold what it looks for.
REGISTRIES = re.compile("|".join([r"pypi\." + "org", "python" + "hosted", "npmjs" + r"\.", r"deb\." + "debian"]))
LARGEST_BINARY = 200_000


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="replace")


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


def test_every_locked_requirement_has_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", lock.strip())
    assert len(entries) > 50
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry or "==" not in entry] == []


def test_the_lock_holds_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert [line for line in lock.splitlines() if "://" in line or line.startswith("-")] == []


def test_the_lock_follows_the_direct_requirements() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w-]+)==", lock, re.MULTILINE))
    direct = re.findall(r"^([\w-]+)", (ROOT / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(direct) <= locked


def test_every_package_is_listed_by_name() -> None:
    """A room that is missing there is missing from an installation."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    found = {".".join(path.relative_to(ROOT).parent.parts) for path in tracked_files() if path.name == "__init__.py"}
    assert sorted(listed) == sorted(name for name in found if name.partition(".")[0] != "tests")

"""Stores that are full, or refuse: one sentence, the right code, nothing half-written, and the next run ends well."""

import errno
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.sandbox.layouts import AGORA_SID
from storage.checksums import Buffer
from storage.local_files import write_all
from tests.cli.running import Run, aftertake, program
from tests.flows.folders import contents, followed, manifests, slices, unfinished
from tests.lab import agora_mixed

NOBODY = 65_534


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return agora_mixed(slices()).write_to(tmp_path / "in")


def refused(run: Run, code: int, advice: str) -> None:
    assert run.code == code
    assert run.out == ""
    assert run.err.startswith("aftertake: ")
    assert run.err.count("\n") == 1
    assert advice in run.err


@pytest.mark.parametrize("good_writes", range(0, 14, 2))
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_after_some_writes(
    good_writes: int, number: int, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, left = tmp_path / "out", [good_writes]

    def full(descriptor: int, data: Buffer) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.write(descriptor, memoryview(data)[: len(data) // 2])
            raise OSError(number, os.strerror(number))
        write_all(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr("storage.local_uploads.write_all", full)
        run = aftertake("process", source, "--output", output, "--json")
    if left[0] >= 0:
        assert run.code == 0
        return
    refused(run, 5, "Free some space or raise the quota, then run it again.")
    assert unfinished(output) == []

    assert aftertake("process", source, "--output", output).code == 0
    assert followed(output, "agora", AGORA_SID).revision == 1
    assert len(manifests(output)) == 1


def test_a_file_that_may_not_be_as_large(source: Path, tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    run = program("process", source, "--output", tmp_path / "out", prepare=small_files)

    refused(run, 5, "Free some space")
    assert (contents(tmp_path / "out"), unfinished(tmp_path / "out")) == ({}, [])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(options, check=False, capture_output=True, timeout=10).returncode == 0  # noqa: S603
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True, timeout=10)  # noqa: S603, S607


def test_a_disk_that_is_really_full(source: Path, small_disk: Path) -> None:
    refused(aftertake("process", source, "--output", small_disk / "out"), 5, "Free some space")
    assert (contents(small_disk / "out"), unfinished(small_disk / "out")) == ({}, [])


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that others may enter, used by somebody who is not root."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o777)


@pytest.mark.parametrize("what", ["a slice", "the playlist", "a folder", "the root", "the output"])
def test_what_may_not_be_touched(what: str, public: Path) -> None:
    laid = agora_mixed(slices())
    source, output = laid.write_to(public / "in"), public / "out"
    output.mkdir()
    paths = {"a slice": laid.segments[2], "the playlist": laid.playlists[0], "a folder": "classes", "the root": ""}
    (output if what == "the output" else source / paths[what]).chmod(0o000 if what != "the output" else 0o555)

    refused(aftertake("process", source, "--output", output, "--json"), 6, "Check the credentials")
    output.chmod(0o755)
    assert contents(output) == {}

"""`aftertake sandbox` as a user starts it: in a program of its own, ended by a signal."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from storage.opening import open_source
from tests.cli.running import PROGRAM, ROOT, aftertake


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    program = subprocess.Popen(  # noqa: S603
        [*PROGRAM, "sandbox", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate(timeout=10)


def answer(program: subprocess.Popen[str]) -> dict[str, Any]:
    assert program.stdout is not None
    text = ""
    for line in program.stdout:
        text += line
        if line.rstrip() == "}":
            break
    document: dict[str, Any] = json.loads(text)
    return document


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_what_it_prints_is_what_a_user_needs(end: signal.Signals) -> None:
    with running("--empty", "--json") as program:
        stage = answer(program)
        assert set(stage["sources"]) == {"agora", "zego", "jocloud"}
        for url in (*stage["sources"].values(), stage["output"]):
            assert list(open_source(url, environment=stage["environment"]).list()) == []
        program.send_signal(end)
        assert program.wait(timeout=10) == 0


def test_a_port_that_is_taken_is_said() -> None:
    with running("--empty", "--json") as program:
        port = answer(program)["output"].rpartition(":")[2].partition("&")[0]
        run = aftertake("sandbox", "--empty", "--port", port)
    assert run.code == 2
    assert f"cannot listen on port {port}" in run.err

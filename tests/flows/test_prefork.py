"""What is run by forking behaves as if it had been run in the ordinary way, and begins at once."""

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows import prefork_client
from flows.prefork import preforked
from flows.prefork_client import ENDED, LENGTH_BYTES, NOBODY, NUMBER_BYTES
from tests.cli.running import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")

PROGRAM = """
import json, os, sys, time
print(json.dumps({
    "process": os.getpid(),
    "folder": os.getcwd(),
    "niceness": os.nice(0),
    "told": os.environ.get("TOLD"),
    "is_main": __name__ == "__main__",
    "arguments": len(sys.argv),
    "is_imported": "colorsys" in sys.modules,
    "input": sys.stdin.readline(),
}), flush=True)
time.sleep(float(os.environ.get("SLEEPS", "0")))
sys.stderr.write("to stderr")
sys.exit(int(os.environ.get("CODE", "0")))
"""


class Forked:
    """Runs the program by the command that `preforked` gives, in the thread of an event loop of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "program_of_this_test.py").write_text(PROGRAM)
        self.environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"}
        self.folder = folder

    def run(self, what: Callable[[list[str]], None]) -> None:
        async def within() -> None:
            async with preforked("program_of_this_test", ["colorsys"], self.environment) as command:
                await asyncio.to_thread(what, list(command))

        asyncio.run(within())

    def begin(self, command: list[str], given: int, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603
            command,
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def done(self, command: list[str], **variables: str) -> tuple[dict[str, Any], str, int]:
        began = self.begin(command, subprocess.PIPE, **variables)
        output, errors = began.communicate("a line\n", timeout=30)
        return json.loads(output), errors, began.returncode

    def sleeping(self, command: list[str], **variables: str) -> tuple[subprocess.Popen[str], int]:
        """A program that has begun, and the process that was forked for it."""
        began = self.begin(command, subprocess.DEVNULL, SLEEPS="60", **variables)
        assert began.stdout is not None
        return began, json.loads(began.stdout.readline())["process"]


@pytest.fixture
def forked(tmp_path: Path) -> Forked:
    return Forked(tmp_path)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ends(process: int) -> bool:
    deadline = time.monotonic() + 10
    while is_alive(process) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(process)


def ask(address: str, folder: str, environment: dict[str, str]) -> socket.socket:
    """Ask as the client does."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    asked = "\0".join([folder, str(os.nice(0)), *(f"{name}={value}" for name, value in environment.items())]).encode()
    with Path(os.devnull).open("r+b") as nothing:
        socket.send_fds(connection, [len(asked).to_bytes(LENGTH_BYTES, "big")], [nothing.fileno()] * 3)
    connection.sendall(asked)
    return connection


@contextmanager
def answering(forked: Forked) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """A client, and the connection in which it has asked."""
    address = str(forked.folder / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        command = [sys.executable, "-I", "-S", prefork_client.__file__, address, "program_of_this_test"]
        client = forked.begin(command, subprocess.PIPE)
        connection, _ = listener.accept()
        with connection:
            connection.recv(LENGTH_BYTES)
            yield client, connection


def forking_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_it_stands_where_it_was_called(forked: Forked) -> None:
    def what(command: list[str]) -> None:
        niceness = os.nice(0)
        said, errors, code = forked.done(["nice", "-n", "3", *command], TOLD="of one run", CODE="7")
        assert (code, errors) == (7, "to stderr")
        assert said.pop("process") > 0
        assert said == {
            "folder": str(forked.folder),
            "niceness": niceness + 3,
            "told": "of one run",
            "is_main": True,
            "arguments": 1,
            "is_imported": True,
            "input": "a line\n",
        }
        assert forked.done(command)[2] == 0

    forked.run(what)


def test_imports_that_read_another_environment_are_made_anew(forked: Forked) -> None:
    def what(command: list[str]) -> None:
        assert forked.done(command, PREFECT__FLOW_RUN_ID="one run's own")[0]["is_imported"]
        said, errors, code = forked.done(command, PREFECT_LOGGING_LEVEL="DEBUG", CODE="7")
        assert (said["is_imported"], errors, code) == (False, "to stderr", 7)

    forked.run(what)


def test_who_finds_nobody_runs_it_alone(forked: Forked) -> None:
    left: list[list[str]] = []
    forked.run(left.append)
    said, errors, code = forked.done(left[0], CODE="7")
    assert (said["is_imported"], code) == (False, 7)
    assert "begins slowly" in errors


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_it(forked: Forked, kind: signal.Signals) -> None:
    def what(command: list[str]) -> None:
        client, process = forked.sleeping(command)
        assert os.getpgid(process) == process, "a signal to the client's group is passed on by the client alone"
        client.send_signal(kind)
        _, errors = client.communicate(timeout=10)
        assert client.returncode == -kind
        assert ("KeyboardInterrupt" in errors) == (kind is signal.SIGINT)
        assert ends(process)

    forked.run(what)


def test_it_dies_with_who_called_it(forked: Forked) -> None:
    def what(command: list[str]) -> None:
        client, process = forked.sleeping(command)
        client.kill()
        client.communicate(timeout=10)
        assert ends(process)
        assert forked.done(command)[2] == 0

    forked.run(what)


def test_it_dies_with_who_never_heard_of_it(forked: Forked) -> None:
    def what(command: list[str]) -> None:
        environment = {**forked.environment, "SLEEPS": "60"}
        with ask(command[-2], str(forked.folder), environment) as connection:
            process = int.from_bytes(connection.recv(NUMBER_BYTES, socket.MSG_PEEK), "big")
            assert is_alive(process)
            time.sleep(0.3)
        assert ends(process)

    forked.run(what)


def test_what_ends_before_it_begins_is_no_process(forked: Forked) -> None:
    def what(command: list[str]) -> None:
        with ask(command[-2], "/no/such/folder", forked.environment) as connection:
            assert int.from_bytes(connection.recv(NUMBER_BYTES), "big") & ENDED

    forked.run(what)


def test_who_hears_of_an_end_before_any_process_runs_it_alone(forked: Forked) -> None:
    with answering(forked) as (client, connection):
        connection.sendall((ENDED | signal.SIGKILL).to_bytes(NUMBER_BYTES, "big"))
        output, _ = client.communicate("a line\n", timeout=30)
        assert (json.loads(output)["input"], client.returncode) == ("a line\n", 0)


def test_a_signal_before_there_is_a_process_ends_what_would_run_alone(forked: Forked) -> None:
    with answering(forked) as (client, connection):
        client.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.sendall(NOBODY.to_bytes(NUMBER_BYTES, "big"))
        client.communicate("a line\n", timeout=30)
        assert client.returncode == -signal.SIGTERM


def test_a_signal_after_the_end_changes_nothing_of_it(forked: Forked) -> None:
    over = subprocess.Popen(["true"])  # noqa: S607
    over.wait()
    with answering(forked) as (client, connection):
        connection.sendall(over.pid.to_bytes(NUMBER_BYTES, "big"))
        time.sleep(0.2)
        client.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.sendall((ENDED | 7 << 8).to_bytes(NUMBER_BYTES, "big"))
        client.communicate(timeout=30)
        assert client.returncode == 7


def test_imports_are_not_taken_from_the_folder_of_the_worker(
    forked: Forked, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "colorsys.py").write_text("raise SystemExit('of somebody else')")
    monkeypatch.chdir(elsewhere)
    forked.run(lambda command: forked.done(command)[0]["is_imported"] or pytest.fail("nothing was forked"))


def test_its_own_death_is_told(forked: Forked) -> None:
    def what(command: list[str]) -> None:
        client, process = forked.sleeping(command)
        os.kill(process, signal.SIGKILL)
        client.communicate(timeout=10)
        assert client.returncode == -signal.SIGKILL

    forked.run(what)


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_end_of_the_forker_is_logged_unless_it_was_wanted(
    forked: Forked, caplog: pytest.LogCaptureFixture, is_killed: bool
) -> None:
    def what(command: list[str]) -> None:
        client, process = forked.sleeping(command)
        if is_killed:
            os.kill(forking_of(process), signal.SIGKILL)
            time.sleep(0.3)
        client.kill()
        client.communicate(timeout=10)

    forked.run(what)
    assert ("the forker ended (-9)" in caplog.text) is is_killed


def test_with_the_one_that_forks_all_die_and_the_next_one_runs_alone(forked: Forked) -> None:
    def what(command: list[str]) -> None:
        client, process = forked.sleeping(command)
        os.kill(forking_of(process), signal.SIGKILL)
        _, errors = client.communicate(timeout=10)
        assert client.returncode == 1
        assert "program_of_this_test ended: the forker has ended" in errors
        assert ends(process)
        assert not forked.done(command)[0]["is_imported"]

    forked.run(what)


def test_who_leaves_kills_what_still_runs(forked: Forked) -> None:
    left: list[tuple[subprocess.Popen[str], int]] = []
    forked.run(lambda command: left.append(forked.sleeping(command)))
    [(client, process)] = left
    client.communicate(timeout=10)
    assert ends(process)


def test_where_the_worker_is_killed_what_runs_goes_on_to_its_end(forked: Forked) -> None:
    told = forked.folder / "command.json"
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(told)], env=forked.environment)  # noqa: S603
    while not told.exists():
        time.sleep(0.01)
    command = json.loads(told.read_text())
    client, process = forked.sleeping(command)
    forking = forking_of(process)
    worker.kill()
    worker.wait()
    time.sleep(0.3)
    assert (is_alive(process), is_alive(forking)) == (True, True)
    assert not forked.done(command)[0]["is_imported"]
    assert not Path(command[-2]).parent.exists()
    client.terminate()
    client.communicate(timeout=10)
    assert client.returncode == -signal.SIGTERM
    assert ends(forking)


WORKER = """
import asyncio, json, os, sys
from pathlib import Path

from flows.prefork import preforked

async def main():
    async with preforked("program_of_this_test", ["colorsys"], dict(os.environ)) as command:
        Path(f"{sys.argv[1]}.part").write_text(json.dumps(command))
        Path(f"{sys.argv[1]}.part").rename(sys.argv[1])
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_who_forks_outlives_a_signal_to_all_and_who_asks_for_nothing(forked: Forked) -> None:
    def what(command: list[str]) -> None:
        client, process = forked.sleeping(command)
        forking = forking_of(process)
        for kind in (signal.SIGTERM, signal.SIGINT):
            os.kill(forking, kind)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(command[-2])
        assert forked.done(command)[2] == 0
        assert is_alive(process)
        client.kill()
        client.communicate()

    forked.run(what)


def test_where_there_is_no_folder_for_it_all_run_alone(
    forked: Forked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A path of a socket has some hundred bytes."""
    deep = forked.folder / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    forked.run(lambda command: command.remove("-m"))
    assert "each flow imports everything anew: AF_UNIX path too long" in caplog.text


def test_who_finds_the_forker_without_files_left_runs_alone_and_harms_no_other(forked: Forked) -> None:
    def what(command: list[str]) -> None:
        client, process = forked.sleeping(command)
        forker = forking_of(process)
        used = max(int(file.name) for file in Path(f"/proc/{forker}/fd").iterdir()) + 1
        before = resource.prlimit(forker, resource.RLIMIT_NOFILE)
        for left in (0, 1):
            resource.prlimit(forker, resource.RLIMIT_NOFILE, (used + left, before[1]))
            assert forked.done(command)[2] == 0
        resource.prlimit(forker, resource.RLIMIT_NOFILE, before)
        assert forked.done(command)[0]["is_imported"]
        assert is_alive(process)
        client.kill()
        client.communicate()

    forked.run(what)

"""Processes that begin at once: forked from one that has imported beforehand what they need.

The process of a flow takes two seconds to import Prefect and us, and less for all else that a short recording needs.
A live recording waits for that, and so does everything beside it.

    worker ── starts ──> client ── asks ──> the one that forks ── forks ──> the process of the flow
                           └───── passes signals on, ends as it ends ─────────────┘

Whoever watches the client watches the flow: signals reach it, its output and its end are the client's, and it dies with
the client. Where nothing can be forked, the client becomes the module that it was to have run.
"""

import asyncio
import ctypes
import gc
import importlib
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from flows import prefork_client
from flows.prefork_client import ENDED, LENGTH_BYTES, NOBODY, NUMBER_BYTES

_IMPORTS_READ: Final = ("PREFECT_", "PYTHON")
_OF_ONE_RUN: Final = "PREFECT__"
_PARENT: Final = 0
"""The standard input of the one that forks: it ends when whoever started it has."""
_DIE_WITH_PARENT: Final = 1
"""`PR_SET_PDEATHSIG` of prctl(2)."""


@asynccontextmanager
async def preforked(
    module: str, imports: Iterable[str], environment: Mapping[str, str]
) -> AsyncIterator[Sequence[str]]:
    """The command that runs a module in a process that has `imports` already; not on Linux, an ordinary one.

    `environment` is the one under which they are imported. Who leaves the `with` kills what still runs; where this
    process is killed, what runs goes on to its end.
    """
    if sys.platform != "linux":
        yield sys.executable, "-m", module
        return
    with tempfile.TemporaryDirectory(prefix="aftertake-") as folder:
        address = f"{folder}/socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(address)
            listener.listen(socket.SOMAXCONN)
            # -P: imports are not taken from the folder where the worker was started, which is not the flow's.
            command = [sys.executable, "-P", "-m", "flows.prefork", str(listener.fileno()), module, *imports]
            forking = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, pass_fds=[listener.fileno()], env=environment
            )
        try:
            yield sys.executable, "-I", "-S", prefork_client.__file__, address, module
        finally:
            with suppress(ProcessLookupError):
                forking.kill()
            await forking.wait()


def main(listening: str, module: str, *imports: str) -> None:
    """Fork for each who asks; in the processes that were forked, run the module."""
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, signal.SIG_IGN)
    for name in imports:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what was imported stays in memory that all of them share
    with socket.socket(fileno=int(listening)) as listener:
        connection = _fork_for_each(listener)
    if connection is not None:
        _become(connection)
        sys.modules.pop(module, None)
        sys.argv = [module]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _fork_for_each(listener: socket.socket) -> socket.socket | None:
    """In each process that was forked, the connection of who asked; in the one that forks None, when all is over."""
    with selectors.DefaultSelector() as selector:
        for source in (listener, _PARENT):
            selector.register(source, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                if key.fd == _PARENT:
                    selector.unregister(_PARENT)
                    selector.unregister(listener)
                    _take_no_more(listener)
                    break
                if key.data is not None:
                    selector.unregister(key.fileobj)
                    os.close(key.fd)
                    _tell_end(*key.data)
                    continue
                connection, _address = listener.accept()
                try:
                    process = os.fork()
                except OSError as error:
                    sys.stderr.write(f"nothing can be forked: {error}\n")
                    connection.close()
                    continue
                if not process:
                    _leave_to_parent(selector)
                    return connection
                selector.register(os.pidfd_open(process), selectors.EVENT_READ, (process, connection))
    return None


def _take_no_more(listener: socket.socket) -> None:
    """Who asked already is refused, and runs its module alone."""
    address = Path(listener.getsockname())
    listener.close()
    with suppress(OSError):
        address.unlink()
        address.parent.rmdir()


def _leave_to_parent(selector: selectors.BaseSelector) -> None:
    for key in selector.get_map().values():
        if key.data is not None:
            os.close(key.fd)
            key.data[1].close()


def _tell_end(process: int, connection: socket.socket) -> None:
    _, status = os.waitpid(process, 0)
    with connection, suppress(OSError):
        connection.sendall((ENDED | status).to_bytes(NUMBER_BYTES, "big"))


def _become(connection: socket.socket) -> None:
    """Stand where the client stands: its folder, environment and output. Where imports would differ, it goes alone."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    os.setpgid(0, 0)  # a signal to the group reaches the client, which passes it on: once
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, niceness, environment, files = _asked(connection)
    if _imports_read(environment) != _imports_read(os.environ):
        connection.sendall(NOBODY.to_bytes(NUMBER_BYTES, "big"))
        sys.exit()
    for standard, file in enumerate(files):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(folder)
    os.nice(niceness - os.nice(0))
    os.environ.clear()
    os.environ.update(environment)
    connection.sendall(os.getpid().to_bytes(NUMBER_BYTES, "big"))
    threading.Thread(target=_die_with, args=(connection,), name="client", daemon=True).start()


def _asked(connection: socket.socket) -> tuple[str, int, dict[str, str], list[int]]:
    """Folder, niceness, environment, and the three standard files."""
    told, files, *_ = socket.recv_fds(connection, LENGTH_BYTES, 3)
    told += _exactly(connection, LENGTH_BYTES - len(told))
    if not files:
        sys.exit("who asked for a process has ended")
    asked = _exactly(connection, int.from_bytes(told, "big"))
    folder, niceness, *variables = map(os.fsdecode, asked.split(b"\0"))
    return folder, int(niceness), dict(variable.split("=", 1) for variable in variables), files


def _exactly(connection: socket.socket, count: int) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.read(count)


def _imports_read(environment: Mapping[str, str]) -> dict[str, str]:
    """What imports saw of an environment, and would see differently of another."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_IMPORTS_READ) and not name.startswith(_OF_ONE_RUN)
    }


def _die_with(connection: socket.socket) -> None:
    with suppress(OSError):  # such as of one that ended before it heard of this process
        connection.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Processes that begin at once: forked from one that has imported beforehand what they need.

The process of a flow takes two seconds to import Prefect and us, and less for all else that a short recording needs.
A live recording waits for that, and so does everything beside it.

    worker ── starts ──> client ── asks ──> forker ── forks ──> the process of the flow
                           └───── passes signals on, ends as it ends ─────┘

Whoever watches the client watches the flow: signals reach it, its output and its end are the client's, and it dies with
the client. Where nothing can be forked, the client becomes the module that it was to have run.
"""

import asyncio
import ctypes
import gc
import importlib
import logging
import os
import runpy
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from flows import prefork_client
from flows.prefork_client import ENDED, LENGTH_BYTES, NOBODY, NUMBER_BYTES

_log = logging.getLogger(__name__)

_BREATH_S: Final = 0.1
"""After what could not be forked: who asked begins alone."""
_IMPORTS_READ: Final = ("PREFECT_", "PYTHON")
_OF_ONE_RUN: Final = "PREFECT__"
_PARENT: Final = 0
"""The standard input of the forker: it ends when whoever started it has."""
_DIE_WITH_PARENT: Final = 1
"""`PR_SET_PDEATHSIG` of prctl(2)."""


@asynccontextmanager
async def preforked(
    module: str, imports: Iterable[str], environment: Mapping[str, str]
) -> AsyncIterator[Sequence[str]]:
    """The command that runs a module in a process that has `imports` already; where that cannot be, an ordinary one.

    `environment` is the one under which they are imported. Who leaves the `with` kills what still runs; where this
    process is killed, what runs goes on to its end.
    """
    async with AsyncExitStack() as stack:
        try:
            address = await stack.enter_async_context(_forker(module, imports, environment))
        except OSError as error:
            _log.warning("each flow imports everything anew: %s", error)
            yield sys.executable, "-m", module
        else:
            yield sys.executable, "-I", "-S", prefork_client.__file__, address, module


@asynccontextmanager
async def _forker(module: str, imports: Iterable[str], environment: Mapping[str, str]) -> AsyncIterator[str]:
    """The address at which somebody forks. Raises OSError where nobody can: not on Linux, or without a folder."""
    os.close(_end_of(os.getpid()))
    with tempfile.TemporaryDirectory(prefix="aftertake-") as folder:
        address = f"{folder}/socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(address)
            listener.listen(socket.SOMAXCONN)
            # -P: imports are not taken from the folder where the worker was started, which is not the flow's.
            command = [sys.executable, "-P", "-m", "flows.prefork", str(listener.fileno()), module, *imports]
            forker = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, pass_fds=[listener.fileno()], env=environment
            )
        watching = asyncio.create_task(_say_when_ended(forker))
        try:
            yield address
        finally:
            watching.cancel()
            with suppress(ProcessLookupError):
                forker.kill()
            await forker.wait()


async def _say_when_ended(forker: asyncio.subprocess.Process) -> None:
    _log.error(
        "the forker ended (%s): until the worker is restarted, each flow imports everything anew", await forker.wait()
    )


def _end_of(process: int) -> int:
    """A file that can be read as soon as the process has ended. Raises OSError on other systems than Linux 5.3."""
    if sys.platform != "linux":
        raise OSError("processes are forked on Linux only")
    return os.pidfd_open(process)


def main(listening: str, module: str, *imports: str) -> None:
    """Fork for each who asks; in the processes that were forked, run the module."""
    forker = os.getpid()
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, signal.SIG_IGN)
    for name in imports:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # what was imported stays in memory that all of them share
    with socket.socket(fileno=int(listening)) as listener:
        connection = _fork_for_each(listener)
    if connection is not None:
        _become(connection, forker)
        sys.modules.pop(module, None)
        sys.argv = [module]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _fork_for_each(listener: socket.socket) -> socket.socket | None:
    """In each process that was forked, the connection of who asked; in the forker None, when all is over."""
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
                connection = _forked(listener, selector)
                if connection is not None:
                    _leave_to_parent(selector)
                    return connection
    return None


def _forked(listener: socket.socket, selector: selectors.BaseSelector) -> socket.socket | None:
    """In the process that was forked, the connection of who asked; in the forker None, also where nothing could be."""
    process = None
    with ExitStack() as undone:
        try:
            connection = undone.enter_context(listener.accept()[0])
            process = os.fork()
            if process:
                selector.register(_end_of(process), selectors.EVENT_READ, (process, connection))
        except OSError as error:
            sys.stderr.write(f"nothing can be forked: {error}\n")
            if process:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            time.sleep(_BREATH_S)
            return None
        undone.pop_all()
    return None if process else connection


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


def _become(connection: socket.socket, forker: int) -> None:
    """Stand where the client stands: its folder, environment and output. Where imports would differ, it goes alone."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != forker:
        sys.exit("who forked has ended")
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

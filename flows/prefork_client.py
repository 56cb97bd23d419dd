"""What runs in the place of a module: has a process forked that runs it, and ends as that one ends.

    python -I -S prefork_client.py SOCKET MODULE

It imports little, so that it begins at once. Where nobody forks, it becomes the module itself.
"""

import os
import signal
import socket
import sys
from types import FrameType

LENGTH_BYTES = 8
NUMBER_BYTES = 4
NOBODY = 0
"""In the place of a process: the module is to be run in the ordinary way."""
ENDED = 1 << 31
"""A bit beside what `waitpid` said of an end, lest that is taken for a process."""
_PASSED_ON = (signal.SIGTERM, signal.SIGINT)


def main(address: str, module: str) -> None:
    """Ends as the module does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        passing = _PassingOn()
        try:
            connection.connect(address)
            asked = _request()
            socket.send_fds(connection, [len(asked).to_bytes(LENGTH_BYTES, "big")], [0, 1, 2])
            connection.sendall(asked)
            process = _number(connection)
        except OSError as error:
            sys.stderr.write(f"{module} begins slowly: {error}\n")
            process = NOBODY
        if process == NOBODY or process & ENDED:
            passing.to_nobody()
            os.execv(sys.executable, [sys.executable, "-m", module])  # noqa: S606
        passing.to(process)
        try:
            status = _number(connection)
        except OSError as error:
            sys.exit(f"{module} ended: {error}")
        _end_as(status & ~ENDED)


class _PassingOn:
    """Whoever is told to end tells the process; what came before there was one is kept for it."""

    def __init__(self) -> None:
        self._process = NOBODY
        self._told: list[int] = []
        for kind in _PASSED_ON:
            signal.signal(kind, self._pass_on)

    def to(self, process: int) -> None:
        self._process = process
        for kind in self._told:
            _tell(process, kind)

    def to_nobody(self) -> None:
        """What was kept ends who is about to become the module, as it would have ended the module."""
        for kind in _PASSED_ON:
            signal.signal(kind, signal.SIG_DFL)
        for told in self._told:
            _tell(os.getpid(), told)

    def _pass_on(self, kind: int, _frame: FrameType | None) -> None:
        if self._process == NOBODY:
            self._told.append(kind)
        else:
            _tell(self._process, kind)


def _tell(process: int, kind: int) -> None:
    try:
        os.kill(process, kind)
    except ProcessLookupError:  # its end is about to be told
        return


def _request() -> bytes:
    """Where the process is to run: folder, niceness and environment, apart from each other by zeros."""
    environment = [name + b"=" + value for name, value in os.environb.items()]
    folder = os.getcwdb()  # noqa: PTH109 - pathlib takes as long to import as all else here
    return b"\0".join([folder, str(os.nice(0)).encode(), *environment])


def _number(connection: socket.socket) -> int:
    """The next one that is told: the process, later what `waitpid` said of its end."""
    told = b""
    while len(told) < NUMBER_BYTES:
        more = connection.recv(NUMBER_BYTES - len(told))
        if not more:
            raise ConnectionError("the forker has ended, and what it forked")
        told += more
    return int.from_bytes(told, "big")


def _end_as(status: int) -> None:
    """By the same signal, or with the same code."""
    if os.WIFSIGNALED(status):
        kind = os.WTERMSIG(status)
        if kind != signal.SIGKILL:
            signal.signal(kind, signal.SIG_DFL)
        os.kill(os.getpid(), kind)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(*sys.argv[1:])

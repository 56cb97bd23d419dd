"""Processes of a cluster: each is started, watched, killed and paused with everything that it has started itself."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cli.running import PROGRAM, ROOT

_GRACE_S = 45
_LOOK_S = 0.5

Living = Mapping[int, tuple[int, int]]
"""Processes with their parents and beginnings; numbers come again, so a beginning tells one from the next."""


class Member:
    """`aftertake serve PART…`, a machine of its own as far as one machine allows."""

    def __init__(self, name: str, parts: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start it; what it says goes to `{name}.log` in the folder."""
        self.name = name
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [*PROGRAM, "serve", *parts],
                cwd=folder,
                env={**inherited(), "PYTHONPATH": str(ROOT), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        seen = _seen(self._process.pid)
        self._known = {self._process.pid: seen[1]} if seen else {}

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def knows(self, pid: int) -> bool:
        """Whether this process was ever seen among its own."""
        return pid in self._known

    def look(self, living: Living | None = None) -> None:
        """Remember who belongs to it now, among all that live."""
        living = processes() if living is None else living
        children: dict[int, list[int]] = {}
        for pid, (parent, _) in living.items():
            children.setdefault(parent, []).append(pid)
        waiting = self._living(living)
        while waiting:
            pid = waiting.pop()
            self._known[pid] = living[pid][1]
            waiting += children.pop(pid, [])

    def signal_all(self, kind: signal.Signals) -> None:
        """Send it to all of them, until a look finds nobody new."""
        told: set[int] = set()
        while new := [pid for pid in self._all_living() if pid not in told]:
            for pid in new:
                with suppress(ProcessLookupError):
                    os.kill(pid, kind)
            told.update(new)

    def kill(self) -> None:
        """All of them at once, as when a machine loses its power."""
        self.signal_all(signal.SIGSTOP)
        self.signal_all(signal.SIGKILL)
        self._process.wait(_GRACE_S)

    def end(self) -> None:
        """As a person ends it; what is left then is killed."""
        self.look()
        if self.is_alive:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_S)
        self.signal_all(signal.SIGKILL)
        self._process.wait(_GRACE_S)

    def says(self, *words: str) -> list[str]:
        """Lines of its log with one of these words."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if any(word in line for word in words)]

    def _all_living(self) -> list[int]:
        """All that were seen of it and live, also those whose parent has died."""
        living = processes()
        self.look(living)
        return self._living(living)

    def _living(self, living: Living) -> list[int]:
        return [pid for pid, began in list(self._known.items()) if living.get(pid, (0, 0))[1] == began]


class Watch:
    """Looks again and again who belongs to which member, for the length of a `with`."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            living = processes()
            for member in self._members:
                member.look(living)


def processes() -> Living:
    """Every process that lives."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return {pid: seen for pid in pids if (seen := _seen(pid))}


def _seen(pid: int) -> tuple[int, int] | None:
    """Parent and beginning; None of one that is gone, or only waits to be taken note of."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else (int(fields[1]), int(fields[19]))


def inherited() -> dict[str, str]:
    """The environment without settings, so that only those of the proof hold."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("AFTERTAKE_", "PREFECT_"))}
    return {**ours, "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"}

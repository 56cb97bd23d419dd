"""Starts the measured processes and says what each of them took. Imports little, so that this process stays small."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from threading import Timer
from urllib.parse import urlsplit

import imageio_ffmpeg

from tests.benchmarks.serving import Served
from tests.relays import Relay

ROOT = Path(__file__).parents[2]
_LIMIT_S = 300.0
_KIB = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One process: user and system time of all its threads, and the most memory it held."""

    output: str
    cpu_s: float
    wall_s: float
    peak_bytes: int

    @property
    def facts(self) -> Mapping[str, float]:
        """What a process of ours said of itself; see `child.report`."""
        found: Mapping[str, float] = json.loads(self.output)
        return found


def run(command: Sequence[str], *, place: Path | None = None, keys: Mapping[str, str] | None = None) -> Ran:
    """Run a program to its end. With a `place` that is its working, home and temporary folder; `keys` open stores."""
    own = {} if place is None else {"HOME": str(place), "TMPDIR": str(place), "XDG_CACHE_HOME": str(place)}
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603  our own programs, as lists
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=place,
        env={**_environment(), **own, **(keys or {})},
        text=True,
    ) as process:
        assert process.stdout is not None
        limit = Timer(_LIMIT_S, process.kill)
        limit.start()
        try:
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
        finally:
            limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}")
    return Ran(
        output=output,
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=time.perf_counter() - began,
        peak_bytes=usage.ru_maxrss * _KIB,
    )


def _environment() -> dict[str, str]:
    return dict(os.environ) | {"PYTHONPATH": str(ROOT)}


def ours(module: str, *arguments: str | Path) -> list[str]:
    """The command of one of the programs beside this module."""
    return [sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)]


@contextmanager
def serving(folder: Path, keys: int) -> Iterator[Served]:
    """The clouds of another process: a folder's files in each, and a bucket of so many keys."""
    with subprocess.Popen(  # noqa: S603  our own program
        ours("serving", folder, str(keys)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield Served(**json.loads(process.stdout.readline()))
        finally:
            process.kill()


@contextmanager
def counted(served: Served) -> Iterator[tuple[str, str, Callable[[], int]]]:
    """The same S3 over a relay: its store URL, where anybody may read, and the bytes that came since it was asked."""
    port = urlsplit(served.public).port
    assert port is not None
    with Relay(port) as relay:
        counts = [0]

        def since() -> int:
            counts.append(relay.answered_bytes)
            return counts[-1] - counts[-2]

        there = f"http://127.0.0.1:{port}"
        yield served.files["s3"].replace(there, relay.url), served.public.replace(there, relay.url), since


@dataclass(frozen=True, slots=True, kw_only=True)
class Ffmpeg:
    """An ffmpeg program; `start_up_s` is the CPU time of `-version`, which is taken off what it needs."""

    name: str
    path: str
    version: str
    start_up_s: float

    def cut_command(self, url: str, from_s: float, to_s: float, output: Path) -> list[str]:
        """Copy a part of an MP4 at a URL into an MP4 that begins with its tables."""
        return [
            *(self.path, "-nostdin", "-v", "error", "-y", "-ss", str(from_s), "-to", str(to_s), "-i", url),
            *("-c", "copy", "-movflags", "+faststart", str(output)),
        ]

    def command(self, folder: Path, output: Path) -> list[str]:
        """Join a folder of HLS into an MP4 that begins with its tables; nothing is checked."""
        return [
            *(self.path, "-nostdin", "-v", "error", "-y", "-i", str(folder / "index.m3u8")),
            *("-c", "copy", "-movflags", "+faststart", str(output)),
        ]


def ffmpegs() -> list[Ffmpeg]:
    """The system's, where there is one, and the one in the wheel."""
    system = shutil.which("ffmpeg")
    found = {"system": system} if system else {}
    return [_ffmpeg(name, path) for name, path in (found | {"wheel": imageio_ffmpeg.get_ffmpeg_exe()}).items()]


def _ffmpeg(name: str, path: str) -> Ffmpeg:
    runs = [run([path, "-version"]) for _ in range(5)]
    version = runs[0].output.split()[2]
    return Ffmpeg(name=name, path=path, version=version, start_up_s=median(ran.cpu_s for ran in runs))

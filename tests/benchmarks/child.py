"""What a measured process says of itself: CPU, time and written bytes from after its imports to its end."""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Facts = Mapping[str, int | float | str | None]


def report(work: Callable[[], Facts]) -> None:
    """Do the work and write what it took, and what it says itself, as JSON on stdout."""
    before, began, written = _cpu_s(), time.perf_counter(), written_bytes()
    facts = work()
    after, ended, written_after = _cpu_s(), time.perf_counter(), written_bytes()
    spent = {"cpu_s": after - before, "wall_s": ended - began}
    traced = {"written_bytes": None if written is None or written_after is None else written_after - written}
    sys.stdout.write(json.dumps({**facts, **spent, **traced}))


def _cpu_s() -> float:
    """User and system time of all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def written_bytes() -> int | None:
    """What this process has given to write calls on files and pipes so far; None where the system does not tell."""
    try:
        text = Path("/proc/self/io").read_text(encoding="ascii")
    except OSError:
        return None
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("wchar"))

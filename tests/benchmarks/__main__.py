"""`make bench`: measure, write a report on stdout and the same as JSON; progress on stderr."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.measures import Bench
from tests.benchmarks.programs import ROOT, ffmpegs, ours, run
from tests.benchmarks.results import machine, markdown, versions
from tests.benchmarks.scales import FULL, QUICK

_MEMORY_DISK = Path("/dev/shm")  # noqa: S108  a fresh folder below it
_ROOM_BYTES = 4_000_000_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Everything there is to measure; some minutes, or some seconds with `--quick`."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny inputs, one round: does it work at all")
    parser.add_argument("--output", type=Path, default=ROOT / "bench-output", help="for inputs and bench.json")
    options = parser.parse_args(arguments)
    scale, output = QUICK if options.quick else FULL, options.output.resolve()
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:5.0f} s  {text}\n")

    facts = machine() | versions()
    say("inputs: made once, then kept")
    inputs = Path(run(ours("inputs", scale.name, output / "inputs")).output.strip())
    scratch = _scratch(output)
    try:
        bench = Bench(scale=scale, inputs=inputs, scratch=scratch, ffmpegs=ffmpegs(), say=say)
        asked = [bench.speed, bench.transfer, bench.listing, bench.traces, bench.memory, bench.planning, bench.exports]
        asked.append(bench.search)
        if scale.minutes:  # it starts all servers, which takes most of a minute
            asked.append(bench.backfill)
        sections = [ask() for ask in asked]
    finally:
        shutil.rmtree(scratch)
    facts["load at the end"] = machine()["load"]
    found = {"scale": asdict(scale), "machine and versions": facts, "sections": [asdict(s) for s in sections]}
    (output / "bench.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(markdown(scale.name, facts, sections, judged=scale is FULL))


def _scratch(output: Path) -> Path:
    """A fresh folder in memory, if there is room for the outputs, so that no disk is measured."""
    roomy = _MEMORY_DISK.is_dir() and shutil.disk_usage(_MEMORY_DISK).free >= _ROOM_BYTES
    return Path(tempfile.mkdtemp(prefix="aftertake-bench-", dir=_MEMORY_DISK if roomy else output))


if __name__ == "__main__":
    main()

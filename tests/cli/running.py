"""The command, run in this process or as a program of its own."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.main import main

ROOT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-c", "import sys; from cli.main import main; sys.exit(main())")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """All of stdout as one JSON object."""
        document: dict[str, Any] = json.loads(self.out)
        return document


def aftertake(*arguments: str | Path) -> Run:
    """One command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
    return Run(code=code, out=out.getvalue(), err=err.getvalue())


def program(*arguments: str | Path, prepare: Callable[[], None] | None = None) -> Run:
    """One command as a program; `prepare` runs in the child before it."""
    done = subprocess.run(  # noqa: S603
        [*PROGRAM, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=60,
        preexec_fn=prepare,
        encoding="utf-8",
    )
    return Run(code=done.returncode, out=done.stdout, err=done.stderr)


def codes(recording: dict[str, Any]) -> set[str]:
    """The codes of a recording's findings."""
    return {finding["code"] for finding in recording["findings"]}

"""Runs of the story in a process of their own, killed without warning at a chosen moment."""

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from flows.process import Inline, process, run_inline
from flows.steps.finding import find_recordings
from flows.steps.tasks import Task
from storage.local import LocalStore

# Forked from a clean process that has imported everything: a kill costs milliseconds, and no thread is copied.
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def run(source: Path, output: Path) -> None:
    """One whole run."""
    store = LocalStore(source)
    for objects, metas in find_recordings(store):
        task = Task(source=store, objects=objects, metas=metas, now=datetime.now(UTC))
        run_inline(process(Inline(), task, LocalStore(output)))


def killed_at(stage: int, source: Path, output: Path) -> bool:
    """A run that is killed before its change number `stage` of the output; False if it ended before."""
    child = _CONTEXT.Process(target=_run_until, args=(stage, source, output))
    child.start()
    child.join(60)
    assert child.exitcode in {0, -signal.SIGKILL}
    return child.exitcode != 0


def _run_until(stage: int, source: Path, output: Path) -> None:
    changes, opens = 0, os.open

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def until(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - it stands for any call of the system
            nonlocal changes
            reads = change is opens and not arguments[1] & (os.O_WRONLY | os.O_RDWR)
            if str(output) in str(arguments[:2]) and not reads:
                if changes == stage:
                    os.kill(os.getpid(), signal.SIGKILL)
                changes += 1
            return change(*arguments, **options)

        return until

    # every way in which a folder store changes what others see, and the writing of bytes before it
    for name in ("link", "replace", "mkdir", "open"):
        setattr(os, name, counted(getattr(os, name)))
    run(source, output)

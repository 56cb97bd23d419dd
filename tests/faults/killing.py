"""Work in a process of its own, killed without warning at a chosen moment."""

import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from catalog.records import Run
from flows.process import Inline, process, run_inline
from flows.starting import Seen
from flows.steps.finding import find_recordings
from flows.steps.tasks import Task
from flows.steps.working import claim_recording
from storage.local import LocalStore
from tests.flows.site import Site, recording_id

Work = Callable[..., None]

# Forked from a clean process that has imported everything: a kill costs milliseconds, and no thread is copied.
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])

_LONGEST_S = 60


def run(source: Path, output: Path) -> None:
    """One whole run on a folder, without a catalog."""
    store = LocalStore(source)
    for objects, metas in find_recordings(store):
        task = Task(source=store, objects=objects, metas=metas, now=datetime.now(UTC))
        run_inline(process(Inline(), task, LocalStore(output)))


def process_recording(root: Path, number: int) -> None:
    """One whole run on a recording of a site."""
    Site(root).process(number)


class NotingStarter:
    """Notes what it is asked to start, and starts nothing: whoever should work on it never does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def start(self, run: Run) -> str:
        name = run.key.replace(":", "-")
        with (self._folder / name).open("w"):
            return name

    def look(self, flow_run: str) -> Seen:
        return Seen.RUNNING if (self._folder / flow_run).exists() else Seen.UNKNOWN

    def end(self, flow_run: str, why: str) -> None:
        (self._folder / flow_run).write_text(why)


def process_run(root: Path, key: str, numbers: Sequence[int], poison: int) -> None:
    """Work on the recordings of a run, one after another; who touches the poisoned one dies."""
    site = Site(root)
    for number in numbers:
        if number == poison:
            claim_recording(site.worker(), recording_id(number), key)
            os.kill(os.getpid(), signal.SIGKILL)
        site.process(number, run=key)
    site.catalog.runs.give_back(key)


class ForkingStarter:
    """Runs what it is asked to start in a process, at once; which may die of it."""

    def __init__(self, root: Path, poison: int) -> None:
        self._root = root
        self._poison = poison
        self.deaths = 0

    def start(self, run: Run) -> str:
        numbers = [int(subject.rpartition(":")[2], 16) for subject in run.subjects]
        self.deaths += killed_after(_LONGEST_S, process_run, self._root, run.key, numbers, self._poison)
        return run.key

    def look(self, flow_run: str) -> Seen:
        assert flow_run
        return Seen.ENDED

    def end(self, flow_run: str, why: str) -> None:
        raise AssertionError(f"{flow_run} ended already ({why})")


def one_pass(root: Path) -> None:
    """One pass of the loops of a site."""
    site = Site(root)
    overseer = site.overseer(NotingStarter(root / "started"))
    overseer.reconcile()
    overseer.dispatch()


def killed_at(stage: int, work: Work, *arguments: Any, watched: Path) -> bool:  # noqa: ANN401 - those of the work
    """Work that is killed before its change number `stage`; False if it ended before.

    Changes are those of files in the folder `watched`, and what is committed to a database.
    """
    child = _CONTEXT.Process(target=_until, args=(stage, watched, work, *arguments))
    child.start()
    return _was_killed(child)


def killed_after(seconds: float, work: Work, *arguments: Any) -> bool:  # noqa: ANN401 - those of the work
    """Work that is killed after some time; False if it ended before."""
    child = _CONTEXT.Process(target=work, args=arguments)
    child.start()
    child.join(seconds)
    child.kill()
    return _was_killed(child)


def seconds_of(work: Work, *arguments: Any) -> float:  # noqa: ANN401 - those of the work
    """How long it takes undisturbed, the start of its process included."""
    began = time.monotonic()
    assert not killed_after(_LONGEST_S, work, *arguments)
    return time.monotonic() - began


def _was_killed(child: ForkServerProcess) -> bool:
    child.join(_LONGEST_S)
    assert child.exitcode in {0, -signal.SIGKILL}
    return child.exitcode != 0


def _until(stage: int, watched: Path, work: Work, *arguments: Any) -> None:  # noqa: ANN401 - those of the work
    changes, opens = 0, os.open

    def change() -> None:
        nonlocal changes
        if changes == stage:
            os.kill(os.getpid(), signal.SIGKILL)
        changes += 1

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def until(*given: Any, **options: Any) -> Any:  # noqa: ANN401 - it stands for any call of the system
            reads = call is opens and not given[1] & (os.O_WRONLY | os.O_RDWR)
            if str(watched) in str(given[:2]) and not reads:
                change()
            return call(*given, **options)

        return until

    logging.disable()  # what it says before it is killed is of no interest
    # every way in which a folder store changes what others see, and the writing of bytes before it
    for name in ("link", "replace", "mkdir", "open", "unlink"):
        setattr(os, name, counted(getattr(os, name)))
    event.listen(Engine, "commit", lambda _connection: change())
    work(*arguments)

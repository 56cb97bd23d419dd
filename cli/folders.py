"""Folders given on the command line: every recording in one goes through a story, and none hides another."""

import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

from catalog.model import State
from cli.exits import Exit, exit_of_error
from cli.progress import Progress
from cli.report import Result, Unsettled, document, exit_of, lines, printable, tell
from flows.process import run_inline
from flows.settings import other_stores
from flows.steps.finding import find_recordings
from flows.steps.planning import OnlyVariantsError
from flows.steps.publishing import Published
from flows.steps.tasks import Task
from storage.opening import open_source

HELP = "a recording folder, or any HLS folder (path or store URL)"

Story = Callable[[Task], Coroutine[Any, Any, Published]]


def work(command: str, url: str, story: Story, *, as_json: bool) -> int:
    """Tell what came of each recording in the folder."""
    source = open_source(url)
    found = find_recordings(source)
    progress = Progress(command, sum(meta.size_bytes for meta in found[0][1].values()))
    try:
        results = _results(
            story,
            [
                Task(
                    source=source,
                    objects=objects,
                    metas=metas,
                    now=datetime.now(UTC),
                    progress=progress.add,
                    elsewhere=other_stores(),
                )
                for objects, metas in found
            ],
        )
    finally:
        progress.finish()
    return answer(command, results, as_json=as_json)


def answer(command: str, results: Sequence[Result], *, as_json: bool) -> int:
    """Tell the results, the reasons of those without a verdict on stderr."""
    for result in results:
        if isinstance(result, Unsettled):
            print(f"aftertake: {printable(result.reason)}", file=sys.stderr)
    tell(document(command, results), lines(results), as_json=as_json)
    return exit_of(results)


def _results(story: Story, tasks: Sequence[Task]) -> list[Result]:
    """One for each recording. A playlist of playlists is none, unless there is nothing else."""
    results: list[Result] = []
    only_variants: OnlyVariantsError | None = None
    for task in tasks:
        try:
            results.append(run_inline(story(task)))
        except OnlyVariantsError as error:
            only_variants = error
        except Exception as error:  # noqa: BLE001 - what has no exit code of its own is raised again
            results.append(_unsettled(task, error, alone=len(tasks) == 1))
    if only_variants and not results:
        raise only_variants
    return results


def _unsettled(task: Task, error: Exception, *, alone: bool) -> Unsettled:
    """What kept a recording from a verdict; it must not hide the others of the folder."""
    code = exit_of_error(error)
    if code is Exit.UNEXPECTED or (alone and code is not Exit.NOT_FINAL):
        raise error
    state = State.WAITING if code is Exit.NOT_FINAL else State.FAILED
    reason = str(error)
    return Unsettled(vendor=task.objects.vendor, task_id=task.objects.task_id, state=state, reason=reason, exit=code)

"""A recording of the catalog, processed here and now by whoever gives the command."""

import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, ParamSpec, TypeVar

from catalog.model import State
from catalog.records import Recording, id_text
from cli.actor import own_actor
from cli.exits import Exit
from cli.folders import answer
from cli.meaning import Task
from cli.recordings import what_next
from cli.report import Result, Unsettled, printable
from cli.sources import the_one, with_source
from cli.story import known, read_published
from flows.opening import open_worker
from flows.process import Inline, process_recording, run_inline
from flows.settings import Settings
from flows.steps.concluding import Failed, Failure, Outcome, Settled, Unchanged, Waiting
from flows.steps.working import Worker

P = ParamSpec("P")
T = TypeVar("T")

_EXITS: Final[Mapping[Failure, Exit]] = MappingProxyType(
    {
        Failure.PASSING: Exit.TRY_AGAIN,
        Failure.FOR_A_PERSON: Exit.REFUSED,
        Failure.OURS: Exit.UNEXPECTED,
    }
)


def process_task(task: Task, *, as_json: bool) -> int:
    """Process it unless it must be waited for."""
    with open_worker(Settings.load()) as worker:
        recording = _found(worker, task)
        return answer("process", [_processed(worker, recording)], as_json=as_json)


def force(task: Task, reason: str, *, as_json: bool) -> int:
    """Process it whatever the policies say; the audit is told who wanted that, and why."""
    with open_worker(Settings.load(), is_forced=True) as worker:
        recording = _found(worker, task)
        worker.catalog.note(recording.id, actor=own_actor(), action="force", reason=reason)
        return answer("process", [_processed(worker, recording)], as_json=as_json)


def _found(worker: Worker, task: Task) -> Recording:
    return with_source(worker.catalog, worker.settings, the_one(known(worker.catalog, task.text)))


def _processed(worker: Worker, recording: Recording) -> Result:
    steps = Overheard()
    concluded = run_inline(process_recording(steps, worker, recording.id))
    if concluded is None:
        reason = f"somebody else works on {id_text(recording.id)} now. `aftertake show` tells how far it is."
        return _unsettled(recording, State.PROCESSING, reason, Exit.TRY_AGAIN)
    match steps.outcome:
        case Settled(published=published):
            return published
        case Unchanged() if standing := read_published(worker.settings, concluded):
            return standing
        case Failed(cause=cause, failure=failure):
            return _unsettled(concluded, State.FAILED, _and_next(cause, concluded), _EXITS[failure])
        case Waiting(cause=cause):
            return _unsettled(concluded, State.WAITING, _and_next(cause, concluded), Exit.NOT_FINAL)
    raise RuntimeError(f"{id_text(recording.id)} was concluded with {steps.outcome}")


def _and_next(cause: str, recording: Recording) -> str:
    return f"{cause} ({id_text(recording.id)}: {what_next(recording)})"


def _unsettled(recording: Recording, state: State, reason: str, code: Exit) -> Unsettled:
    return Unsettled(vendor=recording.id.vendor, task_id=recording.id.task_id, state=state, reason=reason, exit=code)


class Overheard(Inline):
    """Inline steps that are named on a terminal as they begin; `outcome` is what was concluded."""

    def __init__(self) -> None:
        """Nothing is concluded yet."""
        self.outcome: Outcome | None = None

    async def run(self, name: str, step: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the step at once."""
        if sys.stderr.isatty():
            print(f"process: {printable(name)}", file=sys.stderr)
        self.outcome = next((given for given in args if isinstance(given, Outcome)), self.outcome)
        return await super().run(name, step, *args, **kwargs)

"""The story of one recording: from a folder of slices to proven MP4s and a manifest.

The same story runs inline (`aftertake process`, without Prefect being imported) and as the Prefect flow
`process_recording` in `flows.deployed`, where each of its steps shows as a task: only the `Steps` differ.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ParamSpec, Protocol, TypeVar

from flows.settings import require_apart
from flows.steps.assembling import Progress, assemble_stream, check_stream
from flows.steps.planning import RecordingPlan, plan_recording, require_unchanged
from flows.steps.publishing import Published, describe, publish
from flows.steps.searching import look_elsewhere
from storage.base import ObjectMeta, ObjectStore
from storage.wrappers import ReadOnlyStore
from vendors.base import RecordingObjects

P = ParamSpec("P")
T = TypeVar("T")


class Steps(Protocol):
    """Runs the steps of a story. A step is a plain blocking function."""

    async def run(self, name: str, step: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one step under a name that people will read."""


class Inline:
    """Steps that run where they are called: an interrupt reaches the step itself, which then cleans up and ends."""

    async def run(self, name: str, step: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:  # noqa: ARG002
        """Run the step at once."""
        return step(*args, **kwargs)


def run_inline(story: Coroutine[Any, Any, T]) -> T:
    """The result of a story with `Inline` steps: it never waits, so it needs no event loop."""
    try:
        story.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    story.close()
    raise RuntimeError("a story with inline steps waited for something")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One recording to work on: where it lies, what the listing said of it, and the time by which it is judged.

    `elsewhere`: URLs of the stores in which slices that are missing are looked for.
    """

    source: ObjectStore
    objects: RecordingObjects
    metas: Mapping[str, ObjectMeta]
    now: datetime
    progress: Progress | None = None
    elsewhere: tuple[str, ...] = ()


async def process(steps: Steps, task: Task, target: ObjectStore) -> Published:
    """Prove, join and publish one recording.

    Raises `SettingsError` if the output would lie in the source, `NotFinalError` before a manifest is written.
    """
    require_apart(task.source, target)
    source = ReadOnlyStore(task.source)
    plan = await _plan(steps, source, task)
    results = [
        await steps.run(
            f"assemble {stream.assembly.stream}", assemble_stream, source, target, plan, stream, task.progress
        )
        for stream in plan.streams
    ]
    await steps.run("look again", require_unchanged, source, plan)
    return await steps.run("publish", publish, source, target, plan, results)


async def check(steps: Steps, task: Task) -> Published:
    """Read every byte of one recording and judge it as `process` would; nothing is written."""
    source = ReadOnlyStore(task.source)
    plan = await _plan(steps, source, task)
    results = [
        await steps.run(f"check {stream.assembly.stream}", check_stream, source, plan, stream, task.progress)
        for stream in plan.streams
    ]
    await steps.run("look again", require_unchanged, source, plan)
    return Published(manifest=describe(source, plan, results), key=None)


async def _plan(steps: Steps, source: ObjectStore, task: Task) -> RecordingPlan:
    plan = await steps.run("plan", plan_recording, source, task.objects, task.metas)
    plan.require_final(task.now)
    if not task.elsewhere:
        return plan
    return await steps.run("look elsewhere", look_elsewhere, plan, task.elsewhere)

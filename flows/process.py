"""The story of one recording: from a folder of slices to proven MP4s and a manifest.

`process_recording` is the whole of it, for a recording of the catalog; `process` and `check` are its middle, for any
folder. The same stories run inline (`aftertake process`, without Prefect being imported) and as Prefect flows in
`flows.deployed`, where each of their steps shows as a task: only the `Steps` differ.
"""

from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, Protocol, TypeVar

from catalog.errors import LeaseLostError
from catalog.model import RecordingId
from catalog.records import Recording
from flows.settings import require_apart
from flows.steps.accounts import Account, account_of
from flows.steps.assembling import assemble_stream, check_stream
from flows.steps.concluding import Outcome, Settled, Unchanged, conclude, what_failed
from flows.steps.finding import NotFinalError
from flows.steps.planning import RecordingPlan, plan_recording, require_unchanged
from flows.steps.publishing import Published, describe, publish, standing_streams
from flows.steps.rescuing import fetch, marked
from flows.steps.searching import look_elsewhere
from flows.steps.tasks import Task
from flows.steps.waiting import is_damaged
from flows.steps.working import STOPPED, Held, Worker, abort_what_was_left, asker_for, rescue_for, seek, taking
from media.judge import Judgement
from storage.base import ObjectStore
from storage.wrappers import ReadOnlyStore

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


async def process_recording(
    steps: Steps, worker: Worker, recording: RecordingId, *, run: str | None = None
) -> Recording | None:
    """Process one recording of the catalog, and tell there what came of it, whatever that is.

    None if somebody else has it, or the run was replaced. Raises `LeaseLostError` if the worker slept past its lease:
    then somebody else does the work, and nothing was changed.
    """
    grip = taking(worker, recording, run)
    try:
        claim = await steps.run("claim", grip.take)
    except BaseException:
        grip.stop()
        raise
    if claim is None:
        return None
    with Held(worker, claim) as held:
        try:
            outcome = await _outcome(steps, worker, held)
            return await steps.run("conclude", conclude, worker, claim, outcome)
        except Exception:
            raise
        except BaseException:
            held.hand_back(STOPPED)
            raise


async def _outcome(steps: Steps, worker: Worker, held: Held) -> Outcome:
    try:
        return await _settle(steps, worker, held)
    except LeaseLostError:
        raise
    except Exception as error:  # noqa: BLE001 - every failure is told to the catalog
        return what_failed(error, held.claim.recording)


async def _settle(steps: Steps, worker: Worker, held: Held) -> Outcome:
    if held.claim.recording.tries:
        await steps.run("clear", abort_what_was_left, worker, held)
    if asker := asker_for(worker, held):
        await steps.run("ask", asker.ask_before_look, held.claim.recording)
    if rescue := rescue_for(worker, held):
        await steps.run("rescue", fetch, rescue, worker.output)
    task = await steps.run("find", seek, worker, held)
    require_apart(task.source, worker.output)
    source = ReadOnlyStore(task.source)
    plan = await steps.run("plan", plan_recording, source, task.objects, task.metas, task.vouched, task.pictures)
    plan = marked(plan, task.rescued)
    basis = task.patience.basis(plan)
    if task.known_basis == basis:
        return Unchanged()
    plan = await _decided(steps, task, plan)
    published = await _publish(steps, source, worker.output, task, plan)
    return Settled(published=published, basis=basis)


async def process(steps: Steps, task: Task, target: ObjectStore) -> Published:
    """Prove, join and publish one recording.

    Raises `SettingsError` if the output would lie in the source, `NotFinalError` before a manifest is written.
    """
    require_apart(task.source, target)
    source = ReadOnlyStore(task.source)
    plan = await steps.run("plan", plan_recording, source, task.objects, task.metas, task.vouched, task.pictures)
    plan = await _decided(steps, task, plan)
    return await _publish(steps, source, target, task, plan)


async def check(steps: Steps, task: Task) -> Published:
    """Read every byte of one recording and judge it as `process` would; nothing is written."""
    source = ReadOnlyStore(task.source)
    plan = await steps.run("plan", plan_recording, source, task.objects, task.metas, task.vouched, task.pictures)
    plan = await _decided(steps, task, plan)
    results = [
        await steps.run(f"check {stream.assembly.stream}", check_stream, source, plan, stream, task.progress)
        for stream in plan.streams
    ]
    await steps.run("look again", require_unchanged, source, plan)
    return Published(manifest=describe(source, plan, results), key=None)


async def _decided(steps: Steps, task: Task, plan: RecordingPlan) -> RecordingPlan:
    """The plan to go by, unless it is to be waited for."""
    task.patience.require_go(plan, task.now)
    if not task.elsewhere:
        return plan
    return await steps.run("look elsewhere", look_elsewhere, plan, task.elsewhere)


async def _publish(
    steps: Steps, source: ObjectStore, target: ObjectStore, task: Task, plan: RecordingPlan
) -> Published:
    patience = task.patience
    takes_damage = patience.accepts_damage(plan, task.now) and not patience.holds_damage

    def accepts(judgement: Judgement) -> bool:
        return takes_damage or not is_damaged(judgement)

    standing = await steps.run("compare", standing_streams, target, plan) if task.known_basis else {}
    accounts = []
    for stream in plan.streams:
        name = stream.assembly.stream
        account = standing.get(name) or account_of(
            plan,
            await steps.run(
                f"assemble {name}",
                assemble_stream,
                source,
                target,
                plan,
                stream,
                accepts=accepts,
                progress=task.progress,
            ),
        )
        accounts.append(account)
    await steps.run("look again", require_unchanged, source, plan)
    if not patience.accepts_damage(plan, task.now):
        _require_whole(plan, accounts)
    return await steps.run("publish", publish, source, target, plan, accounts, task.licence)


def _require_whole(plan: RecordingPlan, accounts: list[Account]) -> None:
    """What is damaged is waited for, since vendors upload again; see `Patience.damage_digest`."""
    if held := [account.record.stream for account in accounts if account.is_held]:
        message = f"recording {plan.objects.task_id} is not final: slices of {', '.join(held)} are damaged"
        raise NotFinalError(f"{message}; they are read again before that counts as their last state.", plan.digest)

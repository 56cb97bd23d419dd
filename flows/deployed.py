"""The stories as Prefect flows: ids only as parameters, each step a task with its name and duration.

What came of a recording is in the catalog, whatever Prefect thinks of the run; a run that the catalog did not ask for,
or has replaced meanwhile, does nothing.
"""

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar

import httpx
from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from prefect.flows import Flow
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.tasks import Task, exponential_backoff

from catalog.errors import CatalogError
from catalog.records import Recording, id_text, read_id, run_lease
from flows.opening import open_worker
from flows.process import process_recording as story
from flows.retry import is_transient
from flows.settings import Settings
from flows.steps.telling import told
from flows.steps.working import Kept, Worker

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)

_URGENT = timedelta(seconds=15)
"""How long an urgent recording waits for a free slot before batches make room; a flow's process takes some to start."""


class NoVerdictError(Exception):
    """The recording could not be processed, by our own fault; the catalog knows, and has it tried again."""


async def _passes(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    try:
        await state.aresult()
    except Exception as error:  # noqa: BLE001 - it is asked about, not handled
        return is_transient(error)
    return False


class AsTasks:
    """Each step of a story as a Prefect task; its arguments stay out of Prefect's database."""

    async def run(self, name: str, step: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the step as a task of this name, in a thread; what passes by itself is tried three times."""

        @task(
            name=name,
            persist_result=False,
            retries=2,
            retry_delay_seconds=exponential_backoff(2),
            retry_jitter_factor=0.5,
            retry_condition_fn=_passes,
        )
        async def _step() -> T:
            return await asyncio.to_thread(step, *args, **kwargs)

        return await _step()


async def _hold(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - Prefect names them
    """Somebody cancelled the run in Prefect: the recordings are left to a person, instead of being tried again."""
    parameters = flow_run.parameters or {}
    ids = parameters.get("recording_ids") or [parameters.get("recording_id")]
    with open_worker(Settings.load()) as worker:
        for recording in filter(None, ids):
            worker.catalog.hold(read_id(recording), cause="its run was cancelled in Prefect", actor=worker.name)


@flow(name="process_recording", flow_run_name="rec-{recording_id}", persist_result=False, on_cancellation=[_hold])
async def process_recording(recording_id: str) -> str:
    """Process one recording, `{vendor}:{task_id}`, of the catalog; its state and verdict are returned."""
    with open_worker(Settings.load()) as worker:
        settled = await story(AsTasks(), worker, read_id(recording_id), run=_key())
        if settled is None:
            return "somebody else has it"
        await _show(worker, settled)
        if settled.state == "failed":
            raise NoVerdictError(worker.catalog.changes(settled.id)[-1].cause)
        return " ".join(filter(None, (settled.state.value, settled.verdict)))


@flow(name="process_batch", persist_result=False, on_cancellation=[_hold])
async def process_batch(recording_ids: list[str]) -> dict[str, int]:
    """Process many recordings, one after another; how many came to which state.

    Urgent ones that come meanwhile go before the rest. Those that waited when it began have their slots: otherwise one
    of them would have been taken in its place.
    """
    log, counts, key, began = get_run_logger(), dict[str, int](), _key(), time.monotonic()
    with open_worker(Settings.load()) as worker, _kept(worker, key) as require_ours:
        for number, recording_id in enumerate(recording_ids):
            require_ours()
            lived = timedelta(seconds=time.monotonic() - began)
            if number and worker.catalog.runs.is_urgent(longer_than=_URGENT, within=lived):
                log.info("the rest of the batch makes room for urgent recordings")
                break
            try:
                settled = await story(AsTasks(), worker, read_id(recording_id), run=key)
            except CatalogError as error:
                log.warning("%s: %s", recording_id, error)
                continue
            if settled is not None:
                await _show(worker, settled)
            outcome = settled.state.value if settled else "somebody else has it"
            counts[outcome] = counts.get(outcome, 0) + 1
    return counts


@contextmanager
def _kept(worker: Worker, key: str | None) -> Iterator[Callable[[], None]]:
    """The lease of the run, from which the loops see that it lives; what is yielded raises once that is lost.

    However it ends, what was not begun by then is due at once.
    """
    lease = worker.catalog.claims.lead(run_lease(key), holder=worker.name, ttl=worker.settings.lease) if key else None
    if key is None or lease is None:
        yield lambda: None
        return
    try:
        with Kept(worker, lease) as kept:
            yield kept.check
    finally:
        with suppress(CatalogError):
            worker.catalog.runs.give_up(key, look_in=timedelta(0))
            worker.catalog.claims.release(lease)


def _key() -> str | None:
    """The key of the run that the catalog asked for; None for one that a person started."""
    context = FlowRunContext.get()
    key = context.flow_run.idempotency_key if context and context.flow_run else None
    return key if key and "#" in key else None


async def _show(worker: Worker, recording: Recording) -> None:
    """The story of the recording on its page in Prefect, under a key that its id gives, if Prefect can be told."""
    text, name = "\n".join(told(worker.catalog, recording)), id_text(recording.id)
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):  # a batch would wait a minute for each recording
            await acreate_markdown_artifact(text, key=_artifact_key(name), description=name)
    except (httpx.HTTPError, PrefectException) as error:
        _log.warning("%s: Prefect could not be told its story: %s", name, error)


def _artifact_key(recording: str) -> str:
    """Lower-case letters, digits and dashes are allowed; what is lost by that is made up by a digest."""
    plain = re.sub(r"[^a-z0-9]+", "-", recording.lower()).strip("-")
    mark = "" if plain == recording.replace(":", "-") else f"-{hashlib.sha256(recording.encode()).hexdigest()[:8]}"
    return f"rec-{plain[:80]}{mark}"

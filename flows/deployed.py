"""The stories as Prefect flows: ids only as parameters, each step a task with its name and duration.

What came of a recording is in the catalog, whatever Prefect thinks of the run; a run that the catalog has replaced
meanwhile does nothing. One that a person starts in Prefect works on what nobody else has.
"""

import asyncio
import hashlib
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar

import httpx
from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.tasks import Task, exponential_backoff

from catalog.errors import CatalogError
from catalog.exports import ExportState
from catalog.model import Verdict
from catalog.records import Recording, id_text, read_id, run_lease
from flows.backfill import Backfiller
from flows.backfill import backfill as backfill_story
from flows.export import export_replay as export_story
from flows.moments import read_moment
from flows.opening import open_catalog, open_worker, own_name
from flows.process import process_recording as story
from flows.recorders import Recorders
from flows.retry import is_transient
from flows.settings import Settings, SettingsError, Source
from flows.steps.backfilling import Asked, History
from flows.steps.telling import told
from flows.steps.working import Kept, Worker
from vendors.recorder import CallError, Past

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)

_URGENT = timedelta(seconds=15)
"""How long an urgent recording waits for a free slot before batches make room; a flow's process takes some to start."""
_STUCK = timedelta(minutes=10)
"""What has waited for longer does not wait for a slot, so that no batch need make room for it."""


class NoVerdictError(Exception):
    """The recording could not be processed, by our own fault; the catalog knows, and has it tried again."""


class NotMadeError(Exception):
    """The export could not be made; the catalog knows why, and has it tried again unless it has failed."""


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


class InThreads:
    """Each step in a thread, and none of them a task.

    Prefect's server takes some 25 ms for each task that it is told of, as long as a short recording's own work. On
    SQLite it refuses what comes meanwhile, and a live recording waits for half a minute.
    """

    async def run(self, name: str, step: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:  # noqa: ARG002
        """Run the step in a thread."""
        return await asyncio.to_thread(step, *args, **kwargs)


@flow(name="process_recording", flow_run_name="rec-{recording_id}", persist_result=False)
async def process_recording(recording_id: str) -> str:
    """Process one recording, `{vendor}:{task_id}`, of the catalog; its state and verdict are returned."""
    with _opened() as worker:
        settled = await story(AsTasks(), worker, read_id(recording_id), run=_key())
        if settled is None:
            return "somebody else has it"
        await _show(worker, settled)
        if settled.state == "failed":
            raise NoVerdictError(worker.catalog.changes(settled.id)[-1].cause)
        return " ".join(filter(None, (settled.state.value, settled.verdict)))


@flow(name="process_batch", flow_run_name="batch-from-{recording_ids[0]}", persist_result=False)
async def process_batch(recording_ids: list[str]) -> dict[str, int]:
    """Process many recordings, one after another; how many came to which state.

    Urgent ones that come meanwhile go before the rest. Those that waited when it began have their slots: otherwise one
    of them would have been taken in its place.
    """
    log, key = get_run_logger(), _key()
    with _opened() as worker:
        if key and not worker.catalog.runs.has_subjects(key):
            log.info("all of it was handed to another run")
            return {}
        with _kept(worker, key) as require_ours:
            return await _each(worker, recording_ids, key, require_ours)


async def _each(
    worker: Worker, recording_ids: list[str], key: str | None, require_ours: Callable[[], None]
) -> dict[str, int]:
    log, done, began = get_run_logger(), list[dict[str, str]](), time.monotonic()
    for number, recording_id in enumerate(recording_ids):
        require_ours()
        turn = time.monotonic()
        lived = timedelta(seconds=turn - began)
        if number and worker.catalog.runs.is_urgent(longer_than=_URGENT, shorter_than=min(lived, _STUCK)):
            log.info("the rest of the batch makes room for urgent recordings")
            break
        try:
            settled = await story(InThreads(), worker, read_id(recording_id), run=key)
        except CatalogError as error:
            log.warning("%s: %s", recording_id, error)
            continue
        if settled is not None and settled.verdict is not Verdict.COMPLETE:
            await _show(worker, settled)
        state, verdict = (settled.state, settled.verdict or "") if settled else ("somebody else has it", "")
        seconds = f"{time.monotonic() - turn:.2f}"
        done.append({"recording": recording_id, "state": state, "verdict": verdict, "seconds": seconds})
    await _put("the batch", acreate_table_artifact(done, description="the recordings of this batch"))
    return dict(Counter(each["state"] for each in done))


@flow(name="export_replay", flow_run_name="export-{export_id}", persist_result=False)
async def export_replay(export_id: str) -> str:
    """Make one export of the catalog; its state is returned."""
    with _opened() as worker:
        export = await export_story(AsTasks(), worker, export_id, run=_key())
        if export is None:
            return "somebody else has it, or it is over"
        if export.state in {ExportState.QUEUED, ExportState.FAILED}:
            raise NotMadeError(export.cause)
        return export.state.value


@flow(name="backfill", flow_run_name="backfill-since-{since}", persist_result=False)
async def backfill(since: str = "7d", until: str | None = None, source: str | None = None) -> dict[str, int]:
    """Have all looked at that was recorded since then (`7d` ago, or a time) and that nobody has looked at.

    How many recordings are to be treated in which way. It registers them; batches process them.
    """
    settings = Settings.load()
    asked = Asked(since=read_moment(since), until=read_moment(until) if until else None)
    with open_catalog(settings) as catalog, closing(Recorders(settings)) as recorders:
        backfiller = Backfiller(
            name=own_name(),
            reason="a scheduled backfill",
            catalog=catalog,
            settings=settings,
            history=_history(recorders),
        )
        return dict(await backfill_story(AsTasks(), backfiller, asked, source))


def _history(recorders: Recorders) -> History:
    """The vendors' own lists, as far as they can be had: the buckets are gone through in any case."""

    def listed(source: Source, since: datetime | None, until: datetime | None) -> Iterable[Past]:
        try:
            return recorders.history(source, since, until)
        except (CallError, SettingsError) as error:
            _log.error("source %s: its vendor's own list is left out: %s", source.name, error)
            return ()

    return listed


@contextmanager
def _opened() -> Iterator[Worker]:
    """A worker whose process ends if its work stands still, because the slot of it would be lost otherwise."""
    with open_worker(Settings.load()) as worker:
        yield replace(worker, on_stall=_end_process)


def _end_process() -> None:
    _log.critical("no progress; the process ends, so that its slot is free again")
    os._exit(os.EX_SOFTWARE)


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
        with Kept(worker.catalog.claims, lease, ttl=worker.settings.lease) as kept:
            yield kept.check
    finally:
        with suppress(CatalogError):
            worker.catalog.runs.give_back(key)
            worker.catalog.claims.release(lease)


def _key() -> str | None:
    """The key of the run that the catalog asked for; None for one that a person started."""
    context = FlowRunContext.get()
    key = context.flow_run.idempotency_key if context and context.flow_run else None
    return key if key and "#" in key else None


async def _show(worker: Worker, recording: Recording) -> None:
    """The story of the recording on its page in Prefect, under a key that its id gives, if Prefect can be told."""
    text, name = "\n".join(told(worker.catalog, recording)), id_text(recording.id)
    await _put(name, acreate_markdown_artifact(text, key=_artifact_key(name), description=name))


async def _put(name: str, artifact: Awaitable[object]) -> None:
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):  # a batch would wait a minute for each recording
            await artifact
    except (httpx.HTTPError, PrefectException) as error:
        _log.warning("%s: Prefect could not be told its story: %s", name, error)


def _artifact_key(recording: str) -> str:
    """Lower-case letters, digits and dashes are allowed; what is lost by that is made up by a digest."""
    plain = re.sub(r"[^a-z0-9]+", "-", recording.lower()).strip("-")
    mark = "" if plain == recording.replace(":", "-") else f"-{hashlib.sha256(recording.encode()).hexdigest()[:8]}"
    return f"rec-{plain[:80]}{mark}"

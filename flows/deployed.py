"""The stories as Prefect flows: ids only as parameters, each step a task with its name and duration."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from prefect import flow, task

from flows.process import Task, process
from flows.settings import Settings
from flows.steps.planning import NothingFoundError, find_recordings
from storage.opening import open_source, open_store

P = ParamSpec("P")
T = TypeVar("T")


class AsTasks:
    """Each step of a story as a Prefect task; its arguments stay out of Prefect's database."""

    async def run(self, name: str, step: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the step as a task of this name, in a thread."""

        @task(name=name, persist_result=False)
        async def _step() -> T:
            return await asyncio.to_thread(step, *args, **kwargs)

        return await _step()


@flow(name="process_recording", flow_run_name="rec-{recording_id}", persist_result=False)
async def process_recording(recording_id: str) -> str:
    """Process one recording, `{vendor}:{task_id}`, of the configured sources; the verdict is returned."""
    settings = Settings.load()
    steps, vendor = AsTasks(), recording_id.partition(":")[0]
    found = await steps.run("find", _find, [source.store for source in settings.sources_for(vendor)], recording_id)
    task = replace(found, elsewhere=settings.stores)
    published = await process(steps, task, open_store(settings.output))
    return published.manifest.verdict.value


def _find(stores: Sequence[str], recording_id: str) -> Task:
    for source in map(open_source, stores):
        for objects, metas in find_recordings(source):
            if f"{objects.vendor}:{objects.task_id}" == recording_id:
                return Task(source=source, objects=objects, metas=metas, now=datetime.now(UTC))
    message = (
        f"no recording {recording_id} in {', '.join(stores) or 'any source'}. Check the id, VENDOR:TASK_ID, and the "
        "[[sources]]; `aftertake find` looks through every store."
    )
    raise NothingFoundError(message)

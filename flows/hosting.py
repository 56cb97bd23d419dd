"""The parts of `aftertake serve`, each in a process of its own: Prefect's server, its workers, and our loops.

On one machine all of them run side by side; on many, only the settings differ.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

import httpx
import uvicorn
import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyOptions, FlowRun
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectException
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.settings import get_current_settings
from prefect.utilities.callables import parameter_schema
from prefect.utilities.processutils import command_to_string
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker

from catalog.records import Queue
from flows.loops import Overseer, run_loops
from flows.opening import open_catalog, own_name
from flows.prefect_api import PrefectStarter
from flows.prefork import preforked
from flows.settings import Settings
from flows.starting import PATIENCE
from storage.opening import open_store

if TYPE_CHECKING:
    from anyio import CapacityLimiter

_log = logging.getLogger(__name__)

_PATIENCE_S: Final = 120
_HAND_BACK_S: Final = 20
LIVE: Final = "live"
_POLITENESS: Final[Mapping[str, str]] = MappingProxyType({Queue.EXPORT: "5", Queue.BULK: "10"})
_ENGINE: Final = "prefect.engine"
_IMPORTED_BY_FLOWS: Final = ("prefect.flow_engine", "flows.deployed")


def run_prefect_server() -> None:
    """Prefect's own server, on the address of `PREFECT_API_URL`, until the process is told to end."""
    from prefect.server.api.server import create_app  # noqa: PLC0415 - a second, and only this part needs it

    address = urlsplit(os.environ["PREFECT_API_URL"])
    app = create_app(final=True)
    logging.getLogger("prefect.server.utilities.worker_channel").addFilter(without_trace_of_a_lock)
    uvicorn.run(app, host=address.hostname or "127.0.0.1", port=address.port or 4200, log_level="warning")


def without_trace_of_a_lock(record: logging.LogRecord) -> bool:
    """A heartbeat that came while SQLite was busy is one line, not a hundred: the next one comes in seconds."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and "database is locked" in str(error):
        record.msg, record.exc_info = f"{record.msg} (its database was busy)", None
    return True


def run_overseer() -> None:
    """The loops, until the process is told to end. Raises `SettingsError`."""
    settings, ended = Settings.load(), threading.Event()
    settings.require_secrets()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: ended.set())
    patience = min(PATIENCE, settings.lease)
    with open_catalog(settings) as catalog, PrefectStarter(coming=patience) as starter:
        output = open_store(settings.output)
        threading.Thread(target=_register_soon, name="register", daemon=True).start()
        overseer = Overseer(
            name=own_name(),
            catalog=catalog,
            starter=starter,
            output=output,
            settings=settings,
            patience=patience,
        )
        run_loops(overseer, ended)


def _register_soon() -> None:
    """Tell Prefect what there is to run, as soon as it answers: its workers need not be ours."""
    while True:
        try:
            asyncio.run(_registered())
        except (httpx.HTTPError, PrefectException, OSError) as error:
            _log.info("Prefect could not be told of the deployments yet: %s", error)
            time.sleep(5)
        else:
            return


async def _registered() -> None:
    async with get_client() as client:
        await _answering(client)
        await register(client)


def run_workers() -> None:
    """As many recordings at once as there are slots; one slot takes live ones only."""
    asyncio.run(_work_preforked(Settings.load()))


class _Job(ProcessJobConfiguration):
    """Starts the process of a flow directly.

    Unless a command is given, Prefect's worker first starts a process that prepares a workspace and then becomes the
    flow's: half of the time until a flow begins. Our packages are installed, so there is nothing to prepare.
    """

    engine: ClassVar[Sequence[str]] = (sys.executable, "-m", _ENGINE)

    def prepare_for_flow_run(self, flow_run: FlowRun, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Prefect's own
        # What somebody waits for less makes way for a live recording whose process starts beside it.
        politeness = _POLITENESS.get(flow_run.work_queue_name or "")
        first = ["nice", "-n", politeness] if politeness else []
        self.command = self.command or command_to_string([*first, *self.engine])
        super().prepare_for_flow_run(flow_run, *args, **kwargs)


async def _work_preforked(settings: Settings) -> None:
    # Prefect's worker gives each flow's process these settings beside its own environment.
    environment = {**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True)}
    async with preforked(_ENGINE, _IMPORTED_BY_FLOWS, environment) as command:

        class Job(_Job):
            engine = tuple(command)

        await _work(settings, Job)


async def _work(settings: Settings, job: type[_Job]) -> None:
    await _registered()
    pool = definitions()["work_pools"][0]
    queues = [queue["name"] for queue in pool["work_queues"]]
    shares = [([LIVE], 1), (queues, settings.slots - 1)] if settings.slots > 1 else [(queues, 1)]
    workers = [
        ProcessWorker(pool["name"], work_queues=served, limit=limit, name=f"{own_name()}:{served[-1]}")
        for served, limit in shares
    ]
    for worker in workers:
        worker.job_configuration = job
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    working = asyncio.gather(*(worker.start(printer=_log.info) for worker in workers))
    told = asyncio.create_task(ended.wait())
    either: set[asyncio.Future[Any]] = {working, told}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    _log.info("the workers end")
    told.cancel()
    await _flows_ended([worker.limiter for worker in workers if worker.is_setup])
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def _flows_ended(slots: Sequence["CapacityLimiter"]) -> None:
    """Tell all flows to end, take none any more, and wait until they have handed back what they had.

    Prefect's worker would kill them, and their recordings would wait until the leases are over.
    """
    if os.getpgrp() == os.getpid():  # as a part of `aftertake serve`: all others in the group are our flows
        os.killpg(0, signal.SIGTERM)
    deadline, free = time.monotonic() + _HAND_BACK_S, 0
    while free < sum(slot.total_tokens for slot in slots) and time.monotonic() < deadline:
        for slot in slots:
            while slot.available_tokens:
                slot.acquire_on_behalf_of_nowait(object())
                free += 1
        await asyncio.sleep(0.1)


async def _answering(client: PrefectClient) -> None:
    """Wait until the server answers: it starts beside us, and takes some seconds."""
    for _ in range(_PATIENCE_S * 2):
        if await client.api_healthcheck() is None:
            return
        await asyncio.sleep(0.5)
    message = f"Prefect's server at {client.api_url} does not answer. Start it, or correct PREFECT_API_URL."
    raise ConnectionError(message)


def definitions() -> dict[str, Any]:
    """What `deployments/prefect.yaml` says."""
    read: dict[str, Any] = yaml.safe_load((files("deployments") / "prefect.yaml").read_text(encoding="utf-8"))
    return read


async def register(client: PrefectClient) -> None:
    """Tell Prefect of the pools, queues and deployments of `deployments/prefect.yaml`; telling it twice is harmless."""
    defined = definitions()
    for pool in defined["work_pools"]:
        await _register_pool(client, pool)
    for each in defined["deployments"]:
        loaded: Flow[..., Any] = load_flow_from_entrypoint(each["entrypoint"])
        limit = each.get("concurrency_limit")
        await client.create_deployment(
            await client.create_flow_from_name(loaded.name),
            each["name"],
            entrypoint=each["entrypoint"],
            description=each["description"],
            tags=each["tags"],
            schedules=await _schedules(client, each),
            concurrency_limit=limit["limit"] if limit else None,
            concurrency_options=ConcurrencyOptions(collision_strategy=limit["collision_strategy"]) if limit else None,
            work_pool_name=each["work_pool"]["name"],
            work_queue_name=each["work_pool"]["work_queue_name"],
            parameter_openapi_schema=parameter_schema(loaded).model_dump_for_openapi(),
            enforce_parameter_schema=each["enforce_parameter_schema"],
            pull_steps=defined["pull"],
        )


async def _schedules(client: PrefectClient, defined: dict[str, Any]) -> list[DeploymentScheduleCreate]:
    """Those that are defined; of a deployment that is there already, those that it has: somebody may have changed them.

    Registering a deployment replaces all of its schedules.
    """
    try:
        there = await client.read_deployment_by_name(f"{defined['name']}/{defined['name']}")
    except ObjectNotFound:
        return [
            DeploymentScheduleCreate(
                schedule=CronSchedule(cron=each["cron"], timezone=each["timezone"]),
                active=each["active"],
                slug=each["slug"],
            )
            for each in defined.get("schedules", [])
        ]
    return [
        DeploymentScheduleCreate(
            schedule=each.schedule, active=each.active, parameters=each.parameters or {}, slug=each.slug
        )
        for each in there.schedules
    ]


async def _register_pool(client: PrefectClient, pool: dict[str, Any]) -> None:
    """A pool that is there already stays as it is: somebody may have made it one of Kubernetes."""
    try:
        await client.read_work_pool(pool["name"])
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        await client.create_work_pool(
            WorkPoolCreate(
                name=pool["name"], type=pool["type"], description=pool["description"], base_job_template=template
            ),
            overwrite=True,
        )
    for queue in pool["work_queues"]:
        with suppress(ObjectAlreadyExists):  # of an earlier start, or of a machine that starts beside us
            await client.create_work_queue(queue["name"], work_pool_name=pool["name"])
        found = await client.read_work_queue_by_name(queue["name"], work_pool_name=pool["name"])
        await client.update_work_queue(found.id, priority=queue["priority"], description=queue["description"])

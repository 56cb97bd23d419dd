"""What Prefect is told, and who starts runs there."""

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from catalog.records import Queue, Run
from flows.starting import BusyError, Seen, StarterDownError

pytestmark = [
    pytest.mark.xdist_group("prefect"),  # one server for all of them
    pytest.mark.usefixtures("prefect_server"),
    # Prefect's event clients leave their sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _registered(prefect_server: None) -> None:  # noqa: ARG001 - it must run
    asyncio.run(register_twice())


@pytest.fixture(autouse=True)
def _sockets_gone() -> Iterator[None]:
    yield
    gc.collect()


async def register_twice() -> None:
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect only where a test needs it

    from flows.hosting import register  # noqa: PLC0415

    async with get_client() as client:
        await register(client)
        await register(client)


def read(ask: Any) -> Any:  # noqa: ANN401 - Prefect's own values
    from prefect.client.orchestration import get_client  # noqa: PLC0415

    async def answer() -> Any:  # noqa: ANN401
        async with get_client() as client:
            return await ask(client)

    return asyncio.run(answer())


def run(key: str, *subjects: str, queue: Queue = Queue.LIVE, flow: str = "process_recording") -> Run:
    now = datetime.now(UTC)
    return Run(
        key=key,
        flow=flow,
        queue=queue,
        subjects=subjects,
        created_at=now,
        delivered_at=None,
        flow_run=None,
        look_at=now,
    )


def test_pool_queues_and_deployments_are_there() -> None:
    pool = read(lambda client: client.read_work_pool("aftertake"))
    queues = read(lambda client: client.read_work_queues(work_pool_name="aftertake"))
    deployments = read(lambda client: client.read_deployments())

    assert pool.type == "process"
    assert {queue.name: queue.priority for queue in queues if queue.name != "default"} == {
        "live": 1,
        "export": 2,
        "bulk": 3,
    }
    assert {each.entrypoint for each in deployments} == {
        "flows.deployed.process_recording",
        "flows.deployed.process_batch",
        "flows.deployed.backfill",
        "flows.deployed.export_replay",
    }
    assert {each.work_queue_name for each in deployments} == {"live", "export", "bulk"}


def deployment(name: str) -> Any:  # noqa: ANN401
    return read(lambda client: client.read_deployment_by_name(f"{name}/{name}"))


def test_the_backfill_runs_each_night() -> None:
    """However often it was registered."""
    found = deployment("backfill")
    [schedule] = found.schedules
    assert (schedule.schedule.cron, schedule.schedule.timezone, schedule.active) == ("15 2 * * *", "UTC", True)
    assert (schedule.parameters, schedule.slug) == ({}, "nightly")
    assert found.parameter_openapi_schema["properties"]["since"]["default"] == "7d"
    assert found.global_concurrency_limit.limit == 1
    assert [deployment(name).global_concurrency_limit for name in ("process_recording", "process_batch")] == [None] * 2
    assert deployment("process_batch").schedules == []


def test_the_server_makes_the_runs_of_the_schedule() -> None:
    """Its own scheduler asks for the same, once a minute."""
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId  # noqa: PLC0415

    found = deployment("backfill")

    async def planned(client: Any) -> list[str]:  # noqa: ANN401
        await client.request("POST", "/deployments/{id}/schedule", path_params={"id": str(found.id)}, json={})
        of_it = DeploymentFilter(id=DeploymentFilterId(any_=[found.id]))
        runs = await client.read_flow_runs(deployment_filter=of_it)
        return [f"{run.expected_start_time:%H:%M}" for run in runs if run.auto_scheduled]

    assert set(read(planned)) == {"02:15"}


def test_a_schedule_that_somebody_paused_stays_paused() -> None:
    found = deployment("backfill")

    async def switch(client: Any, active: bool) -> None:  # noqa: ANN401
        [schedule] = (await client.read_deployment(found.id)).schedules
        await client.update_deployment_schedule(found.id, schedule.id, active=active)

    read(lambda client: switch(client, active=False))
    asyncio.run(register_twice())
    assert [schedule.active for schedule in deployment("backfill").schedules] == [False]
    read(lambda client: switch(client, active=True))


def test_a_backfill_that_comes_while_another_one_runs_is_cancelled() -> None:
    """By Prefect's server, before any worker begins with it; the next one after that runs."""
    from prefect.states import Completed, Pending, Running  # noqa: PLC0415

    found = deployment("backfill")

    async def proposed(client: Any, count: int) -> list[Any]:  # noqa: ANN401
        runs = [await client.create_flow_run_from_deployment(found.id) for _ in range(count)]
        for run in runs:
            answer = await client.set_flow_run_state(run.id, Pending())
            if answer.status.value == "ACCEPT":
                await client.set_flow_run_state(run.id, Running())
        return [await client.read_flow_run(run.id) for run in runs]

    async def story(client: Any) -> list[str]:  # noqa: ANN401
        first, second = await proposed(client, 2)
        names = [first.state_name, second.state_name]
        await client.set_flow_run_state(first.id, Completed())
        [third] = await proposed(client, 1)
        await client.set_flow_run_state(third.id, Completed())
        return [*names, third.state_name]

    assert read(story) == ["Running", "Cancelled", "Running"]


def test_a_pool_of_another_type_stays_as_it_is() -> None:
    from prefect.client.schemas.actions import WorkPoolUpdate  # noqa: PLC0415

    async def describe(client: Any) -> None:  # noqa: ANN401
        await client.update_work_pool("aftertake", WorkPoolUpdate(description="somebody else's"))

    read(describe)
    asyncio.run(register_twice())

    assert read(lambda client: client.read_work_pool("aftertake")).description == "somebody else's"


def test_the_same_run_is_started_once() -> None:
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    with PatientStarter() as starter:
        first, again = starter.start(run("agora:x#1", "agora:x")), starter.start(run("agora:x#1", "agora:x"))
        other = starter.start(run("agora:x#2", "agora:x"))
        assert first == again
        assert first != other
        assert starter.look(first) is Seen.QUEUED

    made = read(lambda client: client.read_flow_run(first))
    assert made.parameters == {"recording_id": "agora:x"}
    assert made.work_queue_name == "live"
    assert "rec:agora:x" in made.tags


def test_many_recordings_go_together_and_into_their_queue() -> None:
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    with PatientStarter() as starter:
        started = starter.start(run("bulk#1", "agora:x", "agora:y", queue=Queue.BULK, flow="process_batch"))

    made = read(lambda client: client.read_flow_run(started))
    assert made.parameters == {"recording_ids": ["agora:x", "agora:y"]}
    assert made.work_queue_name == "bulk"


def test_an_export_goes_alone_and_into_its_queue() -> None:
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    with PatientStarter() as starter:
        started = starter.start(run("e1#1", "e1", queue=Queue.EXPORT, flow="export_replay"))

    made = read(lambda client: client.read_flow_run(started))
    assert made.parameters == {"export_id": "e1"}
    assert made.work_queue_name == "export"
    assert "export:e1" in made.tags


@pytest.mark.parametrize(
    ("queue", "first"), [(Queue.LIVE, ""), (Queue.EXPORT, "nice -n 5 "), (Queue.BULK, "nice -n 10 ")]
)
def test_the_process_of_what_is_less_urgent_makes_way_for_others(queue: Queue, first: str) -> None:
    from flows.hosting import _Job  # noqa: PLC0415
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    with PatientStarter() as starter:
        started = starter.start(run(f"{queue}#nice", "agora:x", queue=queue))
    job = _Job(env={})
    job.prepare_for_flow_run(read(lambda client: client.read_flow_run(started)))

    assert job.command is not None
    assert job.command.startswith(first)
    assert job.command.startswith("nice ") is bool(first)
    assert job.command.endswith(" -m prefect.engine")


def test_a_run_that_died_is_ended() -> None:
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    with PatientStarter() as starter:
        started = starter.start(run("agora:z#1", "agora:z"))
        starter.end(started, "its process ended without a word")
        assert starter.look(started) is Seen.ENDED
        assert starter.look("00000000-0000-0000-0000-000000000000") is Seen.UNKNOWN


def test_a_server_that_is_away_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

    from flows.prefect_api import PrefectStarter  # noqa: PLC0415

    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "0")
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        PrefectStarter() as starter,
        pytest.raises(StarterDownError, match="Prefect: "),
    ):
        starter.start(run("agora:x#9", "agora:x"))


@pytest.mark.parametrize(("said", "lines"), [("database is locked", 1), ("disk I/O error", 2)])
def test_a_busy_database_of_prefect_is_told_in_a_line(said: str, lines: int) -> None:
    from flows.hosting import without_trace_of_a_lock  # noqa: PLC0415

    error = RuntimeError(said)
    trace = (RuntimeError, error, None)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "heartbeat of %s failed", ("bulk",), trace)
    assert without_trace_of_a_lock(record)
    told = logging.Formatter("%(message)s").format(record)
    assert told.startswith("heartbeat of bulk failed")
    assert len(told.splitlines()) == lines


@pytest.mark.parametrize(("status", "meaning"), [(429, BusyError), (503, BusyError), (502, StarterDownError)])
def test_a_busy_server_is_told_apart_from_one_that_is_away(status: int, meaning: type[Exception]) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: PLC0415

    from flows.prefect_api import PrefectStarter  # noqa: PLC0415

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            with (
                temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_port}/api"}),
                PrefectStarter() as starter,
                pytest.raises(StarterDownError) as caught,
            ):
                starter.look("00000000-0000-0000-0000-000000000000")
        finally:
            server.shutdown()
            serving.join()
    assert caught.type is meaning
    assert (str(caught.value) == f"Prefect's server is busy ({status})") == (meaning is BusyError)

"""Runs at a real server of Prefect, of which no worker takes note, or one that died."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID, uuid4

import pytest

from catalog.records import Queue, Run
from flows.starting import RefusedError, Seen, StarterDownError

if TYPE_CHECKING:  # Prefect only where a test needs it
    from prefect.client.orchestration import PrefectClient

T = TypeVar("T")

# Prefect's clients leave their sockets to the garbage collector.
pytestmark = [
    pytest.mark.xdist_group("prefect"),  # one server for all of them
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.usefixtures("prefect_server"),
]


def a_run(recordings: int = 2) -> Run:
    now = datetime.now(UTC)
    return Run(
        key=f"bulk#{uuid4().hex}",
        flow="process_batch",
        queue=Queue.BULK,
        subjects=tuple(f"agora:{number:032x}" for number in range(recordings)),
        created_at=now,
        delivered_at=None,
        flow_run=None,
        look_at=now,
    )


def test_a_run_that_was_taken_and_never_began_is_no_longer_waiting() -> None:
    from prefect.states import Pending, Running  # noqa: PLC0415

    from flows.hosting import register  # noqa: PLC0415
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    told(register)
    with PatientStarter() as starter, PatientStarter(beginning=timedelta(0)) as impatient:
        flow_run = starter.start(a_run())
        assert impatient.look(flow_run) is Seen.QUEUED

        told(lambda client: client.set_flow_run_state(UUID(flow_run), Pending(), force=True))
        assert starter.look(flow_run) is Seen.QUEUED
        assert impatient.look(flow_run) is Seen.QUEUED
        with (
            PatientStarter(coming=timedelta(0)) as short_of_patience,
            PatientStarter(coming=timedelta(0), beginning=timedelta(0)) as hasty,
        ):
            assert short_of_patience.look(flow_run) is Seen.QUEUED
            assert hasty.look(flow_run) is Seen.RUNNING

        told(lambda client: client.set_flow_run_state(UUID(flow_run), Running(), force=True))
        assert starter.look(flow_run) is Seen.QUEUED
        assert impatient.look(flow_run) is Seen.RUNNING
        impatient.end(flow_run, "its process ended without a word")
        assert starter.look(flow_run) is Seen.ENDED
        assert starter.look(str(UUID(int=0))) is Seen.UNKNOWN
    gc.collect()


def test_a_cancelled_run_is_told_apart_from_one_that_ended() -> None:
    from prefect.states import Cancelled, Cancelling, Crashed, Running  # noqa: PLC0415

    from flows.hosting import register  # noqa: PLC0415
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    told(register)
    with PatientStarter() as starter:
        unbegun, begun = starter.start(a_run()), starter.start(a_run())

        told(lambda client: client.set_flow_run_state(UUID(unbegun), Cancelled()))
        assert starter.look(unbegun) is Seen.CANCELLED

        told(lambda client: client.set_flow_run_state(UUID(begun), Running(), force=True))
        told(lambda client: client.set_flow_run_state(UUID(begun), Cancelling()))
        assert starter.look(begun) is Seen.CANCELLING
        told(lambda client: client.set_flow_run_state(UUID(begun), Crashed(message="SIGTERM"), force=True))
        assert starter.look(begun) is Seen.CANCELLED, "whatever its process says in the end"
    gc.collect()


def test_a_batch_of_any_size_is_taken() -> None:
    from flows.hosting import register  # noqa: PLC0415
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    told(register)
    with PatientStarter() as starter:
        assert starter.look(starter.start(a_run(200))) is Seen.QUEUED
    gc.collect()


def test_what_the_server_refuses_is_told_apart_from_its_absence() -> None:
    from tests.flows.patient_starter import PatientStarter  # noqa: PLC0415

    with PatientStarter() as starter, pytest.raises(RefusedError, match="404"):
        starter.end("00000000-0000-0000-0000-000000000000", "it is none of its own")
    gc.collect()


def test_while_the_server_has_not_been_told_of_a_deployment_all_wait() -> None:
    from flows.prefect_api import PrefectStarter  # noqa: PLC0415

    with PrefectStarter() as starter, pytest.raises(StarterDownError, match="no deployment unknown/unknown yet"):
        starter.start(replace(a_run(), flow="unknown"))
    gc.collect()


def test_several_machines_register_at_once() -> None:
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    from flows.hosting import definitions, register  # noqa: PLC0415

    async def together(client: "PrefectClient") -> list[str]:
        with suppress(ObjectNotFound):
            await client.delete_work_pool("aftertake")
        await asyncio.gather(*(register(client) for _ in range(4)))
        pool = definitions()["work_pools"][0]
        queues = await client.read_work_queues(work_pool_name=pool["name"])
        return sorted(queue.name for queue in queues)

    assert told(together) == ["bulk", "default", "export", "live"]
    gc.collect()


def told(ask: "Callable[[PrefectClient], Awaitable[T]]") -> T:
    """What the server answers to what is asked with a client."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415

    async def asked() -> T:
        async with get_client() as client:
            return await ask(client)

    return asyncio.run(asked())

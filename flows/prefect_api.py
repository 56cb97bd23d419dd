"""Prefect as the starter of runs: the one module that starts deployments, by name."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Crashed

from catalog.export_runs import EXPORTING
from catalog.records import Run
from catalog.runs import ALONE
from flows.starting import PATIENCE, BusyError, RefusedError, Seen, StarterDownError

_DOWN: Final = (httpx.TransportError, RuntimeError)
_REFUSED: Final = (PrefectHTTPStatusError, ObjectNotFound)
_MEANING: Final[Mapping[int | None, type[Exception]]] = {
    429: BusyError,
    503: BusyError,
    502: StarterDownError,
    504: StarterDownError,
}
_BEGINNING: Final = timedelta(seconds=20)
_A_MACHINE: Final = timedelta(minutes=30)
"""How long a pod may take to come that needs a new node."""


class PrefectStarter:
    """Runs as flow runs of the deployments in `deployments/prefect.yaml`; the key of a run is its idempotency key."""

    def __init__(self, *, coming: timedelta = PATIENCE, beginning: timedelta = _BEGINNING) -> None:
        """The server is that of `PREFECT_API_URL`.

        `coming`: for so long a process may still come that is to run what was taken; `beginning`: for so long nobody
        asks what it does.
        """
        self._client: SyncPrefectClient = get_client(sync_client=True)
        self._deployments: dict[str, UUID] = {}
        self._coming = coming
        self._beginning = beginning

    def __enter__(self) -> Self:
        """Open connections."""
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self._client.__exit__(kind, error, trace)

    def start(self, run: Run) -> str:
        """See Starter."""
        parameters, tags = _told(run)
        try:
            with _asked_once():
                made = self._client.create_flow_run_from_deployment(
                    self._deployment(run.flow),
                    parameters=parameters,
                    idempotency_key=run.key,
                    work_queue_name=run.queue.value,
                    tags=tags,
                )
        except (StarterDownError, RefusedError):
            self._deployments.clear()
            raise
        return str(made.id)

    def _deployment(self, flow: str) -> UUID:
        """Its id; a server that was just started may not have been told of it yet."""
        if flow not in self._deployments:
            try:
                self._deployments[flow] = self._client.read_deployment_by_name(f"{flow}/{flow}").id
            except ObjectNotFound as error:
                message = f"Prefect: it has no deployment {flow}/{flow} yet; loops and workers register it"
                raise StarterDownError(message) from error
        return self._deployments[flow]

    def look(self, flow_run: str) -> Seen:
        """See Starter."""
        with _asked_once():
            try:
                run = self._client.read_flow_run(UUID(flow_run))
            except ObjectNotFound:
                return Seen.UNKNOWN
            if run.state is None or run.state.is_final():
                return Seen.CANCELLED if run.state and self._is_cancelled(run.state, run.id) else Seen.ENDED
            if run.state.is_cancelling():
                return Seen.CANCELLING
            is_waiting = run.state.is_scheduled() or self._is_beginning(run.state)
            return Seen.QUEUED if is_waiting or self._is_taken(run) else Seen.RUNNING

    def _is_cancelled(self, state: State, flow_run: UUID) -> bool:
        """Whether somebody cancelled it; a process that is told to end by that may still say that it crashed."""
        if not state.is_crashed():
            return state.is_cancelled()
        return any(before.is_cancelling() for before in self._client.read_flow_run_states(flow_run))

    def _is_beginning(self, state: State) -> bool:
        """Whether it was taken, or started, so lately that it cannot have taken a lease yet."""
        return datetime.now(UTC) - state.timestamp < self._beginning

    def _is_taken(self, run: FlowRun) -> bool:
        """Whether what is to run it may still come. A worker that died, or could not tell, leaves its runs pending."""
        if run.state is None or not run.state.is_pending():
            return False
        is_process = self._client.read_work_pool(run.work_pool_name or "").type == "process"
        return datetime.now(UTC) - run.state.timestamp < (self._coming if is_process else _A_MACHINE)

    def end(self, flow_run: str, why: str) -> None:
        """See Starter."""
        with _asked_once():
            self._client.set_flow_run_state(UUID(flow_run), Crashed(message=why), force=True)


@contextmanager
def _asked_once() -> Iterator[None]:
    """Without trying again, which Prefect's client does for a minute: the loops come back, and have others to see."""
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            yield
    except _DOWN as error:
        raise StarterDownError(_said(error)) from error
    except _REFUSED as error:
        status = error.response.status_code if isinstance(error, PrefectHTTPStatusError) else None
        meaning = _MEANING.get(status, RefusedError)
        raise meaning(f"Prefect's server is busy ({status})" if meaning is BusyError else _said(error)) from error


def _told(run: Run) -> tuple[dict[str, Any], list[str]]:
    """Parameters and tags of its flow run; of tags the server takes less than a hundred, so that batches have none."""
    first = run.subjects[0]
    if run.flow == EXPORTING:
        return {"export_id": first}, [f"export:{first}"]
    if run.flow == ALONE:
        return {"recording_id": first}, [f"rec:{first}"]
    return {"recording_ids": list(run.subjects)}, []


def _said(error: Exception) -> str:
    error = error.http_exc if isinstance(error, ObjectNotFound) else error
    return f"Prefect: {' '.join(str(error).split())[:200] or type(error).__name__}"

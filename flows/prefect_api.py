"""Prefect as the starter of runs: the one module that starts deployments, by name."""

from types import TracebackType
from typing import Final, Self
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.states import Crashed

from catalog.records import Run
from flows.starting import Seen, StarterDownError

_DOWN: Final = (httpx.TransportError, PrefectHTTPStatusError, ObjectNotFound, RuntimeError)
_QUEUED: Final = {StateType.SCHEDULED, StateType.PENDING}


class PrefectStarter:
    """Runs as flow runs of the deployments in `deployments/prefect.yaml`; the key of a run is its idempotency key."""

    def __init__(self) -> None:
        """The server is that of `PREFECT_API_URL`."""
        self._client: SyncPrefectClient = get_client(sync_client=True)
        self._deployments: dict[str, UUID] = {}

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
        alone = len(run.subjects) == 1 and run.flow == "process_recording"
        parameters = {"recording_id": run.subjects[0]} if alone else {"recording_ids": list(run.subjects)}
        try:
            if run.flow not in self._deployments:
                self._deployments[run.flow] = self._client.read_deployment_by_name(f"{run.flow}/{run.flow}").id
            made = self._client.create_flow_run_from_deployment(
                self._deployments[run.flow],
                parameters=parameters,
                idempotency_key=run.key,
                work_queue_name=run.queue.value,
                tags=[f"rec:{subject}" for subject in run.subjects],
            )
        except _DOWN as error:
            self._deployments.clear()
            raise StarterDownError(_said(error)) from error
        return str(made.id)

    def look(self, flow_run: str) -> Seen:
        """See Starter."""
        try:
            state = self._client.read_flow_run(UUID(flow_run)).state
        except ObjectNotFound:
            return Seen.UNKNOWN
        except _DOWN as error:
            raise StarterDownError(_said(error)) from error
        if state is None or state.is_final():
            return Seen.ENDED
        return Seen.QUEUED if state.type in _QUEUED else Seen.RUNNING

    def end(self, flow_run: str, why: str) -> None:
        """See Starter."""
        try:
            self._client.set_flow_run_state(UUID(flow_run), Crashed(message=why), force=True)
        except _DOWN as error:
            raise StarterDownError(_said(error)) from error


def _said(error: Exception) -> str:
    return f"Prefect: {' '.join(str(error).split())[:200] or type(error).__name__}"

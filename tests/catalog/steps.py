"""Short ways to bring a recording of a catalog somewhere."""

# ruff: noqa: ANN401 - the changes are whatever fields a manifest has

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from catalog.inbox import DeliveryRow
from catalog.index import Catalog
from catalog.model import Manifest, RecordingId, State
from catalog.records import Claim, Queue, Recording
from tests.catalog.builders import manifest

T = TypeVar("T")

TTL = timedelta(minutes=5)
LATER = timedelta(minutes=10)
"""Past every lease."""


def recording_id(task_id: str = "t1", vendor: str = "agora") -> RecordingId:
    return RecordingId(vendor=vendor, task_id=task_id)


def hear(
    catalog: Catalog, task_id: str = "t1", state: State = State.STOPPED, queue: Queue = Queue.LIVE, **facts: str
) -> Recording:
    told = {"cause": "webhook", "actor": "hooks", **facts}
    return catalog.register(recording_id(task_id), state=state, queue=queue, **told)


def take(catalog: Catalog, task_id: str = "t1", holder: str = "worker 1", run: str | None = None) -> Claim:
    claim = catalog.claims.take(recording_id(task_id), holder=holder, ttl=TTL, cause="due", run=run)
    assert claim is not None
    return claim


def settle(
    catalog: Catalog,
    claim: Claim,
    look_in: timedelta | None = None,
    basis: str = "p1",
    **changes: Any,
) -> Recording:
    published = told_by(claim.recording.id, **changes)
    return catalog.claims.settle(claim, published, key_of(published), basis=basis, cause="all there", look_in=look_in)


def told_by(recording: RecordingId, **changes: Any) -> Manifest:
    return manifest(**{"vendor": recording.vendor, "task_id": recording.task_id, **changes})


def key_of(published: Manifest) -> str:
    return f"manifests/{published.vendor}/{published.task_id}/{published.revision:06d}.json"


def stored(catalog: Catalog, token: str) -> DeliveryRow:
    """The delivery that was put with this token."""
    [number] = [row.id for row in catalog.inbox.newest(after=-1, most=10_000) if row.token == token]
    return catalog.inbox.get(number)


def states(catalog: Catalog, task_id: str = "t1") -> list[str]:
    """Its story as states."""
    return [change.state.value for change in catalog.changes(recording_id(task_id))]


def at_once(works: Sequence[Callable[[], T]]) -> list[T]:
    """What each of them gave, run by a thread of its own, all begun at the same moment."""
    gate = threading.Barrier(len(works))
    found: list[T] = []
    failed: list[BaseException] = []

    def run(work: Callable[[], T]) -> None:
        gate.wait()
        try:
            found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again below
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return found

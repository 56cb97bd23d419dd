"""Somebody who makes exports while commands wait for them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from catalog.exports import ExportState
from flows.export import export_replay
from flows.opening import open_worker
from flows.process import Inline, run_inline
from flows.settings import Settings
from flows.steps.working import Worker

_LOOK_S = 0.02


def make_all(worker: Worker) -> None:
    """Make what is in the queue."""
    for export in worker.catalog.exports.newest(states=[ExportState.QUEUED]):
        run_inline(export_replay(Inline(), worker, export.id))


@contextmanager
def at_work() -> Iterator[None]:
    """A worker in another thread, until the end of the `with`."""
    settings, over = Settings.load(), threading.Event()

    def work() -> None:
        with open_worker(settings) as worker:
            while not over.wait(_LOOK_S):
                make_all(worker)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def make_now() -> None:
    """Make what is in the queue, here."""
    with open_worker(Settings.load()) as worker:
        make_all(worker)

"""A machine that stops in the middle of a transaction, on PostgreSQL."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from catalog import database, rows
from catalog.database import Database
from catalog.index import Catalog
from catalog.model import RecordingId, State

IDLE_S = 1
RECORDING = RecordingId(vendor="agora", task_id="1")


def test_it_loses_its_locks_and_does_the_work_again(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "IDLE_IN_TRANSACTION", timedelta(seconds=IDLE_S))
    held, pauses, locked = threading.Event(), [4 * IDLE_S], list[float]()

    def work(connection: Connection) -> None:
        rows.known(connection, RECORDING, lock=True)
        held.set()
        time.sleep(pauses.pop() if pauses else 0)
        rows.known(connection, RECORDING, lock=True)
        locked.append(time.monotonic())

    with opened(postgres_url) as paused, opened(postgres_url) as living:
        living.migrate()
        Catalog(living).register(RECORDING, state=State.STOPPED, cause="submitted", actor="test")
        sleeper = threading.Thread(target=paused.write, args=(work,))
        sleeper.start()
        held.wait(5)
        began = time.monotonic()
        living.write(lambda connection: rows.known(connection, RECORDING, lock=True))
        waited_s = time.monotonic() - began
        sleeper.join(10)

    assert waited_s < 3 * IDLE_S
    assert len(locked) == 1


@contextmanager
def opened(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()

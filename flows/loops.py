"""The loops: they see what is due, what died and what was left behind, so that nothing needs a person to notice it.

They are no flows: they must work while Prefect is down. Of each, one runs among all machines, under a lease. A pass may
die at any line and be done again: what it decides stands in the catalog before anybody acts on it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from catalog.errors import CatalogError
from catalog.index import Catalog
from catalog.records import Lease, Run, id_text
from catalog.wire import utc_text
from flows.settings import Settings
from flows.starting import RefusedError, Seen, Starter, StarterDownError
from flows.steps.concluding import after_a_death, is_often_dying
from storage.base import ObjectStore
from storage.errors import StorageError
from storage.sweeping import sweep_uploads

_log = logging.getLogger(__name__)

HANDED_AT_ONCE: Final = 200
"""Recordings in one pass; the next one follows soon."""
BATCH: Final = 100
"""Bulk recordings in one run: starting a run costs seconds, a short recording less than one."""
ABANDONED: Final = timedelta(days=1)
"""An upload of this age has nobody any more who would complete it."""

_LOOKED_AT_ONCE: Final = 100
_RETRY_DELIVERY: Final = timedelta(seconds=5)
_LEAD: Final = timedelta(seconds=30)
_DEADLINE: Final = timedelta(hours=24)
"""That of a recording whose source is configured no more."""
_GRACE: Final = timedelta(hours=1)
"""After a deadline, for the work itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overseer:
    """Who runs the loops, and with what. `patience`: how long a run may be silent before it counts as dead."""

    name: str
    catalog: Catalog
    starter: Starter
    output: ObjectStore
    settings: Settings
    patience: timedelta = timedelta(seconds=60)

    def dispatch(self) -> int:
        """Hand over what is due, and deliver what was handed over; how many runs were delivered."""
        runs = self.catalog.runs
        runs.hand_over(most=HANDED_AT_ONCE, batch=BATCH)
        undelivered = [run for run in runs.to_look_at(most=_LOOKED_AT_ONCE) if run.delivered_at is None]
        return self._each(undelivered, self._deliver, _RETRY_DELIVERY)

    def reconcile(self) -> None:
        """Take back what dead workers had, and see what became of the runs that were delivered."""
        for recording in self.catalog.claims.take_back(
            actor=self.name,
            cause="its worker ended without a word",
            look_in=after_a_death,
            is_alarming=is_often_dying,
        ):
            _log.warning("%s: its worker ended without a word; it is tried again", id_text(recording.id))
        runs = self.catalog.runs
        runs.hurry_dead()
        delivered = [run for run in runs.to_look_at(most=_LOOKED_AT_ONCE) if run.delivered_at is not None]
        self._each(delivered, self._look_after, self.patience)

    def remind(self) -> None:
        """Tell of recordings that should have had a verdict by now; of what nobody stopped, see what is there."""
        now = datetime.now(UTC)
        soonest = min((source.deadline for source in self.settings.sources), default=_DEADLINE)
        for recording in self.catalog.overdue(now - soonest - _GRACE, most=HANDED_AT_ONCE):
            deadlines = [source.deadline for source in self.settings.sources if source.name == recording.source]
            if now - recording.heard_at > (deadlines or [_DEADLINE])[0] + _GRACE:
                cause = f"no verdict since it was heard of at {utc_text(recording.heard_at)}, and its deadline is over"
                self.catalog.alarm(recording.id, cause=cause, actor=self.name)
                _log.error("%s: %s", id_text(recording.id), cause)

    def sweep(self) -> int:
        """Abort uploads that nobody will complete; how many."""
        left = sweep_uploads(self.output, older_than=ABANDONED, now=datetime.now(UTC))
        for upload in left:
            _log.warning("aborted an abandoned upload of %s", upload.key)
        return len(left)

    def _each(self, found: Sequence[Run], ask: Callable[[Run], None], pause: timedelta) -> int:
        """Ask of each run; how many were answered. One that is refused waits alone; while nobody answers, all do."""
        answered = 0
        for number, run in enumerate(found):
            try:
                ask(run)
                answered += 1
            except RefusedError as error:
                _log.error("run %s is tried again: %s", run.key, error)
                self.catalog.runs.look_later(run.key, pause)
            except StarterDownError as error:
                _log.warning("%s runs wait: %s", len(found) - number, error)
                for waiting in found[number:]:
                    self.catalog.runs.look_later(waiting.key, pause)
                break
        return answered

    def _deliver(self, run: Run) -> None:
        self.catalog.runs.delivered(run.key, self.starter.start(run), look_in=self.patience)

    def _look_after(self, run: Run) -> None:
        """A run that has ended, died or got lost, and still has recordings, gives them up to another one."""
        runs = self.catalog.runs
        seen = self.starter.look(run.flow_run or "")
        if seen is Seen.QUEUED or (seen is Seen.RUNNING and runs.is_under_way(run.key)):
            runs.look_later(run.key, self.patience)
            return
        if seen is Seen.RUNNING:
            self.starter.end(run.flow_run or "", "its process ended without a word")
        if freed := runs.give_up(run.key, look_in=timedelta(0)):
            _log.warning("run %s came to nothing; %s recordings are handed to another one", run.key, freed)
        if not runs.has_subjects(run.key):
            runs.forget(run.key)
        else:
            runs.look_later(run.key, self.patience)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Something that is done again and again by one process among all."""

    name: str
    every: timedelta
    once: Callable[[], object]


def loops_of(overseer: Overseer) -> tuple[Loop, ...]:
    """All loops, each with its pace."""
    return (
        Loop(name="dispatch", every=timedelta(seconds=1), once=overseer.dispatch),
        Loop(name="reconcile", every=timedelta(seconds=5), once=overseer.reconcile),
        Loop(name="remind", every=timedelta(minutes=1), once=overseer.remind),
        Loop(name="sweep", every=timedelta(hours=1), once=overseer.sweep),
    )


def run_loops(overseer: Overseer, ended: threading.Event) -> None:
    """Run all loops in threads of their own until `ended` is set; an error ends a pass, never a loop."""
    threads = [
        threading.Thread(target=_run, args=(overseer, loop, ended), name=f"loop {loop.name}")
        for loop in loops_of(overseer)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _run(overseer: Overseer, loop: Loop, ended: threading.Event) -> None:
    """Lead, and do a pass whenever it is time; who is about to lead does one at once."""
    lease: Lease | None = None
    due_at = 0.0
    while not ended.is_set():
        try:
            lease = overseer.catalog.claims.lead(f"loop:{loop.name}", holder=overseer.name, ttl=_LEAD)
            if lease and time.monotonic() >= due_at:
                due_at = time.monotonic() + loop.every.total_seconds()
                loop.once()
        except (CatalogError, StorageError) as error:
            _log.warning("loop %s: %s", loop.name, error)
        except Exception:  # noqa: BLE001 - a fault in one pass must not end the loop
            _log.exception("loop %s: a fault of Aftertake", loop.name)
        ended.wait(min(loop.every, _LEAD / 3).total_seconds())
    if lease:
        with _told(loop):
            overseer.catalog.claims.release(lease)


@contextmanager
def _told(loop: Loop) -> Iterator[None]:
    try:
        yield
    except CatalogError as error:
        _log.warning("loop %s could not give up its lease: %s", loop.name, error)

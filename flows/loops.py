"""The loops: they see what is due, what died and what was left behind, so that nothing needs a person to notice it.

They are no flows: they must work while Prefect is down. Of each, one runs among all machines, under a lease. A pass may
die at any line and be done again: what it decides stands in the catalog before anybody acts on it.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, Protocol

from catalog.errors import CatalogError
from catalog.export_runs import EXPORTING
from catalog.index import Catalog
from catalog.records import Lease, Queue, Run, id_text
from catalog.runs import Pulse
from catalog.wire import utc_text
from flows.endpoints import Endpoint
from flows.recorders import Recorders
from flows.settings import Settings, Source
from flows.starting import PATIENCE, BusyError, RefusedError, Seen, Starter, StarterDownError
from flows.steps.announcing import deliver_due
from flows.steps.asking import Asker
from flows.steps.clearing import clear_over, sweep_files
from flows.steps.concluding import after_a_death, is_often_dying
from flows.steps.discovering import discover
from flows.steps.exporting import take_back_dead
from flows.steps.hearing import read_delivery
from flows.steps.working import Kept
from storage.base import ObjectStore
from storage.errors import StorageError
from storage.opening import open_source
from storage.sweeping import sweep_uploads

_log = logging.getLogger(__name__)

HANDED_AT_ONCE: Final = 200
"""Recordings in one pass; the next one follows soon."""
BATCH: Final = 200
"""Bulk recordings in one run: starting a run costs some seconds, a short recording less than a tenth of one."""
MOST_BULK: Final = 20
"""Bulk runs at once: more would only wait in Prefect, and be looked after there."""
ABANDONED: Final = timedelta(days=1)
"""An upload of this age has nobody any more who would complete it."""

_ANNOUNCED: Final = timedelta(days=7)
"""How long it can be seen what was announced, and to whom: longer than anything is tried."""
_LOOKED_AT_ONCE: Final = 100
_TAKEN_AT_ONCE: Final = 25
"""Messages in one transaction: some 40 ms."""
_TAKEN_BATCHES: Final = 40
_BREATH_S: Final = 0.03
"""Between two transactions on SQLite: receivers write too, and one that has not waited for long asks every 25 ms."""
_RETRY_DELIVERY: Final = timedelta(seconds=5)
_WHILE_BUSY: Final = timedelta(milliseconds=300)
"""Prefect's SQLite refuses a write that another one came before; in the next pass it is another write's turn."""
_ENDING: Final = timedelta(seconds=2)
"""Until a run whose process is ending has said so."""
_LOST: Final = tuple(timedelta(seconds=seconds) for seconds in (0, 60, 900, 3600))
"""When to hand a recording over again whose runs came to nothing, before they began with it."""
_ALARMING_LOSSES: Final = 2
_HELD: Final = timedelta(hours=1)
"""Until a recording with a verdict is looked at again, when somebody has cancelled a late look."""
_WAITS: Final = {queue: timedelta(hours=24) if queue is Queue.BULK else timedelta(minutes=30) for queue in Queue}
"""How long a recording may wait for somebody to begin with it, before a person is told."""
_GOING_ON: Final = frozenset({Seen.RUNNING, Seen.CANCELLING})
_CANCELLED: Final = frozenset({Seen.CANCELLING, Seen.CANCELLED})
_CAUSES: Final = {
    Seen.ENDED: "its run ended, and left it undone",
    Seen.RUNNING: "its run ended without a word, and left it undone",
    Seen.UNKNOWN: "Prefect does not know its run any more",
}
_LEAD: Final = timedelta(seconds=30)
"""How long a loop of a machine that died is waited for, at most."""
_DEADLINE: Final = timedelta(hours=24)
"""That of a recording whose source is configured no more."""
_GRACE: Final = timedelta(hours=1)
"""After a deadline, for the work itself."""


class Hands(Protocol):
    """What runs of one kind have been handed, and what becomes of it without them."""

    def pulse(self, key: str, /) -> Pulse:
        """Whether the process of the run lives."""

    def has_subjects(self, key: str, /) -> bool:
        """Whether anything is still in the run's hands."""

    def give_up(
        self,
        key: str,
        /,
        *,
        cause: str,
        actor: str,
        look_in: Callable[[int], timedelta],
        is_alarming: Callable[[int], bool],
    ) -> int:
        """The run came to nothing: what it had not begun is due again; how much that is."""

    def hold(self, key: str, /, *, cause: str, actor: str, look_in: timedelta) -> int:
        """Somebody cancelled the run: what is in its hands goes to nobody else by itself; how much that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overseer:
    """Who runs the loops, and with what. `patience`: how long a run may be silent before it counts as dead."""

    name: str
    catalog: Catalog
    starter: Starter
    output: ObjectStore
    settings: Settings
    patience: timedelta = PATIENCE

    def dispatch(self) -> int:
        """Hand over what is due, and deliver what was handed over; how many runs were delivered."""
        runs = self.catalog.runs
        runs.hand_over(most=HANDED_AT_ONCE, batch=BATCH, most_bulk=MOST_BULK)
        self.catalog.export_runs.hand_over(most=HANDED_AT_ONCE)
        return self._each(runs.to_deliver(most=_LOOKED_AT_ONCE), self._deliver, _RETRY_DELIVERY)

    def take_in(self) -> int:
        """See to what vendors have said since, some hundreds of messages at most; how many that was."""
        read, taken = partial(read_delivery, self.settings), 0
        for _ in range(_TAKEN_BATCHES):
            some = self.catalog.inbox.take_in(read, actor=self.name, most=_TAKEN_AT_ONCE)
            taken += some
            if some < _TAKEN_AT_ONCE:
                break
            if self.catalog.database.is_sqlite:
                time.sleep(_BREATH_S)
        return taken

    def look_through(self, source: Source) -> int:
        """Find what lies in a source and nobody has looked at; how many recordings that is."""
        found = discover(open_source(source.store), source, now=datetime.now(UTC))
        unseen = self.catalog.unseen({each.recording: each.newest for each in found})
        for each in found:
            if each.recording in unseen:
                self.catalog.discovered(
                    each.recording,
                    newest=each.newest,
                    state=each.state,
                    source=source.name,
                    folder=each.folder,
                    room=each.room,
                    actor=self.name,
                )
        return len(unseen)

    def reconcile(self) -> None:
        """Take back what dead workers had, and see what became of the runs that were delivered."""
        for recording in self.catalog.claims.take_back(
            actor=self.name,
            cause="its worker ended without a word",
            look_in=after_a_death,
            is_alarming=is_often_dying,
        ):
            _log.warning("%s: its worker ended without a word; it is tried again", id_text(recording.id))
        take_back_dead(self.catalog.exports, actor=self.name)
        runs = self.catalog.runs
        runs.hurry_dead()
        if freed := runs.free_orphans() + self.catalog.export_runs.free_orphans():
            _log.warning("%s were in the hands of runs that nobody knows; they are due again", freed)
        self._each(runs.to_look_after(most=_LOOKED_AT_ONCE), self._look_after, self.patience)

    def remind(self) -> None:
        """Tell of recordings that should have been begun by now, or have a verdict; see what is there of others."""
        cause = "it was handed over long ago, and nobody began; are Prefect and its workers all right?"
        for name in self.catalog.runs.alarm_waiting(_WAITS, cause=cause, actor=self.name, most=HANDED_AT_ONCE):
            _log.error("%s: %s", name, cause)
        now = datetime.now(UTC)
        soonest = min((source.deadline for source in self.settings.sources), default=_DEADLINE)
        for recording in self.catalog.overdue(now - soonest - _GRACE, most=HANDED_AT_ONCE):
            fitting = self.settings.sources_of(recording.id.vendor, recording.source)
            if now - recording.waited_since > max((each.deadline for each in fitting), default=_DEADLINE) + _GRACE:
                since = utc_text(recording.waited_since)
                cause = f"no verdict since it was heard of at {since}, and its deadline is over"
                self.catalog.alarm(recording.id, cause=cause, actor=self.name)
                _log.error("%s: %s", id_text(recording.id), cause)

    def announce(self) -> int:
        """Make deliveries of what is new, for every endpoint; how many announcements that were."""
        return self.catalog.announcements.fan_out(
            {endpoint.name: frozenset(endpoint.events) for endpoint in self.settings.endpoints}
        )

    def deliver_to(self, endpoint: Endpoint) -> int:
        """Send an endpoint what is due to it; how many arrived."""
        return deliver_due(self.catalog.announcements, endpoint)

    def end_exports(self) -> int:
        """End exports that take too long or have expired, and remove the files of those that are over; how many."""
        exports = self.catalog.exports
        for export in exports.time_out(older_than=self.settings.export_deadline, actor=self.name):
            _log.error("export %s has failed: %s", export.id, export.cause)
        exports.expire(actor=self.name)
        return clear_over(exports, self.output, now=datetime.now(UTC))

    def sweep(self) -> int:
        """Abort uploads that nobody will complete, how many; and drop what was said and announced long ago.

        Files of exports that are over go too, if they came after all.
        """
        self.catalog.inbox.drop_old()
        self.catalog.announcements.forget(older_than=_ANNOUNCED)
        sweep_files(self.catalog.exports, self.output, now=datetime.now(UTC))
        left = sweep_uploads(self.output, older_than=ABANDONED, now=datetime.now(UTC))
        for upload in left:
            _log.warning("aborted an abandoned upload of %s", upload.key)
        return len(left)

    def _each(self, found: Sequence[Run], ask: Callable[[Run], None], pause: timedelta) -> int:
        """Ask of each run; how many were answered. What is refused waits alone; while nobody answers, all wait."""
        answered = 0
        for number, run in enumerate(found):
            try:
                ask(run)
                answered += 1
            except RefusedError as error:
                _log.error("run %s is tried again: %s", run.key, error)
                self.catalog.runs.look_later(run.key, pause)
            except BusyError as error:
                _log.info("run %s waits for a moment: %s", run.key, error)
                self.catalog.runs.look_later(run.key, _WHILE_BUSY)
            except StarterDownError as error:
                _log.warning("%s runs wait: %s", len(found) - number, error)
                for waiting in found[number:]:
                    self.catalog.runs.look_later(waiting.key, pause)
                break
        return answered

    def _deliver(self, run: Run) -> None:
        self.catalog.runs.delivered(run.key, self.starter.start(run), look_in=self.patience)

    def _look_after(self, run: Run) -> None:
        """A run that has ended, died or got lost, and still has something, gives it up to another one.

        What one has that somebody cancelled is held instead.
        """
        runs, hands = self.catalog.runs, self._hands(run)
        seen, pulse = self.starter.look(run.flow_run or ""), hands.pulse(run.key)
        if seen is Seen.QUEUED or (seen in _GOING_ON and pulse is not Pulse.GONE):
            runs.look_later(run.key, _ENDING if pulse is Pulse.ENDING else self.patience)
            return
        if seen in _GOING_ON:
            self.starter.end(run.flow_run or "", "its process ended without a word")
        if seen in _CANCELLED:
            self._hold(run, hands)
        else:
            self._give_up(run, hands, _CAUSES[seen])
        if not hands.has_subjects(run.key):
            runs.forget(run.key)
        else:
            runs.look_later(run.key, self.patience)

    def _hands(self, run: Run) -> Hands:
        return self.catalog.export_runs if run.flow == EXPORTING else self.catalog.runs

    def _hold(self, run: Run, hands: Hands) -> None:
        cause = "its run was cancelled in Prefect"
        if held := hands.hold(run.key, cause=cause, actor=self.name, look_in=_HELD):
            _log.warning("run %s was cancelled in Prefect; %s of its subjects are left to a person", run.key, held)

    def _give_up(self, run: Run, hands: Hands, cause: str) -> None:
        freed = hands.give_up(
            run.key,
            cause=cause,
            actor=self.name,
            look_in=lambda lost: _LOST[min(lost, len(_LOST)) - 1],
            is_alarming=lambda lost: lost >= _ALARMING_LOSSES,
        )
        if freed:
            _log.warning("run %s came to nothing; %s of its subjects are handed to another one", run.key, freed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Something that is done again and again by one process among all."""

    name: str
    every: timedelta
    once: Callable[[], object]


def loops_of(overseer: Overseer, recorders: Recorders) -> tuple[Loop, ...]:
    """All loops, each with its pace; the vendors are asked through `recorders`."""
    asker = Asker(catalog=overseer.catalog, settings=overseer.settings, recorders=recorders, actor=overseer.name)
    return (
        Loop(name="take in", every=timedelta(seconds=0.5), once=overseer.take_in),
        Loop(name="dispatch", every=timedelta(seconds=1), once=overseer.dispatch),
        Loop(name="ask", every=timedelta(seconds=1), once=asker.ask_due),
        Loop(name="announce", every=timedelta(seconds=1), once=overseer.announce),
        # One for each, so that who is slow or dead holds up nobody else.
        *(
            Loop(name=f"deliver:{to.name}", every=timedelta(seconds=1), once=partial(overseer.deliver_to, to))
            for to in overseer.settings.endpoints
        ),
        Loop(name="reconcile", every=timedelta(seconds=5), once=overseer.reconcile),
        Loop(name="end exports", every=timedelta(minutes=1), once=overseer.end_exports),
        Loop(name="remind", every=timedelta(minutes=1), once=overseer.remind),
        Loop(name="sweep", every=timedelta(hours=1), once=overseer.sweep),
        *(_looking_through(overseer, source) for source in overseer.settings.sources if source.look_through),
    )


def _looking_through(overseer: Overseer, source: Source) -> Loop:
    once = partial(overseer.look_through, source)
    return Loop(name=f"look through {source.name}", every=source.look_through, once=once)


def run_loops(overseer: Overseer, ended: threading.Event) -> None:
    """Run all loops in threads of their own until `ended` is set; an error ends a pass, never a loop."""
    with closing(Recorders(overseer.settings)) as recorders:
        threads = [
            threading.Thread(target=_run, args=(overseer, loop, ended), name=f"loop {loop.name}")
            for loop in loops_of(overseer, recorders)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _run(overseer: Overseer, loop: Loop, ended: threading.Event) -> None:
    """Lead, and do a pass whenever it is time; who is about to lead does one at once."""
    lease: Lease | None = None
    ttl, due_at = min(_LEAD, overseer.settings.lease / 2), 0.0
    while not ended.is_set():
        try:
            lease = overseer.catalog.claims.lead(f"loop:{loop.name}", holder=overseer.name, ttl=ttl)
            if lease and time.monotonic() >= due_at:
                due_at = time.monotonic() + loop.every.total_seconds()
                with Kept(overseer.catalog.claims, lease, ttl=ttl):
                    loop.once()
        except (CatalogError, StorageError) as error:
            _log.warning("loop %s: %s", loop.name, error)
        except Exception:  # noqa: BLE001 - a fault in one pass must not end the loop
            _log.exception("loop %s: a fault of Aftertake", loop.name)
        ended.wait(min(loop.every, ttl / 3).total_seconds())
    if lease:
        with _told(loop):
            overseer.catalog.claims.release(lease)


@contextmanager
def _told(loop: Loop) -> Iterator[None]:
    try:
        yield
    except CatalogError as error:
        _log.warning("loop %s could not give up its lease: %s", loop.name, error)

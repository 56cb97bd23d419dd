"""Work on a recording of the catalog: claim it, keep the claim while the work lasts, find its objects."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from catalog.errors import CatalogError, LeaseLostError
from catalog.events import Vouched, Word
from catalog.layout import recording_prefixes
from catalog.model import RecordingId
from catalog.records import Claim, Lease, Recording, Reservation, id_text
from flows.recorders import Recorders
from flows.settings import OnDamage, OnDeadline, Settings, SettingsError, Source
from flows.steps.asking import Asker
from flows.steps.finding import Found, find_recording
from flows.steps.rescuing import Rescue, kept_by_vendor, may_be_rescued, rescued
from flows.steps.tasks import Task
from flows.steps.waiting import Now, Patience
from storage.base import ObjectStore
from storage.errors import StorageError
from storage.opening import open_source
from storage.overlay import Overlay
from storage.sweeping import sweep_uploads
from storage.wrappers import bucket_inside
from vendors.base import RecordingObjects
from vendors.registry import MANNERS, VENDORS

if TYPE_CHECKING:  # whoever opens a catalog imports SQLAlchemy; the bare commands never do
    from catalog.claims import Claims
    from catalog.index import Catalog

_log = logging.getLogger(__name__)

ClaimT = TypeVar("ClaimT")

STALL: Final = timedelta(minutes=20)
"""A worker that shows no sign of progress for so long stops holding its lease, and somebody else takes over."""

STOPPED: Final = "the worker was told to stop"


class StoppedError(Exception):
    """The worker was told to stop; what was under way was aborted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Somebody who works on recordings: who that is, and with what.

    One that `is_forced` waits for nothing, whatever the policies say, and works on what is known already. `on_stall`
    is called, in another thread, after a claim was given up because its work shows no progress. Without `recorders`
    no vendor is asked.
    """

    name: str
    catalog: "Catalog"
    settings: Settings
    output: ObjectStore
    is_forced: bool = False
    on_stall: Callable[[], None] | None = None
    recorders: Recorders | None = None


class Kept:
    """A lease that a thread prolongs until the end of the `with`. `check` raises as soon as it is lost."""

    def __init__(
        self,
        claims: "Claims",
        lease: Lease,
        *,
        ttl: timedelta,
        stall: timedelta | None = None,
        on_stall: Callable[[], None] | None = None,
    ) -> None:
        """`lease` has just been taken; without a `check` for `stall` it is given up, and `on_stall` is called."""
        self._claims = claims
        self._lease = lease
        self._ttl = ttl
        self._stall = stall
        self._on_stall = on_stall
        self._valid_until = time.monotonic() + self._ttl.total_seconds()
        self._alive_at = time.monotonic()
        self._is_lost = False
        self._is_stopped = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease {lease.name}", daemon=True)

    def __enter__(self) -> Self:
        """Begin to prolong."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop prolonging; the lease runs out unless it was given back."""
        self._ended.set()
        self._thread.join()

    def check(self, _size_bytes: int = 0) -> None:
        """Go on, if that is still allowed. Raises `LeaseLostError`, or `StoppedError` after `stop`."""
        self._alive_at = time.monotonic()
        if self._is_stopped:
            raise StoppedError(STOPPED)
        if self._is_lost or time.monotonic() > self._valid_until:
            message = f"the lease {self._lease.name} was not prolonged in time; somebody else may have it"
            raise LeaseLostError(message)

    def stop(self) -> None:
        """Let the next `check`, in whatever thread, end the work."""
        self._is_stopped = True

    def _keep(self) -> None:
        while not self._ended.wait(self._ttl.total_seconds() / 3):
            if self._is_stalled():
                _log.error("%s: no progress for %s; the lease is given up", self._lease.name, self._stall)
                self._is_lost = True
                if self._on_stall:
                    self._on_stall()
                return
            began = time.monotonic()
            try:
                self._claims.renew(self._lease, ttl=self._ttl)
            except LeaseLostError:
                self._is_lost = True
                return
            except CatalogError as error:
                _log.warning("%s could not be prolonged: %s", self._lease.name, error)
            else:
                self._valid_until = began + self._ttl.total_seconds()

    def _is_stalled(self) -> bool:
        return self._stall is not None and time.monotonic() - self._alive_at > self._stall.total_seconds()


class Held(Kept):
    """A claim that is kept while the work on it lasts."""

    def __init__(self, worker: Worker, claim: Claim) -> None:
        """`claim` has just been taken."""
        super().__init__(
            worker.catalog.claims, claim.lease, ttl=worker.settings.lease, stall=STALL, on_stall=worker.on_stall
        )
        self._worker = worker
        self.claim = claim

    def number(self, content_digest: str, *, newest: int) -> Reservation:
        """The number of a revision with this content. Raises `LeaseLostError`."""
        self.check()
        return self._worker.catalog.claims.reserve_revision(self.claim, content_digest, newest=newest)

    def confirm(self) -> None:
        """Raise `LeaseLostError` unless the catalog says that the claim is held still."""
        self._worker.catalog.claims.renew(self.claim.lease, ttl=self._ttl)
        self.check()

    def hand_back(self, cause: str) -> None:
        """End the work for somebody else to do it: as soon as possible, if the catalog can be told."""
        self.stop()
        with suppress(CatalogError):
            self._worker.catalog.claims.hand_back(self.claim, cause=cause)


def claim_recording(worker: Worker, recording: RecordingId, run: str | None) -> Claim | None:
    """Take the recording; None if it is not ours to do."""
    cause = f"run {run}" if run else "by hand"
    return worker.catalog.claims.take(recording, holder=worker.name, ttl=worker.settings.lease, cause=cause, run=run)


class Taking(Generic[ClaimT]):
    """The taking of something to work on, in whatever thread: a claim that comes after `stop` goes back at once."""

    def __init__(self, take: Callable[[], ClaimT | None], hand_back: Callable[[ClaimT], object]) -> None:
        """Nothing is taken yet."""
        self._take, self._hand_back = take, hand_back
        self._lock = threading.Lock()
        self._claim: ClaimT | None = None
        self._is_stopped = False

    def take(self) -> ClaimT | None:
        """Take it; None if it is not ours to do."""
        claim = self._take()
        with self._lock:
            self._claim = claim
            if self._is_stopped:
                self._give_back()
        return claim

    def stop(self) -> None:
        """The worker was told to stop before it heard of a claim."""
        with self._lock:
            self._is_stopped = True
            self._give_back()

    def _give_back(self) -> None:
        if self._claim is not None:
            self._hand_back(self._claim)


def taking(worker: Worker, recording: RecordingId, run: str | None) -> Taking[Claim]:
    """That of a recording."""
    take = partial(claim_recording, worker, recording, run)
    return Taking(take, lambda claim: Held(worker, claim).hand_back(STOPPED))


def abort_what_was_left(worker: Worker, held: Held) -> None:
    """Abort the uploads of runs before this one, which died; what a store does not let us abort is swept later."""
    recording, began_at = held.claim.recording.id, held.claim.lease.expires_at - worker.settings.lease
    abort_below(worker, recording_prefixes(recording), held, name=id_text(recording), began_at=began_at)


def abort_below(worker: Worker, prefixes: Sequence[str], kept: Kept, *, name: str, began_at: datetime) -> None:
    """Abort the uploads below `prefixes` that began before that time, as far as the store lets us."""
    for prefix in prefixes:
        kept.check()
        try:
            left = sweep_uploads(worker.output, older_than=timedelta(0), now=began_at, prefix=prefix)
        except StorageError as error:
            _log.warning("%s: uploads that were left could not be aborted: %s", name, error)
            return
        _log.info("%s: aborted %s uploads that were left below %s", name, len(left), prefix)


def seek(worker: Worker, held: Held) -> Task:
    """LIST what belongs to the recording; while nothing is there, the task has no objects."""
    recording = held.claim.recording
    vouched, inquiry = worker.catalog.vouched(recording.id), worker.catalog.inquiries.of(recording.id)
    source, store, (objects, metas) = located(worker, recording, vouched)
    if metas and (recording.folder is None or recording.source is None):
        worker.catalog.found(recording.id, source=source.name, folder=objects.folder)
    is_likely = bool(metas) or not vouched.is_unknown
    patience = Patience(
        settle_time=source.settle_time,
        deadline=source.deadline,
        heard_at=recording.stopped_at,
        spoken_at=recording.waited_since,
        damage_digest=recording.damage_digest,
        says=vouched.word,
        goes_on=inquiry is not None and inquiry.goes_on,
        is_unanswered=inquiry is not None and inquiry.is_open and not inquiry.is_answered_for(recording),
        needs_quiet=_needs_quiet(objects, vouched),
        holds_at_deadline=source.on_deadline is OnDeadline.HOLD and recording.verdict is None and is_likely,
        holds_damage=source.on_damage is OnDamage.HOLD,
    )
    return Task(
        source=store,
        objects=objects,
        metas=metas,
        now=datetime.now(UTC),
        progress=held.check,
        vouched=vouched,
        elsewhere=tuple(url for url in worker.settings.known_stores if url != source.store),
        patience=Now() if worker.is_forced else patience,
        licence=held,
        known_basis=None if worker.is_forced else recording.basis,
        pictures=source.pictures,
        rescued=store.lent if isinstance(store, Overlay) else {},
    )


def _needs_quiet(objects: RecordingObjects, vouched: Vouched) -> bool:
    """Whether nothing shows that no further stream comes: not every vendor says so, nor what lies in its backup."""
    is_silent = objects.mode == "individual" and not VENDORS[objects.vendor].tells_all
    return is_silent or (vouched.word is Word.BACKED_UP and not vouched.files)


def asker_for(worker: Worker, held: Held) -> Asker | None:
    """Who asks the recording's vendor how far it is; None where nobody can, or nobody should wait for that."""
    recorders, vendor = worker.recorders, held.claim.recording.id.vendor
    if worker.is_forced or recorders is None or vendor not in MANNERS or not any(recorders.able(vendor)):
        return None
    return Asker(catalog=worker.catalog, settings=worker.settings, recorders=recorders, actor=worker.name)


def rescue_for(worker: Worker, held: Held) -> Rescue | None:
    """What is to be fetched from the vendor's own store.

    What cannot be fetched is waited for until the deadline only, after which the recording is judged without.
    """
    recording = held.claim.recording
    files = kept_by_vendor(worker.catalog.vouched(recording.id))
    if not files:
        return None
    sources = worker.settings.sources_of(recording.id.vendor, recording.source)
    hosts = tuple(dict.fromkeys(host for source in sources for host in source.backup_hosts))
    deadline = max((source.deadline for source in sources), default=timedelta(0))
    is_last = worker.is_forced or datetime.now(UTC) - recording.waited_since >= deadline
    return Rescue(recording=recording.id, files=files, hosts=hosts, check=held.check, is_last=is_last)


def located(worker: Worker, recording: Recording, vouched: Vouched) -> tuple[Source, ObjectStore, Found]:
    """In which source it lies, and what is there of it. Where several may hold it, the first that does."""
    settings = worker.settings
    sources = (settings.source(recording.source),) if recording.source else settings.sources_for(recording.id.vendor)
    if not sources:
        message = f"no source is configured for {recording.id.vendor}. Write [[sources]] with its name and store."
        raise SettingsError(message)
    for source in sources:
        store = open_source(source.store)
        if may_be_rescued(vouched):
            folder = bucket_inside(store)[1] if recording.folder is None else recording.folder
            store = Overlay(store, worker.output, rescued(worker.output, recording.id, folder, vouched.files))
        if found := find_recording(store, recording.id, recording.folder):
            return source, store, found
    return sources[0], open_source(sources[0].store), (_nothing(recording.id), {})


def _nothing(recording: RecordingId) -> RecordingObjects:
    return RecordingObjects(
        vendor=recording.vendor,
        task_id=recording.task_id,
        room=None,
        mode="mixed",
        folder="",
        streams=(),
        segments=(),
        side_files=(),
    )

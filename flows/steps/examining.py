"""Whether a configured store is right, before a recording is lost: facts, then what a worker will do, in that order.

What cannot work without something that failed is skipped, with the name of what to fix first.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from flows.settings import SettingsError, require_urls_apart
from flows.steps import store_facts
from flows.steps.store_checks import (
    Check,
    Outcome,
    Place,
    Role,
    StoreReport,
    fail,
    failed,
    ok,
    refusal_fix,
    skipped,
)
from flows.steps.store_probes import Listing, Prober, listing_cost
from storage.base import ObjectStore, PendingUpload
from storage.connection import Connection
from storage.errors import Denied, NotFound, Refusal, StorageError
from storage.examining import BucketFacts, Contact, Examiner, Unseen, examiner_of
from storage.opening import open_source, open_store
from storage.reaching import reach
from storage.retry import Retry
from storage.sweeping import sweep_uploads
from storage.wrappers import ReadOnlyStore, bucket_inside

SETTINGS = ("versioning", "encryption", "lifecycle", "cors")
"""The last two are those of outputs."""

CHECKS: Mapping[Role, Sequence[str]] = {
    Role.SOURCE: (
        *("reachable", "clock", "credentials", "region", "list", "listing", "read", "checksums", "rights"),
        *SETTINGS[:2],
    ),
    Role.OUTPUT: (
        *("apart", "reachable", "clock", "credentials", "region", "list", "listing", "write", "read", "create_only"),
        *("multipart", "checksums", "abort", "delete", "parts", "uploads", *SETTINGS),
    ),
}
"""Of buckets, in the order of the report; folders have `space` and `mounts` in place of what they cannot have."""

_IMPATIENT = Retry(attempts=2, patience_s=5.0)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """How to examine. `retry` and the connection's times are short: a person is waiting."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    retry: Retry = _IMPATIENT
    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic

    def of(self, place: Place, *, sources: Sequence[Place] = ()) -> StoreReport:
        """All checks of one store; an output is held apart from `sources`. Raises Unsupported for a wrong URL."""
        checks = tuple(self._checks(place, sources))
        return StoreReport(role=place.role, url=place.url, checks=checks)

    def sweep(self, output: Place, older_than: timedelta) -> list[PendingUpload]:
        """Abort the uploads to an output that are older. Errors are those of `sweep_uploads`."""
        return sweep_uploads(self._open(output), older_than=older_than, now=self.now(), retry=self.retry)

    def _checks(self, place: Place, sources: Sequence[Place]) -> Iterator[Check]:
        apart = self._apart(place, sources)
        if apart.outcome is Outcome.FAIL:  # a probe would be written into a source
            yield from _ended(place, [apart])
            return
        if sources:
            yield apart
        try:
            store = self._open(place)
        except Denied as error:
            yield from _ended(place, [store_facts.credentials(place, error)])
            return
        prober = Prober(place=place, store=store, retry=self.retry, now=self.now, monotonic=self.monotonic)
        bucket, _ = bucket_inside(store)
        examiner = examiner_of(bucket)
        if place.is_cloud and examiner is not None:
            yield from self._bucket(prober, examiner)
        else:
            yield from self._folder(prober, examiner)

    def _open(self, place: Place) -> ObjectStore:
        connection = self._connection()
        if place.role is Role.OUTPUT:
            return open_store(place.url, environment=self.environment, connection=connection)
        return ReadOnlyStore(open_source(place.url, environment=self.environment, connection=connection))

    def _connection(self) -> Connection:
        return replace(Connection.from_environment(self.environment), read_s=10.0, complete_s=60.0)

    def _apart(self, place: Place, sources: Sequence[Place]) -> Check:
        for source in sources:
            try:
                require_urls_apart(self._url(source), self._url(place))
            except SettingsError as error:
                fix = "Choose an output with a prefix that lies beside the recordings, or in a bucket of another name."
                return fail("apart", str(error).partition(". ")[0], fix)
        return ok("apart", "the output lies outside of every source")

    def _url(self, place: Place) -> str:
        """Of a folder, where it really is. Buckets are not opened: a source whose keys are missing is a source too."""
        return place.url if place.is_cloud else self._open(place).url

    def _bucket(self, prober: Prober, examiner: Examiner) -> Iterator[Check]:
        place = prober.place
        reached = store_facts.reachable(place, reach(examiner.origin, self._connection()), examiner.origin)
        if reached.outcome is Outcome.FAIL:
            yield from _ended(place, [reached])
            return
        try:
            contact, ahead = self._contact(examiner)
        except StorageError as error:
            yield from _ended(place, [_unanswered(place, error)])
            return
        listing = _listing(prober)
        clock = store_facts.clock(place, ahead, listing if isinstance(listing, StorageError) else None)
        access = list(_access(place, contact, listing))
        elsewhere = any(check.name == "region" and check.outcome is Outcome.FAIL for check in access)
        if not _is_over(listing) and not elsewhere:
            yield from (reached, clock, *access)
            yield from _work(prober, listing, examiner.origin)
            yield from self._settings(place, examiner)
        elif clock.outcome is Outcome.FAIL:
            yield from _ended(place, [reached, clock])
        else:
            yield from _ended(place, [reached, clock, *access])

    def _settings(self, place: Place, examiner: Examiner) -> Iterator[Check]:
        try:
            facts = self.retry.call(examiner.facts)
        except StorageError as error:
            names = [name for name in CHECKS[place.role] if name in SETTINGS]
            yield from (skipped(name, error.detail) for name in names)
        else:
            yield from store_facts.settings(place, facts)

    def _contact(self, examiner: Examiner) -> tuple[Contact, timedelta | Unseen]:
        """Half a second is added, as the store's time has no fractions; the answer is taken to be half-way old."""
        began = self.now()
        contact = self.retry.call(examiner.contact)
        middle = began + (self.now() - began) / 2
        if isinstance(contact.answered_at, Unseen):
            return contact, contact.answered_at
        return contact, middle - contact.answered_at - timedelta(seconds=0.5)

    def _folder(self, prober: Prober, examiner: Examiner | None) -> Iterator[Check]:
        listing = _listing(prober)
        to_come = prober.place.role is Role.OUTPUT and isinstance(listing, NotFound)
        yield ok("list", "the first write makes the folder") if to_come else _listed(prober.place, listing)
        if to_come or not isinstance(listing, StorageError):
            yield from _work(prober, listing, "")
            yield from store_facts.folder(prober.place, examiner.facts() if examiner else BucketFacts())


def _listing(prober: Prober) -> Listing | StorageError:
    try:
        return prober.list_keys()
    except StorageError as error:
        return error


def _unanswered(place: Place, error: StorageError) -> Check:
    """Connections are taken, but not even a refusal comes back."""
    if isinstance(error, Denied):
        return fail("reachable", error.detail, refusal_fix(place, error.reason))
    fix = "Check region= and endpoint= in the store URL, and AFTERTAKE_PROXY if there is one."
    return fail("reachable", error.detail, fix)


def _is_over(listing: Listing | StorageError) -> bool:
    """Whether nothing else can work: anything but a key that may do other things than list."""
    if isinstance(listing, Denied):
        return listing.reason not in {Refusal.RIGHTS, Refusal.KMS} or listing.operation == "credentials"
    return isinstance(listing, StorageError)


def _access(place: Place, contact: Contact, listing: Listing | StorageError) -> Iterator[Check]:
    """What the first listing says of credentials, region and bucket."""
    error = listing if isinstance(listing, StorageError) else None
    credentials = store_facts.credentials(place, error)
    region = store_facts.region(place, contact, error)
    yield from (credentials, region)
    if Outcome.FAIL not in {credentials.outcome, region.outcome}:
        yield _listed(place, listing)


def _listed(place: Place, listing: Listing | StorageError) -> Check:
    if isinstance(listing, StorageError):
        return failed("list", place, listing)
    return ok("list", "the keys under the prefix" if place.prefix else "every key")


def _work(prober: Prober, listing: Listing | StorageError, origin: str) -> Iterator[Check]:
    """What a worker does with the store."""
    place = prober.place
    unlisted = "nothing could be listed"
    yield listing_cost(place, listing) if isinstance(listing, Listing) else skipped("listing", unlisted)
    if place.role is Role.OUTPUT:
        yield from prober.writing()
        yield from prober.multipart()
        yield prober.removing()
        yield prober.parts(origin)
        yield prober.uploads()
        return
    if isinstance(listing, Listing):
        yield from prober.read_one(listing.samples)
    else:
        yield from (skipped(name, unlisted) for name in ("read", "checksums"))
    yield prober.wide_rights()


def _ended(place: Place, checks: Sequence[Check]) -> Iterator[Check]:
    """These, and that nothing after them was looked at."""
    yield from checks
    cause = next((check.name for check in checks if check.outcome is Outcome.FAIL), checks[-1].name)
    done = {check.name for check in checks} | {"apart"}
    names = CHECKS[place.role] if place.is_cloud else ()
    yield from (skipped(name, f"first {cause} has to be right") for name in names if name not in done)

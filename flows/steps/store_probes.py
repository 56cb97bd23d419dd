"""Trying what a worker will do, with the worker's own calls.

A source is only read. An output is written below `doctor/`, always under the same few keys: a worker's key may delete
the files of exports alone, so every run writes over what the last one left, a few hundred bytes in all, instead of
adding to it. (A bucket that keeps versions keeps one of each run.) `catalog.layout` knows no such keys, and readers of
the output pass them by.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from flows.steps import store_facts
from flows.steps.store_checks import Check, Place, Role, counted, fail, failed, ok, skipped, warn
from storage.base import ObjectMeta, ObjectStore, PendingUpload
from storage.errors import AlreadyExists, Archived, Denied, NoSpace, NotFound, StorageError, Transient
from storage.keys import output_key
from storage.listing import listed
from storage.retry import Retry

PROBE = output_key("doctor/probe.txt")
UPLOAD = output_key("doctor/upload.txt")
PASSING = output_key("doctor/upload.txt.parts")
EXPORTED = output_key("exports/doctor/probe.mp4")
TEXT = b"`aftertake doctor` wrote this to see whether it can. It may be deleted at any time.\n"

MOST_KEYS = 10_000
"""How far a listing is counted."""
PAGE_KEYS = 1000
"""Keys that one request lists."""
RANGE_BYTES = 16
OLD = timedelta(days=1)
"""How long an upload may run before it counts as abandoned."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What was seen of a listing: at most MOST_KEYS keys, in `seconds`; `samples` are a first and the newest object."""

    count: int
    has_more: bool
    seconds: float
    samples: tuple[ObjectMeta, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prober:
    """One store with the means to try things; `now` is aware, `monotonic` counts seconds."""

    place: Place
    store: ObjectStore
    retry: Retry
    now: Callable[[], datetime]
    monotonic: Callable[[], float]

    def list_keys(self) -> Listing:
        """Count the keys under the prefix. Raises what `ObjectStore.list` raises."""
        began = self.monotonic()
        metas = list(islice(listed(self.store, retry=self.retry), MOST_KEYS + 1))
        seconds = self.monotonic() - began
        filled = [meta for meta in metas if meta.size_bytes] or metas
        newest = max(filled, key=lambda meta: meta.last_modified, default=None)
        samples = tuple(dict.fromkeys(meta for meta in (*filled[:1], newest) if meta))
        return Listing(count=len(metas), has_more=len(metas) > MOST_KEYS, seconds=seconds, samples=samples)

    def read_one(self, samples: Sequence[ObjectMeta]) -> Iterator[Check]:
        """A range and the headers of an object; of the newest one where the first lies in an archive."""
        if not samples:
            yield skipped("read", "there is no object under the prefix yet: let a recording arrive, and run it again")
            yield skipped("checksums", "there is no object yet")
            return
        try:
            meta = self._read_any(samples)
        except StorageError as error:
            yield self._failed("read", error)
            yield skipped("checksums", "nothing could be read")
            return
        yield self._read_well(meta, samples)
        yield store_facts.checksums(self.place, meta.checksums, meta.key)

    def _read_any(self, samples: Sequence[ObjectMeta]) -> ObjectMeta:
        for sample in samples[:-1]:
            with suppress(Archived):
                return self._ask(lambda sample=sample: self._read_start(sample))  # type: ignore[misc]
        return self._ask(lambda: self._read_start(samples[-1]))

    def _read_start(self, sample: ObjectMeta) -> ObjectMeta:
        """The bytes first: their refusal says why, that of a HEAD does not."""
        if sample.size_bytes:
            with self.store.open(sample.key, end=min(RANGE_BYTES, sample.size_bytes)) as body:
                body.read(RANGE_BYTES)
        return self.store.head(sample.key)

    def _read_well(self, meta: ObjectMeta, samples: Sequence[ObjectMeta]) -> Check:
        seen = f"a range of {meta.key} ({counted(meta.size_bytes, 'byte')})"
        if meta.key == samples[0].key:
            return ok("read", seen)
        archived = f"{samples[0].key} lies in an archive storage class; {seen}"
        return warn("read", archived, "Restore archived recordings before they are processed or checked again.")

    def writing(self) -> Iterator[Check]:
        """Put, read back, create-only."""
        try:
            self._ask(lambda: self.store.put(PROBE, TEXT))
        except StorageError as error:
            yield self._failed("write", error)
            yield from (skipped(name, "nothing could be written") for name in ("read", "create_only"))
            return
        yield ok("write", f"{PROBE} ({len(TEXT)} bytes)")
        yield self._tried("read", self._read_back)
        yield self._create_again()

    def _read_back(self) -> Check:
        meta = self.store.head(PROBE)
        with self.store.open(PROBE) as body:
            data = body.read(len(TEXT) + 1)
        if data == TEXT and meta.size_bytes == len(TEXT):
            return ok("read", "what was written")
        return fail("read", f"{PROBE} does not hold what was written to it", "Find out who else writes there.")

    def _create_again(self) -> Check:
        """A second create of a key must be refused."""
        try:
            self._ask(lambda: self.store.put(PROBE, TEXT, create_only=True))
        except AlreadyExists:
            asked = not self.store.capabilities.atomic_create
            return ok("create_only", "asked for before each write, as the URL says" if asked else "kept")
        except (Denied, NoSpace, Transient) as error:
            return self._failed("create_only", error)
        except StorageError as error:
            fix = "Write creates=asked into the store URL." if self.place.scheme == "s3" else error.advice
            return fail("create_only", f"a create was not understood: {error.detail}", fix)
        seen = "a second create of the same key was taken: the store does not keep the condition"
        if self.place.scheme == "s3":
            return warn("create_only", seen, "Write creates=asked into the store URL: then it is asked before.")
        return warn("create_only", seen, "Turn versioning off, or leave it: publishing does not rest on create-only.")

    def multipart(self) -> Iterator[Check]:
        """An upload in parts, what the store says of the object, and one that is given up."""
        yield self._tried("multipart", self._upload)
        yield self._tried("checksums", self._upload_checksums)
        yield self._tried("abort", self._give_up)

    def _upload(self) -> Check:
        upload = self.store.start_multipart(UPLOAD)
        try:
            upload.put_part(1, TEXT)
            upload.complete()
        except BaseException:
            with suppress(StorageError):
                upload.abort()
            raise
        return ok("multipart", f"{UPLOAD}, of one part")

    def _upload_checksums(self) -> Check:
        try:
            return store_facts.checksums(self.place, self.store.head(UPLOAD).checksums, "uploads in parts")
        except NotFound:
            return skipped("checksums", "nothing could be uploaded")

    def _give_up(self) -> Check:
        """One that an earlier run could not abort, rather than a new one: so they do not pile up."""
        left = list(self.store.list_uploads(UPLOAD))
        if not left:
            self.store.start_multipart(UPLOAD).abort()
        for upload in left:
            self.store.abort_upload(upload.key, upload.upload_id)
        return ok("abort", "an upload was given up")

    def removing(self) -> Check:
        """Whether the file of an export can be removed once nobody is to have it any longer."""
        return self._tried("delete", self._remove_exported)

    def _remove_exported(self) -> Check:
        self.store.put(EXPORTED, TEXT)
        self.store.delete(EXPORTED)
        return ok("delete", "the file of an export can be removed")

    def parts(self, origin: str) -> Check:
        """The rules for parts; with parts=equal, whether the passing object can be removed."""
        return store_facts.parts(self.place, origin) or self._tried("parts", self._remove_passing)

    def _remove_passing(self) -> Check:
        self.store.put(PASSING, TEXT)
        try:
            self.store.delete(PASSING)
        except Denied as error:
            return fail("parts", f"s3:DeleteObject is refused: {error.detail}", store_facts.GRANT_DELETE)
        return ok("parts", "of one size; the passing object can be removed")

    def uploads(self) -> Check:
        """Uploads that a killed worker left behind."""
        return self._tried("uploads", lambda: self._uploads(list(islice(self.store.list_uploads(), MOST_KEYS))))

    def _uploads(self, pending: Sequence[PendingUpload]) -> Check:
        old = sorted(
            (upload for upload in pending if self.now() - upload.started_at > OLD), key=lambda upload: upload.started_at
        )
        if not old:
            return ok("uploads", f"{counted(len(pending), 'upload')} under way, none older than a day")
        keys = ", ".join(upload.key for upload in old[:3]) + (", …" if len(old) > 3 else "")
        seen = f"{len(old)} abandoned, the oldest since {old[0].started_at:%Y-%m-%d}: {keys}"
        return warn("uploads", seen, "Run `aftertake doctor --sweep`, which aborts those that are older than 7 days.")

    def wide_rights(self) -> Check:
        """Whether a source's key can more than it needs, as far as that shows without a write."""
        if not self.place.is_cloud:
            return skipped("rights", "those of this user")
        try:
            next(iter(self.store.list_uploads(self.place.prefix)), None)
        except Denied:
            return ok("rights", "no more than needed, as far as reading shows")
        except StorageError as error:
            return skipped("rights", error.detail)
        advice = f"A key of its own with {self.place.policy} could not: then no mistake can harm a recording."
        return ok("rights", "this key may also list uploads", advice=advice)

    def _tried(self, name: str, attempt: Callable[[], Check]) -> Check:
        try:
            return self._ask(attempt)
        except StorageError as error:
            return self._failed(name, error)

    def _failed(self, name: str, error: StorageError) -> Check:
        return failed(name, self.place, error)

    def _ask(self, attempt: Callable[[], _Result]) -> _Result:
        return self.retry.call(attempt)


def listing_cost(place: Place, listing: Listing) -> Check:
    """What a full listing takes."""
    if not listing.count:
        return ok("listing", "no keys under the prefix")
    requests = -(-listing.count // PAGE_KEYS)
    asked = f"{counted(requests, 'request')} in " if place.is_cloud else ""
    per_page = f", {listing.seconds * PAGE_KEYS / listing.count:.2f} s per {PAGE_KEYS} keys" if requests > 1 else ""
    cost = f"{asked}{listing.seconds:.2f} s{per_page}"
    if not listing.has_more:
        return ok("listing", f"{counted(listing.count, 'key')}, {cost}")
    seen = f"more than {MOST_KEYS} keys, {cost}"
    if place.role is Role.OUTPUT:
        return ok("listing", seen)
    return warn("listing", seen, "Name a narrower prefix: a backfill lists all of it each time.")

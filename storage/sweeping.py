"""Abandoned uploads: what a killed worker leaves behind, costs money, and no listing of objects shows."""

from datetime import datetime, timedelta

from storage.base import ObjectStore, PendingUpload
from storage.equal_parts import BESIDE
from storage.listing import listed
from storage.retry import Retry


def sweep_uploads(
    store: ObjectStore, *, older_than: timedelta, now: datetime, prefix: str = "", retry: Retry | None = None
) -> list[PendingUpload]:
    """Abort the uploads below `prefix` that began more than `older_than` before `now`, and say which they were.

    Of a store with `equal_parts` the objects that such uploads pass through are deleted too; they are told under their
    own keys (`….parts`), without an `upload_id`. An upload that still runs must be younger: whoever sets `older_than`
    says so. Errors are those of `list_uploads`, `abort_upload`, `list` and `delete`, each tried as `retry` says; what
    was dropped before an error stays so.
    """
    policy = retry or Retry()
    pending = policy.call(lambda: list(store.list_uploads(prefix)))
    abandoned = [upload for upload in pending if now - upload.started_at > older_than]
    for upload in abandoned:
        policy.call(lambda upload=upload: store.abort_upload(upload.key, upload.upload_id))  # type: ignore[misc]
    if not store.capabilities.equal_parts:
        return abandoned
    passing = [one for one in _passing(store, prefix, policy) if now - one.started_at > older_than]
    for one in passing:
        policy.call(lambda one=one: store.delete(one.key))  # type: ignore[misc]
    return abandoned + passing


def _passing(store: ObjectStore, prefix: str, retry: Retry) -> list[PendingUpload]:
    """The objects beside final keys; they begin to be when the upload is nearly done."""
    return [
        PendingUpload(key=meta.key, upload_id="", started_at=meta.last_modified)
        for meta in listed(store, prefix, retry=retry)
        if meta.key.endswith(BESIDE)
    ]

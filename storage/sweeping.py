"""Abandoned uploads: what a killed worker leaves behind, costs money, and no listing of objects shows."""

from datetime import datetime, timedelta

from storage.base import ObjectStore, PendingUpload
from storage.retry import Retry


def sweep_uploads(
    store: ObjectStore, *, older_than: timedelta, now: datetime, prefix: str = "", retry: Retry | None = None
) -> list[PendingUpload]:
    """Abort the uploads below `prefix` that began more than `older_than` before `now`, and say which they were.

    An upload that still runs must be younger: whoever sets `older_than` says so. Errors are those of `list_uploads`
    and `abort_upload`, each tried as `retry` says; what was aborted before an error stays so.
    """
    policy = retry or Retry()
    pending = policy.call(lambda: list(store.list_uploads(prefix)))
    abandoned = [upload for upload in pending if now - upload.started_at > older_than]
    for upload in abandoned:
        policy.call(lambda upload=upload: store.abort_upload(upload.key, upload.upload_id))  # type: ignore[misc]
    return abandoned

"""Clear: nothing stands of an export that is over, but its certificate, which says for ever what was handed out."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from catalog.errors import LayoutError
from catalog.export_records import OVER
from catalog.exports import Exports
from catalog.layout import ExportKey, decode_key, export_prefix
from storage.base import ObjectMeta, ObjectStore
from storage.errors import NotFound, StorageError, Transient
from storage.listing import listed
from storage.retry import Retry
from storage.sweeping import sweep_uploads

_log = logging.getLogger(__name__)

ALL_EXPORTS: Final = "exports/"
STRANGE: Final = timedelta(days=1)
"""A file of this age is removed if the catalog knows no such export."""
_AT_ONCE: Final = 500
_IMPATIENT: Final = Retry(attempts=3, patience_s=5.0)
"""The next pass is a minute away, and exports have to end meanwhile."""
_AGAIN: Final = timedelta(minutes=10)
"""Until it is tried again to remove what a store did not let us remove."""


def clear_over(exports: Exports, output: ObjectStore, *, now: datetime) -> int:
    """Remove the files of exports that are over, and what is left of uploads to them; how many were looked at.

    What cannot be removed is tried again later, and holds up no other; while the store is away, all wait for the next
    pass.
    """
    due = exports.to_clear()
    for export in due:
        try:
            _clear(output, export.id, now)
        except StorageError as error:
            _log.error("the file of export %s is over and could not be removed: %s", export.id, error)
            exports.clear_later(export.id, look_in=_AGAIN)
            if isinstance(error, Transient):
                break
        else:
            exports.cleared(export.id)
    return len(due)


def sweep_files(exports: Exports, output: ObjectStore, *, now: datetime) -> int:
    """Remove all files of exports that are over, whoever wrote them however late, and old ones of unknown exports.

    How many that were. A worker may have been paused for long between its last look at its claim and the last request
    of its upload. Errors are those of `list` and `delete`.
    """
    found, swept = _files(output), 0
    while some := list(islice(found, _AT_ONCE)):
        states = exports.states({key.export for key, _ in some})  # asked after they were listed: none is younger
        for key, meta in some:
            state = states.get(key.export)
            if state in OVER or (state is None and now - meta.last_modified > STRANGE):
                output.delete(key.key)
                _log.warning("removed %s, whose export is %s", key.key, state or "unknown")
                swept += 1
    return swept


def _clear(output: ObjectStore, export: str, now: datetime) -> None:
    below = export_prefix(export)
    sweep_uploads(output, older_than=timedelta(0), now=now, prefix=below, retry=_IMPATIENT)
    for key, _ in _files(output, below, _IMPATIENT):
        output.delete(key.key)


def _files(
    output: ObjectStore, prefix: str = ALL_EXPORTS, retry: Retry | None = None
) -> Iterator[tuple[ExportKey, ObjectMeta]]:
    """What stands below, but for certificates and what we did not write; nothing in a folder that is not there yet."""
    with suppress(NotFound):
        for meta in listed(output, prefix, retry=retry):
            try:
                key = decode_key(meta.key)
            except LayoutError:
                continue
            if isinstance(key, ExportKey):
                yield key, meta

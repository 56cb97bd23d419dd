"""The steps of making an export: claim it, keep the claim while it is made, tell what came of it."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from catalog.errors import CatalogError, CatalogUnavailableError
from catalog.exports import Export, ExportClaim, ExportedFile, Exports
from catalog.layout import export_prefix
from flows.retry import is_transient, needs_a_person
from flows.steps.assembling import Progress
from flows.steps.linking import require_whole
from flows.steps.working import STALL, STOPPED, Kept, Taking, Worker, abort_below
from storage.errors import Changed, NotFound, StorageError

_log = logging.getLogger(__name__)

Make = Callable[[Worker, Export, Progress], ExportedFile]
"""See `flows.steps.making.make`."""

_PASSING: Final = tuple(timedelta(seconds=seconds) for seconds in (15, 120))
"""When to try again after failures that may pass; after the last one it has failed."""
_DIED: Final = tuple(timedelta(seconds=seconds) for seconds in (0, 60))
"""When to try again after workers that ended without a word."""
TOLD_EVERY_S: Final = 1.0
_AGAIN: Final = "Ask for it again: what there is to cut is told anew before it is made."
_PASSES: Final = "It is tried again by itself, a few times; after that, try it again once this is over."


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The file stands, and its certificate."""

    file: ExportedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It came to nothing; it is tried again in `look_in`, or (None) it has failed."""

    cause: str
    advice: str
    look_in: timedelta | None


class Making(Kept):
    """A claim on an export that is kept while it is made; `told` is the progress of that."""

    def __init__(self, worker: Worker, claim: ExportClaim) -> None:
        """`claim` has just been taken."""
        ttl = worker.settings.lease
        super().__init__(worker.catalog.claims, claim.lease, ttl=ttl, stall=STALL, on_stall=worker.on_stall)
        self._exports = worker.catalog.exports
        self.claim = claim
        self._done_bytes = 0
        self._told_at = time.monotonic()

    def begin(self) -> None:
        """Count the bytes from the first one again."""
        self._done_bytes = 0

    def told(self, size_bytes: int) -> None:
        """So many more bytes are made. Raises `LeaseLostError` soon after it was cancelled, or is somebody else's."""
        self.check()
        self._done_bytes += size_bytes
        if time.monotonic() - self._told_at >= TOLD_EVERY_S:
            with suppress(CatalogUnavailableError):  # as long as the claim is kept, the work goes on
                self._exports.progress(self.claim, self._done_bytes)
            self._told_at = time.monotonic()

    def hand_back(self, cause: str) -> None:
        """End the work for somebody else to do it, if the catalog can be told."""
        self.stop()
        with suppress(CatalogError):
            self._exports.hand_back(self.claim, cause=cause)


def taking(worker: Worker, export: str, run: str | None) -> Taking[ExportClaim]:
    """The taking of an export."""
    take = partial(worker.catalog.exports.take, export, holder=worker.name, ttl=worker.settings.lease, run=run)
    return Taking(take, lambda claim: Making(worker, claim).hand_back(STOPPED))


def take_back_dead(exports: Exports, *, actor: str) -> None:
    """Exports whose workers ended without a word are due again, or have failed after several tries."""
    for export in exports.take_back(
        actor=actor,
        cause="its worker ended without a word",
        advice="Try it again; if that happens again, see what the worker said last.",
        look_in=lambda tries: _DIED[min(tries, len(_DIED)) - 1],
    ):
        _log.warning("export %s: its worker ended without a word; it is %s now", export.id, export.state)


def abort_what_was_left(worker: Worker, making: Making) -> None:
    """Abort the uploads of tries before this one, which died."""
    export, began_at = making.claim.export.id, making.claim.lease.expires_at - worker.settings.lease
    abort_below(worker, [export_prefix(export)], making, name=f"export {export}", began_at=began_at)


def cut(make: Make, worker: Worker, making: Making) -> ExportedFile:
    """Make the file, from its first byte on, however often this is tried; what stands then is looked at."""
    making.begin()
    file = make(worker, making.claim.export, making.told)
    try:
        require_whole(worker.output, file)
    except NotFound as error:
        raise Changed("cut", file.key, "it was written, and is not there") from error
    making.check()
    return file


def what_failed(error: Exception, export: Export) -> Failed:
    """What an error means for an export; `export` is as it was claimed, so that it counts the try that failed."""
    cause = " ".join(str(error).split()) or type(error).__name__
    look_in = _PASSING[min(export.tries, len(_PASSING)) - 1]
    if is_transient(error):
        return Failed(cause=cause, advice=_PASSES, look_in=look_in)
    if needs_a_person(error):
        return Failed(cause=cause, advice=error.advice if isinstance(error, StorageError) else _AGAIN, look_in=None)
    _log.error("export %s: a fault of Aftertake", export.id, exc_info=error)
    cause = f"a fault of Aftertake: {type(error).__name__}: {cause}"
    return Failed(cause=cause, advice="Please report it.", look_in=look_in)


def conclude(worker: Worker, claim: ExportClaim, outcome: Made | Failed) -> Export:
    """Tell the catalog, and give up the claim. Raises `LeaseLostError`: then nothing was told."""
    exports = worker.catalog.exports
    match outcome:
        case Made(file=file):
            return exports.done(claim, file)
        case Failed(cause=cause, advice=advice, look_in=look_in):
            _log.warning("export %s: %s", claim.export.id, cause)
            return exports.fail(claim, cause=cause, advice=advice, look_in=look_in)

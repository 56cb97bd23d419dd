"""Exit codes, and which error means which."""

from enum import IntEnum

from catalog.errors import (
    CatalogTextError,
    CatalogUnavailableError,
    CatalogUrlError,
    CursorError,
    ExportStateError,
    LayoutError,
    LeaseLostError,
    QuotaError,
    UnknownDeliveryError,
    UnknownExportError,
    UnknownRecordingError,
)
from catalog.model import Verdict
from flows.settings import SettingsError
from flows.steps.downloading import InTheWayError, UnwritableError
from flows.steps.finding import NotFinalError, NothingFoundError
from flows.steps.publishing import StrangeManifestError
from flows.steps.refusing import NotReadyError, NotRecordedError, SelectionError
from flows.steps.unmade import UnmakeableError
from flows.steps.verifying import NoFileError, UnreadableFileError
from media.cut import NothingToCutError
from storage.errors import (
    AlreadyExists,
    Archived,
    Changed,
    Corrupt,
    Denied,
    InvalidKey,
    NoSpace,
    NotFound,
    Transient,
    Unsupported,
)
from vendors.recorder import BadCallError, GoneError, NoHandleError, NoSuchCallError, RefusedCallError, VendorDownError
from vendors.storage import StorageSettingsError


class Exit(IntEnum):
    """What the command answers to the shell."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    LOST = 3
    NOT_FOUND = 4
    TRY_AGAIN = 5
    REFUSED = 6
    NOT_FINAL = 7
    INTERRUPTED = 130


_ERRORS: tuple[tuple[type[Exception], Exit], ...] = (
    (NothingFoundError, Exit.NOT_FOUND),
    (NotFound, Exit.NOT_FOUND),
    (NoFileError, Exit.NOT_FOUND),
    (NotRecordedError, Exit.NOT_FOUND),
    (UnknownExportError, Exit.NOT_FOUND),
    (UnknownRecordingError, Exit.NOT_FOUND),
    (UnknownDeliveryError, Exit.NOT_FOUND),
    (GoneError, Exit.NOT_FOUND),
    (NoHandleError, Exit.REFUSED),
    (NotFinalError, Exit.NOT_FINAL),
    (NotReadyError, Exit.NOT_FINAL),
    (SelectionError, Exit.USAGE),
    (UnreadableFileError, Exit.USAGE),
    (SettingsError, Exit.USAGE),
    (Unsupported, Exit.USAGE),
    (InvalidKey, Exit.USAGE),
    (LayoutError, Exit.USAGE),
    (CursorError, Exit.USAGE),
    (CatalogTextError, Exit.USAGE),
    (CatalogUrlError, Exit.USAGE),
    (StorageSettingsError, Exit.USAGE),
    (NoSuchCallError, Exit.USAGE),
    (BadCallError, Exit.USAGE),
    (RefusedCallError, Exit.REFUSED),
    (VendorDownError, Exit.TRY_AGAIN),
    (CatalogUnavailableError, Exit.TRY_AGAIN),
    (LeaseLostError, Exit.TRY_AGAIN),
    (Transient, Exit.TRY_AGAIN),
    (Archived, Exit.TRY_AGAIN),
    (NoSpace, Exit.TRY_AGAIN),
    (Changed, Exit.TRY_AGAIN),
    (Corrupt, Exit.TRY_AGAIN),
    (Denied, Exit.REFUSED),
    (QuotaError, Exit.REFUSED),
    (ExportStateError, Exit.REFUSED),
    (AlreadyExists, Exit.REFUSED),
    (NothingToCutError, Exit.NOT_FOUND),
    (UnmakeableError, Exit.NOT_FOUND),
    (InTheWayError, Exit.REFUSED),
    (UnwritableError, Exit.REFUSED),
    (StrangeManifestError, Exit.REFUSED),
)


def exit_of_error(error: Exception) -> Exit:
    """The exit code of an error; `UNEXPECTED` means a fault of ours."""
    return next((code for kind, code in _ERRORS if isinstance(error, kind)), Exit.UNEXPECTED)


def exit_of_verdict(verdict: Verdict) -> Exit:
    """0 where nothing promised is lost (an empty recording is no error), 3 otherwise."""
    return Exit.OK if verdict in {Verdict.COMPLETE, Verdict.EMPTY} else Exit.LOST

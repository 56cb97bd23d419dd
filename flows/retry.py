"""Which failures pass by themselves: the one place that says whether another try may help."""

from catalog.errors import CatalogUnavailableError
from flows.settings import SettingsError
from flows.steps.finding import NothingFoundError
from flows.steps.publishing import StrangeManifestError
from flows.steps.rescuing import UnknownHostError
from flows.steps.unmade import UnmakeableError
from media.cut import NothingToCutError
from storage.errors import AlreadyExists, Archived, Changed, Corrupt, Denied, NoSpace, NotFound, Transient, Unsupported
from vendors.recorder import CallError, VendorDownError
from vendors.storage import StorageSettingsError

_PASSING = (VendorDownError, Transient, Changed, Corrupt, NoSpace, CatalogUnavailableError)
_FOR_A_PERSON = (
    SettingsError,
    NothingFoundError,
    StrangeManifestError,
    Denied,
    Archived,
    NotFound,
    AlreadyExists,
    Unsupported,
    UnknownHostError,
    CallError,
    StorageSettingsError,
    UnmakeableError,
    NothingToCutError,
)


def is_transient(error: BaseException) -> bool:
    """Whether the same may work in a while."""
    return isinstance(error, _PASSING)


def needs_a_person(error: BaseException) -> bool:
    """Whether it stays so until somebody changes rights, settings or the bucket; the error says which."""
    return isinstance(error, _FOR_A_PERSON)

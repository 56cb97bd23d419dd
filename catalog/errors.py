"""Errors of the catalog.

CatalogError
├── LayoutError    a key or an id that does not fit the layout of the output bucket
├── NamingError    a naming rule that cannot be used; whoever wrote the setting must change it
├── DocumentError  a stored document that cannot be read, or a value that must not be written
│   └── AlteredError    a document that was changed after it was written
├── CatalogUrlError          no catalog can be kept there; the setting must be changed
├── CatalogUnavailableError  the database does not answer; trying again may help
├── CatalogTextError         text that not every database can hold, such as one with a NUL character
├── UnknownRecordingError    no such recording in the catalog
├── UnknownExportError       no such export in the catalog
├── QuotaError               somebody has as many exports under way as one may
├── ExportStateError         the export is in no state in which that can be done
├── UnknownDeliveryError     no such delivery in the inbox
├── CursorError              a cursor that this search did not give
└── LeaseLostError           somebody else holds the lease by now: whoever meets this must end, and has changed nothing
"""


class CatalogError(ValueError):
    """Any error of the catalog."""


class LayoutError(CatalogError):
    """A key or an id does not fit the layout of the output bucket."""


class NamingError(CatalogError):
    """A naming rule cannot be used as it is written."""


class DocumentError(CatalogError):
    """A stored document cannot be read, or a value must not be written as one."""


class AlteredError(DocumentError):
    """A document does not have the digest that it states."""


class CatalogUrlError(CatalogError):
    """No catalog can be kept at this URL."""


class CatalogUnavailableError(CatalogError):
    """The database of the catalog does not answer."""


class CatalogTextError(CatalogError):
    """Some text cannot be held by every database."""


class UnknownRecordingError(CatalogError):
    """The catalog knows no such recording."""


class UnknownExportError(CatalogError):
    """The catalog knows no such export."""


class QuotaError(CatalogError):
    """Somebody has as many exports under way as one person may have."""


class ExportStateError(CatalogError):
    """The export is in no state in which that can be done; the message says in which, and what can be done."""


class UnknownDeliveryError(CatalogError):
    """The inbox has no such delivery."""


class CursorError(CatalogError):
    """A cursor was not given by this search."""


class LeaseLostError(CatalogError):
    """The lease under which something was to be written is no longer held; nothing was written."""

"""Errors of the catalog.

CatalogError
├── LayoutError    a key or an id that does not fit the layout of the output bucket
├── NamingError    a naming rule that cannot be used; whoever wrote the setting must change it
└── DocumentError  a stored document that cannot be read, or a value that must not be written
"""


class CatalogError(ValueError):
    """Any error of the catalog."""


class LayoutError(CatalogError):
    """A key or an id does not fit the layout of the output bucket."""


class NamingError(CatalogError):
    """A naming rule cannot be used as it is written."""


class DocumentError(CatalogError):
    """A stored document cannot be read, or a value must not be written as one."""

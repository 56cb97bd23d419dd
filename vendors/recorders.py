"""Recorders, opened by the vendor's name."""

from storage.connection import Connection
from vendors.recorder import Access, Recorder


def open_recorder(vendor: str, access: Access, *, connection: Connection) -> Recorder:
    """The recorder of a project."""
    raise NotImplementedError(vendor, access, connection)

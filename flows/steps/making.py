"""Make the file of an export: cut, proved and certified, from store to store."""

from flows.steps.assembling import Progress
from flows.steps.working import Worker

from catalog.exports import Export, ExportedFile


def make(worker: Worker, export: Export, progress: Progress) -> ExportedFile:
    """Write the file of an export and, before it appears, its certificate.

    `progress` is told of bytes of the file as they are made; what it raises ends the work, and leaves nothing under the
    key. Made again, it is the same bytes. Raises `CutDiffersError` if the file would not begin as it was told.
    """
    raise NotImplementedError

"""A maker of exports that is small and real: a few bytes, up in parts, behind a certificate. It can be held up."""

import hashlib
from collections.abc import Callable
from typing import Final

from catalog.export_request import ExportRequest
from catalog.exports import Export, ExportedFile
from flows.steps.assembling import Progress
from flows.steps.exporting import Make
from flows.steps.working import Worker
from storage.checksums import crc64_text, crc64xz
from storage.keys import output_key
from storage.retry import Retry
from storage.writing import StreamingUpload

PIECE_BYTES: Final = 400
POINTS: Final = ("piece", "certificate", "look", "complete", "completed")
"""Where it can be held up: before a piece, the certificate, the last look at the claim, the last request; after it."""


def bytes_of(request: ExportRequest) -> bytes:
    """What is made of a request: always the same."""
    return hashlib.shake_256(request.digest.encode()).digest(request.size_bytes)


def maker(hold_up: Callable[[str], object] = lambda _: None) -> Make:
    """One that tells `hold_up` where it is."""

    def make(worker: Worker, export: Export, progress: Progress) -> ExportedFile:
        data, key = bytes_of(export.request), output_key(export.key.key)
        beside = output_key(export.key.certificate)
        quick = Retry(attempts=1)
        with StreamingUpload(worker.output, key, piece_bytes=PIECE_BYTES, workers=1, retry=quick) as upload:
            for first in range(0, len(data), PIECE_BYTES):
                hold_up("piece")
                piece = data[first : first + PIECE_BYTES]
                upload.write(piece)
                progress(len(piece))
            hold_up("certificate")
            worker.output.put(beside, hashlib.sha256(data).hexdigest().encode())
            hold_up("look")
            progress(0)
            hold_up("complete")
            upload.complete(b"")
        hold_up("completed")
        return ExportedFile(
            key=key,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            crc64xz=crc64_text(crc64xz(data)),
            certificate=beside,
            has_gaps=False,
        )

    return make

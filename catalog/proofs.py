"""The proof file of a stream: gzipped JSON, one line a segment, in the order of the stream."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import PlainSerializer, TypeAdapter

from catalog.components import Component
from catalog.errors import DocumentError
from catalog.layout import SegmentsKey
from catalog.model import SegmentsFile
from catalog.wire import Count, Counts, Crc64, JsonObject, from_document, to_bytes, to_document, utc_text
from media.clock import WallClock

_LEVEL: Final = 9


def _clock_document(clock: WallClock | None) -> JsonObject | None:
    return None if clock is None else {"at": utc_text(clock.at), "source": clock.source.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentProof:
    """What is known of one segment.

    `proof` names what showed its bytes to be right (a checksum, or only their length). Size, etag, checksum and proof
    are None for what never came. Ticks (90 kHz, unwrapped, of the source) are those of the first and the last sample;
    `samples` are counted by track; `findings` are codes.
    """

    key: str
    size_bytes: Count | None
    etag: str | None
    crc64xz: Crc64 | None
    proof: str | None
    wall_clock: Annotated[WallClock | None, PlainSerializer(_clock_document)]
    first_tick: int | None
    last_tick: int | None
    samples: Counts
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFile:
    """An encoded proof file; `sha256` (hex) is that of `body`. Equal proofs give equal bytes."""

    body: bytes
    sha256: str

    def segments_key(self, vendor: str, task_id: Component, stream: Component) -> SegmentsKey:
        """Where it is stored."""
        return SegmentsKey(vendor=vendor, task_id=task_id, stream=stream, sha16=self.sha256[:16])

    def reference(self, key: SegmentsKey) -> SegmentsFile:
        """How the manifest names it."""
        return SegmentsFile(key=key.key, size_bytes=len(self.body), sha256=self.sha256)


_ADAPTER: Final = TypeAdapter(SegmentProof)


def encode_proofs(proofs: Iterable[SegmentProof]) -> ProofFile:
    """The proofs as one object, without a time stamp or a name in the gzip header (RFC 1952 §2.3.1)."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=packed, mtime=0) as lines:
        for proof in proofs:
            lines.write(to_bytes(to_document(_ADAPTER, proof)) + b"\n")
    body = packed.getvalue()
    return ProofFile(body=body, sha256=hashlib.sha256(body).hexdigest())


def decode_proofs(body: bytes) -> tuple[SegmentProof, ...]:
    """The proofs in a stored object; unknown fields are ignored. Raises `DocumentError` for anything else."""
    if not body:
        message = "is no proof file: it is empty"
        raise DocumentError(message)
    try:
        lines = gzip.decompress(body).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        message = f"is no proof file: {error}"
        raise DocumentError(message) from error
    return tuple(from_document(_ADAPTER, line) for line in lines)

"""The manifest as JSON (`manifest.schema.json`), and the digests that name it.

Writers put every field, compact, in the order of `catalog.model.Manifest`. Readers ignore unknown fields and read all
versions up to `VERSION`; a field that a later version adds has a default.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from pydantic import TypeAdapter

from catalog.errors import DocumentError
from catalog.model import Manifest, Verdict
from catalog.wire import (
    digest_of,
    from_document,
    parse_object,
    require_digest,
    require_schema,
    to_bytes,
    to_document,
)
from media.findings import Severity

VERSION: Final = 1
SCHEMA: Final = f"aftertake.manifest/{VERSION}"
MAX_BYTES: Final = 256 * 1024
"""What a manifest of 17 users and 24 hours stays below, and what a reader must be ready for."""

UNDIGESTED: Final = frozenset({"content_digest", "created_at", "trace_id", "software", "revision", "supersedes"})
"""Fields of the manifest that `content_digest` leaves out: who wrote it, when, and as which revision."""

_ADAPTER: Final = TypeAdapter(Manifest)


def to_json(manifest: Manifest) -> bytes:
    """The manifest as it is stored. `DocumentError` (our fault) if it contradicts itself or could not be read again."""
    contradictions = tuple(_contradictions(manifest))
    if contradictions:
        message = f"a manifest of {manifest.vendor} {manifest.task_id} contradicts itself: {'; '.join(contradictions)}"
        raise DocumentError(message)
    body = _body(manifest)
    from_document(_ADAPTER, body)  # dumping checks no values: a manifest nobody can read must not become a commit
    return body


def stored_bytes(manifest: Manifest) -> int:
    """How long its JSON is, whatever it says."""
    return len(_body(manifest))


def from_json(body: bytes) -> Manifest:
    """The manifest in a stored body.

    Raises `DocumentError` when it is none, was written by a newer version, or its content does not have its digest.
    """
    document = parse_object(body)
    require_schema(document, "manifest", VERSION)
    require_digest(document, "content_digest", UNDIGESTED)
    return from_document(_ADAPTER, body)


def content_digest(manifest: Manifest) -> str:
    """SHA-256, in hex, of what the manifest says of the recording; equal for equal results, whoever computed them."""
    return digest_of(to_document(_ADAPTER, manifest), UNDIGESTED)


def digest12(body: bytes) -> str:
    """First 12 hex digits of the SHA-256 of the manifest as stored."""
    return hashlib.sha256(body).hexdigest()[:12]


def _body(manifest: Manifest) -> bytes:
    document = to_document(_ADAPTER, manifest)
    return to_bytes({"schema": SCHEMA, "content_digest": digest_of(document, UNDIGESTED), **document}) + b"\n"


def _contradictions(manifest: Manifest) -> Iterator[str]:
    """A verdict is believed by people who never look further, so one that the rest belies is not written."""
    outputs = [output for stream in manifest.streams for output in stream.outputs]
    if outputs and not manifest.verdict.is_published:
        yield f"{manifest.verdict}, with {len(outputs)} outputs"
    if manifest.verdict is Verdict.COMPLETE:
        yield from _losses(manifest)
    if manifest.verdict.is_published:
        yield from (
            f"{manifest.verdict}, and the samples of {output.key} ({track.type}) do not add up"
            for output in outputs
            for track in output.tracks
            if not track.closes
        )


def _losses(manifest: Manifest) -> Iterator[str]:
    yield from (f"complete, with gaps in {stream.stream}" for stream in manifest.streams if stream.gaps)
    yield from (
        f"complete, with {finding.code} at {finding.where}"
        for finding in manifest.findings
        if finding.severity is Severity.ERROR
    )

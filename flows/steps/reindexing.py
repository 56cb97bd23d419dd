"""Reindex: the catalog from the manifests of the output, and what is derived from them where it is missing."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from catalog.components import encode_component
from catalog.errors import LayoutError
from catalog.layout import LatestKey, ManifestKey, decode_key, served
from catalog.model import Manifest, State, Verdict
from catalog.publishing import StoredDocument, index_documents, latest_document
from catalog.records import Queue, Recording
from flows.settings import Settings, Source
from flows.steps.publishing import StrangeManifestError, read_manifest
from storage.base import ObjectMeta, ObjectStore
from storage.errors import AlreadyExists, Archived, Changed, Corrupt, InvalidUrl, NotFound
from storage.keys import output_key
from storage.listing import listed
from storage.urls import StoreUrl
from storage.writing import put_proved

if TYPE_CHECKING:
    from catalog.index import Catalog

_log = logging.getLogger(__name__)

BATCH: Final = 200
READERS: Final = 8

Told = Callable[["Counts"], None]


@dataclass(slots=True, kw_only=True)
class Counts:
    """What was done so far. `unreadable` holds a sentence for each manifest that could not be taken in."""

    manifests: int = 0
    recordings: int = 0
    newer: int = 0
    derived: int = 0
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Revision:
    """A listed manifest; `manifest` is None where it could not be read, `fault` says why."""

    key: ManifestKey
    manifest: Manifest | None
    fault: str = ""


def reindex(catalog: "Catalog", settings: Settings, output: ObjectStore, told: Told) -> Counts:
    """Take in every revision below `manifests/`, and write the hints and pointers that are not there.

    `told` hears of the progress. Raises `StorageError` where the store cannot be read, `CatalogError`.
    """
    counts = Counts()
    derived = set(_keys(output, "index/"))
    with ThreadPoolExecutor(READERS, thread_name_prefix="manifest") as pool:
        for batch in _batches(_manifests(output, derived)):
            revisions = list(pool.map(lambda meta: _read(output, *meta), batch))
            _take_in(catalog, settings, revisions, counts)
            for _, group in groupby(revisions, key=_recording):
                _derive(output, list(group), derived, counts)
            told(counts)
    return counts


def _manifests(output: ObjectStore, derived: set[str]) -> Iterator[tuple[ManifestKey, ObjectMeta]]:
    """In the order of the listing, so that the revisions of a recording follow each other; hints join `derived`."""
    with suppress(NotFound):
        for meta in listed(output, "manifests/"):
            with suppress(LayoutError):
                match decode_key(meta.key):
                    case ManifestKey() as key:
                        yield key, meta
                    case LatestKey():
                        derived.add(meta.key)


def _keys(output: ObjectStore, prefix: str) -> Iterator[str]:
    with suppress(NotFound):
        yield from (meta.key for meta in listed(output, prefix))


def _batches(
    manifests: Iterable[tuple[ManifestKey, ObjectMeta]],
) -> Iterator[Sequence[tuple[ManifestKey, ObjectMeta]]]:
    """All revisions of a recording come in one batch."""
    batch: list[tuple[ManifestKey, ObjectMeta]] = []
    for _, group in groupby(manifests, key=lambda each: (each[0].vendor, each[0].task_id)):
        batch += group
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(output: ObjectStore, key: ManifestKey, meta: ObjectMeta) -> _Revision:
    """One revision; the ids in the manifest must be those of its key, or it would be taken for another's."""
    try:
        manifest = read_manifest(output, meta)
    except (StrangeManifestError, Archived, Changed, Corrupt, NotFound) as error:
        return _Revision(key=key, manifest=None, fault=str(error))
    said = (manifest.vendor, encode_component(manifest.task_id), manifest.revision)
    if said != (key.vendor, encode_component(key.task_id), key.revision):
        fault = f"what stands at {key.key} says that it is revision {manifest.revision} of {manifest.task_id}"
        return _Revision(key=key, manifest=None, fault=f"{fault}. Move it away: it was copied there by mistake.")
    return _Revision(key=key, manifest=manifest)


def _recording(revision: _Revision) -> tuple[str, str]:
    return revision.key.vendor, encode_component(revision.key.task_id)


def _take_in(catalog: "Catalog", settings: Settings, revisions: Sequence[_Revision], counts: Counts) -> None:
    read = [(each.manifest, each.key.key) for each in revisions if each.manifest]
    counts.newer += catalog.reindex(read)
    counts.manifests += len(read)
    counts.unreadable += [each.fault for each in revisions if each.manifest is None]
    newest = {manifest.recording: manifest for manifest, _ in read}
    counts.recordings += len(newest)
    for recording, manifest in newest.items():
        if source := _source(settings, manifest):
            name, cause = source.name, "source found"
            found = catalog.register(recording, state=State.HINTED, source=name, cause=cause, actor="reindex")
            if manifest.verdict is not Verdict.COMPLETE and found.due_at is None:
                _make_due(catalog, found)


def _make_due(catalog: "Catalog", recording: Recording) -> None:
    """What is lost may have come meanwhile."""
    reason = "its verdict was found in the output; what is lost may have come"
    catalog.make_due(recording.id, queue=Queue.BULK, actor="reindex", action="reindex", reason=reason)


def _source(settings: Settings, manifest: Manifest) -> Source | None:
    """The configured source that a manifest's folder is counted from, so that it can be processed again."""
    said = manifest.source
    with suppress(InvalidUrl, ValueError):
        if said.store == "file":
            root = Path(said.bucket).as_uri()
            return next((each for each in settings.sources_for(manifest.vendor) if each.store == root), None)
        fitting = replace(settings, sources=settings.sources_for(manifest.vendor))
        return fitting.source_of_url(StoreUrl(scheme=said.store, bucket=said.bucket, prefix=said.prefix).place)
    return None


def _derive(output: ObjectStore, revisions: Sequence[_Revision], there: set[str], counts: Counts) -> None:
    """Write what is missing beside the newest revision; nothing where a revision is unknown: it may be that one."""
    manifests = [(each.manifest, each.key) for each in revisions if each.manifest]
    if len(manifests) < len(revisions):
        return
    ordered = sorted(manifests, key=lambda each: (each[1].revision, each[1].digest12))
    first, (newest, key) = ordered[0][0], ordered[-1]
    documents: Iterable[StoredDocument] = (
        latest_document(newest, key.key),
        *index_documents(newest, key.key, first_published_at=first.created_at),
    )
    for document in documents:
        if document.key not in there:
            with suppress(AlreadyExists, Changed):  # a run wrote it meanwhile, and knows better
                _write(output, document)
                counts.derived += 1


def _write(output: ObjectStore, document: StoredDocument) -> None:
    put_proved(output, output_key(document.key), document.body, create_only=True, served=served(document.key))

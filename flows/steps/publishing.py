"""Publish: data first, manifest last. A reader who follows a manifest never meets a missing or a changing object."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Protocol
from urllib.parse import unquote, urlsplit

from catalog.errors import DocumentError
from catalog.layout import LAYOUT_VERSION, manifests_prefix, served
from catalog.manifest import content_digest, from_json
from catalog.model import (
    Manifest,
    Mode,
    RecordingId,
    Software,
    Source,
    StoredObject,
)
from catalog.publishing import (
    StoredDocument,
    index_documents,
    latest_document,
    manifest_document,
    next_revision,
    revisions,
    what_is_worse,
)
from catalog.records import Reservation
from flows.steps.accounts import Account, standing_accounts, without_outputs
from flows.steps.assembling import StreamResult
from flows.steps.bounding import fitting
from flows.steps.describing import bounded, describe_stream, findings_of, verdict_of
from flows.steps.planning import RecordingPlan
from flows.steps.presence import unrecorded
from media.assemble import LIBAV_VERSION
from media.findings import Severity
from storage.base import ObjectMeta, ObjectStore
from storage.errors import Changed, NotFound
from storage.keys import output_key
from storage.listing import listed
from storage.reading import VerifiedReader
from storage.retry import Retry
from storage.writing import put_proved
from vendors.base import ListedObject

_SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.NOTICE)


class StrangeManifestError(Exception):
    """A published manifest cannot be read, so nothing can be compared with it; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a run found, as a manifest, and the key of the manifest that stands now.

    Where an older revision was not replaced because this run was worse, `kept` says in what, and `standing` is the
    manifest under `key`; otherwise that is `manifest`.
    """

    manifest: Manifest
    key: str | None
    kept: str | None = None
    standing: Manifest | None = None

    @property
    def stands(self) -> Manifest:
        """The manifest that readers see."""
        return self.standing or self.manifest


def describe(source: ObjectStore, plan: RecordingPlan, results: Sequence[StreamResult]) -> Manifest:
    """The manifest that these results would get, as the first revision; nothing is written."""
    accounts = [
        Account(
            plan=result.plan,
            record=describe_stream(result, None, plan.presence),
            findings=findings_of(result),
            proofs=None,
        )
        for result in results
    ]
    return _manifest(source, plan, accounts, published=any(result.assembly.parts for result in results))


def standing_streams(target: ObjectStore, plan: RecordingPlan) -> Mapping[str, Account]:
    """By stream, the accounts that the newest published manifest gives, of those whose outputs are all still there."""
    standing = _revisions(target, plan.id)
    accounts = standing_accounts(plan, standing[-1][0]) if standing else {}
    return {name: account for name, account in accounts.items() if _are_there(target, account)}


def _are_there(target: ObjectStore, account: Account) -> bool:
    try:
        return all(
            Retry().call(lambda key=output.key: target.head(key)).size_bytes == output.size_bytes  # type: ignore[misc]
            for output in account.record.outputs
        )
    except NotFound:
        return False


class Licence(Protocol):
    """Says whether this is still ours to publish, and under which number."""

    def number(self, content_digest: str, *, newest: int) -> Reservation:
        """For the content with this digest, after the revision `newest` (0: the first)."""

    def confirm(self) -> None:
        """Raise if somebody else publishes by now."""


class Unasked:
    """Without a catalog nobody else is asked: the next number is that of the listing."""

    def number(self, content_digest: str, *, newest: int) -> Reservation:  # noqa: ARG002
        """See Licence."""
        return Reservation(revision=newest + 1, created_at=_now())

    def confirm(self) -> None:
        """See Licence."""


def publish(
    source: ObjectStore,
    target: ObjectStore,
    plan: RecordingPlan,
    accounts: Sequence[Account],
    licence: Licence,
) -> Published:
    """Segment proofs, then the manifest, then what is derived from it.

    The licence is asked before the manifest, and before the hints: who slept must not put hints at an older revision in
    the place of newer ones.
    The same content is not published twice, and a published revision is never replaced by a worse one. Where a stream
    is held, nothing is published but the manifest that says so.
    """
    if any(account.is_held for account in accounts):
        accounts = [without_outputs(account) for account in accounts]
    manifest = _manifest(source, plan, accounts, published=any(account.record.outputs for account in accounts))
    standing = _revisions(target, plan.id)
    if standing:
        newest, key = standing[-1]
        if content_digest(newest) == content_digest(manifest):
            licence.confirm()
            _derive(target, newest, key, first=standing[0][0])
            return Published(manifest=newest, key=key)
        if worse := what_is_worse(newest, manifest):
            return Published(manifest=manifest, key=key, kept="; ".join(worse), standing=newest)
        manifest = next_revision(manifest, newest, key)
    reserved = licence.number(content_digest(manifest), newest=manifest.revision - 1)
    manifest = replace(manifest, revision=reserved.revision, created_at=reserved.created_at)
    for proofs in (account.proofs for account in accounts if account.proofs):
        _put(target, proofs)
    document = manifest_document(manifest)
    licence.confirm()
    _put(target, document)
    licence.confirm()
    _derive(target, manifest, document.key, first=standing[0][0] if standing else manifest)
    return Published(manifest=from_json(document.body), key=document.key)


def _revisions(target: ObjectStore, recording: RecordingId) -> list[tuple[Manifest, str]]:
    """The first and the newest published manifest with their keys; nothing before the first revision."""
    try:
        metas = {meta.key: meta for meta in listed(target, manifests_prefix(recording.vendor, recording.task_id))}
    except NotFound:
        return []
    known = revisions(recording, metas)
    return [(read_manifest(target, metas[k.key]), k.key) for k in (*known[:1], *known[-1:])]


def read_manifest(target: ObjectStore, meta: ObjectMeta) -> Manifest:
    """A published manifest. Raises `StrangeManifestError` if that is not what stands there."""
    try:
        return from_json(bytes(VerifiedReader(target).read(meta)[0]))
    except DocumentError as error:
        message = f"what stands at {meta.key} cannot be read: it {error}. Move it away, or choose another output."
        raise StrangeManifestError(message) from error


def _put(target: ObjectStore, document: StoredDocument) -> None:
    """Write an immutable object; one that stands there already has the same bytes, because its key is their digest."""
    put_proved(target, output_key(document.key), document.body, create_only=True, served=served(document.key))


def _derive(target: ObjectStore, manifest: Manifest, key: str, *, first: Manifest) -> None:
    documents = (latest_document(manifest, key), *index_documents(manifest, key, first_published_at=first.created_at))
    for document in documents:
        with suppress(Changed):  # another run wrote the same hint meanwhile
            put_proved(target, output_key(document.key), document.body, served=served(document.key))


def _manifest(source: ObjectStore, plan: RecordingPlan, accounts: Sequence[Account], *, published: bool) -> Manifest:
    records = [account.record for account in accounts]
    not_recorded = unrecorded(plan.objects, plan.presence)
    findings = (*plan.findings, *not_recorded, *(finding for account in accounts for finding in account.findings))
    ordered = tuple(sorted(findings, key=lambda f: _SEVERITIES.index(f.severity)))
    starts = [r.started_at for r in records if r.started_at]
    ends = [r.ended_at for r in records if r.ended_at]
    manifest = Manifest(
        vendor=plan.id.vendor,
        task_id=plan.id.task_id,
        room=plan.objects.room,
        mode=Mode(plan.objects.mode),
        revision=1,
        supersedes=None,
        verdict=verdict_of(records, ordered, published=published, held=any(account.is_held for account in accounts)),
        created_at=_now(),
        trace_id=None,
        started_at=min(starts, default=None),
        ended_at=max(ends, default=None),
        source=_source(source, plan, accounts),
        streams=tuple(records),
        findings=bounded(ordered),
        orphans=_stored(plan.orphans),
        side_files=_stored(plan.objects.side_files),
        software=software(),
    )
    return fitting(manifest, ordered)


def software() -> Software:
    """What writes."""
    return Software(aftertake=version("aftertake"), libav=LIBAV_VERSION, layout=LAYOUT_VERSION)


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _source(source: ObjectStore, plan: RecordingPlan, accounts: Sequence[Account]) -> Source:
    url = urlsplit(source.url)
    return Source(
        store=url.scheme,
        bucket=unquote(url.netloc or url.path),
        prefix=plan.objects.folder,
        playlists=tuple(playlist for account in accounts for playlist in account.plan.playlists),
    )


def _stored(objects: Sequence[ListedObject]) -> tuple[StoredObject, ...]:
    return tuple(StoredObject(key=listed.key, size_bytes=listed.size_bytes) for listed in objects)

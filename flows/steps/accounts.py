"""Accounts: each stream as a manifest tells it, whether it was just assembled or stands published already.

What was published of a stream follows from its assembly plan alone, and the plan's digest is in the keys of its
outputs. So a stream whose plan is still the same is not read again when another one of its recording has changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from catalog.layout import MediaName
from catalog.model import Manifest, StreamRecord
from catalog.proofs import encode_proofs
from catalog.publishing import StoredDocument
from flows.steps.assembling import StreamResult
from flows.steps.describing import describe_stream, findings_of, segment_proofs
from flows.steps.planning import RecordingPlan, StreamPlan
from media.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One stream: its record, and all that was found of it. `proofs` are to be stored; None where they are already."""

    plan: StreamPlan
    record: StreamRecord
    findings: tuple[Finding, ...]
    proofs: StoredDocument | None
    is_held: bool = False


def account_of(plan: RecordingPlan, result: StreamResult) -> Account:
    """The account of what was just assembled."""
    proofs = encode_proofs(segment_proofs(result))
    key = proofs.segments_key(plan.id.vendor, plan.id.task_id, result.plan.objects.stream)
    return Account(
        plan=result.plan,
        record=describe_stream(result, proofs.reference(key), plan.presence),
        findings=findings_of(result),
        proofs=StoredDocument(key=key.key, body=proofs.body),
        is_held=result.is_held,
    )


def without_outputs(account: Account) -> Account:
    """The same, with nothing published of it."""
    return replace(account, record=replace(account.record, outputs=()))


def standing_accounts(plan: RecordingPlan, standing: Manifest) -> Mapping[str, Account]:
    """By stream, the accounts of those that `standing` has published from the very plan that they have now."""
    if any(not finding.where for finding in standing.findings):
        return {}  # they were summed up, and nobody can tell any more whose they are
    records = {record.stream: record for record in standing.streams}
    return {
        stream.assembly.stream: Account(
            plan=stream,
            record=records[stream.assembly.stream],
            findings=tuple(_findings(stream, records[stream.assembly.stream], standing)),
            proofs=None,
        )
        for stream in plan.streams
        if stream.assembly.stream in records and _is_of(stream, records[stream.assembly.stream])
    }


def _is_of(stream: StreamPlan, record: StreamRecord) -> bool:
    names = [MediaName.from_end_of(output.key) for output in record.outputs]
    return bool(names) and all(name is not None and name.plan16 == stream.assembly.digest[:16] for name in names)


def _findings(stream: StreamPlan, record: StreamRecord, standing: Manifest) -> Iterator[Finding]:
    """Those about an object of the stream; what its playlists are found to be is known anew."""
    yield from stream.findings
    about = {segment.key for segment in stream.assembly.segments} | {stream.assembly.stream}
    about |= {playlist.key for playlist in stream.playlists} | {output.key for output in record.outputs}
    yield from (each for each in standing.findings if each.where in about and each not in stream.findings)

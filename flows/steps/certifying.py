"""Certify: what a clip was cut from and what is not in it, from the manifest and the proofs of its segments."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from catalog.certificate import CertifiedClip, CertifiedFile, CertifiedTrack, SourceSegment
from catalog.export_request import Clip
from catalog.manifest import from_json
from catalog.model import Manifest, Span, StreamRecord
from catalog.proofs import SegmentProof, decode_proofs
from flows.steps.cutting import CutMovie
from media.cut import Cut
from media.mp4.check import check
from media.timing import TICKS_PER_SECOND
from storage.base import ObjectStore
from storage.reading import read_standing

_NEAR: Final = timedelta(seconds=1)
"""How exact the times in the names of segments are, at worst."""
AnySpan = TypeVar("AnySpan", bound=Span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of the stream of a clip: its record, where that stands, and the segments it came from."""

    record: StreamRecord
    manifest_sha256: str | None
    segments: tuple[SourceSegment, ...]


def told_by_manifest(target: ObjectStore, clip: Clip, manifest: str) -> Told:
    """What the published manifest of a clip says of its stream."""
    body = read_standing(target, manifest)
    record = stream_of(from_json(body), clip)
    file = record.segments.file
    proofs = decode_proofs(read_standing(target, file.key)) if file else ()
    return Told(
        record=record,
        manifest_sha256=hashlib.sha256(body).hexdigest(),
        segments=tuple(map(_source_segment, _within(proofs, clip.starts_at, clip.ends_at))),
    )


def stream_of(manifest: Manifest, clip: Clip) -> StreamRecord:
    """The record of the clip's stream."""
    return next(record for record in manifest.streams if record.stream == clip.stream)


def certified_clip(clip: Clip, told: Told, movie: CutMovie, file: CertifiedFile) -> CertifiedClip:
    """All that is said of one clip."""
    record = told.record
    return CertifiedClip(
        file=file,
        vendor=clip.vendor,
        task_id=clip.task_id,
        room=clip.room,
        stream=clip.stream,
        user=clip.user,
        manifest=clip.manifest,
        manifest_sha256=told.manifest_sha256,
        content_digest=clip.content_digest,
        from_s=clip.from_s,
        to_s=clip.to_s,
        starts_at_s=clip.starts_at_s,
        ends_at_s=clip.ends_at_s,
        zero_s=clip.zero_s,
        starts_at=clip.starts_at,
        ends_at=clip.ends_at,
        clock=record.clock.source.value if record.clock.source else None,
        tracks=tuple(_tracks(movie.cut)),
        cut_from=movie.movie.cut_from,
        segments_file=record.segments.file.key if record.segments.file else None,
        segments=told.segments,
        gaps=_in_clip(record.gaps, clip),
        absences=_in_clip(record.absences, clip),
        impaired=_in_clip(record.impaired, clip),
    )


def _tracks(cut: Cut) -> Iterator[CertifiedTrack]:
    """What was taken of each, and when it is shown by the head of the file itself, as whoever verifies it reads it."""
    report = check(cut.head, cut.media_bytes)
    for track, found in zip(cut.tracks, report.tracks, strict=True):
        yield CertifiedTrack(
            type=track.type,
            codec=track.codec,
            copied=track.copied,
            inserted=track.inserted,
            starts_at_s=round(float(found.starts_at), 6),
            ends_at_s=round(float(found.ends_at), 6),
        )


def _in_clip(spans: Iterable[AnySpan], clip: Clip) -> tuple[AnySpan, ...]:
    """What lies in the time that was asked for, or in that which the file holds."""
    begin, end = min(clip.from_s, clip.starts_at_s), max(clip.to_s, clip.ends_at_s)
    return tuple(span for span in spans if span.from_s < end and span.to_s > begin)


def _within(proofs: Sequence[SegmentProof], since: datetime | None, until: datetime | None) -> Iterator[SegmentProof]:
    """Those that may have a part in the time between; all of them where there is no clock to tell."""
    end: datetime | None = None
    for proof in proofs:
        begin = proof.wall_clock.at if proof.wall_clock else end
        if begin is None or since is None or until is None:
            yield proof
            continue
        end = begin + _length(proof)
        if begin - _NEAR < until and end + _NEAR > since:
            yield proof


def _length(proof: SegmentProof) -> timedelta:
    if proof.first_tick is None or proof.last_tick is None:
        return _NEAR
    return timedelta(seconds=(proof.last_tick - proof.first_tick) / TICKS_PER_SECOND)


def _source_segment(proof: SegmentProof) -> SourceSegment:
    return SourceSegment(
        key=proof.key, size_bytes=proof.size_bytes, etag=proof.etag, crc64xz=proof.crc64xz, proof=proof.proof
    )

"""Certificates with made-up files for the tests: small by default, every field open to change."""

# ruff: noqa: ANN401 - the changes are whatever fields the value has

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from catalog.certificate import Asked, Certificate, CertifiedClip, CertifiedFile, CertifiedTrack, CutFrom, SourceSegment
from catalog.export_request import ExportMode
from catalog.model import Software
from tests.catalog.builders import SID, at


def file(name: str) -> CertifiedFile:
    return CertifiedFile(name=name, size_bytes=1_000, sha256="ab" * 32, crc64xz="995dc9bbdf1939fa")


def clip(name: str = "a.mp4", **changes: Any) -> CertifiedClip:
    base = CertifiedClip(
        file=file(name),
        vendor="agora",
        task_id=SID,
        room="math-7",
        stream="7",
        user="7",
        manifest=f"manifests/agora/{SID}/000001-0123456789ab.json",
        manifest_sha256="cd" * 32,
        content_digest="ef" * 32,
        from_s=10.0,
        to_s=20.0,
        starts_at_s=8.0,
        ends_at_s=20.04,
        zero_s=8.0,
        starts_at=at(8.0),
        ends_at=at(20.04),
        clock="slice_name",
        tracks=(
            CertifiedTrack(type="video", codec="avc1", copied=300, inserted=0, starts_at_s=0.0, ends_at_s=12.04),
            CertifiedTrack(type="audio", codec="mp4a", copied=500, inserted=2, starts_at_s=0.0, ends_at_s=12.02),
        ),
        cut_from=(
            CutFrom(
                key=f"media/agora/{SID}/7/0123456789abcdef.mp4",
                size_bytes=7_654_321,
                etag='"e1"',
                crc64xz="995dc9bbdf1939fa",
                parts_sha256="ab" * 32,
                proof="length",
                read_bytes=54_321,
            ),
        ),
        segments_file=f"segments/agora/{SID}/7/0123456789abcdef.jsonl.gz",
        segments=(SourceSegment(key="rec/a.ts", size_bytes=188, etag='"e"', crc64xz=None, proof="length"),),
        gaps=(),
        absences=(),
        impaired=(),
    )
    return replace(base, **changes)


def certificate(*clips: CertifiedClip, **changes: Any) -> Certificate:
    """One MP4 where no clips are given, otherwise an archive of those."""
    held = clips or (clip(),)
    base = Certificate(
        export="0" * 32,
        mode=ExportMode.SEPARATE if clips else ExportMode.FAST,
        made_at=datetime(2026, 5, 4, 9, 0, 0, tzinfo=UTC),
        asked=(Asked(by="ada@desk", at=datetime(2026, 5, 4, 8, 59, 0, tzinfo=UTC), reason="complaint 12"),),
        from_utc=at(10.0),
        to_utc=at(20.0),
        file=file("export.zip") if clips else held[0].file,
        clips=held,
        software=Software(aftertake="0.1.0", libav="62.3.100", layout="1"),
    )
    return replace(base, **changes)

"""Catalog values with made-up ids for the tests: small by default, every field open to change."""

# ruff: noqa: ANN401 - the changes are whatever fields the value has

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from catalog.model import (
    Absence,
    Cause,
    ClockAnchor,
    Evidence,
    Gap,
    Impaired,
    Manifest,
    Mode,
    Output,
    OutputTrack,
    PlaylistObject,
    Rotation,
    SegmentsFile,
    SegmentsSummary,
    Software,
    Source,
    StoredObject,
    StreamClock,
    StreamKind,
    StreamRecord,
    StreamTrack,
    TrimmedOverlap,
    Verdict,
)
from media.clock import ClockSource
from media.findings import finding

START = datetime(2026, 5, 3, 14, 0, 11, 250_000, tzinfo=UTC)
SID = "5f0c1e7ab2d34c5e8f9a0b1c2d3e4f50"


def at(seconds: float) -> datetime:
    return START + timedelta(milliseconds=round(seconds * 1000))


def gap(from_s: float = 12.0, to_s: float = 24.0, **changes: Any) -> Gap:
    base = Gap(
        track="both",
        from_s=from_s,
        to_s=to_s,
        from_utc=at(from_s),
        to_utc=at(to_s),
        cause=Cause.MISSING,
        segment=f"rec/{SID}_math-7_20260503140023250.ts",
    )
    return replace(base, **changes)


def absence(from_s: float = 40.0, to_s: float = 55.5, **changes: Any) -> Absence:
    base = Absence(
        track="video",
        from_s=from_s,
        to_s=to_s,
        from_utc=at(from_s),
        to_utc=at(to_s),
        evidence=Evidence.TRACK_START,
    )
    return replace(base, **changes)


def rotation(from_s: float = 0.0, **changes: Any) -> Rotation:
    base = Rotation(from_s=from_s, from_utc=at(from_s), degrees=90, width=640, height=480, applied=True)
    return replace(base, **changes)


def output_track(**changes: Any) -> OutputTrack:
    base = OutputTrack(
        type="video",
        codec="avc1.64001f",
        samples_in=1_500,
        trimmed=10,
        dropped=4,
        inserted=0,
        samples_out=1_486,
        starts_at_s=0.04,
        ends_at_s=900.04,
    )
    return replace(base, **changes)


def output(**changes: Any) -> Output:
    base = Output(
        key=f"media/agora/{SID}/mix/0123456789abcdef.mp4",
        size_bytes=7_654_321,
        crc64xz="995dc9bbdf1939fa",
        parts_sha256="ab" * 32,
        duration_s=60.023_222,
        container="mp4",
        progressive=True,
        tracks=(output_track(),),
    )
    return replace(base, **changes)


def stream(name: str = "mix", **changes: Any) -> StreamRecord:
    base = StreamRecord(
        stream=name,
        user=None,
        kind=StreamKind.MIXED,
        tracks=(StreamTrack(type="video", codec="h264", width=640, height=360),),
        started_at=START,
        ended_at=at(60),
        duration_s=60.0,
        clock=StreamClock(
            source=ClockSource.SLICE_NAME, anchors=(ClockAnchor(media_s=0.0, utc=START),), drift_ppm=-12.5
        ),
        segments=SegmentsSummary(
            count=5,
            size_bytes=7_700_000,
            proofs={"length": 1, "crc64xz": 4},
            file=SegmentsFile(key="segments/agora/x/mix/00.jsonl.gz", size_bytes=812, sha256="cd" * 32),
        ),
        gaps=(),
        absences=(absence(),),
        impaired=(Impaired(track="video", from_s=1.0, to_s=2.0, from_utc=None, to_utc=None, segment=None),),
        overlaps_trimmed=(TrimmedOverlap(track="audio", at_s=30.0, duration_s=0.4, segment="rec/late.ts"),),
        outputs=(output(),),
        rotations=(rotation(), rotation(30.5, degrees=0, width=None, height=None, applied=False)),
    )
    return replace(base, **changes)


def manifest(*streams: StreamRecord, **changes: Any) -> Manifest:
    base = Manifest(
        vendor="agora",
        task_id=SID,
        room="math-7",
        mode=Mode.MIXED,
        revision=1,
        supersedes=None,
        verdict=Verdict.COMPLETE,
        created_at=datetime(2026, 5, 3, 15, 2, 3, 456_000, tzinfo=UTC),
        trace_id="4bf92f3577b34da6",
        started_at=START,
        ended_at=at(60),
        source=Source(
            store="file",
            bucket="calls",
            prefix="rec/",
            playlists=(PlaylistObject(key="rec/a.m3u8", size_bytes=900, etag='"e1"', role="media"),),
        ),
        streams=streams or (stream(),),
        findings=(finding("unmarked_pause", "rec/a.m3u8", "15.5 s between two slices"),),
        orphans=(StoredObject(key="rec/stray.ts", size_bytes=188),),
        side_files=(StoredObject(key="rec/a_0.mp4", size_bytes=9_000),),
        software=Software(aftertake="0.1.0", libav="62.3.100", layout="1"),
    )
    return replace(base, **changes)

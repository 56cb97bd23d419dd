"""Plan: what belongs to a recording, which segments its playlists promise, and whether it is over.

LIST and the playlists are all that is read here; everything after that is pure.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from catalog.events import NOTHING_SAID, Vouched, Word
from catalog.model import PlaylistObject, RecordingId
from flows.steps.finding import NothingFoundError
from flows.steps.promises import broken_promises, unkept_of
from media.assemble import LIBAV_VERSION
from media.findings import Finding, finding
from media.playlist import MAX_PLAYLIST_BYTES, MediaPlaylist, MultivariantError, PlaylistError, Segment, parse
from media.timing import ticks
from media.tracks import FAILOVER_MARK, AssemblyPlan, PlannedSegment
from media.uris import Resolution, Rule, resolve
from storage.base import ObjectMeta, ObjectStore
from storage.errors import Changed, NotFound
from storage.listing import listed
from storage.reading import VerifiedReader
from storage.retry import Retry
from vendors.base import ListedObject, ObjectName, RecordingObjects, StreamObjects
from vendors.registry import VENDORS

_ORIGINAL = -1
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class OnlyVariantsError(NothingFoundError):
    """The playlists of a recording only name other playlists, which are recordings of their own."""


class NotFinalError(Exception):
    """The recording is not over, or is still being written; the message says what shows it and what to do.

    `damage_digest` is the digest of the plan, if damage is what it may still be uploaded anew for.
    """

    def __init__(self, message: str, damage_digest: str | None = None) -> None:
        """`message` is a sentence."""
        super().__init__(message)
        self.damage_digest = damage_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """One output to be: its objects, its assembly plan, and what its playlists lacked."""

    objects: StreamObjects
    assembly: AssemblyPlan
    playlists: tuple[PlaylistObject, ...]
    findings: tuple[Finding, ...]
    has_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPlan:
    """One recording before a media byte is read; `metas` has every listed object by key.

    `unkept` are the playlists that the vendor has named and that are not there.
    """

    objects: RecordingObjects
    streams: tuple[StreamPlan, ...]
    metas: Mapping[str, ObjectMeta]
    orphans: tuple[ListedObject, ...]
    findings: tuple[Finding, ...]
    newest: datetime
    unkept: tuple[str, ...] = ()

    @property
    def id(self) -> RecordingId:
        """Vendor and task id."""
        return RecordingId(vendor=self.objects.vendor, task_id=self.objects.task_id)

    @property
    def digest(self) -> str:
        """Of all that a verdict follows from: plans of the streams, versions of their playlists, promises not kept."""
        parts = sorted(
            (s.assembly.stream, s.assembly.digest, *(f"{p.key} {p.etag}" for p in s.playlists)) for s in self.streams
        )
        parts += [("", name) for name in self.unkept]
        return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()

    @property
    def missing(self) -> frozenset[str]:
        """The keys of the slices that were promised and are not there."""
        segments = (segment for stream in self.streams for segment in stream.assembly.segments)
        return frozenset(segment.key for segment in segments if segment.absent == "segment_missing")

    @property
    def open_end(self) -> str | None:
        """What keeps the recording from being over, as a clause; None where every playlist has its end."""
        if self.streams and all(stream.has_end for stream in self.streams):
            return None
        unread = [f.where for s in self.streams for f in s.findings if f.code == "playlist_unreadable"]
        if unread:
            return f"playlist {unread[0]} cannot be read"
        named = [s.playlists[0].key for s in self.streams if s.playlists and not s.has_end]
        return f"playlist {named[0]} has no #EXT-X-ENDLIST" if named else "no playlist names its slices"


def plan_recording(
    store: ObjectStore, objects: RecordingObjects, metas: Mapping[str, ObjectMeta], vouched: Vouched = NOTHING_SAID
) -> RecordingPlan:
    """Read the playlists of a recording and plan its streams; `vouched` is what its vendor has said of it."""
    planned = [plan for stream in objects.streams if (plan := _plan_stream(store, objects, stream, metas))]
    if not planned and any(stream.playlists for stream in objects.streams):
        index = objects.streams[0].playlists[0].key
        message = f"playlist {index} only names other playlists. Point to the folder that holds those and their slices."
        raise OnlyVariantsError(message)
    named = {segment.key for stream in planned for segment in stream.assembly.segments}
    orphans = tuple(listed for listed in objects.segments if listed.key not in named)
    known = [*objects.segments, *(p for s in objects.streams for p in s.playlists)]
    unkept = unkept_of(objects, vouched, metas)
    return RecordingPlan(
        objects=objects,
        streams=tuple(planned),
        metas=metas,
        orphans=orphans,
        findings=(*_findings(objects, planned, orphans, vouched), *broken_promises(unkept, vouched, metas)),
        newest=max((listed.last_modified for listed in known), default=_BEFORE_ALL),
        unkept=unkept,
    )


def require_unchanged(store: ObjectStore, plan: RecordingPlan) -> None:
    """Raise `NotFinalError` if a playlist is no longer what was planned from, or a slice came that was missing."""
    for playlist in (playlist for stream in plan.streams for playlist in stream.playlists):
        if _etag(store, playlist.key) != playlist.etag:
            raise _moving(plan.objects, f"playlist {playlist.key} was rewritten while it was read")
    if missing := plan.missing:
        near = os.path.commonprefix(sorted(missing))  # noqa: RUF071  of text, as prefixes are
        come = next((meta.key for meta in listed(store, near) if meta.key in missing), None)
        if come:
            raise _moving(plan.objects, f"slice {come} arrived while it was read")


def _etag(store: ObjectStore, key: str) -> str | None:
    try:
        return Retry().call(lambda: store.head(key)).etag
    except NotFound:
        return None


def _moving(recording: RecordingObjects, what: str) -> NotFinalError:
    return NotFinalError(
        f"recording {recording.task_id} is not final: {what}. Nothing was published; try again when the upload is over."
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """One playlist as it was read."""

    meta: ObjectMeta
    playlist: MediaPlaylist | None
    findings: tuple[Finding, ...]


def _plan_stream(
    store: ObjectStore, recording: RecordingObjects, stream: StreamObjects, metas: Mapping[str, ObjectMeta]
) -> StreamPlan | None:
    """None for a playlist that only names other playlists: those are streams of their own."""
    reads = [read for listed in stream.playlists if (read := _read_playlist(store, recording, metas[listed.key]))]
    if stream.playlists and not reads:
        return None
    files = _files_in_order(reads, recording)
    findings = [f for read in reads for f in read.findings]
    segments: list[PlannedSegment] = []
    for read in files:
        segments += _plan_segments(read, recording, metas, findings, before=segments)
    findings += _left_out(reads, files, recording, metas)
    if not stream.playlists:
        findings += _without_playlist(recording, stream)
    return StreamPlan(
        objects=stream,
        assembly=AssemblyPlan(stream=stream.stream, segments=tuple(segments), libav=LIBAV_VERSION),
        playlists=tuple(_playlist_object(read, "index" if read in files else "superseded") for read in reads),
        findings=tuple(findings),
        has_end=bool(files) and all(read.playlist is not None and read.playlist.has_end_list for read in files),
    )


def _without_playlist(recording: RecordingObjects, stream: StreamObjects) -> Iterator[Finding]:
    if recording.segments:
        yield finding("playlist_missing", stream.stream, "there are slices, and no playlist that names them")
    for file in stream.media_files:
        yield finding("segment_unsupported", file.key, "the vendor delivered a whole file and no slices")


def _playlist_object(read: _Read, role: str) -> PlaylistObject:
    return PlaylistObject(key=read.meta.key, size_bytes=read.meta.size_bytes, etag=read.meta.etag, role=role)


def _read_playlist(store: ObjectStore, recording: RecordingObjects, meta: ObjectMeta) -> _Read | None:
    if meta.size_bytes > MAX_PLAYLIST_BYTES:
        detail = f"{meta.size_bytes} bytes; a playlist has at most {MAX_PLAYLIST_BYTES}"
        return _Read(meta, None, (finding("playlist_unreadable", meta.key, detail),))
    try:
        playlist = parse(bytes(VerifiedReader(store).read(meta)[0]))
    except (Changed, NotFound) as error:
        # the listing is older than this playlist, so it cannot say which of its slices are there
        raise _moving(recording, f"playlist {meta.key} was rewritten while it was read") from error
    except MultivariantError:
        return None
    except PlaylistError as error:
        return _Read(meta, None, (finding("playlist_unreadable", meta.key, str(error)),))
    return _Read(meta, playlist, tuple(_playlist_findings(meta.key, playlist)))


def _playlist_findings(key: str, playlist: MediaPlaylist) -> Iterator[Finding]:
    if not playlist.segments and not playlist.has_end_list:
        yield finding("playlist_empty", key, "it names no slice and is not closed")
    if playlist.segments and not playlist.has_end_list:
        yield finding("playlist_no_end", key, "it has no #EXT-X-ENDLIST")
    for line in playlist.stray_lines:
        yield finding("playlist_stray_uri", key, f"{line[:200]} has no #EXTINF")
    if playlist.dangling_duration is not None:
        lost = playlist.dangling_duration.total_seconds()
        yield finding("playlist_dangling", key, f"its last entry promises {lost:.3f} s and names nothing")


@dataclass(frozen=True, slots=True)
class _File:
    """What several versions of one playlist have in common; files follow each other by leg, then by time."""

    leg: int
    started_at: datetime
    folder: str
    name: ObjectName | None


def _file(read: _Read, recording: RecordingObjects) -> _File:
    folder, _, base = read.meta.key.rpartition("/")
    name = VENDORS[recording.vendor].parse_name(base, room=recording.room)
    if name is None:
        return _File(_ORIGINAL, _BEFORE_ALL, read.meta.key, None)
    leg = _ORIGINAL if name.leg is None else name.leg
    return _File(leg, name.started_at or _BEFORE_ALL, folder, replace(name, transfer=None))


def _files_in_order(reads: Sequence[_Read], recording: RecordingObjects) -> list[_Read]:
    """The longest version of each file of a stream: the original, legs after a failover, files begun later."""
    best: dict[_File, _Read] = {}
    for read in reads:
        file = _file(read, recording)
        if file not in best or _length(read) > _length(best[file]):
            best[file] = read
    return [best[file] for file in sorted(best, key=lambda f: (f.leg, f.started_at, f.folder))]


def _left_out(
    reads: Sequence[_Read], files: Sequence[_Read], recording: RecordingObjects, metas: Mapping[str, ObjectMeta]
) -> Iterator[Finding]:
    """Playlists that are not used although they name slices that the used ones do not."""
    named = {key for read in files for key in _named(read, recording, metas)}
    for read in reads:
        more = _named(read, recording, metas) - named if read not in files else set()
        if more:
            yield finding("playlist_left_out", read.meta.key, f"it names {len(more)} slices that the one used does not")


def _named(read: _Read, recording: RecordingObjects, metas: Mapping[str, ObjectMeta]) -> set[str]:
    segments = read.playlist.segments if read.playlist else ()
    found = (resolve(s.uri, playlist_key=read.meta.key, prefix=recording.folder, known=metas) for s in segments)
    return {resolution.key for resolution in found if resolution.key in metas and resolution.key is not None}


def _length(read: _Read) -> tuple[int, datetime]:
    return (len(read.playlist.segments) if read.playlist else -1, read.meta.last_modified)


def _plan_segments(
    read: _Read,
    recording: RecordingObjects,
    metas: Mapping[str, ObjectMeta],
    findings: list[Finding],
    *,
    before: Sequence[PlannedSegment],
) -> list[PlannedSegment]:
    """The segments of one playlist, numbered on from those `before` it; each object is used once."""
    seen = {(segment.key, segment.byte_range) for segment in before}
    planned: list[PlannedSegment] = []
    for segment in read.playlist.segments if read.playlist else ():
        found = resolve(segment.uri, playlist_key=read.meta.key, prefix=recording.folder, known=metas)
        key = found.key or segment.uri[:200]
        part = (segment.byte_range.offset, segment.byte_range.length) if segment.byte_range else None
        if (key, part) in seen:
            findings.append(finding("segment_listed_twice", key, f"{read.meta.key} names it again"))
            continue
        seen.add((key, part))
        facts = VENDORS[recording.vendor].segment_facts(segment, key, first_of=None if planned else read.meta.key)
        code, detail = _absent(segment, found, metas)
        failed_over = not planned and _file(read, recording).leg != _ORIGINAL
        meta = metas.get(key)
        planned.append(
            PlannedSegment(
                number=len(before) + len(planned),
                key=key,
                size_bytes=meta.size_bytes if meta else 0,
                etag=meta.etag if meta else "",
                promised=ticks(segment.duration),
                tagged=bool(before or planned) and (segment.discontinuity or not planned),
                marks=(*facts.marks, FAILOVER_MARK) if failed_over else facts.marks,
                wall=facts.wall_clock,
                byte_range=part,
                absent=code,
                detail=detail,
            )
        )
    return planned


def _absent(segment: Segment, found: Resolution, metas: Mapping[str, ObjectMeta]) -> tuple[str | None, str]:
    """Why there is nothing to fetch for a playlist entry: a finding code and its detail."""
    reasons = (
        (found.rule is Rule.OUTSIDE, "uri_outside", found.problem or "it leads out of the recording"),
        (found.rule in {Rule.SELF, Rule.PLAYLIST}, "uri_self", found.problem or "it names a playlist"),
        (segment.is_gap, "segment_declared_gap", "#EXT-X-GAP"),
        (found.key not in metas, "segment_missing", "in the playlist, not in the bucket"),
        (segment.is_encrypted, "segment_encrypted", "an #EXT-X-KEY is in force"),
        (segment.init_section is not None, "segment_unsupported", "it is fragmented MP4 (#EXT-X-MAP)"),
    )
    return next(((code, detail) for holds, code, detail in reasons if holds), (None, ""))


def _findings(
    objects: RecordingObjects, planned: Sequence[StreamPlan], orphans: Sequence[ListedObject], vouched: Vouched
) -> Iterator[Finding]:
    if vouched.word is not Word.EMPTY and not (objects.streams or objects.segments or objects.side_files):
        yield finding("recording_missing", objects.task_id, "no object in the source has this task id in its name")
    if any(stream.playlists for stream in planned):
        yield from _orphan_findings(orphans)


def _orphan_findings(orphans: Sequence[ListedObject]) -> Iterator[Finding]:
    for orphan in orphans:
        yield finding("orphan_segment", orphan.key, f"{orphan.size_bytes} bytes in the bucket, not in the playlist")

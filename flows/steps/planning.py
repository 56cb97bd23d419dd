"""Plan: what belongs to a recording, which segments its playlists promise, and whether it is over.

LIST and the playlists are all that is read here; everything after that is pure. `files` says which playlists make up
what a stream lists, `rebuilding` what is put in where no playlist names it, `sequence` how several files become one.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from catalog.events import NOTHING_SAID, UNKNOWN, PresenceMark, Vouched, Word
from catalog.model import PlaylistObject, RecordingId
from flows.steps.dating import starts_of
from flows.steps.files import StreamFile, files_of, findings_of_files, last_files
from flows.steps.finding import NothingFoundError
from flows.steps.naming import told_apart
from flows.steps.playlists import Read, moving, read_playlist
from flows.steps.promises import broken_promises, unkept_of
from flows.steps.rebuilding import index_start, rebuilt, rebuilt_findings
from flows.steps.sequence import in_sequence
from media.assemble import LIBAV_VERSION
from media.findings import Finding, finding
from media.heap import without_cycle_search
from media.plan import AssemblyPlan, Pictures
from storage.base import ObjectMeta, ObjectStore
from storage.errors import NotFound
from storage.listing import listed
from storage.retry import Retry
from vendors.base import ListedObject, RecordingObjects, StreamObjects

_NO_PLAYLIST = "no playlist names its slices"
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


class OnlyVariantsError(NothingFoundError):
    """The playlists of a recording only name other playlists, which are recordings of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """One output to be: its objects, its assembly plan, and what its playlists lacked.

    `open_end` is what keeps it from being over, as a clause, or None. Where an index was rebuilt, `watched` are the
    beginnings of the keys of whatever else may come of it.
    """

    objects: StreamObjects
    assembly: AssemblyPlan
    playlists: tuple[PlaylistObject, ...]
    findings: tuple[Finding, ...]
    open_end: str | None
    watched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingPlan:
    """One recording before a media byte is read; `metas` has every listed object by key.

    `unkept` are the playlists that the vendor has named and that are not there, `presence` is what it has said of who
    sent what.
    """

    objects: RecordingObjects
    streams: tuple[StreamPlan, ...]
    metas: Mapping[str, ObjectMeta]
    orphans: tuple[ListedObject, ...]
    findings: tuple[Finding, ...]
    newest: datetime
    unkept: tuple[str, ...] = ()
    presence: tuple[PresenceMark, ...] = ()

    @property
    def id(self) -> RecordingId:
        """Vendor and task id."""
        return RecordingId(vendor=self.objects.vendor, task_id=self.objects.task_id)

    @property
    def digest(self) -> str:
        """Of all that a verdict follows from: plans of the streams, versions of their playlists, promises not kept.

        Where nothing is there, it follows from what the vendor says of that.
        """
        parts = sorted(
            (s.assembly.stream, s.assembly.digest, *(f"{p.key} {p.etag}" for p in s.playlists)) for s in self.streams
        )
        parts += [("", name) for name in self.unkept]
        if not self.streams:
            parts += sorted(("", "", found.code) for found in self.findings)
        return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()

    @property
    def missing(self) -> frozenset[str]:
        """The keys of the slices that were promised and are not there."""
        segments = (segment for stream in self.streams for segment in stream.assembly.segments)
        return frozenset(segment.key for segment in segments if segment.absent == "segment_missing")

    @property
    def open_end(self) -> str | None:
        """What keeps the recording from being over, as a clause; None where every stream has its end."""
        if not self.streams:
            return _NO_PLAYLIST
        return next((stream.open_end for stream in self.streams if stream.open_end), None)


@without_cycle_search()
def plan_recording(
    store: ObjectStore,
    objects: RecordingObjects,
    metas: Mapping[str, ObjectMeta],
    vouched: Vouched = NOTHING_SAID,
    pictures: Pictures = Pictures.AS_RECORDED,
) -> RecordingPlan:
    """Read the playlists of a recording and plan its streams; `vouched` is what its vendor has said of it."""
    known_objects = told_apart(objects, vouched)
    reads = {stream.stream: _read(store, objects, stream, metas) for stream in objects.streams}
    listing = [stream for stream in known_objects.streams if reads[stream.stream] or not stream.playlists]
    if not listing and objects.streams:
        index = objects.streams[0].playlists[0].key
        message = f"playlist {index} only names other playlists. Point to the folder that holds those and their slices."
        raise OnlyVariantsError(message)
    files = {stream.stream: files_of(reads[stream.stream], objects, metas) for stream in listing}
    named = {entry.key for each in files.values() for file in each for entry in file.listed}
    planned = [
        _plan_stream(objects, stream, files[stream.stream], named, metas, vouched=vouched, pictures=pictures)
        for stream in listing
    ]
    used = {segment.key for stream in planned for segment in stream.assembly.segments}
    orphans = tuple(listed for listed in objects.segments if listed.key not in used)
    known = [*objects.segments, *(p for s in objects.streams for p in s.playlists)]
    unkept = unkept_of(objects, vouched, metas)
    return RecordingPlan(
        objects=known_objects,
        streams=tuple(planned),
        metas=metas,
        orphans=orphans,
        findings=(*_findings(objects, planned, orphans, vouched), *broken_promises(unkept, vouched, metas)),
        newest=max((listed.last_modified for listed in known), default=_BEFORE_ALL),
        unkept=unkept,
        presence=vouched.presence,
    )


def require_unchanged(store: ObjectStore, plan: RecordingPlan) -> None:
    """Raise `NotFinalError` if what was planned from is no longer so.

    That is a playlist that was rewritten, a slice that came which was missing, or anything that came of an index which
    was rebuilt from the listing.
    """
    for playlist in (playlist for stream in plan.streams for playlist in stream.playlists):
        if _etag(store, playlist.key) != playlist.etag:
            raise moving(plan.objects, f"playlist {playlist.key} was rewritten while it was read")
    if missing := plan.missing:
        near = os.path.commonprefix(sorted(missing))  # noqa: RUF071  of text, as prefixes are
        come = next((meta.key for meta in listed(store, near) if meta.key in missing), None)
        if come:
            raise moving(plan.objects, f"slice {come} arrived while it was read")
    for start in dict.fromkeys(start for stream in plan.streams for start in stream.watched):
        if new := next((meta.key for meta in listed(store, start) if meta.key not in plan.metas), None):
            raise moving(plan.objects, f"{new} arrived while it was read, and no playlist named the slices before it")


def _etag(store: ObjectStore, key: str) -> str | None:
    try:
        return Retry().call(lambda: store.head(key)).etag
    except NotFound:
        return None


def _read(
    store: ObjectStore, recording: RecordingObjects, stream: StreamObjects, metas: Mapping[str, ObjectMeta]
) -> list[Read]:
    """The playlists of a stream, without those that only name other playlists: those are streams of their own."""
    return [read for listed in stream.playlists if (read := read_playlist(store, recording, metas[listed.key]))]


def _plan_stream(
    recording: RecordingObjects,
    stream: StreamObjects,
    listing: Sequence[StreamFile],
    named: Collection[str],
    metas: Mapping[str, ObjectMeta],
    *,
    vouched: Vouched,
    pictures: Pictures,
) -> StreamPlan:
    files = rebuilt(listing, stream, recording, named)
    segments, doubles = in_sequence(files, recording, metas, starts_of(files, stream, vouched))
    put_in = [file for file in files if any(entry.rebuilt for entry in file.entries)]
    return StreamPlan(
        objects=stream,
        assembly=AssemblyPlan(stream=stream.stream, segments=segments, libav=LIBAV_VERSION, pictures=pictures),
        playlists=tuple(_playlist_object(read, file.role(read)) for file in files for read in file.versions),
        findings=(
            *findings_of_files(files),
            *doubles,
            *(found for file in put_in for found in rebuilt_findings(file, stream.stream, recording)),
            *_without_playlist(recording, stream, files),
        ),
        open_end=_open_end(files),
        watched=tuple(index_start(file, recording) for file in put_in),
    )


def _open_end(files: Sequence[StreamFile]) -> str | None:
    """The last file of each lane must have its end."""
    if not files:
        return _NO_PLAYLIST
    for last in (file for file in last_files(files) if not file.has_end):
        if not last.versions:
            return _NO_PLAYLIST
        is_read = any(read.playlist is not None for read in last.versions)
        return f"playlist {last.index} {'has no #EXT-X-ENDLIST' if is_read else 'cannot be read'}"
    return None


def _without_playlist(
    recording: RecordingObjects, stream: StreamObjects, files: Sequence[StreamFile]
) -> Iterator[Finding]:
    """Without the playlist of its last file nobody knows what was promised at the end of a stream."""
    if not files or any(not file.versions for file in last_files(files)):
        what = "there are slices, and no playlist that names them: how far they should reach is not known"
        if recording.segments:
            yield finding("playlist_missing", stream.stream, what)
    if not files:
        for file in stream.media_files:
            yield finding("segment_unsupported", file.key, "the vendor delivered a whole file and no slices")


def _playlist_object(read: Read, role: str) -> PlaylistObject:
    return PlaylistObject(key=read.meta.key, size_bytes=read.meta.size_bytes, etag=read.meta.etag, role=role)


def _findings(
    objects: RecordingObjects, planned: Sequence[StreamPlan], orphans: Sequence[ListedObject], vouched: Vouched
) -> Iterator[Finding]:
    if vouched.word is not Word.EMPTY and not (objects.streams or objects.segments or objects.side_files):
        code, more = ("recording_unknown", f", and {UNKNOWN}") if vouched.is_unknown else ("recording_missing", "")
        yield finding(code, objects.task_id, f"no object in the source has this task id in its name{more}")
    if any(stream.assembly.segments for stream in planned) or any(stream.playlists for stream in planned):
        for orphan in orphans:
            yield finding("orphan_segment", orphan.key, f"{orphan.size_bytes} bytes in the bucket, not in the playlist")

"""The files of a stream, and what each of them lists. Pure.

A file is what one recorder wrote in one go: the original, each leg after a failover, each time a stream was published
again. It may have several playlists: one that was copied from the vendor's backup stands beside the plain one under
another name, and a shorter one may have been uploaded last. What any of them names was promised, so they are united;
where several name a slice, the newest entry counts.
"""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flows.steps.playlists import Read
from media.clock import ClockSource
from media.findings import Finding, finding
from media.plan import Lane
from media.playlist import Segment
from media.uris import Resolution, Rule, bare_key, resolve
from storage.base import ObjectMeta
from vendors.base import ObjectName, RecordingObjects
from vendors.base import folder as folder_of
from vendors.registry import VENDORS

ORIGINAL = -1
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileId:
    """What all playlists of one file have in common; files follow each other by leg, then by time."""

    leg: int = ORIGINAL
    started_at: datetime = _BEFORE_ALL
    folder: str = ""
    name: ObjectName | None = None

    @property
    def order(self) -> tuple[int, datetime, str]:
        """To sort by."""
        return self.leg, self.started_at, self.folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One segment of a file. `absent` is a finding code where there is nothing to fetch, with its `detail`.

    One that is `rebuilt` is named by no playlist; its duration is unknown, and 0.
    """

    segment: Segment
    key: str
    absent: str | None = None
    detail: str = ""
    rebuilt: bool = False

    @property
    def part(self) -> tuple[int, int] | None:
        """Which bytes of the object it means, as offset and length; None for all."""
        return (self.segment.byte_range.offset, self.segment.byte_range.length) if self.segment.byte_range else None

    @property
    def identity(self) -> Hashable:
        """The same object, or the same part of it, is the same segment."""
        return self.key if self.segment.byte_range is None else (self.key, self.part)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFile:
    """One file of a stream. `index` is the key of its newest playlist, or the one that its playlist would have.

    `versions` are its playlists, the oldest first, and `listings` what each of them names.
    """

    id: FileId
    index: str
    versions: tuple[Read, ...] = ()
    listings: tuple[tuple[Entry, ...], ...] = ()
    entries: tuple[Entry, ...] = ()

    @property
    def lane(self) -> Lane:
        """Which tracks of the stream it carries."""
        return (self.id.name and self.id.name.track) or "both"

    @property
    def has_end(self) -> bool:
        """Whether any version of its playlist says that the recorder closed it."""
        return any(read.playlist is not None and read.playlist.has_end_list for read in self.versions)

    @property
    def listed(self) -> Iterator[Entry]:
        """All that any of its playlists names, as often as it is named."""
        return itertools.chain.from_iterable(self.listings)

    def role(self, read: Read) -> str:
        """What one of its playlists is: `index`, or `superseded` where newer ones name all that it does."""
        at = self.versions.index(read)
        newer = {entry.identity for listing in self.listings[at + 1 :] for entry in listing}
        is_newest = at == len(self.versions) - 1
        return "index" if is_newest or any(e.identity not in newer for e in self.listings[at]) else "superseded"


def file_id(name: ObjectName | None, key: str) -> FileId:
    """Which file a playlist of this name and key lists."""
    folder = key.rpartition("/")[0]
    if name is None:
        return FileId(folder=key)
    leg = ORIGINAL if name.leg is None else name.leg
    said = replace(name, transfer=None, task_id=name.task_id.lower())
    return FileId(leg=leg, started_at=name.started_at or _BEFORE_ALL, folder=folder, name=said)


def files_of(
    reads: Sequence[Read], recording: RecordingObjects, metas: Mapping[str, ObjectMeta]
) -> tuple[StreamFile, ...]:
    """The files that these playlists of one stream list, in order."""
    versions: dict[FileId, list[tuple[ObjectName | None, Read]]] = defaultdict(list)
    for read in reads:
        name = VENDORS[recording.vendor].parse_name(read.meta.key.rpartition("/")[2], room=recording.room)
        versions[file_id(name, read.meta.key)].append((name, read))
    files = (_file(file, _by_age(named), recording, metas) for file, named in versions.items())
    return tuple(sorted(files, key=lambda file: file.id.order))


def _file(
    file: FileId, versions: Sequence[Read], recording: RecordingObjects, metas: Mapping[str, ObjectMeta]
) -> StreamFile:
    listings = tuple(tuple(_entries(read, recording, metas)) for read in versions)
    return StreamFile(
        id=file,
        index=versions[-1].meta.key,
        versions=tuple(versions),
        listings=listings,
        entries=tuple(_united(listings, recording)),
    )


def _by_age(named: Sequence[tuple[ObjectName | None, Read]]) -> list[Read]:
    """The oldest first: copies by their index, and the plain one as old as its length beside the newest copy says."""
    copies = sorted(
        ((name.transfer[1], name.transfer[0], read) for name, read in named if name and name.transfer),
        key=lambda copy: copy[:2],
    )
    reads = [read for *_, read in copies]
    for read in (read for name, read in named if not (name and name.transfer)):
        reads.insert(len(reads) if not reads or _length(read) > _length(reads[-1]) else 0, read)
    return reads


def _length(read: Read) -> int:
    return len(read.playlist.segments) if read.playlist else -1


def _entries(read: Read, recording: RecordingObjects, metas: Mapping[str, ObjectMeta]) -> Iterator[Entry]:
    folder = folder_of(read.meta.key)
    for segment in read.playlist.segments if read.playlist else ():
        if not _is_odd(segment) and (key := bare_key(segment.uri, folder, recording.folder, metas)):
            yield Entry(segment=segment, key=key)
            continue
        found = resolve(segment.uri, playlist_key=read.meta.key, prefix=recording.folder, known=metas)
        code, detail = _absent(segment, found, metas)
        yield Entry(segment=segment, key=found.key or segment.uri[:200], absent=code, detail=detail)


def _is_odd(segment: Segment) -> bool:
    """Whether its own tags say that there is nothing to fetch."""
    return segment.is_gap or segment.is_encrypted or segment.init_section is not None


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


def _united(listings: Sequence[Sequence[Entry]], recording: RecordingObjects) -> Sequence[Entry]:
    """All that any version names, each once; alone, the newest keeps its order, and its doubles for others to tell."""
    if not listings:
        return ()
    seen = {entry.identity for entry in listings[-1]}
    older = [[e for e in listing if e.identity not in seen] for listing in listings[:-1]]
    if not any(older):
        return listings[-1]
    found = list(timed(listings[-1], recording))
    for listing in reversed(listings[:-1]):
        for at, entry in timed(listing, recording):
            if entry.identity not in seen:
                seen.add(entry.identity)
                found.append((at, entry))
    return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]


def timed(entries: Iterable[Entry], recording: RecordingObjects) -> Iterator[tuple[datetime, Entry]]:
    """Each entry with the time in its name; one without it stands at that of the one before it."""
    at = _BEFORE_ALL
    for entry in entries:
        at = named_time(entry, recording) or at
        yield at, entry


def named_time(entry: Entry, recording: RecordingObjects) -> datetime | None:
    """When a segment begins, by its own name."""
    clock = VENDORS[recording.vendor].segment_facts(entry.segment, entry.key).wall_clock
    return clock.at if clock and clock.source is ClockSource.SLICE_NAME else None


def last_files(files: Sequence[StreamFile]) -> Sequence[StreamFile]:
    """The last file of each lane: those before them get no more once the next was begun."""
    return list({file.lane: file for file in files}.values())


def findings_of_files(files: Sequence[StreamFile]) -> Iterator[Finding]:
    """What the playlists of a stream lack. That a file was never closed says nothing once a later one was begun."""
    last = last_files(files)
    for file in files:
        yield from itertools.chain.from_iterable(read.findings for read in file.versions)
        is_read = any(read.playlist is not None for read in file.versions)
        if file.has_end or not is_read:
            continue
        if not any(file.listings):
            yield finding("playlist_empty", file.index, "it names no slice and is not closed")
        elif file in last:
            yield finding("playlist_no_end", file.index, "it has no #EXT-X-ENDLIST")

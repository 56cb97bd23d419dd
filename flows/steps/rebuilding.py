"""Rebuild an index: slices that no playlist names, put where their names say. Pure.

A recorder that dies leaves slices without a playlist, and a playlist may be overwritten by a shorter one. A slice
belongs to a file by its name; where its time lies inside what the playlists name, it is left an orphan, since they
name something else for that time. Slices are ordered by the time in their names, else by the number at the end of them,
else by when they were stored; what their own stamps say of that order is for `media.ts.succession` to see.
"""

import bisect
import itertools
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from flows.steps.files import Entry, FileId, StreamFile, file_id, named_time, timed
from media.findings import Finding, finding
from media.playlist import Segment
from vendors.base import ListedObject, ObjectKind, RecordingObjects, StreamObjects, basename, kind_of
from vendors.registry import VENDORS

_TOLERANCE = timedelta(milliseconds=350)
_NUMBERED = re.compile(r"(?P<head>.*?)(?P<digits>[0-9]+)(?P<tail>\.[^.]*)?", re.DOTALL)
_UNKNOWN = timedelta()


def rebuilt(
    files: Sequence[StreamFile], stream: StreamObjects, recording: RecordingObjects, named: Collection[str]
) -> tuple[StreamFile, ...]:
    """The files of a stream, completed with those of its slices that no playlist of the recording has `named`."""
    if VENDORS[recording.vendor].index_name is None:
        return tuple(files)
    loose: dict[FileId | None, list[ListedObject]] = defaultdict(list)
    known = {file.id: file for file in files}
    for listed in stream.segments:
        if listed.key not in named and kind_of(listed.key.rpartition(".")[2]) is ObjectKind.SEGMENT:
            loose[_file_of(listed, recording, known)].append(listed)
    for file, slices in loose.items():
        if file is not None:
            whole = known.get(file) or StreamFile(id=file, index=_index(slices[0].key, recording))
            known[file] = replace(whole, entries=tuple(_completed(whole, slices, recording)))
    return tuple(sorted(known.values(), key=lambda file: file.id.order))


def rebuilt_findings(file: StreamFile, stream: str, recording: RecordingObjects) -> Iterator[Finding]:
    """That slices of a file were put in, and by which order."""
    put_in = [entry for entry in file.entries if entry.rebuilt and entry.absent is None]
    if put_in:
        by = _basis(put_in, recording)
        detail = f"{len(put_in)} slices that no playlist names were put in by {by}; the first is {put_in[0].key}"
        yield finding("index_rebuilt", file.index if file.versions else stream, detail)


def index_start(file: StreamFile, recording: RecordingObjects) -> str:
    """What the keys of all playlists and slices begin with that may still come of a file which was rebuilt."""
    first = next(entry.key for entry in file.entries if entry.rebuilt)
    return _index(first, recording).removesuffix(".m3u8")


def _file_of(listed: ListedObject, recording: RecordingObjects, known: Mapping[FileId, StreamFile]) -> FileId | None:
    """The file that a slice belongs to by its name, else the only one that there is; None if that cannot be told."""
    vendor = VENDORS[recording.vendor]
    name = vendor.parse_name(basename(listed.key), room=recording.room)
    index = vendor.index_name(name) if name and vendor.index_name else None
    if index is None:
        return next(iter(known), FileId()) if len(known) < 2 else None
    own = file_id(index, listed.key)
    alike = [file for file in known if file.name == own.name]
    return own if own in known or len(alike) != 1 else alike[0]


def _index(key: str, recording: RecordingObjects) -> str:
    """The key that the playlist of this slice would have, or what the names of its recording begin with."""
    vendor = VENDORS[recording.vendor]
    folder = key[: -len(basename(key))]
    name = vendor.parse_name(basename(key), room=recording.room)
    index = vendor.index_name(name) if name and vendor.index_name else None
    return folder + (vendor.encode_name(index) if index else next(iter(vendor.name_starts(recording.task_id))))


def _completed(file: StreamFile, slices: Sequence[ListedObject], recording: RecordingObjects) -> Sequence[Entry]:
    entries = [Entry(segment=Segment(uri=basename(s.key), duration=_UNKNOWN), key=s.key, rebuilt=True) for s in slices]
    if all(named_time(entry, recording) for entry in entries):
        return _by_time(file, entries, recording)
    if (numbered := _by_number(file, entries)) is not None:
        return numbered
    if file.entries:
        return file.entries
    stored = {listed.key: listed.last_modified for listed in slices}
    return sorted(entries, key=lambda entry: (stored[entry.key], entry.key))


def _basis(entries: Sequence[Entry], recording: RecordingObjects) -> str:
    if all(named_time(entry, recording) for entry in entries):
        return "the times in their names"
    return "the numbers in their names" if _heads(entries) else "when they were stored"


def _by_time(file: StreamFile, entries: Sequence[Entry], recording: RecordingObjects) -> Sequence[Entry]:
    spans = sorted((at, at + e.segment.duration) for e in file.entries if (at := named_time(e, recording)))
    fresh = [(at, e) for e in entries if (at := named_time(e, recording)) and not _is_covered(at, spans)]
    if not fresh:
        return file.entries
    return [e for _, e in sorted([*timed(file.entries, recording), *fresh], key=lambda pair: pair[0])]


def _is_covered(at: datetime, spans: Sequence[tuple[datetime, datetime]]) -> bool:
    """Whether a slice that begins then holds what another one is named for."""
    before = bisect.bisect_right(spans, (at + _TOLERANCE, datetime.max.replace(tzinfo=at.tzinfo)))
    return before > 0 and at < max(spans[before - 1][1], spans[before - 1][0] + 2 * _TOLERANCE) - _TOLERANCE


def _numbers(entries: Iterable[Entry]) -> dict[str, tuple[str, int]]:
    """By key, what stands around the number at the end of a name, and the number."""
    found = ((entry.key, _NUMBERED.fullmatch(entry.key)) for entry in entries)
    return {key: (f"{m['head']}*{m['tail'] or ''}", int(m["digits"])) for key, m in found if m}


def _heads(entries: Sequence[Entry]) -> str | None:
    """What all names have around their numbers, if that is the same."""
    numbers = _numbers(entries)
    heads = {head for head, _ in numbers.values()}
    return heads.pop() if len(heads) == 1 and len(numbers) == len(entries) else None


def _by_number(file: StreamFile, entries: Sequence[Entry]) -> Sequence[Entry] | None:
    """Put in by number, but not between two that a playlist names in a row; None where numbers tell nothing."""
    head = _heads(file.entries or entries)
    numbers = _numbers([*file.entries, *entries])
    order = [numbers[entry.key][1] for entry in file.entries if entry.key in numbers]
    if head is None or any(one >= other for one, other in itertools.pairwise(order)):
        return None
    in_a_row = {(a.key, b.key) for listing in file.listings for a, b in itertools.pairwise(listing)}
    fresh = []
    for entry in entries:
        if numbers.get(entry.key, ("", 0))[0] == head:
            at = bisect.bisect(order, numbers[entry.key][1])
            pair = (file.entries[at - 1].key, file.entries[at].key) if 0 < at < len(order) else None
            if pair not in in_a_row:
                fresh.append(entry)
    merged = sorted([*file.entries, *fresh], key=lambda entry: numbers[entry.key][1])
    return list(_with_left_out(merged, numbers)) if fresh else file.entries


def _with_left_out(entries: Sequence[Entry], numbers: Mapping[str, tuple[str, int]]) -> Iterator[Entry]:
    """With an entry for each number that is left out beside a slice which no playlist names, if numbers are dense."""
    first, last = numbers[entries[0].key][1], numbers[entries[-1].key][1]
    is_dense = last - first < 2 * len(entries)
    yield entries[0]
    for one, other in itertools.pairwise(entries):
        if is_dense and (one.rebuilt or other.rebuilt):
            for number in range(numbers[one.key][1] + 1, numbers[other.key][1]):
                yield _left_out(one.key, number)
        yield other


def _left_out(neighbour: str, number: int) -> Entry:
    match = _NUMBERED.fullmatch(neighbour)
    head, digits, tail = match.group("head", "digits", "tail") if match else (neighbour, "", "")
    key = f"{head}{number:0{len(digits) if digits.startswith('0') else 1}d}{tail or ''}"
    detail = "the numbers of the slices around it leave it out, and it is not in the bucket"
    segment = Segment(uri=basename(key), duration=_UNKNOWN)
    return Entry(segment=segment, key=key, absent="segment_missing", detail=detail, rebuilt=True)

"""From what somebody asks for to the clips, before any work: by manifests alone, and never more than was recorded.

What was never recorded is told here, with what is missing, why, and what to ask instead (`flows.steps.refusing`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from catalog.clocks import StreamClock
from catalog.covering import Missing, Moment, Seat, Seats, seats, uncovered
from catalog.export_request import Clip, ExportMode, ExportRequest, Origin
from catalog.manifest import content_digest
from catalog.model import Manifest, RecordingId, StreamKind
from catalog.naming import file_name, stamp
from catalog.records import Recording, id_text
from flows.moments import offset_text
from flows.steps.publishing import read_manifest
from flows.steps.refusing import (
    NotReadyError,
    NotRecordedError,
    Refusal,
    SelectionError,
    missing_text,
    nothing_of,
    people_text,
    range_text,
    several_people,
    without_clock,
)
from flows.steps.searching_near import near_room, near_user, overlapping
from storage.base import ObjectStore
from storage.retry import Retry

if TYPE_CHECKING:
    from catalog.index import Catalog

MOST_RECORDINGS: Final = 100
"""Of one export: each is a manifest to read, and a file at least."""
LONGEST_TOGETHER: Final = timedelta(days=1)
"""Of files that share one zero: a day of silence has 33 MB, and takes 350 MB of memory."""
_NAME_BYTES: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asks for: some time of a task, or of users and rooms; both ends are times, or both offsets."""

    task: str | None
    room: str | None
    users: tuple[str, ...]
    begin: Moment
    end: Moment
    mode: ExportMode
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Everything of a clip but what only its source can tell: where the file really begins and ends, and its size."""

    vendor: str
    task_id: str
    room: str | None
    manifest: str | None
    content_digest: str
    stream: str
    user: str | None
    origin: Origin
    clock: StreamClock
    from_s: float
    to_s: float
    file: str
    segments: tuple[str, ...] = ()

    @property
    def recording(self) -> RecordingId:
        """The recording that it is of."""
        return RecordingId(vendor=self.vendor, task_id=self.task_id)

    def clip(self, *, starts_at_s: float, ends_at_s: float, zero_s: float, size_bytes: int) -> Clip:
        """The clip, once that is known; its times on the wall clock follow."""
        return Clip(
            vendor=self.vendor,
            task_id=self.task_id,
            room=self.room,
            manifest=self.manifest,
            content_digest=self.content_digest,
            stream=self.stream,
            user=self.user,
            origin=self.origin,
            from_s=self.from_s,
            to_s=self.to_s,
            starts_at_s=starts_at_s,
            ends_at_s=ends_at_s,
            starts_at=self.clock.utc_at(starts_at_s),
            ends_at=self.clock.utc_at(ends_at_s),
            zero_s=zero_s,
            file=self.file,
            size_bytes=size_bytes,
            segments=self.segments,
        )


Look = Callable[[Recording], Manifest | None]
"""What the segments of a recording tell of the range while it has no manifest; None where they tell nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What will be cut, and what of it is not there: `missing` in the recordings, `uncovered` by any of them.

    `seats` are the streams that it is cut from, and those that would be if they were not lost, with what is asked of
    each. `unpublished` may have more of the range, once they are published. Those in `provisional` are cut from their
    segments, as they are now; their wishes have no manifest. `from_utc` and `to_utc` are None where no wall clock is
    known.
    """

    mode: ExportMode
    name: str
    from_utc: datetime | None
    to_utc: datetime | None
    wishes: tuple[Wish, ...]
    seats: tuple[Seat, ...]
    uncovered: tuple[tuple[Moment, Moment], ...]
    unpublished: tuple[Recording, ...]
    provisional: tuple[Recording, ...] = ()

    @property
    def missing(self) -> tuple[Missing, ...]:
        """Gaps and absences of the range."""
        return tuple(missing for seat in self.seats for missing in seat.missing)

    @property
    def has_gaps(self) -> bool:
        """Whether something that was promised is lost in the range."""
        return any(each.is_lost for each in self.missing)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not there and why, a sentence each."""
        return (
            *map(missing_text, self.missing),
            *(f"no recording from {range_text(*span)}." for span in self.uncovered),
            *(f"{id_text(each.id)} is not published yet, and may have more of that time." for each in self.unpublished),
            *(
                f"{id_text(each.id)} is not published yet: this is what its slices have now."
                for each in self.provisional
            ),
        )

    def as_cut(self, clips: Sequence[Clip]) -> "Selection":
        """The same of the time that the files really hold: a keyframe may lie before a gap."""
        return replace(self, seats=tuple(_widened(seat, clips) for seat in self.seats))

    def request(self, clips: Iterable[Clip]) -> ExportRequest:
        """What is asked of the job, with the clips that the wishes became."""
        return ExportRequest(mode=self.mode, from_utc=self.from_utc, to_utc=self.to_utc, clips=tuple(clips))


def select(catalog: "Catalog", output: ObjectStore, wanted: Wanted, look: Look) -> Selection:
    """The clips of what is wanted; `look` is for recordings of which nothing is published.

    Raises `NotRecordedError`, `NotReadyError`, and `SelectionError` for what is not clear; `StrangeManifestError`;
    errors of the catalog and the store.
    """
    _require_sense(wanted)
    found = _found(catalog, wanted)
    if len(found) > MOST_RECORDINGS:
        raise SelectionError(f"{len(found)} recordings lie in that time, and {MOST_RECORDINGS} are the most.")
    manifests = [(each, _manifest(output, each, look)) for each in sorted(found, key=_by_time)]
    unpublished = tuple(each for each, manifest in manifests if manifest is None)
    read = [(each.manifest, seats(manifest, wanted.begin, wanted.end)) for each, manifest in manifests if manifest]
    if not read:
        raise NotReadyError(unpublished)
    try:
        chosen = _chosen(catalog, wanted, [each for _, each in read])
    except NotRecordedError as error:
        if unpublished:
            raise NotReadyError(unpublished) from error
        raise
    keys = {each.manifest.recording: key for key, each in read}
    first = read[0][1]
    zero = first.shown.from_utc
    at = [each if isinstance(each, datetime) else zero + each if zero else None for each in (wanted.begin, wanted.end)]
    return Selection(
        mode=wanted.mode,
        name=file_name(wanted.name) if wanted.name else _name(wanted, first, at[0]),
        from_utc=at[0],
        to_utc=at[1],
        wishes=tuple(_named_apart(_wishes(chosen, keys))),
        seats=(*chosen, *_lost(wanted, [each for _, each in read], chosen)),
        uncovered=tuple(_uncovered(wanted, [each for _, each in read])),
        unpublished=unpublished,
        provisional=tuple(each for each, manifest in manifests if manifest and not each.manifest),
    )


def _widened(seat: Seat, clips: Sequence[Clip]) -> Seat:
    place = seat.manifest.recording, seat.record.stream
    of_it = [clip for clip in clips if (clip.recording, clip.stream) == place]
    begin = min((clip.starts_at_s for clip in of_it), default=seat.from_s)
    end = max((clip.ends_at_s for clip in of_it), default=seat.to_s)
    return replace(seat, from_s=min(seat.from_s, begin), to_s=max(seat.to_s, end))


def _require_sense(wanted: Wanted) -> None:
    if not (wanted.task or wanted.room or wanted.users):
        raise SelectionError("whose recording? Name a task, a room with --room, or somebody with --user.")
    if len(set(wanted.users)) > 1 and wanted.mode is not ExportMode.SEPARATE:
        raise SelectionError("one file holds one person.", "Ask for a file for each of them with --separate.")
    if wanted.mode is ExportMode.SEPARATE and _reach(wanted) > LONGEST_TOGETHER:
        raise SelectionError(
            "files that share one zero reach over a day at most: before each recording there is silence.",
            "Ask for less time at once, or for one person without --separate.",
        )


def _reach(wanted: Wanted) -> timedelta:
    """How far apart recordings of it may lie; within one recording nothing needs a bound."""
    if wanted.task is None and isinstance(wanted.begin, datetime) and isinstance(wanted.end, datetime):
        return wanted.end - wanted.begin
    return timedelta()


def _found(catalog: "Catalog", wanted: Wanted) -> list[Recording]:
    """Every recording that may have some of it. Raises `NotRecordedError` where there is none."""
    if wanted.task is not None:
        return [_of_task(catalog, wanted.task, wanted.room)]
    if not (isinstance(wanted.begin, datetime) and isinstance(wanted.end, datetime)):
        raise SelectionError("offsets count from the beginning of one recording: name its task, or ask with times.")
    return _in_time(catalog, wanted, wanted.begin, wanted.end)


def _in_time(catalog: "Catalog", wanted: Wanted, begin: datetime, end: datetime) -> list[Recording]:
    """Those of a room, or those in which the users are; with what of the same rooms is not published yet."""
    if wanted.room is not None:
        of_room = {each.id: each for each in overlapping(catalog, begin, end, room=wanted.room) if each.manifest}
        of_room |= {each.id: each for each in catalog.attendances.unknown(begin, end, wanted.room)}
        if not of_room:
            said = f"room {wanted.room} was not recorded from {range_text(begin, end)}."
            raise NotRecordedError(Refusal(said=said, instead=near_room(catalog, wanted.room, begin, end)))
        return list(of_room.values())
    found: dict[RecordingId, Recording] = {}
    for user in wanted.users:
        theirs = {each.id: each for each in overlapping(catalog, begin, end, user=user)}
        if not theirs:
            raise _in_no_room(catalog, user, begin, end)
        found |= theirs
    for room in {each.room for each in found.values() if each.room}:
        found |= {each.id: each for each in catalog.attendances.unknown(begin, end, room)}
    return list(found.values())


def _in_no_room(catalog: "Catalog", user: str, begin: datetime, end: datetime) -> SelectionError:
    """Who is in what is not published yet, nobody knows."""
    if unknown := catalog.attendances.unknown(begin, end):
        return NotReadyError(unknown, f"user {user} is in no published recording from {range_text(begin, end)}.")
    said = f"user {user} was not recorded from {range_text(begin, end)}, in any room."
    return NotRecordedError(Refusal(said=said, instead=near_user(catalog, user, None, begin, end)))


def _of_task(catalog: "Catalog", task: str, room: str | None) -> Recording:
    found = catalog.named(task)
    if len(found) > 1:
        raise SelectionError(f"{task} may be {' or '.join(id_text(each.id) for each in found)}: write which.")
    if not found:
        said = f"the catalog {catalog.database.place} knows no recording {task}."
        advice = "`aftertake ls` shows which it knows, `aftertake submit` makes one known."
        raise NotRecordedError(Refusal(said=said, instead=(advice,)))
    if room not in {found[0].room, None}:
        said = f"{id_text(found[0].id)} is of room {found[0].room or 'not known'}, not of {room}."
        raise NotRecordedError(Refusal(said=said, instead=("Leave out the one or the other.",)))
    return found[0]


def _manifest(output: ObjectStore, recording: Recording, look: Look) -> Manifest | None:
    key = recording.manifest
    return look(recording) if key is None else read_manifest(output, Retry().call(lambda: output.head(key)))


def _chosen(catalog: "Catalog", wanted: Wanted, read: Sequence[Seats]) -> list[Seat]:
    """The streams that become clips: those of the named, or the one that is meant where nobody is named."""
    if wanted.users:
        return [seat for user in dict.fromkeys(wanted.users) for seat in _of_user(catalog, wanted, read, user)]
    there = [[seat for seat in each.seats if seat.pieces] for each in read]
    if not any(there):
        raise _nobody(wanted, read)
    if wanted.mode is ExportMode.SEPARATE:
        everybody = [seat for each in there for seat in each]
        alone = [seat for seat in everybody if not _is_mix(seat)]
        return sorted(alone or everybody, key=lambda seat: (seat.record.user or "", seat.record.stream))
    meant = [seat for each in there for seat in _one_of(each)]
    people = {
        (seat.record.user, seat.record.user is None and not _is_mix(seat) and seat.record.stream): seat
        for seat in meant
    }
    if len(people) > 1:
        raise several_people([seat.record for seat in people.values()])
    return meant


def _lost(wanted: Wanted, read: Sequence[Seats], chosen: Sequence[Seat]) -> Iterator[Seat]:
    """Streams of the same people that give no file because all that was promised of them is lost."""
    people = {(seat.record.user, _is_mix(seat)) for seat in chosen}
    has_all = wanted.mode is ExportMode.SEPARATE and not wanted.users and not any(is_mix for _, is_mix in people)
    for seat in (seat for each in read for seat in each.seats):
        is_meant = not _is_mix(seat) if has_all else (seat.record.user, _is_mix(seat)) in people
        if is_meant and not seat.pieces and any(missing.is_lost for missing in seat.missing):
            yield seat


def _one_of(there: Sequence[Seat]) -> Sequence[Seat]:
    """The mix, where there is one and more than it."""
    mixes = [seat for seat in there if _is_mix(seat)]
    return mixes[:1] if mixes else there


def _of_user(catalog: "Catalog", wanted: Wanted, read: Sequence[Seats], user: str) -> Sequence[Seat]:
    theirs = [seat for each in read for seat in each.seats if seat.record.user == user]
    if there := [seat for seat in theirs if seat.pieces]:
        return there
    if theirs:
        raise nothing_of(theirs, wanted.begin, wanted.end)
    for each in read:
        if untimed := [record for record in each.untimed if record.user == user]:
            raise without_clock(untimed, id_text(each.manifest.recording))
    raise _stranger(catalog, wanted, read, user)


def _stranger(catalog: "Catalog", wanted: Wanted, read: Sequence[Seats], user: str) -> NotRecordedError:
    """Somebody who is in none of the recordings: who is, and when they were recorded."""
    there = [seat.record for each in read for seat in each.seats if seat.pieces]
    where = f"room {wanted.room}" if wanted.room and not wanted.task else ", ".join(_ids(read))
    instead = [f"Recorded then: {people_text(there)}."]
    if there and all(record.kind is StreamKind.MIXED for record in there):
        instead = ["Only the mix of everybody was recorded: leave out --user."]
    if isinstance(wanted.begin, datetime) and isinstance(wanted.end, datetime):
        instead += near_user(catalog, user, wanted.room, wanted.begin, wanted.end)
    said = f"user {user} was not recorded from {range_text(wanted.begin, wanted.end)} in {where}."
    return NotRecordedError(Refusal(said=said, instead=tuple(instead)))


def _nobody(wanted: Wanted, read: Sequence[Seats]) -> SelectionError:
    """Nothing of anybody: everything was lost or absent, or there is nothing at all."""
    found = [seat for each in read for seat in each.seats]
    if any(seat.nearest for seat in found):
        return nothing_of(found, wanted.begin, wanted.end)
    for each in read:
        if each.untimed:
            return without_clock(each.untimed, id_text(each.manifest.recording))
    verdicts = (f"{id_text(each.manifest.recording)} is {each.manifest.verdict}" for each in read)
    said = f"nothing is published of {range_text(wanted.begin, wanted.end)}: {', '.join(verdicts)}."
    return NotRecordedError(Refusal(said=said, instead=(f"`aftertake show {_ids(read)[0]}` tells why.",)))


def _uncovered(wanted: Wanted, read: Sequence[Seats]) -> Iterator[tuple[Moment, Moment]]:
    begin, end = wanted.begin, wanted.end
    if isinstance(begin, datetime) and isinstance(end, datetime):
        yield from uncovered(begin, end, [each.shown.span for each in read if each.shown.span])
    elif isinstance(begin, timedelta) and isinstance(end, timedelta):
        yield from uncovered(begin, end, [(timedelta(), each.shown.length) for each in read])


def _wishes(chosen: Sequence[Seat], keys: dict[RecordingId, str | None]) -> Iterator[Wish]:
    digests = {seat.manifest.recording: content_digest(seat.manifest) for seat in chosen}
    for seat in chosen:
        for piece in seat.pieces:
            recording = seat.manifest.recording
            yield Wish(
                vendor=recording.vendor,
                task_id=recording.task_id,
                room=seat.manifest.room,
                manifest=keys[recording],
                content_digest=digests[recording],
                stream=seat.record.stream,
                user=seat.record.user,
                origin=piece.origin,
                clock=seat.record.clock,
                from_s=piece.from_s,
                to_s=piece.to_s,
                file=_file(seat, max(piece.from_s, piece.origin.origin_s)),
            )


def _file(seat: Seat, at_s: float) -> str:
    """Whose and when; what somebody calls the export is left out, so that equal requests stay equal."""
    record = seat.record
    whose = record.user or record.stream
    kind = f"_{record.kind}" if record.kind not in {StreamKind.PARTICIPANT, StreamKind.MIXED} else ""
    return f"{file_name(whose, _NAME_BYTES)}{kind}_{_time_text(record.clock.utc_at(at_s), seat.offset(at_s))}"


def _named_apart(wishes: Iterable[Wish]) -> Iterator[Wish]:
    """Two of one name get numbers."""
    taken: dict[str, int] = {}
    for wish in wishes:
        number = taken[wish.file.casefold()] = taken.get(wish.file.casefold(), 0) + 1
        yield replace(wish, file=f"{wish.file}{f'_{number}' if number > 1 else ''}.mp4")


def _name(wanted: Wanted, first: Seats, at: datetime | None) -> str:
    whose = wanted.room or first.manifest.room or first.manifest.task_id
    offset = wanted.begin if isinstance(wanted.begin, timedelta) else timedelta()
    users = (file_name(user, _NAME_BYTES) for user in wanted.users)
    return file_name(
        "_".join([file_name(whose, _NAME_BYTES), *users])[: _NAME_BYTES * 2] + f"_{_time_text(at, offset)}"
    )


def _time_text(at: datetime | None, offset: timedelta) -> str:
    return stamp(at) if at else offset_text(offset).replace(":", "-")


def _is_mix(seat: Seat) -> bool:
    return seat.record.kind is StreamKind.MIXED


def _ids(read: Sequence[Seats]) -> list[str]:
    return [id_text(each.manifest.recording) for each in read]


def _by_time(recording: Recording) -> tuple[datetime, str]:
    return recording.started_at or recording.heard_at, id_text(recording.id)

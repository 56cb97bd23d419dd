"""Who was really recorded, when: for questions about people and times, exact to gaps and absences.

The rows follow from the timelines of manifests, so that `reindex` makes them again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, select

from catalog import rows
from catalog.database import Database
from catalog.model import GapTrack, Manifest, RecordingId, State, StreamKind
from catalog.records import Recording
from catalog.searching import MOST_ROWS, Page, Query, longest_span, reaching_back, search
from catalog.tables import presences, recordings, streams
from catalog.timeline import Presence, StreamLanes, timeline

MOST_OF_A_STREAM: Final = 200
"""Rows of one stream: somebody who comes and goes more often is told as there over the shortest of the breaks."""
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attendance:
    """Somebody was recorded from then to then, in one stream, by audio, video or both.

    `is_exact` is False where the stream has no clock: then it was some time within that of the recording.
    """

    recording: RecordingId
    room: str | None
    user: str | None
    stream: str
    kind: StreamKind
    track: GapTrack
    from_utc: datetime
    to_utc: datetime
    is_exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """Who was in a room, in the order of their coming; `has_more` if there are too many to tell.

    `unknown` are recordings of the room that may be of that time and of which nothing is published yet.
    """

    attendances: tuple[Attendance, ...]
    unknown: tuple[Recording, ...]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """One page of the recordings in which a user was recorded, the newest first, and when that was in each."""

    page: Page
    attendances: Mapping[RecordingId, Sequence[Attendance]]


class Attendances:
    """What is asked of people and times. Each method is one short transaction."""

    def __init__(self, database: Database) -> None:
        """`database` has been migrated."""
        self._database = database

    def who(self, room: str, since: datetime, until: datetime | None = None) -> Attended:
        """Who was recorded in a room at a moment, or at any time up to, and without, `until`."""
        end = until or since + _INSTANT
        return self._database.read(lambda connection: _who(connection, room, since, end))

    def unknown(self, since: datetime, until: datetime, room: str | None = None) -> tuple[Recording, ...]:
        """Recordings, of a room or of any, that may be of that time and of which nothing is published yet."""
        return self._database.read(lambda connection: _unknown(connection, room, since, until))

    def rooms(self, query: Query) -> Visits:
        """The recordings in which `query.user` was really recorded at the time that is asked for.

        Raises `CursorError`, and ValueError for a query without a user.
        """
        if query.user is None:
            raise ValueError("whose rooms? The query names no user.")
        return self._database.read(lambda connection: _rooms(connection, replace(query, is_recorded=True)))


def attendance_of(manifest: Manifest) -> Iterator[dict[str, Any]]:
    """The rows of a manifest, without the number of its recording."""
    for user in timeline(manifest).users:
        for stream in user.streams:
            exact = [*_merged(_recorded(stream))]
            for begin, end, track in exact or _somewhere(stream, manifest):
                yield {
                    "stream": stream.stream,
                    "user_id": user.user,
                    "track": track,
                    "from_at": begin,
                    "to_at": end,
                    "is_exact": bool(exact),
                }


_Time = tuple[datetime, datetime, GapTrack]


def _recorded(stream: StreamLanes) -> Iterator[_Time]:
    for lane in stream.lanes:
        for each in lane.stretches:
            is_timed = each.from_utc is not None and each.to_utc is not None and each.from_utc < each.to_utc
            if each.state is Presence.RECORDED and is_timed and each.from_utc and each.to_utc:
                yield each.from_utc, each.to_utc, lane.track


def _somewhere(stream: StreamLanes, manifest: Manifest) -> Iterator[_Time]:
    """Without a clock of its own, a stream may be anywhere in the time of its recording."""
    states = {each.state for lane in stream.lanes for each in lane.stretches}
    if not stream.clock.is_known and Presence.RECORDED in states and manifest.started_at and manifest.ended_at:
        tracks = [lane.track for lane in stream.lanes if any(s.state is Presence.RECORDED for s in lane.stretches)]
        yield manifest.started_at, manifest.ended_at, tracks[0] if len(tracks) == 1 else "both"


def _merged(times: Iterable[_Time]) -> Sequence[_Time]:
    """One for all that touch, whatever the track; of very many the nearest ones together."""
    merged: list[_Time] = []
    for begin, end, track in sorted(times, key=lambda each: each[:2]):
        if merged and begin <= merged[-1][1]:
            merged[-1] = _one(merged[-1], (begin, end, track))
        else:
            merged.append((begin, end, track))
    breaks = [later[0] - earlier[1] for earlier, later in pairwise(merged)]
    by_length = sorted(range(len(breaks)), key=breaks.__getitem__, reverse=True)
    kept = sorted(number + 1 for number in by_length[: MOST_OF_A_STREAM - 1])
    return [reduce(_one, merged[begin:end]) for begin, end in pairwise([0, *kept, len(merged)])] if merged else []


def _one(first: _Time, then: _Time) -> _Time:
    return first[0], max(first[1], then[1]), first[2] if first[2] == then[2] else "both"


def _attendances() -> Select[Any]:
    here = presences.c
    is_its = (streams.c.recording == here.recording) & (streams.c.stream == here.stream)
    columns = (recordings.c.vendor, recordings.c.task_id, recordings.c.room, streams.c.kind)
    joined = presences.join(recordings, recordings.c.id == here.recording).join(streams, is_its)
    return select(presences, *columns).select_from(joined)


def who_statement(room: str, since: datetime, until: datetime, *, longest: timedelta) -> Select[Any]:
    """Who was recorded in a room between two times; no recording is longer than the longest."""
    asked = _attendances().where(*_of_room(room, since, until, longest), recordings.c.span_to >= since)
    in_time = asked.where(presences.c.from_at < until, presences.c.to_at > since)
    return in_time.order_by(presences.c.from_at, recordings.c.id, presences.c.stream).limit(MOST_ROWS + 1)


def _of_room(room: str, since: datetime, until: datetime, longest: timedelta) -> list[Any]:
    here = recordings.c
    return [here.room == room, here.span_from < until, here.span_from >= reaching_back(since, longest)]


def _who(connection: Connection, room: str, since: datetime, until: datetime) -> Attended:
    longest = longest_span(connection)
    found = connection.execute(who_statement(room, since, until, longest=longest)).mappings().all()
    return Attended(
        attendances=tuple(map(_attendance, found[:MOST_ROWS])),
        unknown=_unknown(connection, room, since, until),
        has_more=len(found) > MOST_ROWS,
    )


def _unknown(connection: Connection, room: str | None, since: datetime, until: datetime) -> tuple[Recording, ...]:
    here = recordings.c
    may_go_on = here.stopped_at.is_(None) | (here.stopped_at >= since)
    open_ones = select(recordings).where(here.revision == 0, here.verdict.is_(None), here.state != State.SETTLED)
    open_ones = open_ones.where(here.span_from < until, may_go_on)
    if room is not None:
        open_ones = open_ones.where(here.room == room)
    found = connection.execute(open_ones.order_by(here.span_from.desc()).limit(MOST_ROWS)).mappings()
    return tuple(map(rows.to_recording, found))


def _rooms(connection: Connection, query: Query) -> Visits:
    page = search(connection, query)
    known = [rows.known(connection, each.id)["id"] for each in page.recordings]
    asked = _attendances().where(presences.c.recording.in_(known), presences.c.user_id == query.user)
    if query.since is not None:
        asked = asked.where(presences.c.to_at > query.since)
    if query.until is not None:
        asked = asked.where(presences.c.from_at < query.until)
    found: dict[RecordingId, list[Attendance]] = {each.id: [] for each in page.recordings}
    for row in connection.execute(asked.order_by(presences.c.from_at, presences.c.stream)).mappings():
        attendance = _attendance(row)
        found[attendance.recording].append(attendance)
    return Visits(page=page, attendances=found)


def _attendance(row: RowMapping) -> Attendance:
    return Attendance(
        recording=rows.id_of(row),
        room=row["room"],
        user=row["user_id"],
        stream=row["stream"],
        kind=StreamKind(row["kind"]),
        track=row["track"],
        from_utc=row["from_at"],
        to_utc=row["to_at"],
        is_exact=row["is_exact"],
    )

"""Search over all recordings: by ids, room, user, stream, time, verdict and state, page by page."""

import base64
import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Select, exists, func, select, tuple_
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from catalog import rows
from catalog.errors import CursorError
from catalog.model import State, Verdict
from catalog.records import Recording
from catalog.tables import presences, recordings, streams
from catalog.wire import utc_text

MOST_ROWS: Final = 500
_FIRST_TIME: Final = datetime.min.replace(tzinfo=UTC)
_NEWEST_FIRST: Final = (recordings.c.span_from.desc(), recordings.c.id.desc())


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to look for; None and () ask nothing. `since` and `until` (exclusive) find what overlaps the time between.

    With a user or a stream, it is the time of that stream that must overlap; `is_recorded` asks more: that the user was
    really recorded then. `cursor` is that of the page before.
    """

    task_id: str | None = None
    vendor: str | None = None
    room: str | None = None
    user: str | None = None
    stream: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    verdicts: tuple[Verdict, ...] = ()
    states: tuple[State, ...] = ()
    is_alarmed: bool = False
    is_recorded: bool = False
    limit: int = 50
    cursor: str | None = None

    def __post_init__(self) -> None:
        for at in (self.since, self.until):
            if at is not None and at.tzinfo is None:
                raise ValueError(f"{at} has no time zone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some recordings, the newest first; `cursor` asks for more, None at the end."""

    recordings: tuple[Recording, ...]
    cursor: str | None


def search(connection: Connection, query: Query) -> Page:
    """One page. Raises `CursorError` for a cursor of another query."""
    limit = max(1, min(query.limit, MOST_ROWS))
    asked = statement(query, longest=_longest(connection, query), limit=limit + 1)
    found = connection.execute(asked).mappings().all()
    shown = found[:limit]
    more = len(found) > limit
    return Page(
        recordings=tuple(rows.to_recording(row) for row in shown),
        cursor=_cursor(query, shown[-1]["span_from"], shown[-1]["id"]) if more else None,
    )


def statement(query: Query, *, longest: timedelta | None, limit: int) -> Select[Any]:
    """At most `limit` recordings of a query, the newest first; `longest` is the longest span of any, if it matters."""
    wanted = _of_recordings(query)
    if query.user is None and query.stream is None:
        wanted += _overlap(query, recordings.c, recordings.c.span_from, longest)
        wanted += _after(query, recordings.c.span_from, recordings.c.id)
        return select(recordings).where(*wanted).order_by(*_NEWEST_FIRST).limit(limit)
    here = streams.c
    wanted += [here.user_id == query.user] if query.user is not None else []
    wanted += [here.stream == query.stream] if query.stream is not None else []
    wanted += _overlap(query, here, here.recording_from, longest)
    wanted += _after(query, here.recording_from, here.recording)
    wanted += [_is_recorded(query)] if query.is_recorded else []
    ids = select(here.recording_from, here.recording).where(*wanted).group_by(here.recording_from, here.recording)
    if _of_recordings(query):
        ids = ids.join(recordings, recordings.c.id == here.recording)
    page = ids.order_by(here.recording_from.desc(), here.recording.desc()).limit(limit).subquery()
    return select(recordings).join(page, page.c.recording == recordings.c.id).order_by(*_NEWEST_FIRST)


def _of_recordings(query: Query) -> list[ColumnElement[bool]]:
    here = recordings.c
    wanted: list[ColumnElement[bool]] = [
        column == value
        for column, value in ((here.task_id, query.task_id), (here.vendor, query.vendor), (here.room, query.room))
        if value is not None
    ]
    if query.verdicts:
        wanted.append(here.verdict.in_(query.verdicts))
    if query.states:
        wanted.append(here.state.in_(query.states))
    if query.is_alarmed:
        wanted.append(here.alarm.is_not(None))
    return wanted


def _overlap(
    query: Query,
    spans: ReadOnlyColumnCollection[str, Column[Any]],
    ordered_by: ColumnElement[datetime],
    longest: timedelta | None,
) -> list[ColumnElement[bool]]:
    """No recording is longer than the longest, so that one index bounds both ends of the time."""
    wanted: list[ColumnElement[bool]] = []
    if query.until is not None:
        wanted += [spans.span_from < query.until, ordered_by < query.until]
    if query.since is not None:
        wanted += [spans.span_to >= query.since]
        wanted += [ordered_by >= reaching_back(query.since, longest)] if longest is not None else []
    return wanted


def _is_recorded(query: Query) -> ColumnElement[bool]:
    """Whether the stream was really recorded at the time that is asked for, and was no gap and no absence."""
    here = presences.c
    wanted = [here.recording == streams.c.recording, here.user_id == streams.c.user_id, here.stream == streams.c.stream]
    wanted += [here.from_at < query.until] if query.until is not None else []
    wanted += [here.to_at > query.since] if query.since is not None else []
    return exists().where(*wanted)


def reaching_back(at: datetime, by: timedelta) -> datetime:
    """Earlier by that much, or the first of all times."""
    return at - by if at - _FIRST_TIME > by else _FIRST_TIME


def _longest(connection: Connection, query: Query) -> timedelta | None:
    if query.since is None:
        return None
    return longest_span(connection)


def longest_span(connection: Connection) -> timedelta:
    """The length of the longest recording."""
    return timedelta(seconds=connection.scalar(select(func.max(recordings.c.span_s))) or 0.0)


def _after(query: Query, span_from: ColumnElement[Any], number: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    if query.cursor is None:
        return []
    at, last = _read_cursor(query)
    return [span_from <= at, tuple_(span_from, number) < (at, last)]


def _cursor(query: Query, at: datetime, number: int) -> str:
    text = json.dumps([_digest(query), at.isoformat(), number], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(query: Query) -> tuple[datetime, int]:
    given = query.cursor or ""
    try:
        digest, at, number = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
        read = datetime.fromisoformat(at).astimezone(UTC), _row_number(number)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        message = f"{given!r} is no cursor. Take it from the answer before, and leave it as it is."
        raise CursorError(message) from error
    if digest != _digest(query):
        message = "the cursor belongs to another search. Ask for the first page of this one."
        raise CursorError(message)
    return read


def _row_number(given: object) -> int:
    if not isinstance(given, int) or not 0 < given < 2**63:
        raise ValueError(f"{given!r} is not the number of a row")
    return given


def _digest(query: Query) -> str:
    """Of what is asked; a page may be of another size."""
    asked = replace(query, cursor=None, limit=1)
    times = [utc_text(at) if at else None for at in (query.since, query.until)]
    return hashlib.sha256(repr((replace(asked, since=None, until=None), times)).encode()).hexdigest()[:12]

"""Which recordings of a room or a user lie in some time, and which ones nearest to it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Final

from catalog.covering import LEAST
from catalog.records import Recording, id_text
from catalog.searching import MOST_ROWS, Query
from flows.steps.refusing import options_text

if TYPE_CHECKING:
    from catalog.attendance import Attendance
    from catalog.index import Catalog

_PAGES: Final = 4
"""Of what came later, so many pages are looked through for the first."""


def overlapping(
    catalog: "Catalog", begin: datetime, end: datetime, *, room: str | None = None, user: str | None = None
) -> Iterator[Recording]:
    """All recordings in some time, over all pages."""
    asked: Query | None = Query(room=room, user=user, since=begin, until=end, limit=MOST_ROWS)
    while asked:
        page = catalog.search(asked)
        yield from page.recordings
        asked = replace(asked, cursor=page.cursor) if page.cursor else None


def near_room(catalog: "Catalog", room: str, begin: datetime, end: datetime) -> tuple[str, ...]:
    """What to ask instead of a time in which a room was not recorded."""
    before = catalog.search(Query(room=room, until=begin, limit=1)).recordings
    told = []
    for word, each in (("before", before[0] if before else None), ("after", _first(catalog, room, end))):
        if each and each.started_at and each.ended_at:
            length = max(end - begin, LEAST)
            is_before = word == "before"
            since = max(each.started_at, each.ended_at - length) if is_before else each.started_at
            until = each.ended_at if is_before else min(each.ended_at, each.started_at + length)
            told.append(f"Nearest {word}, {id_text(each.id)}: --room {quote(room)} {options_text(since, until)}")
    return tuple(told) or (f"No recording of room {room} is known; `aftertake ls` shows those that are.",)


def near_user(catalog: "Catalog", user: str, room: str | None, begin: datetime, end: datetime) -> tuple[str, ...]:
    """What to ask instead of a time in which somebody was not recorded."""
    told = []
    for word, found in (
        ("before", [*_visits(catalog, Query(user=user, room=room, until=begin, limit=1))][-1:]),
        ("after", [*_visits(catalog, Query(user=user, room=room, since=end, limit=MOST_ROWS))][:1]),
    ):
        for each in found:
            length = max(end - begin, LEAST)
            since, until = each.from_utc, each.to_utc
            if word == "before":
                since = max(since, until - length)
            else:
                until = min(until, since + length)
            where = id_text(each.recording)
            told.append(f"Nearest {word}, in {where}: {quote(where)} --user {quote(user)} {options_text(since, until)}")
    where = f" in room {room}" if room else ""
    return tuple(told) or (f"User {user} is in no published recording{where}; `aftertake who` tells who was on.",)


def _first(catalog: "Catalog", room: str, since: datetime) -> Recording | None:
    """The first of what came later: pages begin with the newest."""
    asked, last = Query(room=room, since=since, limit=MOST_ROWS), None
    for _ in range(_PAGES):
        page = catalog.search(asked)
        last = page.recordings[-1] if page.recordings else last
        if page.cursor is None:
            return last
        asked = replace(asked, cursor=page.cursor)
    return None


def _visits(catalog: "Catalog", asked: Query) -> list["Attendance"]:
    """When somebody was recorded then, in the order of time; nothing where that is too much to look through."""
    found: list[Attendance] = []
    for _ in range(_PAGES):
        visits = catalog.attendances.rooms(asked)
        found += [one for each in visits.page.recordings for one in visits.attendances[each.id]]
        if visits.page.cursor is None or asked.limit == 1:
            return sorted(found, key=lambda each: each.from_utc)
        asked = replace(asked, cursor=visits.page.cursor)
    return []

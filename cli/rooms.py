"""`aftertake rooms`: the rooms, and their recordings, in which a user was really recorded."""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from typing import Any, Final

from catalog.attendance import Visits
from catalog.records import id_text
from catalog.searching import MOST_ROWS, Query
from catalog.wire import utc_text
from cli.exits import Exit
from cli.ls import limit
from cli.meaning import moment, plain_text
from cli.recordings import document as recording_document
from cli.report import printable, second, short_room, table, tell
from cli.who import attendance_document
from flows.opening import open_catalog
from flows.settings import Settings

_HEADS: Final = ("room", "recording", "from (UTC)", "to (UTC)", "stream")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose, and when."""
    parser.add_argument("--user", type=plain_text, required=True, metavar="U", help="the user as the vendor names them")
    parser.add_argument("--from", dest="since", type=moment, metavar="TIME", help="2026-05-03T14:00Z, or 24h for ago")
    parser.add_argument("--to", dest="until", type=moment, metavar="TIME", help="up to, and without, this time")
    parser.add_argument("--limit", type=limit, default=50, metavar="N", help=f"recordings, up to {MOST_ROWS}")
    parser.add_argument("--cursor", metavar="C", help="go on where the page before ended")
    parser.add_argument("--jsonl", action="store_true", help="print one JSON object for each recording")


def run(options: argparse.Namespace) -> int:
    """Print one page, the newest recording first."""
    query = Query(
        user=options.user,
        since=options.since,
        until=options.until,
        limit=options.limit,
        cursor=options.cursor,
    )
    with open_catalog(Settings.load()) as catalog:
        visits, place = catalog.attendances.rooms(query), catalog.database.place
    is_found = bool(visits.page.recordings)
    if not is_found:
        said = f"user {options.user} was not recorded in that time, as far as the catalog {place} knows"
        print(f"aftertake: {printable(said)}", file=sys.stderr)
    if options.jsonl:
        for line in _recordings(visits):
            print(json.dumps(line))
        sys.stdout.flush()
        if visits.page.cursor:
            print(printable(_more(query, visits.page.cursor)), file=sys.stderr)
    elif options.json or is_found:
        tell(_document(query, visits), lines(query, visits), as_json=options.json)
    return Exit.OK if is_found else Exit.NOT_FOUND


def _document(query: Query, visits: Visits) -> dict[str, Any]:
    return {
        "schema": "aftertake.rooms/1",
        "user": query.user,
        "from": utc_text(query.since) if query.since else None,
        "to": utc_text(query.until) if query.until else None,
        "recordings": list(_recordings(visits)),
        "cursor": visits.page.cursor,
    }


def _recordings(visits: Visits) -> Iterator[dict[str, Any]]:
    for each in visits.page.recordings:
        yield {
            **recording_document(each),
            "attendances": [attendance_document(one) for one in visits.attendances[each.id]],
        }


def lines(query: Query, visits: Visits) -> Iterator[str]:
    """The same for people."""
    rows = [
        (
            short_room(each.room),
            printable(id_text(each.id)),
            f"{'' if one.is_exact else '~'}{second(one.from_utc)}",
            f"{'' if one.is_exact else '~'}{second(one.to_utc)}",
            printable(one.stream),
        )
        for each in visits.page.recordings
        for one in visits.attendances[each.id]
    ]
    yield from table(_HEADS, rows)
    if visits.page.cursor:
        yield _more(query, visits.page.cursor)


def _more(query: Query, cursor: str) -> str:
    """The command for the next page; times that were said as `24h` stand still, as the cursor belongs to them."""
    said = (
        ("--user", query.user),
        ("--from", utc_text(query.since) if query.since else None),
        ("--to", utc_text(query.until) if query.until else None),
        ("--limit", str(query.limit)),
        ("--cursor", cursor),
    )
    words = [f"{name}={value}" for name, value in said if value]
    return f"more: {shlex.join(['aftertake', 'rooms', *words])}"

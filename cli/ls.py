"""`aftertake ls`: recordings of the catalog, the newest first, searched over all rows."""

import argparse
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final, TypeVar

from catalog.model import State, Verdict
from catalog.records import Recording, id_text
from catalog.searching import MOST_ROWS, Page, Query
from catalog.wire import utc_text
from cli.exits import Exit
from cli.meaning import Task, moment, plain_text, task
from cli.recordings import document as recording_document
from cli.recordings import verdict_of
from cli.report import printable, second, short_room, table, tell
from flows.opening import open_catalog
from flows.settings import Settings

Word = TypeVar("Word", bound=StrEnum)

_HEADS: Final = ("verdict", "recording", "room", "start (UTC)", "length", "rev")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to look for."""
    parser.add_argument("--task", type=task, metavar="ID", help="task id, or VENDOR:TASK_ID")
    for name, meaning in (
        ("vendor", "agora, zego, jocloud or plain"),
        ("room", "the name of the room or channel"),
        ("user", "recordings in which this user is"),
        ("stream", "recordings in which this stream is"),
    ):
        parser.add_argument(f"--{name}", type=plain_text, metavar=name[0].upper(), help=meaning)
    parser.add_argument("--from", dest="since", type=moment, metavar="TIME", help="2026-05-03T14:00Z, or 24h for ago")
    parser.add_argument("--to", dest="until", type=moment, metavar="TIME", help="up to, and without, this time")
    parser.add_argument("--verdict", type=_words(Verdict), default=(), metavar="V,V", help=", ".join(Verdict))
    parser.add_argument("--state", type=_words(State), default=(), metavar="S,S", help=", ".join(State))
    parser.add_argument("--alarm", action="store_true", help="those that a person should look at")
    parser.add_argument("--limit", type=limit, default=50, metavar="N", help=f"at most so many, up to {MOST_ROWS}")
    parser.add_argument("--cursor", metavar="C", help="go on where the page before ended")
    parser.add_argument("--jsonl", action="store_true", help="print one JSON object for each recording")


def run(options: argparse.Namespace) -> int:
    """Print one page."""
    query = _query(options)
    with open_catalog(Settings.load()) as catalog:
        page, place = catalog.search(query), catalog.database.place
    if not page.recordings:
        print(f"aftertake: no such recording in the catalog {printable(place)}", file=sys.stderr)
    if options.jsonl:
        _tell_lines(query, page)
    elif options.json or page.recordings:
        tell(document(query, page), lines(query, page), as_json=options.json)
    return Exit.OK if page.recordings else Exit.NOT_FOUND


def _query(options: argparse.Namespace) -> Query:
    wanted: Task | None = options.task
    return Query(
        task_id=wanted.task_id if wanted else None,
        vendor=options.vendor or (wanted.vendor if wanted else None),
        room=options.room,
        user=options.user,
        stream=options.stream,
        since=options.since,
        until=options.until,
        verdicts=options.verdict,
        states=options.state,
        is_alarmed=options.alarm,
        limit=options.limit,
        cursor=options.cursor,
    )


def _tell_lines(query: Query, page: Page) -> None:
    for recording in page.recordings:
        print(json.dumps(recording_document(recording)))
    sys.stdout.flush()
    if page.cursor:
        print(printable(_more(query, page.cursor)), file=sys.stderr)


def document(query: Query, page: Page) -> dict[str, Any]:
    """The one JSON object that `--json` prints; the times of the query are those that the cursor belongs to."""
    return {
        "schema": "aftertake.ls/1",
        "from": utc_text(query.since) if query.since else None,
        "to": utc_text(query.until) if query.until else None,
        "recordings": [recording_document(recording) for recording in page.recordings],
        "cursor": page.cursor,
    }


def lines(query: Query, page: Page) -> Iterator[str]:
    """The same for people: a table, alarms below their recordings."""
    head, *rows = table(_HEADS, [_row(recording) for recording in page.recordings])
    yield head
    for row, recording in zip(rows, page.recordings, strict=True):
        yield row
        if recording.alarm:
            yield f"    ! {recording.alarm}"
    if page.cursor:
        yield _more(query, page.cursor)


def _row(recording: Recording) -> Sequence[str]:
    return (
        f"{verdict_of(recording) or recording.state}{' !' if recording.alarm else ''}",
        printable(id_text(recording.id)),
        short_room(recording.room),
        second(recording.started_at),
        _length(recording),
        str(recording.revision or "-"),
    )


def _length(recording: Recording) -> str:
    if not (recording.started_at and recording.ended_at):
        return "-"
    minutes, seconds = divmod(round((recording.ended_at - recording.started_at).total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _more(query: Query, cursor: str) -> str:
    """The command for the next page; times that were said as `24h` stand still, as the cursor belongs to them."""
    said: Iterable[tuple[str, str | None]] = (
        ("--task", query.task_id),
        ("--vendor", query.vendor),
        ("--room", query.room),
        ("--user", query.user),
        ("--stream", query.stream),
        ("--from", utc_text(query.since) if query.since else None),
        ("--to", utc_text(query.until) if query.until else None),
        ("--verdict", ",".join(query.verdicts)),
        ("--state", ",".join(query.states)),
        ("--limit", str(query.limit)),
        ("--cursor", cursor),
    )
    # one word each: a value may begin with a dash
    words = [f"{name}={value}" for name, value in said if value]
    return f"more: {shlex.join(['aftertake', 'ls', *words, *['--alarm'] * query.is_alarmed])}"


def _words(kind: type[Word]) -> Callable[[str], tuple[Word, ...]]:
    def read(text: str) -> tuple[Word, ...]:
        try:
            return tuple(dict.fromkeys(kind(word.strip()) for word in text.split(",")))
        except ValueError:
            message = f"write some of {', '.join(kind)}, with commas between"
            raise argparse.ArgumentTypeError(message) from None

    return read


def limit(text: str) -> int:
    """How many rows a page may have."""
    if re.fullmatch("[1-9][0-9]{0,2}", text) and int(text) <= MOST_ROWS:
        return int(text)
    raise argparse.ArgumentTypeError(f"write a number from 1 to {MOST_ROWS}")

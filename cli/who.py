"""`aftertake who`: who was really recorded in a room, at a moment or over some time."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

from catalog.attendance import Attendance, Attended
from catalog.records import id_text
from catalog.wire import utc_text
from cli.exits import Exit
from cli.meaning import moment, plain_text
from cli.recordings import document as recording_document
from cli.recordings import named
from cli.report import printable, table, tell
from flows.opening import open_catalog
from flows.settings import Settings

_HEADS: Final = ("user", "stream", "track", "from (UTC)", "to (UTC)", "recording")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where and when."""
    parser.add_argument("--room", type=plain_text, required=True, metavar="R", help="the name of the room or channel")
    parser.add_argument("--at", type=moment, required=True, metavar="TIME", help="2026-05-03T14:05Z, or 24h for ago")
    parser.add_argument("--to", dest="until", type=moment, metavar="TIME", help="up to, and without, this time")
    parser.add_argument("--jsonl", action="store_true", help="print one JSON object for each time that somebody was on")


def run(options: argparse.Namespace) -> int:
    """Print who it was, and which recordings cannot tell yet."""
    with open_catalog(Settings.load()) as catalog:
        found, place = catalog.attendances.who(options.room, options.at, options.until), catalog.database.place
    if not found.attendances:
        when = f"{utc_text(options.at)}{f' to {utc_text(options.until)}' if options.until else ''}"
        said = f"nobody was recorded in room {options.room} at {when}, as far as the catalog {place} knows"
        print(f"aftertake: {printable(said)}", file=sys.stderr)
    if options.jsonl:
        for each in found.attendances:
            print(json.dumps(attendance_document(each)))
        sys.stdout.flush()
    if options.jsonl or not options.json:
        for note in _notes(found):
            print(printable(note), file=sys.stderr)
    if not options.jsonl and (options.json or found.attendances):
        tell(_document(options, found), lines(found.attendances), as_json=options.json)
    return Exit.OK if found.attendances else Exit.NOT_FOUND


def _document(options: argparse.Namespace, found: Attended) -> dict[str, Any]:
    return {
        "schema": "aftertake.who/1",
        "room": options.room,
        "at": utc_text(options.at),
        "to": utc_text(options.until) if options.until else None,
        "people": [attendance_document(each) for each in found.attendances],
        "has_more": found.has_more,
        "unknown": [recording_document(each) for each in found.unknown],
    }


def attendance_document(attendance: Attendance) -> dict[str, Any]:
    """One time that somebody was on, in JSON; where `is_exact` is false, it was some time between the two."""
    return {
        "user": attendance.user,
        "stream": attendance.stream,
        "kind": attendance.kind.value,
        "track": attendance.track,
        "from": utc_text(attendance.from_utc),
        "to": utc_text(attendance.to_utc),
        "is_exact": attendance.is_exact,
        "vendor": attendance.recording.vendor,
        "task_id": attendance.recording.task_id,
        "room": attendance.room,
    }


def lines(found: tuple[Attendance, ...]) -> Iterator[str]:
    """The same for people; `~` where nobody knows the times but those of the recording."""
    yield from table(_HEADS, [_row(each) for each in found])


def _row(attendance: Attendance) -> tuple[str, ...]:
    about = "" if attendance.is_exact else "~"
    return (
        printable(attendance.user or "-"),
        printable(attendance.stream),
        "audio and video" if attendance.track == "both" else attendance.track,
        f"{about}{_time(utc_text(attendance.from_utc))}",
        f"{about}{_time(utc_text(attendance.to_utc))}",
        printable(id_text(attendance.recording)),
    )


def _time(text: str) -> str:
    return text[:23].replace("T", " ")


def _notes(found: Attended) -> Iterator[str]:
    if found.has_more:
        yield "there were more: ask for a shorter time"
    for each in found.unknown:
        yield f"not known yet: {named(each)}; who is in it is told once it is published"

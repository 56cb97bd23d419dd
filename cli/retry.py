"""`aftertake retry`: have recordings looked at now that wait, failed, or were left to a person."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from catalog.index import Catalog
from catalog.records import Recording, id_text
from catalog.searching import MOST_ROWS, Query
from cli.actor import own_actor
from cli.exits import Exit
from cli.meaning import NO_REASON, plain_text, task
from cli.recordings import named, queued, what_next
from cli.report import printable, tell
from cli.sources import the_one, with_source
from cli.story import known
from flows.opening import open_catalog
from flows.settings import Settings, SettingsError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which recordings, and why."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("task", nargs="?", type=task, metavar="TASK", help="task id, or VENDOR:TASK_ID")
    which.add_argument("--alarm", action="store_true", help="all that a person should look at")
    parser.add_argument("--reason", type=plain_text, default=NO_REASON, metavar="TEXT", help="why, for the audit")


def run(options: argparse.Namespace) -> int:
    """Make them due."""
    settings = Settings.load()
    with open_catalog(settings) as catalog:
        if options.alarm:
            return _retry_alarmed(catalog, settings, options)
        retried = [_retry(catalog, settings, the_one(known(catalog, options.task.text)), options.reason)]
    tell(document(retried), lines(retried), as_json=options.json)
    return Exit.OK


def _retry_alarmed(catalog: Catalog, settings: Settings, options: argparse.Namespace) -> Exit:
    """One that cannot be retried, because its source is not known, does not keep the others."""
    retried, code = [], Exit.OK
    for recording in list(_alarmed(catalog)):
        try:
            retried.append(_retry(catalog, settings, recording, options.reason))
        except SettingsError as error:
            code = Exit.USAGE
            print(printable(f"{id_text(recording.id)}: {error}"), file=sys.stderr)
    tell(document(retried), lines(retried), as_json=options.json)
    return code


def _alarmed(catalog: Catalog) -> Iterator[Recording]:
    query = Query(is_alarmed=True, limit=MOST_ROWS)
    while True:
        page = catalog.search(query)
        yield from page.recordings
        if page.cursor is None:
            return
        query = replace(query, cursor=page.cursor)


def _retry(catalog: Catalog, settings: Settings, recording: Recording, reason: str) -> Recording:
    meant = with_source(catalog, settings, recording)
    return catalog.make_due(meant.id, queue=meant.queue, actor=own_actor(), action="retry", reason=reason)


def document(retried: Sequence[Recording]) -> dict[str, Any]:
    """The one JSON object that `--json` prints."""
    return {
        "schema": "aftertake.retry/1",
        "recordings": [{**queued(recording), "next": what_next(recording)} for recording in retried],
    }


def lines(retried: Sequence[Recording]) -> Iterator[str]:
    """The same for people."""
    for recording in retried:
        yield f"{named(recording)}; {what_next(recording)}"
    if not retried:
        yield "no recording was made due"

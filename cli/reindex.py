"""`aftertake reindex`: make the catalog again from the manifests of the output."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from cli.exits import Exit
from cli.progress import Line
from cli.report import printable, tell
from flows.opening import open_catalog
from flows.settings import Settings
from flows.steps.finding import NothingFoundError
from flows.steps.reindexing import Counts, reindex
from flows.steps.store_checks import counted
from storage.opening import open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the manifests are."""
    parser.add_argument("--output", metavar="URL", help="where manifests lie, instead of the output of the settings")


def run(options: argparse.Namespace) -> int:
    """Read all manifests. What cannot be read is told, and left out."""
    settings = Settings.load()
    output, progress = open_store(options.output or settings.output), Line("reindex")
    with open_catalog(settings) as catalog:
        try:
            counts = reindex(catalog, settings, output, lambda so_far: progress.say(f"{so_far.manifests} manifests"))
        finally:
            progress.finish()
    for fault in counts.unreadable:
        print(f"aftertake: {printable(fault)}", file=sys.stderr)
    if not (counts.manifests or counts.unreadable):
        raise NothingFoundError(f"no manifest in {output.url}. Check that --output is where recordings are published.")
    tell(document(counts), lines(counts), as_json=options.json)
    return Exit.LOST if counts.unreadable else Exit.OK


def document(counts: Counts) -> dict[str, Any]:
    """The one JSON object that `--json` prints."""
    return {
        "schema": "aftertake.reindex/1",
        "recordings": counts.recordings,
        "manifests": counts.manifests,
        "newer": counts.newer,
        "derived": counts.derived,
        "unreadable": counts.unreadable,
    }


def lines(counts: Counts) -> Iterator[str]:
    """The same for people."""
    told = f"{counted(counts.manifests, 'manifest')} of {counted(counts.recordings, 'recording')}"
    yield f"{told}: {counts.newer} newer than what was known, {len(counts.unreadable)} unreadable"
    yield f"hints and pointers that were missing and are written: {counts.derived}"

"""`aftertake find`: a recording that is not where it was promised, looked for in every configured store."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from catalog.wire import utc_text
from cli.exits import Exit, exit_of_error
from cli.report import tell
from flows.settings import known_sources
from flows.steps.searching import Search, Sighting, search
from flows.steps.store_checks import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to look for, and where."""
    parser.add_argument("task", metavar="TASK", help="task id, or VENDOR:TASK_ID")
    parser.add_argument("--store", action="append", metavar="URL", help="a store to look through, instead of those")


def run(options: argparse.Namespace) -> int:
    """Look through the stores of the arguments; without any, those of the settings."""
    searches = [search(url, options.task) for url in options.store or known_sources()]
    tell(document(options.task, searches), lines(options.task, searches), as_json=options.json)
    return exit_code(searches)


def document(task: str, searches: Sequence[Search]) -> dict[str, Any]:
    """The one JSON object that `--json` prints."""
    return {
        "schema": "aftertake.find/1",
        "task": task,
        "found": [_sighting(sighting) for search in searches for sighting in search.sightings],
        "searched": [
            {"store": search.store, "error": str(search.failure) if search.failure else None} for search in searches
        ],
    }


def lines(task: str, searches: Sequence[Search]) -> Iterator[str]:
    """The same for people."""
    for each in searches:
        for sighting in each.sightings:
            yield f"{sighting.vendor} {sighting.task_id}: {sighting.store}"
            yield (
                f"  {counted(sighting.segments, 'slice')} and {counted(sighting.playlists, 'playlist')} "
                f"in {sighting.folder or 'its root'}, "
                f"{sighting.size_bytes} bytes, the newest of {utc_text(sighting.newest)}"
            )
        if each.failure:
            yield f"! {each.store}: {each.failure}"
    if not any(each.sightings for each in searches):
        yield f"no object of {task} in {', '.join(each.store for each in searches)}"


def exit_code(searches: Sequence[Search]) -> Exit:
    """0 if it was found; what kept a store from being searched; 4 if it is in none of them."""
    if any(search.sightings for search in searches):
        return Exit.OK
    failures = [exit_of_error(search.failure) for search in searches if search.failure]
    return min(failures, default=Exit.NOT_FOUND)


def _sighting(sighting: Sighting) -> dict[str, Any]:
    return {
        "store": sighting.store,
        "vendor": sighting.vendor,
        "task_id": sighting.task_id,
        "folder": sighting.folder,
        "playlists": sighting.playlists,
        "segments": sighting.segments,
        "size_bytes": sighting.size_bytes,
        "newest": utc_text(sighting.newest),
    }

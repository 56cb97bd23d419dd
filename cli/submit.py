"""`aftertake submit`: make recordings known to the catalog, so that they are processed."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.index import Catalog
from catalog.model import RecordingId, State
from catalog.records import Queue, Recording, id_text
from cli.actor import own_actor
from cli.exits import Exit
from cli.meaning import NO_REASON, Place, place_or_task, plain_text
from cli.recordings import named, queued, what_next
from cli.report import printable, tell
from cli.sources import source_for, source_of_folder
from flows.opening import open_catalog
from flows.settings import Settings
from flows.steps.finding import NothingFoundError, find_recordings
from storage.opening import open_source


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A recording, the name of the source it lies in, and what a listing said of it."""

    recording: RecordingId
    source: str
    folder: str | None = None
    room: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which recordings."""
    text = "VENDOR:TASK_ID; or a folder inside of a configured source, for all recordings in it"
    parser.add_argument("what", type=place_or_task, metavar="TASK|URL", help=text)
    parser.add_argument("--source", metavar="NAME", help="the source it lies in, where several are configured")
    parser.add_argument("--bulk", action="store_true", help="after all that is more urgent")
    parser.add_argument("--reason", type=plain_text, default=NO_REASON, metavar="TEXT", help="why, for the audit")


def run(options: argparse.Namespace) -> int:
    """Submit what was named."""
    settings = Settings.load()
    if isinstance(options.what, Place):
        submissions = in_folder(settings, options.what.url, options.source)
    else:
        recording: RecordingId = options.what.recording
        source = source_for(settings, recording.vendor, options.source)
        submissions = [Submission(recording=recording, source=source.name)]
    queue = Queue.BULK if options.bulk else Queue.LIVE
    with open_catalog(settings) as catalog:
        submitted = [submit(catalog, each, queue=queue, reason=options.reason) for each in submissions]
    tell(document(submitted), lines(submitted), as_json=options.json)
    return Exit.OK


def in_folder(settings: Settings, url: str, name: str | None) -> list[Submission]:
    """The recordings of a folder, listed once. Raises `NothingFoundError`, and `SettingsError` without a source."""
    source, folder = source_of_folder(settings, url, name)
    found = [objects for objects, _ in find_recordings(open_source(source.store), folder)]
    fitting = [objects for objects in found if source.vendor in {objects.vendor, None}]
    for objects in found:
        if objects not in fitting:
            text = f"{objects.vendor} {objects.task_id} is left out: the source {source.name} is for {source.vendor}"
            print(printable(text), file=sys.stderr)
    if not fitting:
        message = f"no recording of {source.vendor} in {url}. Submit it with the --source that it lies in."
        raise NothingFoundError(message)
    return [
        Submission(
            recording=RecordingId(vendor=objects.vendor, task_id=objects.task_id),
            source=source.name,
            folder=objects.folder,
            room=objects.room,
        )
        for objects in fitting
    ]


def submit(catalog: Catalog, submission: Submission, *, queue: Queue, reason: str) -> Recording:
    """Make it known as stopped; what is settled already is looked at again."""
    recording = catalog.register(
        submission.recording,
        state=State.STOPPED,
        cause="submitted",
        actor=own_actor(),
        queue=queue,
        source=submission.source,
        folder=submission.folder,
        room=submission.room,
    )
    if recording.state is not State.SETTLED:
        return recording
    return catalog.make_due(recording.id, queue=queue, actor=own_actor(), action="submit", reason=reason)


def document(submitted: Sequence[Recording]) -> dict[str, Any]:
    """The one JSON object that `--json` prints."""
    return {
        "schema": "aftertake.submit/1",
        "recordings": [{**queued(recording), "next": what_next(recording)} for recording in submitted],
    }


def lines(submitted: Sequence[Recording]) -> Iterator[str]:
    """The same for people."""
    for recording in submitted:
        yield f"{named(recording)}; source {recording.source}; {what_next(recording)}"
    shown = id_text(submitted[0].id) if len(submitted) == 1 else "VENDOR:TASK_ID"
    yield f"`aftertake show {shown}` tells how far it is."

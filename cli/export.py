"""`aftertake export`: some time of somebody as an MP4 with its certificate; told truly before anything is made."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from catalog.export_request import ExportMode
from catalog.exports import Export, ExportedFile, ExportState
from catalog.wire import utc_text
from cli.actor import own_actor
from cli.exits import Exit
from cli.export_words import document, exit_of_export, megabytes, progress_text, refused, share, truth, what_next
from cli.exports import link_document
from cli.meaning import NO_REASON, long_span, plain_text
from cli.progress import Line, Progress
from cli.report import printable, tell
from flows.export import export_replay
from flows.moments import HOW_TO_WRITE_RANGES, read_range
from flows.opening import open_worker
from flows.process import Inline, run_inline
from flows.settings import Settings
from flows.steps.downloading import download, free_place
from flows.steps.exporting import take_back_dead
from flows.steps.linking import Link, link
from flows.steps.making import make
from flows.steps.preparing import Prepared, prepare
from flows.steps.refusing import NotRecordedError, SelectionError
from flows.steps.selecting import Wanted
from flows.steps.store_checks import counted
from flows.steps.working import Worker

_OFTEN_S: Final = 0.05
_SELDOM_S: Final = 1.0
_PATIENCE_S: Final = 10.0
_AGAIN_S: Final = 5.0
_UNDER_WAY: Final = (ExportState.QUEUED, ExportState.RUNNING)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose time, how, and what to do with it."""
    parser.add_argument("task", nargs="?", type=plain_text, metavar="TASK", help="task id, or VENDOR:TASK_ID")
    parser.add_argument("--user", type=plain_text, action="append", default=[], metavar="U", help="may be said again")
    parser.add_argument("--room", type=plain_text, metavar="R", help="all recordings of it in that time")
    parser.add_argument("--in", dest="begin", required=True, metavar="T", help=HOW_TO_WRITE_RANGES)
    parser.add_argument("--out", dest="end", required=True, metavar="T", help="up to, and without, this time")
    parser.add_argument("--separate", action="store_true", help="a file for each of several, with one zero, in a ZIP")
    parser.add_argument("--name", type=plain_text, metavar="N", help="of the file, without its extension")
    parser.add_argument(
        "--reason", type=plain_text, default=NO_REASON, metavar="TEXT", help="for audit and certificate"
    )
    parser.add_argument("--expires", type=long_span, metavar="7d", help="keep the file for so long")
    parser.add_argument("-o", dest="file", type=Path, metavar="FILE", help="wait, and write it there, proved")
    parser.add_argument("--wait", action="store_true", help="until it is made; exit 3 if something is lost in it")
    parser.add_argument("--here", action="store_true", help="make it in this process, without `aftertake serve`")
    parser.add_argument("--link", action="store_true", help="wait, and give a link for 15 minutes")


def run(options: argparse.Namespace) -> int:
    """Tell what will be made; ask for it; wait for it if that is wanted."""
    settings = Settings.load()
    with open_worker(settings) as worker:
        prepared = _prepared(worker, options)
        _tell_truth(prepared)
        place = _free_place(options.file, prepared) if options.file is not None else None
        if options.link and not worker.output.capabilities.presigns:
            raise SelectionError(f"{worker.output.url} gives no links: write the file with -o.")
        export, is_new = worker.catalog.exports.ask(
            prepared.request,
            by=own_actor(),
            reason=options.reason,
            name=prepared.selection.name,
            keep=options.expires or settings.export_keep,
            most=settings.exports_per_person,
        )
        try:
            _say([_so_far(export, is_new=is_new)])
            return _finish(worker, export, options, place, has_gaps=prepared.selection.has_gaps)
        except KeyboardInterrupt:
            short, goes_on = export.id[:12], "waits for `aftertake serve`" if options.here else "goes on"
            _say([f"the export {goes_on}: `aftertake exports show {short}` follows it, `… cancel {short}` ends it"])
            return Exit.INTERRUPTED


def _prepared(worker: Worker, options: argparse.Namespace) -> Prepared:
    try:
        return prepare(worker, _wanted(options))
    except NotRecordedError as error:
        if options.json:
            tell({"schema": "aftertake.export/1", "id": None, **refused(error)}, (), as_json=True)
        raise


def _wanted(options: argparse.Namespace) -> Wanted:
    try:
        begin, end = read_range(options.begin, options.end)
    except ValueError as error:
        raise SelectionError(str(error)) from error
    return Wanted(
        task=options.task,
        room=options.room,
        users=tuple(dict.fromkeys(options.user)),
        begin=begin,
        end=end,
        mode=ExportMode.SEPARATE if options.separate else ExportMode.FAST,
        name=options.name,
    )


def _tell_truth(prepared: Prepared) -> None:
    request = prepared.request
    _say(truth(request.clips))
    _say(f"! {note}" for note in prepared.selection.notes)
    if request.is_archive:
        _say([f"{counted(len(request.clips), 'file')} in one archive, {megabytes(request.size_bytes)}"])


def _free_place(file: Path, prepared: Prepared) -> Path:
    """Where it will be written, in a folder under its name.

    Before anything is asked for: what stands is not overwritten, and an archive is not called an MP4.
    """
    expected = ".zip" if prepared.request.is_archive else ".mp4"
    place = free_place(file, f"{prepared.selection.name}{expected}")
    if place.suffix.lower() in {".zip", ".mp4"} and place.suffix.lower() != expected:
        raise SelectionError(
            f"this becomes {'an archive' if expected == '.zip' else 'an MP4'}: write -o with {expected}"
        )
    return place


def _so_far(export: Export, *, is_new: bool) -> str:
    if is_new:
        return f"export {export.id}"
    if export.state is ExportState.DONE:
        return f"export {export.id}: made already, on {utc_text(export.changed_at)}"
    return f"export {export.id}: asked for already, at {utc_text(export.created_at)}; it is {export.state}"


def _make(worker: Worker, export: Export) -> None:
    """Unless it is done, or somebody else is at it."""
    shown = Progress("export", export.total_bytes)

    def make_and_show(worker: Worker, export: Export, progress: Callable[[int], object]) -> ExportedFile:
        def told(size_bytes: int) -> None:
            progress(size_bytes)
            shown.add(size_bytes)

        return make(worker, export, told)

    try:
        run_inline(export_replay(Inline(), worker, export.id, make=make_and_show))
    finally:
        shown.finish()


def _made_here(worker: Worker, export: Export) -> Export:
    """How it ended: nobody else may be there to try again, nor to see that another one who made it has died."""
    while True:
        _make(worker, export)
        export = worker.catalog.exports.get(export.id)
        if export.state not in _UNDER_WAY:
            return export
        if export.cause:
            _say([f"it is tried again in a moment: {export.cause}"])
        time.sleep(_AGAIN_S)
        take_back_dead(worker.catalog.exports, actor=worker.name)


def _awaited(worker: Worker, export: Export) -> Export:
    """How it ended."""
    export = worker.catalog.exports.get(export.id)
    line, began, has_warned, look_s = Line("export"), time.monotonic(), False, _OFTEN_S
    try:
        while export.state in _UNDER_WAY:
            if export.state is ExportState.QUEUED and not has_warned and time.monotonic() - began > _PATIENCE_S:
                line.finish()
                _say(["it is in the queue still: a worker of `aftertake serve` must run to make it"])
                has_warned = True
            line.say_share(share(export), progress_text(export, datetime.now(UTC)))
            time.sleep(look_s)
            look_s = min(2 * look_s, _SELDOM_S)
            export = worker.catalog.exports.get(export.id)
    finally:
        line.finish()
    return export


def _finish(worker: Worker, export: Export, options: argparse.Namespace, place: Path | None, *, has_gaps: bool) -> Exit:
    """Give what was asked for, or why there is nothing. With `has_gaps` somebody may be lost who has no file in it."""
    if not (options.wait or options.link or place or options.here):
        _tell(export, options)
        return Exit.OK
    export = _made_here(worker, export) if options.here else _awaited(worker, export)
    if export.file is None or export.state is not ExportState.DONE:
        why = f": {export.cause} {export.advice or ''}".rstrip() if export.cause else ""
        _say([f"the export is {export.state}{why}", what_next(export)])
        _tell(export, options)
        return exit_of_export(export)
    made = None
    if place is not None:
        progress = Progress("export", export.file.size_bytes)
        try:
            download(worker.output, export.file, place, progress.add)
        finally:
            progress.finish()
        _say([f"{place} is as certified; {place.name}.certificate.json lies beside it"])
    if options.link:
        who = {"by": own_actor(), "reason": options.reason}
        made = link(worker.catalog, worker.output, export.id, **who, now=datetime.now(UTC))
    _tell(export, options, place, made)
    return Exit.LOST if has_gaps else exit_of_export(export)


def _tell(export: Export, options: argparse.Namespace, place: Path | None = None, made: Link | None = None) -> None:
    """The id, or what is better than it: the link, or the path."""
    answer: dict[str, Any] = {
        "schema": "aftertake.export/1",
        **document(export),
        "saved_as": str(place) if place else None,
        "link": link_document(made) if made else None,
    }
    told: Sequence[str] = [each for each in (str(place) if place else None, made.url if made else None) if each]
    tell(answer, told or [export.id], as_json=options.json)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(printable(line), file=sys.stderr)

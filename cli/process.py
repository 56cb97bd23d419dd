"""`aftertake process`: prove, join and publish the recordings of a folder, or one of the catalog."""

import argparse

from cli.folders import HELP, work
from cli.meaning import Place, Task, place_or_task, plain_text
from flows.process import Inline, process
from flows.settings import SettingsError
from storage.opening import open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A folder and its output, or a recording of the catalog."""
    parser.add_argument("what", type=place_or_task, metavar="URL|TASK", help=f"{HELP}; or VENDOR:TASK_ID")
    parser.add_argument("--output", metavar="URL", help="where MP4s and manifests of a folder go")
    parser.add_argument(
        "--force", action="store_true", help="of a TASK: wait for nothing, and do it again if it is done"
    )
    parser.add_argument("--reason", type=plain_text, metavar="TEXT", help="why it is forced, for the audit")


def run(options: argparse.Namespace) -> int:
    """Process what was named, here and now."""
    if isinstance(options.what, Place):
        return _process_folder(options)
    return _process_task(options, options.what)


def _process_folder(options: argparse.Namespace) -> int:
    if options.output is None:
        raise SettingsError(f"{options.what.url} is a folder: say with --output URL where its MP4s go.")
    if options.force or options.reason is not None:
        raise SettingsError("--force and --reason are for recordings of the catalog: name one as VENDOR:TASK_ID.")
    target = open_store(options.output)
    return work("process", options.what.url, lambda task: process(Inline(), task, target), as_json=options.json)


def _process_task(options: argparse.Namespace, task: Task) -> int:
    if options.output is not None:
        message = f"{task.text} is no folder that is there, and what the catalog knows goes where the settings say"
        raise SettingsError(f"{message}. Correct the folder, or leave --output out.")
    if options.force != (options.reason is not None):
        raise SettingsError("--force and --reason TEXT go together: the audit keeps why a recording was forced.")
    from cli.by_hand import force, process_task  # noqa: PLC0415 - SQL is for those who ask the catalog

    if options.force:
        return force(task, options.reason, as_json=options.json)
    return process_task(task, as_json=options.json)

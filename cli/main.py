"""`aftertake`: the commands and their arguments."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from catalog.model import State
from cli import find
from cli.doctor import add_arguments as add_doctor_arguments
from cli.doctor import doctor
from cli.exits import Exit, exit_of_error, exit_of_verdict
from cli.progress import Progress
from cli.report import Result, Unsettled, document, lines, overall, printable
from cli.sandbox import sandbox
from cli.serve import PARTS, serve
from cli.show import show
from flows.process import Inline, check, process, run_inline
from flows.settings import SettingsError, known_sources, other_stores
from flows.steps.finding import find_recordings
from flows.steps.planning import OnlyVariantsError
from flows.steps.publishing import Published
from flows.steps.searching import search
from flows.steps.tasks import Task
from storage.opening import open_source, open_store

EPILOG = (
    "Exit codes: 0 all well, 1 unexpected, 2 usage, 3 something is lost, 4 not found, 5 try again, 6 refused, "
    "7 not final yet."
)

Story = Callable[[Task], Coroutine[Any, Any, Published]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and answer with its exit code; errors become one sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("interrupted; nothing half-written is left, run the same command again", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # whoever read our answer has seen enough; without this, the interpreter would complain once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.UNEXPECTED
    except Exception as error:
        code = exit_of_error(error)
        if code is Exit.UNEXPECTED:
            raise
        print(f"aftertake: {_said(error)}", file=sys.stderr)
        return code


def _said(error: Exception) -> str:
    """What went wrong, in one line; of settings a line for each that is wrong."""
    said = str(error).split("\n") if isinstance(error, SettingsError) else [str(error)]
    return "\n".join(map(printable, said))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aftertake", description="Prove and join cloud recordings.", epilog=EPILOG)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    checking = _command(commands, "check", _check, "read every byte of a recording folder and judge it; writes nothing")
    checking.add_argument("url", help="a recording folder, or any HLS folder (path or store URL)")
    processing = _command(commands, "process", _process, "prove, join and publish the recordings of a folder")
    processing.add_argument("url", help="a recording folder, or any HLS folder (path or store URL)")
    processing.add_argument("--output", required=True, metavar="URL", help="where MP4s and manifests go")
    showing = _command(commands, "show", _show, "what was published of a recording")
    showing.add_argument("task", metavar="TASK", help="task id, or VENDOR:TASK_ID")
    showing.add_argument("--output", required=True, metavar="URL", help="where MP4s and manifests lie")
    finding = _command(commands, "find", _find, "look through every configured store for a recording's objects")
    finding.add_argument("task", metavar="TASK", help="task id, or VENDOR:TASK_ID")
    finding.add_argument("--store", action="append", metavar="URL", help="a store to look through, instead of those")
    imitating = _command(commands, "sandbox", _sandbox, "serve S3, OSS and COS on this machine, for trying things out")
    imitating.add_argument("--port", type=int, default=0, help="where to listen; a free port unless said")
    imitating.add_argument("--empty", action="store_true", help="lay no recordings into the buckets")
    text = "whether the configured stores are right, and what to do where they are not"
    add_doctor_arguments(_command(commands, "doctor", doctor, text))
    text = "run everything on this machine, or some parts of it: " + ", ".join(PARTS)
    serving = _command(commands, "serve", _serve, text)
    serving.add_argument("parts", nargs="*", choices=(*PARTS, []), metavar="PART", help="all, unless named")
    demonstrating = _command(commands, "demo", _demo, "record three real calls into three clouds and process them")
    demonstrating.add_argument("--folder", default="demo-output", help="where to keep what is published")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, epilog=EPILOG)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)
    return parser


def _check(options: argparse.Namespace) -> int:
    return _work("check", options, lambda task: check(Inline(), task))


def _process(options: argparse.Namespace) -> int:
    target = open_store(options.output)
    return _work("process", options, lambda task: process(Inline(), task, target))


def _work(command: str, options: argparse.Namespace, story: Story) -> int:
    source = open_source(options.url)
    found = find_recordings(source)
    progress = Progress(command, sum(meta.size_bytes for meta in found[0][1].values()))
    try:
        results = _results(
            story,
            [
                Task(
                    source=source,
                    objects=objects,
                    metas=metas,
                    now=datetime.now(UTC),
                    progress=progress.add,
                    elsewhere=other_stores(),
                )
                for objects, metas in found
            ],
        )
    finally:
        progress.finish()
    for result in results:
        if isinstance(result, Unsettled):
            print(f"aftertake: {printable(result.reason)}", file=sys.stderr)
    _say(command, options, results)
    return _exit(results)


def _results(story: Story, tasks: Sequence[Task]) -> list[Result]:
    """One for each recording. A playlist of playlists is none, unless there is nothing else."""
    results: list[Result] = []
    only_variants: OnlyVariantsError | None = None
    for task in tasks:
        try:
            results.append(run_inline(story(task)))
        except OnlyVariantsError as error:
            only_variants = error
        except Exception as error:  # noqa: BLE001 - what has no exit code of its own is raised again
            results.append(_unsettled(task, error, alone=len(tasks) == 1))
    if only_variants and not results:
        raise only_variants
    return results


def _unsettled(task: Task, error: Exception, *, alone: bool) -> Unsettled:
    """What kept a recording from a verdict; it must not hide the others of the folder."""
    code = exit_of_error(error)
    if code is Exit.UNEXPECTED or (alone and code is not Exit.NOT_FINAL):
        raise error
    state = State.WAITING if code is Exit.NOT_FINAL else State.FAILED
    reason = str(error)
    return Unsettled(vendor=task.objects.vendor, task_id=task.objects.task_id, state=state, reason=reason, exit=code)


def _exit(results: Sequence[Result]) -> Exit:
    unsettled = [result.exit for result in results if isinstance(result, Unsettled)]
    verdict = overall(results)
    if verdict is None:
        return Exit(min(unsettled))
    kept = any(isinstance(result, Published) and result.kept for result in results)
    return Exit.LOST if kept else exit_of_verdict(verdict)


def _say(command: str, options: argparse.Namespace, results: Sequence[Result]) -> None:
    _print(options, document(command, results), lines(results))


def _print(options: argparse.Namespace, answer: Mapping[str, Any], text: Iterable[str]) -> None:
    for line in [json.dumps(answer, indent=2)] if options.json else map(printable, text):
        print(line)
    sys.stdout.flush()


def _show(options: argparse.Namespace) -> int:
    published: Sequence[Published] = show(open_store(options.output), options.task)
    _say("show", options, published)
    return Exit.OK


def _find(options: argparse.Namespace) -> int:
    searches = [search(url, options.task) for url in options.store or known_sources()]
    _print(options, find.document(options.task, searches), find.lines(options.task, searches))
    return find.exit_code(searches)


def _sandbox(options: argparse.Namespace) -> int:
    try:
        return sandbox(port=options.port, empty=options.empty, as_json=options.json)
    except OSError as error:
        message = f"the sandbox cannot listen on port {options.port}: {error.strerror}. Choose another --port."
        raise SettingsError(message) from error


def _serve(options: argparse.Namespace) -> int:
    return serve(options.parts)


def _demo(options: argparse.Namespace) -> int:
    from cli.demo import demo  # noqa: PLC0415 - it brings SQLAlchemy, which other commands do without

    return demo(options.folder, as_json=options.json)

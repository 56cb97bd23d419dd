"""`aftertake`: the commands, each in the module of its name, which is imported when the command is given."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Final, Protocol, cast

from cli.exits import Exit, exit_of_error
from cli.report import printable
from flows.settings import SettingsError
from flows.steps.refusing import SelectionError

EPILOG = (
    "Exit codes: 0 all well, 1 unexpected, 2 usage, 3 something is lost, 4 not found, 5 try again, 6 refused, "
    "7 not final yet."
)


class Command(Protocol):
    """What the module of a command offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the command takes beside `--json`."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it, and answer with the exit code."""


COMMANDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ls": ("cli.ls", "recordings of the catalog, the newest first"),
        "show": ("cli.show", "one recording: its verdict, its outputs, its story"),
        "who": ("cli.who", "who was recorded in a room, at a moment or over some time"),
        "rooms": ("cli.rooms", "the rooms and recordings in which a user was recorded"),
        "submit": ("cli.submit", "make a recording known, so that it is processed"),
        "retry": ("cli.retry", "look at a recording now that waits, failed or was left to a person"),
        "check": ("cli.check", "read every byte of a recording folder and judge it; writes nothing"),
        "process": ("cli.process", "prove, join and publish the recordings of a folder, or one of the catalog"),
        "find": ("cli.find", "look through every configured store for a recording's objects"),
        "backfill": ("cli.backfill", "find what nobody has looked at, and have it looked at"),
        "export": ("cli.export", "some time of somebody, a room or a recording as an MP4, with its certificate"),
        "exports": ("cli.exports", "what was exported: list, show, cancel, stop, retry, link"),
        "verify-export": ("cli.verify_export", "whether a file is what its certificate says; needs no network"),
        "vendor": ("cli.vendor", "recordings at their vendors: start, status, layout, stop, history"),
        "webhook": ("cli.webhook", "what vendors delivered, and what came of it: tail, show, replay, test"),
        "reindex": ("cli.reindex", "make the catalog again from the manifests of the output"),
        "doctor": ("cli.doctor", "whether the configured stores are right, and what to do where they are not"),
        "sandbox": ("cli.sandbox", "serve S3, OSS and COS on this machine, for trying things out"),
        "serve": ("cli.serve", "run everything on this machine, or some parts of it"),
        "demo": ("cli.demo", "record five real calls of three vendors into three clouds, and process them"),
    }
)
"""By name: the module and what it does. What only some commands need (SQL, the sandbox) costs the others nothing."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and answer with its exit code; errors become one sentence on stderr."""
    options = _parsed(sys.argv[1:] if arguments is None else arguments)
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
    """What went wrong, in one line; of settings and exports a line for each."""
    said = str(error).split("\n") if isinstance(error, SettingsError) else [str(error)]
    said = list(error.lines) if isinstance(error, SelectionError) else said
    return "\n".join(map(printable, said))


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="aftertake", description="Prove and join cloud recordings.", epilog=EPILOG)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (_, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text, epilog=EPILOG)
        if name in arguments[:1]:
            _prepare(command, load(name))
    return parser.parse_args(arguments)


def _prepare(parser: argparse.ArgumentParser, command: Command) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_arguments(parser)
    parser.set_defaults(run=command.run)


def load(name: str) -> Command:
    """The command of that name."""
    return cast("Command", import_module(COMMANDS[name][0]))

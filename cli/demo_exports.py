"""What `aftertake demo` shows of exports: the same part of two people, made, proved, and held against its proof."""

import argparse
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Final

from catalog.timeline import Timeline
from catalog.wire import utc_text
from cli import export, verify_export

_AFTER: Final = timedelta(seconds=1)
_PART: Final = timedelta(seconds=20)


def export_people(shown: Timeline, file: Path, settings: Mapping[str, str]) -> None:
    """Ask for the same 20 seconds of two people, wait for them, and hold the file against its certificate.

    `settings` are variables, as for the command.
    """
    people = [user.user for user in shown.users if user.user is not None][-2:]
    if shown.from_utc is None or shown.room is None:
        raise ValueError(f"{shown.vendor}:{shown.task_id} has no clock, or no room")
    begin = shown.from_utc + _AFTER
    named = [word for user in people for word in ("--user", user)]
    asked = ["--room", shown.room, *named, "--in", utc_text(begin), "--out", f"+{_PART.seconds}s", "--separate"]
    for left in (file, file.with_name(f"{file.name}.certificate.json")):
        left.unlink(missing_ok=True)
    with _environment(settings):
        _command("export", export, [*asked, "-o", str(file)])
        _command("verify-export", verify_export, [str(file)])


def _command(name: str, module: ModuleType, words: Sequence[str]) -> None:
    print(f"\n$ aftertake {name} {shlex.join(words)}", flush=True)
    parser = argparse.ArgumentParser()
    parser.set_defaults(json=False)
    module.add_arguments(parser)
    module.run(parser.parse_args(words))


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

"""`aftertake check`: read every byte of a folder's recordings and judge them; nothing is written."""

import argparse

from cli.folders import HELP, work
from flows.process import Inline, check


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder."""
    parser.add_argument("url", help=HELP)


def run(options: argparse.Namespace) -> int:
    """Judge each recording of the folder as `process` would."""
    return work("check", options.url, lambda task: check(Inline(), task), as_json=options.json)

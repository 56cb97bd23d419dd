"""`aftertake demo`: its arguments."""

import argparse

from cli.demo import demo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to keep what it makes."""
    parser.add_argument("--folder", default="demo-output", help="where to keep what is published")


def run(options: argparse.Namespace) -> int:
    """Record, process and report."""
    return demo(options.folder, as_json=options.json)

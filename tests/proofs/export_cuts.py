"""Cuts judged by the numbers in their pictures: `python -m tests.proofs.export_cuts`.

A thousand ranges, or as many as are named, drawn from a seed: over gaps, first and last pictures, B-pictures, open
groups, people who come back with other parameters, pictures that lie, cameras that come late or end early, sound or
pictures alone; a quarter with a zero of others. Each begins with the keyframe that was announced, holds every picture
and every sound that was asked for once, at its time, and decodes without a complaint. It prints what it counted and
ends with 1 if a range is not as it should be.
"""

import argparse
import random
import sys
from collections.abc import Sequence

from tests.media.cutting import SOURCES, Judged, judge, wish
from tests.proofs.table import Table

RANGES = 1_000


def show(table: Table, name: str, judged: Sequence[Judged]) -> None:
    cuts = [each for each in judged if not each.nothing]
    table.line(
        name,
        [
            len(judged),
            len(cuts),
            sum(each.pictures for each in cuts),
            sum(each.units for each in cuts),
            sum(each.left_out for each in cuts),
            sum(each.inserted for each in cuts),
            f"{float(max((each.early for each in cuts), default=0)):.3f}",
            sum(bool(each.wrong) for each in judged),
        ],
        right=not any(each.wrong for each in judged),
    )


def prove(ranges: int, seed: int) -> Table:
    """Cut and judge so many ranges, the same number of every source, and print what was found."""
    table = Table()
    names, found = list(SOURCES), {name: list[Judged]() for name in SOURCES}
    for number in range(ranges):
        name = names[number % len(names)]
        asked = wish(random.Random(f"{seed}-{number}"), name)
        judged = judge(asked)
        found[name].append(judged)
        if judged.wrong:
            sys.stdout.write(f"range {number} of seed {seed}: {asked}: {', '.join(judged.wrong)}\n")
    table.heading(f"{ranges} ranges of seed {seed}")
    labels = ("ranges", "cuts", "pictures", "sounds", "left out", "silent", "earliest s", "wrong")
    table.line("", labels)
    for name, judged_ones in found.items():
        if judged_ones:
            show(table, name, judged_ones)
    show(table, "all", [each for judged_ones in found.values() for each in judged_ones])
    return table


def main() -> int:
    """Run the proof; 0 if every range is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ranges", nargs="?", type=int, default=RANGES)
    parser.add_argument("--seed", type=int, default=8)
    options = parser.parse_args()
    return prove(options.ranges, options.seed).verdict()


if __name__ == "__main__":
    sys.exit(main())

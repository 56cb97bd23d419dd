"""Cuts judged by the numbers in their pictures: `python -m tests.proofs.export_cuts`.

A thousand ranges, or as many as are named, drawn from a seed: over gaps, first and last pictures, B-pictures, open
groups, people who come back with other parameters, pictures that lie, cameras that come late or end early, sound or
pictures alone; a quarter with a zero of others. Each begins with the keyframe that was announced, holds every picture
and every sound that was asked for once, at its time, and decodes without a complaint. With `--play` each is played in
Chromium, too (but for H.265, which that does not decode): to its end, from that same picture on. It prints what it
counted and ends with 1 if a range is not as it should be.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from tests.media.cutting import SOURCES, Judged, judge, wish
from tests.proofs.export_players import FastPlayer, fast_player
from tests.proofs.table import Table

RANGES = 1_000
NEAR_S = 0.1
UNPLAYABLE = frozenset({"hevc, open groups"})


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
            sum(each.played for each in cuts),
            sum(bool(each.wrong) for each in judged),
        ],
        right=not any(each.wrong for each in judged),
    )


def play(player: FastPlayer, judged: Judged) -> None:
    """Hold what Chromium shows against what libav did."""
    played = player.play(judged.mp4, has_pictures=judged.first is not None)
    judged.played = True
    judged.hold(f"Chromium: {played.how}", right=played.how == "ended")
    judged.hold(f"Chromium: over at {played.at_s}", right=abs(played.at_s - float(judged.lasts)) < NEAR_S)
    judged.hold(f"Chromium: begins with {played.first}", right=played.first == judged.first)


def prove(ranges: int, seed: int, player: FastPlayer | None = None) -> Table:
    """Cut and judge so many ranges, the same number of every source, and print what was found."""
    table = Table()
    names, found = list(SOURCES), {name: list[Judged]() for name in SOURCES}
    for number in range(ranges):
        name = names[number % len(names)]
        asked = wish(random.Random(f"{seed}-{number}"), name)
        judged = judge(asked)
        if player is not None and judged.mp4 and name not in UNPLAYABLE:
            play(player, judged)
        found[name].append(judged)
        if judged.wrong:
            sys.stdout.write(f"range {number} of seed {seed}: {asked}: {', '.join(judged.wrong)}\n")
    table.heading(f"{ranges} ranges of seed {seed}")
    labels = ("ranges", "cuts", "pictures", "sounds", "left out", "silent", "earliest s", "played", "wrong")
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
    parser.add_argument("--play", action="store_true", help="play each in Chromium")
    options = parser.parse_args()
    with fast_player() if options.play else nullcontext() as player:
        return prove(options.ranges, options.seed, player).verdict()


if __name__ == "__main__":
    sys.exit(main())

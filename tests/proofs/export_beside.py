"""Live recordings beside many exports: `python -m tests.proofs.export_beside [EXPORTS]`.

Prefect's server, the loops and a worker with two slots, each a process of its own. Live recordings of a minute stop
one after another, first with nothing else to do, then while fifty exports wait and are made, then alone again. It
prints how long each took from its stop to its verdict, and ends with 1 if the slowest twentieth was more than a fifth
slower beside exports, or an export did not end well.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np

from catalog.export_request import ExportMode
from catalog.exports import ExportState
from catalog.model import State
from flows.steps.preparing import prepare
from flows.steps.selecting import Wanted
from tests.benchmarks.backfilling import CLIP, lay, parts_of
from tests.benchmarks.clips import encode
from tests.flows.site import Site, recording_id, sid
from tests.lab import agora_mixed, cut
from tests.proofs.cluster_parts import until
from tests.proofs.table import Table

EXPORTS: Final = 50
LIVE: Final = 20
_EVERY_S: Final = 5.0
_SLOWER: Final = 1.2
_PATIENCE_S: Final = 600


def main() -> int:
    """Run the proof; 0 if live recordings are not slowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exports", nargs="?", type=int, default=EXPORTS)
    exports = parser.parse_args().exports
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), look_through=timedelta())  # so that only their stops tell of them
        laid = agora_mixed(list(cut(encode(CLIP), CLIP.slice_seconds)), sid=sid(0), folder="")
        lay(site, laid, range(1, 3 * LIVE + 2))
        published = 3 * LIVE + 1
        site.submit(published)
        site.process(published)
        with parts_of(site, Path(folder), exports):
            before = _live(site, range(1, LIVE + 1))
            ask(site, published, exports)
            beside = _live(site, range(LIVE + 1, 2 * LIVE + 1))
            left = _under_way(site)
            until("every export has ended", lambda: not _under_way(site), within_s=_PATIENCE_S)
            after = _live(site, range(2 * LIVE + 1, 3 * LIVE + 1))
        made = len(site.catalog.exports.newest(by=None, states=[ExportState.DONE], limit=500))
    table.heading(f"{LIVE} live recordings each, from their stop to their verdict: median, 95th percentile, in seconds")
    alone = [*before, *after]
    for name, took in (("alone", alone), (f"beside {exports} exports", beside)):
        table.line(name, [f"{np.median(took):.2f}", f"{np.percentile(took, 95):.2f}"])
    slower = float(np.percentile(beside, 95) / np.percentile(alone, 95))
    table.line(f"the slowest of them, ratio (wanted <= {_SLOWER})", [f"{slower:.2f}"], right=slower <= _SLOWER)
    table.line("exports made; under way when the last was", [made, left], right=made == exports)
    return table.verdict()


def ask(site: Site, number: int, count: int) -> None:
    """So many different parts of one recording."""
    for each in range(count):
        begin = timedelta(seconds=each % 50, milliseconds=each)
        wanted = Wanted(
            task=sid(number), room=None, users=(), begin=begin, end=begin + timedelta(seconds=9), mode=ExportMode.FAST
        )
        prepared = prepare(site.worker(), wanted)
        site.catalog.exports.ask(
            prepared.request, by="ann", reason="a proof", name="part", keep=timedelta(days=1), most=count
        )


def _live(site: Site, numbers: Sequence[int]) -> list[float]:
    """Seconds from the stop to the verdict of each; they stop at a steady pace."""
    began = time.monotonic()
    for place, number in enumerate(numbers):
        time.sleep(max(began + place * _EVERY_S - time.monotonic(), 0))
        site.submit(number)
    until("the live recordings are settled", lambda: all(_settled(site, n) for n in numbers), within_s=_PATIENCE_S)
    stories = [site.catalog.changes(recording_id(number)) for number in numbers]
    return [(story[-1].at - story[0].at).total_seconds() for story in stories]


def _settled(site: Site, number: int) -> bool:
    return site.recording(number).state is State.SETTLED


def _under_way(site: Site) -> int:
    return len(site.catalog.exports.newest(by=None, states=[ExportState.QUEUED, ExportState.RUNNING], limit=500))


if __name__ == "__main__":
    sys.exit(main())

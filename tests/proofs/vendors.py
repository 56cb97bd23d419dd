"""What vendors do wrong, and what comes of it with nobody's help: `python -m tests.proofs.vendors`.

Agora, ZEGOCLOUD and Jocloud on loopback really record; the real `aftertake serve` hears of it, asks, looks and judges.
`--only TEXT` plays the cases whose name has that text. It prints a table, and ends with 1 if a figure is missed.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from catalog.errors import UnknownRecordingError
from catalog.model import State
from tests.proofs.table import Table
from tests.proofs.vendor_cases import Case, cases
from tests.proofs.vendor_forging import forge, judge_forgeries
from tests.proofs.vendor_judging import Came, faults, revision_of, shown
from tests.proofs.vendor_playing import Played, Unplayed, play
from tests.proofs.vendor_serving import ELSEWHERE, PACE, POLICY, SLOTS, VendorServing, vendor_serving

_AT_ONCE: Final = 6
"""Recordings in one wave."""
_PATIENCE_S: Final = 540.0
_POLL_S: Final = 1.0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--only", default="", metavar="TEXT", help="the cases whose vendor and name have this text")
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))
    logging.disable(logging.WARNING)
    table, began = Table(), time.monotonic()
    wanted = [case for case in cases() if given.only in f"{case.vendor}: {case.name}"]
    with vendor_serving() as serving:
        table.line("all parts are ready, s", [f"{time.monotonic() - began:.0f}"])
        _show_policy(table)
        play_at = partial(play, serving)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="case") as pool:
            tried = list(pool.map(play_at, wanted))
        played = [one for one in tried if isinstance(one, Played)]
        for each in tried:
            if isinstance(each, Unplayed):
                table.line(_label(each.case), ["-", "-", f"   not played: {each.why}"], right=False)
        sys.stdout.flush()
        table.line("all are recorded, s", [f"{time.monotonic() - began:.0f}"])
        true = next((one.recording for one in played if one.case.vendor == "zego"), None)
        forged = forge(serving, true) if true else ()
        _await_all(serving, played)
        table.heading(_HEADING)
        for one in played:
            _judge(table, serving, one)
        judge_forgeries(table, serving, forged)
        written = serving.written_sources()
        table.line("writes into source buckets", [len(written)], right=not written)
        for line in written[:5]:
            sys.stdout.write(f"  {line}\n")
    table.line("all of it, s", [f"{time.monotonic() - began:.0f}"])
    return table.verdict()


_HEADING: Final = f"{'case':<44}{'revisions':>16}{'seconds':>16}   verdicts and causes"


def _show_policy(table: Table) -> None:
    table.line("cores", [os.cpu_count()])
    table.line("slots of the worker", [SLOTS])
    table.line("seconds of media in a second", [f"{PACE:g}"])
    for name, value in POLICY.items():
        table.line(name, [value])


def _await_all(serving: VendorServing, played: Sequence[Played]) -> None:
    """Until each has its last revision, or for as long as it is worth waiting."""
    end = time.monotonic() + _PATIENCE_S
    waiting = list(played)
    while waiting and time.monotonic() < end:
        waiting = [one for one in waiting if not _is_done(serving, one)]
        time.sleep(_POLL_S)


def _is_done(serving: VendorServing, one: Played) -> bool:
    try:
        found = serving.catalog.get(one.recording)
    except UnknownRecordingError:
        return False
    return found.state is State.SETTLED and found.revision >= len(one.case.revisions)


def _judge(table: Table, serving: VendorServing, one: Played) -> None:
    came = came_of(serving, one)
    found = [*faults(one.case, came), *_places(serving, one)] if came else ["nobody has heard of it"]
    told = " then ".join(shown(revision_of(each)) for each in came.manifests) if came else ""
    seconds = f"{_seconds(serving, one):.0f}" if came else "-"
    table.line(_label(one.case), [len(came.manifests) if came else 0, seconds, f"   {told}"], right=not found)
    for fault in found:
        sys.stdout.write(f"  {fault}\n")
    sys.stdout.flush()


def came_of(serving: VendorServing, one: Played) -> Came | None:
    """What there is of it now."""
    try:
        recording = serving.catalog.get(one.recording)
    except UnknownRecordingError:
        return None
    manifests = serving.manifests(one.recording)
    keys = [output.key for manifest in manifests for stream in manifest.streams for output in stream.outputs]
    return Came(
        manifests=manifests,
        outputs={key: serving.published(key) for key in keys},
        slices=serving.recorded(one.recording),
        changes=[change.cause for change in serving.catalog.changes(one.recording)],
        alarm=recording.alarm,
    )


def _label(case: Case) -> str:
    return f"{case.vendor}: {case.name}"


def _seconds(serving: VendorServing, one: Played) -> float:
    """From its end to its last verdict."""
    verdicts = [change.at for change in serving.catalog.changes(one.recording) if ", revision " in change.cause]
    return verdicts[-1].timestamp() - one.ended_at if verdicts else float("nan")


def _places(serving: VendorServing, one: Played) -> Iterator[str]:
    """What `aftertake find` must say of what went elsewhere."""
    if one.case.is_elsewhere:
        found = serving.aftertake("find", one.recording.task_id)
        stores = [sighting["store"] for sighting in found.get("found", ())]
        if not any(ELSEWHERE in store for store in stores):
            yield f"`aftertake find` does not say where it is: {found}"


if __name__ == "__main__":
    sys.exit(main())

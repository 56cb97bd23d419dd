"""What came of all recordings of a site: read from the catalog and the output, and held against an undisturbed run."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from catalog.model import State, Verdict
from catalog.records import RECORDING_LEASE, Change, Queue, Recording
from tests.flows.folders import manifests, unfinished
from tests.flows.site import Site, recording_id
from tests.proofs.cluster_parts import media, open_runs
from tests.proofs.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One recording, as the catalog tells it."""

    recording: Recording
    changes: Sequence[Change]

    @property
    def task(self) -> str:
        return self.recording.id.task_id

    @property
    def settled(self) -> list[Change]:
        """Each time it came to a verdict."""
        return [change for change in self.changes if change.state is State.SETTLED]

    @property
    def begun(self) -> int:
        """How often somebody took it."""
        return sum(change.state is State.PROCESSING for change in self.changes)

    @property
    def seconds(self) -> float:
        """From submit to settled."""
        return (self.settled[0].at - self.changes[0].at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """All recordings; and, by what it is, everything that must not be."""

    told: Sequence[Told]
    faults: Mapping[str, Sequence[str]]

    @property
    def complete(self) -> int:
        return sum(_is_complete(one) for one in self.told)

    @property
    def begun_again(self) -> int:
        """Recordings that were taken more than once."""
        return sum(one.begun > 1 for one in self.told)

    def seconds(self, queue: Queue) -> list[float]:
        """From submit to settled, sorted."""
        return sorted(one.seconds for one in self.told if one.recording.queue is queue and one.settled)

    def settled_by(self) -> Counter[str]:
        """How many recordings each actor settled."""
        return Counter(one.settled[0].actor for one in self.told if one.settled)

    def span_s(self) -> float:
        """From the first submit to the last verdict."""
        ends = [one.settled[0].at for one in self.told if one.settled]
        return (max(ends) - min(one.changes[0].at for one in self.told)).total_seconds() if ends else 0.0

    def longest_pause_s(self) -> float:
        """The longest time in which nothing was settled."""
        ends = sorted(one.settled[0].at for one in self.told if one.settled)
        return max(((later - earlier).total_seconds() for earlier, later in pairwise(ends)), default=0.0)


def judge(site: Site, numbers: Sequence[int], undisturbed: Mapping[str, bytes]) -> Judged:
    """Look at everything that the recordings of these numbers left."""
    told = [Told(recording=site.recording(n), changes=site.catalog.changes(recording_id(n))) for n in numbers]
    found = media(site.output)
    revisions = Counter(key.split("/")[2] for key in manifests(site.output))
    return Judged(
        told=told,
        faults={
            "not settled": _tasks(one for one in told if one.recording.state is not State.SETTLED),
            "not complete": _tasks(one for one in told if not _is_complete(one)),
            "settled twice": _tasks(one for one in told if len(one.settled) > 1),
            "without exactly one manifest": [one.task for one in told if revisions[one.task] != 1],
            "MP4s missing": sorted(undisturbed.keys() - found.keys()),
            "MP4s other than undisturbed": [k for k in undisturbed.keys() & found.keys() if found[k] != undisturbed[k]],
            "MP4s too many": sorted(found.keys() - undisturbed.keys()),
            "leases left": [name for name in site.held_leases() if name.startswith((RECORDING_LEASE, "run:"))],
            "uploads left": unfinished(site.output),
            "runs left in the catalog": open_runs(site),
        },
    )


def show(table: Table, judged: Judged) -> None:
    """The figures that every disturbance must hold."""
    table.line("settled with verdict complete", [f"{judged.complete} of {len(judged.told)}"])
    for fault, found in judged.faults.items():
        table.line(fault, [len(found)], right=not found)
    table.line("taken more than once", [judged.begun_again])
    span = judged.span_s()
    table.line("seconds from first submit to last verdict", [f"{span:.0f}"])
    table.line("recordings per minute", [f"{len(judged.told) * 60 / max(span, 1e-9):.0f}"])
    table.line("longest time without a verdict, s", [f"{judged.longest_pause_s():.0f}"])
    for queue in (Queue.LIVE, Queue.BULK):
        seconds = judged.seconds(queue)
        values = [f"{_share(seconds, 0.5):.0f}", f"{_share(seconds, 0.95):.0f}"] if seconds else ["-", "-"]
        table.line(f"{queue}: {len(seconds)}, submit to settled p50, p95, s", values)


def _is_complete(one: Told) -> bool:
    return bool(one.settled) and one.recording.verdict is Verdict.COMPLETE


def _tasks(found: Iterable[Told]) -> list[str]:
    return [one.task for one in found]


def _share(ordered: Sequence[float], share: float) -> float:
    """The value that this share does not exceed."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

"""Very many short recordings, backfilled by everything that `aftertake serve` runs, each part a process of its own.

A real encoder makes one recording of about a minute; it is laid under as many task ids, its slices by hard links. Then
`aftertake backfill` hands all of them over to Prefect's server, the loops, and a worker with two slots, one of which is
kept for live recordings; in the middle a live one comes.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from urllib.request import Request, urlopen

from catalog.model import State, Verdict
from catalog.records import Change, Queue
from tests.benchmarks.clips import Clip, encode
from tests.benchmarks.results import Row, Section
from tests.cli.running import PROGRAM
from tests.flows.site import Site, recording_id, sid
from tests.lab import Laid, agora_mixed, cut
from tests.proofs.cluster_parts import free_port, pid_of, until
from tests.proofs.members import Member, processes

CLIP = Clip(seconds=64, slice_seconds=15, size=(160, 90), video_bit_rate=40_000, audio_bit_rate=32_000)
_SLOTS = 2
_INLINE = 100
"""So many are done by one process alone, to see what the work itself costs."""
_WANTED_A_MINUTE = 300
_FLAT = 0.1
_LIVE_S = 2.0
_QUIET_S = 10
"""Prefect's server is busy for a while after it has begun to answer; of few recordings nothing is measured."""
_START_S = 90
_EACH_S = 3
_LOOK_S = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PARTS = ("prefect", "loops", "worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A moment: memory by part, in bytes; the flows are those of the worker's children."""

    at: float
    rss_bytes: Mapping[str, int]

    @property
    def total_mb(self) -> float:
        return sum(self.rss_bytes.values()) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What was measured. `cpu_s` by part; `stories` are the changes of the recordings, without the live one."""

    count: int
    handed_over_s: float
    cpu_s: Mapping[str, float]
    samples: Sequence[Sample]
    stories: Sequence[Sequence[Change]]
    live: "Live"
    again_s: float
    again: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A live recording that came in the middle: from its submit, and from when a slot took it, to its begin."""

    from_submit_s: float
    from_slot_s: float


def backfilled(count: int, scratch: Path, say: Callable[[str], object]) -> Section:
    """Measure, and say what came of it."""
    laid = agora_mixed(list(cut(encode(CLIP), CLIP.slice_seconds)), sid=sid(0), folder="")
    with _fresh(scratch / "alone") as folder:
        work_s = _inline_cpu_s(folder, laid, min(count, _INLINE))
    say(f"backfill: the work itself: {1e3 * work_s:.0f} ms of CPU")
    with _fresh(scratch / "served") as folder:
        ran = _served(folder, laid, count, say)
    return _section(ran, work_s, laid)


def lay(site: Site, laid: Laid, numbers: Sequence[int]) -> None:
    """The same recording under many task ids, its slices once on the disk."""
    seed = laid.write_to(site.root / "seed")
    for number in numbers:
        for key in laid.segments:
            (site.source / key.replace(sid(0), sid(number))).hardlink_to(seed / key)
        for key in laid.playlists:
            text = laid.objects[key].replace(sid(0).encode(), sid(number).encode())
            (site.source / key.replace(sid(0), sid(number))).write_bytes(text)
    long_ago = time.time() - 86_400
    for path in site.source.iterdir():
        os.utime(path, (long_ago, long_ago))


def _inline_cpu_s(folder: Path, laid: Laid, count: int) -> float:
    """CPU seconds for each recording, of one process without Prefect, from the claim to the verdict."""
    site = Site(folder)
    lay(site, laid, range(1, count + 1))
    for number in range(1, count + 1):
        site.submit(number, Queue.BULK)
    worker, began = site.worker(), time.process_time()
    for number in range(1, count + 1):
        site.process(number, worker)
    spent = time.process_time() - began
    site.catalog.database.close()
    return spent / count


def _served(folder: Path, laid: Laid, count: int, say: Callable[[str], object]) -> Ran:
    site = Site(folder)
    lay(site, laid, range(1, count + 2))
    live_number = count + 1
    for key in (*laid.segments, *laid.playlists):
        path = site.source / key.replace(sid(0), sid(live_number))
        path.rename(folder / path.name)
    with parts_of(site, folder, count) as (parts, api):
        before, began = _cpu_s(parts), time.monotonic()
        _backfill(site, folder)
        handed_over_s = time.monotonic() - began
        samples = [_sample(parts) for _ in _until_settled(site, count // 2, say)]
        for key in (*laid.segments, *laid.playlists):
            name = key.replace(sid(0), sid(live_number))
            (folder / name).rename(site.source / name)
        site.submit(live_number)
        samples += [_sample(parts) for _ in _until_settled(site, count + 1, say)]
        cpu_s = {name: spent - before[name] for name, spent in _cpu_s(parts).items()}
        live = _live(site, live_number, api)
        began = time.monotonic()
        again = _backfill(site, folder)
        again_s = time.monotonic() - began
    stories = [site.catalog.changes(recording_id(number)) for number in range(1, count + 1)]
    if bad := [n for n in range(1, count + 1) if site.recording(n).verdict is not Verdict.COMPLETE]:
        raise RuntimeError(f"{len(bad)} recordings are not complete, such as {sid(bad[0])}")
    site.catalog.database.close()
    return Ran(
        count=count,
        handed_over_s=handed_over_s,
        cpu_s=cpu_s,
        samples=samples,
        stories=stories,
        live=live,
        again_s=again_s,
        again=again,
    )


@contextmanager
def parts_of(site: Site, folder: Path, count: int) -> Iterator[tuple[Mapping[str, Member], str]]:
    """Prefect's server, the loops and the worker, waiting for work; and where the server answers."""
    api = f"http://127.0.0.1:{free_port()}/api"
    environment = {**site.settings.as_environment(), "AFTERTAKE_SLOTS": str(_SLOTS), "PREFECT_API_URL": api}
    with ExitStack() as stack:
        members: dict[str, Member] = {}
        for name in _PARTS:
            members[name] = Member(name, [name], environment, folder)
            stack.callback(members[name].end)
        until("the worker waits for work", lambda: len(members["worker"].says("started!")) >= _SLOTS, within_s=_START_S)
        time.sleep(min(_QUIET_S, count))
        yield members, api


def _backfill(site: Site, folder: Path) -> dict[str, int]:
    """`aftertake backfill` as a program; its counts."""
    environment = {**os.environ, **site.settings.as_environment()}
    done = subprocess.run(  # noqa: S603
        [*PROGRAM, "backfill", "--json"], cwd=Path.cwd(), env=environment, capture_output=True, check=True, text=True
    )
    (folder / "backfill.json").write_text(done.stdout, encoding="utf-8")
    answer = json.loads(done.stdout)
    return {**answer["counts"], "handed_over": answer["handed_over"]}


def _until_settled(site: Site, count: int, say: Callable[[str], object]) -> Iterator[None]:
    """Each half second, until so many have a verdict."""
    deadline, told = time.monotonic() + 120 + count * _EACH_S, time.monotonic()
    while (settled := site.catalog.counts().get(State.SETTLED, 0)) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{settled} of {count} recordings are settled; the logs are in {site.root}")
        if time.monotonic() - told > 20:
            told = time.monotonic()
            say(f"backfill: {settled} of {count}")
        yield
        time.sleep(_LOOK_S)


def _sample(parts: Mapping[str, Member]) -> Sample:
    living = processes()
    found: dict[str, int] = {}
    for name, member in parts.items():
        member.look(living)
        own = [pid for pid in living if member.knows(pid)]
        flows = {pid for pid in own if name == "worker" and b"prefect.engine" in _read(pid, "cmdline")}
        found[name] = sum(_rss_bytes(pid) for pid in own if pid not in flows)
        if name == "worker":
            found["flows"] = sum(map(_rss_bytes, flows))
    return Sample(at=time.monotonic(), rss_bytes=found)


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _rss_bytes(pid: int) -> int:
    fields = _read(pid, "statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _cpu_s(parts: Mapping[str, Member]) -> dict[str, float]:
    """By part, with children that have ended; the worker's are the flows."""
    living, found = processes(), {"flows": 0.0}
    for name, member in parts.items():
        member.look(living)
        own = children = 0.0
        for pid in (pid for pid in living if member.knows(pid)):
            fields = _read(pid, "stat").rpartition(b")")[2].split()
            if not fields:
                continue
            spent = (int(fields[11]) + int(fields[12])) / _TICKS
            is_flow = b"prefect.engine" in _read(pid, "cmdline")
            own, children = (own, children + spent) if is_flow else (own + spent, children)
            children += (int(fields[13]) + int(fields[14])) / _TICKS
        found[name] = own
        found["flows"] += children
    return found


def _live(site: Site, number: int, api: str) -> Live:
    story = site.catalog.changes(recording_id(number))
    begun = next(change.at for change in story if change.state is State.PROCESSING)
    body = {"flow_runs": {"tags": {"all_": [f"rec:agora:{sid(number)}"]}}}
    [run] = _ask(f"{api}/flow_runs/filter", body)
    states = _ask(f"{api}/flow_run_states/?flow_run_id={run['id']}", None)
    taken = min(datetime.fromisoformat(each["timestamp"]) for each in states if each["type"] == "PENDING")
    return Live(
        from_submit_s=(begun - story[0].at).total_seconds(),
        from_slot_s=(begun - taken).total_seconds(),
    )


def _ask(url: str, body: Mapping[str, Any] | None) -> Any:  # noqa: ANN401 - JSON
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, headers={"Content-Type": "application/json"})  # noqa: S310 - on loopback
    with urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def _section(ran: Ran, work_s: float, laid: Laid) -> Section:
    settled = [_at(story, State.SETTLED) for story in ran.stories]
    span_s = (max(settled) - min(story[0].at for story in ran.stories)).total_seconds()
    a_minute = ran.count * 60 / span_s
    early, late = _tenths(ran.samples)
    each = {name: 1e3 * spent / ran.count for name, spent in ran.cpu_s.items()}
    costs = {
        "the work itself, one process without Prefect": [1e3 * work_s],
        "orchestration in the flows' processes": [each["flows"] - 1e3 * work_s],
        "Prefect's server": [each["prefect"]],
        "the loops": [each["loops"]],
        "the worker": [each["worker"]],
    }
    work_ms, rest_ms = 1e3 * work_s, sum(each.values()) - 1e3 * work_s
    return Section(
        title=f"Backfill of {ran.count:,} recordings of a minute",
        unit="CPU milliseconds per recording",
        rows=[
            Row(
                what="from the first registered to the last verdict",
                wanted=f"≥ {_WANTED_A_MINUTE} a minute",
                measured=f"{a_minute:.0f} a minute",
                met=a_minute >= _WANTED_A_MINUTE,
            ),
            Row(
                what="memory of all processes, the last tenth of the time beside the first",
                wanted=f"± {_FLAT:.0%}",
                measured=f"{late / early - 1:+.1%} ({early:.0f} MB, {late:.0f} MB)",
                met=abs(late / early - 1) <= _FLAT,
            ),
            Row(
                what="CPU of a recording: work, and orchestration",
                wanted="",
                measured=f"{work_ms:.0f} ms, {rest_ms:.0f} ms",
            ),
            Row(
                what="a live recording in the middle, from when a slot took it to its begin",
                wanted=f"≤ {_LIVE_S:.0f} s",
                measured=f"{ran.live.from_slot_s:.1f} s ({ran.live.from_submit_s:.1f} s from its submit)",
                met=ran.live.from_slot_s <= _LIVE_S,
            ),
            Row(
                what="a second backfill hands over",
                wanted="0",
                measured=f"{ran.again['handed_over']} of {ran.again['complete']:,} complete, in {ran.again_s:.1f} s",
                met=ran.again["handed_over"] == 0,
            ),
        ],
        costs=costs,
        commands={"handing over": "aftertake backfill --json"},
        notes=list(_notes(ran, laid)),
    )


def _notes(ran: Ran, laid: Laid) -> Iterator[str]:
    begun = [_at(story, State.PROCESSING) for story in ran.stories]
    wait_s = (min(begun) - min(story[0].at for story in ran.stories)).total_seconds()
    spans = [(_at(story, State.SETTLED) - _at(story, State.PROCESSING)).total_seconds() for story in ran.stories]
    size_mb = sum(map(len, laid.objects.values())) / 1e6
    yield f"Each: {size_mb:.2f} MB in {len(laid.segments)} slices, {CLIP.seconds} s of H.264 and AAC."
    yield "Local store to local store, catalog and Prefect on SQLite, all on the same disk."
    yield f"The parts of `aftertake serve`, a process each; {_SLOTS} slots, one of them for live recordings only."
    yield f"Handing over took {ran.handed_over_s:.1f} s; {wait_s:.1f} s after it was registered, the first began."
    yield (
        f"From claim to verdict {1e3 * median(spans):.0f} ms, between two of a batch "
        f"{1e3 * median(_pauses(ran.stories) or [0.0]):.0f} ms (medians); "
        f"{len({_actor(story) for story in ran.stories})} batches."
    )
    yield "Memory: resident, the highest sum of each tenth; pages that processes share count for each."


def _at(story: Sequence[Change], state: State) -> datetime:
    return next(change.at for change in story if change.state is state)


def _actor(story: Sequence[Change]) -> int:
    """The process that settled it."""
    return pid_of(next(change.actor for change in story if change.state is State.SETTLED))


def _tenths(samples: Sequence[Sample]) -> tuple[float, float]:
    """The highest memory in the first and in the last tenth of the time in which flows ran."""
    working = [sample.total_mb for sample in samples if sample.rss_bytes["flows"]]
    tenth = max(len(working) // 10, 1)
    return max(working[:tenth]), max(working[-tenth:])


def _pauses(stories: Sequence[Sequence[Change]]) -> list[float]:
    """Seconds between a verdict and the next claim of the same process."""
    by_process: dict[int, list[tuple[datetime, datetime]]] = {}
    for story in stories:
        by_process.setdefault(_actor(story), []).append((_at(story, State.PROCESSING), _at(story, State.SETTLED)))
    return [
        (later[0] - earlier[1]).total_seconds()
        for spans in by_process.values()
        for earlier, later in pairwise(sorted(spans))
    ]


@contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    """A folder that stays, with all logs, if something goes wrong in it."""
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)

"""The questions: CPU per GB, transfer, bytes on the local disk, peak memory."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from tests.benchmarks.backfilling import backfilled
from tests.benchmarks.catalog import searches
from tests.benchmarks.programs import ROOT, Ffmpeg, Ran, counted, ours, run, serving
from tests.benchmarks.results import Row, Section
from tests.benchmarks.rounds import Contestant, Costs, Ratio, contest, ratio
from tests.benchmarks.scales import Scale
from tests.benchmarks.serving import Served

OURS, OURS_LARGE, OURS_LOCAL = "ours", "ours, large slices", "ours, to a local store"
LOCAL, FILES = "from a local folder", "plain reads"
URLLIB3, URLLIB3_ONE = "urllib3, four threads", "urllib3, one thread"
IDLE, HALF, LONG, LONG_LARGE = "idle", "half of the time", "the whole time", "the whole time, large slices"
_LIMITS = {"system": 1.5, "wheel": 0.9}
_NEXT_S_PER_GB = 0.7
_CLOUD_LIMIT = 2.0
_LEAST_S = 0.001
"""Tiny inputs cost less than the start-up varies."""
_PEAK_LIMIT_MB = 130
_SAMPLE_LIMIT_BYTES = 60
_READ_LIMIT = 1.1
_PLACE = 0.6
"""Where in a recording its exported part begins."""
_PLAN, _PLAN_LIMIT_S, _PLAN_LIMIT_MB = "group, plan and digests", 3.0, 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Remuxed:
    """What one of our runs said and left: in its own folders, by its write calls, and in the local store."""

    samples: float
    left_bytes: int
    written_bytes: float | None
    target_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything that the questions share. `scratch` is where outputs go, on a memory disk if there is room."""

    scale: Scale
    inputs: Path
    scratch: Path
    ffmpegs: Sequence[Ffmpeg]
    say: Callable[[str], object]
    remuxed: dict[tuple[str, bool], Remuxed] = field(default_factory=dict)
    """The last run of each input, and whether it went to a local store."""

    def speed(self) -> Section:
        """Verify and remux, beside programs that only remux."""
        busy, large = self.inputs / "busy", self.inputs / "busy_large"
        contestants = [
            Contestant(name=OURS, measure=partial(self._cpu_per_gb, busy)),
            Contestant(name=OURS_LARGE, measure=partial(self._cpu_per_gb, large)),
            Contestant(name=OURS_LOCAL, measure=partial(self._cpu_per_gb, busy, local=True)),
            *(self._ffmpeg_contestant(ffmpeg, busy) for ffmpeg in self.ffmpegs),
        ]
        costs = contest(contestants, self.scale.rounds, self.say)
        commands = {ffmpeg.name: _shown(ffmpeg.command(busy, self.scratch / "out.mp4")) for ffmpeg in self.ffmpegs}
        now = median(costs[OURS])
        return Section(
            title="Verify and remux, CPU",
            unit="CPU seconds per GB",
            rows=[
                *(row for ffmpeg in self.ffmpegs for row in _beside(costs, ffmpeg)),
                Row(
                    what="verify + remux, by itself",
                    wanted=f"{_NEXT_S_PER_GB} s per GB (the step after)",
                    measured=f"{now:.2f} s per GB",
                    met=now <= _NEXT_S_PER_GB,
                ),
            ],
            costs=costs,
            commands={OURS: _shown(ours("remuxing", busy, "null"))} | commands,
            notes=[
                f"Input: {_content(busy)}; large: {_content(large)} of the same, set against ffmpeg on the small.",
                "Ours: from after the imports to the end, local store to null store, every check and the manifest.",
                f"ffmpeg: without the time of `-version`, from the same files to a file in {_kind(self.scratch)}.",
                "Ratios pair by pair: median (lowest–highest).",
            ],
        )

    def transfer(self) -> Section:
        """Only read, from each cloud of the sandbox; urllib3 reads the same objects of the same server."""
        busy = self.inputs / "busy"
        with serving(busy, 0) as served:
            commands = {
                FILES: ours("plain_reads", "files", busy),
                URLLIB3: ours("plain_reads", "urllib3", busy, served.public, "4"),
                URLLIB3_ONE: ours("plain_reads", "urllib3", busy, served.public, "1"),
                LOCAL: ours("transfer", busy),
                **{_reads(cloud): ours("transfer", url) for cloud, url in served.files.items()},
            }
            contestants = [
                Contestant(name=name, measure=partial(_read_per_gb, busy, command, served.environment))
                for name, command in commands.items()
            ]
            costs = contest(contestants, self.scale.rounds, self.say)
            clouds = [_reads(cloud) for cloud in served.files]
        return Section(
            title="Transfer, CPU",
            unit="CPU seconds per GB",
            rows=[
                *(
                    _limit_row(f"{name}, each slice proved, beside {URLLIB3}", ratio(costs, name, URLLIB3))
                    for name in clouds
                ),
                *(
                    Row(what=f"{name}, beside {URLLIB3_ONE}", wanted="", measured=str(ratio(costs, name, URLLIB3_ONE)))
                    for name in clouds
                ),
                Row(what=f"{LOCAL}, beside plain reads", wanted="", measured=str(ratio(costs, LOCAL, FILES))),
            ],
            costs=costs,
            commands={name: _shown(command) for name, command in commands.items()},
            notes=[
                "The clouds are a process of their own and not counted; they hold the objects in memory.",
                "Ours: four threads; the listing, the playlist, signatures and checksums count, opening the store not.",
            ],
        )

    def listing(self) -> Section:
        """Every key of a large bucket."""
        with serving(self.inputs / "half", self.scale.keys) as served:
            commands = {
                f"{way}, {cloud}": ours("listing", way, url)
                for cloud, url in served.many.items()
                for way in ("ours", "sdk")
            }
            contestants = [
                Contestant(name=name, measure=partial(_list_cost, command, served.environment))
                for name, command in commands.items()
            ]
            costs = contest(contestants, self.scale.rounds, self.say)
            beside = {cloud: ratio(costs, f"ours, {cloud}", f"sdk, {cloud}") for cloud in served.many}
        return Section(
            title=f"Listing {self.scale.keys:,} keys, CPU",
            unit="CPU milliseconds per 1,000 keys",
            rows=[_limit_row(f"{cloud}, beside its SDK's own call", found) for cloud, found in beside.items()],
            costs=costs,
            commands={name: _shown(command) for name, command in commands.items()},
            notes=["Pages of 1,000 keys for both; the first listing of each process is not counted."],
        )

    def traces(self) -> Section:
        """What the runs of `speed` left and wrote on the local disk."""
        null, local = self.remuxed["busy", False], self.remuxed["busy", True]
        return Section(
            title="Bytes on the local disk",
            rows=[
                _trace_row("to the null store, besides the outputs", null, 0),
                _trace_row(
                    f"to a local store, besides its objects ({local.target_bytes:,} bytes)", local, local.target_bytes
                ),
            ],
            notes=[
                "Each run has a working, home and temporary folder of its own: `left` is what is in them afterwards.",
                "`written`: what went into write calls and kernel copies (`wchar` of /proc/self/io), gone or not.",
            ],
        )

    def memory(self) -> Section:
        """Peaks above a process that has imported the same and done nothing."""
        names = {HALF: "half", LONG: "long", LONG_LARGE: "long_large"}
        contestants = [
            Contestant(name=IDLE, measure=lambda: run(ours("remuxing", "idle")).peak_bytes / 1e6),
            *(
                Contestant(name=name, measure=partial(self._peak_mb, self.inputs / folder))
                for name, folder in names.items()
            ),
        ]
        costs = contest(contestants, self.scale.memory_rounds, self.say)
        half = self.remuxed["half", False].samples
        further = self.remuxed["long", False].samples - half
        each = [1e6 * (high - low) / further for high, low in zip(costs[LONG], costs[HALF], strict=True)]
        return Section(
            title="Peak memory, one stream",
            unit="MB",
            rows=[
                self._peak_row(costs, LONG, "long"),
                self._peak_row(costs, LONG_LARGE, "long_large"),
                Row(
                    what=f"each sample beyond the first {half:,.0f}",
                    wanted=f"≤ {_SAMPLE_LIMIT_BYTES} bytes",
                    measured=f"{median(each):.0f} bytes ({min(each):.0f}–{max(each):.0f})",
                    met=median(each) <= _SAMPLE_LIMIT_BYTES,
                ),
            ],
            costs=costs,
            commands={
                IDLE: _shown(ours("remuxing", "idle")),
                LONG: _shown(ours("remuxing", self.inputs / "long", "null")),
            },
            notes=[
                "`ru_maxrss`, local store to null store; the highest of all rounds, less the median of idle processes.",
                "Idle: a process that imports the same and ends.",
            ],
        )

    def planning(self) -> Section:
        """What is to be done before a media byte of the largest room is read."""
        users, hours = self.scale.room
        command = ours("planning", str(users), str(hours))
        ran: list[Mapping[str, float]] = []

        def measure() -> float:
            ran.append(run(command).facts)
            return ran[-1]["cpu_s"]

        costs = contest([Contestant(name=_PLAN, measure=measure)], self.scale.memory_rounds, self.say)
        best, peak = min(ran, key=lambda facts: facts["cpu_s"]), max(facts["peak_bytes"] for facts in ran) / 1e6
        each = ", ".join(f"{name} {best[f'{name}_s']:.2f} s" for name in ("grouping", "planning", "digest"))
        return Section(
            title=f"Plan a room of {users} users and {hours} h",
            unit="CPU seconds",
            rows=[
                Row(
                    what=f"{best['segments']:,.0f} segments, from listing and playlists in memory",
                    wanted=f"≤ {_PLAN_LIMIT_S} s of CPU",
                    measured=f"{best['cpu_s']:.2f} s ({each})",
                    met=best["cpu_s"] <= _PLAN_LIMIT_S,
                ),
                Row(
                    what="the same, memory above idle",
                    wanted=f"≤ {_PLAN_LIMIT_MB} MB",
                    measured=f"{peak:.0f} MB",
                    met=peak <= _PLAN_LIMIT_MB,
                ),
            ],
            costs=costs,
            commands={_PLAN: _shown(command)},
            notes=[
                "An individual recording of Agora: two playlists a user, a slice each 15 s. CPU of the best round.",
                "`ru_maxrss` above that of the same process before it began, when it held listing and playlists.",
            ],
        )

    def exports(self) -> Section:
        """Some minutes out of a long recording, from the object of a cloud, beside ffmpeg at a link to the same one."""
        with _fresh(self.scratch) as archive, _fresh(self.scratch) as alone, _fresh(self.scratch) as target:
            ran = run(ours("remuxing", self.inputs / "long_large", archive))
            (movie,) = archive.rglob("*.mp4")
            movie.rename(alone / "long.mp4")
            with serving(alone, 0) as served:
                return self._exports(served, target, ran.facts["seconds"])

    def _exports(self, served: Served, target: Path, seconds: float) -> Section:
        begin = round(seconds * _PLACE)
        end = begin + self.scale.part_seconds
        link = f"{served.public}/long.mp4"

        def command(url: str, into: str | Path = "null") -> list[str]:
            return ours("exporting", url, "long.mp4", str(begin), str(end), into)

        def theirs(ffmpeg: Ffmpeg, url: str) -> list[str]:
            return ffmpeg.cut_command(url, begin, end, target / "ffmpeg.mp4")

        def ours_s(into: str | Path) -> float:
            return run(command(served.files["s3"], into), keys=served.environment).facts["wall_s"]

        contestants = [
            Contestant(name=OURS, measure=partial(ours_s, "null")),
            Contestant(name=OURS_LOCAL, measure=partial(ours_s, target)),
        ]
        contestants += [
            Contestant(name=ffmpeg.name, measure=lambda ffmpeg=ffmpeg: run(theirs(ffmpeg, link)).wall_s)  # type: ignore[misc]
            for ffmpeg in self.ffmpegs
        ]
        costs = contest(contestants, self.scale.rounds, self.say)
        with counted(served) as (store, files, sent):
            cut = run(command(store), keys=served.environment).facts
            read = {OURS: sent()}
            for ffmpeg in self.ffmpegs:
                run(theirs(ffmpeg, f"{files}/long.mp4"))
                read[ffmpeg.name] = sent()
        needed = cut["head_bytes"] + cut["media_bytes"]
        return Section(
            title=f"Export {self.scale.part_seconds} s out of {seconds:.0f} s",
            unit="seconds",
            rows=[
                Row(
                    what=f"bytes that the cloud sent, beside head and needed media ({needed / 1e6:.1f} MB)",
                    wanted=f"≤ {_READ_LIMIT} ×",
                    measured=f"{read[OURS] / needed:.3f} ×",
                    met=read[OURS] <= _READ_LIMIT * needed,
                ),
                *(row for ffmpeg in self.ffmpegs for row in _cut_beside(costs, read, ffmpeg.name)),
            ],
            costs=costs,
            commands={OURS: _shown(command(served.files["s3"]))}
            | {ffmpeg.name: _shown(theirs(ffmpeg, "LINK")) for ffmpeg in self.ffmpegs},
            notes=[
                "Seconds of wall clock, without our start-up: from S3 of the sandbox to the null store or a local one.",
                f"ffmpeg: from a link to the same object to a file in {_kind(self.scratch)}; it begins where it may.",
                "Bytes: in a run of its own for each, over a relay that counts what came from the cloud.",
            ],
        )

    def search(self) -> Section:
        """A large catalog, asked for each thing that people ask for."""
        return searches(self.scale.recordings, self.scale.searches, self.inputs.parent, self.say)

    def backfill(self) -> Section:
        """Very many short recordings, by all that `aftertake serve` runs."""
        return backfilled(self.scale.minutes, self.inputs.parent, self.say)

    def _remux(self, folder: Path, *, local: bool = False) -> Ran:
        with _fresh(self.scratch) as place, _fresh(self.scratch) as target:
            ran = run(ours("remuxing", folder, target if local else "null"), place=place)
            self.remuxed[folder.name, local] = Remuxed(
                samples=ran.facts["samples"],
                left_bytes=_tree_bytes(place),
                written_bytes=ran.facts["written_bytes"],
                target_bytes=_tree_bytes(target),
            )
        return ran

    def _cpu_per_gb(self, folder: Path, *, local: bool = False) -> float:
        return self._remux(folder, local=local).facts["cpu_s"] / _gigabytes(folder)

    def _ffmpeg_contestant(self, ffmpeg: Ffmpeg, folder: Path) -> Contestant:
        def measure() -> float:
            with _fresh(self.scratch) as target:
                ran = run(ffmpeg.command(folder, target / "out.mp4"))
            return max(ran.cpu_s - ffmpeg.start_up_s, _LEAST_S) / _gigabytes(folder)

        return Contestant(name=ffmpeg.name, measure=measure)

    def _peak_mb(self, folder: Path) -> float:
        return self._remux(folder).peak_bytes / 1e6

    def _peak_row(self, costs: Costs, name: str, folder: str) -> Row:
        peak = max(costs[name]) - median(costs[IDLE])
        media = f"{_content(self.inputs / folder)}, {self.remuxed[folder, False].samples:,.0f} samples"
        return Row(
            what=f"{self.scale.long_seconds / 3600:.2g} h, {media}, above idle",
            wanted=f"≤ {_PEAK_LIMIT_MB} MB",
            measured=f"{peak:.0f} MB",
            met=peak <= _PEAK_LIMIT_MB,
        )


def _beside(costs: Costs, ffmpeg: Ffmpeg) -> Iterator[Row]:
    limit = _LIMITS[ffmpeg.name]
    for name in (OURS, OURS_LARGE):
        found = ratio(costs, name, ffmpeg.name)
        yield Row(
            what=f"{name}, beside the {ffmpeg.name}'s ffmpeg {ffmpeg.version}",
            wanted=f"≤ {limit} ×",
            measured=str(found),
            met=found.median <= limit,
        )
    yield Row(
        what=f"{OURS_LOCAL}, beside the same",
        wanted="",
        measured=str(ratio(costs, OURS_LOCAL, ffmpeg.name)),
    )


def _cut_beside(costs: Costs, read: Mapping[str, int], name: str) -> Iterator[Row]:
    time, data = ratio(costs, OURS, name), read[OURS] / read[name]
    yield Row(what=f"time beside ffmpeg ({name})", wanted="< 1 ×", measured=str(time), met=time.median < 1)
    yield Row(what=f"{OURS_LOCAL}, beside the same", wanted="", measured=str(ratio(costs, OURS_LOCAL, name)))
    yield Row(what="bytes beside the same", wanted="< 1 ×", measured=f"{data:.3f} ×", met=data < 1)


def _reads(cloud: str) -> str:
    return f"from {cloud}"


def _limit_row(what: str, found: Ratio) -> Row:
    return Row(what=what, wanted=f"≤ {_CLOUD_LIMIT:.0f} ×", measured=str(found), met=found.median <= _CLOUD_LIMIT)


def _list_cost(command: Sequence[str], keys: Mapping[str, str]) -> float:
    facts = run(command, keys=keys).facts
    return 1e6 * facts["cpu_s"] / facts["keys"]


def _read_per_gb(folder: Path, command: Sequence[str], keys: Mapping[str, str]) -> float:
    facts = run(command, keys=keys).facts
    if facts["read_bytes"] != _size_bytes(folder):
        raise RuntimeError(f"{facts['read_bytes']} of {_size_bytes(folder)} bytes were read: {' '.join(command)}")
    return facts["cpu_s"] / _gigabytes(folder)


def _trace_row(what: str, run: Remuxed, expected: int) -> Row:
    written = None if run.written_bytes is None else run.written_bytes - expected
    said = "not told by this system" if written is None else f"{written:,.0f}"
    met = run.left_bytes == 0 and not written
    return Row(what=what, wanted="0", measured=f"left {run.left_bytes:,}, written {said}", met=met)


@contextmanager
def _fresh(parent: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.ts"))


def _gigabytes(folder: Path) -> float:
    return _size_bytes(folder) / 1e9


def _content(folder: Path) -> str:
    return f"{_gigabytes(folder):.2f} GB in {sum(1 for _ in folder.glob('*.ts'))} slices"


def _tree_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _kind(folder: Path) -> str:
    return "memory (tmpfs)" if folder.is_relative_to("/dev/shm") else "the same file system"  # noqa: S108


def _shown(command: Sequence[str]) -> str:
    """A command without the paths of this machine."""
    return " ".join(command).replace(f"{ROOT}/", "")

"""Segments read ahead for all lanes at once."""

from pathlib import Path

import pytest

from flows.steps import reading
from flows.steps.reading import SegmentSource
from media.plan import AssemblyPlan, Lane, PlannedSegment
from storage.base import ObjectMeta
from storage.local import LocalStore
from storage.local_files import LocalBody

SIZE = 1000
AHEAD = 3
"""How many segments may be in memory before they are asked for."""


class Watched(LocalStore):
    """Remembers which objects were read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read: list[str] = []

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> LocalBody:
        self.read.append(key)
        return super().open(key, start=start, end=end, etag=etag)


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_AHEAD_BYTES", AHEAD * SIZE)


def laid(folder: Path, lanes: list[Lane]) -> tuple[Watched, AssemblyPlan, SegmentSource]:
    """A segment of `SIZE` bytes for each entry, in this order."""
    folder.mkdir()
    for number in range(len(lanes)):
        (folder / f"{number}.ts").write_bytes(bytes([number]) * SIZE)
    store = Watched(folder)
    metas: dict[str, ObjectMeta] = {meta.key: meta for meta in store.list()}
    segments = tuple(
        PlannedSegment(number=n, key=f"{n}.ts", size_bytes=SIZE, etag=metas[f"{n}.ts"].etag, promised=1, lane=lane)
        for n, lane in enumerate(lanes)
    )
    plan = AssemblyPlan(stream="7", segments=segments, libav="0")
    return store, plan, SegmentSource(store=store, metas=metas)


def test_each_lane_gets_its_own_in_order(tmp_path: Path) -> None:
    _, plan, source = laid(tmp_path / "in", ["audio", "video", "video", "audio", "video", "audio", "audio"])
    with source.opened(plan) as arrivals:
        numbers = {lane: [arrival.segment.number for arrival in coming] for lane, coming in arrivals.items()}
    assert numbers == {"audio": [0, 3, 5, 6], "video": [1, 2, 4]}
    assert sorted(source.proofs) == list(range(7))


def test_memory_is_shared_and_bounded_though_one_lane_is_never_asked(tmp_path: Path) -> None:
    lanes: list[Lane] = ["audio", "video"] * 20
    store, plan, source = laid(tmp_path / "in", lanes)
    with source.opened(plan) as arrivals:
        for taken in range(1, 21):
            next(iter(arrivals["audio"]))
            assert len(store.read) <= taken + AHEAD + 1
        assert sum(int(key.removesuffix(".ts")) % 2 for key in store.read) <= AHEAD
    assert len(store.read) < len(lanes), "what nobody wants any more is not read"


def test_a_lane_that_stands_far_behind_in_the_plan_is_not_starved(tmp_path: Path) -> None:
    lanes: list[Lane] = ["video" if number < 20 else "audio" for number in range(21)]
    _, plan, source = laid(tmp_path / "in", lanes)
    with source.opened(plan) as arrivals:
        assert next(iter(arrivals["audio"])).segment.number == 20
        assert [arrival.segment.number for arrival in arrivals["video"]] == list(range(20))

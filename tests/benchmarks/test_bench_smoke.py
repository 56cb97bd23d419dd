import json
import subprocess
import sys
from pathlib import Path

import pytest

from storage.errors import AlreadyExists, Unsupported
from storage.keys import output_key
from tests.benchmarks.null_store import NullStore
from tests.benchmarks.programs import ROOT
from tests.benchmarks.results import Row, Section, markdown
from tests.benchmarks.rounds import Contestant, contest, ratio


def test_the_quick_bench_answers_every_question(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--output", str(tmp_path)]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=100)  # noqa: S603
    found = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert [len(section["rows"]) > 0 for section in found["sections"]] == [True] * 8
    for section in found["sections"]:
        assert all(cost > 0 for costs in section["costs"].values() for cost in costs)
        assert all(f"| {row['what']} | {row['wanted']} | {row['measured']} |" in ran.stdout for row in section["rows"])
    (disk,) = (section for section in found["sections"] if "disk" in section["title"])
    assert disk["rows"][0]["measured"] == "left 0, written 0"
    assert [path.name for path in tmp_path.iterdir() if path.name != "inputs"] == ["bench.json"]


def test_costs_are_compared_round_by_round() -> None:
    costs = {"one": [2.0, 30.0, 2.0], "other": [1.0, 10.0, 4.0]}
    found = ratio(costs, "one", "other")
    assert (found.median, found.lowest, found.highest) == (2.0, 0.5, 3.0)


def test_everybody_runs_once_a_round_and_begins_in_turn() -> None:
    order: list[str] = []

    def ran(name: str) -> float:
        order.append(name)
        return float(len(order))

    contestants = [Contestant(name="a", measure=lambda: ran("a")), Contestant(name="b", measure=lambda: ran("b"))]
    costs = contest(contestants, 2, say=lambda _: None)
    assert order == ["a", "b", "b", "a"]
    assert costs == {"a": [1.0, 4.0], "b": [2.0, 3.0]}


@pytest.mark.parametrize(
    ("met", "judged", "verdict"),
    [(True, True, "met"), (False, True, "**missed**"), (None, True, "–"), (False, False, "–")],
)
def test_a_missed_figure_is_printed_as_missed(met: bool | None, judged: bool, verdict: str) -> None:
    section = Section(title="speed", rows=[Row(what="it", wanted="1", measured="2", met=met)])
    assert f"| it | 1 | 2 | {verdict} |" in markdown("full", {}, [section], judged=judged)


def test_the_null_store_keeps_the_checksum_of_the_parts_in_order_and_no_bytes() -> None:
    store, key = NullStore(), output_key("a/b.mp4")
    upload = store.start_multipart(key)
    upload.put_part(2, b"56789")
    upload.put_part(1, b"1234")
    meta = upload.complete(create_only=True)
    # the check value of CRC-64/XZ
    assert (meta.size_bytes, meta.checksums.crc64xz) == (9, "995dc9bbdf1939fa")
    assert store.head(key) == meta
    with pytest.raises(AlreadyExists):
        store.put(key, b"", create_only=True)
    with pytest.raises(Unsupported):
        store.open(key)

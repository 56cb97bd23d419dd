"""Chains: who follows whom, and by how much; never a guess."""

# ruff: noqa: ANN401 - the changes are whatever fields a recording has

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from catalog.chains import LONGEST_HOLE, chain_of
from catalog.errors import UnknownRecordingError
from catalog.index import Catalog
from catalog.model import RecordingId, State, Verdict
from catalog.records import Queue, Recording
from tests.catalog.builders import at
from tests.catalog.steps import hear, key_of, recording_id, told_by

HOUR = LONGEST_HOLE.total_seconds()


def settled(task_id: str, begin: float, end: float, **changes: Any) -> Recording:
    base: dict[str, Any] = dict.fromkeys(Recording.__slots__)
    base |= {
        "id": recording_id(task_id),
        "room": "R",
        "source": "eu",
        "state": State.SETTLED,
        "verdict": Verdict.COMPLETE,
        "queue": Queue.LIVE,
        "heard_at": at(begin),
        "stopped_at": at(end + 1),
        "started_at": at(begin),
        "ended_at": at(end),
        "looks": 0,
        "tries": 0,
        "revision": 1,
    }
    return Recording(**{**base, **changes})


def unsettled(task_id: str, heard: float, **changes: Any) -> Recording:
    plain = {"state": State.RECORDING, "verdict": None, "started_at": None, "ended_at": None, "stopped_at": None}
    return settled(task_id, heard, heard, **{**plain, "revision": 0, **changes})


def told(task_id: str, *near: Recording) -> list[tuple[str, int | None]]:
    chain = chain_of(recording_id(task_id), near)
    assert chain is not None
    return [(link.recording.task_id, link.hole_ms) for link in chain.links]


def test_holes_in_milliseconds_and_overlaps_below_zero() -> None:
    near = (settled("a", 0, 60), settled("b", 72.345, 100), settled("c", 95, 160), settled("d", 160, 170))

    for order in permutations(near):
        for asked in "abcd":
            assert told(asked, *order) == [("a", None), ("b", 12_345), ("c", -5_000), ("d", 0)]


def test_a_hole_counts_from_the_end_of_all_before() -> None:
    assert told("c", settled("a", 0, 600), settled("b", 100, 200), settled("c", 610, 700))[1:] == [
        ("b", -500_000),
        ("c", 10_000),
    ]


def test_an_hour_is_the_longest_hole() -> None:
    first, near, far = settled("a", 0, 60), settled("b", 60 + HOUR, 5000), settled("c", 5000 + HOUR + 0.001, 9999)

    assert told("b", first, near, far) == [("a", None), ("b", 3_600_000)]
    assert told("c", first, near, far) == [("c", None)]


@pytest.mark.parametrize("change", [{"room": "S"}, {"id": RecordingId(vendor="zego", task_id="b")}, {"source": "us"}])
def test_of_another_room_vendor_or_source_is_no_member(change: dict[str, Any]) -> None:
    assert told("a", settled("a", 0, 60), settled("b", 70, 80, **change)) == [("a", None)]


def test_one_of_an_unknown_source_follows_that_of_its_room_and_joins_no_two_sources() -> None:
    a, b, c = settled("a", 0, 60), settled("b", 70, 80, source=None), settled("c", 90, 100, source="us")

    assert told("b", a, b, c) == [("a", None), ("b", 10_000)]
    assert told("c", a, b, c) == [("c", None)]
    d = settled("d", 110, 120)
    assert told("d", a, b, c, d) == [("a", None), ("b", 10_000), ("d", 30_000)]


def test_without_a_room_there_is_no_chain() -> None:
    assert chain_of(recording_id("a"), [settled("a", 0, 60, room=None), settled("b", 70, 80, room=None)]) is None
    assert chain_of(recording_id("z"), [settled("a", 0, 60)]) is None


def test_unsettled_ones_take_part_by_what_is_known() -> None:
    running = unsettled("b", 70, spoken_at=at(70 + HOUR))
    chain = chain_of(recording_id("b"), [settled("a", 0, 60), running, settled("c", 65 + 2 * HOUR, 9999)])

    assert chain is not None
    assert [(link.is_exact, link.hole_ms, link.ended_at) for link in chain.links] == [
        (True, None, at(60)),
        (False, 10_000, None),
        (True, None, at(9999)),
    ]
    stopped = replace(running, state=State.WAITING, stopped_at=at(100))
    assert told("c", stopped, settled("c", 130, 140)) == [("b", None), ("c", 30_000)]


def test_one_that_was_found_long_after_it_was_over_reaches_no_further_than_its_begin() -> None:
    late = at(100 * HOUR)
    found = unsettled("b", 0, state=State.WAITING, started_at=at(70), heard_at=late, stopped_at=late)

    assert told("b", found, settled("c", 80, 100), settled("d", 50 * HOUR, 51 * HOUR)) == [("b", None), ("c", None)]


def put(catalog: Catalog, task_id: str, begin: datetime, minutes: float = 10, **changes: Any) -> None:
    end = begin + timedelta(minutes=minutes)
    made = told_by(recording_id(task_id), **{"started_at": begin, "ended_at": end, "streams": (), **changes})
    catalog.reindex([(replace(made, streams=()), key_of(made))])


def test_the_catalog_looks_on_both_sides(catalog: Catalog) -> None:
    for number in range(5):
        put(catalog, f"t{number}", at(number * 1200))
    put(catalog, "other room", at(1200), room="S")
    put(catalog, "no room", at(1200), room=None)

    chain = catalog.chain(recording_id("t2"))
    assert chain is not None
    assert [(link.recording.task_id, link.hole_ms) for link in chain.links] == [
        ("t0", None),
        *((f"t{number}", 600_000) for number in range(1, 5)),
    ]
    assert catalog.chain(recording_id("no room")) is None
    with pytest.raises(UnknownRecordingError):
        catalog.chain(recording_id("nobody's"))


def test_one_that_runs_follows_what_is_published(catalog: Catalog) -> None:
    running = hear(catalog, "t2", state=State.RECORDING, room="math-7")
    put(catalog, "t1", running.heard_at - timedelta(minutes=15))

    chain = catalog.chain(running.id)
    assert chain is not None
    assert [(link.recording.task_id, link.is_exact) for link in chain.links] == [("t1", True), ("t2", False)]
    assert chain.links[1].hole_ms is not None
    assert abs(chain.links[1].hole_ms - 300_000) <= 1

"""What is due is handed over once, the urgent first; what came to nothing is due again."""

import multiprocessing
from datetime import timedelta

from catalog.index import Catalog
from catalog.model import State
from catalog.records import Queue
from catalog.runs import ALONE, TOGETHER
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.processes import hand_over_until_nothing_is_left
from tests.catalog.steps import LATER, TTL, at_once, hear, recording_id, settle, take

NOW = timedelta()


def subjects(catalog: Catalog, most: int = 100, batch: int = 10) -> list[tuple[str, ...]]:
    return [run.subjects for run in catalog.runs.hand_over(most=most, batch=batch)]


def test_urgent_ones_go_first_and_the_longest_due_of_them(catalog: Catalog) -> None:
    for task_id, queue in (("b1", Queue.BULK), ("e1", Queue.EXPORT), ("l1", Queue.LIVE), ("l2", Queue.LIVE)):
        hear(catalog, task_id, queue=queue)
    assert subjects(catalog, most=1) == [("agora:l1",)]
    assert subjects(catalog, most=2) == [("agora:l2",), ("agora:e1",)]
    assert subjects(catalog) == [("agora:b1",)]
    assert subjects(catalog) == []


def test_urgent_ones_run_alone_and_bulk_ones_together(catalog: Catalog) -> None:
    for number in range(5):
        hear(catalog, f"b{number}", queue=Queue.BULK)
    hear(catalog, "l1")
    hear(catalog, "e1", queue=Queue.EXPORT)
    made = catalog.runs.hand_over(most=100, batch=2)
    assert [(run.flow, run.queue, len(run.subjects)) for run in made] == [
        (ALONE, Queue.LIVE, 1),
        (ALONE, Queue.EXPORT, 1),
        (TOGETHER, Queue.BULK, 2),
        (TOGETHER, Queue.BULK, 2),
        (TOGETHER, Queue.BULK, 1),
    ]
    assert catalog.runs.to_look_at(most=100) != []
    assert {run.key for run in catalog.runs.to_look_at(most=100)} == {run.key for run in made}


def test_only_what_is_due_is_handed_over(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog, "hinted", state=State.HINTED)
    hear(catalog, "going on", state=State.RECORDING)
    hear(catalog, "under way")
    take(catalog, "under way")
    hear(catalog, "later")
    settle(catalog, take(catalog, "later"), look_in=timedelta(hours=1))
    assert subjects(catalog) == []
    database.pass_by(timedelta(hours=1))
    assert subjects(catalog) == [("agora:later",)]


def test_each_attempt_has_a_key_of_its_own(catalog: Catalog) -> None:
    hear(catalog)
    keys = []
    for _ in range(3):
        (run,) = catalog.runs.hand_over(most=1, batch=1)
        assert catalog.get(recording_id()).run == run.key
        catalog.runs.give_up(run.key, look_in=NOW)
        keys.append(run.key)
    assert len(set(keys)) == 3
    assert all(key.startswith("agora:t1#") for key in keys)


def test_nothing_is_handed_over_twice_by_many_threads(catalog: Catalog) -> None:
    for number in range(60):
        hear(catalog, f"t{number}", queue=Queue.BULK if number % 2 else Queue.LIVE)

    def hand_over() -> list[str]:
        found: list[str] = []
        while some := subjects(catalog, most=4, batch=3):
            found += [one for run in some for one in run]
        return found

    handed = [one for found in at_once([hand_over] * 4) for one in found]
    assert sorted(handed) == sorted(f"agora:t{number}" for number in range(60))


def test_nothing_is_handed_over_twice_by_many_processes(catalog: Catalog, url: str) -> None:
    for number in range(60):
        hear(catalog, f"t{number}", queue=Queue.BULK if number % 2 else Queue.LIVE)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.map(hand_over_until_nothing_is_left, [url] * 3)
    assert sorted(one for some in found for one in some) == sorted(f"agora:t{number}" for number in range(60))


def test_delivered_is_not_looked_at_until_later(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog)
    (run,) = catalog.runs.hand_over(most=1, batch=1)
    catalog.runs.delivered(run.key, "flow run 7", look_in=TTL)
    assert catalog.runs.to_look_at(most=10) == []
    database.pass_by(LATER)
    (seen,) = catalog.runs.to_look_at(most=10)
    assert (seen.key, seen.flow_run, seen.subjects) == (run.key, "flow run 7", ("agora:t1",))
    assert seen.delivered_at is not None
    catalog.runs.look_later(run.key, TTL)
    assert catalog.runs.to_look_at(most=10) == []
    database.pass_by(LATER)
    (again,) = catalog.runs.to_look_at(most=10)
    assert (again.flow_run, again.delivered_at) == ("flow run 7", seen.delivered_at)


def test_those_that_wait_longest_are_looked_at_first(catalog: Catalog, database: LeapingDatabase) -> None:
    for task_id in ("t1", "t2", "t3"):
        hear(catalog, task_id)
    first, second, third = catalog.runs.hand_over(most=3, batch=1)
    for run, look_in in ((first, 3), (second, 1), (third, 2)):
        catalog.runs.look_later(run.key, timedelta(minutes=look_in))
    database.pass_by(LATER)
    assert [run.key for run in catalog.runs.to_look_at(most=2)] == [second.key, third.key]


def test_given_up_frees_what_it_had_not_begun(catalog: Catalog, database: LeapingDatabase) -> None:
    for task_id in ("begun", "not begun"):
        hear(catalog, task_id, queue=Queue.BULK)
    (run,) = catalog.runs.hand_over(most=10, batch=10)
    claim = take(catalog, "begun", run=run.key)
    assert catalog.runs.give_up(run.key, look_in=TTL) == 1
    assert subjects(catalog) == []
    database.pass_by(TTL)
    assert subjects(catalog) == [("agora:not begun",)]
    assert claim.recording.run == run.key


def test_a_run_is_forgotten_once_nothing_of_it_is_left(catalog: Catalog) -> None:
    for task_id in ("t1", "t2"):
        hear(catalog, task_id, queue=Queue.BULK)
    (run,) = catalog.runs.hand_over(most=10, batch=10)
    settle(catalog, take(catalog, "t1", run=run.key))
    assert catalog.runs.has_subjects(run.key)
    settle(catalog, take(catalog, "t2", run=run.key))
    assert not catalog.runs.has_subjects(run.key)
    catalog.runs.forget(run.key)
    assert catalog.runs.to_look_at(most=10) == []


def test_concluded_a_recording_belongs_to_no_run(catalog: Catalog) -> None:
    hear(catalog)
    (run,) = catalog.runs.hand_over(most=1, batch=1)
    assert settle(catalog, take(catalog, run=run.key)).run is None

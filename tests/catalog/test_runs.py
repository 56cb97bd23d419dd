"""What is due is handed over once, the urgent first; what came to nothing is due again."""

import multiprocessing
from datetime import UTC, datetime, timedelta

import pytest

from catalog.errors import LeaseLostError
from catalog.index import Catalog
from catalog.model import State
from catalog.records import Queue, run_lease
from catalog.runs import ALONE, TOGETHER, Pulse, due_query
from catalog.tables import leases
from tests.catalog.exports import ask, take_export
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
    assert [run.key for run in catalog.runs.to_deliver(most=100)] == [run.key for run in made]


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
        catalog.runs.give_back(run.key)
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
    assert catalog.runs.to_deliver(most=10) == catalog.runs.to_look_after(most=10) == []
    database.pass_by(LATER)
    (seen,) = catalog.runs.to_look_after(most=10)
    assert (seen.key, seen.flow_run, seen.subjects) == (run.key, "flow run 7", ("agora:t1",))
    assert seen.delivered_at is not None
    catalog.runs.look_later(run.key, TTL)
    assert catalog.runs.to_look_after(most=10) == []
    database.pass_by(LATER)
    (again,) = catalog.runs.to_look_after(most=10)
    assert (again.flow_run, again.delivered_at) == ("flow run 7", seen.delivered_at)


def test_those_that_wait_longest_are_looked_at_first(catalog: Catalog, database: LeapingDatabase) -> None:
    for task_id in ("t1", "t2", "t3"):
        hear(catalog, task_id)
    first, second, third = catalog.runs.hand_over(most=3, batch=1)
    for run, look_in in ((first, 3), (second, 1), (third, 2)):
        catalog.runs.delivered(run.key, "a flow run", look_in=timedelta(minutes=look_in))
    database.pass_by(LATER)
    assert [run.key for run in catalog.runs.to_look_after(most=2)] == [second.key, third.key]


def test_the_most_urgent_are_delivered_first_however_many_are_overdue(
    catalog: Catalog, database: LeapingDatabase
) -> None:
    for number in range(5):
        hear(catalog, f"b{number}", queue=Queue.BULK)
    for run in catalog.runs.hand_over(most=5, batch=1)[:3]:
        catalog.runs.delivered(run.key, "a flow run", look_in=TTL)
    database.pass_by(LATER)
    hear(catalog, "l1")
    (live,) = catalog.runs.hand_over(most=5, batch=1)
    assert [run.key for run in catalog.runs.to_deliver(most=1)] == [live.key]
    assert len(catalog.runs.to_look_after(most=10)) == 3


def test_no_more_bulk_runs_are_made_than_are_wanted_at_once(catalog: Catalog) -> None:
    for number in range(6):
        hear(catalog, f"b{number}", queue=Queue.BULK)
    first, second = catalog.runs.hand_over(most=100, batch=2, most_bulk=2)
    hear(catalog, "l1")
    (live,) = catalog.runs.hand_over(most=100, batch=2, most_bulk=2)
    assert live.queue is Queue.LIVE
    for subject in first.subjects:
        settle(catalog, take(catalog, subject.removeprefix("agora:"), run=first.key))
    (third,) = catalog.runs.hand_over(most=100, batch=2, most_bulk=2)
    assert third.subjects == ("agora:b4", "agora:b5")
    assert second.subjects == ("agora:b2", "agora:b3")


def test_of_very_many_each_run_gets_as_many_as_it_may_have(catalog: Catalog) -> None:
    """They wait in the catalog for the next pass, and what is shared is all of them."""
    for number in range(400):
        hear(catalog, f"b{number}", queue=Queue.BULK)
    assert [len(run) for run in subjects(catalog, most=100, batch=100)] == [100]
    assert [len(run) for run in subjects(catalog, most=300, batch=100)] == [75] * 4


def test_what_is_due_is_read_from_an_index_in_its_order(database: LeapingDatabase) -> None:
    if not database.is_sqlite:
        return  # the planner of PostgreSQL reads small tables whole
    text = f"EXPLAIN QUERY PLAN {_due_statement()}"
    steps = database.read(lambda connection: [row.detail for row in connection.exec_driver_sql(text)])
    assert steps == ["SEARCH recordings USING INDEX ix_recordings_due (queue=? AND due_at<?)"]


def _due_statement() -> str:
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    query = due_query(Queue.LIVE, datetime.now(UTC), most=200)
    return str(query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}))


def give_up(catalog: Catalog, key: str) -> int:
    return catalog.runs.give_up(
        key,
        cause="lost",
        actor="overseer",
        look_in=lambda lost: (lost - 1) * TTL,
        is_alarming=lambda lost: lost > 1,
    )


def test_given_up_frees_what_it_had_not_begun(catalog: Catalog) -> None:
    for task_id in ("begun", "not begun"):
        hear(catalog, task_id, queue=Queue.BULK)
    (run,) = catalog.runs.hand_over(most=10, batch=10)
    claim = take(catalog, "begun", run=run.key)
    assert give_up(catalog, run.key) == 1
    assert subjects(catalog) == [("agora:not begun",)]
    assert claim.recording.run == run.key


def test_lost_again_and_again_it_waits_longer_and_is_alarmed(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog)
    for lost in (1, 2, 3):
        (run,) = catalog.runs.hand_over(most=1, batch=1)
        give_up(catalog, run.key)
        if lost > 1:
            assert subjects(catalog) == []
            assert catalog.get(recording_id()).alarm == "lost; are the workers all right?"
        else:
            assert catalog.get(recording_id()).alarm is None
        database.pass_by((lost - 1) * TTL)
    changes = catalog.changes(recording_id())[1:]
    assert [(change.cause, change.actor) for change in changes] == [("lost", "overseer")] * 3
    assert settle(catalog, take(catalog), look_in=NOW).alarm is None
    (run,) = catalog.runs.hand_over(most=1, batch=1)
    give_up(catalog, run.key)
    assert len(subjects(catalog)) == 1, "what was taken is counted anew"


def test_what_a_run_gives_back_is_due_at_once_however_often(catalog: Catalog) -> None:
    hear(catalog)
    for _ in range(5):
        (run,) = catalog.runs.hand_over(most=1, batch=1)
        assert catalog.runs.give_back(run.key) == 1
    (run,) = catalog.runs.hand_over(most=1, batch=1)
    give_up(catalog, run.key)
    assert len(subjects(catalog)) == 1
    assert catalog.get(recording_id()).alarm is None


def test_held_are_those_that_a_run_still_has(catalog: Catalog) -> None:
    for task_id in ("done", "begun", "new", "late look"):
        hear(catalog, task_id, queue=Queue.BULK)
    settle(catalog, take(catalog, "late look"), look_in=NOW)
    (run,) = catalog.runs.hand_over(most=10, batch=10)
    settle(catalog, take(catalog, "done", run=run.key))
    claim = take(catalog, "begun", run=run.key)

    assert catalog.runs.hold(run.key, cause="cancelled", actor="overseer", look_in=TTL) == 3

    done, begun, new, late = (catalog.get(recording_id(name)) for name in ("done", "begun", "new", "late look"))
    assert [(one.state, one.alarm, one.run) for one in (done, begun, new, late)] == [
        (State.SETTLED, None, None),
        (State.STOPPED, "cancelled", None),
        (State.STOPPED, "cancelled", None),
        (State.SETTLED, None, None),
    ]
    assert late.due_at is not None
    assert (begun.due_at, new.due_at) == (None, None)
    with pytest.raises(LeaseLostError):
        settle(catalog, claim)
    assert [catalog.changes(one.id)[-1].cause for one in (begun, new, late)] == ["cancelled"] * 3


def test_handed_back_it_stays_with_its_run_until_that_is_looked_at(catalog: Catalog) -> None:
    hear(catalog)
    (run,) = catalog.runs.hand_over(most=1, batch=1)
    catalog.runs.delivered(run.key, "a flow run", look_in=TTL)
    back = catalog.claims.hand_back(take(catalog, run=run.key), cause="told to stop")
    assert (back.state, back.run, back.due_at) == (State.STOPPED, run.key, None)
    assert [one.key for one in catalog.runs.to_look_after(most=1)] == [run.key]
    assert catalog.runs.pulse(run.key) is Pulse.ENDING


def test_a_run_lives_by_its_own_lease_or_that_of_any_recording_in_its_hands(
    catalog: Catalog, database: LeapingDatabase
) -> None:
    for task_id in ("t1", "t2"):
        hear(catalog, task_id, queue=Queue.BULK)
    (run,) = catalog.runs.hand_over(most=10, batch=10)
    assert catalog.runs.pulse(run.key) is Pulse.GONE
    catalog.claims.lead(run_lease(run.key), holder="batch", ttl=TTL)
    assert catalog.runs.pulse(run.key) is Pulse.ALIVE
    database.pass_by(LATER)
    assert catalog.runs.pulse(run.key) is Pulse.GONE
    claim = take(catalog, "t2", run=run.key)
    assert catalog.runs.pulse(run.key) is Pulse.ALIVE
    settle(catalog, claim)
    assert catalog.runs.pulse(run.key) is Pulse.ENDING
    database.pass_by(LATER)
    take(catalog, "t2", holder="somebody else")
    assert catalog.runs.pulse(run.key) is Pulse.GONE


WAITS = dict.fromkeys(Queue, TTL)


def alarmed(catalog: Catalog) -> list[str]:
    return catalog.runs.alarm_waiting(WAITS, cause="nobody began", actor="overseer", most=10)


def test_what_nobody_begins_with_is_told_of_once(catalog: Catalog, database: LeapingDatabase) -> None:
    for task_id in ("waits", "begun", "late look", "with a batch that lives"):
        hear(catalog, task_id)
    settle(catalog, take(catalog, "late look"), look_in=NOW)
    made = catalog.runs.hand_over(most=10, batch=1)
    keys = {run.subjects[0]: run.key for run in made}
    assert alarmed(catalog) == []
    database.pass_by(LATER)
    take(catalog, "begun")
    catalog.claims.lead(run_lease(keys["agora:with a batch that lives"]), holder="batch", ttl=TTL)

    assert [alarmed(catalog), alarmed(catalog)] == [["agora:waits"], []]

    assert catalog.get(recording_id("waits")).alarm == "nobody began"
    assert catalog.changes(recording_id("waits"))[-1].cause == "nobody began"


def test_batches_make_room_for_what_waits_for_a_slot_only(catalog: Catalog, database: LeapingDatabase) -> None:
    def is_urgent() -> bool:
        return catalog.runs.is_urgent(longer_than=TTL, shorter_than=3 * TTL)

    hear(catalog)
    catalog.runs.hand_over(most=1, batch=1)
    seen = [is_urgent()]
    for _ in range(2):
        database.pass_by(1.5 * TTL)
        seen.append(is_urgent())
    database.pass_by(TTL)
    assert [*seen, is_urgent()] == [False, True, False, False]


def test_batches_make_room_for_exports_too(catalog: Catalog, database: LeapingDatabase) -> None:
    def is_urgent() -> bool:
        return catalog.runs.is_urgent(longer_than=TTL, shorter_than=3 * TTL)

    export = ask(catalog)
    catalog.export_runs.hand_over(most=1)
    assert not is_urgent()
    database.pass_by(1.5 * TTL)
    assert is_urgent()
    take_export(catalog, export)
    assert not is_urgent()


def test_recordings_of_a_run_that_nobody_knows_are_due_again(catalog: Catalog) -> None:
    for task_id in ("t1", "t2"):
        hear(catalog, task_id)
    orphan, known = catalog.runs.hand_over(most=10, batch=10)
    catalog.runs.forget(orphan.key)
    assert [catalog.runs.free_orphans(), catalog.runs.free_orphans()] == [1, 0]
    assert catalog.get(recording_id("t2")).run == known.key
    assert subjects(catalog) == [("agora:t1",)]


def test_nothing_is_left_of_a_run_that_is_forgotten(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog)
    (run,) = catalog.runs.hand_over(most=1, batch=1)
    catalog.claims.lead(run_lease(run.key), holder="batch", ttl=TTL)
    catalog.runs.forget(run.key)
    assert database.read(lambda connection: connection.execute(leases.select()).all()) == []


def test_a_run_is_forgotten_once_nothing_of_it_is_left(catalog: Catalog) -> None:
    for task_id in ("t1", "t2"):
        hear(catalog, task_id, queue=Queue.BULK)
    (run,) = catalog.runs.hand_over(most=10, batch=10)
    settle(catalog, take(catalog, "t1", run=run.key))
    assert catalog.runs.has_subjects(run.key)
    settle(catalog, take(catalog, "t2", run=run.key))
    assert not catalog.runs.has_subjects(run.key)
    catalog.runs.forget(run.key)
    assert catalog.runs.to_look_after(most=10) == []


def test_concluded_a_recording_belongs_to_no_run(catalog: Catalog) -> None:
    hear(catalog)
    (run,) = catalog.runs.hand_over(most=1, batch=1)
    assert settle(catalog, take(catalog, run=run.key)).run is None

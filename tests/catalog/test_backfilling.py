from collections.abc import Sequence
from datetime import timedelta

import pytest

from catalog.errors import CatalogTextError
from catalog.index import Catalog
from catalog.model import State, Verdict
from catalog.records import Queue, Wanted
from catalog.tables import audit, recordings
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import at_once, hear, recording_id, settle, states, take


def wanted(*task_ids: str) -> Sequence[Wanted]:
    return [Wanted(recording=recording_id(each), source="calls", folder="a/", room="r") for each in task_ids]


def take_up(catalog: Catalog, *task_ids: str) -> int:
    return catalog.take_up(wanted(*task_ids), actor="ada", reason="why")


def test_new_ones_are_registered_and_due(catalog: Catalog) -> None:
    assert take_up(catalog, "t1", "t2") == 2
    found = catalog.get(recording_id("t2"))
    assert (found.state, found.queue, found.source, found.folder, found.room) == (
        State.STOPPED,
        Queue.BULK,
        "calls",
        "a/",
        "r",
    )
    assert found.due_at == found.stopped_at == found.heard_at
    assert states(catalog, "t2") == ["stopped"]
    assert take_up(catalog, "t1", "t2") == 0


def test_what_was_only_heard_of_has_stopped(catalog: Catalog) -> None:
    hear(catalog, "hinted", state=State.HINTED)
    hear(catalog, "recording", state=State.RECORDING)
    assert take_up(catalog, "hinted", "recording") == 2
    assert states(catalog, "recording") == ["recording", "stopped"]
    assert catalog.get(recording_id("hinted")).queue is Queue.LIVE


def test_what_somebody_works_on_stays_as_it_is(catalog: Catalog) -> None:
    for task_id in ("handed over", "due", "under way"):
        hear(catalog, task_id, source="calls", folder="a/", room="r")
    take(catalog, "under way")
    catalog.runs.hand_over(most=1, batch=1)
    before = [catalog.get(recording_id(task_id)) for task_id in ("due", "handed over", "under way")]
    assert take_up(catalog, "due", "handed over", "under way") == 0
    assert [catalog.get(each.id) for each in before] == before


def test_what_has_a_verdict_is_looked_at_again_behind_all_others(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog)
    settle(catalog, take(catalog), look_in=timedelta(hours=1), verdict=Verdict.GAPS)
    database.pass_by(timedelta(minutes=5))
    assert take_up(catalog, "t1") == 1
    found = catalog.get(recording_id())
    assert (found.state, found.verdict, found.queue, found.looks) == (State.SETTLED, Verdict.GAPS, Queue.BULK, 0)
    assert found.due_at is not None
    assert found.due_at <= database.read(database.now)
    rows = database.read(lambda c: c.execute(audit.select()).mappings().all())
    assert [(row["actor"], row["action"], row["subject"], row["reason"]) for row in rows] == [
        ("ada", "backfill", "agora:t1", "why")
    ]
    assert take_up(catalog, "t1") == 0


def test_what_was_left_to_a_person_is_looked_at_again(catalog: Catalog) -> None:
    hear(catalog)
    catalog.claims.wait(take(catalog), cause="held", look_in=None, alarm="held")
    assert take_up(catalog, "t1") == 1
    found = catalog.get(recording_id())
    assert (found.alarm, found.queue, found.state) == (None, Queue.LIVE, State.WAITING)
    assert found.due_at is not None


def test_many_who_take_up_the_same_do_it_once(catalog: Catalog) -> None:
    names = [f"t{number}" for number in range(40)]
    counts: list[int] = []

    def one(order: Sequence[str]) -> list[int]:
        return [take_up(catalog, *order)]

    for found in at_once([lambda: one(names), lambda: one(names[::-1]), lambda: one(names)]):
        counts += found
    assert sorted(counts) == [0, 0, 40]
    assert catalog.database.read(lambda c: len(c.execute(recordings.select()).all())) == 40


def test_a_task_id_that_no_index_can_hold_is_refused_before_anything_is_done(catalog: Catalog) -> None:
    with pytest.raises(CatalogTextError, match="none that a vendor gave"):
        take_up(catalog, "t1", "x" * 1025)
    assert catalog.counts() == {}


def test_those_that_are_known_are_told_of_very_many(catalog: Catalog) -> None:
    take_up(catalog, *(f"t{number}" for number in range(3)))
    asked = [recording_id(f"t{number}") for number in range(1, 1200)] + [recording_id("t0", vendor="zego")]
    assert set(catalog.known(asked)) == {recording_id("t1"), recording_id("t2")}


def test_those_without_a_good_verdict_are_told_whatever_their_number(
    catalog: Catalog, database: LeapingDatabase
) -> None:
    for task_id, verdict in (("whole", Verdict.COMPLETE), ("torn", Verdict.GAPS)):
        hear(catalog, task_id)
        settle(catalog, take(catalog, task_id), verdict=verdict)
    take_up(catalog, *(f"t{number:03d}" for number in range(510)))
    heard_at = database.read(database.now)
    found = [each.id.task_id for each in catalog.not_complete(None, None)]
    assert sorted(found) == sorted([*(f"t{number:03d}" for number in range(510)), "torn"])
    assert "t001" not in {each.id.task_id for each in catalog.not_complete(None, heard_at - timedelta(minutes=1))}

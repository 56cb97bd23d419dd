"""Hearing of recordings, asking for another look, and what the catalog says of them."""

from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from catalog.errors import CatalogError, CatalogTextError, UnknownRecordingError
from catalog.index import Catalog
from catalog.model import Mode, State, StreamKind, Verdict
from catalog.records import Queue, Recording
from catalog.searching import Query
from catalog.tables import audit
from tests.catalog.builders import output, stream
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import at_once, hear, recording_id, settle, states, take

NUL = "a\0b"
HALF = "a\ud800b"


def look_again(catalog: Catalog, task_id: str = "t1", queue: Queue = Queue.LIVE) -> Recording:
    return catalog.make_due(
        recording_id(task_id), queue=queue, actor="ann", action="retry", reason="the customer waits"
    )


def audited(catalog: Catalog) -> list[tuple[str, ...]]:
    query = select(audit.c.actor, audit.c.action, audit.c.subject, audit.c.reason).order_by(audit.c.id)
    return catalog.database.read(lambda c: [tuple(row) for row in c.execute(query)])


@pytest.mark.parametrize("state", [State.HINTED, State.RECORDING, State.STOPPED])
def test_what_was_heard_is_known_and_due_once_it_stopped(catalog: Catalog, state: State) -> None:
    told = hear(catalog, state=state, source="calls", folder="rec/7/", room="math-7")
    assert told == catalog.get(recording_id())
    assert (told.state, told.queue, told.source, told.folder, told.room) == (
        state,
        Queue.LIVE,
        "calls",
        "rec/7/",
        "math-7",
    )
    assert (told.due_at == told.heard_at) == (state is State.STOPPED)
    (change,) = catalog.changes(recording_id())
    assert (change.was, change.state, change.cause, change.actor) == (None, state, "webhook", "hooks")


def test_what_nobody_heard_of_is_unknown(catalog: Catalog) -> None:
    with pytest.raises(UnknownRecordingError, match="agora:t1"):
        catalog.get(recording_id())


def test_hearing_the_same_twice_changes_nothing(catalog: Catalog, database: LeapingDatabase) -> None:
    first = hear(catalog, room="math-7")
    database.pass_by(timedelta(hours=1))
    assert hear(catalog, room="math-7") == first
    assert states(catalog) == ["stopped"]


def test_the_same_task_id_of_another_vendor_is_another_recording(catalog: Catalog) -> None:
    for vendor in ("agora", "zego"):
        catalog.register(
            recording_id("same", vendor), state=State.STOPPED, cause="webhook", actor="hooks", room=f"room of {vendor}"
        )
    assert catalog.get(recording_id("same", "zego")).room == "room of zego"
    assert [recording.id.vendor for recording in catalog.named("same")] == ["agora", "zego"]
    assert [recording.id.vendor for recording in catalog.named("zego:same")] == ["zego"]
    assert catalog.named("agora:other") == []


def test_a_task_id_may_have_a_colon(catalog: Catalog) -> None:
    hear(catalog, "a:b")
    assert [recording.id for recording in catalog.named("a:b")] == [recording_id("a:b")]
    assert [recording.id for recording in catalog.named("agora:a:b")] == [recording_id("a:b")]


def test_heard_by_many_at_once_it_is_one(catalog: Catalog) -> None:
    at_once([lambda: hear(catalog)] * 8)
    assert states(catalog) == ["stopped"]


@pytest.mark.parametrize(
    ("first", "then", "after"),
    [
        (State.HINTED, State.RECORDING, State.RECORDING),
        (State.RECORDING, State.STOPPED, State.STOPPED),
        (State.HINTED, State.STOPPED, State.STOPPED),
        (State.STOPPED, State.RECORDING, State.STOPPED),
        (State.RECORDING, State.HINTED, State.RECORDING),
    ],
)
def test_it_goes_forward_only(catalog: Catalog, first: State, then: State, after: State) -> None:
    hear(catalog, state=first)
    assert hear(catalog, state=then).state is after
    assert states(catalog) == ([first, after] if first is not after else [first])
    assert (catalog.get(recording_id()).due_at is not None) == (after is State.STOPPED)


def test_late_news_of_one_that_is_worked_on_or_settled_change_nothing(catalog: Catalog) -> None:
    hear(catalog)
    claim = take(catalog)
    assert hear(catalog).state is State.PROCESSING
    settled = settle(catalog, claim)
    assert hear(catalog) == settled
    assert states(catalog) == ["stopped", "processing", "settled"]


def test_what_is_known_stays_and_what_is_not_is_added(catalog: Catalog) -> None:
    hear(catalog, room="math-7")
    told = hear(catalog, room="other", folder="rec/7/")
    assert (told.room, told.folder, told.source) == ("math-7", "rec/7/", None)


@pytest.mark.parametrize(
    ("first", "then", "after"),
    [
        (Queue.BULK, Queue.LIVE, Queue.LIVE),
        (Queue.BULK, Queue.EXPORT, Queue.EXPORT),
        (Queue.LIVE, Queue.BULK, Queue.LIVE),
        (Queue.EXPORT, Queue.BULK, Queue.EXPORT),
    ],
)
def test_the_more_urgent_queue_wins(catalog: Catalog, first: Queue, then: Queue, after: Queue) -> None:
    for task_id in ("heard", "wanted"):
        hear(catalog, task_id, queue=first)
    assert hear(catalog, "heard", queue=then).queue is after
    assert look_again(catalog, "wanted", queue=then).queue is after


def test_wanted_now_it_is_due_and_all_that_held_it_is_over(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog)
    catalog.claims.fail(take(catalog), cause="disk full", look_in=timedelta(hours=1), is_alarming=True)
    catalog.claims.wait(take(catalog), cause="late", look_in=None, damage_digest="d1")
    wanted = look_again(catalog)
    assert (wanted.tries, wanted.looks, wanted.alarm, wanted.damage_digest) == (0, 0, None, None)
    assert wanted.due_at is not None
    assert wanted.due_at <= database.read(database.now)
    assert audited(catalog) == [("ann", "retry", "agora:t1", "the customer waits")]
    assert len(catalog.runs.hand_over(most=1, batch=1)) == 1


def test_wanted_while_a_run_has_it_the_run_keeps_it(catalog: Catalog) -> None:
    hear(catalog)
    (run,) = catalog.runs.hand_over(most=1, batch=1)
    wanted = look_again(catalog)
    assert (wanted.run, wanted.due_at) == (run.key, None)
    take(catalog, run=run.key)
    assert look_again(catalog).due_at is None
    assert catalog.runs.hand_over(most=1, batch=1) == []


def test_wanted_while_somebody_processes_it_by_hand_it_is_not_handed_over(catalog: Catalog) -> None:
    hear(catalog)
    take(catalog)
    assert look_again(catalog).due_at is None
    assert catalog.runs.hand_over(most=1, batch=1) == []


def test_nobody_can_want_what_is_unknown(catalog: Catalog) -> None:
    with pytest.raises(UnknownRecordingError):
        look_again(catalog)
    assert audited(catalog) == []


def test_changes_tell_the_story(catalog: Catalog) -> None:
    hear(catalog, state=State.RECORDING)
    hear(catalog)
    settle(catalog, take(catalog))
    story = catalog.changes(recording_id())
    assert [(change.was, change.state, change.verdict) for change in story] == [
        (None, State.RECORDING, None),
        (State.RECORDING, State.STOPPED, None),
        (State.STOPPED, State.PROCESSING, None),
        (State.PROCESSING, State.SETTLED, Verdict.COMPLETE),
    ]
    assert [change.actor for change in story] == ["hooks", "hooks", "worker 1", "worker 1"]
    assert [change.at for change in story] == sorted(change.at for change in story)


def test_counts_are_by_state(catalog: Catalog) -> None:
    assert catalog.counts() == {}
    for task_id in ("t1", "t2", "t3"):
        hear(catalog, task_id)
    settle(catalog, take(catalog))
    assert catalog.counts() == {State.STOPPED: 2, State.SETTLED: 1}


def test_streams_and_outputs_are_those_of_the_newest_revision(catalog: Catalog) -> None:
    hear(catalog)
    two = [stream(name, user=name, kind=StreamKind.PARTICIPANT, outputs=()) for name in ("b", "a")]
    settle(catalog, take(catalog), streams=tuple(two), mode=Mode.INDIVIDUAL)
    assert [(row.stream, row.user) for row in catalog.streams(recording_id())] == [("a", "a"), ("b", "b")]
    one = stream("c", outputs=(output(key="c2"), output(key="c1")))
    settle(catalog, take(catalog), streams=(one,), revision=2)
    (row,) = catalog.streams(recording_id())
    assert (row.stream, row.user, row.kind, row.duration_s) == ("c", None, StreamKind.MIXED, 60.0)
    assert (row.started_at, row.ended_at) == (one.started_at, one.ended_at)
    assert [(row.stream, row.key, row.container) for row in catalog.outputs(recording_id())] == [
        ("c", "c1", "mp4"),
        ("c", "c2", "mp4"),
    ]


@pytest.mark.parametrize("odd", [NUL, HALF])
def test_text_that_not_every_database_holds_is_refused_by_both(catalog: Catalog, odd: str) -> None:
    hear(catalog)
    for refused in (
        partial(hear, catalog, odd),
        partial(hear, catalog, "t2", room=odd),
        partial(catalog.get, recording_id(odd)),
        partial(catalog.named, odd),
        partial(settle, catalog, take(catalog), streams=(stream(user=odd),)),
        partial(catalog.search, Query(room=odd)),
        partial(catalog.search, Query(user=odd)),
        partial(catalog.search, Query(task_id=odd)),
    ):
        with pytest.raises(CatalogError, match=r"NUL or a lone surrogate|surrogates not allowed"):
            refused()
    assert catalog.counts() == {State.PROCESSING: 1}


@pytest.mark.parametrize("name", ["Zoë 🎓", "a'b\"c;--", "%_\\", "line\nbreak", "\u202eright to left", "x" * 1000])
def test_any_other_text_comes_back_as_it_was(catalog: Catalog, name: str) -> None:
    hear(catalog, name, room=name)
    assert catalog.get(recording_id(name)).room == name
    assert [found.id.task_id for found in catalog.search(Query(room=name)).recordings] == [name]


def test_a_task_id_that_no_index_can_hold_is_refused(catalog: Catalog) -> None:
    with pytest.raises(CatalogTextError, match="none that a vendor gave"):
        hear(catalog, "x" * 1025)
    assert hear(catalog, "x" * 1024).state is State.STOPPED


def test_what_was_written_after_the_last_look_is_looked_at(catalog: Catalog) -> None:
    hear(catalog)
    looked_at = catalog.database.read(catalog.database.now)
    catalog.claims.wait(take(catalog), cause="not whole", look_in=timedelta(hours=1))
    later, known = looked_at + timedelta(minutes=1), {recording_id(): looked_at - timedelta(minutes=1)}
    assert catalog.unseen(known) == set()
    assert catalog.unseen({recording_id(): later}) == {recording_id()}
    discover(catalog, newest=later)
    due_at = catalog.get(recording_id()).due_at
    assert due_at is not None
    assert due_at - catalog.database.read(catalog.database.now) < timedelta(seconds=1)


def test_what_was_handed_over_already_is_left_to_its_run(catalog: Catalog) -> None:
    """It will list all that is there when it begins."""
    hear(catalog)
    catalog.claims.wait(take(catalog), cause="not whole", look_in=timedelta())
    [run] = catalog.runs.hand_over(most=1, batch=1)
    discover(catalog, newest=catalog.database.read(catalog.database.now) + timedelta(minutes=1))
    found = catalog.get(recording_id())
    assert (found.run, found.due_at, found.state) == (run.key, None, State.WAITING)


def discover(catalog: Catalog, newest: datetime) -> None:
    catalog.discovered(
        recording_id(), newest=newest, state=State.STOPPED, source="calls", folder="", room=None, actor="loop"
    )

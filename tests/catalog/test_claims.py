"""Who works on a recording, what a worker may write, and what becomes of the recording."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from catalog.errors import CatalogError, LeaseLostError, UnknownRecordingError
from catalog.index import Catalog
from catalog.model import State, Verdict
from catalog.records import Claim, Recording
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import LATER, TTL, at_once, hear, key_of, recording_id, settle, states, take, told_by

HOUR = timedelta(hours=1)


def wait(catalog: Catalog, claim: Claim, look_in: timedelta | None = HOUR, alarm: str | None = None) -> Recording:
    return catalog.claims.wait(claim, cause="slice 7 is late", look_in=look_in, alarm=alarm, damage_digest="d1")


def fail(catalog: Catalog, claim: Claim, *, is_alarming: bool = False) -> Recording:
    return catalog.claims.fail(claim, cause="disk full", look_in=HOUR, is_alarming=is_alarming)


def hand_back(catalog: Catalog, claim: Claim) -> Recording:
    return catalog.claims.hand_back(claim, cause="told to stop")


def renew(catalog: Catalog, claim: Claim) -> object:
    return catalog.claims.renew(claim.lease, ttl=TTL)


def reserve(catalog: Catalog, claim: Claim) -> object:
    return catalog.claims.reserve_revision(claim, "c1", newest=0)


def take_back(catalog: Catalog, *, is_alarming: bool = False) -> list[Recording]:
    return catalog.claims.take_back(
        actor="backfill", cause="worker ended", look_in=lambda _: HOUR, is_alarming=lambda _: is_alarming
    )


CONCLUSIONS = [settle, wait, fail, hand_back]
WRITES = [*CONCLUSIONS, renew, reserve]
Write = Callable[[Catalog, Claim], object]


def due_in(catalog: Catalog, recording: Recording) -> timedelta:
    assert recording.due_at is not None
    return recording.due_at - catalog.database.read(catalog.database.now)


def test_what_is_taken_is_being_processed(catalog: Catalog) -> None:
    hear(catalog)
    claim = take(catalog)
    now = catalog.get(recording_id())
    assert (now.state, now.due_at, now.tries) == (State.PROCESSING, None, 1)
    assert claim.recording.state is State.STOPPED
    assert states(catalog) == ["stopped", "processing"]


def test_a_recording_is_taken_by_one(catalog: Catalog) -> None:
    hear(catalog)
    take_as = partial(catalog.claims.take, recording_id(), ttl=TTL, cause="due")
    taken = at_once([partial(take_as, holder=f"worker {n}") for n in range(8)])
    assert sum(claim is not None for claim in taken) == 1
    assert catalog.get(recording_id()).tries == 1


def test_taking_the_same_twice_tells_it_once(catalog: Catalog) -> None:
    hear(catalog)
    first, again = take(catalog), take(catalog)
    assert again.lease.fence == first.lease.fence
    assert catalog.get(recording_id()).tries == 1
    assert states(catalog) == ["stopped", "processing"]


def test_what_nobody_heard_of_is_not_taken(catalog: Catalog) -> None:
    with pytest.raises(UnknownRecordingError, match="agora:t1"):
        take(catalog)


def test_a_run_that_was_replaced_gets_no_claim(catalog: Catalog) -> None:
    hear(catalog)
    (run,) = catalog.runs.hand_over(most=1, batch=1)
    catalog.runs.give_back(run.key)
    (second,) = catalog.runs.hand_over(most=1, batch=1)
    assert catalog.claims.take(recording_id(), holder="w", ttl=TTL, cause="due", run=run.key) is None
    assert catalog.get(recording_id()).state is State.STOPPED
    assert take(catalog, run=second.key)


@pytest.mark.parametrize("write", WRITES)
def test_under_its_lease_a_worker_writes(catalog: Catalog, write: Write) -> None:
    hear(catalog)
    write(catalog, take(catalog))


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("next_holder", [None, "worker 1", "worker 2"])
def test_past_its_lease_a_worker_writes_nothing(
    catalog: Catalog, database: LeapingDatabase, write: Write, next_holder: str | None
) -> None:
    hear(catalog)
    claim = take(catalog)
    database.pass_by(LATER)
    if next_holder:
        take(catalog, holder=next_holder)
    before, told = catalog.get(recording_id()), catalog.changes(recording_id())
    with pytest.raises(LeaseLostError, match="agora:t1"):
        write(catalog, claim)
    assert catalog.get(recording_id()) == before
    assert catalog.changes(recording_id()) == told
    assert catalog.streams(recording_id()) == []


@pytest.mark.parametrize("write", WRITES)
def test_what_was_concluded_and_taken_anew_is_not_the_first_workers(catalog: Catalog, write: Write) -> None:
    hear(catalog)
    first = take(catalog)
    settle(catalog, first)
    second = take(catalog, holder="worker 2")
    assert second.lease.fence > first.lease.fence
    hand_back(catalog, second)
    before = catalog.get(recording_id())
    with pytest.raises(LeaseLostError):
        write(catalog, first)
    assert catalog.get(recording_id()) == before


@pytest.mark.parametrize("conclude", CONCLUSIONS)
def test_concluding_twice_writes_once(catalog: Catalog, conclude: Write) -> None:
    hear(catalog)
    claim = take(catalog)
    first = conclude(catalog, claim)
    story = catalog.changes(recording_id())
    assert conclude(catalog, claim) == first
    assert catalog.changes(recording_id()) == story


@pytest.mark.parametrize("conclude", CONCLUSIONS)
def test_concluded_it_is_free_for_others(catalog: Catalog, conclude: Write) -> None:
    hear(catalog)
    conclude(catalog, take(catalog))
    assert take(catalog, holder="worker 2").lease.fence == 2


def test_a_conclusion_that_cannot_be_written_leaves_nothing(catalog: Catalog) -> None:
    hear(catalog)
    claim = take(catalog)
    with pytest.raises(CatalogError):
        settle(catalog, claim, room="a\0b")
    assert catalog.get(recording_id()).state is State.PROCESSING
    assert settle(catalog, claim).state is State.SETTLED


def test_settled_with_the_verdict_of_its_manifest(catalog: Catalog) -> None:
    hear(catalog)
    done = settle(catalog, take(catalog), verdict=Verdict.GAPS)
    assert (done.state, done.verdict, done.revision) == (State.SETTLED, Verdict.GAPS, 1)
    assert done.manifest == key_of(told_by(recording_id()))
    assert (done.due_at, done.run, done.tries, done.alarm) == (None, None, 0, None)
    last = catalog.changes(recording_id())[-1]
    assert (last.was, last.state, last.verdict, last.cause, last.actor) == (
        State.PROCESSING,
        State.SETTLED,
        Verdict.GAPS,
        "all there",
        "worker 1",
    )


def test_its_first_verdict_says_when_it_was_settled(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog)
    first = settle(catalog, take(catalog))
    database.pass_by(HOUR)
    assert settle(catalog, take(catalog), revision=2).settled_at == first.settled_at


def test_looks_count_while_the_plan_stays_the_same(catalog: Catalog) -> None:
    hear(catalog)
    looks = [settle(catalog, take(catalog), basis=digest).looks for digest in ("p1", "p1", "p1", "p2")]
    assert looks == [0, 1, 2, 0]


def test_a_settled_one_that_may_still_change_is_looked_at_again(catalog: Catalog) -> None:
    hear(catalog)
    done = settle(catalog, take(catalog), look_in=HOUR)
    assert HOUR - timedelta(minutes=1) < due_in(catalog, done) <= HOUR


def test_waiting_counts_looks_and_forgets_tries(catalog: Catalog) -> None:
    hear(catalog)
    waiting = wait(catalog, take(catalog))
    assert (waiting.state, waiting.looks, waiting.tries, waiting.alarm) == (State.WAITING, 1, 0, None)
    assert waiting.damage_digest == "d1"
    assert HOUR - timedelta(minutes=1) < due_in(catalog, waiting) <= HOUR


def test_held_for_a_person_is_an_alarm_and_never_due(catalog: Catalog) -> None:
    hear(catalog)
    held = wait(catalog, take(catalog), look_in=None, alarm="it is held")
    assert (held.state, held.alarm, held.due_at) == (State.WAITING, "it is held", None)


def test_settling_ends_an_alarm_and_a_known_damage(catalog: Catalog) -> None:
    hear(catalog)
    wait(catalog, take(catalog), look_in=None, alarm="it is held")
    done = settle(catalog, take(catalog))
    assert (done.alarm, done.damage_digest) == (None, None)


def test_failing_counts_tries_and_keeps_an_alarm(catalog: Catalog) -> None:
    hear(catalog)
    first = fail(catalog, take(catalog), is_alarming=True)
    second = fail(catalog, take(catalog))
    assert (first.state, first.tries, first.alarm) == (State.FAILED, 1, "disk full")
    assert (second.state, second.tries, second.alarm) == (State.FAILED, 2, "disk full")


@pytest.mark.parametrize("state", [State.HINTED, State.RECORDING, State.STOPPED])
def test_handed_back_all_is_as_before_and_due(catalog: Catalog, state: State) -> None:
    hear(catalog, state=state)
    back = hand_back(catalog, take(catalog))
    assert (back.state, back.tries) == (state, 0)
    assert due_in(catalog, back) <= timedelta()
    assert states(catalog) == [state, "processing", state]


def test_handed_back_by_who_took_over_it_waits_for_another(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog)
    take(catalog)
    database.pass_by(LATER)
    assert hand_back(catalog, take(catalog, holder="worker 2")).state is State.STOPPED


@pytest.mark.parametrize("conclude", [wait, fail, hand_back])
@pytest.mark.parametrize("is_taken_over", [False, True])
def test_a_verdict_stays_whatever_a_later_look_brings(
    catalog: Catalog, database: LeapingDatabase, conclude: Write, *, is_taken_over: bool
) -> None:
    hear(catalog)
    settle(catalog, take(catalog))
    claim = take(catalog)
    if is_taken_over:
        database.pass_by(LATER)
        claim = take(catalog, holder="worker 2")
    conclude(catalog, claim)
    after = catalog.get(recording_id())
    assert (after.state, after.verdict) == (State.SETTLED, Verdict.COMPLETE)


def test_those_of_dead_workers_are_taken_back(catalog: Catalog, database: LeapingDatabase) -> None:
    for task_id in ("dead", "settled", "alive"):
        hear(catalog, task_id)
    settle(catalog, take(catalog, "settled"))
    take(catalog, "dead")
    take(catalog, "settled")
    database.pass_by(LATER)
    take(catalog, "alive")
    assert {recording.id.task_id for recording in take_back(catalog, is_alarming=True)} == {"dead", "settled"}
    dead, settled, alive = (catalog.get(recording_id(name)) for name in ("dead", "settled", "alive"))
    assert (dead.state, dead.alarm, dead.run) == (State.FAILED, "worker ended", None)
    assert HOUR - timedelta(minutes=1) < due_in(catalog, dead) <= HOUR
    assert (settled.state, settled.verdict) == (State.SETTLED, Verdict.COMPLETE)
    assert alive.state is State.PROCESSING
    last = catalog.changes(recording_id("dead"))[-1]
    assert (last.was, last.state, last.cause, last.actor) == (
        State.PROCESSING,
        State.FAILED,
        "worker ended",
        "backfill",
    )
    assert take_back(catalog) == []


def test_leases_of_loops_are_not_taken_back(catalog: Catalog, database: LeapingDatabase) -> None:
    catalog.claims.lead("backfill", holder="a", ttl=TTL)
    database.pass_by(LATER)
    assert take_back(catalog) == []


def test_a_worker_that_was_taken_back_writes_nothing(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog)
    claim = take(catalog)
    database.pass_by(LATER)
    take_back(catalog)
    with pytest.raises(LeaseLostError):
        settle(catalog, claim)
    assert catalog.get(recording_id()).state is State.FAILED


def test_taken_back_and_taken_by_many_at_once_nobody_is_in_the_way(catalog: Catalog, database: LeapingDatabase) -> None:
    """Opposite orders of locks would be a deadlock, which costs a second each."""
    for turn in range(20):
        hear(catalog, f"t{turn}")
        take(catalog, f"t{turn}", holder="dead")
    database.pass_by(LATER)

    def take_all() -> int:
        ids = [recording_id(f"t{turn}") for turn in range(20)]
        claims = [catalog.claims.take(one, holder="alive", ttl=TTL, cause="due") for one in ids]
        return sum(claim is not None for claim in claims)

    taken, back = at_once([take_all, lambda: len(take_back(catalog))])
    assert {taken, back} >= {20}
    for turn in range(20):
        assert catalog.get(recording_id(f"t{turn}")).state is State.PROCESSING


def test_one_content_has_one_number_and_time_for_ever(catalog: Catalog, database: LeapingDatabase) -> None:
    hear(catalog)
    claim = take(catalog)
    first = catalog.claims.reserve_revision(claim, "c1", newest=0)
    database.pass_by(LATER)
    claim = take(catalog, holder="worker 2")
    assert catalog.claims.reserve_revision(claim, "c1", newest=0) == first
    assert first.revision == 1
    assert first.created_at.microsecond % 1000 == 0


def test_another_content_gets_the_next_number(catalog: Catalog) -> None:
    hear(catalog)
    claim = take(catalog)
    numbers = [catalog.claims.reserve_revision(claim, content, newest=0).revision for content in ("a", "b", "a", "c")]
    assert numbers == [1, 2, 1, 3]


def test_no_number_is_at_or_below_what_was_published(catalog: Catalog) -> None:
    hear(catalog)
    claim = take(catalog)
    newest = [("a", 0), ("b", 7), ("a", 7), ("a", 9)]
    numbers = [catalog.claims.reserve_revision(claim, content, newest=highest).revision for content, highest in newest]
    assert numbers == [1, 8, 9, 10]


def test_numbers_of_different_recordings_are_independent(catalog: Catalog) -> None:
    for task_id in ("t1", "t2"):
        hear(catalog, task_id)
        assert catalog.claims.reserve_revision(take(catalog, task_id), "same", newest=0).revision == 1

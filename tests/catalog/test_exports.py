"""The same request is one job while that can serve it; each job ends, and nobody writes of it without its claim."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from catalog.errors import ExportStateError, LayoutError, LeaseLostError, QuotaError, UnknownExportError
from catalog.export_request import ExportMode
from catalog.exports import MOST_TRIES, Export, ExportState
from catalog.index import Catalog
from catalog.records import Queue
from catalog.tables import audit
from tests.catalog.exports import KEEP, MOST, ask, file_of, make, request, take_export
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import LATER, TTL, at_once

Q, R, D, F, C, E = (
    ExportState.QUEUED,
    ExportState.RUNNING,
    ExportState.DONE,
    ExportState.FAILED,
    ExportState.CANCELLED,
    ExportState.EXPIRED,
)
SOON = timedelta(seconds=30)
FAILURE = {"cause": "the source is gone", "advice": "ask for another"}


def fail(catalog: Catalog, export: Export, look_in: timedelta | None = None) -> Export:
    return catalog.exports.fail(take_export(catalog, export), look_in=look_in, **FAILURE)


def expire(catalog: Catalog, export: Export) -> None:
    make(catalog, export)
    catalog.exports.stop(export.id, by="root", reason="space")


WAYS: dict[ExportState, Callable[[Catalog, Export], object]] = {
    Q: lambda _catalog, _export: None,
    R: take_export,
    D: make,
    F: fail,
    C: lambda catalog, export: catalog.exports.cancel(export.id, by="ann", reason="no need"),
    E: expire,
}


def asked_and_brought_to(catalog: Catalog, state: ExportState) -> Export:
    export = ask(catalog)
    WAYS[state](catalog, export)
    brought = catalog.exports.get(export.id)
    assert brought.state is state
    return brought


def take_back(catalog: Catalog, look_in: timedelta = SOON) -> list[Export]:
    return catalog.exports.take_back(
        actor="loops", cause="its worker died", advice="try again", look_in=lambda _: look_in
    )


def told(catalog: Catalog, export: Export) -> list[tuple[str, str, str]]:
    return [(change.state, change.cause, change.actor) for change in catalog.exports.changes(export.id)]


def audited(catalog: Catalog) -> list[tuple[str, str, str]]:
    query = select(audit.c.action, audit.c.actor, audit.c.reason).order_by(audit.c.id)
    return [(row.action, row.actor, row.reason) for row in catalog.database.read(lambda c: c.execute(query).all())]


class TestAsking:
    def test_what_was_asked_for_is_kept(self, catalog: Catalog) -> None:
        export = ask(catalog)
        assert catalog.exports.get(export.id) == export
        assert (export.state, export.cause, export.request, export.tries) == (Q, None, request(), 0)
        assert (export.total_bytes, export.done_bytes, export.file) == (1000, 0, None)
        [asking] = export.askings
        assert (asking.by, asking.reason, asking.name, asking.is_withdrawn) == ("ann", "a case", "cut", False)
        assert asking.expires_at == export.expires_at == asking.at + KEEP
        assert told(catalog, export) == [(Q, "it was asked for", "ann")]
        assert audited(catalog) == [("ask_export", "ann", "a case")]

    def test_the_key_of_its_file_is_that_of_its_kind(self, catalog: Catalog) -> None:
        archive = request(mode=ExportMode.SEPARATE)
        separate, _ = catalog.exports.ask(archive, by="ann", reason="", name="all of us", keep=KEEP, most=MOST)
        assert separate.key.key == f"exports/{separate.id}/all%20of%20us.zip"
        one = ask(catalog)
        assert one.key.key == f"exports/{one.id}/cut.mp4"

    def test_a_name_that_no_key_can_have_is_refused(self, catalog: Catalog) -> None:
        with pytest.raises(LayoutError):
            ask(catalog, name="")
        assert catalog.exports.newest() == []

    def test_many_equal_requests_at_once_are_one_job(self, catalog: Catalog) -> None:
        exports = at_once([partial(ask, catalog, by=f"analyst {n}") for n in range(40)])
        assert len({export.id for export in exports}) == 1
        export = catalog.exports.get(exports[0].id)
        assert sorted(asking.by for asking in export.askings) == sorted(f"analyst {n}" for n in range(40))
        assert sorted(action for action, _, _ in audited(catalog)) == ["ask_export"] + ["share_export"] * 39
        assert len(told(catalog, export)) == 1

    def test_other_requests_are_other_jobs(self, catalog: Catalog) -> None:
        assert ask(catalog).id != ask(catalog, 2).id

    @pytest.mark.parametrize("state", [Q, R, D])
    def test_a_job_that_can_serve_is_shared(self, catalog: Catalog, state: ExportState) -> None:
        export = asked_and_brought_to(catalog, state)
        asked = catalog.exports.ask(request(), by="ben", reason="too", name="mine", keep=2 * KEEP, most=MOST)
        assert asked[1] is False
        assert asked[0].id == export.id
        assert asked[0].name == "cut"
        assert asked[0].expires_at == asked[0].askings[1].expires_at > export.expires_at

    @pytest.mark.parametrize("state", [F, C, E])
    def test_one_that_cannot_is_asked_for_anew(self, catalog: Catalog, state: ExportState) -> None:
        over = asked_and_brought_to(catalog, state)
        again = ask(catalog)
        assert again.id != over.id
        assert again.state is Q
        assert catalog.exports.get(over.id) == over

    def test_jobs_that_end_while_they_are_asked_for_are_in_nobodys_way(self, catalog: Catalog) -> None:
        def ask_and_end(person: str) -> None:
            for _ in range(12):
                export = ask(catalog, by=person)
                with suppress(ExportStateError):
                    catalog.exports.stop(export.id, by=person, reason="enough")

        at_once([partial(ask_and_end, f"analyst {n}") for n in range(4)])
        assert {export.state for export in catalog.exports.newest()} == {C}


class TestQuota:
    def test_a_person_has_so_many_under_way(self, catalog: Catalog) -> None:
        first, _ = ask(catalog, 1, most=2), ask(catalog, 2, most=2)
        with pytest.raises(QuotaError, match="ann has 2 exports under way"):
            ask(catalog, 3, most=2)
        assert ask(catalog, 3, by="ben", most=2).state is Q
        assert ask(catalog, 1, most=2).id == first.id
        make(catalog, first)
        assert ask(catalog, 4, most=2).state is Q

    def test_to_share_counts_until_it_is_withdrawn(self, catalog: Catalog) -> None:
        ask(catalog, 1, by="ben")
        shared = ask(catalog, 1, most=1)
        with pytest.raises(QuotaError):
            ask(catalog, 2, most=1)
        catalog.exports.cancel(shared.id, by="ann", reason="no need")
        assert ask(catalog, 2, most=1).state is Q

    def test_what_is_done_costs_nothing(self, catalog: Catalog) -> None:
        done = asked_and_brought_to(catalog, D)
        ask(catalog, 2, by="ben", most=1)
        assert ask(catalog, 1, by="ben", most=1).id == done.id

    def test_many_at_once_have_no_more(self, catalog: Catalog) -> None:
        def try_one(number: int) -> int:
            with suppress(QuotaError):
                ask(catalog, number, most=3)
                return 1
            return 0

        assert sum(at_once([partial(try_one, number) for number in range(12)])) == 3


class TestFinding:
    def test_by_its_id_or_the_beginning_of_it(self, catalog: Catalog) -> None:
        export = ask(catalog)
        for text in (export.id, export.id[:6], export.id[:6].upper()):
            assert catalog.exports.named(text) == export
        for text in (export.id[:5], "%", "", "zzzzzz", f"{export.id}0", "0123456789abcdef"):
            with pytest.raises(UnknownExportError):
                catalog.exports.named(text)
        with pytest.raises(UnknownExportError, match="e7"):
            catalog.exports.get("e7")

    def test_an_ambiguous_beginning_is_said_to_be_one(self, catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("catalog.exports._SHORTEST_ID", 0)
        ids = [ask(catalog, number, most=20).id for number in range(17)]
        begin = next(a[0] for a in ids if sum(b[0] == a[0] for b in ids) > 1)
        with pytest.raises(UnknownExportError, match="several"):
            catalog.exports.named(begin)

    def test_the_newest_first_of_a_person_and_in_a_state(self, catalog: Catalog) -> None:
        first, second, third = (ask(catalog, number, by=by) for number, by in ((1, "ann"), (2, "ben"), (3, "ann")))
        ask(catalog, 1, by="ben")
        make(catalog, third)

        def ids(**asked: object) -> list[str]:
            return [export.id for export in catalog.exports.newest(**asked)]  # type: ignore[arg-type]

        assert ids() == [third.id, second.id, first.id]
        assert ids(limit=1) == [third.id]
        assert ids(by="ben") == [second.id, first.id]
        assert ids(by="ann", states=(D,)) == [third.id]
        assert catalog.exports.states([first.id, third.id, "nobody's"]) == {first.id: Q, third.id: D}


class TestMaking:
    def test_one_of_many_makes_it(self, catalog: Catalog) -> None:
        export = ask(catalog)
        takers = [partial(catalog.exports.take, export.id, holder=f"worker {n}", ttl=TTL) for n in range(8)]
        claims = [claim for claim in at_once(takers) if claim]
        assert [claim.export.state for claim in claims] == [R]
        assert claims[0].export.tries == 1

    def test_who_takes_it_twice_has_it_once(self, catalog: Catalog) -> None:
        first, second = (take_export(catalog, export) for export in [ask(catalog)] * 2)
        assert first.lease.fence == second.lease.fence
        assert catalog.exports.get(first.export.id).tries == 1

    def test_a_run_that_was_replaced_gets_nothing(self, catalog: Catalog) -> None:
        export = ask(catalog)
        [run] = catalog.export_runs.hand_over(most=10)
        assert catalog.exports.take(export.id, holder="w", ttl=TTL, run="another") is None
        assert take_export(catalog, export, run=run.key).export.run == run.key

    @pytest.mark.parametrize("state", [D, F, C, E])
    def test_what_has_ended_is_not_begun(self, catalog: Catalog, state: ExportState) -> None:
        export = asked_and_brought_to(catalog, state)
        assert catalog.exports.take(export.id, holder="w", ttl=TTL) is None

    def test_its_progress_is_told(self, catalog: Catalog, database: LeapingDatabase) -> None:
        claim = take_export(catalog, ask(catalog))
        assert claim.export.began_at is not None
        assert claim.export.eta(claim.export.began_at) is None
        catalog.exports.progress(claim, 250)
        export = catalog.exports.get(claim.export.id)
        assert export.done_bytes == 250
        assert export.eta(claim.export.began_at + timedelta(seconds=5)) == 15.0
        database.pass_by(LATER)
        with pytest.raises(LeaseLostError):
            catalog.exports.progress(claim, 500)
        assert catalog.exports.get(claim.export.id).done_bytes == 250

    def test_what_is_done_has_its_file_and_is_told_once(self, catalog: Catalog) -> None:
        claim = take_export(catalog, ask(catalog))
        first, again = (catalog.exports.done(claim, file_of(claim.export)) for _ in range(2))
        assert first == again
        assert (first.state, first.file, first.cause) == (D, file_of(first), None)
        assert [state for state, _, _ in told(catalog, first)] == [Q, R, D]
        assert catalog.announcements.fan_out({"all": frozenset({"export.done"})}) == 1

    def test_a_failure_is_tried_again_until_it_was_tried_often(
        self, catalog: Catalog, database: LeapingDatabase
    ) -> None:
        export = ask(catalog)
        for number in range(1, MOST_TRIES):
            waits = fail(catalog, export, look_in=SOON)
            assert (waits.state, waits.tries, waits.cause) == (Q, number, FAILURE["cause"])
            assert catalog.export_runs.hand_over(most=10) == []
            database.pass_by(SOON)
            assert len(catalog.export_runs.hand_over(most=10)) == 1
        failed = fail(catalog, export, look_in=SOON)
        assert (failed.state, failed.cause, failed.advice) == (F, *FAILURE.values())

    def test_one_that_cannot_pass_has_failed_at_once(self, catalog: Catalog) -> None:
        claim = take_export(catalog, ask(catalog))
        failed = [catalog.exports.fail(claim, look_in=None, **FAILURE) for _ in range(2)]
        assert failed[0] == failed[1]
        assert (failed[0].state, failed[0].tries) == (F, 1)

    def test_what_is_handed_back_counts_as_no_try(self, catalog: Catalog) -> None:
        export = ask(catalog)
        [run] = catalog.export_runs.hand_over(most=10)
        claim = take_export(catalog, export, run=run.key)
        back = catalog.exports.hand_back(claim, cause="told to stop")
        assert (back.state, back.tries, back.run) == (Q, 0, run.key)
        assert catalog.exports.hand_back(claim, cause="told to stop") == back
        assert take_export(catalog, export, run=run.key).lease.fence > claim.lease.fence

    def test_by_hand_it_is_due_at_once(self, catalog: Catalog) -> None:
        catalog.exports.hand_back(take_export(catalog, ask(catalog)), cause="told to stop")
        assert len(catalog.export_runs.hand_over(most=10)) == 1


class TestDeaths:
    def test_what_a_dead_worker_had_is_due_again(self, catalog: Catalog, database: LeapingDatabase) -> None:
        claim = take_export(catalog, ask(catalog))
        assert take_back(catalog) == []
        database.pass_by(LATER)
        [back] = take_back(catalog)
        assert (back.state, back.cause, back.tries) == (Q, "its worker died", 1)
        assert take_back(catalog) == []
        for write in (
            lambda: catalog.exports.done(claim, file_of(claim.export)),
            lambda: catalog.exports.fail(claim, look_in=None, **FAILURE),
            lambda: catalog.exports.progress(claim, 7),
        ):
            with pytest.raises(LeaseLostError):
                write()
        assert catalog.exports.get(back.id) == back

    def test_over_which_several_died_has_failed(self, catalog: Catalog, database: LeapingDatabase) -> None:
        export = ask(catalog)
        for _ in range(MOST_TRIES):
            take_export(catalog, export)
            database.pass_by(LATER)
            [back] = take_back(catalog)
        assert (back.state, back.cause, back.advice) == (F, "its worker died", "try again")

    def test_a_run_that_came_to_nothing_gives_it_up(self, catalog: Catalog) -> None:
        ask(catalog)
        [run] = catalog.export_runs.hand_over(most=10)
        assert (run.flow, run.queue, run.key.partition("#")[0]) == ("export_replay", Queue.EXPORT, run.subjects[0])
        assert [each.key for each in catalog.runs.to_deliver(most=10)] == [run.key]
        given_up = partial(
            catalog.export_runs.give_up,
            run.key,
            cause="lost",
            actor="loops",
            look_in=lambda lost: timedelta(hours=lost - 1),
            is_alarming=lambda lost: lost > 1,
        )
        assert [given_up(), given_up()] == [1, 0]
        assert not catalog.export_runs.has_subjects(run.key)
        [again] = catalog.export_runs.hand_over(most=10)
        assert again.key != run.key

    def test_one_whose_run_was_cancelled_is_cancelled(self, catalog: Catalog) -> None:
        export = ask(catalog)
        [run] = catalog.export_runs.hand_over(most=10)
        claim = take_export(catalog, export, run=run.key)
        held = partial(catalog.export_runs.hold, run.key, cause="in Prefect", actor="loops", look_in=SOON)
        assert [held(), held()] == [1, 0]
        ended = catalog.exports.get(export.id)
        assert (ended.state, ended.cause) == (C, "in Prefect")
        with pytest.raises(LeaseLostError):
            catalog.exports.done(claim, file_of(export))

    def test_orphans_are_due_again(self, catalog: Catalog) -> None:
        ask(catalog)
        [run] = catalog.export_runs.hand_over(most=10)
        assert catalog.export_runs.free_orphans() == 0
        catalog.runs.forget(run.key)
        assert catalog.export_runs.free_orphans() == 1
        assert len(catalog.export_runs.hand_over(most=10)) == 1


class TestCancelling:
    @pytest.mark.parametrize("state", [Q, R, D])
    def test_the_last_who_wants_it_ends_it(self, catalog: Catalog, state: ExportState) -> None:
        export = asked_and_brought_to(catalog, state)
        ask(catalog, by="ben")
        still = catalog.exports.cancel(export.id, by="ann", reason="no need")
        assert (still.state, [asking.is_withdrawn for asking in still.askings]) == (state, [True, False])
        ended = [catalog.exports.cancel(export.id, by="ben", reason="me neither") for _ in range(2)]
        assert ended[0] == ended[1]
        assert (ended[0].state, ended[0].cause) == (E if state is D else C, "ben cancelled it: me neither")
        assert bool(ended[0].file) == (state is D)
        assert audited(catalog)[2:] == [("cancel_export", "ann", "no need"), ("cancel_export", "ben", "me neither")]

    def test_who_makes_it_loses_it_at_once(self, catalog: Catalog) -> None:
        claim = take_export(catalog, ask(catalog))
        catalog.exports.cancel(claim.export.id, by="ann", reason="no need")
        for write in (
            lambda: catalog.claims.renew(claim.lease, ttl=TTL),
            lambda: catalog.exports.progress(claim, 1),
            lambda: catalog.exports.done(claim, file_of(claim.export)),
            lambda: catalog.exports.hand_back(claim, cause="told to stop"),
        ):
            with pytest.raises(LeaseLostError):
                write()
        assert catalog.exports.get(claim.export.id).state is C

    def test_a_stranger_cannot(self, catalog: Catalog) -> None:
        with pytest.raises(ExportStateError, match="ben has not asked"):
            catalog.exports.cancel(ask(catalog).id, by="ben", reason="mine")

    def test_an_operator_stops_it_for_all(self, catalog: Catalog) -> None:
        export = ask(catalog)
        ask(catalog, by="ben")
        stopped = [catalog.exports.stop(export.id, by="root", reason="space") for _ in range(2)]
        assert stopped[0] == stopped[1]
        assert stopped[0].state is C
        assert audited(catalog)[2:] == [("stop_export", "root", "space")]

    def test_what_has_failed_cannot_be_cancelled(self, catalog: Catalog) -> None:
        export = asked_and_brought_to(catalog, F)
        for end in (catalog.exports.cancel, catalog.exports.stop):
            with pytest.raises(ExportStateError, match="failed already"):
                end(export.id, by="ann", reason="no need")

    def test_it_lasts_as_long_as_those_want_who_are_left(self, catalog: Catalog) -> None:
        export = ask(catalog)
        longer = ask(catalog, by="ben", keep=2 * KEEP)
        assert longer.expires_at > export.expires_at
        assert catalog.exports.cancel(export.id, by="ben", reason="no need").expires_at == export.expires_at


class TestEnding:
    @pytest.mark.parametrize("state", [Q, R])
    @pytest.mark.parametrize("keep", [KEEP, timedelta(hours=2)], ids=["asked for long ago", "wanted no longer"])
    def test_what_takes_too_long_has_failed(
        self, catalog: Catalog, database: LeapingDatabase, state: ExportState, keep: timedelta
    ) -> None:
        export = ask(catalog, keep=keep)
        if state is R:
            take_export(catalog, export)
        day = timedelta(days=1)
        assert catalog.exports.time_out(older_than=day, actor="loops") == []
        database.pass_by(day if keep < day else 2 * day)
        [failed] = catalog.exports.time_out(older_than=day, actor="loops")
        assert failed.state is F
        assert failed.cause
        assert failed.advice
        assert catalog.exports.time_out(older_than=day, actor="loops") == []

    def test_what_is_done_expires(self, catalog: Catalog, database: LeapingDatabase) -> None:
        export = asked_and_brought_to(catalog, D)
        database.pass_by(KEEP - timedelta(minutes=1))
        assert catalog.exports.expire(actor="loops") == []
        assert catalog.exports.time_out(older_than=timedelta(days=1), actor="loops") == []
        database.pass_by(timedelta(minutes=2))
        [expired] = catalog.exports.expire(actor="loops")
        assert (expired.id, expired.state, expired.file) == (export.id, E, export.file)
        assert catalog.exports.expire(actor="loops") == []

    @pytest.mark.parametrize("state", [F, C, E])
    def test_what_is_over_is_cleared_and_looked_at_again_after_the_lease(
        self, catalog: Catalog, database: LeapingDatabase, state: ExportState
    ) -> None:
        export = ask(catalog)
        if state is C:
            take_export(catalog, export)
        WAYS[state](catalog, export)
        assert [each.id for each in catalog.exports.to_clear()] == [export.id]
        catalog.exports.cleared(export.id)
        assert catalog.exports.to_clear() == []
        database.pass_by(LATER)
        assert [each.id for each in catalog.exports.to_clear()] == [export.id]
        catalog.exports.cleared(export.id)
        database.pass_by(LATER)
        assert catalog.exports.to_clear() == []

    def test_what_cannot_be_removed_is_in_nobodys_way(self, catalog: Catalog, database: LeapingDatabase) -> None:
        export = asked_and_brought_to(catalog, C)
        catalog.exports.clear_later(export.id, look_in=SOON)
        assert catalog.exports.to_clear() == []
        database.pass_by(SOON)
        assert len(catalog.exports.to_clear()) == 1

    @pytest.mark.parametrize("state", [F, C, E])
    def test_what_is_over_is_tried_again_as_another(self, catalog: Catalog, state: ExportState) -> None:
        over = asked_and_brought_to(catalog, state)
        again, is_new = catalog.exports.retry(over.id, by="ben", reason="please", keep=KEEP, most=MOST)
        assert is_new
        assert (again.request, again.name, again.state) == (over.request, over.name, Q)
        shared, is_new = catalog.exports.retry(over.id, by="ann", reason="too", keep=KEEP, most=MOST)
        assert (shared.id, is_new) == (again.id, False)
        assert [action for action, _, _ in audited(catalog)][-2:] == ["retry_export"] * 2

    @pytest.mark.parametrize("state", [Q, R, D])
    def test_what_is_not_over_is_not(self, catalog: Catalog, state: ExportState) -> None:
        export = asked_and_brought_to(catalog, state)
        with pytest.raises(ExportStateError, match=f"is {state}"):
            catalog.exports.retry(export.id, by="ben", reason="please", keep=KEEP, most=MOST)


class TestLinks:
    def test_who_gets_one_is_noted(self, catalog: Catalog) -> None:
        export = asked_and_brought_to(catalog, D)
        catalog.exports.note_link(export.id, by="ben", reason="a look", seconds=900, name="cut.mp4")
        assert audited(catalog)[-1] == ("link_export", "ben", "cut.mp4 for 900 s: a look")

    @pytest.mark.parametrize("state", [Q, R, F, C, E])
    def test_there_is_none_to_what_is_not_done(self, catalog: Catalog, state: ExportState) -> None:
        export = asked_and_brought_to(catalog, state)
        with pytest.raises(ExportStateError, match=f"is {state}"):
            catalog.exports.note_link(export.id, by="ben", reason="a look", seconds=900, name="cut.mp4")

    def test_nor_past_its_time(self, catalog: Catalog, database: LeapingDatabase) -> None:
        export = asked_and_brought_to(catalog, D)
        database.pass_by(KEEP)
        with pytest.raises(ExportStateError, match="is over"):
            catalog.exports.note_link(export.id, by="ben", reason="a look", seconds=900, name="cut.mp4")

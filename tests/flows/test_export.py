"""The story of an export: it ends as a file and its certificate, or says why not and what to do."""

import os
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from catalog.errors import LeaseLostError
from catalog.exports import MOST_TRIES, Export, ExportState
from catalog.records import Run
from flows.export import export_replay
from flows.loops import loops_of
from flows.process import Inline, run_inline
from flows.recorders import Recorders
from flows.starting import Seen
from flows.steps.exporting import Make, taking
from flows.steps.unmade import UnmakeableError
from flows.steps.working import Worker
from media.cut import NothingToCutError
from storage.errors import Changed, Denied, NotFound, StorageError, Transient
from storage.local import LocalStore
from tests.catalog.exports import KEEP, MOST, request
from tests.catalog.steps import at_once
from tests.flows.export_making import bytes_of, maker
from tests.flows.folders import contents, unfinished
from tests.flows.site import Site

P = ParamSpec("P")
T = TypeVar("T")

MINUTE = timedelta(minutes=1)
PLAIN = maker()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.output.mkdir()
    return site


def ask(site: Site, number: int = 1, by: str = "ann") -> Export:
    asked = partial(site.catalog.exports.ask, by=by, reason="a case", name="cut", keep=KEEP, most=MOST)
    return asked(request(number))[0]


def export_once(
    site: Site, export: Export, make: Make = PLAIN, worker: Worker | None = None, run: str | None = None
) -> Export | None:
    return run_inline(export_replay(Inline(), worker or site.worker(), export.id, run=run, make=make))


def at(point: str, happening: Callable[[], object]) -> Make:
    """A maker to whom something happens."""

    def hold_up(now: str) -> None:
        if now == point:
            happening()

    return maker(hold_up)


def failing(error: BaseException) -> Make:
    def fail() -> None:
        raise error

    return at("look", fail)


def keys(site: Site) -> set[str]:
    return {key for key in contents(site.output) if key.startswith("exports/")}


class Started:
    """Starts nothing; says of every run what it is told to."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.seen = Seen.QUEUED
        self.ended: list[str] = []

    def start(self, run: Run) -> str:
        self.runs.append(run)
        return run.key

    def look(self, flow_run: str) -> Seen:
        assert flow_run
        return self.seen

    def end(self, flow_run: str, why: str) -> None:
        assert flow_run
        self.ended.append(why)


class Again(Inline):
    """Steps that are run once more after what passes by itself."""

    async def run(self, name: str, step: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        with suppress(Transient):
            return await super().run(name, step, *args, **kwargs)
        return await super().run(name, step, *args, **kwargs)


class TestMaking:
    def test_it_ends_as_a_file_beside_its_certificate(self, site: Site) -> None:
        export = ask(site)
        done = export_once(site, export)
        assert done is not None
        assert done.state is ExportState.DONE
        assert keys(site) == {export.key.key, export.key.certificate}
        assert (site.output / export.key.key).read_bytes() == bytes_of(export.request)
        assert site.held_leases() == []
        assert export_once(site, export) is None

    def test_of_many_workers_one_makes_it(self, site: Site) -> None:
        export, made = ask(site), list[str]()
        make = at("completed", lambda: made.append("it"))
        workers = [site.worker(f"worker {number}") for number in range(4)]
        at_once([partial(export_once, site, export, make, worker) for worker in workers])
        assert made == ["it"]

    def test_its_progress_is_seen(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flows.steps.exporting.TOLD_EVERY_S", 0)
        export, seen = ask(site), list[int]()
        export_once(site, export, at("piece", lambda: seen.append(site.catalog.exports.get(export.id).done_bytes)))
        assert seen == [0, 400, 800]

    def test_its_progress_is_told_once_a_second_at_most(self, site: Site) -> None:
        export, seen = ask(site), list[int]()
        export_once(site, export, at("look", lambda: seen.append(site.catalog.exports.get(export.id).done_bytes)))
        assert seen == [0]

    def test_made_again_within_a_try_its_bytes_count_from_the_first(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("flows.steps.exporting.TOLD_EVERY_S", 0)
        export, seen, failures = ask(site), list[int](), [Transient("put", "x", "busy")]

        def hold_up(point: str) -> None:
            if point == "certificate":
                seen.append(site.catalog.exports.get(export.id).done_bytes)
                if failures:
                    raise failures.pop()

        done = run_inline(export_replay(Again(), site.worker(), export.id, make=maker(hold_up)))
        assert done is not None
        assert done.state is ExportState.DONE
        assert seen == [1000, 1000]


class TestFailures:
    @pytest.mark.parametrize("error", [Transient("open", "x", "busy"), Changed("open", "x", "new"), RuntimeError("?")])
    def test_what_may_pass_is_tried_three_times(self, site: Site, error: Exception) -> None:
        export = ask(site)
        for number in range(1, MOST_TRIES + 1):
            site.time_passes()
            left = export_once(site, export, failing(error))
            assert left is not None
            assert left.tries == number
            assert left.state is (ExportState.FAILED if number == MOST_TRIES else ExportState.QUEUED)
            assert left.cause
            assert str(error.args[-1]) in left.cause
            assert left.advice
        assert unfinished(site.output) == []

    @pytest.mark.parametrize(
        "error",
        [
            UnmakeableError("it would begin later"),
            NothingToCutError("no sample lies in the range"),
            Denied("open", "x", "no rights"),
            NotFound("open", "x", "it is gone"),
        ],
    )
    def test_what_cannot_pass_has_failed_at_once(self, site: Site, error: Exception) -> None:
        left = export_once(site, ask(site), failing(error))
        assert left is not None
        assert (left.state, left.tries) == (ExportState.FAILED, 1)
        assert left.advice == (error.advice if isinstance(error, StorageError) else left.advice)
        assert left.advice

    def test_a_file_that_is_not_there_is_made_again(self, site: Site) -> None:
        export = ask(site)
        left = export_once(site, export, at("completed", (site.output / export.key.key).unlink))
        assert left is not None
        assert left.state is ExportState.QUEUED
        done = export_once(site, export)
        assert done is not None
        assert done.state is ExportState.DONE

    def test_uploads_that_a_dead_worker_left_are_dropped_by_the_next(self, site: Site) -> None:
        export = ask(site)
        claim = site.catalog.exports.take(export.id, holder="dead", ttl=MINUTE)
        assert claim is not None
        LocalStore(site.output).start_multipart(export.key.key).put_part(1, b"x")  # type: ignore[arg-type]
        site.time_passes()
        site.overseer(Started()).reconcile()
        assert len(unfinished(site.output)) == 1
        export_once(site, export)
        assert unfinished(site.output) == []


class TestEnding:
    def test_who_is_told_to_stop_hands_it_back(self, site: Site) -> None:
        export = ask(site)
        with pytest.raises(KeyboardInterrupt):
            export_once(site, export, failing(KeyboardInterrupt()))
        left = site.catalog.exports.get(export.id)
        assert (left.state, left.tries, left.cause) == (ExportState.QUEUED, 0, "the worker was told to stop")
        assert site.held_leases() == []
        assert unfinished(site.output) == []

    def test_one_that_is_cancelled_ends_at_once(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flows.steps.exporting.TOLD_EVERY_S", 0)
        export, pieces = ask(site), list[int]()

        def cancel() -> None:
            pieces.append(1)
            if len(pieces) == 2:
                site.catalog.exports.cancel(export.id, by="ann", reason="no need")

        left = export_once(site, export, at("piece", cancel))
        assert left is not None
        assert left.state is ExportState.CANCELLED
        assert len(pieces) == 2
        assert keys(site) == set()
        assert unfinished(site.output) == []

    def test_who_slept_past_the_lease_says_nothing(self, site: Site) -> None:
        export = ask(site)

        def sleep() -> None:
            site.time_passes()
            site.overseer(Started()).reconcile()

        with pytest.raises(LeaseLostError):
            export_once(site, export, at("complete", sleep))
        assert site.catalog.exports.get(export.id).state is ExportState.QUEUED

    def test_a_stalled_worker_lets_it_go(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flows.steps.exporting.STALL", timedelta(0))
        stalled = threading.Event()
        quick = replace(site.settings, lease=timedelta(milliseconds=300))
        worker = replace(site.worker(), settings=quick, on_stall=stalled.set)
        with pytest.raises(LeaseLostError):
            export_once(site, ask(site), at("look", (lambda: stalled.wait(10))), worker)

    def test_a_claim_that_comes_after_the_end_goes_back(self, site: Site) -> None:
        export = ask(site)
        grip = taking(site.worker(), export.id, None)
        grip.stop()
        claim = grip.take()
        assert claim is not None
        assert site.catalog.exports.get(export.id).state is ExportState.QUEUED


class TestLoops:
    def test_it_is_handed_over_once_and_looked_after(self, site: Site) -> None:
        export, starter = ask(site), Started()
        overseer = site.overseer(starter)
        assert [overseer.dispatch(), overseer.dispatch()] == [1, 0]
        [run] = starter.runs
        assert (run.flow, run.subjects) == ("export_replay", (export.id,))
        export_once(site, export, run=run.key)
        starter.seen = Seen.ENDED
        site.time_passes()
        overseer.reconcile()
        assert site.catalog.runs.to_look_after(most=10) == []
        assert site.catalog.exports.get(export.id).state is ExportState.DONE

    @pytest.mark.parametrize("seen", [Seen.UNKNOWN, Seen.ENDED, Seen.RUNNING])
    def test_a_run_that_prefect_lost_is_replaced(self, site: Site, seen: Seen) -> None:
        export, starter = ask(site), Started()
        overseer = site.overseer(starter)
        overseer.dispatch()
        starter.seen = seen
        site.time_passes()
        overseer.reconcile()
        overseer.dispatch()
        assert len(starter.runs) == 2
        assert export_once(site, export, run=starter.runs[0].key) is None, "it was replaced"
        assert starter.ended == (["its process ended without a word"] if seen is Seen.RUNNING else [])

    def test_to_cancel_the_run_cancels_it(self, site: Site) -> None:
        export, starter = ask(site), Started()
        overseer = site.overseer(starter)
        overseer.dispatch()

        def cancel() -> None:
            starter.seen = Seen.CANCELLED
            site.catalog.runs.look_later(starter.runs[0].key, timedelta(0))
            overseer.reconcile()

        left = export_once(site, export, at("piece", cancel), run=starter.runs[0].key)
        assert left is not None
        assert (left.state, left.cause) == (ExportState.CANCELLED, "its run was cancelled in Prefect")

    def test_while_its_process_lives_it_keeps_it(self, site: Site) -> None:
        ask(site)
        starter = Started()
        overseer = site.overseer(starter)
        overseer.dispatch()
        starter.seen = Seen.RUNNING
        site.time_passes()
        claim = site.catalog.exports.take(
            starter.runs[0].subjects[0], holder="flow", ttl=MINUTE, run=starter.runs[0].key
        )
        assert claim is not None
        overseer.reconcile()
        overseer.dispatch()
        assert len(starter.runs) == 1
        site.catalog.exports.hand_back(claim, cause="told to stop")
        overseer.reconcile()
        assert site.catalog.exports.get(claim.export.id).run, "its process is still ending"

    def test_what_is_over_leaves_its_certificate_alone(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        export = ask(site)
        export_once(site, export)
        site.overseer().end_exports()
        assert keys(site) == {export.key.key, export.key.certificate}
        site.catalog.exports.cancel(export.id, by="ann", reason="no need")
        LocalStore(site.output).start_multipart(export.key.key).put_part(1, b"x")  # type: ignore[arg-type]
        site.overseer().end_exports()
        assert keys(site) == {export.key.certificate}
        assert unfinished(site.output) == []
        assert "could not" not in caplog.text

    def test_what_comes_late_is_swept(self, site: Site) -> None:
        cancelled = ask(site, 1)
        done, queued = ask(site, 2), ask(site, 3)
        export_once(site, done)
        export_once(site, cancelled)
        site.catalog.exports.cancel(cancelled.id, by="ann", reason="no need")
        foreign = site.output / "exports" / "notes.txt"
        foreign.write_text("somebody else's")
        (site.output / "exports" / queued.id).mkdir()
        (site.output / queued.key.key).write_bytes(b"on its way")
        site.overseer().sweep()
        assert keys(site) == {
            done.key.key,
            done.key.certificate,
            cancelled.key.certificate,
            queued.key.key,
            "exports/notes.txt",
        }

    def test_files_of_unknown_exports_are_swept_when_they_are_old(self, site: Site) -> None:
        old, young = (site.output / f"exports/{digit * 32}/cut.mp4" for digit in "ab")
        for path in (old, young):
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x")
        os.utime(old, (0, 0))
        site.overseer().sweep()
        assert (old.exists(), young.exists()) == (False, True)

    def test_a_store_that_does_not_let_it_go_is_asked_again_later(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        export = ask(site)
        export_once(site, export)
        site.catalog.exports.cancel(export.id, by="ann", reason="no need")

        class Denying(LocalStore):
            def delete(self, key: str) -> None:
                raise Denied("delete", key, "not by us")

        overseer = replace(site.overseer(), output=Denying(site.output))
        assert [overseer.end_exports(), overseer.end_exports()] == [1, 0]
        assert "could not be removed" in caplog.text
        site.time_passes()
        assert site.overseer().end_exports() == 1
        assert keys(site) == {export.key.certificate}

    def test_the_loops_end_what_nobody_makes_and_remove_what_is_over(self, site: Site) -> None:
        late, over = ask(site, 1), ask(site, 2)
        export_once(site, over)
        site.catalog.exports.cancel(over.id, by="ann", reason="no need")
        overseer = replace(site.overseer(), settings=replace(site.settings, export_deadline=timedelta(0)))
        with closing(Recorders(overseer.settings)) as recorders:
            for loop in loops_of(overseer, recorders):
                if loop.name != "dispatch":
                    loop.once()
        assert site.catalog.exports.get(late.id).state is ExportState.FAILED
        assert keys(site) == {over.key.certificate}

    def test_one_that_nobody_makes_has_failed_after_its_deadline(self, site: Site) -> None:
        export = ask(site)
        overseer = replace(site.overseer(), settings=replace(site.settings, export_deadline=timedelta(0)))
        overseer.end_exports()
        failed = site.catalog.exports.get(export.id)
        assert failed.state is ExportState.FAILED
        assert failed.cause
        assert "are Prefect and its workers all right?" in failed.cause

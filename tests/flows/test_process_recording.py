"""The whole story of a recording of the catalog: claimed, processed or waited for, concluded, whatever happens."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import av
import pytest

from catalog.errors import LeaseLostError
from catalog.model import State, Verdict
from catalog.records import Queue, Run
from flows.settings import OnDamage, OnDeadline, Pictures
from flows.steps import assembling, publishing
from flows.steps.working import Held, abort_what_was_left, claim_recording
from storage.base import ObjectMeta, PendingUpload
from storage.errors import Denied, NoSpace
from storage.keys import ObjectKey
from storage.local import LocalStore
from storage.local_files import LocalBody
from tests.flows.folders import contents, manifests, slices, unfinished
from tests.flows.site import InlineStarter, Site, recording_id, sid
from tests.lab import Slice
from tests.media.recordings import recording, resumed

NOTHING = timedelta(0)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def without(number: int) -> list[Slice | None]:
    return [None if n == number else piece for n, piece in enumerate(slices())]


def cut_short(number: int) -> list[Slice | None]:
    half = slices()[number]
    return [half.shows(half.data[: len(half.data) // 2]) if n == number else p for n, p in enumerate(slices())]


def test_a_whole_recording_is_settled_at_once(site: Site) -> None:
    site.lay(1)
    site.submit(1)

    settled = site.process(1)

    assert settled is not None
    assert (settled.state, settled.verdict, settled.revision) == (State.SETTLED, Verdict.COMPLETE, 1)
    assert settled.due_at is None
    assert settled.manifest in manifests(site.output)
    assert site.manifest(1).verdict == Verdict.COMPLETE
    assert [stream.stream for stream in site.catalog.streams(recording_id(1))] == ["mix"]
    assert site.causes(1) == ["submitted", "by hand", "complete, revision 1"]
    assert site.held_leases() == []


def test_slices_that_are_missing_are_waited_for_and_nothing_is_published(site: Site) -> None:
    site.lay(1, without(2))
    site.submit(1)

    waiting = site.process(1)

    assert waiting is not None
    assert (waiting.state, waiting.verdict) == (State.WAITING, None)
    assert waiting.due_at is not None
    assert "1 promised slices are not there" in site.causes(1)[-1]
    assert contents(site.output) == {}

    site.lay(1)
    settled = site.process(1)
    assert settled is not None
    assert settled.verdict == Verdict.COMPLETE


def test_each_look_in_vain_makes_the_next_one_later(site: Site) -> None:
    site.lay(1, without(2))
    site.submit(1)

    waits = []
    for _ in range(9):
        waiting = site.process(1)
        assert waiting is not None
        assert waiting.due_at is not None
        waits.append((waiting.due_at - site.catalog.changes(waiting.id)[-1].at).total_seconds())

    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_after_the_deadline_it_is_published_with_gaps(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING)
    site.lay(1, without(2))
    site.submit(1)

    settled = site.process(1)

    assert settled is not None
    assert (settled.state, settled.verdict) == (State.SETTLED, Verdict.GAPS)
    assert settled.due_at is not None, "a late slice is looked for"


def test_after_the_deadline_it_is_held_where_the_policy_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING, on_deadline=OnDeadline.HOLD)
    site.lay(1, without(2))
    site.submit(1)

    held = site.process(1)

    assert held is not None
    assert (held.state, held.verdict, held.due_at) == (State.WAITING, None, None)
    assert held.alarm is not None
    assert "held after its deadline" in held.alarm
    assert contents(site.output) == {}

    forced = site.process(1, site.worker(is_forced=True))
    assert forced is not None
    assert (forced.state, forced.verdict, forced.alarm) == (State.SETTLED, Verdict.GAPS, None)


def test_a_late_slice_gives_revision_2_of_that_output_only(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING)
    site.lay(1, without(2))
    site.lay(2)
    site.submit(1)
    site.submit(2)
    site.process(1)
    site.process(2)
    before = contents(site.output)

    site.lay(1)
    site.settle()

    settled = site.recording(1)
    assert (settled.verdict, settled.revision) == (Verdict.COMPLETE, 2)
    after = contents(site.output)
    new = {key for key in after if key not in before}
    assert {key.split("/")[2] for key in new} == {sid(1)}
    assert len([key for key in new if key.startswith("media/")]) == 1
    assert all(after[key] == body for key, body in before.items() if key.startswith(("media/", "segments/")))
    assert site.manifest(1).supersedes in before
    assert site.recording(2).revision == 1


def test_a_look_that_finds_nothing_new_reads_no_slice_and_publishes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, deadline=NOTHING)
    site.lay(1, without(2))
    site.submit(1)
    site.process(1)
    before = contents(site.output)
    monkeypatch.setattr(assembling, "assembled", None)

    again = site.process(1)

    assert again is not None
    assert (again.state, again.verdict, again.revision) == (State.SETTLED, Verdict.GAPS, 1)
    assert site.causes(1)[-1] == "nothing new"
    assert contents(site.output) == before


def test_late_slices_are_not_looked_for_for_ever(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING, late_for=NOTHING)
    site.lay(1, without(2))
    site.submit(1)

    settled = site.process(1)

    assert settled is not None
    assert (settled.verdict, settled.due_at, settled.alarm) == (Verdict.GAPS, None, None)


def test_damage_is_read_twice_before_it_counts(site: Site) -> None:
    site.lay(1, cut_short(1))
    site.submit(1)

    first = site.process(1)

    assert first is not None
    assert first.state == State.WAITING
    assert "damaged" in site.causes(1)[-1]
    assert contents(site.output) == {}
    assert unfinished(site.output) == []

    second = site.process(1)
    assert second is not None
    assert (second.state, second.verdict) == (State.SETTLED, Verdict.GAPS)


def test_damage_that_is_uploaded_anew_was_never_published(site: Site) -> None:
    site.lay(1, cut_short(1))
    site.submit(1)
    site.process(1)

    site.lay(1)
    settled = site.process(1)

    assert settled is not None
    assert (settled.verdict, settled.revision) == (Verdict.COMPLETE, 1)


def test_pictures_are_made_upright_where_the_policy_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, pictures=Pictures.NORMALISE)
    site.lay(1, pieces=resumed(recording(4), recording(4, first_second=4, size=(320, 180)), 4))
    site.submit(1)

    site.process(1)

    (stream,) = site.manifest(1).streams
    (output,) = stream.outputs
    with av.open(str(site.output / output.key)) as source:
        assert {(frame.width, frame.height) for frame in source.decode(video=0)} == {(320, 180)}
    assert unfinished(site.output) == []


def test_damage_is_held_where_the_policy_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING, on_damage=OnDamage.HOLD)
    site.lay(1, cut_short(1))
    site.submit(1)

    settled = site.process(1)

    assert settled is not None
    assert (settled.state, settled.verdict) == (State.SETTLED, Verdict.DAMAGED)
    manifest = site.manifest(1)
    assert manifest.verdict == Verdict.DAMAGED
    assert [stream.outputs for stream in manifest.streams] == [()]
    assert {finding.code for finding in manifest.findings} >= {"segment_truncated"}
    assert not [key for key in contents(site.output) if key.startswith("media/")]


def test_a_recording_of_which_nothing_is_there_is_waited_for_then_missing(site: Site) -> None:
    site.submit(1)

    waiting = site.process(1)
    assert waiting is not None
    assert (waiting.state, waiting.verdict) == (State.WAITING, None)

    site.has_policies(deadline=NOTHING)
    settled = site.process(1)
    assert settled is not None
    assert (settled.state, settled.verdict) == (State.SETTLED, Verdict.MISSING)
    assert [finding.code for finding in site.manifest(1).findings] == ["recording_missing"]


def test_without_an_end_it_waits_until_it_is_quiet(site: Site) -> None:
    laid = site.lay(1)
    playlist = site.source / laid.playlists[0]
    playlist.write_text(playlist.read_text().replace("#EXT-X-ENDLIST\n", ""))
    site.submit(1)

    waiting = site.process(1)
    assert waiting is not None
    assert waiting.state == State.WAITING

    site.has_policies(settle_time=NOTHING)
    settled = site.process(1)
    assert settled is not None
    assert settled.verdict == Verdict.COMPLETE


def test_a_recording_whose_folder_is_not_known_is_found(site: Site) -> None:
    site.lay(1)
    site.lay(2)
    site.catalog.register(recording_id(1), state=State.STOPPED, cause="hint", actor="test", source="calls")

    settled = site.process(1)

    assert settled is not None
    assert settled.verdict == Verdict.COMPLETE


class FailingStore(LocalStore):
    """Uploads fail as told."""

    def __init__(self, root: Path, failure: Callable[[], Exception]) -> None:
        super().__init__(root)
        self._failure = failure

    def put(self, *_: Any, **__: Any) -> NoReturn:  # noqa: ANN401
        raise self._failure()


def test_what_passes_is_tried_again_ever_later_and_alarmed_in_the_end(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    failing = site.worker(output=FailingStore(site.output, lambda: NoSpace("put", "x", "the disk is full")))

    alarms = []
    for _ in range(4):
        failed = site.process(1, failing)
        assert failed is not None
        assert (failed.state, failed.verdict) == (State.FAILED, None)
        assert failed.due_at is not None
        alarms.append(failed.alarm is not None)

    assert alarms == [False, False, False, True]
    settled = site.process(1)
    assert settled is not None
    assert (settled.state, settled.alarm, settled.tries) == (State.SETTLED, None, 0)


def test_a_refusal_is_alarmed_at_once(site: Site) -> None:
    site.lay(1)
    site.submit(1)

    failed = site.process(1, site.worker(output=FailingStore(site.output, lambda: Denied("put", "x", "403"))))

    assert failed is not None
    assert failed.state == State.FAILED
    assert failed.alarm is not None
    assert "Check the credentials" in failed.alarm


def test_a_fault_of_ours_is_tried_twice_then_alarmed_and_tried_seldom(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    broken = site.worker(output=FailingStore(site.output, lambda: ZeroDivisionError("a bug")))

    first, second = site.process(1, broken), site.process(1, broken)

    assert first is not None
    assert second is not None
    assert (first.alarm, first.state) == (None, State.FAILED)
    assert second.alarm is not None
    assert "please report it: ZeroDivisionError: a bug" in second.alarm
    assert second.due_at is not None
    assert second.due_at - site.catalog.changes(second.id)[-1].at == timedelta(hours=1)


def test_a_settled_recording_keeps_its_verdict_when_a_later_look_fails(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING)
    site.lay(1, without(2))
    site.submit(1)
    site.process(1)
    site.lay(1)

    failed = site.process(1, site.worker(output=FailingStore(site.output, lambda: ZeroDivisionError("a bug"))))

    assert failed is not None
    assert (failed.state, failed.verdict, failed.revision) == (State.SETTLED, Verdict.GAPS, 1)
    assert failed.due_at is not None


def test_of_two_workers_one_works(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    taken = site.catalog.claims.take(
        recording_id(1), holder="another", ttl=timedelta(minutes=1), cause="it was there first"
    )

    assert taken is not None
    assert site.process(1) is None
    assert contents(site.output) == {}


def test_a_worker_that_slept_past_its_lease_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It falls asleep in the middle; somebody else does the work; when it wakes, it changes nothing."""
    site.lay(1)
    site.submit(1)
    reserve = Held.number
    slept: list[bool] = []

    def sleepy(held: Held, content_digest: str, *, newest: int) -> object:
        if not slept:
            slept.append(True)
            site.settle()
            monkeypatch.setattr(held, "check", lambda _size_bytes=0: None)
        return reserve(held, content_digest, newest=newest)

    monkeypatch.setattr(Held, "number", sleepy)
    with pytest.raises(LeaseLostError):
        site.process(1, site.worker("sleeper"))

    assert slept
    assert site.recording(1).verdict == Verdict.COMPLETE
    assert len(manifests(site.output)) == 1
    actors = [change.actor for change in site.catalog.changes(recording_id(1))]
    assert actors == ["test", "sleeper", "overseer", "worker", "worker"]


def test_who_wakes_after_the_number_was_reserved_writes_the_same_bytes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last moment at which a lease is looked at before the manifest is written: even after it there is one."""
    site.lay(1)
    site.submit(1)
    reserve = Held.number
    slept: list[bool] = []

    def sleepy(held: Held, content_digest: str, *, newest: int) -> object:
        reserved = reserve(held, content_digest, newest=newest)
        if not slept:
            slept.append(True)
            site.settle()
        return reserved

    monkeypatch.setattr(Held, "number", sleepy)
    with pytest.raises(LeaseLostError):
        site.process(1, site.worker("sleeper"))

    assert slept
    assert len(manifests(site.output)) == 1
    assert site.manifest(1).revision == 1


def test_a_worker_without_its_lease_stops_reading(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.lay(1)
    site.submit(1)
    begin = Held.__enter__

    def too_late(held: Held) -> Held:
        held._valid_until = 0.0
        return begin(held)

    monkeypatch.setattr(Held, "__enter__", too_late)
    with pytest.raises(LeaseLostError):
        site.process(1)
    assert contents(site.output) == {}
    assert unfinished(site.output) == []


def test_a_worker_that_is_told_to_stop_hands_back_and_leaves_nothing(site: Site) -> None:
    site.lay(1)
    site.submit(1)

    def interrupt() -> Exception:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.process(1, site.worker(output=FailingStore(site.output, interrupt)))

    handed_back = site.recording(1)
    assert (handed_back.state, handed_back.tries) == (State.STOPPED, 0)
    assert handed_back.due_at is not None
    assert site.causes(1)[-1] == "the worker was told to stop"
    assert site.held_leases() == []


def test_an_upload_that_a_dead_worker_left_is_aborted_by_the_next(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    claim = site.catalog.claims.take(recording_id(1), holder="dead", ttl=timedelta(minutes=1), cause="it died")
    assert claim is not None
    key = f"media/agora/{sid(1)}/mix/0123456789abcdef.mp4"
    LocalStore(site.output).start_multipart(ObjectKey(key)).put_part(1, b"half")
    assert unfinished(site.output) == [key]

    site.settle()

    assert unfinished(site.output) == []
    assert site.recording(1).verdict == Verdict.COMPLETE


def test_a_run_that_was_replaced_does_nothing(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    [old] = site.catalog.runs.hand_over(most=1, batch=1)
    site.catalog.runs.give_back(old.key)
    [new] = site.catalog.runs.hand_over(most=1, batch=1)

    assert old.key != new.key
    assert site.process(1, run=old.key) is None
    settled = site.process(1, run=new.key)
    assert settled is not None
    assert settled.state == State.SETTLED


def test_one_poisoned_recording_delays_nobody(site: Site) -> None:
    """Whoever touches it dies: after two deaths it is alarmed and tried seldom, alone, and all others are settled."""
    for number in range(1, 13):
        site.lay(number, pieces=slices(1))
        site.submit(number, Queue.BULK)
    died: list[str] = []

    class Deadly(InlineStarter):
        def start(self, run: Run) -> str:
            for subject in run.subjects:
                number = int(subject.rpartition(":")[2], 16)
                if number == 7:
                    site.catalog.claims.take(
                        recording_id(7), holder="victim", ttl=timedelta(seconds=60), cause="it dies", run=run.key
                    )
                    died.append(run.key)
                    break
                site.process(number, run=run.key)
            self.started[run.key] = run
            return run.key

    overseer = site.overseer(Deadly(site))
    for _ in range(6):
        overseer.reconcile()
        overseer.dispatch()
        if len(died) < 2:
            site.time_passes()

    others = [site.recording(number) for number in range(1, 13) if number != 7]
    assert {recording.verdict for recording in others} == {Verdict.COMPLETE}
    assert len(died) == 2
    assert died[0].startswith("bulk#")
    assert died[1].startswith(f"agora:{sid(7)}#"), "what has failed before goes alone"
    site.time_passes()
    overseer.reconcile()
    poisoned = site.recording(7)
    assert (poisoned.state, poisoned.verdict, poisoned.tries) == (State.FAILED, None, 2)
    assert poisoned.alarm == "its worker ended without a word"


def test_a_step_that_hangs_loses_its_lease(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.steps.working.STALL", timedelta(seconds=0))
    monkeypatch.setattr("flows.steps.working.Held.check", lambda _self, _size_bytes=0: None)
    site.lay(1)
    site.submit(1)
    claim = site.catalog.claims.take(recording_id(1), holder="w", ttl=timedelta(milliseconds=90), cause="it hangs")
    assert claim is not None
    held = Held(site.worker("w"), claim)
    held._ttl = timedelta(milliseconds=90)

    with held:
        ended = threading.Event()
        ended.wait(0.3)
        assert not held._thread.is_alive()
    assert [
        r.id
        for r in site.catalog.claims.take_back(
            actor="o", cause="c", look_in=lambda _: NOTHING, is_alarming=lambda _: False
        )
    ] == [recording_id(1)]


def test_a_late_slice_of_one_user_reads_and_rebuilds_that_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path, deadline=NOTHING)
    whole = site.lay_users(1, "11", "22")
    damaged, late = whole.segments[0], whole.segments[-1]
    (site.source / damaged).write_bytes((site.source / damaged).read_bytes()[:5000])
    kept = (site.source / late).read_bytes()
    (site.source / late).unlink()
    site.submit(1)
    site.process(1)
    first = site.manifest(1)
    monkeypatch.setattr("flows.steps.working.open_source", lambda _: CountingStore(site.source))
    CountingStore.opened.clear()

    (site.source / late).write_bytes(kept)
    settled = site.process(1)

    assert settled is not None
    assert (settled.revision, settled.verdict) == (2, Verdict.GAPS)
    second = site.manifest(1)
    assert [s.stream for s in second.streams] == ["11", "22"]
    assert second.streams[0] == first.streams[0], "the one that is damaged as before"
    assert not second.streams[1].gaps
    assert CountingStore.opened >= set(whole.segments[4:])
    assert not CountingStore.opened & set(whole.segments[:4])
    assert {f.where for f in second.findings} == {damaged}

    forced = site.process(1, site.worker(is_forced=True))
    assert forced is not None
    assert forced.revision == 2, "read whole again, it comes to the very same content"


def test_outputs_that_somebody_deleted_are_made_again(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING)
    late = site.source / site.lay_users(1, "11", "22").segments[-1]
    kept = late.read_bytes()
    late.unlink()
    site.submit(1)
    site.process(1)
    lost = site.output / site.manifest(1).streams[0].outputs[0].key
    lost.unlink()

    late.write_bytes(kept)
    site.process(1)

    assert site.manifest(1).verdict == Verdict.COMPLETE
    assert lost.exists()


def test_who_wakes_with_an_older_revision_does_not_put_hints_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had reserved revision 1, of what was there then; meanwhile the slice came, and revision 2 was published."""
    site = Site(tmp_path, deadline=NOTHING)
    site.lay(1, without(2))
    site.submit(1)
    number = Held.number
    slept: list[bool] = []

    def sleepy(held: Held, content_digest: str, *, newest: int) -> object:
        reserved = number(held, content_digest, newest=newest)
        if not slept:
            slept.append(True)
            site.lay(1)
            site.settle()
        return reserved

    monkeypatch.setattr(Held, "number", sleepy)
    with pytest.raises(LeaseLostError):
        site.process(1, site.worker("sleeper"))

    assert site.recording(1).verdict == Verdict.COMPLETE
    assert site.manifest(1).verdict == Verdict.COMPLETE, "what readers follow"
    assert len(manifests(site.output)) == 1


def test_who_wakes_behind_its_manifest_does_not_put_hints_at_it_either(tmp_path: Path) -> None:
    """The manifest of revision 1 stands; before its hints do, the slice came, and revision 2 was published."""
    site = Site(tmp_path, deadline=NOTHING)
    site.lay(1, without(2))
    site.submit(1)
    slept: list[str] = []

    class Sleepy(LocalStore):
        def put(self, key: ObjectKey, *arguments: Any, **named: Any) -> ObjectMeta:  # noqa: ANN401
            stored = super().put(key, *arguments, **named)
            if key.startswith("manifests/") and not slept:
                slept.append(key)
                site.lay(1)
                site.settle()
            return stored

    with pytest.raises(LeaseLostError):
        site.process(1, site.worker("sleeper", output=Sleepy(site.output)))

    assert len(manifests(site.output)) == 2
    assert slept[0] in manifests(site.output)
    assert site.manifest(1).verdict == Verdict.COMPLETE, "what readers follow"
    assert site.recording(1).revision == 2


def test_who_wakes_with_nothing_new_does_not_put_hints_at_what_was_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Revision 1 is just what it has found again; while it slept, revision 2 was published."""
    site = Site(tmp_path, deadline=NOTHING)
    site.lay(1, without(2))
    site.submit(1)
    site.process(1)
    listed = publishing._revisions
    slept: list[bool] = []

    def sleepy(*arguments: Any) -> Any:  # noqa: ANN401
        found = listed(*arguments)
        if not slept:
            slept.append(True)
            site.lay(1)
            site.settle()
        return found

    monkeypatch.setattr(publishing, "_revisions", sleepy)
    monkeypatch.setattr("flows.process.require_unchanged", lambda *_: None)
    with pytest.raises(LeaseLostError):
        site.process(1, site.worker("sleeper", is_forced=True))

    assert slept
    assert site.manifest(1).verdict == Verdict.COMPLETE, "what readers follow"


def test_who_wakes_before_it_clears_up_leaves_the_uploads_of_others_alone(site: Site) -> None:
    site.lay(1)
    site.submit(1)
    site.dies_over(1)
    sleeper = site.worker("sleeper")
    claim = claim_recording(sleeper, recording_id(1), None)
    assert claim is not None
    site.time_passes()
    site.catalog.claims.take(recording_id(1), holder="another", ttl=timedelta(minutes=1), cause="the sleeper slept")
    time.sleep(0.05)  # the clock of a file system is a little behind; a lease is a thousand times as long
    key = f"media/agora/{sid(1)}/mix/0123456789abcdef.mp4"
    LocalStore(site.output).start_multipart(ObjectKey(key)).put_part(1, b"half")

    with Held(sleeper, claim) as held:
        abort_what_was_left(sleeper, held)

    assert unfinished(site.output) == [key]


def test_uploads_that_may_not_be_aborted_keep_nobody_from_working(site: Site) -> None:
    class Strict(LocalStore):
        def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
            raise Denied("list_uploads", prefix, "403")

    site.lay(1)
    site.submit(1)
    site.dies_over(1)

    settled = site.process(1, site.worker(output=Strict(site.output)))

    assert settled is not None
    assert settled.verdict == Verdict.COMPLETE


def test_what_a_person_published_is_not_held_again_and_still_looked_at(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING, on_deadline=OnDeadline.HOLD)
    site.lay(1, without(2))
    site.submit(1)
    site.process(1)
    site.process(1, site.worker(is_forced=True))

    looked = site.process(1)
    assert looked is not None
    assert (looked.state, looked.verdict, looked.alarm) == (State.SETTLED, Verdict.GAPS, None)
    assert looked.due_at is not None

    site.lay(1)
    settled = site.process(1)
    assert settled is not None
    assert (settled.verdict, settled.revision) == (Verdict.COMPLETE, 2)


def test_an_alarm_is_over_when_a_look_goes_well(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING)
    site.lay(1, without(2))
    site.submit(1)
    site.process(1)
    missing = site.settings.sources[0].store
    site.has_policies(store="file:///nowhere/at/all")
    alarmed = site.process(1)
    assert alarmed is not None
    assert alarmed.alarm is not None

    site.has_policies(store=missing)
    looked = site.process(1)

    assert looked is not None
    assert (looked.verdict, looked.alarm) == (Verdict.GAPS, None)


def test_a_policy_that_was_changed_is_followed_at_the_next_look(tmp_path: Path) -> None:
    site = Site(tmp_path, deadline=NOTHING, on_damage=OnDamage.HOLD)
    site.lay(1, cut_short(1))
    site.submit(1)
    site.process(1)

    site.has_policies(on_damage=OnDamage.PUBLISH)
    settled = site.process(1)

    assert settled is not None
    assert (settled.verdict, settled.revision) == (Verdict.GAPS, 2)


def test_a_recording_at_the_top_of_its_source_costs_no_listing_of_the_others(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []

    class Listing(LocalStore):
        def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
            listed.append(prefix)
            return super().list(prefix, after=after)

    monkeypatch.setattr("flows.steps.working.open_source", lambda _: Listing(site.source))
    site.lay(1)
    site.catalog.register(recording_id(1), state=State.STOPPED, cause="hint", actor="test", source="calls")

    settled = site.process(1)

    assert settled is not None
    assert (settled.verdict, settled.folder) == (Verdict.COMPLETE, "")
    assert listed == [f"{sid(1)}_", f"bak0_{sid(1)}_"]


class CountingStore(LocalStore):
    """Notes which objects are opened."""

    opened: ClassVar[set[str]] = set()

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> LocalBody:
        self.opened.add(key)
        return super().open(key, start=start, end=end, etag=etag)

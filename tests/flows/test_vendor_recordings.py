"""From `start` to the verdict, at vendors that really record: what is asked, what is heard, what comes of it."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import Connection, select, update

from catalog.errors import CatalogUnavailableError
from catalog.events import Word
from catalog.model import Cause, RecordingId, State, Verdict
from catalog.records import Queue, Wanted
from catalog.tables import inquiries, recordings
from deployments.sandbox.vendors import SCRIPTS, Script
from deployments.sandbox.vendors.scripts import Failover
from flows.recorders import Recorders
from flows.settings import OnDeadline
from flows.steps.asking import Asker
from flows.steps.backfilling import Asked, Todo, plan_source
from storage.opening import open_source
from tests.flows.vendor_site import PACE, SECRETS, VendorSite, vendor_site
from vendors.recorder import NoSuchCallError, read_handle
from vendors.registry import RECORDED


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VendorSite]:
    with pytest.MonkeyPatch.context() as patch, vendor_site(tmp_path_factory.mktemp("site"), patch.setenv) as site:
        yield site


@pytest.mark.parametrize("vendor", RECORDED)
def test_from_its_start_to_its_verdict(site: VendorSite, vendor: str) -> None:
    recording = site.start(vendor, "a")
    known = site.catalog.get(recording)
    assert (known.state, known.source, known.folder, known.room) == (State.RECORDING, vendor, "calls/", "a")
    if vendor == "jocloud":
        with pytest.raises(NoSuchCallError):
            site.recordings.status(recording)
    else:
        assert site.recordings.status(recording).word is Word.RECORDING
    time.sleep(4 / PACE)
    status = site.recordings.stop(recording)
    assert status.word.is_end
    site.vendors.wait_idle(60)
    assert site.recordings.stop(recording).word.is_end
    assert site.settled(recording).verdict is Verdict.COMPLETE, site.causes(recording)
    assert site.recordings.stop(recording).word.is_end
    assert site.catalog.get(recording).state is State.SETTLED


def findings(site: VendorSite, recording: RecordingId) -> set[str]:
    return {found.code for found in site.manifest(recording).findings}


def causes(site: VendorSite, recording: RecordingId) -> set[Cause]:
    return {gap.cause for stream in site.manifest(recording).streams for gap in stream.gaps}


def test_what_the_vendor_keeps_itself_is_fetched_at_once(site: VendorSite) -> None:
    recording = site.record("zego", "kept", SCRIPTS["backup store"])
    assert site.settled(recording).verdict is Verdict.COMPLETE, site.causes(recording)
    assert findings(site, recording) == {"objects_rescued"}


@pytest.mark.parametrize("vendor", ["agora", "zego"])
def test_a_recorder_that_was_replaced_leaves_one_output(site: VendorSite, vendor: str) -> None:
    recording = site.record(vendor, "replaced", SCRIPTS["failover hole"])
    found = site.settled(recording)
    assert len(site.catalog.outputs(recording)) == 1
    if vendor == "agora":
        assert (found.verdict, causes(site, recording)) == (Verdict.GAPS, {Cause.FAILOVER})


def test_nobody_published_is_said_by_the_vendor_and_is_no_loss(site: VendorSite) -> None:
    recording = site.record("agora", "alone", SCRIPTS["nobody published"])
    assert site.settled(recording).verdict is Verdict.EMPTY
    assert findings(site, recording) == set()


def test_nothing_tells_of_it_but_its_own_status(site: VendorSite) -> None:
    """Webhooks are lost, and somebody else stops it."""
    recording = site.start("zego", "unheard", SCRIPTS["lost webhooks"])
    time.sleep(4 / PACE)
    source = site.settings.source("zego")
    recorder = site.recorders.of(source)
    handle = recorder.handle_of(recording, None)
    assert handle is not None
    recorder.stop(handle)
    site.vendors.wait_idle(60)
    assert site.catalog.get(recording).state is State.RECORDING
    assert site.settled(recording).verdict is Verdict.COMPLETE, site.causes(recording)


def test_a_signed_word_of_the_end_outdoes_an_earlier_answer(site: VendorSite) -> None:
    """The vendor answered that it goes on, and is not asked again after its webhook."""
    recording = site.start("agora", "ends-by-itself")
    assert site.recordings.status(recording).word is Word.RECORDING
    time.sleep(4 / PACE)
    inquiry = site.catalog.inquiries.of(recording)
    assert inquiry is not None
    site.recorders.of(site.settings.source("agora")).stop(read_handle(recording, inquiry.handle))
    site.vendors.wait_idle(60)
    assert site.settled(recording).verdict is Verdict.COMPLETE, site.causes(recording)


def test_a_stop_while_the_recording_moves_is_told_again(site: VendorSite) -> None:
    """Agora answers as if it were over; the recorder that takes over has heard of no stop."""
    recording = site.start("agora", "moving", Script(failover=Failover(after_s=2, gap_s=80)))
    time.sleep(8 / PACE)
    assert site.recordings.stop(recording).word is Word.LEFT
    assert site.recordings.status(recording).word is Word.LEFT
    time.sleep(80 / PACE)
    asker = Asker(catalog=site.catalog, settings=site.settings, recorders=site.recorders, actor="loop")
    site.time_passes()
    asker.ask_due()
    assert site.catalog.vouched(recording).word is Word.UPLOADED
    site.vendors.wait_idle(10)
    assert site.settled(recording).verdict is not None, site.causes(recording)


def test_what_somebody_else_began_is_asked_for_by_its_id(site: VendorSite) -> None:
    recording = site.begun_elsewhere("others")
    found = site.settled(recording)
    assert (found.verdict, found.source) == (Verdict.COMPLETE, "zego"), site.causes(recording)
    assert site.catalog.inquiries.of(recording) is not None


@pytest.mark.parametrize(("app", "is_asked"), [(None, True), ("1999", False)])
def test_of_several_sources_any_asks_for_what_lies_in_none_that_is_known_if_they_are_of_one_project(
    site: VendorSite, app: str | None, is_asked: bool
) -> None:
    zego = site.settings.source("zego")
    other = replace(zego, name="zego-2", store=f"{zego.store}2/", app=app or zego.app)
    settings = replace(site.settings, sources=(*site.settings.sources, other))
    recording = site.begun_elsewhere(f"homeless-{is_asked}")
    site.overseer().take_in()
    site.catalog.database.write(
        lambda connection: connection.execute(
            update(recordings).where(recordings.c.task_id == recording.task_id).values(source=None)
        )
    )
    with closing(Recorders(settings, site.environment)) as recorders:
        Asker(catalog=site.catalog, settings=settings, recorders=recorders, actor="loop").ask_due()
    inquiry = site.catalog.inquiries.of(recording)
    assert (inquiry is not None and inquiry.word is Word.UPLOADED) == is_asked


def test_the_vendors_own_list_has_them(site: VendorSite) -> None:
    recording = site.record("zego", "listed")
    now = datetime.now(UTC)
    past = list(site.recordings.history(site.settings.source("zego"), now - timedelta(days=1), now))
    assert recording in {each.recording for each in past}


def test_a_backfill_takes_in_what_only_the_vendor_knows(site: VendorSite) -> None:
    """Begun and ended by somebody else, in another bucket, without a webhook: no listing of ours has it."""
    source = site.settings.source("zego")
    recording = site.begun_elsewhere("astray", SCRIPTS["wrong bucket"])
    plan = plan_source(
        site.catalog,
        open_source(source.store),
        source,
        Asked(),
        output=site.stage.output,
        now=datetime.now(UTC),
        history=site.recorders.history(source, None, None),
    )
    [item] = [item for item in plan.items if item.recording == recording]
    assert item.todo is Todo.BUILD


@pytest.mark.parametrize(("days", "asked"), [(None, True), (4, False)])
def test_what_a_backfill_found_is_asked_for_unless_it_is_too_old(
    site: VendorSite, days: int | None, *, asked: bool
) -> None:
    began_at = None if days is None else datetime.now(UTC) - timedelta(days=days)
    old = RecordingId(vendor="zego", task_id=f"awE1FeE4DmOpAAB{days or 0}")
    site.catalog.take_up([Wanted(recording=old, source="zego", began_at=began_at)], actor="test", reason="a test")
    asker = Asker(catalog=site.catalog, settings=site.settings, recorders=site.recorders, actor="loop")
    asker.ask_due()
    asker.ask_before_look(site.catalog.get(old))
    assert (site.catalog.inquiries.of(old) is not None) is asked


def test_what_was_missing_is_empty_once_its_vendor_says_so(site: VendorSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged at its deadline, while its vendor might still name files."""
    recording = site.record("zego", "left alone", SCRIPTS["nobody published"])
    hurried = tuple(replace(source, deadline=timedelta(0)) for source in site.settings.sources)
    with monkeypatch.context() as patch:
        patch.setattr(site, "settings", replace(site.settings, sources=hurried))
        site.overseer().take_in()
        site.time_passes()
        site.overseer().dispatch()
    assert site.catalog.get(recording).verdict is Verdict.MISSING

    monkeypatch.setattr("flows.steps.asking._FILES_COME_IN", -timedelta(hours=1))
    site.pass_once()
    found = site.catalog.get(recording)
    assert (found.verdict, found.revision) == (Verdict.EMPTY, 2), site.causes(recording)


def forge(site: VendorSite, task_id: str, number: int) -> None:
    """All is uploaded, says somebody who saw a signature that was never used: it covers a nonce and a time."""
    timestamp, nonce = str(int(time.time())), str(number)
    seen = "".join(sorted([SECRETS["zego"], timestamp, nonce]))
    info = {"file_id": f"{task_id}_r_u_s_VA_20260503140000000.m3u8", "output_file_format": "hls", "status": 3}
    document = {
        "app_id": int(site.settings.source("zego").app or 0),
        "task_id": task_id,
        "room_id": "r",
        "event_type": 1,
        "message": "",
        "nonce": nonce,
        "timestamp": timestamp,
        "signature": hashlib.sha1(seen.encode(), usedforsecurity=False).hexdigest(),
        "sequence": number,
        "detail": {"upload_status": 1, "file_info": [info]},
    }
    answer = httpx.post(f"{site.url}/hooks/zego", json=document, trust_env=False)
    assert answer.status_code == 200, answer.text


def a_day_passes(site: VendorSite, recording: RecordingId) -> None:
    """Since its end was told, and since its vendor said first that it knows no such recording."""
    day = timedelta(hours=25)

    def work(connection: Connection) -> None:
        row = connection.execute(select(recordings).where(recordings.c.task_id == recording.task_id)).mappings().one()
        ended = update(recordings).where(recordings.c.id == row["id"])
        connection.execute(ended.values(stopped_at=(row["stopped_at"] or row["heard_at"]) - day))
        gone = update(inquiries).where(inquiries.c.recording == row["id"])
        connection.execute(gone.values(gone_since=row["heard_at"] - day))

    site.catalog.database.write(work)


@pytest.mark.parametrize("policy", OnDeadline)
def test_what_an_unsigned_word_made_up_is_no_loss(
    site: VendorSite, monkeypatch: pytest.MonkeyPatch, policy: OnDeadline
) -> None:
    sources = tuple(replace(source, on_deadline=policy) for source in site.settings.sources)
    monkeypatch.setattr(site, "settings", replace(site.settings, sources=sources))
    number = 10 * list(OnDeadline).index(policy)
    forged = RecordingId(vendor="zego", task_id=f"awE1FeE4DmForg{number:02d}")
    forge(site, forged.task_id, number)
    site.pass_once()
    assert site.catalog.get(forged).state is State.WAITING, site.causes(forged)
    a_day_passes(site, forged)
    settled = site.settled(forged)
    assert (settled.verdict, settled.alarm) == (Verdict.EMPTY, None), site.causes(forged)
    assert findings(site, forged) == {"recording_unknown"}

    forge(site, forged.task_id, number + 1)
    for _ in range(3):
        site.pass_once()
    assert (site.catalog.get(forged).verdict, site.catalog.get(forged).revision) == (Verdict.EMPTY, 1)


def test_what_a_person_has_named_too_is_a_loss_whoever_made_it_up(site: VendorSite) -> None:
    named = RecordingId(vendor="zego", task_id="awE1FeE4DmForgeB")
    forge(site, named.task_id, 3)
    site.pass_once()
    site.catalog.make_due(named, queue=Queue.LIVE, actor="ann", action="submit", reason="it is missed")
    site.pass_once()
    a_day_passes(site, named)
    assert site.settled(named).verdict is Verdict.MISSING
    assert findings(site, named) == {"recording_missing"}


class _DyingError(Exception):
    """The process is gone."""


def test_who_dies_between_the_start_and_the_catalog_may_start_again(
    site: VendorSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ZEGOCLOUD begins one task for one client id, so whoever repeats the order has the recording."""

    def die(*_: object, **__: object) -> None:
        raise _DyingError

    before = datetime.now(UTC) - timedelta(hours=1)
    with monkeypatch.context() as patch:
        patch.setattr("catalog.inquiries.Inquiries.begin", die)
        with pytest.raises(_DyingError):
            site.start("zego", "died")
    now = datetime.now(UTC)
    listed = site.recordings.history(site.settings.source("zego"), before, now, room="died")
    [lost] = [past.recording for past in listed]
    assert site.start("zego", "died") == lost
    assert site.catalog.get(lost).state is State.RECORDING
    site.recordings.stop(lost)
    site.vendors.wait_idle(60)


def test_a_start_that_the_catalog_cannot_keep_is_told_by_its_handle(
    site: VendorSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Agora's recordings are stopped by it and by nothing else."""

    def away(*_: object, **__: object) -> None:
        raise CatalogUnavailableError("the catalog does not answer")

    with monkeypatch.context() as patch:
        patch.setattr("catalog.inquiries.Inquiries.begin", away)
        with pytest.raises(CatalogUnavailableError):
            site.start("agora", "unkept")
    assert "is being recorded, and is not in the catalog" in caplog.text
    assert "resource" in caplog.text


def test_a_project_that_is_none_stops_the_asking_of_no_other(
    site: VendorSite, caplog: pytest.LogCaptureFixture
) -> None:
    """ZEGOCLOUD's are numbers."""
    sources = tuple(replace(s, app="my app") if s.name == "zego" else s for s in site.settings.sources)
    settings = replace(site.settings, sources=sources)
    recorders = Recorders(settings, site.environment)
    asker = Asker(catalog=site.catalog, settings=settings, recorders=recorders, actor="loop")
    for stranger, source in (("awE1FeE4DmOpAAAB", "zego"), ("awE1FeE4DmOpAAAC", None)):
        heard = RecordingId(vendor="zego", task_id=stranger)
        site.catalog.register(heard, state=State.RECORDING, source=source, cause="heard", actor="test")
    recording = site.start("agora", "asked")
    site.time_passes()
    with closing(recorders):
        for _ in range(2):
            asker.ask_due()
    for whose in ("source zego", "zego whose source is not known"):
        told = [line for line in caplog.messages if f"recordings of {whose} cannot be asked" in line]
        assert len(told) == 1, caplog.messages
    inquiry = site.catalog.inquiries.of(recording)
    assert inquiry is not None
    assert inquiry.word is Word.RECORDING
    site.recordings.stop(recording)

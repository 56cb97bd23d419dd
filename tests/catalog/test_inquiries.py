"""Inquiries: what vendors are asked is due in its time, and what they answer is heard once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalog.events import UNKNOWN, Kept, NamedFile, RecordingEvent, Word
from catalog.index import Catalog
from catalog.model import RecordingId, State
from catalog.records import Heed, Inquiry, Queue, Wanted
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import recording_id, settle, states, take
from tests.catalog.test_inbox import said, taken

HANDLE = {"room": "math", "host": "https://api.example", "details": {"resource_id": "r"}}
SOON, LATER = timedelta(seconds=5), timedelta(minutes=5)
BEGAN = datetime(2026, 5, 3, 14, tzinfo=UTC)


def begin(catalog: Catalog, recording: RecordingId | None = None, ask_in: timedelta | None = SOON) -> Inquiry:
    recording = recording or recording_id()
    catalog.inquiries.begin(
        recording, source="calls", folder="a/", room="math", handle=HANDLE, ask_in=ask_in, actor="ann"
    )
    found = catalog.inquiries.of(recording)
    assert found is not None
    return found


def answer(word: Word, *files: NamedFile, number: int = 0) -> RecordingEvent:
    return RecordingEvent(
        vendor="agora",
        dedupe_id=f"status:{word}:{number}",
        name="status",
        word=word,
        recording=recording_id(),
        files=files,
    )


def answered(catalog: Catalog, event: RecordingEvent, ask_in: timedelta | None = LATER, **more: object) -> Inquiry:
    inquiry = catalog.inquiries.of(recording_id())
    assert inquiry is not None
    given = {"began_at": None, "gone_since": None, "actor": "loop", **more}
    catalog.inquiries.answered(inquiry, event, Heed(ask_in=ask_in), **given)  # type: ignore[arg-type]
    found = catalog.inquiries.of(recording_id())
    assert found is not None
    return found


def test_what_was_begun_is_known_with_its_source_before_anybody_hears_of_it(catalog: Catalog) -> None:
    inquiry = begin(catalog)
    recording = catalog.get(recording_id())
    assert (recording.state, recording.source, recording.folder, recording.room) == (
        State.RECORDING,
        "calls",
        "a/",
        "math",
    )
    assert (inquiry.handle, inquiry.is_open, inquiry.word) == (HANDLE, True, None)


def test_one_whose_vendor_cannot_be_asked_is_never_due(catalog: Catalog, database: LeapingDatabase) -> None:
    assert not begin(catalog, ask_in=None).is_open
    database.pass_by(timedelta(days=9))
    assert catalog.inquiries.due(most=9) == []


def test_it_is_asked_in_its_time_and_then_again_in_its_time(catalog: Catalog, database: LeapingDatabase) -> None:
    begin(catalog)
    assert catalog.inquiries.due(most=9) == []
    database.pass_by(SOON)
    [due] = catalog.inquiries.due(most=9)
    assert due.recording == recording_id()
    answered(catalog, answer(Word.RECORDING))
    assert catalog.inquiries.due(most=9) == []
    database.pass_by(LATER)
    assert len(catalog.inquiries.due(most=9)) == 1


def test_an_answer_brings_it_on_its_way_and_names_what_must_be_there(catalog: Catalog) -> None:
    begin(catalog)
    file = NamedFile(name="a.m3u8", kept=Kept.BACKUP, url="https://backup.example/a.m3u8", started_at=BEGAN)
    after = answered(catalog, answer(Word.BACKED_UP, file), ask_in=None)
    recording = catalog.get(recording_id())
    assert (recording.state, recording.word, after.word, after.is_open) == (
        State.STOPPED,
        Word.BACKED_UP,
        Word.BACKED_UP,
        False,
    )
    assert recording.due_at is not None
    vouched = catalog.vouched(recording_id())
    assert (vouched.word, vouched.files) == (Word.BACKED_UP, (file,))


def test_of_a_file_what_was_said_last_counts(catalog: Catalog) -> None:
    begin(catalog)
    coming = NamedFile(name="a.m3u8", kept=Kept.COMING)
    answered(catalog, answer(Word.ENDED, coming))
    assert catalog.vouched(recording_id()).files == (coming,)
    answered(catalog, answer(Word.UPLOADED, replace(coming, kept=Kept.STORED)))
    assert catalog.vouched(recording_id()).files == (replace(coming, kept=Kept.STORED),)


def test_an_answer_that_says_the_same_changes_nothing_but_counts(catalog: Catalog) -> None:
    begin(catalog)
    answered(catalog, answer(Word.RECORDING))
    before = catalog.get(recording_id()), states(catalog)
    after = answered(catalog, answer(Word.RECORDING))
    assert after.asks == 1
    assert (replace(catalog.get(recording_id()), spoken_at=before[0].spoken_at), states(catalog)) == before


def test_whoever_asks_before_a_look_causes_no_other_look(catalog: Catalog) -> None:
    begin(catalog)
    taken(catalog, said(Word.ENDED))
    claim = take(catalog)
    file = NamedFile(name="a.m3u8", kept=Kept.STORED)
    answered(catalog, answer(Word.UPLOADED, file), ask_in=None, is_looked_at=True)
    assert settle(catalog, claim).due_at is None

    claim = take(catalog)
    answered(catalog, answer(Word.UPLOADED, replace(file, name="b.m3u8"), number=1), ask_in=None)
    assert settle(catalog, claim).due_at is not None


def test_a_message_has_the_vendor_asked_at_once(catalog: Catalog) -> None:
    begin(catalog, ask_in=LATER)
    assert catalog.inquiries.due(most=9) == []
    taken(catalog, said(Word.UPLOADED, covered=False))
    [due] = catalog.inquiries.due(most=9)
    recording = catalog.get(recording_id())
    assert not due.is_answered_for(recording)
    assert answered(catalog, answer(Word.ENDED)).is_answered_for(catalog.get(recording_id()))


@pytest.mark.parametrize(("word", "asked"), [(Word.RECORDING, True), (Word.LEFT, True), (Word.ENDED, False)])
def test_a_signed_word_of_the_end_spares_the_question(
    catalog: Catalog, database: LeapingDatabase, word: Word, *, asked: bool
) -> None:
    begin(catalog)
    taken(catalog, said(word))
    database.pass_by(SOON)
    assert bool(catalog.inquiries.due(most=9)) is asked


def test_what_somebody_else_began_is_asked_for_too(catalog: Catalog) -> None:
    taken(catalog, said(Word.RECORDING), said(Word.RECORDING, task_id="t2"))
    settle(catalog, take(catalog, "t2"))
    found = catalog.inquiries.strangers("agora", sources=["calls"], younger_than=timedelta(days=3))
    assert [each.id for each in found] == [recording_id()]
    assert catalog.inquiries.strangers("zego", sources=["calls"], younger_than=timedelta(days=3)) == []
    assert catalog.inquiries.strangers("agora", sources=["other"], younger_than=timedelta(days=3)) == []
    catalog.inquiries.adopt(recording_id(), source="calls", handle=HANDLE)
    assert [due.recording for due in catalog.inquiries.due(most=9)] == [recording_id()]
    assert catalog.inquiries.strangers("agora", sources=["calls"], younger_than=timedelta(days=3)) == []


def test_those_of_long_ago_are_not_asked_for(catalog: Catalog, database: LeapingDatabase) -> None:
    taken(catalog, said(Word.RECORDING))
    database.pass_by(timedelta(days=3))
    assert catalog.inquiries.strangers("agora", sources=["calls"], younger_than=timedelta(days=3)) == []


@pytest.mark.parametrize(("days", "asked"), [(None, True), (2, True), (4, False)])
def test_those_that_began_long_ago_are_not_asked_for_however_lately_they_were_found(
    catalog: Catalog, database: LeapingDatabase, days: int | None, *, asked: bool
) -> None:
    now = database.read(database.now)
    began_at = None if days is None else now - timedelta(days=days)
    wanted = Wanted(recording=recording_id(), source="calls", folder="a/", began_at=began_at)
    catalog.take_up([wanted], actor="ann", reason="a backfill")
    assert catalog.get(recording_id()).started_at == began_at
    found = catalog.inquiries.strangers("agora", sources=["calls"], younger_than=timedelta(days=3))
    assert bool(found) is asked


def test_what_is_hearsay_is_so_until_somebody_vouches_for_it(catalog: Catalog) -> None:
    def is_hearsay(task_id: str) -> bool:
        found = catalog.inquiries.of(recording_id(task_id))
        return found is not None and found.is_hearsay

    names = ("told", "asked", "listed", "submitted", "backfilled")
    taken(catalog, *(said(Word.UPLOADED, task_id=name, covered=False) for name in names))
    for name in names:
        catalog.inquiries.adopt(recording_id(name), source="calls", handle=HANDLE)
    assert [is_hearsay(name) for name in names] == [True] * len(names)
    catalog.found(recording_id("listed"), source="calls", folder="a/")
    catalog.make_due(recording_id("submitted"), queue=Queue.LIVE, actor="ann", action="submit", reason="r")
    wanted = Wanted(recording=recording_id("backfilled"), source="calls", folder="a/", began_at=BEGAN)
    catalog.take_up([wanted], actor="ann", reason="r")
    begun = catalog.inquiries.of(recording_id("asked"))
    assert begun is not None
    event = replace(answer(Word.RECORDING), recording=recording_id("asked"))
    catalog.inquiries.answered(begun, event, Heed(ask_in=LATER), began_at=BEGAN, gone_since=None, actor="loop")
    assert [name for name in names if is_hearsay(name)] == ["told"]
    begin(catalog, recording_id("begun"))
    taken(catalog, said(Word.UPLOADED, task_id="begun", covered=False))
    assert not is_hearsay("begun")


def test_a_later_answer_makes_it_known_and_looked_at(catalog: Catalog) -> None:
    taken(catalog, said(Word.UPLOADED, covered=False))
    catalog.inquiries.adopt(recording_id(), source="calls", handle=HANDLE)
    answered(catalog, replace(answer(Word.ENDED), trouble=UNKNOWN), ask_in=None)
    assert catalog.vouched(recording_id()).is_unknown
    settle(catalog, take(catalog))
    file = NamedFile(name="a.m3u8", kept=Kept.STORED)
    answered(catalog, answer(Word.UPLOADED, file, number=1), ask_in=None)
    assert not catalog.vouched(recording_id()).is_unknown
    assert catalog.get(recording_id()).due_at is not None


@pytest.mark.parametrize("failures", [1, 3])
def test_failures_are_counted_until_there_is_an_answer(catalog: Catalog, failures: int) -> None:
    inquiry = begin(catalog)
    for _ in range(failures):
        catalog.inquiries.failed(inquiry, Heed(ask_in=LATER), trouble="no answer", actor="loop")
        inquiry = catalog.inquiries.of(recording_id()) or inquiry
    assert inquiry.failures == failures
    assert answered(catalog, answer(Word.RECORDING)).failures == 0


def test_an_alarm_is_told_in_the_story_and_counted(catalog: Catalog) -> None:
    inquiry = begin(catalog)
    catalog.inquiries.failed(inquiry, Heed(ask_in=LATER, alarm="12 hours are left"), trouble="no", actor="loop")
    assert catalog.get(recording_id()).alarm == "12 hours are left"
    assert catalog.changes(recording_id())[-1].cause == "12 hours are left"
    assert catalog.inquiries.of(recording_id()).alarms == 1  # type: ignore[union-attr]


def test_an_address_outlives_a_message_that_names_none(catalog: Catalog) -> None:
    """Webhooks name the same file without its address, and may come after the answer that had it."""
    begin(catalog)
    kept = NamedFile(name="a.m3u8", kept=Kept.BACKUP, url="https://backup.example/a.m3u8")
    answered(catalog, answer(Word.BACKED_UP, kept))
    answered(catalog, answer(Word.BACKED_UP, replace(kept, url=None), number=1))
    assert catalog.vouched(recording_id()).files == (kept,)
    answered(catalog, answer(Word.UPLOADED, replace(kept, kept=Kept.STORED, url=None), number=2))
    assert [file.url for file in catalog.vouched(recording_id()).files] == [None]

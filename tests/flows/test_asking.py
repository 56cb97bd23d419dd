"""When vendors are asked, what is made of their answers, and when a person is told. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalog.events import Kept, NamedFile, Word
from catalog.model import RecordingId, State
from catalog.records import Inquiry
from flows.steps.asking import after_failure, heed, is_final, is_unknown, past_asking, told_by
from vendors.recorder import RefusedCallError, Status, VendorDownError
from vendors.registry import MANNERS

AGORA, ZEGO = MANNERS["agora"], MANNERS["zego"]
BEGAN = datetime(2026, 5, 3, 14, tzinfo=UTC)
HOUR = timedelta(hours=1)
STORED, COMING, BACKUP, LOST = (
    NamedFile(name=f"{kept}.m3u8", kept=kept) for kept in (Kept.STORED, Kept.COMING, Kept.BACKUP, Kept.LOST)
)


def inquiry(word: Word | None = None, *, asks: int = 0, failures: int = 0, alarms: int = 0) -> Inquiry:
    return Inquiry(
        recording=RecordingId(vendor="zego", task_id="t"),
        state=State.STOPPED,
        source="calls",
        handle={},
        is_askable=True,
        began_at=BEGAN,
        ask_at=BEGAN,
        asked_at=None,
        word=word,
        gone_since=None,
        asks=asks,
        failures=failures,
        alarms=alarms,
    )


@pytest.mark.parametrize(
    ("word", "files", "final"),
    [
        (Word.RECORDING, (STORED,), False),
        (Word.ENDED, (), False),
        (Word.ENDED, (STORED, COMING), False),
        (Word.ENDED, (STORED, LOST), True),
        (Word.BACKED_UP, (BACKUP, COMING), False),
        (Word.BACKED_UP, (BACKUP, STORED), True),
        (Word.BACKED_UP, (), False),
        (Word.UPLOADED, (STORED,), True),
        (Word.UPLOADED, (), True),
        (Word.EMPTY, (), True),
    ],
)
def test_nothing_more_will_be_said_once_nothing_is_under_way(
    word: Word, files: tuple[NamedFile, ...], *, final: bool
) -> None:
    assert is_final(Status(word=word, files=files)) is final


def test_while_it_goes_on_it_is_asked_for_at_the_vendors_pace() -> None:
    goes_on = Status(word=Word.RECORDING)
    assert heed(inquiry(), goes_on, AGORA, BEGAN + HOUR).ask_in == timedelta(minutes=2)
    assert heed(inquiry(), goes_on, ZEGO, BEGAN + HOUR).ask_in == timedelta(minutes=5)


def test_after_its_end_it_is_asked_for_soon_and_then_ever_more_seldom() -> None:
    status = Status(word=Word.ENDED, files=(COMING,))
    waits = [heed(inquiry(Word.ENDED, asks=asks), status, ZEGO, BEGAN).ask_in for asks in range(9)]
    assert heed(inquiry(Word.RECORDING, asks=7), status, ZEGO, BEGAN).ask_in == timedelta(seconds=5)
    assert waits[:3] == [timedelta(seconds=seconds) for seconds in (10, 20, 40)]
    assert waits[-1] == timedelta(minutes=5)


def test_one_that_is_gone_may_be_moving_and_is_over_after_that() -> None:
    gone = Status(word=Word.HEARD, is_gone=True)
    assert told_by(gone, BEGAN, AGORA, BEGAN + timedelta(seconds=99)) == gone
    over = told_by(gone, BEGAN, AGORA, BEGAN + timedelta(seconds=100))
    assert over.word is Word.ENDED
    assert heed(inquiry(), gone, AGORA, BEGAN).ask_in == timedelta(seconds=30)
    assert heed(inquiry(), over, AGORA, BEGAN).ask_in is None


def test_what_only_hearsay_named_was_never_begun_if_its_vendor_would_know_it_still() -> None:
    gone = Status(word=Word.ENDED, is_gone=True)
    hearsay = replace(inquiry(), is_hearsay=True)
    assert is_unknown(hearsay, gone, ZEGO, BEGAN + 23 * HOUR)
    assert not is_unknown(hearsay, gone, ZEGO, BEGAN + 24 * HOUR), "it may have gone on for 48 hours before"
    assert not is_unknown(inquiry(), gone, ZEGO, BEGAN + HOUR)
    assert not is_unknown(hearsay, replace(gone, word=Word.HEARD), ZEGO, BEGAN + HOUR)
    assert not is_unknown(hearsay, Status(word=Word.ENDED), ZEGO, BEGAN + HOUR)
    assert not is_unknown(hearsay, gone, AGORA, BEGAN + HOUR), "it knows those that go on, and no other"


def test_a_stop_that_nobody_heard_is_told_again_until_nobody_can_be_there() -> None:
    unheard = Status(word=Word.LEFT, is_gone=True)
    assert told_by(unheard, BEGAN, AGORA, BEGAN + timedelta(seconds=99)) == unheard
    assert heed(inquiry(), unheard, AGORA, BEGAN).ask_in == timedelta(seconds=30)
    over = told_by(unheard, BEGAN, AGORA, BEGAN + timedelta(seconds=100))
    assert (over.word, heed(inquiry(), over, AGORA, BEGAN).ask_in) == (Word.ENDED, None)


def test_a_person_is_told_at_24_and_60_hours_and_at_the_end_of_72() -> None:
    status, told = Status(word=Word.BACKED_UP, files=(BACKUP, COMING)), []
    alarms = 0
    for hours in range(0, 73, 4):
        at = BEGAN + hours * HOUR
        over = past_asking(inquiry(Word.BACKED_UP, alarms=alarms), ZEGO, at)
        found = over or heed(inquiry(Word.BACKED_UP, alarms=alarms), status, ZEGO, at)
        if found.alarm:
            alarms += 1
            told.append((hours, found.ask_in is None))
    assert told == [(24, False), (60, False), (72, True)]


def test_a_long_call_alarms_nobody_on_its_first_day() -> None:
    goes_on = Status(word=Word.RECORDING)
    assert heed(inquiry(), goes_on, ZEGO, BEGAN + 25 * HOUR).alarm is None
    assert heed(inquiry(), goes_on, ZEGO, BEGAN + 60 * HOUR).alarm


def test_agora_answers_for_as_long_as_it_records() -> None:
    assert past_asking(inquiry(), AGORA, BEGAN + 1000 * HOUR) is None
    assert heed(inquiry(), Status(word=Word.RECORDING), AGORA, BEGAN + 100 * HOUR).alarm is None


def test_without_an_answer_it_is_asked_ever_later_and_a_person_is_told_once() -> None:
    down = VendorDownError("zego", "status", "no answer", "Wait.")
    found = [after_failure(inquiry(failures=failures), down) for failures in range(12)]
    assert [each.ask_in for each in found[:3]] == [timedelta(seconds=seconds) for seconds in (15, 30, 60)]
    assert found[-1].ask_in == timedelta(minutes=10)
    assert [number for number, each in enumerate(found) if each.alarm] == [4]


def test_a_wrong_key_is_told_at_once_and_tried_each_hour() -> None:
    refused = RefusedCallError("zego", "status", "the signature is wrong", "Set the key.")
    first, second = (after_failure(inquiry(failures=failures), refused) for failures in (0, 1))
    assert (first.ask_in, bool(first.alarm), bool(second.alarm)) == (HOUR, True, False)
    assert "Set the key" in (first.alarm or "")

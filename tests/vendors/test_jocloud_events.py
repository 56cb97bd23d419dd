"""Jocloud's webhooks: the one event that is documented, and all that is not."""

from datetime import UTC, datetime, timedelta

import pytest

from catalog.events import NamedFile, RecordingEvent, Word
from catalog.model import RecordingId
from tests.builders import JOCLOUD_RECORD as RECORD
from tests.vendors.messages import jocloud_document, message
from vendors.hooks import NO_RECORDING, TEST_ROOM
from vendors.registry import HOOKS

HOOK = HOOKS["jocloud"]
AT = datetime(2024, 1, 2, 3, 4, 5, 6000, UTC)
PLAYLIST = f"rec/rid_{RECORD}_room1.m3u8"


def read(**context: object) -> RecordingEvent:
    return HOOK.read(message(jocloud_document(**context)))


def test_a_result_says_that_one_file_is_complete() -> None:
    document = jocloud_document()
    event = HOOK.read(message(document))
    assert (event.name, event.word, event.trouble, event.ignored) == ("recordtask_m3u8_info", Word.ENDED, None, None)
    assert event.recording == RecordingId(vendor="jocloud", task_id=RECORD)
    assert event.files == (NamedFile(name=PLAYLIST, duration_s=9.0, started_at=AT),)
    assert (event.at, event.room, event.app) == (AT + timedelta(seconds=22), "room1", "123123")
    assert event.details == document["context"]


@pytest.mark.parametrize(
    ("msgname", "name"), [("recordtask_status", "recordtask_status"), (None, "event 2"), (7, "event 2")]
)
def test_other_messages_are_heard(msgname: object, name: str) -> None:
    event = read(msgname=msgname)
    assert (event.name, event.word, event.files, event.ignored) == (name, Word.HEARD, (), None)


def test_a_message_of_no_type_has_a_name() -> None:
    document = {**jocloud_document(msgname=None), "msgtype": "x"}
    assert HOOK.read(message(document)).name == "event without a type"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (f"http://bucket.example/{PLAYLIST}", PLAYLIST),
        (f"http://bucket.example/{PLAYLIST}?a=1#b", PLAYLIST),
        (f"//bucket.example/{PLAYLIST}", PLAYLIST),
        (PLAYLIST, PLAYLIST),
        ("http://xxxxx.m3u8", None),
        ("http://xxxxx.m3u8/", None),
        ("http://[xxxxx/a.m3u8", None),
        ("http://bucket.example/a\0.m3u8", None),
        (7, None),
        (None, None),
    ],
)
def test_a_file_is_named_by_the_path_of_its_address(address: object, name: str | None) -> None:
    assert [file.name for file in read(fileaddress=address).files] == ([name] if name else [])


@pytest.mark.parametrize(
    ("uids", "user"), [(["0"], None), (["101"], "101"), ([101], "101"), ("101", "101"), ([], None), (["1", "2"], None)]
)
def test_one_user_is_the_files(uids: object, user: str | None) -> None:
    assert read(uid=uids).files[0].user == user


@pytest.mark.parametrize("product", [2, "2", "x", [], True])
def test_other_products_are_ignored(product: object) -> None:
    event = HOOK.read(message({**jocloud_document(), "product": product}))
    assert (event.recording, event.ignored, event.word) == (None, "not of cloud recording", Word.HEARD)


@pytest.mark.parametrize("record", [None, "", 7, "a\0b", "\udfff", "a" * 1025])
def test_a_message_without_a_usable_record_is_about_no_recording(record: object) -> None:
    event = read(recordid=record)
    assert (event.recording, event.ignored) == (None, NO_RECORDING)


def test_a_test_is_told_and_still_read() -> None:
    event = read(roomid=TEST_ROOM)
    assert not HOOK.is_check(message(jocloud_document(roomid=TEST_ROOM)))
    assert (event.ignored, event.word) == ("a test", Word.ENDED)
    assert event.recording == RecordingId(vendor="jocloud", task_id=RECORD)


def test_the_dedupe_id_is_of_the_message_and_what_it_says() -> None:
    first, document = read().dedupe_id, jocloud_document()
    assert first.startswith(f"{document['msgid']}:")
    assert HOOK.read(message({**document, "notifytime": 1})).dedupe_id == first
    assert read(duration=9001).dedupe_id != first
    assert HOOK.read(message({**document, "msgid": "other"})).dedupe_id != first
    without = HOOK.read(message({**document, "msgid": None})).dedupe_id
    assert without.startswith("body:")


def test_the_secret_in_the_url_is_all_there_is() -> None:
    signed = message(jocloud_document(), url_secret="secret")  # noqa: S106
    assert HOOK.is_signed(signed)
    assert HOOK.fits(signed, "secret")
    assert not any(HOOK.fits(signed, other) for other in ("Secret", "secre", "secret ", ""))
    assert (HOOK.seal(signed), HOOK.signed_at(signed), HOOK.covers_body) == (None, None, False)


@pytest.mark.parametrize("url_secret", [None, ""])
def test_without_a_secret_in_the_url_nothing_fits(url_secret: str | None) -> None:
    unsigned = message(jocloud_document(), url_secret=url_secret)
    assert not HOOK.is_signed(unsigned)
    assert not HOOK.fits(unsigned, "")
    assert not HOOK.fits(unsigned, "secret")

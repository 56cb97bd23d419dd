"""ZEGOCLOUD's webhooks, both versions of them; shapes from its documents."""

import json
from datetime import UTC, datetime

import pytest

from catalog.events import Kept, NamedFile, RecordingEvent, Word
from catalog.model import RecordingId
from tests.builders import ZEGO_TASK as TASK
from tests.vendors.forging import zego_signature
from tests.vendors.messages import message, zego_document, zego_file
from vendors.hooks import NO_RECORDING, TEST_ROOM
from vendors.registry import HOOKS
from vendors.zego.event_types import EVENTS, EVENTS_V1

HOOK = HOOKS["zego"]
PLAYLIST = f"{TASK}_room1_u1_s1_VA_20240102030405006.m3u8"
SNAPSHOT = {"output_file_format": "jpg"}


def read(event_type: object, detail: object = None, **fields: object) -> RecordingEvent:
    return HOOK.read(message(zego_document(event_type, detail, **fields)))


def uploads(status: int | None, *statuses: object, **fields: object) -> dict[str, object]:
    return {"upload_status": status, "file_info": [zego_file(status=of_file, **fields) for of_file in statuses]}


MEANINGS: list[tuple[int, dict[str, object], Word, str | None]] = [
    (1, uploads(1, 3), Word.UPLOADED, None),
    (1, uploads(1), Word.UPLOADED, None),
    (1, {}, Word.UPLOADED, None),
    (1, uploads(2, 3, 4), Word.BACKED_UP, None),
    (1, uploads(2, 3, "4"), Word.BACKED_UP, None),
    (1, uploads(2, 3, 5), Word.UPLOADED, "ZEGOCLOUD could store 1 of 2 files nowhere"),
    (1, uploads(2, 5, 4, 5), Word.BACKED_UP, "ZEGOCLOUD could store 2 of 3 files nowhere"),
    (1, uploads(2, 3, None), Word.BACKED_UP, None),
    (1, uploads(1, 3, **SNAPSHOT), Word.RECORDING, None),
    (1, uploads(1, 3, output_file_format=None, file_id="a.JPG"), Word.RECORDING, None),
    (1, uploads(2, 5, **SNAPSHOT), Word.RECORDING, "ZEGOCLOUD could store 1 of 1 files nowhere"),
    (1, {"file_info": [zego_file(**SNAPSHOT), zego_file()]}, Word.UPLOADED, None),
    (2, {"quit_reason": 3}, Word.ENDED, None),
    (2, {"quit_reason": 4}, Word.ENDED, None),
    (2, {"quit_reason": 99}, Word.ENDED, "ZEGOCLOUD ended the recording: for reason 99"),
    (2, {}, Word.ENDED, "ZEGOCLOUD ended the recording: without a reason"),
    (3, {"image_type": 1}, Word.HEARD, "ZEGOCLOUD could not fetch the background or watermark"),
    (4, {}, Word.RECORDING, None),
    (5, {}, Word.ENDED, None),
    (6, {"stream_id": "s1"}, Word.HEARD, "a stream that was to be recorded does not exist"),
    (7, {}, Word.ENDED, None),
    (102, {"file_id": PLAYLIST}, Word.RECORDING, None),
    (201, {}, Word.RECORDING, None),
    (202, {}, Word.RECORDING, None),
]

QUIT_REASONS = {
    1: "the service could not start",
    2: "the recorder could not log in to the room",
    5: "the engine could not start",
    6: "the recorder lost its network",
    1001: "for an unknown reason",
    1002: "a file's name is too long",
    1003: "a file could not be opened",
    1004: "the recorder's disk is full",
    1005: "the engine could not be set up",
    1006: "a file's header could not be written",
    1007: "a file was not open (EBADF)",
    1008: "a file could not be read or written (EIO)",
    1009: "a channel inside the recorder failed",
    1010: "the format is not supported",
    1011: "the recorder was in an illegal state",
}


@pytest.mark.parametrize(("event_type", "detail", "word", "trouble"), MEANINGS)
def test_what_an_event_type_means(event_type: int, detail: dict[str, object], word: Word, trouble: str | None) -> None:
    event = read(event_type, detail)
    assert (event.word, event.trouble) == (word, trouble)
    assert (event.recording, event.ignored) == (RecordingId(vendor="zego", task_id=TASK), None)
    assert event.details == {"message": "", **detail}


def test_every_event_type_is_in_the_table() -> None:
    assert {row[0] for row in MEANINGS} == set(EVENTS)
    assert {row[0] for row in V1_MEANINGS} == set(EVENTS_V1)


@pytest.mark.parametrize(("reason", "meaning"), QUIT_REASONS.items())
def test_why_a_recording_was_ended(reason: int, meaning: str) -> None:
    event = read(2, {"quit_reason": reason})
    assert (event.word, event.trouble) == (Word.ENDED, f"ZEGOCLOUD ended the recording: {meaning}")


V1_MEANINGS: list[tuple[int, list[object], Word, str | None]] = [
    (1, [3], Word.UPLOADED, None),
    (2, [3, 4], Word.BACKED_UP, None),
    (2, [3, 5], Word.UPLOADED, "ZEGOCLOUD could store 1 of 2 files nowhere"),
    (2, [3, None], Word.BACKED_UP, None),
    (3, [], Word.UPLOADED, None),
]


@pytest.mark.parametrize(("event_type", "statuses", "word", "trouble"), V1_MEANINGS)
def test_the_first_version_means_other_things(
    event_type: int, statuses: list[object], word: Word, trouble: str | None
) -> None:
    document = {**zego_document(event_type), "file_info": [zego_file(status=status) for status in statuses]}
    del document["detail"]
    event = HOOK.read(message(document))
    assert (event.word, event.trouble, len(event.files)) == (word, trouble, len(statuses))
    assert event.name.endswith("(v1)")
    assert event.details == {"message": "", "file_info": document["file_info"]}


def test_a_detail_makes_it_the_second_version_whatever_stands_beside_it() -> None:
    event = read(3, {"image_type": 1}, file_info=[zego_file()])
    assert (event.name, event.files) == ("image failed", ())


def test_an_event_without_detail_and_files_is_of_the_second_version() -> None:
    document = zego_document(3)
    del document["detail"]
    assert HOOK.read(message(document)).name == "image failed"


@pytest.mark.parametrize("code", [8, 103, 2**40])
def test_an_unknown_event_type_is_heard_and_kept(code: int) -> None:
    event = read(code, {"new": [1]}, newer="x")
    assert (event.name, event.word, event.trouble, event.ignored) == (f"event {code}", Word.HEARD, None, None)
    assert event.details == {"message": "", "newer": "x", "new": [1]}


def test_the_envelope() -> None:
    event = read(7)
    assert event.at == datetime(2024, 1, 2, 3, 4, 5, 0, UTC)
    assert (event.sequence, event.room, event.app, event.recorder) == (3, "room1", "1234567890", None)


@pytest.mark.parametrize(
    ("status", "kept"), [(3, Kept.STORED), (4, Kept.BACKUP), (5, Kept.LOST), (2, Kept.COMING), (9, Kept.UNKNOWN)]
)
def test_a_file_and_where_it_is_kept(status: int, kept: Kept) -> None:
    assert read(1, uploads(1, status)).files == (
        NamedFile(
            name=PLAYLIST,
            kept=kept,
            stream="s1",
            user="u1",
            size_bytes=25_349_026,
            duration_s=170.039,
            started_at=datetime(2024, 1, 2, 3, 4, 5, 6000, UTC),
        ),
    )


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ({"file_id": "a.mp4", "file_url": "https://bucket.example/rec/b.mp4"}, "a.mp4"),
        ({"file_id": "", "file_url": "https://bucket.example/rec/b.mp4?X-Sign=1#x"}, "rec/b.mp4"),
        ({"file_url": "rec/b.mp4"}, "rec/b.mp4"),
        ({"file_url": "https://bucket.example"}, None),
        ({"file_url": "https://[bucket/b.mp4"}, None),
        ({"file_id": 7, "file_url": 7}, None),
        ({}, None),
    ],
)
def test_a_file_is_named_by_its_id_or_by_the_path_of_its_url(info: dict[str, object], name: str | None) -> None:
    assert [file.name for file in read(1, {"file_info": [info]}).files] == ([name] if name else [])
    assert [file.name for file in read(102, info).files] == ([name] if name else [])


@pytest.mark.parametrize("task", [None, "", 7, ["a"], "a\0b", "\ud800", "ä" * 513])
def test_a_message_without_a_usable_task_is_about_no_recording(task: object) -> None:
    event = read(7, task_id=task)
    assert (event.recording, event.ignored, event.word) == (None, NO_RECORDING, Word.ENDED)


def test_a_test_is_told_and_still_read() -> None:
    event = read(1, uploads(1, 3), room_id=TEST_ROOM)
    assert not HOOK.is_check(message(zego_document(1, room_id=TEST_ROOM)))
    assert (event.ignored, event.word, len(event.files)) == ("a test", Word.UPLOADED, 1)
    assert event.recording == RecordingId(vendor="zego", task_id=TASK)


def test_a_message_that_is_sent_again_has_the_same_dedupe_id() -> None:
    first = read(1, uploads(1, 3))
    assert read(1, uploads(1, 3), nonce="9", timestamp="1704164650").dedupe_id == first.dedupe_id
    assert first.dedupe_id.startswith(f"1234567890:{TASK}:1:3:")
    assert len(first.dedupe_id.rpartition(":")[2]) == 16


@pytest.mark.parametrize(
    "change",
    [{"app_id": 1}, {"task_id": "other"}, {"sequence": 4}, {"detail": uploads(1, 4)}, {"event_type": 2}],
)
def test_other_messages_have_other_dedupe_ids(change: dict[str, object]) -> None:
    document = {**zego_document(1, uploads(1, 3)), **change}
    assert HOOK.read(message(document)).dedupe_id != read(1, uploads(1, 3)).dedupe_id


def test_files_of_the_first_version_are_part_of_its_dedupe_id() -> None:
    document = {**zego_document(1), "detail": None}
    ids = {HOOK.read(message({**document, "file_info": [zego_file(status=status)]})).dedupe_id for status in (3, 4, 5)}
    assert len(ids) == 3


VECTOR = {"timestamp": "1470820198", "nonce": "123412", "signature": "5bd59fd62953a8059fb7eaba95720f66d19e4517"}


def test_the_signature_of_the_documents() -> None:
    signed = message(VECTOR)
    assert HOOK.fits(signed, "secret")
    assert HOOK.signed_at(signed) == datetime(2016, 8, 10, 9, 9, 58, tzinfo=UTC)
    assert HOOK.seal(signed) == VECTOR["signature"]
    assert not HOOK.fits(signed, "Secret")
    assert not HOOK.fits(signed, "")


@pytest.mark.parametrize("odd", [None, 7, "", "a" * 40 + "\n", "A" * 40, "g" * 40, "a" * 10_000, "\0" * 40])
def test_what_is_no_signature_is_no_seal(odd: object) -> None:
    assert HOOK.seal(message({**VECTOR, "signature": odd})) is None


def test_a_time_may_be_a_number() -> None:
    signed = message({**VECTOR, "timestamp": 1470820198})
    assert HOOK.fits(signed, "secret")
    assert HOOK.signed_at(signed) == datetime(2016, 8, 10, 9, 9, 58, tzinfo=UTC)


def test_a_time_may_be_in_milliseconds() -> None:
    signature = zego_signature("secret", "1470820198006", "123412")
    signed = message({"timestamp": "1470820198006", "nonce": "123412", "signature": signature})
    assert HOOK.fits(signed, "secret")
    assert HOOK.signed_at(signed) == datetime(2016, 8, 10, 9, 9, 58, 6000, UTC)


@pytest.mark.parametrize("timestamp", ["", "0", "soon", "-1470820198", "147082019", "14708201980", "1470820198.0"])
def test_without_a_readable_time_no_secret_fits(timestamp: str) -> None:
    signature = zego_signature("secret", timestamp, "123412")
    signed = message({"timestamp": timestamp, "nonce": "123412", "signature": signature})
    assert HOOK.is_signed(signed)
    assert not HOOK.fits(signed, "secret")


def test_the_texts_are_sorted_by_their_bytes() -> None:
    secret, nonce, timestamp = "ﬀ", "\U00010000", "1470820198"
    signature = zego_signature(secret, timestamp, nonce)
    assert HOOK.fits(message({"timestamp": timestamp, "nonce": nonce, "signature": signature}), secret)


def test_digits_of_the_nonce_cannot_be_passed_off_as_the_time() -> None:
    for cut in range(1, 16):
        digits = "1234121470820198"
        moved = message({**VECTOR, "nonce": digits[:cut], "timestamp": digits[cut:]})
        assert not HOOK.fits(moved, "secret") or HOOK.seal(moved) == VECTOR["signature"]


def test_what_is_no_object_is_kept_too() -> None:
    assert read(7, "text").details == {"message": "", "detail": "text"}
    assert json.loads(json.dumps(dict(read(7, [1]).details))) == {"message": "", "detail": [1]}

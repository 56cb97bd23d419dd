"""Agora's webhooks, event type by event type; shapes from its documents and from messages that users published."""

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from catalog.events import Kept, NamedFile, Presence, PresenceMark, RecordingEvent, Word
from catalog.model import RecordingId
from tests.builders import AGORA_SID as SID
from tests.vendors.messages import SENT_MS, agora_document, message
from vendors.agora.event_types import EVENTS
from vendors.hooks import NO_RECORDING, TEST_ROOM
from vendors.registry import HOOKS

HOOK = HOOKS["agora"]
AT = datetime(2024, 1, 2, 3, 4, 5, 6000, UTC)
PLAYLIST = f"{SID}_room1.m3u8"


def read(event_type: object, details: object = None, **payload: object) -> RecordingEvent:
    return HOOK.read(message(agora_document(event_type, details, **payload)))


def error(level: object, code: object, module: object = 0, **more: object) -> dict[str, object]:
    return {"module": module, "errorLevel": level, "errorCode": code, "stat": 0, "errorMsg": "", **more}


MEANINGS: list[tuple[int, dict[str, object], Word, str | None]] = [
    (1, error(5, 110), Word.ENDED, "Agora reports error 110 of its recorder: the token was wrong"),
    (1, error("5", "47", 1), Word.ENDED, "Agora reports error 47 of its uploader: an upload failed"),
    (1, error(5, 50, 2), Word.ENDED, "Agora reports error 50 of its service: the upload took too long"),
    (1, error(4, 51, 1), Word.HEARD, "Agora reports error 51 of its uploader: a file could not be read or written"),
    (1, error(5, 404, 2), Word.HEARD, "Agora reports error 404 of its service"),
    (1, error(5, 7, 9, errorMsg="no luck"), Word.ENDED, "Agora reports error 7 of its module 9: no luck"),
    (1, {"errorLevel": 5}, Word.ENDED, "Agora reports error without a code"),
    (2, {"module": 1, "warnCode": 31}, Word.MORE, None),
    (2, {"module": 0, "warnCode": 31}, Word.HEARD, "Agora reports warning 31 of its recorder"),
    (
        2,
        {"module": 1, "warnCode": 32},
        Word.HEARD,
        "Agora reports warning 32 of its uploader: a slice went to Agora's backup store",
    ),
    (3, {"status": 5, "recordingMode": 1, "fileList": PLAYLIST}, Word.HEARD, None),
    (4, {"fileList": PLAYLIST}, Word.RECORDING, None),
    (11, {"exitStatus": 0}, Word.ENDED, None),
    (11, {"exitStatus": 1}, Word.ENDED, "Agora's session ended with status 1"),
    (11, {"leaveStatus": 0}, Word.ENDED, None),
    (11, {"leaveStatus": 2}, Word.ENDED, "Agora's session ended with status 2"),
    (12, {"newUid": 881204}, Word.RECORDING, None),
    (13, {}, Word.RECORDING, None),
    (30, {"status": 0}, Word.RECORDING, None),
    (31, {"status": 0, "fileList": []}, Word.UPLOADED, None),
    (32, {"status": "0", "fileList": []}, Word.BACKED_UP, None),
    (33, {"progress": 10000}, Word.RECORDING, None),
    (40, {"status": 0}, Word.RECORDING, None),
    (41, {"leaveCode": 24}, Word.LEFT, None),
    (41, {"leaveCode": 0}, Word.LEFT, "Agora's recorder could not be set up"),
    (42, {}, Word.RECORDING, None),
    (43, {}, Word.RECORDING, None),
    (44, {}, Word.RECORDING, None),
    (45, {"fileName": "rec/a.jpg"}, Word.RECORDING, None),
    (60, {"aliVodInfo": {"videoId": "v"}}, Word.RECORDING, None),
    (61, {"aliVodInfo": {"videoId": "v"}}, Word.MORE, None),
    (70, {"recorderStartTime": SENT_MS}, Word.RECORDING, None),
    (71, {"code": 0, "message": ""}, Word.ENDED, None),
    (71, {"code": 1}, Word.ENDED, "the longest time for a recording was reached"),
    (71, {"code": 2}, Word.ENDED, "the page's recorder lacked the capability"),
    (71, {"code": 3}, Word.ENDED, "the page recorder's engine failed"),
    (71, {"code": 4}, Word.ENDED, "the page did not load in time"),
    (71, {"code": 5}, Word.ENDED, "the page's URL could not be opened"),
    (71, {"code": 6}, Word.ENDED, "the page's recorder failed"),
    (71, {"code": 77}, Word.ENDED, "the page's recorder ended with code 77"),
    (72, {"limitType": "cpu"}, Word.RECORDING, "the page's recorder is at its limit (cpu)"),
    (73, {"reason": "audio_silence"}, Word.RECORDING, "the page was loaded again (audio_silence)"),
    (80, {}, Word.HEARD, None),
    (81, {"result": "all_success"}, Word.MORE, None),
    (81, {"result": "partial_success"}, Word.MORE, "Agora's transcoder says partial_success"),
    (81, {"result": "fail"}, Word.MORE, "Agora's transcoder says fail"),
    (90, {"fileName": "a.ts;b.ts"}, Word.HEARD, "Agora could not fetch files that it was to transcode"),
    (100, {"rtmpUrl": "rtmp://a.example/b", "status": "ok"}, Word.RECORDING, None),
    (1001, {"result": "total_success"}, Word.MORE, None),
    (1001, {"result": "failed"}, Word.MORE, "Agora's transcoder says failed"),
]


@pytest.mark.parametrize(("event_type", "details", "word", "trouble"), MEANINGS)
def test_what_an_event_type_means(event_type: int, details: dict[str, object], word: Word, trouble: str | None) -> None:
    event = read(event_type, details)
    assert (event.word, event.trouble) == (word, trouble)
    assert (event.recording, event.ignored) == (RecordingId(vendor="agora", task_id=SID), None)
    assert event.name == EVENTS[event_type].name
    assert event.details == {"serviceType": 0, "serviceScene": "mix_record", **details}


def test_a_long_reason_is_cut() -> None:
    trouble = read(73, {"reason": "a" * 500}).trouble
    assert trouble == f"the page was loaded again ({'a' * 100})"


def test_every_event_type_is_in_the_table() -> None:
    assert {row[0] for row in MEANINGS} == set(EVENTS)


@pytest.mark.parametrize("code", [34, 46, 47, 48, 110, 113, 2**40, -1])
def test_an_unknown_event_type_is_heard_and_kept(code: int) -> None:
    event = read(code, {"msgName": "sts_expired", "new": [1]}, newer="x")
    assert (event.name, event.word, event.trouble, event.ignored) == (f"event {code}", Word.HEARD, None, None)
    assert event.details["new"] == [1]
    assert event.details["newer"] == "x"


def test_the_envelope() -> None:
    event = read(40, {"status": 0})
    assert event.at == AT
    assert (event.sequence, event.room, event.recorder, event.app) == (3, "room1", "527841", None)


def test_a_message_without_its_own_time_has_that_of_the_notice() -> None:
    assert read(40, sendts=None).at == AT + timedelta(milliseconds=37)


def test_a_real_message_of_2020_has_no_scene() -> None:
    details = {"status": 0, "msgName": "recorder_started"}
    event = HOOK.read(
        message(
            {
                "noticeId": "11dfc30f2492bfd728fdf42e434f8600",
                "notifyMs": 1588692906283,
                "eventType": 40,
                "sid": SID,
                "payload": {
                    "serviceType": 1,
                    "uid": "1007",
                    "sequence": 1,
                    "sendts": 1588692906257,
                    "cname": "Sampler7",
                    "details": details,
                    "sid": SID,
                },
                "productId": 3,
            }
        )
    )
    assert (event.word, event.room, event.sequence) == (Word.RECORDING, "Sampler7", 1)
    assert event.dedupe_id == f"{SID}:1007:40:1:1588692906257"


def test_the_order_of_a_real_recording() -> None:
    order = [40, 44, 43, 43, 44, 4, 4, 44, 43, 42, 44, 43, 41, 43, 44, 44, 11, 43, 31]
    words = [read(code).word for code in order]
    ends = [(code, word) for code, word in zip(order, words, strict=True) if word.is_end]
    assert ends == [(41, Word.LEFT), (11, Word.ENDED), (31, Word.UPLOADED)]


FILE = {"trackType": "audio", "uid": "101", "mixedAllUser": False, "isPlayable": True, "sliceStartTime": SENT_MS}
MIX = {"fileName": PLAYLIST, "uid": "0", "mixedAllUser": True, "sliceStartTime": SENT_MS // 1000}


@pytest.mark.parametrize(
    ("event_type", "details", "files"),
    [
        (31, {"fileList": [{"fileName": "a.m3u8", **FILE}]}, [NamedFile(name="a.m3u8", user="101", started_at=AT)]),
        (31, {"fileList": [{"filename": "a.m3u8"}]}, [NamedFile(name="a.m3u8")]),
        (31, {"fileList": [MIX]}, [NamedFile(name=PLAYLIST, started_at=AT.replace(microsecond=0))]),
        (31, {"fileList": PLAYLIST}, [NamedFile(name=PLAYLIST)]),
        (31, {"fileListStr": PLAYLIST}, [NamedFile(name=PLAYLIST)]),
        (31, {"fileList": [PLAYLIST, "", None, 7, {"fileName": "a\0.m3u8"}, {}]}, [NamedFile(name=PLAYLIST)]),
        (31, {}, []),
        (31, {"fileList": []}, []),
        (32, {"fileList": [{"fileName": "a.m3u8"}]}, [NamedFile(name="a.m3u8")]),
        (3, {"fileList": PLAYLIST}, [NamedFile(name=PLAYLIST)]),
        (4, {"fileList": PLAYLIST}, [NamedFile(name=PLAYLIST)]),
        (45, {"fileName": "rec/a.jpg"}, [NamedFile(name="rec/a.jpg")]),
        (
            71,
            {"fileList": [{"filename": "a.mp4", "sliceStartTime": SENT_MS}]},
            [NamedFile(name="a.mp4", started_at=AT)],
        ),
        (
            81,
            {"uids": [{"uid": 7, "result": "success", "fileList": [{"fileName": "a.mp4"}]}, 5, {"fileList": [{}]}]},
            [NamedFile(name="a.mp4", user="7")],
        ),
        (1001, {"fileList": [{"fileName": "a.mp4"}]}, [NamedFile(name="a.mp4")]),
        (40, {"fileList": PLAYLIST}, []),
    ],
)
def test_the_files_of_a_message(event_type: int, details: dict[str, object], files: list[NamedFile]) -> None:
    kept = Kept.STORED if event_type == 31 else Kept.UNKNOWN
    named = read(event_type, details).files
    assert {file.kept for file in named} <= {kept}
    assert [(file.name, file.user, file.started_at) for file in named] == [
        (file.name, file.user, file.started_at) for file in files
    ]


def mark(
    presence: Presence, track: Literal["audio", "video", "both"] | None, since: datetime | None = None
) -> PresenceMark:
    return PresenceMark(stream="101", track=track, presence=presence, at=AT, since=since)


@pytest.mark.parametrize(
    ("event_type", "details", "presence"),
    [
        (
            42,
            {"startUtcMs": SENT_MS, "discontinueUtcMs": SENT_MS - 6, "streamUid": "101", "trackType": "audio"},
            mark(Presence.SLICE_START, "audio", since=AT.replace(microsecond=0)),
        ),
        (
            42,
            {"startUtcMs": SENT_MS, "discontinueUtcMs": SENT_MS, "streamUid": 101, "trackType": "audio_and_video"},
            mark(Presence.SLICE_START, "both"),
        ),
        (42, {"startUtcMs": SENT_MS, "streamUid": "101", "trackType": []}, mark(Presence.SLICE_START, None)),
        (42, {"streamUid": "101"}, None),
        (42, {"startUtcMs": SENT_MS}, None),
        (43, {"streamUid": "101", "state": 0, "UtcMs": SENT_MS}, mark(Presence.RECEIVING, "audio")),
        (43, {"streamUid": "101", "state": "1", "utcMs": SENT_MS}, mark(Presence.NOT_RECEIVING, "audio")),
        (44, {"streamUid": "101", "state": 0, "utcMs": str(SENT_MS)}, mark(Presence.RECEIVING, "video")),
        (44, {"streamUid": "101", "state": 1, "UtcMs": SENT_MS}, mark(Presence.NOT_RECEIVING, "video")),
        (44, {"streamUid": "101", "state": 2, "utcMs": SENT_MS}, None),
        (44, {"streamUid": "101", "state": True, "utcMs": SENT_MS}, None),
        (44, {"streamUid": "101", "state": 0}, None),
    ],
)
def test_the_marks_for_a_timeline(event_type: int, details: dict[str, object], presence: PresenceMark | None) -> None:
    assert read(event_type, details).presence == ((presence,) if presence else ())


def test_the_sid_of_the_payload_comes_before_that_at_the_top() -> None:
    assert read(40, sid="other").recording == RecordingId(vendor="agora", task_id="other")
    assert read(40, sid=None).recording == RecordingId(vendor="agora", task_id=SID)
    assert read(40, sid="").recording == RecordingId(vendor="agora", task_id=SID)


def test_a_sid_is_kept_as_it_is_spelled() -> None:
    assert read(40, sid=SID.upper()).recording == RecordingId(vendor="agora", task_id=SID.upper())


@pytest.mark.parametrize("sid", [None, "", 7, ["a"], "a\0b", "\ud800", "ä" * 513, "a" * 1025])
def test_a_message_without_a_usable_sid_is_about_no_recording(sid: object) -> None:
    event = HOOK.read(message({**agora_document(31, sid=sid), "sid": sid}))
    assert (event.recording, event.ignored, event.word) == (None, NO_RECORDING, Word.UPLOADED)


def test_other_products_are_ignored() -> None:
    rtc = {
        "sid": SID.upper(),
        "noticeId": "1326815000:730521:31",
        "productId": 1,
        "eventType": 31,
        "notifyMs": SENT_MS,
        "payload": {"channelName": "room1", "lastUid": 628756, "ts": 1704164644},
    }
    event = HOOK.read(message(rtc))
    assert (event.recording, event.ignored) == (None, "not of cloud recording")
    assert (event.word, event.name, event.trouble, event.files) == (Word.HEARD, "event 31", None, ())
    assert event.details == rtc["payload"]
    assert HOOK.read(message({**rtc, "notifyMs": SENT_MS + 9})).dedupe_id == event.dedupe_id


@pytest.mark.parametrize(
    ("room", "ignored"), [("test_webhook", "a console's check"), (TEST_ROOM, "a test"), ("room1", None)]
)
def test_a_test_is_told_and_still_read(room: str, ignored: str | None) -> None:
    checked = message(agora_document(31, {"fileList": PLAYLIST}, cname=room, uid="12121212"))
    event = HOOK.read(checked)
    assert HOOK.is_check(checked) is (room == "test_webhook")
    assert (event.ignored, event.word, event.room) == (ignored, Word.UPLOADED, room)
    assert event.recording == RecordingId(vendor="agora", task_id=SID)
    assert len(event.files) == 1


def test_a_message_that_is_sent_again_has_the_same_dedupe_id() -> None:
    first = agora_document(31)
    again = {**first, "notifyMs": SENT_MS + 5000, "noticeId": "another one, of a redundant service"}
    assert HOOK.read(message(again)).dedupe_id == HOOK.read(message(first)).dedupe_id == f"{SID}:527841:31:3:{SENT_MS}"


@pytest.mark.parametrize("change", [{"sid": "other"}, {"uid": "9"}, {"sequence": 4}, {"sendts": SENT_MS + 1}])
def test_other_messages_have_other_dedupe_ids(change: dict[str, object]) -> None:
    assert read(31, **change).dedupe_id != read(31).dedupe_id
    assert read(32).dedupe_id != read(31).dedupe_id


def test_without_a_sequence_the_notice_is_the_dedupe_id() -> None:
    document = agora_document(31, sequence=None)
    assert HOOK.read(message(document)).dedupe_id == f"{document['noticeId']}:31"
    odd = HOOK.read(message({**document, "noticeId": "a notice of 300 characters" * 12})).dedupe_id
    assert odd.startswith("sha256:")
    assert len(odd) == 71


def test_without_a_notice_the_body_is_the_dedupe_id() -> None:
    document = {**agora_document(31, sequence=None), "noticeId": None}
    first = HOOK.read(message(document)).dedupe_id
    assert first.startswith("body:")
    assert HOOK.read(message({**document, "notifyMs": 1})).dedupe_id == first
    assert HOOK.read(message({**document, "more": 1})).dedupe_id != first


def test_what_is_no_object_is_kept_too() -> None:
    assert HOOK.read(message({**agora_document(31), "payload": [1]})).details == {"payload": [1]}
    assert read(31, "text").details["details"] == "text"

"""Readers of messages never fail, and give nothing that a database would refuse."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.events import RecordingEvent, Signature
from tests.vendors.messages import agora_document, jocloud_document, zego_document, zego_file
from vendors.agora.event_types import EVENTS as AGORA_EVENTS
from vendors.fields import MAX_DEDUPE_ID, MAX_TEXT
from vendors.hooks import Key, Message, check
from vendors.registry import HOOKS
from vendors.zego.event_types import EVENTS as ZEGO_EVENTS

KEYS = (Key(secret="a Secret of 32 characters, é 1234", source="rooms"),)  # noqa: S106
SENT_AT = datetime(2024, 1, 2, 3, 4, 5, 0, UTC)
SURROGATES = st.characters(codec=None, exclude_categories=())
TEXTS = st.one_of(
    st.text(SURROGATES, max_size=6),
    st.sampled_from(
        ["", "\0", "\ud800", "a" * 1025, "ä" * 600, "0", "1", "31", "-1", "1e9", "٣", "nan", "http://[", "0" * 40]
    ),
)
NUMBERS = st.one_of(
    st.integers(-2, 120),
    st.integers(min_value=-(10**40), max_value=10**40),
    st.sampled_from([1001, 10**11, 10**14, 2**31, 2**63, 10**4000, 1_704_164_645, 1_704_164_645_006]),
    st.floats(),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


def holding(
    known: Mapping[str, Any], fields: Mapping[str, st.SearchStrategy[Any]]
) -> st.SearchStrategy[dict[str, Any]]:
    """A known object with some of its fields replaced by anything, or made of parts that are."""
    odd = {name: st.one_of(st.just(value), VALUES) for name, value in known.items()}
    return st.fixed_dictionaries({}, optional={**odd, **fields})


AGORA_FILE = {"fileName": "a", "filename": "a", "uid": "1", "mixedAllUser": True, "sliceStartTime": 1_704_164_645_006}
AGORA_FILES = st.one_of(VALUES, st.lists(st.one_of(holding(AGORA_FILE, {}), VALUES), max_size=3))
AGORA_DETAILS = holding(
    dict.fromkeys(("module", "errorLevel", "errorCode", "warnCode", "leaveCode", "code", "exitStatus", "state"), 1)
    | dict.fromkeys(("errorMsg", "leaveStatus", "result", "reason", "limitType", "streamUid", "trackType"), "a")
    | dict.fromkeys(("startUtcMs", "discontinueUtcMs", "utcMs", "UtcMs"), 1704164645006),
    {"fileList": AGORA_FILES, "uids": st.lists(holding({"uid": "1"}, {"fileList": AGORA_FILES}), max_size=2)},
)
AGORA_PAYLOADS = holding(agora_document(31)["payload"], {"details": st.one_of(VALUES, AGORA_DETAILS)})
ZEGO_FILES = st.one_of(VALUES, st.lists(st.one_of(holding(zego_file(), {}), VALUES), max_size=3))
ZEGO_DETAILS = holding({"upload_status": 2, "quit_reason": 3, **zego_file()}, {"file_info": ZEGO_FILES})
DOCUMENTS = {
    "agora": holding(
        agora_document(31),
        {
            "eventType": st.one_of(st.sampled_from(sorted(code or 0 for code in AGORA_EVENTS)), VALUES),
            "payload": AGORA_PAYLOADS,
        },
    ),
    "zego": holding(
        zego_document(1),
        {
            "event_type": st.one_of(st.sampled_from(sorted(code or 0 for code in ZEGO_EVENTS)), VALUES),
            "detail": st.one_of(VALUES, ZEGO_DETAILS),
            "file_info": ZEGO_FILES,
        },
    ),
    "jocloud": holding(jocloud_document(), {"context": st.one_of(VALUES, holding(jocloud_document()["context"], {}))}),
}


def is_storable(text: str | None) -> bool:
    return text is None or (0 < len(text) <= MAX_TEXT and not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text))


def assert_usable(event: RecordingEvent) -> None:
    texts = [event.name, event.app, event.room, event.recorder, event.trouble, event.ignored]
    texts += [text for file in event.files for text in (file.name, file.stream, file.user)]
    texts += [mark.stream for mark in event.presence]
    assert all(is_storable(text) for text in texts)
    assert event.recording is None or len(event.recording.task_id.encode()) <= MAX_TEXT
    assert event.recording is None or is_storable(event.recording.task_id)
    assert (event.recording is None) <= (event.ignored is not None)
    assert event.dedupe_id.isascii()
    assert event.dedupe_id.isprintable()
    assert 0 < len(event.dedupe_id) <= MAX_DEDUPE_ID
    assert event.sequence is None or 0 <= event.sequence < 2**31
    assert all(file.size_bytes is None or 0 <= file.size_bytes < 2**63 for file in event.files)
    times = [event.at, *(file.started_at for file in event.files), *(mark.at for mark in event.presence)]
    assert all(at is None or at.tzinfo is UTC for at in times)


@pytest.mark.parametrize("vendor", HOOKS)
def test_whatever_is_posted_is_read(vendor: str) -> None:
    hook = HOOKS[vendor]

    @settings(max_examples=150, derandomize=True, deadline=None, database=None)
    @given(st.one_of(DOCUMENTS[vendor], st.dictionaries(TEXTS, VALUES, max_size=4)))
    def read(document: dict[str, Any]) -> None:
        sent = Message(body=b"{}", document=document, headers={})
        event = hook.read(sent)
        assert_usable(event)
        assert hook.read(sent) == event
        assert hook.is_check(sent) in {True, False}
        assert check(hook, sent, KEYS, SENT_AT).signature in {Signature.NONE, Signature.WRONG}
        assert is_storable(hook.seal(sent))

    read()

"""ZEGOCLOUD's webhooks (ZEGOCLOUD, Cloud Recording: recording status callback; signature verification).

The signature covers a nonce and a time and nothing else: whoever saw one message can say anything under it.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from catalog.events import RecordingEvent
from vendors.fields import (
    dedupe_id,
    fingerprint,
    kept_whole,
    label,
    mapping,
    number,
    recording_of,
    sequence_number,
    when,
    without,
)
from vendors.hooks import NO_RECORDING, Hook, Message, own_test
from vendors.zego.event_types import event_type
from vendors.zego.names import VENDOR

_KNOWN = frozenset(
    {"app_id", "task_id", "room_id", "event_type", "nonce", "timestamp", "signature", "sequence", "detail", "file_info"}
)
_SENT = re.compile("[0-9]{10}(?:[0-9]{3})?")
"""Seconds or milliseconds of our days. Other lengths would let digits of the nonce be passed off as the time's."""
_SIGNATURE = re.compile("[0-9a-f]{40}")
_HASHED = 16
"""Digits of the part of a dedupe id that stands for what no signature covers."""


def is_signed(message: Message) -> bool:
    """Whether a signature stands in the body."""
    return message.document.get("signature") is not None


def fits(message: Message, secret: str) -> bool:
    """Whether the secret signed nonce and time: SHA-1 over the three texts, sorted by their bytes and put together."""
    nonce, sent, given = _nonce(message.document), _sent(message.document), message.document.get("signature")
    if not secret or nonce is None or sent is None or not isinstance(given, str):
        return False
    parts = sorted((secret.encode(), sent.encode(), nonce.encode("utf-8", "surrogatepass")))
    expected = hashlib.sha1(b"".join(parts), usedforsecurity=False).hexdigest()
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def signed_at(message: Message) -> datetime | None:
    """When the message was sent; None only where no secret fits either."""
    return when(_sent(message.document))


def seal(message: Message) -> str | None:
    """The signature: one for all ways to cut the signed text into a nonce and a time, and for one secret only."""
    given = message.document.get("signature")
    return given if isinstance(given, str) and _SIGNATURE.fullmatch(given) else None


def app(message: Message) -> str | None:
    """The project, which the signature does not cover."""
    return label(message.document.get("app_id"))


def is_check(message: Message) -> bool:  # noqa: ARG001 - of no message
    """False: ZEGOCLOUD's console sends none."""
    return False


def read(message: Message) -> RecordingEvent:
    """What the message means. The first version of these has no `detail`, and `file_info` at the top."""
    document = message.document
    is_v1 = document.get("detail") is None and document.get("file_info") is not None
    detail = {"file_info": document.get("file_info")} if is_v1 else mapping(document.get("detail"))
    meant = event_type(number(document.get("event_type")), is_v1=is_v1)
    word, trouble = meant.judge(detail)
    recording = recording_of(VENDOR, document.get("task_id"))
    return RecordingEvent(
        vendor=VENDOR,
        dedupe_id=_dedupe_id(document),
        name=meant.name,
        word=word,
        recording=recording,
        ignored=own_test(document.get("room_id")) or (None if recording else NO_RECORDING),
        at=when(document.get("timestamp")),
        sequence=sequence_number(document.get("sequence")),
        app=app(message),
        room=label(document.get("room_id")),
        trouble=trouble,
        files=meant.files(detail),
        details=kept_whole(detail if is_v1 else document.get("detail"), "detail", without(document, *_KNOWN)),
    )


HOOK: Final = Hook(
    vendor=VENDOR,
    covers_body=False,
    is_signed=is_signed,
    fits=fits,
    signed_at=signed_at,
    seal=seal,
    app=app,
    is_check=is_check,
    read=read,
)


def _nonce(document: Mapping[str, Any]) -> str | None:
    nonce = document.get("nonce")
    return nonce if isinstance(nonce, str) and nonce else None


def _sent(document: Mapping[str, Any]) -> str | None:
    """`timestamp` as it was signed: seconds as text, or a number that is meant as one."""
    written = label(document.get("timestamp"))
    return written if written is not None and _SENT.fullmatch(written) else None


def _dedupe_id(document: Mapping[str, Any]) -> str:
    """`(app_id, task_id, sequence)` name a message; its content is part of the id, since nobody signed it."""
    said = document.get("detail")
    return dedupe_id(
        label(document.get("app_id")),
        label(document.get("task_id")),
        number(document.get("event_type")),
        sequence_number(document.get("sequence")),
        fingerprint(document.get("file_info") if said is None else said)[:_HASHED],
    )

"""Agora's webhooks (Agora, Notifications: receive notifications, verify signatures, event types of cloud recording).

The signature covers the raw body. Deliveries repeat and come in any order.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from catalog.events import RecordingEvent, Word
from catalog.model import RecordingId
from vendors.agora.event_types import event_type
from vendors.agora.names import VENDOR
from vendors.fields import (
    dedupe_id,
    event_name,
    fingerprint,
    kept_whole,
    label,
    mapping,
    number,
    recording_of,
    sequence_number,
    text,
    when,
    without,
)
from vendors.hooks import NO_RECORDING, Hook, Message, own_test

_CLOUD_RECORDING = 3
_CONSOLE_ROOM: Final = "test_webhook"
"""The channel of the samples that Agora's console posts as a health check."""
_V2, _V1 = "agora-signature-v2", "agora-signature"
_KNOWN_TOP = frozenset({"noticeId", "productId", "eventType", "notifyMs", "payload", "sid"})
_KNOWN_PAYLOAD = frozenset({"cname", "uid", "sid", "sequence", "sendts", "details"})


def is_signed(message: Message) -> bool:
    """Whether a signature was sent, in either header."""
    return _V2 in message.headers or _V1 in message.headers


def fits(message: Message, secret: str) -> bool:
    """Whether the secret signed the raw body: HMAC-SHA256, or HMAC-SHA1 where only the older header was sent."""
    header, digest = (_V2, hashlib.sha256) if _V2 in message.headers else (_V1, hashlib.sha1)
    given = message.headers.get(header)
    return bool(secret) and given is not None and _is_signature(given, message.body, secret, digest)


def _is_signature(given: str, body: bytes, secret: str, digest: Callable[..., Any]) -> bool:
    expected = hmac.new(secret.encode(), body, digest).hexdigest()
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def signed_at(message: Message) -> datetime | None:  # noqa: ARG001 - of no message
    """None: `notifyMs` is signed, but a message is sent again with another one, and a late one is no forgery."""
    return None


def seal(message: Message) -> str | None:  # noqa: ARG001 - of no message
    """None: the signature covers the body."""
    return None


def app(message: Message) -> str | None:  # noqa: ARG001 - of no message
    """None: messages name no project."""
    return None


def is_check(message: Message) -> bool:
    """Whether the console's health check sent it."""
    return mapping(message.document.get("payload")).get("cname") == _CONSOLE_ROOM


def read(message: Message) -> RecordingEvent:
    """What the message means."""
    document = message.document
    if not _is_cloud_recording(document):
        return _of_another_product(document)
    payload, code = mapping(document.get("payload")), number(document.get("eventType"))
    details, meant, recording = mapping(payload.get("details")), event_type(code), _recording(document)
    word, trouble = meant.judge(details)
    return RecordingEvent(
        vendor=VENDOR,
        dedupe_id=_dedupe_id(document),
        name=meant.name,
        word=word,
        recording=recording,
        ignored=_test(document) or (None if recording else NO_RECORDING),
        at=_at(document),
        sequence=sequence_number(payload.get("sequence")),
        room=text(payload.get("cname")),
        recorder=label(payload.get("uid")),
        trouble=trouble,
        files=meant.files(details),
        presence=meant.presence(details),
        details=_details(document),
    )


HOOK: Final = Hook(
    vendor=VENDOR,
    covers_body=True,
    is_signed=is_signed,
    fits=fits,
    signed_at=signed_at,
    seal=seal,
    app=app,
    is_check=is_check,
    read=read,
    is_told=False,
)


def _is_cloud_recording(document: Mapping[str, Any]) -> bool:
    product = document.get("productId")
    return product is None or number(product) == _CLOUD_RECORDING


def _of_another_product(document: Mapping[str, Any]) -> RecordingEvent:
    """Other products of the project may post to the same URL; their event types mean other things."""
    return RecordingEvent(
        vendor=VENDOR,
        dedupe_id=_dedupe_id(document),
        name=event_name(number(document.get("eventType"))),
        word=Word.HEARD,
        ignored=_test(document) or "not of cloud recording",
        at=_at(document),
        details=_details(document),
    )


def _test(document: Mapping[str, Any]) -> str | None:
    room = mapping(document.get("payload")).get("cname")
    return "a console's check" if room == _CONSOLE_ROOM else own_test(room)


def _recording(document: Mapping[str, Any]) -> RecordingId | None:
    """`sid` stands in the payload, at the top, or in both."""
    in_payload = recording_of(VENDOR, mapping(document.get("payload")).get("sid"))
    return in_payload or recording_of(VENDOR, document.get("sid"))


def _at(document: Mapping[str, Any]) -> datetime | None:
    return when(mapping(document.get("payload")).get("sendts")) or when(document.get("notifyMs"))


def _details(document: Mapping[str, Any]) -> Mapping[str, Any]:
    payload = document.get("payload")
    within = mapping(payload)
    around = {**without(document, *_KNOWN_TOP), **without(within, *_KNOWN_PAYLOAD)}
    if payload is not None and not isinstance(payload, dict):
        around["payload"] = payload
    return kept_whole(within.get("details"), "details", around)


def _dedupe_id(document: Mapping[str, Any]) -> str:
    """`noticeId` may change with the service that sends, `notifyMs` with every delivery; the sequence does not."""
    payload, code = mapping(document.get("payload")), number(document.get("eventType"))
    recording, uid = _recording(document), label(payload.get("uid"))
    sequence, notice = sequence_number(payload.get("sequence")), text(document.get("noticeId"))
    if recording is not None and uid is not None and sequence is not None and _is_cloud_recording(document):
        return dedupe_id(recording.task_id, uid, code, sequence, number(payload.get("sendts")))
    if notice is not None:
        return dedupe_id(notice, code)
    return dedupe_id("body", fingerprint(without(document, "notifyMs")))

"""Jocloud's webhooks (Jocloud, Cloud Recording RESTful API: callback service).

Nothing is signed: a secret in the URL that a recording was started with is all there is to tell who posts.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from catalog.events import NamedFile, RecordingEvent, Word
from vendors.fields import (
    dedupe_id,
    event_name,
    fingerprint,
    kept_whole,
    label,
    mapping,
    number,
    path_of,
    recording_of,
    seconds,
    text,
    when,
    without,
)
from vendors.hooks import NO_RECORDING, Hook, Message, own_test
from vendors.jocloud.names import VENDOR

WORDS: Final[Mapping[str | None, Word]] = MappingProxyType({"recordtask_m3u8_info": Word.ENDED})
"""By `msgname`. One file is complete then, and others may follow. No other name is documented; they say `HEARD`."""

_CLOUD_RECORDING = 1
_MIXED_USER = "0"
_KNOWN = frozenset({"msgid", "product", "msgtype", "notifytime", "context"})
_HASHED = 16
"""Digits of the part of a dedupe id that stands for what no signature covers."""


def is_signed(message: Message) -> bool:
    """Whether the URL held a secret."""
    return bool(message.url_secret)


def fits(message: Message, secret: str) -> bool:
    """Whether the URL's secret is this one."""
    given = (message.url_secret or "").encode("utf-8", "surrogatepass")
    return bool(secret) and hmac.compare_digest(secret.encode(), given)


def signed_at(message: Message) -> datetime | None:  # noqa: ARG001 - of no message
    """None: nothing is signed."""
    return None


def seal(message: Message) -> str | None:  # noqa: ARG001 - of no message
    """None: nothing is signed."""
    return None


def app(message: Message) -> str | None:
    """The project, which nothing vouches for."""
    return label(_context(message.document).get("appid"))


def is_check(message: Message) -> bool:  # noqa: ARG001 - of no message
    """False: a console's test is not documented."""
    return False


def read(message: Message) -> RecordingEvent:
    """What the message means."""
    document, context = message.document, _context(message.document)
    recording = recording_of(VENDOR, context.get("recordid")) if _is_cloud_recording(document) else None
    name = text(context.get("msgname"))
    word = WORDS.get(name, Word.HEARD) if _is_cloud_recording(document) else Word.HEARD
    return RecordingEvent(
        vendor=VENDOR,
        dedupe_id=_dedupe_id(document),
        name=name or event_name(number(document.get("msgtype"))),
        word=word,
        recording=recording,
        ignored=_ignored(document) or (None if recording else NO_RECORDING),
        at=when(document.get("notifytime")),
        app=app(message),
        room=label(context.get("roomid")),
        files=_files(context) if word is Word.ENDED else (),
        details=kept_whole(document.get("context"), "context", without(document, *_KNOWN)),
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
    is_in_url=True,
)


def _context(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(document.get("context"))


def _is_cloud_recording(document: Mapping[str, Any]) -> bool:
    product = document.get("product")
    return product is None or number(product) == _CLOUD_RECORDING


def _ignored(document: Mapping[str, Any]) -> str | None:
    test = own_test(_context(document).get("roomid"))
    return test or (None if _is_cloud_recording(document) else "not of cloud recording")


def _files(context: Mapping[str, Any]) -> tuple[NamedFile, ...]:
    """The path of `fileaddress`, which ends in the key; an address that is a host alone names no file."""
    name = path_of(context.get("fileaddress"))
    if name is None:
        return ()
    started_at, duration_s = when(context.get("starttime")), seconds(context.get("duration"))
    return (NamedFile(name=name, user=_user(context.get("uid")), duration_s=duration_s, started_at=started_at),)


def _user(uids: object) -> str | None:
    """`uid` is a list; one `0` stands for the mixed recording."""
    user = label(uids[0]) if isinstance(uids, list) and len(uids) == 1 else label(uids)
    return None if user == _MIXED_USER else user


def _dedupe_id(document: Mapping[str, Any]) -> str:
    """`msgid` names a message; its content is part of the id, since nobody signed it."""
    msgid, context = label(document.get("msgid")), document.get("context")
    if msgid is None:
        return dedupe_id("body", fingerprint(without(document, "notifytime")))
    return dedupe_id(msgid, fingerprint(context)[:_HASHED])

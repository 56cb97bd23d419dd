"""Webhooks as all vendors have them in common: a message, whether it is signed, and what that shows. Pure."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from catalog.events import RecordingEvent, Signature

TOLERANCE: Final = timedelta(minutes=5)
"""How far the time that a vendor signed may lie from ours."""
TEST_ROOM: Final = "aftertake-webhook-test"
"""The room of our own messages for trying a hook out: of any vendor, answered, and without effect."""
NO_RECORDING: Final = "it names no recording that could be looked for"
"""Why a message without a usable task id is ignored."""
MAX_NESTING: Final = 64
"""Objects and lists inside each other; the vendors' own messages have seven at most."""


class MessageError(ValueError):
    """What was posted is no message; the text says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a vendor posted: the raw body, the object that it holds, headers in small letters, and the URL's secret."""

    body: bytes
    document: Mapping[str, Any]
    headers: Mapping[str, str]
    url_secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A secret, and the source that it speaks for; of that source's project only, where a message names one too."""

    secret: str = field(repr=False)
    source: str | None
    app: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """The webhooks of one vendor.

    `is_signed` says whether a message carries anything to check, `fits` whether a secret made that, in constant time;
    nothing fits where a signed time cannot be read. `signed_at` is that time, None where none is signed. `seal` names
    what was signed where that is not the body (`covers_body`). `app` is the project that the message names. `is_check`
    tells a console's test, which is answered even before the console has told its secret, and has no effect. `read`
    says what the message means; it takes whatever is well-formed. `is_in_url`: nothing is signed, and the secret stands
    in the URL instead. `is_told`: a recording is begun with the URL of its webhooks, which else stands in the console.
    """

    vendor: str
    covers_body: bool
    is_signed: Callable[[Message], bool]
    fits: Callable[[Message, str], bool]
    signed_at: Callable[[Message], datetime | None]
    seal: Callable[[Message], str | None]
    app: Callable[[Message], str | None]
    is_check: Callable[[Message], bool]
    read: Callable[[Message], RecordingEvent]
    is_in_url: bool = False
    is_told: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a signature shows, and the names of the sources that it speaks for."""

    signature: Signature
    sources: tuple[str, ...] = ()


def check(hook: Hook, message: Message, keys: Iterable[Key], now: datetime) -> Checked:
    """Whether one of the secrets signed the message, lately where the time is signed. Without secrets none is good."""
    known = [key for key in keys if key.secret]
    if not known:
        return Checked(signature=Signature.UNCONFIGURED)
    if not hook.is_signed(message):
        return Checked(signature=Signature.NONE)
    fitting = [key for key in known if hook.fits(message, key.secret)]
    if not fitting:
        return Checked(signature=Signature.WRONG)
    signed_at = hook.signed_at(message)
    if signed_at is not None and abs(now - signed_at) > TOLERANCE:
        return Checked(signature=Signature.STALE)
    app = hook.app(message)
    meant = [key.source for key in fitting if key.source is not None and (app is None or key.app in {None, app})]
    return Checked(signature=Signature.GOOD, sources=tuple(dict.fromkeys(meant)))


def own_test(room: object) -> str | None:
    """Why a message of this room is ignored, where the room is that of our own tests."""
    return "a test" if room == TEST_ROOM else None


def parse(body: bytes) -> Mapping[str, Any]:
    """The JSON object that a body holds, as it is or percent-encoded. Raises `MessageError`."""
    try:
        document = _loaded(body)
    except MessageError:
        if not body.lstrip().startswith(b"%7"):
            raise
        document = _loaded(unquote_to_bytes(body))
    return document


def _loaded(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise MessageError("the JSON is nested too deeply") from None
    except ValueError:
        raise MessageError("the body is no JSON") from None
    if not isinstance(document, dict):
        raise MessageError("the JSON is no object")
    if _is_deeper(document, MAX_NESTING):
        raise MessageError("the JSON is nested too deeply")
    return document


def _finite(text: str) -> float:
    number = float(text)
    return number if isfinite(number) else _refused(text)


def _refused(number: str) -> float:
    """RFC 8259 §6 has no infinity, and no database keeps one in JSON."""
    raise ValueError(number)


def _is_deeper(document: object, limit: int) -> bool:
    """Whether objects and lists lie deeper in each other; what passes can be walked and written without care."""
    level = [document]
    for _ in range(limit):
        level = [inner for outer in level for inner in _inside(outer)]
    return any(isinstance(value, dict | list) for value in level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()

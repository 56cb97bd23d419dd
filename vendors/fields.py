"""Fields of the vendors' messages, read whatever they hold: what cannot be used is None. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from catalog.model import RecordingId

MAX_TEXT: Final = 1024
"""Characters of a room, a user, a stream or a file's name; in UTF-8, bytes of a task id."""
MAX_DEDUPE_ID: Final = 300
"""Characters of a dedupe id."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_DIGITS = re.compile("-?[0-9]{1,19}")
_PLAIN = re.compile("[!-9;-~]+")
_LARGEST = 2**63 - 1
_LARGEST_SEQUENCE = 2**31 - 1
# 10^11 seconds are the year 5138, as milliseconds they are the year 1973
_FIRST_MILLISECOND, _LAST_MILLISECOND = 10**11, 10**14
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text(value: object) -> str | None:
    """A text that a database can hold: not empty, not endless, without NUL and lone surrogates."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or _UNSTORABLE.search(value):
        return None
    return value


def label(value: object) -> str | None:
    """A text, or a whole number written as one: vendors are not of one mind about ids."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        return str(value)
    return text(value)


def number(value: object) -> int | None:
    """A whole number, also written as text, of at most 64 bits."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        return None
    return value


def count(value: object) -> int | None:
    """A number that is not negative."""
    counted = number(value)
    return None if counted is None or counted < 0 else counted


def sequence_number(value: object) -> int | None:
    """The number of a message within its recording."""
    counted = count(value)
    return None if counted is None or counted > _LARGEST_SEQUENCE else counted


def when(value: object) -> datetime | None:
    """A time since 1970 in seconds or in milliseconds, which its size tells apart."""
    since = number(value)
    if since is None or not 0 < since < _LAST_MILLISECOND:
        return None
    return _EPOCH + (timedelta(seconds=since) if since < _FIRST_MILLISECOND else timedelta(milliseconds=since))


def seconds(milliseconds: object) -> float | None:
    """A length that is given in milliseconds."""
    length = count(milliseconds)
    return None if length is None else length / 1000


def mapping(value: object) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else _NOTHING


def mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def first(document: Mapping[str, Any], *names: str) -> Any:  # noqa: ANN401 - JSON has no type
    """The field that goes by one of these names."""
    return next((document[name] for name in names if document.get(name) is not None), None)


def recording_of(vendor: str, task_id: object) -> RecordingId | None:
    """The recording with this task id, as the vendor spells it."""
    named = text(task_id)
    if named is None or len(named.encode()) > MAX_TEXT:
        return None
    return RecordingId(vendor=vendor, task_id=named)


def path_of(url: object) -> str | None:
    """The path of a URL, which ends in the key; the URL itself is never opened."""
    written = text(url)
    try:
        return None if written is None else text(urlsplit(written).path.lstrip("/"))
    except ValueError:
        return None


def event_name(code: int | None) -> str:
    """What to call an event of which only the number is known."""
    return "event without a type" if code is None else f"event {code}"


def kept_whole(details: object, name: str, around: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a vendor says under `name`, whole, with those fields around it that we do not know."""
    if isinstance(details, dict):
        return {**around, **details}
    return around if details is None else {**around, name: details}


def fingerprint(value: object) -> str:
    """64 digits for a JSON value, however it was written."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def dedupe_id(*parts: str | int | None) -> str:
    """One id of several parts, `-` for those that are missing; of odd parts, or long ones, their fingerprint."""
    written = ["-" if part is None else str(part) for part in parts]
    joined = ":".join(written)
    if len(joined) > MAX_DEDUPE_ID or not all(_PLAIN.fullmatch(part) for part in written):
        return f"sha256:{fingerprint(written)}"
    return joined


def without(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The other fields."""
    return {key: value for key, value in document.items() if key not in names}

"""Texts of strangers, as they are kept for people: few, short, harmless, and such as every database can hold."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

MOST_HEADERS: Final = 32
MOST_CHARACTERS: Final = 256
"""Of a header, or an id: longer than any signature, and than what is read of a user agent."""
_SHOWN: Final = re.compile(
    r"content-(type|length)|date|forwarded|host|user-agent|via|x-forwarded-(for|host|proto)|x-real-ip|x-request-id"
    r"|agora-signature[a-z0-9-]{0,32}"
)
"""Named one by one, because any other header may carry a password. A signature is none: it shows what was signed."""
_BEGINNING: Final = 64
_ODD: Final = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")


def headers_for_people(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that help to find out where a request came from; names are in small letters."""
    shown = [(name, value) for name, value in headers.items() if _SHOWN.fullmatch(name)]
    return {name: clean(value[:MOST_CHARACTERS]) for name, value in shown[:MOST_HEADERS]}


def clean(text: str) -> str:
    """The text with its control characters and lone surrogates spelled out, so that what differs still does."""
    return _ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def clean_id(text: str) -> str:
    """An id, clean; of one that no index of a database holds, the beginning and what tells it from others."""
    cleaned = clean(text)
    if len(cleaned) <= MOST_CHARACTERS:
        return cleaned
    return f"{cleaned[:_BEGINNING]}…{sha256(cleaned.encode()).hexdigest()}"

"""Ids as parts of keys: reversible percent-encoding, abbreviated where an id is too long for a key.

Letters keep their case, so ids that differ only in case have different keys (a store that folds case must refuse them).
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from catalog.errors import LayoutError

MAX_COMPONENT_BYTES: Final = 120
_KEPT_BYTES: Final = 80
_MARK: Final = "~"  # never left bare by the encoding, so that no id can look like an abbreviation
_ABBREVIATED: Final = re.compile(r"[A-Za-z0-9._%-]{78,80}~[0-9a-f]{16}")
_CUT_ESCAPE: Final = re.compile(r"%[0-9A-F]?\Z")
_DOTS: Final = {".": "%2E", "..": "%2E%2E"}


@dataclass(frozen=True, slots=True)
class Abbreviated:
    """What a key still says of an id that was too long: `{first 80}~{sha16}`. The true id is in the manifest."""

    text: str


Component = str | Abbreviated


def encode_component(value: Component) -> str:
    """An id as one part of a key: ASCII letters, digits, `.`, `_` and `-` as they are, all else as `%XX` of its UTF-8.

    More than 120 bytes become the first 80 (no escape is cut), `~`, and 16 hex digits of the SHA-256 of the id.
    """
    if isinstance(value, Abbreviated):
        return value.text
    if not value:
        message = "an empty id cannot be part of a key"
        raise LayoutError(message)
    encoded = _DOTS.get(value) or _escape(value)
    if len(encoded) <= MAX_COMPONENT_BYTES:
        return encoded
    sha16 = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return shorten(encoded, _KEPT_BYTES, sha16)


def decode_component(text: str) -> Component:
    """The id in one part of a key. Raises `LayoutError` unless `encode_component` gives this very text for it."""
    if _ABBREVIATED.fullmatch(text):
        return Abbreviated(text)
    try:
        value = unquote(text, errors="surrogatepass")
    except UnicodeDecodeError:
        value = ""
    if not value or encode_component(value) != text:
        message = f"{text!r} is no encoded id"
        raise LayoutError(message)
    return value


def shorten(encoded: str, kept_bytes: int, sha16: str) -> str:
    """The beginning of an encoded text, marked as an abbreviation; an escape is kept whole or left out."""
    return f"{_CUT_ESCAPE.sub('', encoded[:kept_bytes])}{_MARK}{sha16}"


def _escape(value: str) -> str:
    return quote(value, safe="", errors="surrogatepass").replace(_MARK, "%7E")

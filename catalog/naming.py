"""Naming rules: templates that name downloads and, if wanted, media keys.

A rule is text with `{vendor} {task_id} {room} {user} {stream} {kind} {started_at}` in it, for example
`{room}/{started_at}_{user}_{task_id}_{stream}`. The vendors' own rules are presets of the vendor packages.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Final

from catalog.components import encode_component, shorten
from catalog.errors import NamingError
from catalog.layout import MediaName
from catalog.model import StreamKind
from catalog.wire import utc_text

PLACEHOLDERS: Final = ("vendor", "task_id", "room", "user", "stream", "kind", "started_at")
MEDIA_PLACEHOLDERS: Final = ("task_id", "stream")
"""What a rule for media keys must contain, so that no two outputs share a key."""

_ABSENT: Final = "-"
_MAX_PART_BYTES: Final = 200  # with the media name behind it a part stays below the 255 bytes of file systems
_MAX_NAME_BYTES: Final = 255
_KEPT_PART_BYTES: Final = 160
_LITERAL: Final = re.compile(r"[A-Za-z0-9._ /=+@,()-]*")
_UNSAFE_IN_NAMES: Final = frozenset('/\\:*?"<>|')


@dataclass(frozen=True, slots=True, kw_only=True)
class NameFields:
    """What the placeholders stand for; None is written as `-`, the time as `20261120T154400Z`."""

    vendor: str
    task_id: str
    room: str | None
    user: str | None
    stream: str
    kind: StreamKind
    started_at: datetime | None

    def text_of(self, placeholder: str) -> str:
        """The value of one placeholder as text, never empty."""
        if placeholder == "started_at":
            return stamp(self.started_at) if self.started_at else _ABSENT
        return str(getattr(self, placeholder) or _ABSENT)


@dataclass(frozen=True, slots=True)
class NamingRule:
    """A checked template. Raises `NamingError`, saying what to change, when it cannot be used."""

    template: str

    def __post_init__(self) -> None:
        literals, placeholders = _split(self.template)
        for name in placeholders:
            if name not in PLACEHOLDERS:
                message = f"{{{name}}} is unknown in {self.template!r}; known are {_braced(PLACEHOLDERS)}"
                raise NamingError(message)
        for literal in literals:
            if not _LITERAL.fullmatch(literal):
                message = f"{literal!r} in {self.template!r}: use letters, digits, spaces and . _ / = + @ , ( ) -"
                raise NamingError(message)
        if any(part.strip(". ") == "" for part in self.template.split("/")):
            message = f"{self.template!r} has an empty part between slashes, or one of dots and spaces only"
            raise NamingError(message)

    def require_media_keys(self) -> None:
        """Raise `NamingError` unless the rule may name media keys: it needs `{task_id}` and `{stream}`."""
        lacking = [name for name in MEDIA_PLACEHOLDERS if name not in _split(self.template)[1]]
        if lacking:
            message = f"{self.template!r} names media keys and lacks {_braced(lacking)}"
            raise NamingError(message)

    def media_key(self, fields: NameFields, name: MediaName) -> str:
        """`media/{the rule}.{name}`; ids are encoded as in every key, parts over 200 bytes abbreviated."""
        self.require_media_keys()
        parts = (self._fill_encoded(part, fields) for part in self.template.split("/"))
        return f"media/{'/'.join(parts)}.{name}"

    def download_name(self, fields: NameFields, name: MediaName) -> str:
        """A file name for people: Unicode stays, what file systems or shells choke on becomes `_`."""
        filled = self.template.format(**{each: fields.text_of(each) for each in PLACEHOLDERS})
        return f"{file_name(filled)}{name.suffix}"

    @staticmethod
    def _fill_encoded(part: str, fields: NameFields) -> str:
        filled = part.format(**{each: encode_component(fields.text_of(each)) for each in PLACEHOLDERS})
        if len(filled) <= _MAX_PART_BYTES:
            return filled
        return shorten(filled, _KEPT_PART_BYTES, hashlib.sha256(filled.encode()).hexdigest()[:16])


def file_name(text: str, most_bytes: int = _MAX_PART_BYTES) -> str:
    """A file name for people, without its extension: Unicode stays, what file systems or shells choke on becomes `_`.

    It is cut so that extensions fit behind it.
    """
    safe = "".join("_" if _is_unsafe(letter) else letter for letter in text)
    return safe.encode()[:most_bytes].decode(errors="ignore").strip(". ") or _ABSENT


def is_file_name(text: str) -> bool:
    """Whether every file system takes it for the name of a file."""
    return 0 < len(text.encode(errors="replace")) <= _MAX_NAME_BYTES and not (
        any(map(_is_unsafe, text)) or text.strip(". ") != text
    )


def _split(template: str) -> tuple[list[str], list[str]]:
    """Literals and placeholders of a template; conversions and format specifications are refused."""
    try:
        pieces = list(Formatter().parse(template))
    except ValueError as error:
        message = f"{template!r} is no template: {error}"
        raise NamingError(message) from error
    for _, name, specification, conversion in pieces:
        if specification or conversion:
            message = f"{{{name}}} in {template!r} must stand alone between its braces"
            raise NamingError(message)
    return [piece[0] for piece in pieces], [piece[1] for piece in pieces if piece[1] is not None]


def stamp(at: datetime) -> str:
    """A time for a name, to the second: `20261120T154400Z`."""
    return re.sub(r"[-:]|\.[0-9]+", "", utc_text(at))


def _is_unsafe(letter: str) -> bool:
    """Separators, wildcards, and what is not seen: controls, direction marks, surrogates."""
    return letter in _UNSAFE_IN_NAMES or unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _braced(names: tuple[str, ...] | list[str]) -> str:
    return " ".join(f"{{{name}}}" for name in names)

"""What is read from the tags of a media playlist, as a custom tag parser of the m3u8 package.

The package walks the lines and pairs tags with URIs. What a value depends on is read here: the package refuses whole
playlists for one odd tag, keeps durations as floats and compares every new key with all keys before it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from m3u8 import parser as m3u8_parser

_MICROSECOND = timedelta(microseconds=1)
_MAX_SECONDS = 10**9
_ENTRY = "entry"
_MULTIVARIANT = frozenset({"#EXT-X-STREAM-INF", "#EXT-X-I-FRAME-STREAM-INF", "#EXT-X-MEDIA"})
_LEFT_TO_THE_PACKAGE = frozenset({"#EXT-X-DISCONTINUITY", "#EXT-X-GAP", "#EXT-X-ENDLIST"}) | _MULTIVARIANT
_STANDARD_HEADER = frozenset(
    {
        "#EXT-X-ALLOW-CACHE",
        "#EXT-X-DISCONTINUITY-SEQUENCE",
        "#EXT-X-I-FRAMES-ONLY",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        "#EXT-X-PLAYLIST-TYPE",
        "#EXT-X-START",
    }
)
_STANDARD_UNUSED = frozenset({"#EXT-X-BITRATE", "#EXT-X-DATERANGE"})

_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))?(?=[,\s]|$)")
# of so few digits that a float is exact enough to be rounded to the microsecond
_PLAIN_EXTINF = re.compile(r"#EXTINF:([0-9]{1,9}(?:\.[0-9]{1,6})?),?")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
# always matches at the end of the match before it, so a line is walked once
_ATTRIBUTE = re.compile(r'([^=,]*)(?:=("[^"]*"|[^,]*))?[^,]*,?')


class PlaylistError(ValueError):
    """These bytes are no media playlist that can be used; the text says why."""


def attributes(text: str) -> dict[str, str]:
    """An attribute list, RFC 8216 §4.2, quotes removed; of a name given twice the last counts."""
    found = {
        match[1].strip(): match[2].strip().strip('"') for match in _ATTRIBUTE.finditer(text) if match[2] is not None
    }
    return {name: value for name, value in found.items() if name}


@dataclass(slots=True)
class Entry:
    """What was read about the next segment."""

    duration: timedelta | None = None
    program_date_time: datetime | None = None
    byte_range: str | None = None
    tags: list[str] = field(default_factory=list)


def _entry(state: dict[str, Any]) -> Entry:
    entry: Entry | None = m3u8_parser.get_segment_custom_value(state, _ENTRY)
    if entry is None:
        entry = Entry()
        m3u8_parser.save_segment_custom_value(state, _ENTRY, entry)
    return entry


def entry_of(segment: Mapping[str, Any]) -> Entry:
    """What was read about a segment that the package gives back."""
    entry: Entry = segment["custom_parser_values"][_ENTRY]
    return entry


class TagReader:
    """The package's custom tag parser: it is called for every tag and says whether the package may skip it."""

    def __init__(self) -> None:
        self.version = 1
        self.target_duration: timedelta | None = None
        self.media_sequence = 0
        self.header_tags: list[str] = []
        self.is_multivariant = False
        self._in_header = True

    def __call__(self, line: str, _number: int, _data: dict[str, Any], state: dict[str, Any]) -> bool:
        """Read one tag line; False leaves it to the package."""
        name, _, value = line.partition(":")
        if name in _LEFT_TO_THE_PACKAGE:
            self.is_multivariant |= name in _MULTIVARIANT
            return False
        if handler := _SEGMENT_TAGS.get(name):
            self._in_header &= name != "#EXTINF"
            handler(value.strip(), state)
        elif name in _HEADER_TAGS or name in _STANDARD_HEADER:
            self._header(name, value.strip(), state)
        elif name not in _STANDARD_UNUSED and name != "#EXTM3U":
            _entry(state).tags.append(line)
        return True

    def _header(self, name: str, value: str, state: dict[str, Any]) -> None:
        if handler := _HEADER_TAGS.get(name):
            handler(self, value)
        if self._in_header:
            entry = _entry(state)
            self.header_tags += entry.tags
            entry.tags = []


def _version(reader: TagReader, value: str) -> None:
    """EXT-X-VERSION, RFC 8216 §4.3.1.2."""
    reader.version = _integer(value, reader.version)


def _target_duration(reader: TagReader, value: str) -> None:
    """EXT-X-TARGETDURATION, RFC 8216 §4.3.3.1; nothing is judged by it, so an unreadable one is left out."""
    try:
        reader.target_duration = _duration(value)
    except PlaylistError:
        reader.target_duration = None


def _media_sequence(reader: TagReader, value: str) -> None:
    """EXT-X-MEDIA-SEQUENCE, RFC 8216 §4.3.3.2."""
    reader.media_sequence = _integer(value, reader.media_sequence)


def _extinf(value: str, state: dict[str, Any]) -> None:
    """EXTINF, RFC 8216 §4.3.2.1; Agora writes it without the comma."""
    _entry(state).duration = _duration(value)
    state["expect_segment"] = True


def _byte_range(value: str, state: dict[str, Any]) -> None:
    """EXT-X-BYTERANGE, RFC 8216 §4.3.2.2; read when its URI is known."""
    _entry(state).byte_range = value


def _key(value: str, state: dict[str, Any]) -> None:
    """EXT-X-KEY, RFC 8216 §4.3.2.4; the package hangs the key in force on each segment."""
    method = attributes(value).get("METHOD", "NONE")
    state["current_key"] = None if method == "NONE" else method


def _map(value: str, state: dict[str, Any]) -> None:
    """EXT-X-MAP, RFC 8216 §4.3.2.5; likewise."""
    uri = attributes(value).get("URI")
    if not uri:
        raise PlaylistError(f"EXT-X-MAP names no URI ({value!r:.80}): ask for a correct playlist")
    state["current_segment_map"] = uri


def _program_date_time(value: str, state: dict[str, Any]) -> None:
    """EXT-X-PROGRAM-DATE-TIME, RFC 8216 §4.3.2.6; an unreadable one is no time."""
    try:
        at = datetime.fromisoformat(value)
        _entry(state).program_date_time = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return


_HEADER_TAGS: Mapping[str, Callable[[TagReader, str], None]] = MappingProxyType(
    {
        "#EXT-X-VERSION": _version,
        "#EXT-X-TARGETDURATION": _target_duration,
        "#EXT-X-MEDIA-SEQUENCE": _media_sequence,
    }
)
_SEGMENT_TAGS: Mapping[str, Callable[[str, dict[str, Any]], None]] = MappingProxyType(
    {
        "#EXTINF": _extinf,
        "#EXT-X-BYTERANGE": _byte_range,
        "#EXT-X-KEY": _key,
        "#EXT-X-MAP": _map,
        "#EXT-X-PROGRAM-DATE-TIME": _program_date_time,
    }
)


@lru_cache(maxsize=256)  # a recorder writes few different ones
def plain_duration(line: str) -> timedelta | None:
    """The duration of an EXTINF line that says nothing else; None for any other line."""
    found = _PLAIN_EXTINF.fullmatch(line)
    return timedelta(microseconds=round(float(found[1]) * 1e6)) if found else None


def _integer(value: str, otherwise: int) -> int:
    return int(value) if _INTEGER.fullmatch(value) else otherwise


def _duration(value: str) -> timedelta:
    """Decimal seconds at the beginning of `value`; nothing (a cut line) and negative (unknown) are zero."""
    number = _NUMBER.match(value)
    if number is None:
        raise PlaylistError(f"the duration {value!r:.80} is not a number: ask for a correct playlist")
    seconds = max(Decimal(number[1] or 0), Decimal(0))
    if seconds > _MAX_SECONDS:
        raise PlaylistError(f"a duration of {value:.80} seconds cannot be: ask for a correct playlist")
    return int((seconds * 10**6).to_integral_value(ROUND_HALF_EVEN)) * _MICROSECOND

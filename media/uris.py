"""From a playlist's URI to an object key. Playlist text is untrusted: it chooses among keys and is never opened.

Nothing documents whether vendors write bare names, keys from the bucket's root or absolute URLs, so each reading is
tried in one order (the vendor sheets') and the first object that exists is taken.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard
from urllib.parse import unquote_to_bytes

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY = re.compile(r"(?:https?:)?//[^/?#]*", re.IGNORECASE)
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SPECIAL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029/\\\\?#%:]")
_PLAYLIST_SUFFIXES = (".m3u8", ".m3u")


class Rule(StrEnum):
    """How a URI was understood."""

    URL = "url"
    RELATIVE = "relative"
    ROOT = "root"
    BASENAME = "basename"
    ABSENT = "absent"
    OUTSIDE = "outside"
    SELF = "self"
    PLAYLIST = "playlist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The key that a URI means, by which rule; `key` is None and `problem` says why where it means no segment.

    With rule ABSENT `key` is where the object was promised: it is not among those known.
    """

    key: str | None
    rule: Rule
    problem: str | None = None


def resolve(uri: str, *, playlist_key: str, prefix: str, known: Container[str]) -> Resolution:
    """The key under `prefix` that `uri` means in the playlist at `playlist_key`; `known` holds the keys that exist.

    Order: absolute URL (its path, with and without a first element that may be the bucket), relative to the playlist,
    from the bucket's root, base name in the playlist's folder; each as it stands, then without a query, then
    percent-decoded. No host is ever asked. `prefix` ends in `/` or is empty.
    """
    folder = playlist_key[: playlist_key.rfind("/") + 1]
    if key := bare_key(uri, folder, prefix, known):
        return Resolution(key=key, rule=Rule.RELATIVE)
    authority = _AUTHORITY.match(uri)
    readings = _readings(uri[authority.end() :] if authority else uri)
    for reading in readings:
        if problem := _danger(reading, folder, prefix, is_url=authority is not None):
            return Resolution(key=None, rule=Rule.OUTSIDE, problem=f"{uri!r:.200} {problem}")
    found = [pair for reading in readings for pair in _candidates(reading, folder, is_url=authority is not None)]
    inside = [(rule, key) for rule, key in found if _is_inside(key, prefix)]
    candidates = sorted(inside, key=lambda pair: _ORDER[pair[0]])
    for rule, key in candidates:
        if key in known or key == playlist_key:
            return _meant(key, rule, playlist_key)
    return _promised(uri, candidates, prefix, playlist_key)


def bare_key(uri: str, folder: str, prefix: str, known: Container[str]) -> str | None:
    """The key of an existing object that `uri` names plainly and can only mean; what `resolve` says, sooner."""
    key = folder + uri
    is_bare = key in known and key.startswith(prefix) and not _SPECIAL.search(uri)
    return key if is_bare and uri not in {"", ".", ".."} and not uri.endswith(_PLAYLIST_SUFFIXES) else None


_ORDER = {Rule.URL: 0, Rule.RELATIVE: 1, Rule.ROOT: 2, Rule.BASENAME: 3}


def _readings(text: str) -> list[str]:
    """What the text may mean, the most literal first; names may hold `?`, `#` and `%` themselves."""
    plain = [text, re.split("[?#]", text, maxsplit=1)[0]]
    return [reading for reading in dict.fromkeys(plain + [_decoded(reading) for reading in plain]) if reading]


def _decoded(text: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return text


def _danger(reading: str, folder: str, prefix: str, *, is_url: bool) -> str | None:
    """Why no key may be made of this reading, whatever exists."""
    if _UNPRINTABLE.search(reading):
        return "holds a control character"
    if "\\" in reading:
        return "holds a backslash: no key of a recording does"
    if not is_url and _SCHEME.match(reading):
        return "names a file or another scheme: only names, paths and http(s) URLs are understood"
    base = "" if is_url or reading.startswith("/") else folder
    key = _joined(base, reading)
    if key is None or (base and not key.startswith(prefix)):
        return f"leads out of {prefix or 'the bucket'}"
    return None


def _candidates(reading: str, folder: str, *, is_url: bool) -> Iterator[tuple[Rule, str | None]]:
    """The keys that a harmless reading may mean, and by which rule."""
    if is_url or reading.startswith("/"):
        rule = Rule.URL if is_url else Rule.ROOT
        path = reading.lstrip("/")
        yield rule, _joined("", path)
        yield rule, _joined("", path.partition("/")[2])
    else:
        yield Rule.RELATIVE, _joined(folder, reading)
        yield Rule.ROOT, _joined("", reading)
    yield Rule.BASENAME, _joined(folder, reading[reading.rfind("/") + 1 :])


def _joined(folder: str, path: str) -> str | None:
    """`path` seen from `folder`, dot elements resolved (RFC 3986 §5.2.4); None where it climbs over the root."""
    elements = folder.split("/")[:-1]
    *parents, last = path.split("/")
    for element in parents:
        if element == "..":
            if not elements:
                return None
            elements.pop()
        elif element != ".":
            elements.append(element)
    return None if last == ".." else "/".join([*elements, last])


def _is_inside(key: str | None, prefix: str) -> TypeGuard[str]:
    return key is not None and key.startswith(prefix) and key.rpartition("/")[2] not in {"", "."}


def _meant(key: str, rule: Rule, playlist_key: str) -> Resolution:
    if key == playlist_key:
        return Resolution(key=None, rule=Rule.SELF, problem=f"{key!r:.200} names the playlist itself")
    if key.endswith(_PLAYLIST_SUFFIXES):
        return Resolution(key=None, rule=Rule.PLAYLIST, problem=f"{key!r:.200} is another playlist, not a segment")
    return Resolution(key=key, rule=rule)


def _promised(uri: str, candidates: list[tuple[Rule, str]], prefix: str, playlist_key: str) -> Resolution:
    """Where an object that does not exist was promised; without a prefix every absolute path would be inside."""
    keys = [key for rule, key in candidates if rule is not Rule.BASENAME]
    if not keys or (not prefix and uri.startswith("/") and not uri.startswith("//")):
        problem = f"{uri!r:.200} does not lead to an object under {prefix or 'the bucket root'}"
        return Resolution(key=None, rule=Rule.OUTSIDE, problem=problem)
    playlists = [key for key in keys if key.endswith(_PLAYLIST_SUFFIXES)]
    return _meant((playlists or keys)[0], Rule.ABSENT, playlist_key)

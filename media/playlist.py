"""Media playlists (RFC 8216) as typed values: bytes in, value out, and back. Nothing here opens a URI.

The m3u8 package walks the lines, `playlist_tags` reads what stands in them. Limits hold for the raw bytes, before the
package sees them: any bytes give a value or a PlaylistError, in linear time.

A day of a room of 17 users is 196,000 segments, of which nearly all have nothing but an EXTINF and a URI. The package
needs 5 µs for each of these, so it is only shown those that anything else is said of: the rest are told by `_Sorted`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from m3u8 import parser as m3u8_parser

from media.playlist_tags import Entry, PlaylistError, TagReader, entry_of, plain_duration

__all__ = [
    "MAX_LINE_BYTES",
    "MAX_PLAYLIST_BYTES",
    "MAX_URIS",
    "ByteRange",
    "MediaPlaylist",
    "MultivariantError",
    "PlaylistError",
    "Segment",
    "parse",
    "render",
]

MAX_PLAYLIST_BYTES = 5_000_000
MAX_LINE_BYTES = 4096
MAX_URIS = 100_000

_MICROSECOND = timedelta(microseconds=1)
_FIRST_LINE = re.compile(r"#EXTM3U(?:[ \t]|$)")
# RFC 8216 §4.1 forbids control characters; the two separators end a line for Python and not for HLS
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BYTES = bytes({*range(0x20), 0x7F} - set(b"\t\n\r"))
_ANNOUNCING = frozenset({"#EXTINF", "#EXT-X-STREAM-INF"})
_BYTE_RANGE = re.compile(r"([0-9]{1,15})(?:@([0-9]{1,15}))?")


class MultivariantError(PlaylistError):
    """A multivariant playlist (RFC 8216 §4.3.4): it names playlists, not segments. `uris` are theirs, in order."""

    def __init__(self, uris: tuple[str, ...]) -> None:
        self.uris = uris
        named = ", ".join(uris[:3]) or "no URI"
        super().__init__(f"this is a multivariant playlist: use the media playlists that it names ({named})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """EXT-X-BYTERANGE, RFC 8216 §4.3.2.2: `length` bytes from `offset` of the resource."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One media segment, RFC 8216 §3.

    `uri` is untrusted text (see `media.uris.resolve`). `duration` is EXTINF, exact to the microsecond; an unknown
    or negative one is zero. `program_date_time` is in UTC and only there where the playlist has the tag; a time without
    a zone is taken as UTC. `is_encrypted`: a key other than NONE is in force. `init_section` is the URI of the
    EXT-X-MAP in force. `tags` are the lines of unknown (vendor) tags before it, as they stand and in order.
    """

    uri: str
    duration: timedelta
    discontinuity: bool = False
    program_date_time: datetime | None = None
    byte_range: ByteRange | None = None
    is_gap: bool = False
    is_encrypted: bool = False
    init_section: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlaylist:
    """One media playlist, RFC 8216 §4.3.3.

    `tags` are unknown tag lines of the header (before the last standard header tag), `trailing_tags` those after the
    last segment. `dangling_duration` is the EXTINF of a last entry without URI: the playlist was cut there.
    `stray_lines` are URIs without EXTINF: they belong to no segment.
    """

    segments: tuple[Segment, ...] = ()
    version: int = 1
    target_duration: timedelta | None = None
    media_sequence: int = 0
    has_end_list: bool = False
    tags: tuple[str, ...] = ()
    trailing_tags: tuple[str, ...] = ()
    dangling_duration: timedelta | None = None
    stray_lines: tuple[str, ...] = ()


def parse(data: bytes) -> MediaPlaylist:
    """The media playlist that these bytes hold.

    Raises PlaylistError for anything else, MultivariantError (a PlaylistError) for a multivariant playlist.
    """
    given = _sorted(_lines(data))
    reader = TagReader()
    found = _walk(given.lines, reader)
    if reader.is_multivariant:
        raise MultivariantError(_variant_uris(found))
    rest = Entry()
    entries = found["segments"]
    if entries and "uri" not in entries[-1]:
        rest = entry_of(entries.pop())
    return MediaPlaylist(
        segments=tuple(_segments(entries, given.plain)),
        version=reader.version,
        target_duration=reader.target_duration,
        media_sequence=reader.media_sequence,
        has_end_list=found["is_endlist"],
        tags=tuple(reader.header_tags),
        trailing_tags=tuple(rest.tags),
        dangling_duration=rest.duration,
        stray_lines=tuple(given.strays),
    )


def render(playlist: MediaPlaylist) -> bytes:
    """The playlist as bytes; `parse` gives the same value back.

    Keys are not kept in a `Segment`, so an encrypted one only says that it is. Raises ValueError for an init section
    that ends in mid-list, which HLS cannot say.
    """
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{playlist.version}", *playlist.tags]
    if playlist.target_duration is not None:
        lines.append(f"#EXT-X-TARGETDURATION:{_seconds_text(playlist.target_duration)}")
    lines += [f"#EXT-X-MEDIA-SEQUENCE:{playlist.media_sequence}", *playlist.stray_lines]
    previous = Segment(uri="", duration=timedelta())
    for segment in playlist.segments:
        lines += _segment_lines(segment, previous)
        previous = segment
    if playlist.dangling_duration is not None:
        lines.append(f"#EXTINF:{_seconds_text(playlist.dangling_duration)},")
    lines += playlist.trailing_tags
    if playlist.has_end_list:
        lines.append("#EXT-X-ENDLIST")
    return "".join(f"{line}\n" for line in lines).encode()


# ---- lines ----


def _lines(data: bytes) -> list[str]:
    """The lines that mean something (no blanks, no comments), checked against all limits."""
    if len(data) > MAX_PLAYLIST_BYTES:
        raise PlaylistError(f"{len(data)} bytes are more than a playlist may have ({MAX_PLAYLIST_BYTES})")
    if max(map(len, data.splitlines()), default=0) > MAX_LINE_BYTES:
        raise PlaylistError(f"a line is longer than {MAX_LINE_BYTES} bytes: this is no playlist")
    lines = [line for raw in _text(data).splitlines() if (line := raw.strip())]
    if not lines or not _FIRST_LINE.match(lines[0]):
        raise PlaylistError("it does not begin with #EXTM3U: the object is no playlist, or its beginning is lost")
    if sum(line[0] != "#" for line in lines) > MAX_URIS:
        raise PlaylistError(f"it has more than {MAX_URIS} URIs: split the recording")
    return [line for line in lines if line[0] != "#" or line.startswith("#EXT")]


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PlaylistError(f"byte {error.start} is not UTF-8: the object is no playlist, or it is damaged") from error
    if data.isascii() and len(data.translate(None, _CONTROL_BYTES)) == len(data):
        return text  # the search below would cost more than all the rest
    if found := _FORBIDDEN.search(text):
        raise PlaylistError(f"character {found.start()} is a control character ({found[0]!r}): the object is damaged")
    return text


@dataclass(slots=True)
class _Sorted:
    """Lines by who reads them: those for the package, and URIs that no EXTINF announces, which it would drop unseen.

    `plain` has for each segment that the package gives the duration and URI of the plain ones that directly follow it.

    A plain one is an EXTINF and a URI right after another segment's URI: no tag is pending, and what is in force is
    what was in force before.
    """

    lines: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    plain: list[list[tuple[timedelta, str]]] = field(default_factory=list)


def _sorted(lines: list[str]) -> _Sorted:
    given = _Sorted()
    announced: set[str] = set()
    is_after_segment = False
    held: tuple[str, timedelta] | None = None
    for line in lines:
        if line[0] == "#":
            if held is not None:
                given.lines.append(held[0])
                announced.add("#EXTINF")
                is_after_segment, held = False, None
            if is_after_segment and (duration := plain_duration(line)) is not None:
                held = line, duration
                continue
            is_after_segment = False
            given.lines.append(line)
            announced |= _ANNOUNCING & {line.partition(":")[0]}
        elif held is not None:
            given.plain[-1].append((held[1], line))
            held = None
        elif announced:
            given.lines.append(line)
            if "#EXTINF" in announced:
                given.plain.append([])
                is_after_segment = True
            announced.clear()
        else:
            given.strays.append(line)
    given.lines += [] if held is None else held[:1]
    return given


def _walk(lines: list[str], reader: TagReader) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = m3u8_parser.parse("\n".join(lines), custom_tags_parser=reader)
    except PlaylistError:
        raise
    except (ValueError, KeyError) as error:
        # only tags of multivariant playlists are left to the package's own reading
        raise PlaylistError(f"a tag of a multivariant playlist cannot be read ({error}): correct it") from error
    return found


def _variant_uris(found: Mapping[str, Any]) -> tuple[str, ...]:
    named = [*found["playlists"], *found["media"], *found["iframe_playlists"]]
    return tuple(entry["uri"] for entry in named if entry.get("uri"))


# ---- segments ----


def _segments(entries: list[dict[str, Any]], followers: Sequence[Sequence[tuple[timedelta, str]]]) -> Iterator[Segment]:
    ends: dict[str, int] = {}
    for found, plain in zip(entries, followers, strict=True):
        entry, uri = entry_of(found), found["uri"]
        byte_range = _resolved_range(entry.byte_range, uri, ends)
        is_encrypted, init_section = "key" in found, found.get("init_section")
        yield Segment(
            uri=uri,
            duration=entry.duration or timedelta(),
            discontinuity=found["discontinuity"],
            program_date_time=entry.program_date_time,
            byte_range=byte_range,
            is_gap=bool(found["gap_tag"]),
            is_encrypted=is_encrypted,
            init_section=init_section,
            tags=tuple(entry.tags),
        )
        for duration, plain_uri in plain:
            yield Segment(uri=plain_uri, duration=duration, is_encrypted=is_encrypted, init_section=init_section)


def _resolved_range(text: str | None, uri: str, ends: dict[str, int]) -> ByteRange | None:
    """The range with its offset: without one it begins where the range before it in the same resource ends."""
    if text is None:
        return None
    found = _BYTE_RANGE.fullmatch(text)
    if found is None:
        raise PlaylistError(f"the byte range {text!r:.80} of {uri:.200} cannot be read: ask for a correct playlist")
    offset = ends.get(uri) if found[2] is None else int(found[2])
    if offset is None:
        raise PlaylistError(
            f"the byte range of {uri:.200} has no offset and follows no other: ask for a correct playlist"
        )
    ends[uri] = offset + int(found[1])
    return ByteRange(offset=offset, length=int(found[1]))


def _segment_lines(segment: Segment, previous: Segment) -> Iterator[str]:
    """The lines of one segment; keys and init sections stay in force, so only their changes are written."""
    yield from segment.tags
    if segment.discontinuity:
        yield "#EXT-X-DISCONTINUITY"
    if segment.is_encrypted != previous.is_encrypted:
        yield f"#EXT-X-KEY:METHOD={'AES-128' if segment.is_encrypted else 'NONE'}"
    if segment.init_section != previous.init_section:
        if segment.init_section is None:
            raise ValueError(f"{segment.uri:.200} has no init section and follows one that has: HLS cannot say that")
        yield f'#EXT-X-MAP:URI="{segment.init_section}"'
    if segment.program_date_time is not None:
        yield f"#EXT-X-PROGRAM-DATE-TIME:{segment.program_date_time.isoformat()}"
    yield f"#EXTINF:{_seconds_text(segment.duration)},"
    if segment.byte_range is not None:
        yield f"#EXT-X-BYTERANGE:{segment.byte_range.length}@{segment.byte_range.offset}"
    if segment.is_gap:
        yield "#EXT-X-GAP"
    yield segment.uri


def _seconds_text(duration: timedelta) -> str:
    """Decimal seconds, never in scientific notation; whole seconds without a point."""
    seconds, microseconds = divmod(duration // _MICROSECOND, 10**6)
    return f"{seconds}.{microseconds:06d}" if microseconds else str(seconds)

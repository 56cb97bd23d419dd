"""Agora's playlist tags (`cloud-recording/develop/manage-files`, `playback`)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from media.clock import ClockSource, WallClock, told_by
from media.plan import ROTATE_MARK, TRACK_START
from media.playlist import Segment
from media.playlist_tags import attributes
from vendors.agora.names import started_at
from vendors.base import SegmentFacts, basename, parse_utc, program_clock

TRACK_EVENT = "#EXT-X-AGORA-TRACK-EVENT"
ROTATE = "#EXT-X-AGORA-ROTATE"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def segment_facts(segment: Segment, key: str, *, first_of: str | None = None) -> SegmentFacts:  # noqa: ARG001
    """What the slice's name and the tags before it say.

    The clock is the time in the name, else the earliest START, else EXT-X-PROGRAM-DATE-TIME. Marks, in the order of the
    tags: `track_start`; `rotate:<degrees>:<width>x<height>` with `@<UTC>` where the tag has a time, anticlockwise
    (several may precede one slice, and the time says where in it).
    """
    at = started_at(basename(key))
    clock = told_by(ClockSource.SLICE_NAME, at) or _start_clock(segment) or program_clock(segment)
    return SegmentFacts(wall_clock=clock, marks=tuple(_marks(segment)) if segment.tags else ())


def read_time(text: str) -> datetime | None:
    """A tag's TIME: 17 digits `yyyyMMddHHmmssSSS`, or 13 digits of Unix milliseconds (Agora's pages differ)."""
    if len(text) == 13 and text.isascii() and text.isdigit():
        return _EPOCH + timedelta(milliseconds=int(text))
    return parse_utc(text)


def _start_clock(segment: Segment) -> WallClock | None:
    starts = [attributes(tag.partition(":")[2]) for tag in segment.tags if _is_start(tag)]
    times = [at for start in starts if (at := read_time(start.get("TIME", "")))]
    return told_by(ClockSource.VENDOR_TAG, min(times, default=None))


def _marks(segment: Segment) -> Iterator[str]:
    for tag in segment.tags:
        if _is_start(tag):
            yield TRACK_START
        elif tag.partition(":")[0] == ROTATE:
            yield _rotation(attributes(tag.partition(":")[2]))


def _is_start(tag: str) -> bool:
    name, _, text = tag.partition(":")
    return name == TRACK_EVENT and attributes(text).get("EVENT") == "START"


def _rotation(found: dict[str, str]) -> str:
    at = read_time(found.get("TIME", ""))
    when = f"@{at.isoformat(timespec='milliseconds')}" if at else ""
    return f"{ROTATE_MARK}{found.get('ROTATE', '0')}:{found.get('WIDTH', '?')}x{found.get('HEIGHT', '?')}{when}"

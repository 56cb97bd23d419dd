"""ZEGOCLOUD's playlists: ordinary HLS, no tag of its own is documented."""

from media.clock import ClockSource, WallClock, told_by
from media.playlist import Segment
from vendors.base import SegmentFacts, basename, program_clock
from vendors.zego.names import parse_name


def segment_facts(segment: Segment, key: str, *, first_of: str | None = None) -> SegmentFacts:  # noqa: ARG001
    """EXT-X-PROGRAM-DATE-TIME, else for the first segment of a playlist the start time in the playlist's own name."""
    return SegmentFacts(wall_clock=program_clock(segment) or _file_clock(first_of))


def _file_clock(playlist_key: str | None) -> WallClock | None:
    """The moment at which the file was begun; up to a second away from its first sample."""
    name = None if playlist_key is None else parse_name(basename(playlist_key))
    return told_by(ClockSource.FILE_NAME, name.started_at) if name else None

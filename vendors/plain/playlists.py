"""Ordinary playlists: RFC 8216 and nothing else."""

from media.playlist import Segment
from vendors.base import SegmentFacts, program_clock


def segment_facts(segment: Segment, key: str, *, first_of: str | None = None) -> SegmentFacts:  # noqa: ARG001
    """EXT-X-PROGRAM-DATE-TIME, where there is one."""
    return SegmentFacts(wall_clock=program_clock(segment))

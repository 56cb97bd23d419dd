"""Which way up the pictures of a stream are, told by its vendor's marks: `rotate:<degrees>:<w>x<h>[@<UTC>]`. Pure.

The marks come from playlists that anybody may have written: what is no right angle is ignored. `degrees` are turned
anticlockwise, from the coded picture to one that stands upright.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from media.plan import ROTATE_MARK, PlannedSegment
from media.timing import TICKS_PER_SECOND, ticks

_MARK = re.compile(rf"{ROTATE_MARK}(0|90|180|270):([^@]*)(?:@(.*))?")
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_AT_ITS_EDGE = TICKS_PER_SECOND // 20
"""A time so near to the edge of a segment means the edge: names and tags tell milliseconds, of a picture that lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """From the tick `begin` of the output on, coded pictures are turned anticlockwise by `degrees` to stand upright.

    `width` and `height` of the coded picture are the vendor's word, None where it said none.
    """

    begin: int
    degrees: int
    width: int | None = None
    height: int | None = None


class Placed(Protocol):
    """A segment and where it lies in the output; `begin` and `end` are None if it was left out."""

    @property
    def segment(self) -> PlannedSegment:
        """What was planned."""

    @property
    def begin(self) -> int | None:
        """Ticks of the output."""

    @property
    def end(self) -> int | None:
        """Ticks of the output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    degrees: int
    width: int | None
    height: int | None
    at: datetime | None


def turns(segments: Iterable[Placed]) -> tuple[Turn, ...]:
    """All turns of a stream in order of time, from its segments in playlist order; neighbours differ.

    A mark holds until the next one, over all that follows. Those of a segment that was left out hold from the next
    one of its file on.
    """
    carried: dict[int, list[_Mark]] = {}
    found: list[Turn] = []
    for placed in segments:
        file = placed.segment.file
        marks = [*carried.pop(file, ()), *_marks(placed.segment)]
        if placed.begin is None or placed.end is None:
            carried[file] = marks[-1:]
        else:
            found += (_turn(mark, placed.segment, placed.begin, placed.end) for mark in marks)
    return tuple(_differing(sorted(found, key=lambda turn: turn.begin)))


def angles(turned: Sequence[Turn], begin: int, end: int) -> frozenset[int]:
    """The degrees by which pictures from `begin` up to `end` are to be turned; 0 before the first turn."""
    before = [turn.degrees for turn in turned if turn.begin <= begin]
    return frozenset([*(before[-1:] or [0]), *(turn.degrees for turn in turned if begin < turn.begin < end)])


def _marks(segment: PlannedSegment) -> Iterator[_Mark]:
    for mark in segment.marks:
        if found := _MARK.fullmatch(mark):
            size = _SIZE.fullmatch(found[2])
            yield _Mark(
                degrees=int(found[1]),
                width=int(size[1]) if size else None,
                height=int(size[2]) if size else None,
                at=_time(found[3]),
            )


def _time(text: str | None) -> datetime | None:
    try:
        at = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else None


def _turn(mark: _Mark, segment: PlannedSegment, begin: int, end: int) -> Turn:
    """Where the segment's own clock puts the mark, within the segment."""
    into = 0
    if mark.at and segment.wall and segment.wall.is_exact:
        into = min(max(ticks(mark.at - segment.wall.at), 0), end - begin)
        into = 0 if into <= _AT_ITS_EDGE else into
        into = end - begin if end - begin - into <= _AT_ITS_EDGE else into
    return Turn(begin=begin + into, degrees=mark.degrees, width=mark.width, height=mark.height)


def _differing(ordered: Iterable[Turn]) -> list[Turn]:
    """Of those at one time the last; none that says what holds already."""
    kept: list[Turn] = []
    for turn in ordered:
        if kept and kept[-1].begin == turn.begin:
            kept.pop()
        known = kept[-1] if kept else None
        if known and turn.width is None and turn.degrees == known.degrees:
            continue
        if known is None or replace(known, begin=turn.begin) != turn:
            kept.append(turn)
    return kept

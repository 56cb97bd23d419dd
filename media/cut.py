"""A part of a published MP4 as an MP4 of its own, samples as they are: planned from the index alone. Pure.

It begins with the sync sample that is shown at or before the time that is asked for, never later; where no pictures are
shown then, with the sound at or before it. Everything about the file is known before a media byte is read: its head,
its size, and which bytes of the source follow in which order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from media.mp4.index import Mp4Index
from media.samples import TrackType


class NothingToCutError(ValueError):
    """No sample lies in the range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """Bytes of the source, from `start` up to but without `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inserted:
    """Bytes that are in no source: coded silence."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CutTrack:
    """One track of the cut: samples `first` up to but without `end` of the source's track (in decode order, from 0),
    of which `left_out` are not taken: pictures that lean on one before the cut. `inserted` samples of silence stand
    before them. Presented from `starts_at` to `ends_at`, in seconds of the source."""

    type: TrackType
    codec: str
    first: int
    end: int
    left_out: int
    inserted: int
    starts_at: Fraction
    ends_at: Fraction

    @property
    def copied(self) -> int:
        """Samples that are copied."""
        return self.end - self.first - self.left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A file to be: `head`, then the bytes of `pieces` in their order.

    `starts_at` and `ends_at` are when the first sample is shown and the last one is over, in seconds of the source;
    `zero` is what becomes time 0 of the file, at or before `starts_at`.
    """

    starts_at: Fraction
    ends_at: Fraction
    zero: Fraction
    head: bytes
    pieces: Sequence[Copied | Inserted]
    tracks: tuple[CutTrack, ...]

    @property
    def media_bytes(self) -> int:
        """Bytes of all pieces."""
        return sum(p.end - p.start if isinstance(p, Copied) else len(p.data) for p in self.pieces)

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return len(self.head) + self.media_bytes


def start_of(index: Mp4Index, begin: Fraction, end: Fraction) -> Fraction:
    """When a cut of this range really begins, in seconds of the source. Raises `NothingToCutError`."""
    raise NotImplementedError


def cut(index: Mp4Index, begin: Fraction, end: Fraction, *, zero: Fraction | None = None) -> Cut:
    """The cut from `begin` up to `end`, in seconds of the source; `zero` None is where it really begins.

    With a `zero` (of several people, which need not lie in this source) sound begins there: with what was recorded, as
    far as that reaches back to it, and silence before; pictures begin late. Raises `NothingToCutError`.
    """
    raise NotImplementedError

"""The samples of a progressive MP4, read from its head alone: what each is, when, how long and where its bytes lie."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from media.samples import TrackType


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedTrack:
    """One track, its columns with one element a sample in decode order.

    `dts` and `pts` are ticks of `timescale` on the timeline of the movie: 0 is where it begins to play, and a leading
    empty edit is counted in. `durations` are those of the decode times; of the last sample, too. `offsets` count from
    the first byte of the file. `entry_of` counts the sample entries, whose boxes are `entries`, from 1. `width`,
    `height` and `degrees` (anticlockwise, to stand upright) are those of the track header.
    """

    type: TrackType
    timescale: int
    entries: tuple[bytes, ...]
    width: int
    height: int
    degrees: int
    sizes: NDArray[np.int64]
    dts: NDArray[np.int64]
    pts: NDArray[np.int64]
    durations: NDArray[np.int64]
    sync: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    entry_of: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp4Index:
    """The tracks of a movie, and how long it plays, in seconds."""

    tracks: tuple[IndexedTrack, ...]
    duration: Fraction

    def track(self, kind: TrackType) -> IndexedTrack | None:
        """The track of that type, if there is one."""
        return next((track for track in self.tracks if track.type == kind), None)


def head_bytes(beginning: bytes) -> int:
    """How long the head of a file is (all bytes before the media), from its first bytes: 64 KiB are enough.

    Raises `Mp4Error` where that is no progressive MP4.
    """
    raise NotImplementedError


def read_index(head: bytes, media_bytes: int) -> Mp4Index:
    """The index of a file of ours. Raises `Mp4Error` for a head that does not hold together (`media.mp4.check`)."""
    raise NotImplementedError

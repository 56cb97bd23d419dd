"""Coded samples as columns: the one currency between demuxers, the assembler, the cut and the MP4 writer."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

TrackType = Literal["audio", "video"]
Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Coded samples of one track, in decode order, without their bytes.

    `sizes`, `dts`, `pts` and `sync` have one element a sample. Stamps are ticks of the track's timescale on one
    timeline that all tracks of an output share; `dts` increases strictly. `last_duration` is how long the last
    sample lasts, in ticks, unless later ones say otherwise by their first `dts`.
    """

    sizes: NDArray[np.int64]
    dts: NDArray[np.int64]
    pts: NDArray[np.int64]
    sync: NDArray[np.bool_]
    last_duration: int

    def __len__(self) -> int:
        return len(self.sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBatch(Samples):
    """Coded samples with their bytes back to back."""

    data: Buffer

    def part(self, begin: int, end: int) -> "SampleBatch":
        """Some consecutive samples of it, sharing its bytes."""
        if (begin, end) == (0, len(self)):
            return self
        first, last = int(self.sizes[:begin].sum()), int(self.sizes[:end].sum())
        return SampleBatch(
            sizes=self.sizes[begin:end],
            dts=self.dts[begin:end],
            pts=self.pts[begin:end],
            sync=self.sync[begin:end],
            data=memoryview(self.data)[first:last],
            last_duration=self.last_duration,
        )

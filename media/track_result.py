"""What came of one track of a finished part, as a value."""

from dataclasses import dataclass

from media.normalise import Sized
from media.samples import TrackType
from media.tracks import Hole, Interval, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackResult:
    """One track of one finished part; `start` and `end` are ticks of the output's timeline.

    Players turn its pictures anticlockwise by `degrees`. `sizes` are those of its pictures as they were recorded. Where
    they were encoded anew, `encoded` is the codec of what came of it, and `refused` how many no decoder took.
    """

    type: TrackType
    codecs: tuple[str, ...]
    parameters: tuple[tuple[str, int], ...]
    ledger: Ledger
    start: int
    end: int
    holes: tuple[Hole, ...]
    impaired: tuple[Interval, ...]
    trims: tuple[Interval, ...]
    degrees: int = 0
    sizes: tuple[Sized, ...] = ()
    encoded: str | None = None
    refused: int = 0

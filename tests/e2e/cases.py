"""Recordings whose every second is known, whole and with holes; libav judges them here, Chromium in tests/browser."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Literal

from tests.lab import Slice, drop_from_pmt, drop_pid, drop_time, first_pts, programme
from tests.media.driving import Made, make
from tests.media.recordings import from_zero, recording, resumed, ticks

Window = tuple[float, float]

HOLES = (3, 12, 30, 300)
"""Seconds."""
BEFORE = 6
"""Where holes begin, in seconds."""
AFTER = 6
"""How long a recording goes on after its hole, in seconds."""
FLASH_FRAMES = 10
"""For a second after a hole Chromium shows only every sixth picture; a flash must not fall between two of them."""
LEAD_IN = 1024 / 48_000
"""Where second 0 lies in a recording with sound, in seconds: an AAC encoder writes one frame before the sound."""
LateTrack = Literal["audio", "video"]
MUTED_FROM: Mapping[LateTrack, float] = MappingProxyType({"audio": BEFORE - 0.5, "video": BEFORE})
"""Where a track alone falls silent, in seconds: no beep is cut, and pictures come back with a key frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Slices as they are stored, and what must be seen and heard of them.

    `flashes` and `beeps` are the numbers of the seconds that must be there; second 0 lies at `zero_s` of the output.
    `plays` are the stretches that a real player plays, in seconds; `no_player` says why none does.
    """

    slices: tuple[Slice, ...]
    flashes: frozenset[int]
    beeps: frozenset[int]
    stored: tuple[Slice | None, ...] | None = None
    tagged: Collection[int] = ()
    marks: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    zero_s: float = LEAD_IN
    plays: tuple[Window, ...] = ((0.5, 2.0),)
    no_player: str = ""

    def make(self) -> Made:
        stored = list(self.stored) if self.stored else None
        return make(self.slices, stored=stored, tagged=self.tagged, marks=self.marks)


def _all(seconds: int, *, without: range = range(0)) -> frozenset[int]:
    return frozenset(range(seconds)) - frozenset(without)


def _whole(slices: tuple[Slice, ...], seconds: int = 8, **how: object) -> Case:
    return Case(slices=slices, flashes=_all(seconds), beeps=_all(seconds), **how)  # type: ignore[arg-type]


def _short(**how: object) -> tuple[Slice, ...]:
    return recording(8, **how)


def _restarting(*, tagged: bool) -> Case:
    slices = tuple(from_zero(piece) for piece in _short())
    tags = range(1, len(slices)) if tagged else ()
    return _whole(slices, tagged=tags, plays=((3.5, 5.0),), no_player="the same bytes as not tagged" if tagged else "")


def _one_track(*, audio: bool) -> Case:
    slices = recording(8, audio=audio, video=not audio)
    return Case(
        slices=slices,
        flashes=_all(0 if audio else 8),
        beeps=_all(8 if audio else 0),
        zero_s=LEAD_IN if audio else 0,
        no_player="no pictures: decoded by Chromium in a test of its own" if audio else "",
    )


def _late(track: LateTrack, drop: Callable[[bytes, int], bytes]) -> Case:
    """The track begins with the second slice, 2 s late."""
    slices = list(_short())
    slices[0] = slices[0].shows(drop(slices[0].data, programme(slices[0].data).tracks[track]))
    rest = _all(8, without=range(2))
    flashes, beeps = (_all(8), rest) if track == "audio" else (rest, _all(8))
    zero_s = LEAD_IN if track == "video" else 0
    same = "the same bytes as not in the PMT" if drop is drop_pid and track == "audio" else ""
    return Case(slices=tuple(slices), flashes=flashes, beeps=beeps, zero_s=zero_s, plays=((1.5, 3.0),), no_player=same)


def _middle_of_a_group() -> Case:
    """The recorder joined half a second after a key frame; pictures can be shown from the next one on, at second 2."""
    slices = list(recording(8, gop=50, b_frames=0))
    video = programme(slices[0].data).video
    begin = first_pts(slices[0].data, video)
    slices[0] = slices[0].shows(drop_time(slices[0].data, video, begin, begin + ticks(0.5)))
    return Case(slices=tuple(slices), flashes=_all(8, without=range(2)), beeps=_all(8), plays=((1.5, 3.0),))


def _changing(**then: object) -> Case:
    second = recording(4, first_second=4, **then)
    return _whole(tuple(resumed(recording(4), second, 4)), plays=((3.5, 5.0),))


def _plays_around(hole: int) -> tuple[Window, ...]:
    """Short holes are played through; long ones are entered shortly before their end."""
    end = BEFORE + hole
    return ((BEFORE - 0.6, end + 1.8),) if hole <= 3 else ((end - 0.6, end + 1.8),)


def _marked(seconds: float, **how: object) -> tuple[Slice, ...]:
    return recording(seconds, flash_frames=FLASH_FRAMES, **how)


def _absent(hole: int) -> Case:
    """Nobody was there for so long; the recorder's clock ran on."""
    end = BEFORE + hole
    slices = tuple(resumed(_marked(BEFORE), _marked(AFTER, first_second=end), end))
    there = _all(end + AFTER, without=range(BEFORE, end))
    same = "to a player the same as slices that are lost"
    return Case(slices=slices, flashes=there, beeps=there, tagged={3}, no_player=same)


def _lost(hole: int) -> Case:
    """Slices of so much time are promised and not there."""
    end, slices = BEFORE + hole, _marked(BEFORE + hole + AFTER, slice_s=3)
    stored = tuple(None if BEFORE <= round(piece.start_s) < end else piece for piece in slices)
    there = _all(end + AFTER, without=range(BEFORE, end))
    return Case(slices=slices, stored=stored, flashes=there, beeps=there, plays=_plays_around(hole))


def _mute(track: LateTrack, hole: int) -> Case:
    """One track has no samples for so long, the other goes on. A camera comes back with a key frame."""
    begin = MUTED_FROM[track]
    end = begin + hole
    slices = _marked(BEFORE + hole + AFTER, slice_s=3)
    pids = programme(slices[0].data)
    zero = first_pts(slices[0].data, pids.video)
    holed = tuple(
        piece.shows(drop_time(piece.data, pids.tracks[track], zero + ticks(begin), zero + ticks(end)))
        if begin - 3 <= piece.start_s <= end
        else piece
        for piece in slices
    )
    whole, rest = _all(BEFORE + hole + AFTER), _all(BEFORE + hole + AFTER, without=range(BEFORE, BEFORE + hole))
    flashes, beeps = (whole, rest) if track == "audio" else (rest, whole)
    return Case(slices=holed, flashes=flashes, beeps=beeps, plays=_plays_around(hole))


WHOLE: Mapping[str, Callable[[], Case]] = MappingProxyType(
    {
        "continuous": lambda: _whole(_short(), plays=((0, 2.6),)),
        "counters restart": lambda: _whole(_short(restart_counters=True), no_player="the same samples as continuous"),
        "stamps restart, tagged": lambda: _restarting(tagged=True),
        "stamps restart, not tagged": lambda: _restarting(tagged=False),
        "44.1 kHz stereo": lambda: _whole(_short(sample_rate=44_100, channels=2), zero_s=1024 / 44_100),
        "sound alone": lambda: _one_track(audio=True),
        "pictures alone": lambda: _one_track(audio=False),
        "hevc": lambda: _whole(_short(hevc=True), no_player="Chromium has no HEVC decoder"),
    }
)
"""Recordings of which nothing is missing."""

CHANGING: Mapping[str, Callable[[], Case]] = MappingProxyType(
    {
        "late video, not in the PMT": lambda: _late("video", drop_from_pmt),
        "late video, in the PMT": lambda: _late("video", drop_pid),
        "late audio, not in the PMT": lambda: _late("audio", drop_from_pmt),
        "late audio, in the PMT": lambda: _late("audio", drop_pid),
        "begin in the middle of a group": _middle_of_a_group,
        "resolution changes": lambda: _changing(size=(320, 180)),
        "parameter sets change": lambda: _changing(b_frames=0),
    }
)
"""Recordings in which something begins late or changes."""

_HOLED: Mapping[str, Callable[[int], Case]] = MappingProxyType(
    {
        "both absent": _absent,
        "both lost": _lost,
        "no audio": lambda hole: _mute("audio", hole),
        "no video": lambda hole: _mute("video", hole),
    }
)

HOLED: tuple[tuple[str, int], ...] = tuple((kind, hole) for hole in HOLES for kind in _HOLED)
"""What is missing, and for how many seconds."""


@cache
def holed(kind: str, hole: int) -> Case:
    """The case of a kind and length of hole."""
    return _HOLED[kind](hole)

"""One source on its way into the files of one recorder, take after take."""

from dataclasses import dataclass
from math import inf
from zlib import crc32

from deployments.sandbox.clips import Clip
from deployments.sandbox.cutting import Slice
from deployments.sandbox.live import Live
from deployments.sandbox.playlists import Rotate
from deployments.sandbox.vendors.cast import ALWAYS, Cast, Shot, Take
from deployments.sandbox.vendors.files import RecordedFile, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One recorder's share of a recording, in seconds of it: after a failover another one goes on."""

    index: int
    begin_s: int
    end_s: float = inf


@dataclass(slots=True, kw_only=True)
class Feed:
    """An encoder while its source is there. `size` is the studio's; `since_s` is when the source came last."""

    source: Source
    leg: Leg
    cast: Cast | None
    size: tuple[int, int]
    slice_s: float
    take: Take = ALWAYS
    live: Live | None = None
    file: RecordedFile | None = None
    since_s: float = 0
    goes_on: bool = False
    """Whether the take began without an interruption after the one before."""
    is_fresh: bool = False
    """Whether no slice of the take is finished."""

    def open(self, take: Take, begin_s: float, file: RecordedFile) -> Live:
        """Encode this take into this file from this second on."""
        self.goes_on = take.goes_on and begin_s == take.begin_s and bool(file.entries)
        self.since_s = self.since_s if self.goes_on else begin_s
        self.take, self.file, self.is_fresh = take, file, True
        self.live = Live(
            self._clip(),
            begins_at=begin_s,
            stamped_s=begin_s - self._zero_s(file),
            slice_s=self.slice_s,
            degrees_at=take.degrees_at,
            silences=take.silences,
        )
        return self.live

    def add(self, file: RecordedFile, piece: Slice) -> str:
        """List one more slice of the take; its key."""
        fresh, self.is_fresh = self.is_fresh, False
        return file.add(
            piece,
            restarts=fresh and not self.goes_on,
            breaks=fresh and self.goes_on and self.cast is not None and self.cast.breaks,
            rotates=self._rotates(file, piece),
        )

    def _zero_s(self, file: RecordedFile) -> float:
        """The second of the recording that is stamped as the first one."""
        if self.cast is None or self.cast.clock == "track":
            return self.since_s if self.cast and self.cast.restamps else file.begin_s
        return max(self.take.stay_s, self.leg.begin_s) if self.cast.restamps else self.leg.begin_s

    def _clip(self) -> Clip:
        """What this source looks and sounds like: no two alike."""
        shot = self.take.shots[0] if self.take.shots else Shot()
        return Clip(
            seconds=1,
            size=shot.size or self.size,
            codec=shot.codec,
            # x265 lets B-frames of one slice depend on the slice before.
            b_frames=2 if shot.codec == "h264" else 0,
            audio="audio" in self.source.kinds,
            video="video" in self.source.kinds,
            seed=_seed(self.source),
        )

    def _rotates(self, file: RecordedFile, piece: Slice) -> tuple[Rotate, ...]:
        """What this slice shows that was not told before."""
        told: list[Rotate] = []
        for shot in self.take.shots_in(piece.start_s, piece.start_s + piece.duration_s):
            at = file.at(max(shot.at_s, piece.start_s))
            rotate = Rotate(size=shot.size or self.size, degrees=shot.degrees, at=at)
            if (rotate.size, rotate.degrees) != file.shown:
                told.append(rotate)
            file.shown = (rotate.size, rotate.degrees)
        return tuple(told)


def _seed(source: Source) -> int:
    """Of all users together none; of a screen another one than of the camera."""
    name = source.user if source.shown == "main" else f"{source.user}_{source.shown}"
    return crc32(name.encode()) % 1000 if name else 0

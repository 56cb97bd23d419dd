"""The text of playlists as the vendors' recorders write them, finished or not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Literal

from deployments.sandbox.webhook_requests import unix_ms

_CONTIGUOUS = timedelta(seconds=1)
"""Two slices that lie no further apart than this follow each other."""


TimeForm = Literal["utc17", "unix_ms"]
"""How Agora's own tags say a time: as slices are named, or as webhooks say it. Its documents have both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
    """How pictures are coded from this moment on: to stand upright they are turned anticlockwise by the degrees."""

    size: tuple[int, int]
    degrees: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One slice as a playlist tells of it; `begins_at` is on the recorder's clock, aware.

    `restarts`: its track starts here, or starts again. `breaks`: another encoder made it. Only Agora says such things.
    """

    uri: str
    duration_s: float
    begins_at: datetime
    restarts: bool = False
    breaks: bool = False
    rotates: tuple[Rotate, ...] = ()

    @property
    def ends_at(self) -> datetime:
        """When the next one is expected."""
        return self.begins_at + timedelta(seconds=self.duration_s)


def utc17(at: datetime) -> str:
    """`yyyyMMddHHmmssSSS`, to the nearest millisecond."""
    rounded = at + timedelta(microseconds=500)
    return f"{rounded:%Y%m%d%H%M%S}{rounded.microsecond // 1000:03d}"


def agora_text(
    entries: Sequence[Entry], kinds: Sequence[str], *, ended: bool = True, times: TimeForm = "utc17"
) -> bytes:
    """Agora's: EXTINF without a comma, and a mark for each track (`AUDIO`, `VIDEO`) where it starts or starts again."""
    lines = _header(entries, "#EXT-X-ALLOW-CACHE:YES")
    for entry, follows in zip(entries, _follows(entries), strict=True):
        lines += [_rotate_tag(rotate, times) for rotate in entry.rotates]
        if entry.breaks:
            lines.append("#EXT-X-DISCONTINUITY")
        if entry.restarts or not follows:
            time = _time(entry.begins_at, times)
            lines += [f"#EXT-X-AGORA-TRACK-EVENT:EVENT=START,TRACK_TYPE={kind},TIME={time}" for kind in kinds]
        lines += [f"#EXTINF:{entry.duration_s:.6f}", entry.uri]
    return _text(lines, ended=ended)


def _rotate_tag(rotate: Rotate, times: TimeForm) -> str:
    width, height = rotate.size
    time = _time(rotate.at, times)
    return f"#EXT-X-AGORA-ROTATE:WIDTH={width},HEIGHT={height},ROTATE={rotate.degrees},TIME={time}"


def _time(at: datetime, form: TimeForm) -> str:
    return utc17(at) if form == "utc17" else str(unix_ms(at))


def numbered_text(entries: Sequence[Entry], *, ended: bool = True) -> bytes:
    """An ordinary playlist, with a discontinuity where there is a hole between two slices."""
    lines = _header(entries)
    for number, (entry, follows) in enumerate(zip(entries, _follows(entries), strict=True)):
        if number and not follows:
            lines.append("#EXT-X-DISCONTINUITY")
        lines += [f"#EXTINF:{entry.duration_s:.6f},", entry.uri]
    return _text(lines, ended=ended)


def _follows(entries: Sequence[Entry]) -> list[bool]:
    """Of each entry whether it follows the one before without a hole."""
    earlier = [None, *entries[:-1]]
    return [
        before is not None and abs(entry.begins_at - before.ends_at) <= _CONTIGUOUS
        for before, entry in zip(earlier, entries, strict=True)
    ]


def _header(entries: Sequence[Entry], *extra: str) -> list[str]:
    target = ceil(max(entry.duration_s for entry in entries))
    return ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-MEDIA-SEQUENCE:0", *extra, f"#EXT-X-TARGETDURATION:{target}"]


def _text(lines: Sequence[str], *, ended: bool) -> bytes:
    return ("\n".join([*lines, "#EXT-X-ENDLIST"] if ended else lines) + "\n").encode()

"""One playlist and its slices, as a vendor names and lists them, while it is being made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from deployments.sandbox.cutting import Slice
from deployments.sandbox.packets import TrackType
from deployments.sandbox.playlists import Entry, Rotate, utc17
from deployments.sandbox.vendors.cast import Shown

Kinds = tuple[TrackType, ...]
Stamp = Literal["utc", "number"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What one encoder records: of one user, or of all ("" as the user), these tracks of what is shown."""

    user: str
    kinds: Kinds
    shown: Shown = "main"

    @property
    def track_type(self) -> str:
        """As Agora says it."""
        return "audio_and_video" if len(self.kinds) == 2 else self.kinds[0]


@dataclass(slots=True, kw_only=True)
class RecordedFile:
    """A playlist that grows. Times in seconds are those of the recording, whose zero is `started_at`.

    Keys are `prefix` and `base` with `_<utc>` or `_<n>` for slices; `write` makes the text of its entries, whose URIs
    are `uri_prefix` and the name. `index` numbers the files of a recording.
    """

    index: int
    source: Source
    started_at: datetime
    begin_s: float
    base: str
    prefix: str
    write: Callable[[Sequence[Entry], bool], bytes]
    leg: int = 0
    slice_stamp: Stamp = "number"
    uri_prefix: str = ""
    entries: list[Entry] = field(default_factory=list)
    size_bytes: int = 0
    first_s: float = 0.0
    end_s: float = 0.0
    kept: list[bytes] | None = None
    """The slices, where an MP4 is to be made of them; None otherwise."""
    is_listed: bool = False
    is_closed: bool = False
    in_backup: bool = False
    is_lost: bool = False
    """Whether some of it could be stored nowhere."""
    shown: tuple[tuple[int, int], int] | None = None
    """Size and rotation that its playlist has told of last."""

    @property
    def name(self) -> str:
        """The playlist's, without its folder."""
        return f"{self.base}.m3u8"

    @property
    def mp4_name(self) -> str:
        """The MP4's, the only one: it is never so long that there are two."""
        return f"{self.base}_0.mp4"

    @property
    def key(self) -> str:
        """The playlist's."""
        return self.prefix + self.name

    @property
    def duration_ms(self) -> int:
        """From its first picture to its last."""
        return round(1000 * (self.end_s - self.first_s)) if self.entries else 0

    @property
    def begins_at(self) -> datetime:
        """When its first slice begins."""
        return self.entries[0].begins_at if self.entries else self.at(self.begin_s)

    def at(self, seconds: float) -> datetime:
        """The wall clock at this second of the recording, in whole milliseconds."""
        return self.started_at + timedelta(milliseconds=round(1000 * seconds))

    def add(
        self, piece: Slice, *, restarts: bool = False, breaks: bool = False, rotates: tuple[Rotate, ...] = ()
    ) -> str:
        """List one more slice; its key."""
        begins_at = self.at(piece.start_s)
        stamp = utc17(begins_at) if self.slice_stamp == "utc" else str(len(self.entries))
        name = f"{self.base}_{stamp}.ts"
        if not self.entries:
            self.first_s = piece.start_s
        self.entries.append(
            Entry(
                uri=self.uri_prefix + name,
                duration_s=piece.duration_s,
                begins_at=begins_at,
                restarts=restarts,
                breaks=breaks,
                rotates=rotates,
            )
        )
        self.size_bytes += len(piece.data)
        if self.kept is not None:
            self.kept.append(piece.data)
        self.end_s = piece.start_s + piece.duration_s
        return self.prefix + name

    def text(self, *, ended: bool, upto: int | None = None) -> bytes:
        """The playlist, of its first entries where `upto` says how many (negative: all but the last so many)."""
        return self.write(self.entries[:upto], ended)

"""A task of ZEGOCLOUD's: the names and playlists of its files, their statuses, and what its callbacks say of it."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from deployments.sandbox.playlists import numbered_text, utc17
from deployments.sandbox.vendors.cast import Shown
from deployments.sandbox.vendors.feeds import Leg
from deployments.sandbox.vendors.files import Kinds, RecordedFile, Source
from deployments.sandbox.vendors.recorder import Order, Recording, Studio
from deployments.sandbox.vendors.uploading import Manner
from deployments.sandbox.webhook_requests import Posted, unix_ms, zego

SINGLE, MIXED = 1, 2
KINDS: Final[Mapping[int, tuple[Kinds, ...]]] = {
    1: (("audio",),),
    2: (("video",),),
    3: (("audio", "video"),),
    4: (("audio",), ("video",)),
}
"""StreamType -> the tracks of each file."""
NOBODY_EVERY_S: Final = 30
_BEING_RECORDED, _BEING_UPLOADED, _STORED, _IN_BACKUP = 1, 2, 3, 4
_QUIT_REASONS: Final[Mapping[str, int]] = {"idle": 3, "longest": 4}


def stream_of(user: str, shown: Shown = "main") -> str:
    """The id of a stream that a user of the sandbox publishes."""
    return f"{user}_{shown}"


def track_type(kinds: Kinds) -> int:
    """MediaTrackType."""
    return sum({"audio": 1, "video": 2}[kind] for kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZegoOrder:
    """What of StartRecord is ZEGO's own. `streams`: those to be recorded; None: all. `mixed_id`: MixOutputStreamId."""

    app_id: int
    mode: int
    stream_type: int
    mixed_id: str = ""
    streams: frozenset[str] | None = None
    fills_blank: bool = False
    always_mixes: bool = False
    realtime: bool = False
    short_path: bool = False
    has_whiteboard: bool = False
    client_task_id: str = ""
    backup_bucket: str
    backup_url: str
    store_url: str


class ZegoRecording(Recording):
    """One task."""

    def __init__(self, studio: Studio, order: Order, zego_order: ZegoOrder, secret: str) -> None:
        realtime = zego_order.realtime
        self.manner = Manner(slices_live=realtime, playlists_live=realtime, backup_bucket=zego_order.backup_bucket)
        super().__init__(studio, order)
        self.zego = zego_order
        self._secret = secret
        self._nobody_s = 0

    @property
    def status(self) -> int:
        """Of the task: 2 recording, 5 paused, 3 ended; ended without a stop is called abnormal, 4: a guess."""
        if self.is_running:
            return 5 if self.is_paused else 2
        return 3 if self.ended_by == "stop" else 4

    def sources(self, users: Sequence[str]) -> Iterable[Source]:
        """Mixed: one while somebody publishes; otherwise one of each stream; StreamType 4 makes two of each.

        A cast may have a whiteboard, which is video alone.
        """
        streams: list[tuple[str, Shown]]
        if self.zego.mode == MIXED:
            streams = [("", "main")] if users or self.zego.always_mixes else []
        else:
            streams = self._streams(users)
        sources = [
            Source(user=user, shown=shown, kinds=kinds)
            for user, shown in streams
            for kinds in KINDS[self.zego.stream_type]
        ]
        if self.zego.mode == SINGLE and self.zego.has_whiteboard and self.script.cast:
            sources.append(Source(user="", shown="whiteboard", kinds=("video",)))
        return sources

    def _streams(self, users: Sequence[str]) -> list[tuple[str, Shown]]:
        """Those of these users that are to be recorded; a screen is shared in a cast only."""
        wanted = self.zego.streams
        shown: tuple[Shown, ...] = ("main", "screen") if self.script.cast else ("main",)
        published = [(user, one) for user in users for one in shown]
        return [(user, one) for user, one in published if wanted is None or stream_of(user, one) in wanted]

    def new_file(self, source: Source, leg: Leg, begin_s: float) -> RecordedFile:
        """Named by the moment it begins; its segments are numbered, which is a guess."""
        kind = {1: "A", 2: "V", 3: "VA"}[track_type(source.kinds)]
        user, stream = self._names(source)
        middle = stream if user == stream else f"{user}_{stream}"
        prefix = self.order.store.prefix
        whole_paths = self.zego.realtime and not self.zego.short_path
        return RecordedFile(
            index=len(self.files),
            source=source,
            leg=leg.index,
            started_at=self.started_at,
            begin_s=begin_s,
            base=f"{self.order.task_id}_{self.order.room}_{middle}_{kind}_{utc17(self.at(begin_s))}",
            prefix=prefix,
            write=lambda entries, ended: numbered_text(entries, ended=ended),
            uri_prefix=prefix if whole_paths else "",
        )

    def starts_new_file(self, feed_file: RecordedFile) -> bool:
        """A stream that is published again has another file, unless blanks are to be filled."""
        del feed_file
        return self.zego.mode == SINGLE and not self.zego.fills_blank

    def _names(self, source: Source) -> tuple[str, str]:
        """User and stream, which are both that of the output where all are mixed; those of a whiteboard: a guess."""
        if self.zego.mode == MIXED:
            return self.zego.mixed_id, self.zego.mixed_id
        if source.shown == "whiteboard":
            return source.shown, source.shown
        return source.user, stream_of(source.user, source.shown)

    def url_of(self, file: RecordedFile) -> str:
        """Where its playlist can be read."""
        return f"{self.zego.backup_url if file.in_backup else self.zego.store_url}/{file.key}"

    def file_status(self, file: RecordedFile) -> int:
        """1 to 4; 5 needs a backup store that fails."""
        if not file.is_closed and self.is_running:
            return _BEING_RECORDED
        if not file.is_closed or not self.finished.is_set():
            return _BEING_UPLOADED
        return _IN_BACKUP if file.in_backup else _STORED

    def described(self, file: RecordedFile, status: int) -> dict[str, Any]:
        """A file as a callback tells of it; the answer of DescribeRecordStatus spells it otherwise."""
        user, stream = self._names(file.source)
        has_picture = "video" in file.source.kinds
        width, height = self.studio.size if has_picture else (0, 0)
        return {
            "file_id": file.name,
            "output_file_format": "hls",
            "user_id": user,
            "user_name": user,
            "stream_id": stream,
            "video_id": "",
            "file_url": self.url_of(file),
            "file_size": file.size_bytes,
            "duration": file.duration_ms,
            "resolution_width": width,
            "resolution_height": height,
            "media_track_type": track_type(file.source.kinds),
            "begin_timestamp": unix_ms(file.begins_at),
            "status": status,
        }

    def on_nobody(self, second: int) -> None:
        """Event 4, at once and every 30 seconds."""
        if second >= self._nobody_s:
            self._nobody_s = second + NOBODY_EVERY_S
            self._say(4)

    def on_listed(self, file: RecordedFile) -> None:
        """Event 102: where the playlist will be."""
        _, stream = self._names(file.source)
        kind = track_type(file.source.kinds)
        self._say(102, stream_id=stream, file_id=file.name, file_url=self.url_of(file), media_track_type=kind)

    def pause(self, *, on: bool) -> None:
        """Events 201 and 202."""
        super().pause(on=on)
        self._say(201 if on else 202)

    def on_left(self) -> None:
        """Recording is over; files are being uploaded."""
        if self.ended_by in _QUIT_REASONS:
            self._say(2, quit_reason=_QUIT_REASONS[self.ended_by])
        else:
            self._say(7)
            self._say(5)

    def on_finished(self) -> None:
        """Event 1, with no file where nobody published."""
        files = [file for file in self.files if file.entries]
        statuses = [_IN_BACKUP if file.in_backup else _STORED for file in files]
        told = [self.described(file, status) for file, status in zip(files, statuses, strict=True)]
        self._say(1, upload_status=2 if _IN_BACKUP in statuses else 1, file_info=told)

    def _say(self, event_type: int, **detail: object) -> None:
        make = partial(
            zego,
            event_type,
            task_id=self.order.task_id,
            room=self.order.room,
            secret=self._secret,
            detail=detail,
            app_id=self.zego.app_id,
            sequence=self.next_sequence(),
            nonce=str(100_000 + secrets.randbelow(900_000)),
        )

        def deliver(now: datetime) -> Posted:
            return make(sent_at=now)

        self.tell(deliver)

"""What reaches the customer's bucket, and when: at once, late, damaged, elsewhere, or never."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from deployments.sandbox.clouds import Clouds
from deployments.sandbox.cutting import mp4_of
from deployments.sandbox.vendors.files import RecordedFile
from deployments.sandbox.vendors.scheduling import Scheduler
from deployments.sandbox.vendors.scripts import Script
from deployments.sandbox.vendors.stores import Store

M3U8 = "application/x-mpegURL"
TS = "video/MP2T"
MP4 = "video/mp4"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a vendor uploads: slices as they are finished or all at the end; playlists while they grow or at the end.

    `backup_bucket` takes what the customer's store does not (ZEGO). `keeps_back`: it is moved to the customer later,
    and nobody can read it until then (Agora).
    """

    slices_live: bool
    playlists_live: bool
    keeps_back: bool = False
    backup_bucket: str = ""


class Uploader:
    """The uploads of one recording, under its script. For one thread at a time."""

    def __init__(self, clouds: Clouds, later: Scheduler, store: Store, script: Script, manner: Manner) -> None:
        self._clouds = clouds
        self._later = later
        self._store = store
        self._script = script
        self._manner = manner
        self._late: list[Callable[[], None]] = []
        self._waiting: list[tuple[RecordedFile, str, bytes]] = []
        if script.astray is not None and not clouds.has_bucket(script.astray.cloud, script.astray.bucket):
            clouds.create_bucket(script.astray.cloud, script.astray.bucket)

    def slice(self, file: RecordedFile, key: str, data: bytes) -> None:
        """One more slice of this file is finished."""
        number = len(file.entries) - 1
        stored = data[: len(data) // 2] if self._script.is_damaged(file.index, number) else data
        if self._script.is_late(file.index, number):
            self._late.append(partial(self._put, file, key, stored, TS))
        elif self._manner.keeps_back and self._script.backup and number > 0:
            file.in_backup = True
            self._late.append(partial(self._put, file, key, stored, TS))
        elif self._manner.slices_live:
            self._put(file, key, stored, TS)
        else:
            self._waiting.append((file, key, stored))

    def list_growing(self, file: RecordedFile) -> bool:
        """Rewrite the playlist while it grows; whether it was uploaded for the first time."""
        if not self._manner.playlists_live or self._is_held(file) or not file.entries:
            return False
        self._put(file, file.key, file.text(ended=False), M3U8)
        first, file.is_listed = not file.is_listed, True
        return first

    def _is_held(self, file: RecordedFile) -> bool:
        """Whether the playlist does not get there now."""
        held_back = self._manner.keeps_back and self._script.backup and len(file.entries) > 1
        return self._script.index == "missing" or held_back

    def finish(self, file: RecordedFile, *, crashed: bool = False) -> None:
        """Upload what is left of this file, its playlist last."""
        for owner, key, data in self._waiting:
            self._put(owner, key, data, TS)
        self._waiting.clear()
        if file.kept:
            self._put(file, file.prefix + file.mp4_name, mp4_of(file.kept), MP4)
            file.kept = None
        if file.entries and self._script.index != "missing":
            if self._is_held(file):
                self._move_later(file)
            else:
                self._put_final(file, crashed=crashed)

    def _put_final(self, file: RecordedFile, *, crashed: bool) -> None:
        script = self._script
        ended = script.index != "endless" and not crashed
        named = len(file.entries) - min(script.orphans, len(file.entries) - 1)
        self._put(file, file.key, file.text(ended=ended, upto=named), M3U8)
        if script.index == "partial":
            self._put(file, file.key, file.text(ended=ended, upto=max(1, named // 2)), M3U8)

    def _move_later(self, file: RecordedFile) -> None:
        """The playlists of what is moved from the backup store: numbered, the newest with the highest number."""
        file.in_backup = True
        tick = 22_194_679_897 + file.index
        versions = ((0, max(1, len(file.entries) // 2), False), (1, len(file.entries), True))
        for number, upto, ended in versions:
            key = f"{file.prefix}{file.base}_{tick}_{number}.m3u8"
            text = file.text(ended=ended, upto=upto)
            self._late.append(partial(self._put, file, key, text, M3U8))

    def let_late_come(self) -> None:
        """The vendor has said that all is there: what is late follows from now on."""
        for number, put in enumerate(self._late, 1):
            self._later.later(number * self._script.late_s, put)
        self._late.clear()

    @property
    def refused(self) -> str:
        """The store's code, where the customer's bucket takes nothing."""
        return "" if self._script.astray else self._store.refusal(self._clouds)

    def _put(self, file: RecordedFile, key: str, data: bytes, content_type: str) -> None:
        """Where it can go now; nowhere, where nobody takes it."""
        cloud, bucket = self._store.cloud, self._store.bucket
        if self._script.astray is not None:
            cloud, bucket = self._script.astray.cloud, self._script.astray.bucket
        elif self.refused or (self._script.backup and self._manner.backup_bucket):
            cloud, bucket = "s3", self._manner.backup_bucket
            file.in_backup, file.is_lost = bool(bucket), not bucket
        if bucket:
            self._clouds.put(cloud, bucket, key, data, content_type=content_type)

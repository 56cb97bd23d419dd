"""A recorder: it joins the room, encodes what is published second by second, and uploads until it is told to stop."""

import itertools
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from zlib import crc32

from deployments.sandbox.clips import Clip
from deployments.sandbox.clouds import Clouds
from deployments.sandbox.cutting import Slice
from deployments.sandbox.live import Live
from deployments.sandbox.vendors.files import RecordedFile, Source
from deployments.sandbox.vendors.hooks import Hooks, Maker
from deployments.sandbox.vendors.rooms import Rooms
from deployments.sandbox.vendors.scheduling import Scheduler
from deployments.sandbox.vendors.scripts import Script
from deployments.sandbox.vendors.stores import Store
from deployments.sandbox.vendors.story import Story
from deployments.sandbox.vendors.uploading import Manner, Uploader

log = logging.getLogger(__name__)

MAX_RECORD_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """What all recorders share. `pace`: seconds of media in a real second."""

    clouds: Clouds
    rooms: Rooms
    hooks: Hooks
    later: Scheduler
    pace: float
    slice_s: float
    size: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was ordered by the request that started a recording."""

    vendor: str
    task_id: str
    room: str
    store: Store
    max_idle_s: int = 30
    max_record_s: int = MAX_RECORD_S
    slice_s: float | None = None
    callback_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One recorder's share of a recording, in seconds of it: after a failover another one goes on."""

    index: int
    begin_s: int
    end_s: float


@dataclass(slots=True, kw_only=True)
class _Feed:
    """One source on its way into files, one after the other."""

    source: Source
    leg: Leg
    live: Live | None = None
    file: RecordedFile | None = None


class Recording(Story, ABC):
    """One recording of any vendor, in a thread of its own; what is said and how files are named is up to the vendor.

    The wall clock of its media begins at `started_at` and runs at the studio's pace.
    """

    manner: Manner
    fails_over = True
    """Whether anything is known of what its vendor does when a recorder is lost."""

    def __init__(self, studio: Studio, order: Order) -> None:
        self.studio = studio
        self.order = order
        self.script: Script = studio.rooms.next_script(order.vendor, order.room)
        self.uploader = Uploader(studio.clouds, studio.later, order.store, self.script, self.manner)
        now = datetime.now(UTC)
        self.started_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self.files: list[RecordedFile] = []
        self.ended_by = ""
        """Why it ended: "stop", "idle", "longest" or "refused"; "" while it runs."""
        self.ended_at: datetime | None = None
        self.left_at = inf
        """When all was done, on the monotonic clock."""
        self.finished = threading.Event()
        """All is uploaded, and the last message is on its way."""
        self._sequence = itertools.count()
        self._began = time.monotonic()
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self._stop_at_s = inf
        self._switches: list[tuple[float, bool]] = []
        self._feeds: dict[tuple[int, Source], _Feed] = {}
        self._legs = self._planned_legs()
        self._thread = threading.Thread(target=self._run, name=f"{order.vendor}-recorder", daemon=True)

    # What the vendor decides.

    @abstractmethod
    def sources(self, users: Sequence[str]) -> Iterable[Source]:
        """What is recorded while these publish."""

    @abstractmethod
    def new_file(self, source: Source, leg: Leg, begin_s: int) -> RecordedFile:
        """A file for it, from this second on."""

    def starts_new_file(self, feed_file: RecordedFile) -> bool:
        """Whether a source that comes back goes into another file than this one."""
        del feed_file
        return False

    # What is asked of it.

    def start(self) -> None:
        """Record from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the room now, and upload; harmless again."""
        if not self._stopping.is_set():
            self._stop_at_s = self.media_s
            self.ended_by = self.ended_by or "stop"
            self._stopping.set()

    def refuse(self) -> None:
        """End at once, because it cannot record."""
        self._end_by("refused")

    def abandon(self) -> None:
        """End without a trace, because the sandbox ends."""
        self._abandoned.set()
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait for its thread."""
        self._thread.join(timeout_s)

    def pause(self, *, on: bool) -> None:
        """Record nothing from now on, or again."""
        self._switches.append((self.media_s, on))

    @property
    def is_paused(self) -> bool:
        """Whether nothing is recorded now."""
        return bool(self._switches) and self._switches[-1][1]

    @property
    def is_running(self) -> bool:
        """Whether it is in the room."""
        return not self._stopping.is_set()

    @property
    def is_finishing(self) -> bool:
        """Whether it has left, and something is still to come."""
        return self._stopping.is_set() and not self.finished.is_set()

    @property
    def media_s(self) -> float:
        """How long it has run, in seconds of media."""
        return (time.monotonic() - self._began) * self.studio.pace

    @property
    def is_lost(self) -> bool:
        """Whether its recorder is just being replaced."""
        if len(self._legs) == 1:
            return False
        moments = sorted((self._legs[0].end_s, float(self._legs[1].begin_s)))
        return moments[0] <= self.media_s < moments[1]

    def at(self, seconds: float) -> datetime:
        """The wall clock at this second of the recording."""
        return self.started_at + timedelta(seconds=seconds)

    def next_sequence(self) -> int:
        """The number of the next message."""
        return next(self._sequence)

    def tell(self, maker: Maker) -> None:
        """Post a message."""
        self.studio.hooks.send(self.order.vendor, maker, url=self.order.callback_url, telling=self.script.telling)

    # How it records.

    def _planned_legs(self) -> tuple[Leg, ...]:
        failover = self.script.failover
        if failover is None or not self.fails_over:
            return (Leg(index=0, begin_s=0, end_s=inf),)
        begin_s = max(1, failover.after_s + failover.gap_s)
        return (
            Leg(index=0, begin_s=0, end_s=failover.after_s),
            Leg(index=1, begin_s=begin_s, end_s=inf),
        )

    def _run(self) -> None:
        try:
            self._record()
            if not self._abandoned.is_set():
                self._finish()
        except Exception:
            log.exception("the recording %s of %s broke", self.order.task_id, self.order.vendor)
        finally:
            for feed in self._feeds.values():
                if feed.live is not None:
                    feed.live.abandon()
            self._stopping.set()
            self.left_at = time.monotonic()
            self.finished.set()

    def _record(self) -> None:
        self.on_started()
        second, idle_s = 0, 0
        while not self._is_over(second, idle_s):
            if self._abandoned.is_set():
                return
            idle_s = 0 if self._record_second(second) else idle_s + 1
            second += 1
        for feed in self._feeds.values():
            self._close(feed, second, crashed=False)
        self.ended_at = self.at(second)

    def _is_over(self, second: int, idle_s: int) -> bool:
        """Wait until this second has passed; whether the recording ended before."""
        if second >= self.order.max_record_s:
            self._end_by("longest")
        elif idle_s >= self.order.max_idle_s:
            self._end_by("idle")
        wait_s = self._began + (second + 1) / self.studio.pace - time.monotonic()
        if wait_s > 0:
            self._stopping.wait(wait_s)
        return self._stopping.is_set() and second + 1 > self._stop_at_s

    def _end_by(self, why: str) -> None:
        self.ended_by = self.ended_by or why
        self._stop_at_s = 0
        self._stopping.set()

    def _record_second(self, second: int) -> bool:
        """Encode it; whether somebody published."""
        users = () if self.script.nobody else self._users_at(second)
        for leg in self._legs:
            if leg.begin_s == second and leg.index:
                self.on_failover()
            is_there = leg.begin_s <= second < leg.end_s and not self._paused_at(second)
            self._follow(leg, second, dict.fromkeys(self.sources(users) if is_there else ()))
        if not users:
            self.on_nobody(second)
        return bool(users)

    def _users_at(self, second: int) -> tuple[str, ...]:
        drop = self.script.drop
        if drop is not None and drop.after_s <= second < drop.after_s + drop.for_s:
            return ()
        moment = self._began + second / self.studio.pace
        return self.studio.rooms.users_at(self.order.vendor, self.order.room, moment)

    def _paused_at(self, second: int) -> bool:
        paused = False
        for moment, on in self._switches:
            if moment <= second + 0.5:
                paused = on
        return paused

    def _follow(self, leg: Leg, second: int, wanted: dict[Source, None]) -> None:
        """One second of one recorder: let those go who went, and encode the others."""
        for feed in self._feeds.values():
            if feed.leg is leg and feed.source not in wanted:
                self._close(feed, second, crashed=second >= leg.end_s)
        for source in wanted:
            feed = self._feeds.setdefault((leg.index, source), _Feed(source=source, leg=leg))
            if feed.live is None:
                self._open(feed, second)
            if feed.live is not None and feed.file is not None:
                self._keep(feed.file, feed.live.next_second())

    def _open(self, feed: _Feed, second: int) -> None:
        is_first = feed.file is None
        if feed.file is None or self.starts_new_file(feed.file):
            if feed.file is not None:
                self._conclude(feed.file, crashed=False)
            feed.file = self.new_file(feed.source, feed.leg, second)
            self.files.append(feed.file)
        self.on_feed(feed.file, second, is_first=is_first)
        feed.live = Live(
            _clip(self.studio.size, feed.source),
            begins_at=second,
            stamped_s=second - feed.file.begin_s,
            slice_s=self.order.slice_s or self.studio.slice_s,
        )

    def _close(self, feed: _Feed, second: int, *, crashed: bool) -> None:
        """Its source went away, or its recorder: what a crashed one has not finished is lost, unless it overlaps."""
        if feed.live is None or feed.file is None:
            return
        live, feed.live = feed.live, None
        overlaps = self.script.failover is not None and self.script.failover.gap_s < 0
        if crashed and not overlaps:
            live.abandon()
        else:
            self._keep(feed.file, live.close())
        if crashed:
            self._conclude(feed.file, crashed=True)
        else:
            self.on_gone(feed.file, second)

    def _keep(self, file: RecordedFile, pieces: Iterable[Slice]) -> None:
        for piece in pieces:
            key = file.add(piece)
            self.uploader.slice(file, key, piece.data)
            if self.uploader.list_growing(file):
                self.on_listed(file)

    def _conclude(self, file: RecordedFile, *, crashed: bool) -> None:
        if not file.is_closed:
            file.is_closed = True
            self.uploader.finish(file, crashed=crashed)

    def _finish(self) -> None:
        self.on_left()
        for file in self.files:
            self._conclude(file, crashed=False)
        self.on_finished()
        self.uploader.let_late_come()


def _clip(size: tuple[int, int], source: Source) -> Clip:
    """What this source looks and sounds like: no two users alike."""
    seed = crc32(source.user.encode()) % 1000 if source.user else 0
    return Clip(seconds=1, size=size, audio="audio" in source.kinds, video="video" in source.kinds, seed=seed)

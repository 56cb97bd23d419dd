"""A recorder: it joins the room, encodes what is published second by second, and uploads until it is told to stop."""

import itertools
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Literal

from deployments.sandbox.clouds import Clouds
from deployments.sandbox.cutting import Slice
from deployments.sandbox.live import Live
from deployments.sandbox.vendors.cast import ALWAYS, Take
from deployments.sandbox.vendors.feeds import Feed, Leg
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


Why = Literal["gone", "cut", "lost", "over"]
"""An encoder ends because its source went away, another one goes on, its recorder is lost, or the recording is over."""


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
        self._ended_s = 0
        self._switches: list[tuple[float, bool]] = []
        self._feeds: dict[tuple[int, Source], Feed] = {}
        self._legs = self._planned_legs()
        self._thread = threading.Thread(target=self._run, name=f"{order.vendor}-recorder", daemon=True)

    # What the vendor decides.

    @abstractmethod
    def sources(self, users: Sequence[str]) -> Iterable[Source]:
        """What is recorded while these publish."""

    @abstractmethod
    def new_file(self, source: Source, leg: Leg, begin_s: float) -> RecordedFile:
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
            return (Leg(index=0, begin_s=0),)
        begin_s = max(1, failover.after_s + failover.gap_s)
        return (
            Leg(index=0, begin_s=0, end_s=failover.after_s),
            Leg(index=1, begin_s=begin_s),
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
            self._close(feed, second, "over")
        self.ended_at, self._ended_s = self.at(second), second

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
            self._follow(leg, second, self._wanted(users, second) if is_there else {})
        if not users:
            self.on_nobody(second)
        return bool(users)

    def _users_at(self, second: int) -> tuple[str, ...]:
        drop = self.script.drop
        if drop is not None and drop.after_s <= second < drop.after_s + drop.for_s:
            return ()
        if self.script.cast is not None:
            return self.script.cast.users_in(second)
        moment = self._began + second / self.studio.pace
        return self.studio.rooms.users_at(self.order.vendor, self.order.room, moment)

    def _paused_at(self, second: int) -> bool:
        paused = False
        for moment, on in self._switches:
            if moment <= second + 0.5:
                paused = on
        return paused

    def _wanted(self, users: Sequence[str], second: int) -> dict[Source, list[Take]]:
        """What is to be recorded in this second, in order of time."""
        return {
            source: takes
            for source in self.sources(users)
            if (takes := [take for take in self._takes(source) if take.meets(second)])
        }

    def _takes(self, source: Source) -> Sequence[Take]:
        is_mixed = not source.user and source.shown == "main"
        if self.script.cast is None or is_mixed:
            return (ALWAYS,)
        return self.script.cast.takes(source.user, source.kinds, self.studio.size, source.shown)

    def _follow(self, leg: Leg, second: int, wanted: Mapping[Source, Sequence[Take]]) -> None:
        """One second of one recorder: let those go who went, and encode the others."""
        for feed in self._feeds.values():
            if feed.leg is leg and feed.take not in wanted.get(feed.source, ()):
                self._close(feed, second, "lost" if second >= leg.end_s else "gone")
        for source, takes in wanted.items():
            feed = self._feeds.setdefault((leg.index, source), self._new_feed(source, leg))
            for take in takes:
                self._record_take(feed, take, second)

    def _new_feed(self, source: Source, leg: Leg) -> Feed:
        slice_s = self.order.slice_s or self.studio.slice_s
        return Feed(source=source, leg=leg, cast=self.script.cast, size=self.studio.size, slice_s=slice_s)

    def _record_take(self, feed: Feed, take: Take, second: int) -> None:
        """As much of it as is in this second."""
        live = feed.live or self._open(feed, take, max(take.begin_s, second))
        self._keep(feed, live.until(min(take.end_s, second + 1)))
        if take.end_s <= second + 1:
            self._close(feed, take.gone_s, "cut" if take.is_cut else "gone")

    def _open(self, feed: Feed, take: Take, begin_s: float) -> Live:
        if feed.file is None or self.starts_new_file(feed.file):
            if feed.file is not None:
                self._conclude(feed.file, crashed=False)
            feed.file = self.new_file(feed.source, feed.leg, begin_s)
            self.files.append(feed.file)
        live = feed.open(take, begin_s, feed.file)
        if not feed.goes_on:
            self.on_feed(feed.file, live.start_s)
        return live

    def _close(self, feed: Feed, second: float, why: Why) -> None:
        """What a recorder that is lost has not finished is lost too, unless another one was there already."""
        if feed.live is None or feed.file is None:
            return
        live, feed.live = feed.live, None
        overlaps = self.script.failover is not None and self.script.failover.gap_s < 0
        if why == "lost" and not overlaps:
            live.abandon()
        else:
            self._keep(feed, live.close())
        if why == "lost":
            self._conclude(feed.file, crashed=True)
        elif why == "gone":
            self.on_gone(feed.file, second)

    def _keep(self, feed: Feed, pieces: Iterable[Slice]) -> None:
        file = feed.file
        if file is None:
            return
        for piece in pieces:
            key = feed.add(file, piece)
            self.uploader.slice(file, key, piece.data)
            if self.uploader.list_growing(file):
                self.on_listed(file)

    def _conclude(self, file: RecordedFile, *, crashed: bool) -> None:
        if not file.is_closed:
            file.is_closed = True
            self.uploader.finish(file, crashed=crashed)

    def _finish(self) -> None:
        self.on_left()
        lost = {leg.index for leg in self._legs if leg.end_s <= self._ended_s}
        for file in self.files:
            self._conclude(file, crashed=file.leg in lost)
        self.on_finished()
        self.uploader.let_late_come()

"""Presence: what vendors' messages say of who sent what, held against what was recorded. Pure."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice, takewhile
from operator import attrgetter
from typing import Final

from catalog.events import Presence, PresenceMark
from catalog.model import Evidence, GapTrack, Mode
from catalog.wire import utc_text
from media.findings import Finding, finding
from media.losses import Absence, Gap
from media.samples import TrackType
from media.timing import TICKS_PER_SECOND
from vendors.base import RecordingObjects

NEAR: Final = timedelta(seconds=2)
"""How far a message's time may lie from that of the samples: recorders notice a change in about a second."""
_TOUCHING: Final = TICKS_PER_SECOND // 4
_TRACKS: Final[tuple[TrackType, ...]] = ("audio", "video")
_THE_MIX: Final = "0"
_ON: Final = (Presence.RECEIVING, Presence.SLICE_START)

UtcAt = Callable[[int], datetime | None]
"""The wall clock of a tick, counted from the first sample of the output."""


def refined(
    absences: Sequence[Absence],
    gaps: Sequence[Gap],
    marks: Sequence[PresenceMark],
    *,
    names: tuple[str | None, ...],
    utc_at: UtcAt,
) -> tuple[Absence, ...]:
    """The absences of a stream; those that messages tell of have that as their evidence.

    Such a one begins near the time at which the recorder got no more, and ends near that at which it got something
    again; where a gap adjoins it, that may have been at any time of the gap. `names` are those by which messages may
    call the stream: its user and itself.
    """
    of_stream = [mark for mark in marks if mark.stream in names]
    if not of_stream:
        return tuple(absences)
    told = {track: _Told.of(of_stream, track) for track in _TRACKS}
    beside = _Beside.of(gaps)

    def is_told(absence: Absence) -> bool:
        stop = _window(utc_at(beside.begin(absence)), utc_at(absence.begin))
        start = _window(utc_at(absence.end), utc_at(beside.end(absence)))
        tracks = [track for track in _TRACKS if _covers(absence.track, track)]
        return all(told[track].has(stop, start) for track in tracks)

    return tuple(replace(each, evidence=Evidence.VENDOR_EVENT.value) if is_told(each) else each for each in absences)


def unrecorded(objects: RecordingObjects, marks: Sequence[PresenceMark]) -> Iterator[Finding]:
    """Users of whom the recorder got something, and of whom there is no stream.

    Only where each stream is recorded alone: of a mix nobody can tell who is in it.
    """
    if Mode(objects.mode) is not Mode.INDIVIDUAL:
        return
    there = {name for stream in objects.streams for name in (stream.user, stream.stream)} | {_THE_MIX}
    sent = dict.fromkeys(mark.stream for mark in marks if mark.presence in _ON and mark.stream not in there)
    for user in sent:
        of_user = [mark for mark in marks if mark.stream == user]
        what = " and ".join(text for track in _TRACKS if (text := _sent(of_user, track)))
        yield finding("user_not_recorded", user, f"user {user} sent {what}, and no slice of it came")


Window = tuple[datetime, datetime] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """When a track stopped to come, and came again, by the messages."""

    stops: Sequence[datetime]
    starts: Sequence[datetime]

    @classmethod
    def of(cls, marks: Sequence[PresenceMark], track: TrackType) -> "_Told":
        its = [mark for mark in marks if _covers(mark.track, track)]
        stops = [mark.at for mark in its if mark.presence is Presence.NOT_RECEIVING]
        stops += [mark.since for mark in its if mark.since is not None]
        return cls(stops=sorted(stops), starts=sorted(mark.at for mark in its if mark.presence in _ON))

    def has(self, stop: Window, start: Window) -> bool:
        return _any_in(self.stops, stop) and _any_in(self.starts, start)


def _any_in(times: Sequence[datetime], window: Window) -> bool:
    if window is None:
        return False
    at = bisect_left(times, window[0])
    return at < len(times) and times[at] <= window[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """Gaps, to be found by either end."""

    by_begin: Sequence[Gap]
    by_end: Sequence[Gap]

    @classmethod
    def of(cls, gaps: Sequence[Gap]) -> "_Beside":
        return cls(by_begin=sorted(gaps, key=attrgetter("begin")), by_end=sorted(gaps, key=attrgetter("end")))

    def begin(self, absence: Absence) -> int:
        """Where it begins, or the gap that ends there does."""
        first = bisect_left(self.by_end, absence.begin - _TOUCHING, key=attrgetter("end"))
        near = takewhile(lambda gap: gap.end <= absence.begin + _TOUCHING, islice(self.by_end, first, None))
        return min([absence.begin, *(gap.begin for gap in near if _meet(gap, absence))])

    def end(self, absence: Absence) -> int:
        """Where it ends, or the gap that begins there does."""
        first = bisect_left(self.by_begin, absence.end - _TOUCHING, key=attrgetter("begin"))
        near = takewhile(lambda gap: gap.begin <= absence.end + _TOUCHING, islice(self.by_begin, first, None))
        return max([absence.end, *(gap.end for gap in near if _meet(gap, absence))])


def _meet(gap: Gap, absence: Absence) -> bool:
    return "both" in {gap.track, absence.track} or gap.track == absence.track


def _window(since: datetime | None, until: datetime | None) -> Window:
    return (since - NEAR, until + NEAR) if since and until else None


def _covers(which: GapTrack | None, track: TrackType) -> bool:
    """A message that names no track is about both."""
    return which in {track, "both", None}


def _sent(marks: Sequence[PresenceMark], track: TrackType) -> str:
    its = [mark for mark in marks if _covers(mark.track, track)]
    began = min((mark.since or mark.at for mark in its if mark.presence in _ON), default=None)
    if began is None:
        return ""
    last = max(its, key=lambda mark: mark.at)
    until = f"to {utc_text(last.at)}" if last.presence is Presence.NOT_RECEIVING else "on"
    return f"{track} from {utc_text(began)} {until}"

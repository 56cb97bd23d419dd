"""What of a range that somebody asks for was recorded, and what is not there and why. Pure knowledge of manifests.

Offsets count from the beginning of a recording as its timeline shows it; in a stream without a clock they are its own
seconds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby
from typing import Final, TypeVar

from catalog.export_request import Origin
from catalog.model import Manifest, Output, RecordingId, StreamKind, StreamRecord
from catalog.timeline import TRACKS, Presence, StreamLanes, Stretch, Timeline, timeline
from media.samples import TrackType

Moment = datetime | timedelta
Range = tuple[datetime, datetime] | tuple[timedelta, timedelta]
Place = TypeVar("Place", datetime, timedelta)
LEAST: Final = timedelta(seconds=1)
"""So much is offered instead of a shorter range, if it is there."""
_MILLISECOND: Final = timedelta(milliseconds=1)
_NEAR_S: Final = 0.1
"""What audio and video miss together seldom begins with the very same sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Some time of a stream that was asked for and is in none of `tracks`, on three clocks: see `Stretch`.

    The offsets are those from the beginning of the recording.
    """

    recording: RecordingId
    user: str | None
    stream: str
    kind: StreamKind
    tracks: tuple[TrackType, ...]
    stretch: Stretch
    from_offset: timedelta
    to_offset: timedelta

    @property
    def is_lost(self) -> bool:
        """Whether it was promised."""
        return self.stretch.state is Presence.GAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some time of one output, in seconds of its stream; what is lost before, after and between outputs counts in."""

    origin: Origin
    from_s: float
    to_s: float


@dataclass(frozen=True, kw_only=True)
class Seat:
    """One stream of a recording, and what is asked of it: from `from_s` to `to_s`, in its seconds."""

    manifest: Manifest
    shown: Timeline
    record: StreamRecord
    lanes: StreamLanes
    from_s: float
    to_s: float

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """What of each of its outputs is asked for, in the order of time, where anything was recorded in it.

        Together they are the whole range, so that nothing that is missing in it lies in none of them.
        """
        outputs = sorted((each for each in self.record.outputs if each.tracks), key=self._span)
        there = [output for output in outputs if self._has_any_of(output)]
        found = []
        for number, output in enumerate(there):
            origin, end = self._span(output)
            before = self._span(there[number - 1])[1] if number else self.from_s
            begin = max(self.from_s, min(before, origin))
            until = min(end, self.to_s) if number + 1 < len(there) else self.to_s
            found.append(Piece(origin=_origin(output, origin), from_s=begin if number else self.from_s, to_s=until))
        return tuple(found)

    @cached_property
    def missing(self) -> tuple[Missing, ...]:
        """What of the range is not there: gaps and absences, those of both tracks together."""
        found = [
            (track, clipped)
            for lane in self.lanes.lanes
            for stretch in lane.stretches
            if stretch.state is not Presence.RECORDED and (clipped := self._clipped(stretch)) and not stretch.is_brief
            for track in (lane.track,)
        ]
        ordered = sorted(found, key=lambda each: (*_span(each[1]), str(each[1].why), TRACKS.index(each[0])))
        told = (list(same) for _, same in groupby(ordered, key=lambda each: (*_span(each[1]), each[1].why)))
        return tuple(self._missing(same[0][1], tuple(track for track, _ in same)) for same in told)

    @property
    def nearest(self) -> tuple[float, float] | None:
        """What was recorded nearest to the range, and about as long as it, in seconds of the stream."""
        wanted = max(self.to_s - self.from_s, LEAST.total_seconds())
        if not self._recorded:
            return None
        begin, end = min(self._recorded, key=lambda span: max(span[0] - self.to_s, self.from_s - span[1], 0.0))
        if begin >= self.from_s:
            return begin, min(end, begin + wanted)
        return max(begin, end - wanted), end

    def place(self, media_s: float, like: Moment) -> Moment | None:
        """A time of the stream on the wall clock, or as an offset if `like` is one; None where it is not known."""
        return self.lanes.clock.utc_at(media_s) if isinstance(like, datetime) else self.offset(media_s)

    def offset(self, media_s: float) -> timedelta:
        """How far into the recording a time of the stream is."""
        at = self.lanes.clock.utc_at(media_s)
        return at - self.shown.from_utc if at and self.shown.from_utc else timedelta(seconds=media_s)

    @property
    def _recorded(self) -> list[tuple[float, float]]:
        """Where any track was recorded and is in an output."""
        outputs = [self._span(output) for output in self.record.outputs if output.tracks]
        stretches = [each for lane in self.lanes.lanes for each in lane.stretches if each.state is Presence.RECORDED]
        both = ((max(s.from_s, begin), min(s.to_s, end)) for s in stretches for begin, end in outputs)
        return sorted(span for span in both if span[0] < span[1])

    def _has_any_of(self, output: Output) -> bool:
        begin, end = self._span(output)
        begin, end = max(begin, self.from_s), min(end, self.to_s)
        return any(max(span[0], begin) < min(span[1], end) for span in self._recorded)

    def _span(self, output: Output) -> tuple[float, float]:
        return _span_of(output, self.record)

    def _clipped(self, stretch: Stretch) -> Stretch | None:
        begin, end = max(stretch.from_s, self.from_s), min(stretch.to_s, self.to_s)
        if begin >= end:
            return None
        clock = self.lanes.clock
        return replace(stretch, from_s=begin, to_s=end, from_utc=clock.utc_at(begin), to_utc=clock.utc_at(end))

    def _missing(self, stretch: Stretch, tracks: tuple[TrackType, ...]) -> Missing:
        return Missing(
            recording=self.manifest.recording,
            user=self.record.user,
            stream=self.record.stream,
            kind=self.record.kind,
            tracks=tracks,
            stretch=stretch,
            from_offset=self.offset(stretch.from_s),
            to_offset=self.offset(stretch.to_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats:
    """All streams of a recording; `untimed` are those of which nobody knows what time it was, where that is asked."""

    manifest: Manifest
    shown: Timeline
    seats: tuple[Seat, ...]
    untimed: tuple[StreamRecord, ...]


def seats(manifest: Manifest, begin: Moment, end: Moment) -> Seats:
    """The streams of a recording with what is asked of each."""
    shown = timeline(manifest)
    lanes = {stream.stream: stream for user in shown.users for stream in user.streams}
    found, untimed = [], []
    for record in manifest.streams:
        since, until = (_media_at(shown, lanes[record.stream], at) for at in (begin, end))
        if since is None or until is None:
            untimed.append(record)
            continue
        of = lanes[record.stream]
        found.append(Seat(manifest=manifest, shown=shown, record=record, lanes=of, from_s=since, to_s=until))
    return Seats(manifest=manifest, shown=shown, seats=tuple(found), untimed=tuple(untimed))


def uncovered(begin: Place, end: Place, spans: Sequence[tuple[Place, Place]]) -> Iterator[tuple[Place, Place]]:
    """What of a range lies in none of the spans, where that is a millisecond or more."""
    at = begin
    for since, until in sorted(spans):
        if min(since, end) - at >= _MILLISECOND:
            yield at, min(since, end)
        at = max(at, until)
    if end - at >= _MILLISECOND:
        yield at, end


def _media_at(shown: Timeline, stream: StreamLanes, at: Moment) -> float | None:
    if isinstance(at, datetime):
        return stream.clock.media_at(at)
    known = stream.clock.media_at(shown.from_utc + at) if shown.from_utc else None
    return at.total_seconds() if known is None else known


def _origin(output: Output, origin_s: float) -> Origin:
    return Origin(
        key=output.key,
        size_bytes=output.size_bytes,
        crc64xz=output.crc64xz,
        parts_sha256=output.parts_sha256,
        origin_s=origin_s,
    )


def _span_of(output: Output, record: StreamRecord) -> tuple[float, float]:
    """From the first sample of an output to the end of its last; manifests of the first days say no ends."""
    origin = min(track.starts_at_s for track in output.tracks)
    return origin, max(track.ends_at_s or record.duration_s for track in output.tracks)


def _span(stretch: Stretch) -> tuple[int, int]:
    return round(stretch.from_s / _NEAR_S), round(stretch.to_s / _NEAR_S)

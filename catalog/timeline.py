"""The timeline of a room: who was recorded when, who was absent and why, and what is lost and why. Pure.

All streams share one axis, from the recording's begin to its end on the wall clock. Each stretch has that clock's times
and the stream's own; a stream whose clock is only a last resort has the latter alone, and its time is all there is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

from catalog.clocks import StreamClock
from catalog.model import Absence, Cause, Evidence, Gap, GapTrack, Manifest, StreamKind, StreamRecord, Verdict
from catalog.wire import utc_text
from media.samples import TrackType

TRACKS: Final[tuple[TrackType, ...]] = ("audio", "video")
_CLOCK_STEP_S: Final = 0.001
"""A manifest tells wall-clock times in whole milliseconds: what is nearer than that is the same time."""
_UNNOTICED_S: Final = 2.0
"""What lies open between the parts of a track, or between its ends and those of its stream, and is listed nowhere, is
no absence if it is not longer: there nothing but samples of another length begin and end."""

_BRIEF_S: Final = 1.0
_EVIDENCE: Final[Mapping[Evidence | None, str]] = MappingProxyType(
    {
        None: "the stream has no such track",
        Evidence.LATE_START: "not there yet",
        Evidence.EARLY_END: "gone",
        Evidence.TRACK_START: "paused: the vendor marks a new start of the track after it",
        Evidence.DISCONTINUITY: "paused: the playlist marks it",
        Evidence.VENDOR_EVENT: "paused: the vendor's messages say so",
        Evidence.COUNTERS: "paused: no packet is missing",
        Evidence.UNMARKED: "paused, and nothing marks it",
    }
)


class Presence(StrEnum):
    """What became of some time of a track."""

    RECORDED = "recorded"
    ABSENT = "absent"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Some time of a track, in seconds of its stream and on the wall clock, None where that is not known.

    An absence has its evidence, None where the stream never had such a track; a gap its cause, and the key of the
    segment if one is to blame.
    """

    state: Presence
    from_s: float
    to_s: float
    from_utc: datetime | None
    to_utc: datetime | None
    evidence: Evidence | None = None
    cause: Cause | None = None
    segment: str | None = None

    @property
    def duration_s(self) -> float:
        """How long it is, in seconds of the stream."""
        return self.to_s - self.from_s

    @property
    def why(self) -> tuple[Presence, Evidence | None, Cause | None, str | None]:
        """Neighbours that say the same here are one stretch."""
        return self.state, self.evidence, self.cause, self.segment

    @property
    def is_brief(self) -> bool:
        """Whether somebody came or left so little after the recording began or before it ended that nobody asks why."""
        return self.evidence in {Evidence.LATE_START, Evidence.EARLY_END} and self.duration_s < _BRIEF_S

    @property
    def reason(self) -> str:
        """The same in words, of time that is not recorded."""
        if self.cause is Cause.FAILOVER:
            return "failover: no recorder ran"
        if self.state is Presence.GAP:
            return f"{self.cause}{f' {self.segment}' if self.segment else ''}"
        return _EVIDENCE[self.evidence]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One track of a stream: stretches without a hole between them, in the order of time."""

    track: TrackType
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLanes:
    """One stream: its audio, then its video."""

    stream: str
    kind: StreamKind
    clock: StreamClock
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserLanes:
    """All streams of one user, such as a camera and a screen; `user` is None where the vendor names none."""

    user: str | None
    streams: tuple[StreamLanes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One recording. The axis is that of the recording, and longer only where something was lost outside of it."""

    vendor: str
    task_id: str
    room: str | None
    verdict: Verdict
    from_utc: datetime | None
    to_utc: datetime | None
    users: tuple[UserLanes, ...]

    @property
    def all_lanes(self) -> Iterator[tuple[UserLanes, StreamLanes, Lane]]:
        """Each track with whose it is."""
        return ((user, stream, lane) for user in self.users for stream in user.streams for lane in stream.lanes)

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """From when to when it was recorded, as far as that is known."""
        return (self.from_utc, self.to_utc) if self.from_utc and self.to_utc else None

    @property
    def length(self) -> timedelta:
        """How long it is."""
        if self.span:
            return self.span[1] - self.span[0]
        ends = (stretch.to_s for *_, lane in self.all_lanes for stretch in lane.stretches)
        return timedelta(seconds=max(ends, default=0.0))


def timeline(manifest: Manifest) -> Timeline:
    """The timeline of a published recording."""
    groups: dict[str, list[StreamLanes]] = {}
    for number, stream in enumerate(manifest.streams):
        name = f"user {stream.user}" if stream.user is not None else f"stream {number}"
        groups.setdefault(name, []).append(_stream(stream, manifest))
    users = {stream.stream: stream.user for stream in manifest.streams}
    made = Timeline(
        vendor=manifest.vendor,
        task_id=manifest.task_id,
        room=manifest.room,
        verdict=manifest.verdict,
        from_utc=manifest.started_at,
        to_utc=manifest.ended_at,
        users=tuple(UserLanes(user=users[of[0].stream], streams=tuple(of)) for of in groups.values()),
    )
    stretches = [stretch for *_, lane in made.all_lanes for stretch in lane.stretches]
    starts = [made.from_utc, *(stretch.from_utc for stretch in stretches)]
    ends = [made.to_utc, *(stretch.to_utc for stretch in stretches)]
    return replace(
        made,
        from_utc=min((at for at in starts if at), default=None),
        to_utc=max((at for at in ends if at), default=None),
    )


def document(shown: Timeline) -> dict[str, Any]:
    """The timeline as JSON: a lane for each track, both clocks, gaps with their cause, absences with their evidence."""
    return {
        "vendor": shown.vendor,
        "task_id": shown.task_id,
        "room": shown.room,
        "verdict": shown.verdict.value,
        "from": _text(shown.from_utc),
        "to": _text(shown.to_utc),
        "lanes": [_lane(user, stream, lane) for user, stream, lane in shown.all_lanes],
    }


def _stream(record: StreamRecord, manifest: Manifest) -> StreamLanes:
    axis = _axis(record, manifest)
    return StreamLanes(
        stream=record.stream,
        kind=record.kind,
        clock=record.clock,
        lanes=tuple(Lane(track=track, stretches=_stretches(record, track, axis)) for track in TRACKS),
    )


def _axis(record: StreamRecord, manifest: Manifest) -> tuple[float, float]:
    """From the begin of the recording to its end, in seconds of the stream; what was lost may reach further."""
    begins = [0.0, *(gap.from_s for gap in record.gaps)]
    ends = [record.duration_s, *(gap.to_s for gap in record.gaps)]
    begin, end = min(begins), max(ends)
    if manifest.started_at and (early := record.clock.media_at(manifest.started_at)) is not None:
        begin = early if early < begin - _CLOCK_STEP_S else begin
    if manifest.ended_at and (late := record.clock.media_at(manifest.ended_at)) is not None:
        end = late if late > end + _CLOCK_STEP_S else end
    return begin, end


def _stretches(record: StreamRecord, track: TrackType, axis: tuple[float, float]) -> tuple[Stretch, ...]:
    """Gaps win over absences, absences over what was recorded; what is left open is before, between or after."""
    absences = [_absent(each) for each in record.absences if _is_of(each.track, track)]
    gaps = [_lost(each) for each in record.gaps if _is_of(each.track, track)]
    drawn = [*_background(record, track, axis)]
    for layer in (_apart(absences), _apart(gaps)):
        drawn = _over(layer, drawn)
    within = (_clipped(stretch, *axis) for stretch in drawn)
    told = groupby((stretch for stretch in within if stretch.duration_s > 0), key=lambda stretch: stretch.why)
    joined = (list(same) for _, same in told)
    return tuple(_timed(replace(same[0], to_s=same[-1].to_s), record.clock) for same in joined)


def _background(record: StreamRecord, track: TrackType, axis: tuple[float, float]) -> Iterator[Stretch]:
    """The parts in which the track is, and absences around them."""
    begin, end = axis
    parts = _joined(record, track)
    if not parts:
        yield _plain(Presence.ABSENT, begin, end)
        return
    at = begin
    for number, (since, until) in enumerate(parts):
        why = Evidence.UNMARKED if number else Evidence.LATE_START
        yield _plain(Presence.ABSENT, at, since, why)
        yield _plain(Presence.RECORDED, since, until)
        at = until
    yield _plain(Presence.ABSENT, at, end, Evidence.EARLY_END)


def _parts(record: StreamRecord, track: TrackType) -> Iterator[tuple[float, float]]:
    for output in record.outputs:
        for one in output.tracks:
            if one.type == track and one.samples_out:
                # manifests of the first days do not say where a track ends
                yield one.starts_at_s, max(one.ends_at_s or record.duration_s, one.starts_at_s)


def _joined(record: StreamRecord, track: TrackType) -> list[tuple[float, float]]:
    """The parts in which the track is, as long as something notable lies between them, up to the ends of the stream."""
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(_parts(record, track)):
        if joined and begin - joined[-1][1] <= _UNNOTICED_S:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((0.0 if not joined and begin <= _UNNOTICED_S else begin, end))
    if joined and record.duration_s - joined[-1][1] <= _UNNOTICED_S:
        joined[-1] = (joined[-1][0], max(joined[-1][1], record.duration_s))
    return joined


def _over(layer: Sequence[Stretch], below: Sequence[Stretch]) -> list[Stretch]:
    """Both in the order of time and without overlaps, the layer on top."""
    drawn: list[Stretch] = []
    nearest = 0
    for stretch in below:
        at = stretch.from_s
        while nearest < len(layer) and layer[nearest].to_s <= at:
            nearest += 1
        for above in layer[nearest:]:
            if above.from_s >= stretch.to_s:
                break
            drawn.append(_clipped(stretch, at, above.from_s))
            at = above.to_s
        drawn.append(_clipped(stretch, at, stretch.to_s))
    visible = [stretch for stretch in drawn if stretch.duration_s > 0]
    return sorted([*visible, *layer], key=lambda stretch: stretch.from_s)


def _apart(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Without overlaps: the earlier one keeps its time."""
    apart: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda each: (each.from_s, each.to_s)):
        begin = max(stretch.from_s, apart[-1].to_s) if apart else stretch.from_s
        if begin < stretch.to_s:
            apart.append(replace(stretch, from_s=begin))
    return apart


def _clipped(stretch: Stretch, begin: float, end: float) -> Stretch:
    return replace(stretch, from_s=max(stretch.from_s, begin), to_s=min(stretch.to_s, end))


def _is_of(which: GapTrack, track: TrackType) -> bool:
    return which in {track, "both"}


def _plain(state: Presence, from_s: float, to_s: float, evidence: Evidence | None = None) -> Stretch:
    return Stretch(state=state, from_s=from_s, to_s=to_s, from_utc=None, to_utc=None, evidence=evidence)


def _absent(absence: Absence) -> Stretch:
    return _plain(Presence.ABSENT, absence.from_s, absence.to_s, absence.evidence)


def _lost(gap: Gap) -> Stretch:
    return replace(_plain(Presence.GAP, gap.from_s, gap.to_s), cause=gap.cause, segment=gap.segment)


def _timed(stretch: Stretch, clock: StreamClock) -> Stretch:
    return replace(stretch, from_utc=clock.utc_at(stretch.from_s), to_utc=clock.utc_at(stretch.to_s))


def _lane(user: UserLanes, stream: StreamLanes, lane: Lane) -> dict[str, Any]:
    def those(state: Presence) -> Iterator[Stretch]:
        return (each for each in lane.stretches if each.state is state)

    return {
        "user": user.user,
        "stream": stream.stream,
        "kind": stream.kind.value,
        "track": lane.track,
        "clock": {
            "source": stream.clock.source.value if stream.clock.source else None,
            "drift_ppm": stream.clock.drift_ppm,
            "is_known": stream.clock.is_known,
        },
        "segments": [{**_span(each), "state": each.state.value} for each in lane.stretches],
        "gaps": [
            {**_span(each), "cause": each.cause.value if each.cause else None, "segment": each.segment}
            for each in those(Presence.GAP)
        ],
        "absences": [
            {**_span(each), "evidence": each.evidence.value if each.evidence else None}
            for each in those(Presence.ABSENT)
        ],
    }


def _span(stretch: Stretch) -> dict[str, Any]:
    return {
        "from_s": round(stretch.from_s, 6),
        "to_s": round(stretch.to_s, 6),
        "from": _text(stretch.from_utc),
        "to": _text(stretch.to_utc),
    }


def _text(at: datetime | None) -> str | None:
    return utc_text(at) if at else None

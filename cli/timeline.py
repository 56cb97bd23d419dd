"""The timeline of a recording for a terminal: a row for each track, and a line for all that is not there."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from types import MappingProxyType
from typing import Any, Final

from catalog.model import RecordingId
from catalog.records import id_text
from catalog.timeline import Lane, Presence, StreamLanes, Stretch, Timeline, UserLanes
from catalog.timeline import document as timeline_document
from catalog.wire import utc_text
from cli.report import printable, width_of

PLAIN_WIDTH: Final = 80
_NARROWEST: Final = 20
_WIDEST_NAME: Final = 14
_TICK: Final = 10
"""Columns that a time of day and the space after it take."""
_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_SIGNS: Final[Mapping[Presence, str]] = MappingProxyType(
    {Presence.RECORDED: "=", Presence.ABSENT: ".", Presence.GAP: "X"}
)
_COLOURS: Final[Mapping[str, str]] = MappingProxyType({"=": "32", ".": "2", "X": "1;31"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """How wide a line may be, and whether it may have colours."""

    width: int = PLAIN_WIDTH
    has_colour: bool = False

    @classmethod
    def of_stdout(cls) -> "Canvas":
        """That of the terminal; 80 columns without colour where there is none."""
        if not sys.stdout.isatty():
            return cls()
        is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(width=shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, has_colour=not is_plain)

    def painted(self, signs: str) -> str:
        """The signs of a row, with colours if there may be any."""
        if not self.has_colour:
            return signs
        runs = ((sign, "".join(run)) for sign, run in groupby(signs))
        return "".join(f"\x1b[{_COLOURS[sign]}m{run}\x1b[0m" if sign in _COLOURS else run for sign, run in runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """What the columns of the rows stand for: seconds since `zero`, or of the stream where nobody knows the time."""

    zero: datetime | None
    begin_s: float
    length_s: float
    columns: int

    @classmethod
    def of(cls, shown: Timeline, columns: int) -> "_Axis":
        if shown.from_utc and shown.to_utc:
            length = (shown.to_utc - shown.from_utc).total_seconds()
            return cls(zero=shown.from_utc, begin_s=0.0, length_s=max(length, 0.001), columns=columns)
        stretches = [stretch for *_, lane in shown.all_lanes for stretch in lane.stretches]
        begin = min((stretch.from_s for stretch in stretches), default=0.0)
        end = max((stretch.to_s for stretch in stretches), default=0.0)
        return cls(zero=None, begin_s=begin, length_s=max(end - begin, 0.001), columns=columns)

    def place(self, stretch: Stretch) -> tuple[float, float]:
        """Where it begins and ends, in columns. One without a wall clock is put as if it began with the first."""
        if self.zero and stretch.from_utc and stretch.to_utc:
            span = [(at - self.zero).total_seconds() for at in (stretch.from_utc, stretch.to_utc)]
        else:
            span = [stretch.from_s - self.begin_s, stretch.to_s - self.begin_s]
        begin, end = (at / self.length_s * self.columns for at in span)
        return begin, end


def lines(shown: Timeline, canvas: Canvas) -> Iterator[str]:
    """The whole of one recording; names are made harmless here, as colours are not."""
    yield printable(f"{shown.vendor}:{shown.task_id}: {shown.verdict}, room {shown.room or 'not known'}")
    if not shown.users:
        yield "  no stream was recorded"
        return
    names = list(_names(shown))
    widths = [max(map(width_of, column)) for column in zip(*names, strict=True)]
    left = sum(widths) + 2 * len(widths)
    axis = _Axis.of(shown, max(canvas.width - left - 2, _NARROWEST))
    yield from (f"{'':{left}}{line}" for line in _scale(axis))
    for name, (_, _, lane) in zip(names, shown.all_lanes, strict=True):
        label = "  ".join(f"{text}{' ' * (width - width_of(text))}" for text, width in zip(name, widths, strict=True))
        yield f"{label}  |{canvas.painted(_row(lane, axis))}|"
    legend = (f"{canvas.painted(sign)} {state}" for state, sign in _SIGNS.items())
    yield f"{', '.join(legend)}; a column is {_length(axis.length_s / axis.columns)}; {_clock_note(shown)}"
    yield from map(printable, _losses(shown))


def _names(shown: Timeline) -> Iterator[tuple[str, str, str]]:
    """User, stream and track of each row, the first two where they change."""
    before: tuple[UserLanes | None, StreamLanes | None] = None, None
    for user, stream, lane in shown.all_lanes:
        yield (
            "" if user is before[0] else _short(user.user or "-"),
            "" if stream is before[1] else _short(f"{stream.stream}{'' if stream.clock.is_known else ' ~'}"),
            lane.track,
        )
        before = user, stream


def _short(name: str) -> str:
    """The beginning and the end: names of one room often begin alike."""
    text = printable(name)
    return text if len(text) <= _WIDEST_NAME else f"{text[:6]}…{text[-(_WIDEST_NAME - 7) :]}"


def _row(lane: Lane, axis: _Axis) -> str:
    """A column in which anything was lost says so; otherwise it is what most of it is."""
    filled = [dict.fromkeys(_SIGNS, 0.0) for _ in range(axis.columns)]
    for stretch in lane.stretches:
        begin, end = axis.place(stretch)
        for column in range(max(int(begin), 0), min(int(end) + 1, axis.columns)):
            filled[column][stretch.state] += max(0.0, min(end, column + 1) - max(begin, column))
    return "".join(map(_sign, filled))


def _sign(parts: Mapping[Presence, float]) -> str:
    if parts[Presence.GAP] > 0:
        return _SIGNS[Presence.GAP]
    if not any(parts.values()):
        return " "
    return _SIGNS[max((Presence.RECORDED, Presence.ABSENT), key=lambda state: parts[state])]


def _scale(axis: _Axis) -> Iterator[str]:
    """Times above the columns in which they are, and where exactly."""
    step = next((each for each in _STEPS_S if each * axis.columns / axis.length_s >= _TICK), _STEPS_S[-1])
    step *= max(1, -int(-_TICK * axis.length_s // (step * axis.columns)))
    since = (axis.zero - _EPOCH).total_seconds() if axis.zero else axis.begin_s
    labels, marks = "", ["-"] * axis.columns
    tick = -int(-since // step) * step
    while tick < since + axis.length_s:
        column = int((tick - since) / axis.length_s * axis.columns)
        label = _tick_text(tick, is_utc=axis.zero is not None)
        if column + len(label) <= axis.columns + 1:
            labels = f"{labels:{column + 1}}{label}"
        marks[column] = "+"
        tick += step
    yield labels
    yield f"+{''.join(marks)}+"


def _tick_text(tick: float, *, is_utc: bool) -> str:
    return f"{_EPOCH + timedelta(seconds=tick):%H:%M:%S}" if is_utc else _clock_text(tick)


def _clock_note(shown: Timeline) -> str:
    if shown.from_utc is None:
        return "times are those of each stream: no wall clock is known"
    day = f"times of {shown.from_utc:%Y-%m-%d} in UTC"
    is_some = any(not stream.clock.is_known for _, stream, _ in shown.all_lanes)
    return f"{day}; ~ when is not known" if is_some else day


def _losses(shown: Timeline) -> Iterator[str]:
    """Gaps and absences in the order of time, one line for what audio and video have in common."""
    told: dict[tuple[object, ...], list[str]] = {}
    found: dict[tuple[object, ...], tuple[UserLanes, StreamLanes, Stretch]] = {}
    for user, stream, lane in shown.all_lanes:
        for stretch in filter(_is_told, lane.stretches):
            same = (stream.stream, round(stretch.from_s, 1), round(stretch.to_s, 1), stretch.reason)
            told.setdefault(same, []).append(lane.track)
            found.setdefault(same, (user, stream, stretch))
    for key, (user, stream, stretch) in sorted(found.items(), key=lambda each: _when(each[1][2])):
        who = f"{_whose(user, stream)} {' and '.join(told[key])}"
        word = "lost  " if stretch.state is Presence.GAP else "absent"
        yield f"  {word}  {_span(stretch)}  {_length(stretch.duration_s):>9}  {who}: {stretch.reason}"


def _whose(user: UserLanes, stream: StreamLanes) -> str:
    if user.user is None:
        return stream.stream
    return f"user {user.user}" if user.user == stream.stream else f"user {user.user}, {stream.stream}"


def _is_told(stretch: Stretch) -> bool:
    return stretch.state is not Presence.RECORDED and not stretch.is_brief


def _when(stretch: Stretch) -> tuple[float, float]:
    return (stretch.from_utc.timestamp() if stretch.from_utc else stretch.from_s, stretch.from_s)


def _span(stretch: Stretch) -> str:
    if stretch.from_utc and stretch.to_utc:
        return " to ".join(utc_text(at)[11:23] for at in (stretch.from_utc, stretch.to_utc))
    return f"{stretch.from_s:.3f} to {stretch.to_s:.3f} s"


def _length(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else _clock_text(seconds)


def _clock_text(seconds: float) -> str:
    sign, whole = "-" if seconds < 0 else "", abs(round(seconds))
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def tell(timelines: Sequence[Timeline], untold: Sequence[tuple[RecordingId, str]] = (), *, as_json: bool) -> None:
    """Print timelines, and why recordings have none: one JSON object, or lines for people."""
    told = [json.dumps(document(timelines, untold), indent=2)] if as_json else _text(timelines, untold)
    for line in told:
        print(line)
    sys.stdout.flush()


def document(timelines: Sequence[Timeline], untold: Sequence[tuple[RecordingId, str]]) -> dict[str, Any]:
    """The one JSON object that `--json` prints; `reason` says why a recording has no lanes."""
    return {
        "schema": "aftertake.timeline/1",
        "recordings": [
            *({**timeline_document(shown), "reason": None} for shown in timelines),
            *(
                {"vendor": recording.vendor, "task_id": recording.task_id, "verdict": None, "lanes": [], "reason": why}
                for recording, why in untold
            ),
        ],
    }


def _text(timelines: Sequence[Timeline], untold: Sequence[tuple[RecordingId, str]]) -> Iterator[str]:
    canvas = Canvas.of_stdout()
    for shown in timelines:
        yield from lines(shown, canvas)
    yield from (printable(f"{id_text(recording)}: no timeline: {why}") for recording, why in untold)

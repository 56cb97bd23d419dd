"""What cannot be exported, in words: what is missing, why, and what to ask instead."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from catalog.covering import Missing, Moment, Seat
from catalog.model import StreamKind, StreamRecord
from catalog.records import Recording, id_text
from catalog.wire import utc_text
from flows.moments import offset_text

_MOST_NAMED: Final = 20
_MOST_WAITED_FOR: Final = 5
_MILLISECOND: Final = timedelta(milliseconds=1)


class SelectionError(Exception):
    """What was asked for leaves open what is meant, or cannot be done; `lines` say what to ask instead."""

    def __init__(self, *lines: str) -> None:
        """Each line is a sentence."""
        super().__init__(" ".join(lines))
        self.lines = lines


class NotReadyError(SelectionError):
    """Nothing of what is asked for is published yet."""

    def __init__(self, recordings: Sequence[Recording], *said: str) -> None:
        """`recordings` are those that are to be waited for; a few are named, after what is `said`."""
        more = len(recordings) - _MOST_WAITED_FOR
        rest = [f"{more} more are not published yet."] if more > 0 else []
        super().__init__(*said, *map(_not_ready, recordings[:_MOST_WAITED_FOR]), *rest)
        self.recordings = tuple(recordings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why there is nothing: what is missing, with gaps and absences, and what can be asked instead."""

    said: str
    missing: tuple[Missing, ...] = ()
    instead: tuple[str, ...] = ()


class NotRecordedError(SelectionError):
    """What is asked for was never recorded."""

    def __init__(self, refusal: Refusal) -> None:
        """It is told line by line."""
        super().__init__(refusal.said, *map(missing_text, refusal.missing), *refusal.instead)
        self.refusal = refusal


def missing_text(missing: Missing) -> str:
    """A sentence: who has no picture or sound, from when to when on both clocks, and why."""
    whose = whose_text(missing.user, missing.stream, missing.kind)
    stretch = missing.stretch
    word = "lost" if missing.is_lost else "not recorded"
    return (
        f"{whose}: {' and '.join(missing.tracks)} {word} from "
        f"{both_text(stretch.from_utc, stretch.to_utc, missing)}: {stretch.reason}."
    )


def both_text(from_utc: datetime | None, to_utc: datetime | None, missing: Missing) -> str:
    """`A to B (0:04:52.250 to 0:05:00.000 of agora:t1)`."""
    offsets = f"{offset_text(missing.from_offset)} to {offset_text(missing.to_offset)}"
    of = f"of {id_text(missing.recording)}"
    return f"{utc_text(from_utc)} to {utc_text(to_utc)} ({offsets} {of})" if from_utc and to_utc else f"{offsets} {of}"


def range_text(begin: Moment, end: Moment) -> str:
    """`A to B`."""
    return f"{moment_text(begin)} to {moment_text(end)}"


def moment_text(at: Moment) -> str:
    """As `read_range` reads it."""
    return utc_text(at) if isinstance(at, datetime) else offset_text(at)


def whose_text(user: str | None, stream: str, kind: StreamKind) -> str:
    """`user 7`, `the screen of user 7`, `the mix`."""
    if user is None:
        return "the mix" if kind is StreamKind.MIXED else f"stream {stream}"
    return f"user {user}" if kind is StreamKind.PARTICIPANT else f"the {kind} of user {user}"


def people_text(records: Iterable[StreamRecord]) -> str:
    """Who it is, each once."""
    named = list(dict.fromkeys(whose_text(each.user, each.stream, each.kind) for each in records))
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f"{', '.join(named[:_MOST_NAMED])}{more}" if named else "nobody"


def nothing_of(seats: Sequence[Seat], begin: Moment, end: Moment) -> NotRecordedError:
    """These streams have nothing of the range: each with its reason, and the nearest that they have."""
    who = people_text(seat.record for seat in seats)
    recordings = ", ".join(dict.fromkeys(id_text(seat.manifest.recording) for seat in seats))
    missing = tuple(each for seat in seats for each in seat.missing)
    return NotRecordedError(
        Refusal(
            said=f"{who}: nothing was recorded from {range_text(begin, end)} in {recordings}.",
            missing=missing,
            instead=(*_outside(seats, begin, end), *_nearest(seats, begin)),
        )
    )


def without_clock(records: Sequence[StreamRecord], recording: str) -> SelectionError:
    """Nobody knows what time of the day it was."""
    return SelectionError(
        f"{people_text(records)} of {recording}: when that was on the wall clock is not known.",
        f"Ask with offsets: aftertake export {recording} --in 0:00 --out +1m",
    )


def several_people(records: Sequence[StreamRecord]) -> SelectionError:
    """One file holds one person."""
    return SelectionError(
        f"several were recorded then, and one file holds one of them: {people_text(records)}.",
        "Name one with --user, or ask for a file for each with --separate.",
    )


def _outside(seats: Sequence[Seat], begin: Moment, end: Moment) -> Iterator[str]:
    """Where a range lies beyond recordings: how long they are, and what may have been meant."""
    for recording, shown in {seat.manifest.recording: seat.shown for seat in seats}.items():
        span, lasts = shown.span, f"{id_text(recording)} lasts {offset_text(shown.length)}"
        if isinstance(begin, timedelta) and begin >= shown.length:
            yield f"{lasts}{f', from {range_text(*span)}' if span else ''}."
        if span and isinstance(begin, timedelta) and isinstance(end, timedelta):
            midnight = span[0].replace(hour=0, minute=0, second=0, microsecond=0)
            if span[0] <= midnight + begin < span[1]:
                yield f"If the time of day is meant: {options_text(midnight + begin, midnight + end)}"
        if span and isinstance(begin, datetime) and isinstance(end, datetime) and _are_apart((begin, end), span):
            yield f"{lasts}, from {range_text(*span)}."


def _are_apart(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    return one[1] <= other[0] or other[1] <= one[0]


def _nearest(seats: Sequence[Seat], begin: Moment) -> Iterator[str]:
    """What was recorded nearest to the range, ready to be asked for: rounded inwards, so that all of it is there."""
    found = []
    for seat in seats:
        span = seat.nearest
        since, until = (seat.place(at, begin) for at in span) if span else (None, None)
        if span and since is not None and until is not None:
            distance = max(span[0] - seat.to_s, seat.from_s - span[1], 0.0)
            found.append((distance, seat, since, until))
    if found:
        _, seat, since, until = min(found, key=lambda each: each[0])
        whose = whose_text(seat.record.user, seat.record.stream, seat.record.kind)
        yield f"The nearest of {whose} that was recorded: {options_text(since, until)}"


def options_text(begin: Moment, end: Moment) -> str:
    """Ready to be pasted; rounded inwards to the millisecond."""
    return f"--in {moment_text(_up(begin))} --out {moment_text(_down(end))}"


def _not_ready(recording: Recording) -> str:
    name = id_text(recording.id)
    return (
        f"{name} is not published yet: it is {recording.state}. `aftertake show {name}` tells how far it is, "
        f"`aftertake retry {name}` has it looked at now; ask again when it has a verdict."
    )


def _up(at: Moment) -> Moment:
    return at - _since_last(at) + (_MILLISECOND if _since_last(at) else timedelta())


def _down(at: Moment) -> Moment:
    return at - _since_last(at)


def _since_last(at: Moment) -> timedelta:
    """How long ago the last whole millisecond was."""
    whole = timedelta(microseconds=at.microsecond) if isinstance(at, datetime) else at
    return whole % _MILLISECOND

"""Chains: recordings of one room that follow each other, after an idle end, a restart or a failover. Pure.

They are listed with the holes between them and never merged: nobody says that they are one call.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from catalog.model import RecordingId, State, Verdict
from catalog.records import Recording

LONGEST_HOLE: Final = timedelta(hours=1)
"""Recordings with more than this between them do not follow each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One recording of a chain; `hole` is what lies between it and all before it, negative where they overlap.

    `is_exact` is False where nothing is published of it, or it has no clock: its times are what is known so far, at
    worst when it was heard of. `ended_at`, and the hole of the next one, are None where nobody knows its end.
    """

    recording: RecordingId
    state: State
    verdict: Verdict | None
    started_at: datetime
    ended_at: datetime | None
    is_exact: bool
    hole: timedelta | None

    @property
    def hole_ms(self) -> int | None:
        """The hole in milliseconds."""
        return None if self.hole is None else round(self.hole / timedelta(milliseconds=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The recordings that follow each other, the oldest first; one alone is a chain as well."""

    links: tuple[Link, ...]


@dataclass(slots=True, kw_only=True)
class _Open:
    """A chain that may go on; `until` is the furthest that any of it is known to reach."""

    source: str | None
    members: list[Recording]
    until: datetime


def chain_of(recording: RecordingId, near: Iterable[Recording]) -> Chain | None:
    """The chain of a recording among those near it; None where its room is not known, or it is not among them.

    All members have its vendor and room, and none has another source than the others, as far as that is known.
    """
    found = list(near)
    asked = next((each for each in found if each.id == recording), None)
    if asked is None or asked.room is None:
        return None
    of_room = [each for each in found if (each.id.vendor, each.room) == (asked.id.vendor, asked.room)]
    chains: list[_Open] = []
    for each in sorted(of_room, key=lambda each: (_begin(each), each.id.task_id)):
        _follow(chains, each)
    return _linked(next(chain.members for chain in chains if asked in chain.members))


def _follow(chains: list[_Open], recording: Recording) -> None:
    """Put it behind the chain that fits: one of its very source before one whose source is not known."""
    begin, end = _begin(recording), _latest(recording)
    fitting = [
        chain
        for chain in chains
        if begin - chain.until <= LONGEST_HOLE
        and (None in {chain.source, recording.source} or _is_of(chain, recording))
    ]
    if not fitting:
        chains.append(_Open(source=recording.source, members=[recording], until=end))
        return
    best = max(fitting, key=lambda chain: (_is_of(chain, recording), chain.until))
    best.members.append(recording)
    best.until = max(best.until, end)
    best.source = best.source or recording.source


def _is_of(chain: _Open, recording: Recording) -> bool:
    return chain.source == recording.source


def _linked(members: Iterable[Recording]) -> Chain:
    links: list[Link] = []
    until: datetime | None = None
    is_known = False
    for each in members:
        begin, end = _begin(each), _end(each)
        links.append(
            Link(
                recording=each.id,
                state=each.state,
                verdict=each.verdict if each.state is State.SETTLED else None,
                started_at=begin,
                ended_at=end,
                is_exact=bool(each.revision and each.started_at and each.ended_at),
                hole=begin - until if is_known and until else None,
            )
        )
        is_known = end is not None
        until = max((at for at in (until, end) if at), default=None)
    return Chain(links=tuple(links))


def _begin(recording: Recording) -> datetime:
    return recording.started_at or recording.heard_at


def _end(recording: Recording) -> datetime | None:
    """When it ended; one that was only heard of when it was over may have ended at any time before."""
    if recording.ended_at:
        return max(recording.ended_at, _begin(recording))
    stopped_at = recording.stopped_at
    return stopped_at if stopped_at and recording.heard_at < stopped_at else None


def _latest(recording: Recording) -> datetime:
    """Up to when it is known to have gone on."""
    begin = _begin(recording)
    if end := _end(recording):
        return end
    is_on = recording.state in {State.HINTED, State.RECORDING}
    return max(begin, recording.spoken_at or recording.heard_at) if is_on else begin

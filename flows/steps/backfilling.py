"""Backfill: what a source holds, set against what the catalog knows, as a plan; and that plan, handed over.

A plan is made of one LIST of the source, or of a folder in it. Only what nobody has looked at since it was written is
to be done, so that a second plan, after the first is done, has nothing in it.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from catalog.errors import CatalogTextError
from catalog.events import Word
from catalog.model import RecordingId, State, Verdict
from catalog.records import Recording, Wanted, has_news, id_text
from flows.settings import Source
from flows.steps.stocktaking import Stocked, Unclaimed, take_stock
from flows.steps.traffic import crosses
from storage.base import ObjectStore
from storage.listing import listed
from storage.urls import place_of
from vendors.recorder import Past
from vendors.registry import VENDORS

if TYPE_CHECKING:  # whoever opens a catalog imports SQLAlchemy; the bare commands never do
    from catalog.index import Catalog

_log = logging.getLogger(__name__)

_TAKEN_UP_AT_ONCE: Final = 100
"""Recordings in one transaction: some 50 ms."""
_BREATH_S: Final = 0.03
"""Between two transactions on SQLite: receivers write too, and one that has not waited for long asks every 25 ms."""
_DONE: Final = frozenset({State.WAITING, State.FAILED, State.SETTLED})


class Todo(StrEnum):
    """What is to be done with a recording."""

    BUILD = "build"
    """It has not been looked at."""
    AGAIN = "again"
    """It was, and is not complete, or something was written to it since; or somebody asks for such recordings."""
    UNDER_WAY = "under_way"
    """It is due, or somebody works on it."""
    GOING_ON = "going_on"
    """It was written to a moment ago, and nobody has said that it is over."""
    UNCHANGED = "unchanged"
    """It is not complete, and nothing came since it was looked at."""
    COMPLETE = "complete"

    @property
    def is_work(self) -> bool:
        """Whether a backfill has it looked at."""
        return self in {Todo.BUILD, Todo.AGAIN}


History = Callable[[Source, datetime | None, datetime | None], Iterable[Past]]
"""What the vendor of a source knows of the time between two moments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which recordings are meant: made between two times (None is open), with keys that begin with `prefix`.

    `only` are states and verdicts of the catalog; with any, recordings of others, and unknown ones, are left out.
    """

    since: datetime | None = None
    until: datetime | None = None
    prefix: str = ""
    only: frozenset[str] = frozenset()

    def touches(self, began_at: datetime, ended_at: datetime) -> bool:
        """Whether a recording of this time is meant."""
        return (self.since is None or ended_at >= self.since) and (self.until is None or began_at < self.until)

    def means(self, known: Recording | None) -> bool:
        """Whether a recording that is known so far is meant."""
        if not self.only:
            return True
        return known is not None and bool(self.only & {known.state, known.state is State.SETTLED and known.verdict})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One recording of a plan. `size_bytes` is what would be read; state and verdict are None of an unknown one.

    `lies_here`: objects of it were listed; `is_listed`: its vendor's list names it. Else only the catalog does.
    """

    recording: RecordingId
    todo: Todo
    lies_here: bool
    is_listed: bool
    folder: str | None
    room: str | None
    began_at: datetime | None
    size_bytes: int
    state: State | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done in one source. `store` is its place, `objects` how many were listed.

    `crosses`: what is read there leaves its cloud or region on its way to the output. `shares_list`: the vendor's own
    list is that of other sources, too, so that it does not say where anything lies.
    """

    source: str
    store: str
    objects: int
    items: tuple[Item, ...]
    unclaimed: Unclaimed
    crosses: bool
    shares_list: bool = False

    @property
    def counts(self) -> Mapping[Todo, int]:
        """How many recordings are to be treated in each way."""
        found = Counter(item.todo for item in self.items)
        return {todo: found[todo] for todo in Todo}

    @property
    def work(self) -> tuple[Item, ...]:
        """What is to be looked at."""
        return tuple(item for item in self.items if item.todo.is_work)

    @property
    def size_bytes(self) -> int:
        """What is to be read."""
        return sum(item.size_bytes for item in self.work)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """All that is known of one recording: in its source, by its vendor, in the catalog."""

    recording: RecordingId
    here: Stocked | None = None
    past: Past | None = None
    known: Recording | None = None


def plan_source(
    catalog: "Catalog",
    store: ObjectStore,
    source: Source,
    asked: Asked,
    *,
    output: str,
    now: datetime,
    history: Iterable[Past] = (),
    shares_list: bool = False,
) -> Plan:
    """List once, ask the catalog, and decide. `output` is the URL of the store that is written to."""
    vendors = [name for name in VENDORS if source.vendor in {name, None}]
    stock = take_stock(store, listed(store, asked.prefix), vendors)
    sights = {each.recording: Sight(recording=each.recording, here=each) for each in stock.recordings}
    for past in history:
        if past.recording in sights or not asked.prefix:  # nobody says below which prefix a vendor's own list lies
            seen = sights.get(past.recording) or Sight(recording=past.recording)
            sights[past.recording] = replace(seen, past=past)
    for recording, known in catalog.known(list(sights)).items():
        sights[recording] = replace(sights[recording], known=known)
    for known in catalog.not_complete(asked.since, asked.until):
        if _may_lie_in(source, known) and (known.folder or "").startswith(asked.prefix):
            sights.setdefault(known.id, Sight(recording=known.id, known=known))
    items = [item for sight in sights.values() if (item := decide(sight, asked, now=now, source=source))]
    return Plan(
        source=source.name,
        store=place_of(store.url),
        objects=stock.objects,
        items=tuple(sorted(items, key=lambda item: (item.began_at or now, id_text(item.recording)))),
        unclaimed=stock.unclaimed,
        crosses=crosses(store.url, output),
        shares_list=shares_list,
    )


def _may_lie_in(source: Source, known: Recording) -> bool:
    return known.source == source.name or (known.source is None and source.vendor in {known.id.vendor, None})


def each_once(plans: Sequence[Plan]) -> list[Plan]:
    """Every recording in one plan alone: where it lies, rather than where only its vendor or the catalog names it."""
    best: dict[RecordingId, tuple[tuple[bool, ...], str]] = {}
    for plan in plans:
        for item in plan.items:
            rank = (item.lies_here, item.todo.is_work, item.is_listed)
            if item.recording not in best or rank > best[item.recording][0]:
                best[item.recording] = rank, plan.source
    return [
        replace(plan, items=tuple(item for item in plan.items if best[item.recording][1] == plan.source))
        for plan in plans
    ]


def decide(sight: Sight, asked: Asked, *, now: datetime, source: Source) -> Item | None:
    """What is to be done with one recording; None if it is not meant. Pure."""
    here, known = sight.here, sight.known
    if not asked.means(known) or not _is_in_time(sight, asked):
        return None
    rooms = [each.room for each in (here, sight.past, known) if each]
    return Item(
        recording=sight.recording,
        todo=_todo(sight, asked, now=now, source=source),
        lies_here=here is not None,
        is_listed=sight.past is not None,
        folder=here.folder if here else (known.folder if known else None),
        room=next(filter(None, rooms), None),
        began_at=_began_at(sight),
        size_bytes=here.size_bytes if here else 0,
        state=known.state if known else None,
        verdict=known.verdict if known and known.state is State.SETTLED else None,
    )


def _is_in_time(sight: Sight, asked: Asked) -> bool:
    """By its objects, else as its vendor says; of one that is only known, the catalog was asked by time."""
    if sight.here is not None:
        return asked.touches(sight.here.began_at, sight.here.ended_at)
    at = sight.past.started_at if sight.past else None
    return at is None or asked.touches(at, at)


def _began_at(sight: Sight) -> datetime | None:
    if sight.here is not None:
        return sight.here.began_at
    known = sight.known.started_at if sight.known else None
    return sight.past.started_at if sight.past and sight.past.started_at else known


def _todo(sight: Sight, asked: Asked, *, now: datetime, source: Source) -> Todo:
    known = sight.known
    if known is None or known.state in {State.HINTED, State.RECORDING}:
        return Todo.GOING_ON if _goes_on(sight, now=now, source=source) else Todo.BUILD
    is_due = known.due_at is not None and (known.due_at <= now or known.state is State.STOPPED)
    if known.run is not None or known.state is State.PROCESSING or is_due:
        return Todo.UNDER_WAY
    is_complete = known.state is State.SETTLED and known.verdict is Verdict.COMPLETE
    if asked.only or _has_news(sight.here, known.looked_at, is_complete=is_complete):
        return Todo.AGAIN
    return Todo.COMPLETE if is_complete else Todo.UNCHANGED


def _has_news(here: Stocked | None, looked_at: datetime | None, *, is_complete: bool) -> bool:
    """Whether something was written since somebody looked; a catalog made anew does not know when that was."""
    return here is not None and (has_news(here.newest, looked_at) if looked_at else not is_complete)


def _goes_on(sight: Sight, *, now: datetime, source: Source) -> bool:
    if sight.past is not None and (sight.past.word.is_end or sight.past.word is Word.RECORDING):
        return not sight.past.word.is_end
    if sight.here is not None:
        return now - sight.here.newest < source.settle_time
    return sight.past is None


def hand_over(catalog: "Catalog", plan: Plan, *, actor: str, reason: str) -> int:
    """Have all of a plan's work looked at, after all that is more urgent; how many were not to be anyway.

    It may be ended at any moment and done again: what was handed over is not touched.
    """
    wanted = [
        Wanted(
            recording=item.recording,
            source=plan.source if item.lies_here or (item.is_listed and not plan.shares_list) else None,
            folder=item.folder,
            room=item.room,
            began_at=item.began_at,
        )
        for item in plan.work
    ]
    handed = 0
    for first in range(0, len(wanted), _TAKEN_UP_AT_ONCE):
        some = wanted[first : first + _TAKEN_UP_AT_ONCE]
        handed += _taken_up(catalog, some, actor=actor, reason=reason)
        if catalog.database.is_sqlite:
            time.sleep(_BREATH_S)
    return handed


def _taken_up(catalog: "Catalog", some: Sequence[Wanted], *, actor: str, reason: str) -> int:
    """One name that no catalog can keep, as anything may lie in a bucket, must not hold up the others."""
    try:
        return catalog.take_up(some, actor=actor, reason=reason)
    except CatalogTextError as error:
        if len(some) > 1:
            return sum(_taken_up(catalog, [each], actor=actor, reason=reason) for each in some)
        _log.warning("left out: %s", error)
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How far the recordings of plans have come: those that nobody works on any more, and how many that were."""

    done: tuple[Recording, ...]
    total: int


def outcome(catalog: "Catalog", plans: Iterable[Plan], *, since: datetime) -> Outcome:
    """What came of everything that was handed over at `since`, or was under way then.

    What the catalog could not keep was left out, and is not waited for.
    """
    ids = [(item.recording, item.todo) for plan in plans for item in plan.items if _is_awaited(item)]
    known = catalog.known([recording for recording, _ in ids])
    awaited = [(known[each], todo) for each, todo in ids if each in known]
    done = (recording for recording, todo in awaited if _is_done(recording, todo, since))
    return Outcome(done=tuple(done), total=len(awaited))


def _is_awaited(item: Item) -> bool:
    return item.todo.is_work or item.todo is Todo.UNDER_WAY


def _is_done(known: Recording, todo: Todo, since: datetime) -> bool:
    if known.run is not None or known.state not in _DONE or known.looked_at is None:
        return False
    return known.looked_at >= since or not todo.is_work

"""The story of a backfill: see what lies in the sources and nobody has looked at, and have it looked at.

It hands over and does not process: what it registered waits in the catalog, behind all that is more urgent, until the
loops make batches of it. So it may be ended anywhere, and the next one goes on.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flows.process import Steps
from flows.settings import Settings, Source
from flows.steps.backfilling import Asked, History, Plan, each_once, hand_over, plan_source
from storage.errors import StorageError
from storage.opening import open_source

if TYPE_CHECKING:
    from catalog.index import Catalog

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfiller:
    """Who backfills, why, and with what. `history`: the vendors' own lists, if they are to be asked."""

    name: str
    reason: str
    catalog: "Catalog"
    settings: Settings
    history: History | None = None


async def backfill(steps: Steps, backfiller: Backfiller, asked: Asked, source: str | None = None) -> Mapping[str, int]:
    """Plan and hand over, in one source or in all; how many recordings are to be treated in which way.

    A source that cannot be listed holds up no other; the first of their errors is raised in the end.
    Raises `SettingsError` and `StorageError`.
    """
    plans: list[Plan] = []
    failures: list[StorageError] = []
    for each in sources_of(backfiller.settings, source):
        try:
            plans += await plan_all(steps, backfiller, [(each, asked)])
        except StorageError as error:
            _log.error("source %s is left out: %s", each.name, error)
            failures.append(error)
    plans = each_once(plans)
    handed = await hand_over_all(steps, backfiller, plans)
    if failures:
        raise failures[0]
    return {**totals(plans), "handed_over": handed}


def sources_of(settings: Settings, name: str | None) -> Sequence[Source]:
    """The source of that name, or all. Raises `SettingsError`."""
    return settings.sources if name is None else (settings.source(name),)


async def plan_all(steps: Steps, backfiller: Backfiller, asked: Sequence[tuple[Source, Asked]]) -> list[Plan]:
    """A plan for each source, which is listed once, and each recording in one of them; nothing is changed."""
    return each_once(
        [await steps.run(f"plan {source.name}", _plan, backfiller, source, wanted) for source, wanted in asked]
    )


def _plan(backfiller: Backfiller, source: Source, asked: Asked) -> Plan:
    history = backfiller.history
    return plan_source(
        backfiller.catalog,
        open_source(source.store),
        source,
        asked,
        output=backfiller.settings.output,
        now=datetime.now(UTC),
        history=history(source, asked.since, asked.until) if history else (),
        shares_list=_shares_list(backfiller.settings, source),
    )


def _shares_list(settings: Settings, source: Source) -> bool:
    """Whether the project of a source records into others, too."""
    project = (source.vendor, source.app)
    return source.app is not None and [(each.vendor, each.app) for each in settings.sources].count(project) > 1


async def hand_over_all(steps: Steps, backfiller: Backfiller, plans: Sequence[Plan]) -> int:
    """Have all of the work looked at; how many recordings were not to be anyway."""
    handed = 0
    for plan in plans:
        if plan.work:
            named = {"actor": backfiller.name, "reason": backfiller.reason}
            handed += await steps.run(f"hand over {plan.source}", hand_over, backfiller.catalog, plan, **named)
    return handed


def totals(plans: Sequence[Plan]) -> Mapping[str, int]:
    """By what is to be done, over all sources."""
    found: dict[str, int] = {}
    for plan in plans:
        for todo, count in plan.counts.items():
            found[todo.value] = found.get(todo.value, 0) + count
    return found

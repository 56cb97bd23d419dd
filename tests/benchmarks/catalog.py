"""How long people wait for a search in a large catalog, in SQLite and in PostgreSQL."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from catalog.database import Database
from catalog.index import Catalog
from catalog.model import Verdict
from catalog.searching import Query
from tests.benchmarks import catalog_rows
from tests.benchmarks.results import Row, Section
from tests.postgres import Postgres

_LIMIT_MS: Final = 100
_WARM_UP: Final = 20
PROMISED: Final = "user and time"
RECORDED: Final = "user, really recorded, and time"
WHO: Final = "who was in a room at a moment"
RARE: Final = tuple(verdict for verdict in Verdict if verdict is not Verdict.COMPLETE)

Chance = random.Random
Ask = Callable[[Chance], Query]


@dataclass(frozen=True, slots=True)
class Asker:
    """Makes searches about a catalog of `count` recordings."""

    count: int

    def kinds(self) -> Mapping[str, Ask]:
        """Every kind of search that is measured."""
        return {
            PROMISED: lambda chance: replace(self._span(chance), user=self._user(chance)),
            "heavy user and time": lambda chance: replace(self._span(chance), user=catalog_rows.HEAVY_USER),
            "heavy user": lambda _: Query(user=catalog_rows.HEAVY_USER),
            "user": lambda chance: Query(user=self._user(chance)),
            "user and rare verdict": lambda chance: Query(user=self._user(chance), verdicts=(chance.choice(RARE),)),
            "heavy user and rare verdict": lambda chance: Query(
                user=catalog_rows.HEAVY_USER, verdicts=(chance.choice(RARE),)
            ),
            "user and room": lambda chance: Query(user=self._user(chance), room=self._room(chance)),
            "room and time": lambda chance: replace(self._span(chance), room=self._room(chance)),
            "room and rare verdict": lambda chance: Query(room=self._room(chance), verdicts=(chance.choice(RARE),)),
            RECORDED: lambda chance: replace(self._span(chance), user=self._user(chance), is_recorded=True),
            "heavy user, really recorded, and time": lambda chance: replace(
                self._span(chance), user=catalog_rows.HEAVY_USER, is_recorded=True
            ),
            "time": self._span,
            "time, not complete": lambda chance: replace(self._span(chance), verdicts=RARE),
            "task id": lambda chance: Query(task_id=catalog_rows.task_id(chance.randrange(self.count) + 1)),
            "verdict": lambda chance: Query(verdicts=(chance.choice(tuple(Verdict)),)),
            "not complete": lambda _: Query(verdicts=RARE),
            "alarmed": lambda _: Query(is_alarmed=True),
            "nothing found": self._nothing,
        }

    def room_and_moment(self, chance: Chance) -> tuple[str, datetime]:
        """Somewhere, at some time."""
        return self._room(chance), catalog_rows.BEGIN + chance.random() * catalog_rows.SPAN

    def _nothing(self, chance: Chance) -> Query:
        return chance.choice(
            (
                replace(self._span(chance), user="nobody"),
                replace(self._span(chance), room="nowhere"),
                Query(user="nobody"),
                Query(room="nowhere"),
                Query(task_id="none"),
                Query(until=catalog_rows.BEGIN),
                Query(since=catalog_rows.BEGIN + 2 * catalog_rows.SPAN),
            )
        )

    def _span(self, chance: Chance) -> Query:
        """From an hour to a quarter of a year, somewhere."""
        since = catalog_rows.BEGIN + chance.random() * catalog_rows.SPAN
        return Query(since=since, until=since + chance.choice(_SPANS))

    def _user(self, chance: Chance) -> str:
        return catalog_rows.user(int(chance.random() ** 2 * catalog_rows.USERS))

    def _room(self, chance: Chance) -> str:
        return catalog_rows.room(int(chance.random() ** 2 * catalog_rows.ROOMS))


_SPANS: Final = (timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=91))


def searches(count: int, times: int, folder: Path, say: Callable[[str], object]) -> Section:
    """Each kind of search `times` times among `count` recordings; `folder` keeps what is made for it."""
    say(f"recordings: {count:,} in SQLite, made once, then kept")
    costs: dict[str, Sequence[float]] = {}
    with closing(Database(f"sqlite:///{catalog_rows.sqlite_file(folder, count)}")) as database:
        costs |= _measured(database, "SQLite", count, times, say)
    say(f"recordings: {count:,} in PostgreSQL")
    with _postgres(count) as database:
        costs |= _measured(database, "PostgreSQL", count, times, say)
    return Section(
        title=f"Search over {count:,} recordings",
        unit="milliseconds",
        rows=[_row(name, found) for name, found in costs.items()],
        costs=costs,
        notes=[
            "`Catalog.search`, pages of 50, one after the other on one connection; the first 20 of a kind not counted.",
            "50,000 users, one of them in each tenth recording; 5,000 rooms; two years; 97 % complete.",
            "Times are from an hour to a quarter of a year; `second page` is that of all other kinds.",
        ],
    )


@contextmanager
def _postgres(count: int) -> Iterator[Database]:
    with Postgres() as server, closing(Database(server.create_database("recordings"))) as database:
        database.migrate()
        catalog_rows.fill(database, count)
        yield database


def _measured(
    database: Database, name: str, count: int, times: int, say: Callable[[str], object]
) -> dict[str, Sequence[float]]:
    catalog, found, next_pages = Catalog(database), dict[str, Sequence[float]](), list[Query]()
    for kind, ask in Asker(count).kinds().items():
        say(f"{name}: {kind}")
        chance = Chance(kind)
        queries = [ask(chance) for _ in range(_WARM_UP + times)]
        found[f"{kind}, {name}"] = [_ms(catalog, query, next_pages) for query in queries][_WARM_UP:]
    chance = Chance(WHO)
    moments = [Asker(count).room_and_moment(chance) for _ in range(_WARM_UP + times)]
    found[f"{WHO}, {name}"] = [_who_ms(catalog, *each) for each in moments][_WARM_UP:]
    pages = Chance(0).sample(next_pages, min(_WARM_UP + times, len(next_pages)))
    found[f"second page, {name}"] = [_ms(catalog, query, []) for query in pages][_WARM_UP:]
    return found


def _ms(catalog: Catalog, query: Query, next_pages: list[Query]) -> float:
    began = time.perf_counter()
    page = catalog.search(query)
    took = time.perf_counter() - began
    if page.cursor:
        next_pages.append(replace(query, cursor=page.cursor))
    return took * 1000


def _who_ms(catalog: Catalog, room: str, at: datetime) -> float:
    began = time.perf_counter()
    catalog.attendances.who(room, at)
    return (time.perf_counter() - began) * 1000


def _row(name: str, costs: Sequence[float]) -> Row:
    ordered = sorted(costs)
    p50, p95 = (ordered[int(part * (len(ordered) - 1))] for part in (0.5, 0.95))
    is_promised = name.startswith((PROMISED, RECORDED, WHO))
    return Row(
        what=name,
        wanted=f"p95 ≤ {_LIMIT_MS} ms" if is_promised else "",
        measured=f"p50 {p50:.1f}, p95 {p95:.1f}, max {ordered[-1]:.1f} ms",
        met=p95 <= _LIMIT_MS if is_promised else None,
    )

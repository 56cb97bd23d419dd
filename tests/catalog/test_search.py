"""Search gives what a plain reading of each row gives, in pages that together are the whole answer."""

# ruff: noqa: ANN401 - criteria are whatever fields a query has

import base64
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from catalog.errors import CursorError
from catalog.index import Catalog
from catalog.model import Manifest, State, StreamKind, Verdict
from catalog.records import Queue
from catalog.searching import MOST_ROWS, Query
from catalog.tables import recordings, streams
from tests.catalog.builders import START, at, stream
from tests.catalog.steps import hear, key_of, recording_id, told_by

VERDICTS = (Verdict.GAPS, Verdict.MISSING, Verdict.EMPTY, Verdict.DAMAGED)
STATES = (State.SETTLED, State.WAITING, State.FAILED)
MINUTE = timedelta(minutes=1)
COUNT = 60


@dataclass(frozen=True)
class Row:
    """What the oracle knows of a recording: its own columns, and those of its streams."""

    facts: dict[str, Any]
    streams: Sequence[dict[str, Any]]


def put(catalog: Catalog, *manifests: Manifest) -> None:
    catalog.reindex([(one, key_of(one)) for one in manifests])


def participant(name: str, from_s: float, to_s: float, user: str | None = None) -> Any:
    return stream(
        name,
        user=user or f"user of {name}",
        kind=StreamKind.PARTICIPANT,
        started_at=at(from_s),
        ended_at=at(to_s),
        outputs=(),
    )


def lasting(task_id: str, from_s: float, to_s: float, *streams: Any, **changes: Any) -> Manifest:
    changes = {"streams": streams, "verdict": Verdict.GAPS, **changes}
    return told_by(recording_id(task_id), started_at=at(from_s), ended_at=at(to_s), **changes)


def found(catalog: Catalog, **criteria: Any) -> list[str]:
    return [one.id.task_id for one in catalog.search(Query(**criteria)).recordings]


def pages(catalog: Catalog, query: Query) -> Iterator[list[str]]:
    while True:
        page = catalog.search(query)
        yield [one.id.task_id for one in page.recordings]
        if page.cursor is None:
            return
        query = replace(query, cursor=page.cursor)


def everything(catalog: Catalog, query: Query) -> list[str]:
    return [one for page in pages(catalog, query) for one in page]


def rows(catalog: Catalog) -> list[Row]:
    """All rows, the newest first, read without any criterion."""
    newest = select(recordings).order_by(recordings.c.span_from.desc(), recordings.c.id.desc())
    of_all = catalog.database.read(lambda c: c.execute(newest).mappings().all())
    lines = catalog.database.read(lambda c: c.execute(select(streams)).mappings().all())
    return [Row(dict(row), [dict(line) for line in lines if line["recording"] == row["id"]]) for row in of_all]


def is_asked_for(row: Row, query: Query) -> bool:
    """One criterion after the other, as `Query` says them."""

    def overlaps(span: dict[str, Any]) -> bool:
        return (query.until is None or span["span_from"] < query.until) and (
            query.since is None or span["span_to"] >= query.since
        )

    def is_stream(line: dict[str, Any]) -> bool:
        return query.user in {None, line["user_id"]} and query.stream in {None, line["stream"]} and overlaps(line)

    facts = row.facts
    is_one = all(
        wanted is None or facts[name] == wanted
        for name, wanted in (("task_id", query.task_id), ("vendor", query.vendor), ("room", query.room))
    )
    is_such = (not query.verdicts or facts["verdict"] in query.verdicts) and (
        not query.states or facts["state"] in query.states
    )
    if query.user is None and query.stream is None:
        in_time = overlaps(facts)
    else:
        in_time = any(is_stream(line) for line in row.streams)
    return is_one and is_such and in_time and (facts["alarm"] is not None or not query.is_alarmed)


def some_recordings(seed: int, count: int) -> Iterator[Manifest]:
    """Many begin and end at the same full minutes, so that the borders are met."""
    chance = random.Random(seed)

    def spans(of: timedelta, lasts: timedelta) -> tuple[datetime, datetime]:
        begin = START + of + chance.randrange(4) * MINUTE
        return begin, max(begin, START + of + lasts - chance.randrange(4) * MINUTE)

    for number in range(count):
        of, lasts = chance.randrange(300) * MINUTE, chance.choice([0, 1, 2, 5, 30, 240]) * MINUTE
        begin, end = spans(of, lasts)
        made = tuple(
            replace(
                participant(f"s{name}", 0, 1, chance.choice(["ann", "bob", "eve", None, "zoë"])),
                started_at=spans(of, lasts)[0] if chance.random() < 0.9 else None,
                ended_at=spans(of, lasts)[1] if chance.random() < 0.9 else None,
            )
            for name in range(chance.randrange(4))
        )
        has_clock = chance.random() < 0.9
        yield told_by(
            recording_id(f"t{number}", chance.choice(["agora", "zego"])),
            room=chance.choice(["math", "art", None]),
            verdict=chance.choice(VERDICTS),
            streams=made,
            started_at=begin if has_clock else None,
            ended_at=end if has_clock else None,
            created_at=START + of + lasts,
        )


def some_query(chance: random.Random) -> Query:
    def maybe(likely: float, *values: Any) -> Any:
        return chance.choice(values) if chance.random() < likely else None

    moment = START + chance.randrange(-10, 320) * MINUTE
    return Query(
        task_id=maybe(0.1, *(f"t{number}" for number in range(20))),
        vendor=maybe(0.2, "agora", "zego", "jocloud"),
        room=maybe(0.3, "math", "art", "none"),
        user=maybe(0.4, "ann", "bob", "eve", "nobody"),
        stream=maybe(0.2, "s0", "s1", "s9"),
        since=moment if chance.random() < 0.5 else None,
        until=moment + chance.randrange(40) * MINUTE if chance.random() < 0.5 else None,
        verdicts=tuple(chance.sample(VERDICTS, chance.randrange(1, 3))) if chance.random() < 0.2 else (),
        states=tuple(chance.sample(STATES, chance.randrange(1, 3))) if chance.random() < 0.2 else (),
        is_alarmed=chance.random() < 0.1,
        limit=chance.choice([1, 2, 7, 50, 500]),
    )


def fill(catalog: Catalog, count: int) -> Catalog:
    """Some in other states, some with an alarm."""
    put(catalog, *some_recordings(seed=1, count=count))

    def change(connection: Any) -> None:
        number = recordings.c.id
        connection.execute(update(recordings).where(number % 5 == 1).values(state=State.WAITING))
        connection.execute(update(recordings).where(number % 7 == 1).values(state=State.FAILED, alarm="disk full"))

    catalog.database.write(change)
    return catalog


@pytest.fixture
def filled(catalog: Catalog) -> Catalog:
    return fill(catalog, COUNT)


def test_every_answer_is_that_of_a_plain_reading(catalog: Catalog) -> None:
    fill(catalog, 300)
    chance, all_rows = random.Random(2), rows(catalog)
    sizes = set()
    for _ in range(250):
        query = some_query(chance)
        expected = [row.facts["task_id"] for row in all_rows if is_asked_for(row, query)]
        some = replace(query, limit=max(query.limit, len(expected) // 10))
        assert everything(catalog, some) == expected, query
        sizes.add(len(expected))
    assert len(sizes) > 40


def test_pages_walk_everything_once(filled: Catalog) -> None:
    newest_first = [row.facts["task_id"] for row in rows(filled)]
    for limit in (1, 7, COUNT - 1, COUNT, COUNT + 1):
        found = list(pages(filled, Query(limit=limit)))
        assert [one for page in found for one in page] == newest_first
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
        assert found[-1] != []


@pytest.mark.parametrize("criteria", [{}, {"user": "ann"}, {"room": "math"}, {"verdicts": VERDICTS[:2]}])
def test_new_rows_do_not_disturb_a_walk(filled: Catalog, criteria: dict[str, Any]) -> None:
    query = Query(limit=9, **criteria)
    before = everything(filled, query)
    seen: list[str] = []
    for number, page in enumerate(pages(filled, query)):
        seen += page
        # Before, amid and after what was seen.
        newer = some_recordings(seed=100 + number, count=5)
        put(filled, *(replace(one, task_id=f"new-{number}-{one.task_id}") for one in newer))
    assert len(set(seen)) == len(seen)
    assert [one for one in seen if not one.startswith("new")] == before


def test_a_page_has_at_least_one_row(catalog: Catalog) -> None:
    put(catalog, *(lasting(name, 0, 60) for name in ("a", "b")))
    assert [len(found(catalog, limit=size)) for size in (0, -5, 1)] == [1, 1, 1]


def test_a_page_has_at_most_so_many_rows(catalog: Catalog) -> None:
    facts = {"vendor": "agora", "state": State.STOPPED, "queue": Queue.LIVE, "heard_at": START, "span_s": 0.0}
    one = {**facts, "span_from": START, "span_to": START}
    many = [{**one, "task_id": f"t{number}"} for number in range(MOST_ROWS + 1)]
    catalog.database.write(lambda connection: connection.execute(recordings.insert(), many))
    assert len(found(catalog, limit=10**9)) == MOST_ROWS


def test_those_of_one_moment_come_in_the_reverse_order_of_their_making(catalog: Catalog) -> None:
    put(catalog, *(lasting(name, 0, 60) for name in ("a", "b", "c")))
    assert everything(catalog, Query(limit=1)) == ["c", "b", "a"]


def test_since_finds_what_ends_then_and_until_not_what_begins_then(catalog: Catalog) -> None:
    put(catalog, lasting("it", 60, 120))
    instant = timedelta(microseconds=1)
    assert found(catalog, since=at(120)) == ["it"]
    assert found(catalog, since=at(120) + instant) == []
    assert found(catalog, until=at(60)) == []
    assert found(catalog, until=at(60) + instant) == ["it"]
    assert found(catalog, since=at(80), until=at(90)) == ["it"]
    assert found(catalog, since=at(80), until=at(80)) == ["it"]


def test_a_long_one_is_found_by_its_end_among_short_ones(catalog: Catalog) -> None:
    put(catalog, lasting("long", 0, 24 * 3600), *(lasting(f"t{n}", n * 60, n * 60 + 30) for n in range(1, 50)))
    assert found(catalog, since=at(24 * 3600)) == ["long"]
    assert found(catalog, since=at(49 * 60 + 31)) == ["long"]


def test_times_in_any_zone_ask_the_same(catalog: Catalog) -> None:
    put(catalog, lasting("it", 0, 60))
    kolkata = START.astimezone()
    assert kolkata.utcoffset() == timedelta(hours=5, minutes=30)
    assert found(catalog, since=kolkata, until=kolkata + MINUTE) == ["it"]


def test_from_the_first_to_the_last_of_all_times(catalog: Catalog) -> None:
    put(catalog, lasting("it", 0, 60))
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert found(catalog, since=first, until=last) == ["it"]
    assert found(catalog, user="nobody", since=first, until=last) == []


def test_a_user_is_found_by_the_time_of_the_own_stream(catalog: Catalog) -> None:
    put(catalog, lasting("it", 0, 3600, participant("a", 0, 600, "ann"), participant("b", 1800, 3600, "bob")))
    late = {"since": at(1200), "until": at(4000)}
    assert found(catalog, user="bob", **late) == ["it"]
    assert found(catalog, user="ann", **late) == []
    assert found(catalog, stream="b", **late) == ["it"]
    assert found(catalog, stream="a", **late) == []
    assert found(catalog, **late) == ["it"]
    assert found(catalog, user="ann", stream="a") == ["it"]
    assert found(catalog, user="ann", stream="b") == []


def test_a_user_of_several_streams_is_found_once(catalog: Catalog) -> None:
    put(catalog, lasting("it", 0, 60, *(participant(name, 0, 60, "ann") for name in ("a", "b", "c"))))
    put(catalog, lasting("next", 60, 120, participant("a", 60, 120, "ann")))
    assert everything(catalog, Query(user="ann", limit=1)) == ["next", "it"]


def test_a_user_who_left_is_not_found_in_the_newer_revision(catalog: Catalog) -> None:
    put(catalog, lasting("it", 0, 60, participant("a", 0, 60, "ann")))
    put(catalog, lasting("it", 0, 60, participant("a", 0, 60, "bob"), revision=2))
    assert (found(catalog, user="ann"), found(catalog, user="bob")) == ([], ["it"])


def test_what_was_only_heard_of_is_found_too(catalog: Catalog) -> None:
    hear(catalog, "heard", room="math")
    assert found(catalog, room="math", states=(State.STOPPED,)) == ["heard"]
    assert found(catalog, verdicts=(Verdict.COMPLETE,)) == []


def test_a_cursor_serves_pages_of_any_size(filled: Catalog) -> None:
    cursor = filled.search(Query(limit=5)).cursor
    assert found(filled, limit=20, cursor=cursor) == [row.facts["task_id"] for row in rows(filled)][5:25]


def test_a_cursor_of_another_search_is_refused(filled: Catalog) -> None:
    cursor = filled.search(Query(room="math", limit=1)).cursor
    of_room = Query(room="math", cursor=cursor)
    assert filled.search(of_room).recordings
    for other in (
        replace(of_room, room=None),
        replace(of_room, room="art"),
        replace(of_room, user="ann"),
        replace(of_room, since=START),
        replace(of_room, until=START),
        replace(of_room, verdicts=(Verdict.GAPS,)),
        replace(of_room, is_alarmed=True),
    ):
        with pytest.raises(CursorError, match="another search"):
            filled.search(other)


def cursor_of(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


def test_what_is_no_cursor_is_refused(filled: Catalog) -> None:
    true = filled.search(Query(limit=1)).cursor or ""
    digest, moment, number = json.loads(base64.urlsafe_b64decode(true + "=="))
    garbage = ["", "x", "é", "a" * 10_000, true[:-4], base64.urlsafe_b64encode(b"[" * 100_000).decode()]
    garbage += [cursor_of(*parts) for parts in ((), (digest,), (digest, moment), (digest, moment, number, 1))]
    moments: list[object] = ["", "soon", None, 7, "0001-01-01T00:00:00+05:00", []]
    numbers: list[object] = [0, -1, 2**63, 1.5, "1", None, float("inf"), float("nan")]
    garbage += [cursor_of(digest, other, number) for other in moments]
    garbage += [cursor_of(digest, moment, other) for other in numbers]
    garbage += [base64.urlsafe_b64encode(text).decode() for text in (b"{}", b"7", b"\xff\xfe", b"null")]
    for cursor in garbage:
        with pytest.raises(CursorError):
            filled.search(Query(limit=1, cursor=cursor))


def test_damaged_cursors_give_rows_or_are_refused(filled: Catalog) -> None:
    true, chance = filled.search(Query(limit=1)).cursor or "", random.Random(3)
    for _ in range(300):
        place = chance.randrange(len(true))
        damaged = true[:place] + chance.choice("AZaz09-_=!\0") + true[place + 1 :]
        try:
            filled.search(Query(limit=1, cursor=damaged))
        except CursorError:
            continue


def test_a_time_without_a_zone_is_refused(catalog: Catalog) -> None:
    with pytest.raises(Exception, match="no time zone"):
        catalog.search(Query(since=START.replace(tzinfo=None)))

"""Manifests into rows: whatever comes in which order, the rows are those of the newest."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Table, select

from catalog.index import Catalog
from catalog.manifest import content_digest
from catalog.model import Manifest, State, StreamKind, Verdict
from catalog.searching import Query
from catalog.tables import outputs, presences, recordings, revisions, streams
from tests.catalog.builders import START, at, output, stream
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import hear, key_of, recording_id, settle, take, told_by

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def rows(catalog: Catalog) -> Rows:
    """All that manifests make, without the numbers of rows."""

    def lines(table: Table) -> list[dict[str, Any]]:
        with_names = select(*(column for column in table.c if column.name not in {"id", "recording"}))
        found = catalog.database.read(lambda c: c.execute(with_names).mappings().all())
        return sorted((dict(row) for row in found), key=repr)

    return {table.name: lines(table) for table in (recordings, streams, outputs, revisions, presences)}


def revision(number: int, task_id: str = "t1", **changes: Any) -> Manifest:  # noqa: ANN401
    """Each with another content, place in time and streams; the second without a clock."""
    names = ["a", "b", "c"][:number]
    clock = {"started_at": None, "ended_at": None} if number == 2 else {"started_at": at(number), "ended_at": at(60)}
    made = [
        stream(
            name, user=f"user {name}", kind=StreamKind.PARTICIPANT, outputs=(output(key=f"{task_id}-{name}{number}"),)
        )
        for name in names
    ]
    values = {"revision": number, "created_at": START + timedelta(hours=number), "streams": tuple(made), **clock}
    return told_by(recording_id(task_id), **values, **changes)


def reindex(catalog: Catalog, *manifests: Manifest) -> int:
    return catalog.reindex([(one, key_of(one)) for one in manifests])


@pytest.fixture
def expected(catalog: Catalog) -> Rows:
    """The rows of three revisions, taken in one by one in their order."""
    for number in (1, 2, 3):
        assert reindex(catalog, revision(number)) == 1
    return rows(catalog)


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
@pytest.mark.parametrize("newest", [2, 3])
def test_in_any_order_the_rows_are_the_same(
    catalog: Catalog, database: LeapingDatabase, order: Sequence[int], newest: int
) -> None:
    for number in range(1, newest + 1):
        assert reindex(catalog, revision(number)) == 1
    expected = rows(catalog)
    database.write(lambda c: c.execute(recordings.delete()))
    reindex(catalog, *(revision(number) for number in order if number <= newest))
    assert rows(catalog) == expected
    assert len(expected["streams"]) == newest
    assert len(expected["presences"]) == 2 * newest  # before the absence and after it


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_is_known_or_older_changes_nothing(catalog: Catalog, expected: Rows, number: int) -> None:
    assert reindex(catalog, revision(number)) == 0
    assert rows(catalog) == expected


def test_older_ones_that_come_later_are_only_listed(catalog: Catalog) -> None:
    reindex(catalog, revision(3))
    before = rows(catalog)
    assert reindex(catalog, revision(1)) == 0
    after = rows(catalog)
    assert [row["revision"] for row in after["revisions"]] == [1, 3]
    assert {**after, "revisions": ()} == {**before, "revisions": ()}


def test_two_recordings_do_not_touch(catalog: Catalog) -> None:
    assert reindex(catalog, revision(1, "t1"), revision(3, "t2")) == 2
    assert (catalog.get(recording_id("t1")).revision, catalog.get(recording_id("t2")).revision) == (1, 3)
    assert [len(catalog.streams(recording_id(name))) for name in ("t1", "t2")] == [1, 3]


def test_a_recording_is_settled_by_its_manifest(catalog: Catalog) -> None:
    hear(catalog, folder="rec/own/", state=State.RECORDING)
    reindex(catalog, revision(1, verdict=Verdict.GAPS))
    known = catalog.get(recording_id())
    assert (known.state, known.verdict, known.due_at, known.folder) == (
        State.SETTLED,
        Verdict.GAPS,
        None,
        "rec/own/",
    )
    assert known.settled_at == revision(1).created_at
    assert catalog.search(Query(since=at(1), until=at(2))).recordings == (known,)


def test_a_room_that_only_a_vendor_told_of_stays(catalog: Catalog) -> None:
    """ZEGOCLOUD's names do not tell the room from the user."""
    hear(catalog, room="math")
    reindex(catalog, told_by(recording_id(), room=None))
    assert catalog.get(recording_id()).room == "math"

    reindex(catalog, told_by(recording_id(), room="physics", revision=2))
    assert catalog.get(recording_id()).room == "physics"


def test_what_is_worked_on_stays_so(catalog: Catalog) -> None:
    hear(catalog)
    claim = take(catalog)
    reindex(catalog, revision(1))
    assert catalog.get(recording_id()).state is State.PROCESSING
    back = catalog.claims.hand_back(claim, cause="told to stop")
    assert (back.state, back.verdict) == (State.SETTLED, Verdict.COMPLETE)
    assert back.settled_at == revision(1).created_at


def test_settling_and_taking_in_later_give_the_same_rows_of_streams(catalog: Catalog, expected: Rows) -> None:
    hear(catalog, "t2")
    for number in (1, 2, 3):
        one = revision(number, "t2")
        catalog.claims.settle(take(catalog, "t2"), one, key_of(one), basis="p", cause="all there", look_in=None)
    assert [row for row in rows(catalog)["streams"] if row not in expected["streams"]] == []
    before = rows(catalog)
    assert reindex(catalog, revision(3, "t2")) == 0
    assert rows(catalog) == before


def test_a_number_that_was_reserved_belongs_to_what_was_published_under_it(catalog: Catalog) -> None:
    hear(catalog)
    claim = take(catalog)
    reserved = catalog.claims.reserve_revision(claim, "another content", newest=0)
    assert reserved.revision == 1
    published = revision(1)
    reindex(catalog, published)
    (row,) = rows(catalog)["revisions"]
    assert (row["content_digest"], row["created_at"]) == (content_digest(published), published.created_at)
    assert catalog.claims.reserve_revision(claim, "another content", newest=0).revision == 2
    assert catalog.claims.reserve_revision(claim, content_digest(published), newest=0).revision == 1


def test_without_a_clock_it_is_found_when_it_was_heard_of(catalog: Catalog) -> None:
    heard = hear(catalog)
    no_clock: dict[str, Any] = {"started_at": None, "ended_at": None}
    timeless = stream(user="ann", **no_clock)
    assert settle(catalog, take(catalog), streams=(timeless,), **no_clock).started_at is None
    about = Query(since=heard.heard_at, until=heard.heard_at + timedelta(microseconds=1))
    assert len(catalog.search(about).recordings) == 1
    assert len(catalog.search(replace(about, user="ann")).recordings) == 1
    assert catalog.search(Query(until=heard.heard_at)).recordings == ()


def test_streams_outside_of_their_recording_are_found_at_their_own_time(catalog: Catalog) -> None:
    early = stream("early", user="ann", started_at=at(-600), ended_at=at(-300), outputs=())
    late = stream("late", user="bob", started_at=at(90), ended_at=at(7200), outputs=())
    reindex(catalog, told_by(recording_id(), streams=(early, late)))
    assert catalog.get(recording_id()).ended_at == at(60)
    for query in (Query(user="ann", until=at(-599)), Query(user="bob", since=at(7200)), Query(since=at(7200))):
        assert len(catalog.search(query).recordings) == 1, query
    assert catalog.search(Query(user="ann", since=at(-299))).recordings == ()

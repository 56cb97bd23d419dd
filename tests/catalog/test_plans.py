"""How the databases find what is searched for: by an index that is in order already, never by reading everything."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import JSON, Connection, Select, literal, select, text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ClauseElement

from catalog import announcing, inquiries
from catalog.attendance import who_statement
from catalog.database import Database
from catalog.index import Catalog
from catalog.model import State, Verdict
from catalog.searching import Query, statement
from catalog.tables import announcement_deliveries, announcements, recordings
from catalog.tables import inquiries as inquiry_rows
from tests.benchmarks.catalog_rows import BEGIN, HEAVY_USER, fill, room, task_id
from tests.postgres import Postgres

COUNT = 20_000
BY_USER = "ix_streams_user_id_recording_from_recording_span_from_span_to"
BY_STREAM = "ix_streams_stream_recording_from_recording_span_from_span_to"
BY_TIME = "ix_recordings_span_from_id"
BY_ROOM = "ix_recordings_room_span_from_id"
WEEK = Query(since=BEGIN + timedelta(days=300), until=BEGIN + timedelta(days=307))

KINDS: Mapping[str, tuple[Query, str]] = {
    "user and time": (Query(user=HEAVY_USER, since=WEEK.since, until=WEEK.until), BY_USER),
    "user": (Query(user=HEAVY_USER), BY_USER),
    "stream and time": (Query(stream="mix", since=WEEK.since, until=WEEK.until), BY_STREAM),
    "room and time": (Query(room=room(0), since=WEEK.since, until=WEEK.until), BY_ROOM),
    "room": (Query(room=room(0)), BY_ROOM),
    "time": (WEEK, BY_TIME),
    "everything": (Query(), BY_TIME),
    "task id": (Query(task_id=task_id(7)), "ix_recordings_task_id"),
    "common verdict": (Query(verdicts=(Verdict.COMPLETE,)), "ix_recordings_verdict_span_from_id"),
    "rare verdict": (Query(verdicts=(Verdict.UNREADABLE,)), "ix_recordings_verdict_span_from_id"),
    "state": (Query(states=(State.WAITING,)), "ix_recordings_state_span_from_id"),
    "alarmed": (Query(is_alarmed=True), "ix_recordings_alarm"),
}


class Explain(Executable, ClauseElement):
    """The plan of a statement."""

    inherit_cache = False

    def __init__(self, asked: Select[Any]) -> None:
        self.asked = asked


@compiles(Explain, "sqlite")
def _of_sqlite(element: Explain, compiler: SQLCompiler, **words: Any) -> str:  # noqa: ANN401
    return f"EXPLAIN QUERY PLAN {compiler.process(element.asked, **words)}"


@compiles(Explain, "postgresql")
def _of_postgres(element: Explain, compiler: SQLCompiler, **words: Any) -> str:  # noqa: ANN401
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.asked, **words)}"


def asked(database: Database, query: Query, *, is_next: bool) -> Explain:
    """The very statement of a search, or that of its second page."""
    if is_next:
        cursor = Catalog(database).search(Query(**{**_fields(query), "limit": 3})).cursor
        query = Query(**{**_fields(query), "cursor": cursor})
    return Explain(statement(query, longest=timedelta(days=1), limit=51))


ASKED_EACH_SECOND: Mapping[str, tuple[Select[Any], str]] = {
    "due to an endpoint": (announcing.due_query("crm", BEGIN), "ix_announcement_deliveries_due"),
    "new": (announcing.new_query(500), "ix_announcements_new"),
    "not asked for": (inquiries.strangers_query("zego", ["calls", None], BEGIN, most=200), "ix_recordings_open"),
}


def announce(database: Database) -> None:
    """Two endpoints were told of nearly all; fifty announcements are new, and fifty are due to each of them."""
    told = [
        {"id": f"msg_{n}", "type": "t", "at": BEGIN, "payload": "{}", "fanned_out_at": BEGIN if n >= 50 else None}
        for n in range(COUNT)
    ]
    due = [
        {"announcement": f"msg_{n}", "endpoint": name, "due_at": BEGIN if n < 100 else None}
        for n in range(50, COUNT)
        for name in ("crm", "bi")
    ]

    def work(connection: Connection) -> None:
        connection.execute(announcements.insert(), told)
        connection.execute(announcement_deliveries.insert(), due)

    database.write(work)


def ask(database: Database) -> None:
    """The vendor was asked for half of its recordings, long ago."""
    here = recordings.c
    half = select(here.id, here.source, literal({}, JSON), literal(True), here.heard_at).where(
        (here.vendor == "zego") & (here.id % 2 == 0)
    )
    names = ["recording", "source", "handle", "is_askable", "began_at"]
    database.write(lambda connection: connection.execute(inquiry_rows.insert().from_select(names, half)))


def _fields(query: Query) -> dict[str, Any]:
    return {name: getattr(query, name) for name in Query.__slots__}


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path_factory.mktemp('plans')}/catalog.db")) as database:
        database.migrate()
        fill(database, COUNT)
        yield database


@pytest.fixture(scope="module")
def on_postgres(postgres: Postgres) -> Iterator[Database]:
    with closing(Database(postgres.create_database("plans"))) as database:
        database.migrate()
        fill(database, COUNT)
        yield database
    postgres.drop_database("plans")


def plan_of_sqlite(database: Database, query: Query, *, is_next: bool = False) -> list[str]:
    return explained_by_sqlite(database, asked(database, query, is_next=is_next))


def explained_by_sqlite(database: Database, explain: Explain) -> list[str]:
    return database.read(lambda connection: [str(row.detail) for row in connection.execute(explain)])


def plan_of_postgres(database: Database, query: Query, *, is_next: bool = False) -> dict[str, Any]:
    return explained_by_postgres(database, asked(database, query, is_next=is_next))


def explained_by_postgres(database: Database, explain: Explain) -> dict[str, Any]:
    def work(connection: Connection) -> dict[str, Any]:
        found = connection.execute(explain).scalar_one()
        plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        return plan

    return database.read(work)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


PAGED = [(kind, is_next) for kind in KINDS for is_next in (False, True) if not (is_next and kind == "task id")]


def test_plans_of_sqlite(sqlite: Database, golden: Callable[[str, str], None]) -> None:
    lines = [
        line
        for kind, is_next in PAGED
        for line in (f"{kind}{', next page' * is_next}", *plan_of_sqlite(sqlite, KINDS[kind][0], is_next=is_next), "")
    ]
    golden("plans/sqlite.txt", "\n".join(lines))


@pytest.mark.parametrize(("kind", "is_next"), PAGED)
def test_sqlite_reads_one_index_in_its_order(sqlite: Database, kind: str, *, is_next: bool) -> None:
    query, index = KINDS[kind]
    steps = plan_of_sqlite(sqlite, query, is_next=is_next)
    reads = [step for step in steps if step.startswith(("SCAN", "SEARCH"))]
    assert [step for step in reads if index in step] == reads[:1]
    # Of one page, already found: each of its rows by its number, then put in order.
    assert reads[1:] in ([], ["SCAN anon_1", "SEARCH recordings USING INTEGER PRIMARY KEY (rowid=?)"])
    if len(reads) == 1 and kind != "task id":
        assert steps == reads


@pytest.mark.parametrize(("kind", "is_next"), PAGED)
def test_postgres_reads_one_index_and_sorts_a_page_at_most(on_postgres: Database, kind: str, *, is_next: bool) -> None:
    """Its plans are worded otherwise in each version, and few rows it likes to sort."""
    query, index = KINDS[kind]
    plan = list(nodes(plan_of_postgres(on_postgres, query, is_next=is_next)))
    assert {node["Index Name"] for node in plan if "Index Name" in node} - {"pk_recordings"} == {index}
    assert "Seq Scan" not in {node["Node Type"] for node in plan}
    assert max([node["Plan Rows"] for node in plan if "Sort" in node["Node Type"]], default=0) < COUNT / 100


def test_what_is_asked_each_second_reads_an_index_of_the_few(sqlite: Database, on_postgres: Database) -> None:
    for database in (sqlite, on_postgres):
        announce(database)
        ask(database)
        database.write(lambda connection: connection.execute(text("ANALYZE")))
    for query, index in ASKED_EACH_SECOND.values():
        steps = explained_by_sqlite(sqlite, Explain(query))
        assert index in steps[0]
        assert [step for step in steps[1:] if not step.startswith(("SEARCH", "CORRELATED"))] == [], steps
        plan = list(nodes(explained_by_postgres(on_postgres, Explain(query))))
        assert index in {node["Index Name"] for node in plan if "Index Name" in node}
        assert "Seq Scan" not in {node["Node Type"] for node in plan}


def test_who_was_in_a_room_reads_its_recordings_of_that_time_and_their_presences(
    sqlite: Database, on_postgres: Database
) -> None:
    since = BEGIN + timedelta(days=300)
    explain = Explain(who_statement(room(0), since, since + timedelta(hours=1), longest=timedelta(days=1)))
    steps = [step for step in explained_by_sqlite(sqlite, explain) if step.startswith(("SCAN", "SEARCH"))]
    assert steps[0].startswith(f"SEARCH recordings USING INDEX {BY_ROOM} (room=? AND span_from>? AND span_from<?)")
    assert all(step.startswith("SEARCH") and "recording=?" in step for step in steps[1:]), steps
    plan = list(nodes(explained_by_postgres(on_postgres, explain)))
    assert BY_ROOM in {node.get("Index Name") for node in plan}
    assert "Seq Scan" not in {node["Node Type"] for node in plan}


def test_rooms_of_a_user_read_the_streams_in_their_order_and_presences_of_each(
    sqlite: Database, on_postgres: Database
) -> None:
    query = Query(user=HEAVY_USER, since=WEEK.since, until=WEEK.until, is_recorded=True)
    explain = asked(sqlite, query, is_next=False)
    steps = [step for step in explained_by_sqlite(sqlite, explain) if step.startswith(("SCAN", "SEARCH"))]
    assert BY_USER in steps[0]
    assert any(step.startswith("SEARCH presences USING") and "recording=? AND user_id=?" in step for step in steps)
    plan = list(nodes(explained_by_postgres(on_postgres, explain)))
    assert BY_USER in {node.get("Index Name") for node in plan}
    assert "Seq Scan" not in {node["Node Type"] for node in plan}

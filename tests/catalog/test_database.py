"""The database behind the catalog: its URL, its tables, its times, and a server that goes away."""

import fcntl
import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from itertools import repeat
from pathlib import Path
from traceback import format_exception

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import DBAPIError, StatementError

from catalog import rows
from catalog.database import Database
from catalog.errors import CatalogUnavailableError, CatalogUrlError
from catalog.index import Catalog
from catalog.model import State
from catalog.tables import exports, leases, metadata, recordings
from tests.catalog.exports import ask
from tests.catalog.processes import migrate
from tests.catalog.steps import at_once, hear, recording_id, settle, take
from tests.postgres import Postgres

NEWEST = "0008"


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    database = Database(empty_url)
    yield database
    database.close()


def tables(database: Database) -> set[str]:
    return set(database.read(lambda connection: inspect(connection).get_table_names())) - {"alembic_version"}


def steps(database: Database) -> list[str]:
    return database.read(lambda connection: list(connection.scalars(text("SELECT version_num FROM alembic_version"))))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "cannot be read"),
        ("catalog.db", "cannot be read"),
        ("sqlite://", "sqlite:////path.db"),
        ("sqlite:///:memory:", "sqlite:////path.db"),
        ("sqlite+aiosqlite:///a.db", "sqlite:////path.db"),
        ("mysql://root:s3cret@host/name", "mysql"),
        ("postgresql+asyncpg://me:s3cret@host/name", "asyncpg"),
        ("postgresql://me:s3cret@host:port/name", "cannot be read"),
        ("http://me:s3cret@host/", "http"),
    ],
)
def test_a_url_that_cannot_serve_is_refused_without_its_password(url: str, said: str) -> None:
    with pytest.raises(CatalogUrlError, match=said) as refused:
        Database(url)
    assert "s3cret" not in "".join(format_exception(refused.value))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_database_shows_its_place_without_the_password(scheme: str) -> None:
    with closing(Database(f"{scheme}://me:s3cret@host:5433/name")) as database:
        assert database.place == "postgresql://me:***@host:5433/name"
        assert repr(database) == "Database('postgresql://me:***@host:5433/name')"
        assert not database.is_sqlite


def test_migrated_it_has_the_tables_of_this_version(empty: Database) -> None:
    assert not empty.is_current()
    empty.migrate()
    assert empty.is_current()
    assert tables(empty) == set(metadata.tables)
    empty.migrate()
    assert steps(empty) == [NEWEST]


def test_migrations_and_tables_agree(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert database.read(differences) == []


def test_filled_it_goes_two_steps_back_and_forward_and_keeps_the_rest(catalog: Catalog) -> None:
    database = catalog.database
    settled = hear(catalog) and settle(catalog, take(catalog))
    ask(catalog)
    database.migrate("0002")
    assert not database.is_current()
    newer = {"deliveries", "events", "announcements", "announcement_deliveries", "inquiries", "presences"}
    newer |= {"export_askings", "export_changes"}
    assert tables(database) == set(metadata.tables) - newer
    database.migrate("0001")
    assert tables(database) == set(metadata.tables) - newer - {"exports", "audit"}
    database.migrate()
    assert database.is_current()
    assert catalog.get(recording_id()) == replace(settled, stopped_at=None, looked_at=None)
    assert len(catalog.streams(recording_id())) == 1
    assert database.read(lambda c: c.scalar(select(func.count()).select_from(exports))) == 0
    assert take(catalog).lease.fence == 2


def test_filled_it_goes_all_the_way_back(empty: Database) -> None:
    empty.migrate()
    catalog = Catalog(empty)
    hear(catalog)
    settle(catalog, take(catalog))
    empty.migrate("base")
    assert tables(empty) == set()
    empty.migrate()
    assert hear(catalog).state is State.STOPPED


def test_a_step_that_fails_leaves_nothing(empty: Database) -> None:
    """`exports` is made after `audit`, in the same transaction."""
    empty.migrate("0001")
    empty.write(lambda connection: connection.execute(text("CREATE TABLE exports (id TEXT)")))
    with pytest.raises(DBAPIError):
        empty.migrate()
    assert steps(empty) == ["0001"]
    assert "audit" not in tables(empty)


def test_many_processes_migrate_at_once(empty_url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(migrate, [empty_url] * 3, chunksize=1) == [True] * 3


def test_many_threads_migrate_at_once(empty_url: str) -> None:
    databases = [Database(place) for place in repeat(empty_url, 8)]
    at_once([database.migrate for database in databases])
    assert all(database.is_current() for database in databases)
    for database in databases:
        database.close()


def test_who_migrates_a_file_waits_for_another_who_does(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path}/catalog.db")) as database:
        late = threading.Thread(target=database.migrate)
        with (tmp_path / "catalog.db.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            late.start()
            late.join(0.3)
            assert late.is_alive()
        late.join()
        assert database.is_current()


TIMES = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(987, 6, 5, 4, 3, 2, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, 59, 999_999, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 0, 0, 0, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC),
    datetime(2026, 3, 29, 6, 30, 0, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    datetime(2026, 3, 28, 20, 0, 0, 100_000, tzinfo=timezone(-timedelta(hours=5))),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
]


def count_before(database: Database, at: datetime) -> int | None:
    query = select(func.count()).select_from(leases).where(leases.c.expires_at < at)
    return database.read(lambda connection: connection.scalar(query))


def test_times_come_back_in_utc_to_the_microsecond_and_sort_as_times(database: Database) -> None:
    lines = [{"name": f"{number}", "fence": 0, "expires_at": at} for number, at in enumerate(TIMES)]

    def put(connection: Connection) -> None:
        connection.execute(leases.insert(), list(reversed(lines)))

    database.write(put)
    ordered = select(leases.c.expires_at).order_by(leases.c.expires_at)
    found = database.read(lambda c: list(c.scalars(ordered)))
    assert found == TIMES
    assert {at.tzinfo for at in found} == {UTC}
    for number, at in enumerate(TIMES):
        assert count_before(database, at) == number


def test_a_time_without_a_zone_is_not_kept(database: Database) -> None:
    line = {"name": "naive", "fence": 0, "expires_at": datetime(2026, 5, 3)}  # noqa: DTZ001 - the point
    with pytest.raises(StatementError, match="no time zone"):
        database.write(lambda connection: connection.execute(leases.insert(), line))


def test_its_time_is_that_of_the_clock(database: Database) -> None:
    assert abs(database.read(database.now) - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_read_is_of_one_moment(catalog: Catalog) -> None:
    hear(catalog, "t1")

    def count_twice(connection: Connection) -> tuple[int | None, int | None]:
        count = select(func.count()).select_from(recordings)
        before = connection.scalar(count)
        writer = threading.Thread(target=hear, args=(catalog, "t2"))
        writer.start()
        writer.join()
        return before, connection.scalar(count)

    assert catalog.database.read(count_twice) == (1, 1)
    assert sum(catalog.counts().values()) == 2


def test_work_that_fails_is_undone(catalog: Catalog) -> None:
    def work(connection: Connection) -> None:
        connection.execute(leases.insert(), {"name": "x", "fence": 0, "expires_at": TIMES[-1]})
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        catalog.database.write(work)
    assert catalog.database.read(lambda c: c.scalar(select(func.count()).select_from(leases))) == 0


def test_a_mistake_of_ours_is_not_tried_again(database: Database) -> None:
    tried = []

    def work(connection: Connection) -> None:
        tried.append(1)
        connection.execute(text("SELECT nothing FROM nowhere"))

    with pytest.raises(DBAPIError):
        database.write(work)
    assert tried == [1]


@pytest.fixture
def on_server(postgres: Postgres, postgres_url: str) -> Iterator[Catalog]:
    """Of a migrated database; the server runs again afterwards, whatever the test did to it."""
    with closing(Database(postgres_url, patience=timedelta(seconds=20))) as database:
        database.migrate()
        yield Catalog(database)
    postgres.restart()


def test_a_server_that_restarts_amid_writes_loses_and_doubles_nothing(on_server: Catalog, postgres: Postgres) -> None:
    done = threading.Event()
    written: list[list[str]] = [[], [], []]

    def write(writer: int) -> None:
        number = 0
        while not done.is_set():
            name = f"w{writer}-{number}"
            hear(on_server, name)
            settle(on_server, take(on_server, name, holder=name))
            written[writer].append(name)
            number += 1

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in threads:
        thread.start()
    for end in (Postgres.stop, Postgres.kill):
        time.sleep(0.4)
        end(postgres)
        time.sleep(0.1)
        postgres.start()
    time.sleep(0.4)
    done.set()
    for thread in threads:
        thread.join()
    assert min(len(names) for names in written) >= 5
    for name in (name for names in written for name in names):
        assert on_server.get(recording_id(name)).state is State.SETTLED
        story = [change.state.value for change in on_server.changes(recording_id(name))]
        assert story == ["stopped", "processing", "settled"]


def test_what_the_server_ends_in_the_middle_is_done_again(on_server: Catalog, postgres_url: str) -> None:
    tried: list[int] = []

    def work(connection: Connection) -> None:
        tried.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        connection.execute(leases.insert(), {"name": "x", "fence": 0, "expires_at": TIMES[-1]})
        if len(tried) == 1:
            with psycopg.connect(postgres_url) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", tried)
        connection.execute(text("SELECT 1"))

    on_server.database.write(work)
    assert len(set(tried)) == 2
    assert on_server.database.read(lambda c: c.scalar(select(func.count()).select_from(leases))) == 1


def test_of_two_that_wait_for_each_other_one_is_done_again(on_server: Catalog) -> None:
    hear(on_server, "t1")
    hear(on_server, "t2")
    meeting, tried = threading.Barrier(2), [0, 0]

    def work(number: int, connection: Connection) -> None:
        connection.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
        tried[number] += 1
        first, second = ("t1", "t2") if number else ("t2", "t1")
        rows.known(connection, recording_id(first), lock=True)
        if sum(tried) <= 2:
            meeting.wait()
        rows.known(connection, recording_id(second), lock=True)

    at_once([partial(on_server.database.write, partial(work, number)) for number in (0, 1)])
    assert sorted(tried) == [1, 2]


def test_a_server_that_stays_away_is_reported_after_the_patience(postgres: Postgres, postgres_url: str) -> None:
    place = postgres_url.replace("postgres@", "postgres:s3cret@")
    with closing(Database(place, patience=timedelta(seconds=1))) as database:
        database.migrate()
        postgres.stop()
        try:
            began = time.monotonic()
            with pytest.raises(CatalogUnavailableError, match="does not answer") as failed:
                Catalog(database).counts()
            took = time.monotonic() - began
            with pytest.raises(CatalogUnavailableError, match="does not answer"):
                hear(Catalog(database))
        finally:
            postgres.start()
        assert 0.5 < took < 3
        assert "s3cret" not in "".join(format_exception(failed.value))
        assert hear(Catalog(database)).state is State.STOPPED


@pytest.mark.parametrize("name", ["folder", "missing/catalog.db"])
def test_a_file_that_cannot_be_opened_is_reported_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with (
        closing(Database(f"sqlite:///{tmp_path}/{name}")) as database,
        pytest.raises(CatalogUnavailableError, match="unable to open database file"),
    ):
        Catalog(database).counts()


def test_a_server_that_refuses_is_not_asked_again(postgres: Postgres) -> None:
    began = time.monotonic()
    database = Database(postgres.url.removesuffix("postgres").replace("postgres@", "postgres:hidden@") + "nowhere")
    with pytest.raises(CatalogUrlError, match='database "nowhere" does not exist') as refused:
        database.is_current()
    assert time.monotonic() - began < 10
    assert "hidden" not in str(refused.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CatalogUrlError, match="cannot be made"):
        Database(f"sqlite:///{tmp_path / 'file' / 'below' / 'catalog.db'}").migrate()


def test_a_password_among_the_options_is_refused() -> None:
    with pytest.raises(CatalogUrlError, match="does not belong into the options") as refused:
        Database("postgresql://u@h/db?password=hidden")
    assert "hidden" not in str(refused.value)

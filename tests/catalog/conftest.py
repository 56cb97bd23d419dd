"""Every promise of the catalog holds on both databases: a test that takes `database` runs on SQLite and PostgreSQL."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from catalog.database import Database
from catalog.index import Catalog
from catalog.tables import metadata
from tests.catalog.leaps import LeapingDatabase
from tests.migrated import lay_catalog
from tests.postgres import Postgres

PATIENCE = timedelta(seconds=20)
"""Shorter than what pytest allows a test, so that a failure says what it is."""


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> Iterator[Database]:
    """Migrated once: emptying it takes a tenth of the time of making another."""
    database = Database(postgres.create_database("catalog"), patience=PATIENCE)
    database.migrate()
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database can be made: no table is there yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated and empty database."""
    if request.param == "sqlite":
        lay_catalog(tmp_path / "catalog.db")
        return f"sqlite:///{tmp_path}/catalog.db"
    migrated: Database = request.getfixturevalue("migrated_postgres")
    migrated.write(_empty)
    return migrated.place


def _empty(connection: Connection) -> None:
    for table in reversed(metadata.sorted_tables):
        connection.execute(table.delete())


@pytest.fixture
def database(url: str) -> Iterator[LeapingDatabase]:
    """Migrated and empty; `pass_by` lets its time pass."""
    opened = LeapingDatabase(url, patience=PATIENCE)
    yield opened
    opened.close()


@pytest.fixture
def catalog(database: LeapingDatabase) -> Catalog:
    """Of that database."""
    return Catalog(database)

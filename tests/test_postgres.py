"""The PostgreSQL of the tests is a real one, and nothing of it stays behind."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Postgres, PostgresError, packaged_programs


def answer(url: str, query: str = "select 1") -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
    assert row
    return row[0]


def write_note(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("create table note as select 'kept' as text")


def test_every_test_has_an_empty_database(postgres: Postgres, postgres_url: str) -> None:
    write_note(postgres_url)
    other = postgres.create_database("other")
    with pytest.raises(psycopg.errors.UndefinedTable):
        answer(other, "select text from note")


@pytest.mark.parametrize("end", [Postgres.stop, Postgres.kill])
def test_what_was_written_survives_an_end_and_a_start(
    postgres: Postgres, postgres_url: str, end: Callable[[Postgres], None]
) -> None:
    write_note(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        end(postgres)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    with pytest.raises(psycopg.OperationalError):
        answer(postgres_url)
    postgres.start()
    assert answer(postgres_url, "select text from note") == "kept"


def test_a_restart_keeps_the_port(postgres: Postgres, postgres_url: str) -> None:
    postgres.restart()
    assert answer(postgres_url) == 1


def test_nothing_is_left_after_the_context() -> None:
    with Postgres() as server:
        folder = Path(str(answer(server.url, "show data_directory"))).parent
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        answer(server.url)


def test_without_programs_of_the_system_those_of_the_package_serve(tmp_path: Path) -> None:
    """They are in a place that only their owner may enter, as a virtual environment below /root is."""
    packages, programs = packaged_programs().parents[2], packaged_programs().relative_to(packaged_programs().parents[2])
    (tmp_path / "packages").symlink_to(packages)
    tmp_path.chmod(0o700)
    with Postgres(tmp_path / "packages" / programs) as server:
        assert answer(server.url) == 1


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.postgres._FASTER", ("max_connections=many",))
    server = Postgres()
    with (
        pytest.raises(PostgresError, match=r'(?s)while it started.*invalid value for parameter "max_connections"'),
        server,
    ):
        pass
    assert not server.folder.exists()

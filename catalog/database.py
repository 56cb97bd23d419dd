"""The database of the catalog: SQLite by default, PostgreSQL by URL. Transactions are short and span no other I/O."""

import fcntl
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from catalog.errors import CatalogTextError, CatalogUnavailableError, CatalogUrlError

T = TypeVar("T")

_log = logging.getLogger(__name__)

BUSY: Final = timedelta(seconds=30)
"""How long a writer of SQLite waits for another one."""
PATIENCE: Final = timedelta(seconds=90)
"""How long an operation is tried again while the server of PostgreSQL is away."""
IDLE_IN_TRANSACTION: Final = timedelta(seconds=10)
"""How long a transaction may stand still before the server of PostgreSQL ends it; ours do nothing but SQL."""
_MIGRATION_LOCK: Final = 0x4146_5441
_PASSING_STATES: Final = re.compile(r"25P03|40001|40P01|55P03|57P0[123]|53\d\d\d|08\d\d\d")
"""SQLSTATE of what another try may mend: idle, serialization, deadlock, shutdown, start-up, resources, connection."""
_SQLITE_AWAY: Final = tuple(
    f"SQLITE_{name}" for name in ("BUSY", "CANTOPEN", "CORRUPT", "FULL", "IOERR", "NOTADB", "READONLY")
)
_REFUSED: Final = re.compile(
    r'password authentication failed|no pg_hba.conf entry|no password supplied|(role|database) ".*" does not exist'
)
"""What a server of PostgreSQL says to who cannot connect, for which there is no SQLSTATE."""
_ODD: Final = re.compile("[\0\ud800-\udfff]")
_SHOWN: Final = 80
_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Database:
    """Opened by URL: `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://user:password@host/name`."""

    def __init__(self, url: str, *, patience: timedelta = PATIENCE) -> None:
        """Raises `CatalogUrlError`; nothing is opened before the first use. `patience` is for an absent server."""
        self._url = _parsed(url)
        self._patience = patience
        self.engine = _engine(self._url)

    def __repr__(self) -> str:
        """Without the password."""
        return f"Database({self.place!r})"

    @property
    def place(self) -> str:
        """The URL for people: without its password."""
        return self._url.render_as_string(hide_password=True).replace("+psycopg", "", 1)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file."""
        return self._url.get_backend_name() == "sqlite"

    def write(self, work: Callable[[Connection], T]) -> T:
        """The result of `work` in one transaction that writes; done again if the server went away in the middle.

        It may then have been committed without our hearing of it, so `work` must bear being done twice. Raises
        `CatalogUnavailableError` once the patience is over.
        """
        return self._tried(lambda: self._in_transaction(work))

    def read(self, work: Callable[[Connection], T]) -> T:
        """The result of `work`, which only reads, from one moment."""
        return self._tried(lambda: self._in_transaction(work, reads=True))

    def _in_transaction(self, work: Callable[[Connection], T], *, reads: bool = False) -> T:
        options = self._reading if reads else {}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            return work(connection)

    @property
    def _reading(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"aftertake_reads": True}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    def _tried(self, attempt: Callable[[], T]) -> T:
        began, wait = time.monotonic(), 0.05
        while True:
            try:
                return attempt()
            except DBAPIError as error:
                is_away = _is_away(error)
                if not is_away and not _may_pass(error):
                    raise
                if _REFUSED.search(str(error.orig)):
                    message = f"the catalog {self.place} refuses us: {_reason(error)}. Correct its URL, or its rights."
                    raise CatalogUrlError(message) from error
                if is_away or time.monotonic() - began + wait > self._patience.total_seconds():
                    message = f"the catalog {self.place} does not answer: {_reason(error)}. Start it, or check the URL."
                    raise CatalogUnavailableError(message) from error
                _log.warning("the catalog does not answer (%s); trying again", _reason(error))
                time.sleep(wait)
                wait = min(wait * 2, 2.0)

    def now(self, connection: Connection) -> datetime:
        """The time that all users of this database agree on: that of the server, or of this machine for a file."""
        if self.is_sqlite:
            return datetime.now(UTC)
        at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return at.astimezone(UTC)

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to a revision ("head" the newest, "base" none); several at once wait for each other."""
        with self._migrating() as connection:
            config = _alembic(connection)
            if revision == "head" or revision not in self._applied(connection):
                command.upgrade(config, revision)
            else:
                command.downgrade(config, revision)

    def is_current(self) -> bool:
        """Whether the tables are those of this version."""
        if self.is_sqlite and not Path(str(self._url.database)).exists():
            return False
        newest = ScriptDirectory(str(_MIGRATIONS)).get_current_head()
        return self.read(_applied_head) == newest

    def _applied(self, connection: Connection) -> set[str]:
        head = _applied_head(connection)
        scripts = ScriptDirectory(str(_MIGRATIONS))
        return {"base"} | ({script.revision for script in scripts.iterate_revisions(head, "base")} if head else set())

    @contextmanager
    def _migrating(self) -> Iterator[Connection]:
        if self.is_sqlite:
            with _locked_file(self._url), self.engine.connect() as connection:
                # Kept in the file. Switching needs everybody else gone, so it is done here and nowhere else.
                connection.connection.cursor().execute("PRAGMA journal_mode = WAL")
                with connection.begin():
                    yield connection
            return
        with self._tried(self.engine.connect) as connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            yield connection

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter of a port that is no number
        message = "the catalog's URL cannot be read. Write sqlite:////absolute/path.db or postgresql://user@host/name."
        raise CatalogUrlError(message) from None
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        return parsed
    message = f"a catalog cannot be kept in {parsed.drivername}:// here. Write sqlite:////path.db or postgresql://…"
    raise CatalogUrlError(message)


def _engine(url: URL) -> Engine:
    engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgres(url)
    event.listen(engine, "before_cursor_execute", _refuse_odd_text)
    return engine


def _postgres(url: URL) -> Engine:
    # Sessions in UTC, so that texts of times in logs of the server can be compared. A machine that stops in the middle
    # of a transaction would hold up everybody who wants the same rows, until it is back.
    session = f"-c timezone=UTC -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION.total_seconds():.0f}s"
    options = {"options": session, "connect_timeout": 10, "application_name": "aftertake"}
    return create_engine(url, pool_pre_ping=True, pool_size=4, max_overflow=12, connect_args=options)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY.total_seconds(), "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _refuse_odd_text(_connection: object, _cursor: object, _statement: str, given: Any, _: object, many: bool) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
    """Texts come from vendors and from searching people. PostgreSQL refuses some, SQLite keeps them: neither shall."""
    for line in given if many else [given]:
        for value in line.values() if isinstance(line, Mapping) else line:
            if isinstance(value, str) and _ODD.search(value):
                message = (
                    f"{value[:_SHOWN]!r} cannot be kept in the catalog: a character of it is NUL or a lone surrogate"
                )
                raise CatalogTextError(message)


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - of sqlite3, or a driver like it
    connection.isolation_level = None  # the driver begins transactions late, and never as IMMEDIATE; we do
    for pragma in ("foreign_keys = ON", "synchronous = FULL", f"busy_timeout = {int(BUSY.total_seconds() * 1000)}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Writers queue at once: one that begins as a reader cannot wait for its turn later."""
    reads = connection.get_execution_options().get("aftertake_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _is_away(error: DBAPIError) -> bool:
    """SQLite has waited already where waiting can help."""
    return str(getattr(error.orig, "sqlite_errorname", "")).startswith(_SQLITE_AWAY)


def _may_pass(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return bool(_PASSING_STATES.fullmatch(state))
    is_postgres = type(error.orig).__module__.startswith("psycopg")
    return error.connection_invalidated or (is_postgres and isinstance(error, OperationalError))


def _reason(error: DBAPIError) -> str:
    """The driver's first line, which names host and database and never a password."""
    return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]


def _alembic(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _applied_head(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@contextmanager
def _locked_file(url: URL) -> Iterator[None]:
    """Alone with the file of an SQLite database, among the processes of this machine."""
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("w")
    except OSError as error:
        message = f"the catalog {path} cannot be made: {error.strerror}. Correct its URL, or the rights of its folder."
        raise CatalogUrlError(message) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield

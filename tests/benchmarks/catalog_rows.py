"""Made-up recordings for a catalog, as many as wanted: some years of a busy platform, the same ones for each seed."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from sqlalchemy import Connection, text

from catalog.database import Database
from catalog.tables import presences, recordings, streams

EDITION: Final = 2
"""Raised when the rows change, so that nobody measures with old ones."""
HEAVY_USER: Final = "u00000"
BEGIN: Final = datetime(2024, 11, 1, tzinfo=UTC)
SPAN: Final = timedelta(days=730)

_TABLES: Final = (recordings, streams, presences)
USERS, ROOMS, _CHUNK = 50_000, 5_000, 50_000
_VERDICTS: Final = {"complete": 970, "gaps": 15, "missing": 6, "empty": 5, "damaged": 2, "unreadable": 2}
_VENDORS: Final = ("agora", "zego", "jocloud")
_KEPT: Final = ("id", "vendor", "task_id", "room", "mode", "source", "folder", "state", "verdict", "queue", "alarm")
_TIMED: Final = ("heard_at", "started_at", "ended_at", "settled_at", "span_from", "span_to", "span_s", "revision")
RECORDING: Final = (*_KEPT, *_TIMED)
STREAM: Final = (
    "recording",
    "stream",
    "user_id",
    "kind",
    "started_at",
    "ended_at",
    "duration_s",
    "span_from",
    "span_to",
    "recording_from",
)
PRESENCE: Final = ("recording", "stream", "user_id", "track", "from_at", "to_at", "is_exact")
Line = tuple[Any, ...]
Times = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some recordings, their streams, and when those were recorded."""

    recordings: Sequence[Line]
    streams: Sequence[Line]
    presences: Sequence[Line]


def task_id(number: int) -> str:
    """That of recording `number`, 1 the first."""
    return f"{number * 2_654_435_761 % 2**32:08x}{number:024x}"


def room(number: int) -> str:
    """Low numbers are busier."""
    return f"room-{number:04d}"


def user(number: int) -> str:
    """Low numbers are busier; 0 is the heavy one."""
    return f"u{number:05d}"


def chunks(count: int) -> Iterator[Chunk]:
    """`count` recordings in pieces; about three streams each, one user in a tenth of all."""
    for first in range(1, count + 1, _CHUNK):
        yield _chunk(first, min(_CHUNK, count + 1 - first))


def fill(database: Database, count: int) -> None:
    """Put `count` recordings into a migrated, empty database, and have it look at its own distribution."""
    with database.engine.connect() as connection:
        for index in _indexes():
            index.drop(connection)
        connection.commit()
        _put(connection, count)
        for index in _indexes():
            index.create(connection)
        connection.commit()
    if database.is_sqlite:
        with database.engine.connect() as connection:
            connection.execute(text("ANALYZE"))
            connection.commit()
        return
    with psycopg.connect(
        database.engine.url.set(drivername="postgresql").render_as_string(), autocommit=True
    ) as direct:
        direct.execute("VACUUM ANALYZE")


def _indexes() -> Iterator[Any]:
    return chain.from_iterable(sorted(table.indexes, key=lambda index: str(index.name)) for table in _TABLES)


def _put(connection: Connection, count: int) -> None:
    driver: Any = connection.connection.driver_connection
    put = _put_sqlite if isinstance(driver, sqlite3.Connection) else _put_postgres
    for chunk in chunks(count):
        put(driver, recordings.name, RECORDING, chunk.recordings)
        put(driver, streams.name, STREAM, chunk.streams)
        put(driver, presences.name, PRESENCE, chunk.presences)
    connection.commit()


def _put_sqlite(driver: sqlite3.Connection, table: str, columns: Sequence[str], lines: Sequence[Line]) -> None:
    marks = ", ".join("?" * len(columns))
    driver.execute("BEGIN")
    driver.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", lines)  # noqa: S608 - our names
    driver.execute("COMMIT")


def _put_postgres(driver: psycopg.Connection[Any], table: str, columns: Sequence[str], lines: Sequence[Line]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), names)
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        for line in lines:
            copy.write_row(line)


def _chunk(first: int, count: int) -> Chunk:
    random = np.random.default_rng((EDITION, first))
    numbers = range(first, first + count)
    begins = (
        np.datetime64(BEGIN.replace(tzinfo=None), "us")
        + random.integers(0, int(SPAN.total_seconds() * 1e3), count) * 1000
    )
    lengths_ms = (np.exp(random.normal(np.log(2400), 0.9, count)).clip(60, 6 * 3600) * 1000).astype(int)
    if first == 1:
        lengths_ms[0] = 24 * 3600 * 1000
    ends = begins + lengths_ms.astype("timedelta64[ms]")
    from_text, to_text = _texts(begins), _texts(ends)
    rooms = _skewed(random, ROOMS, count)
    verdicts = random.choice(list(_VERDICTS), count, p=np.array(list(_VERDICTS.values())) / 1000)
    vendors = random.choice(_VENDORS, count, p=(0.6, 0.3, 0.1))
    is_open = random.random(count) < 0.002
    lines = [
        (
            number,
            str(vendors[i]),
            task_id(number),
            room(rooms[i]),
            "individual",
            "calls",
            f"rec/{number}/",
            "waiting" if is_open[i] else "settled",
            None if is_open[i] else str(verdicts[i]),
            "live",
            "slices are late" if is_open[i] and number % 4 == 0 else None,
            *(to_text[i], from_text[i], to_text[i], to_text[i], from_text[i], to_text[i]),
            float(lengths_ms[i]) / 1000,
            1,
        )
        for i, number in enumerate(numbers)
    ]
    return Chunk(lines, *_streams(random, numbers, begins, lengths_ms, from_text))


def _streams(
    random: np.random.Generator, numbers: range, begins: Times, lengths_ms: NDArray[np.int64], from_text: Sequence[str]
) -> tuple[list[Line], list[Line]]:
    """Each begins in the first fifth of its recording and ends in the last; the heavy user is in every tenth.

    In the middle third of a stream, nobody was there.
    """
    each = random.integers(1, 6, len(numbers))
    owner = np.repeat(np.arange(len(numbers)), each)
    starts = begins[owner] + (random.random(len(owner)) * 0.2 * lengths_ms[owner]).astype("timedelta64[ms]")
    ends = begins[owner] + ((0.8 + random.random(len(owner)) * 0.2) * lengths_ms[owner]).astype("timedelta64[ms]")
    is_first = np.concatenate(([True], owner[1:] != owner[:-1]))
    users = 1 + _skewed(random, USERS - 1, len(owner))
    users[is_first & ((owner + numbers[0]) % 10 == 0)] = 0
    start_text, end_text = _texts(starts), _texts(ends)
    seconds = (ends - starts).astype("timedelta64[ms]").astype(float) / 1000
    thirds = (ends - starts) // 3
    gone_text, back_text = _texts(starts + thirds), _texts(ends - thirds)
    present = [
        (numbers[of], f"{user(users[i])}-{i}", user(users[i]), "both", since, until, True)
        for i, of in enumerate(owner.tolist())
        for since, until in ((start_text[i], gone_text[i]), (back_text[i], end_text[i]))
    ]
    made = [
        (
            numbers[of],
            f"{user(users[i])}-{i}",
            user(users[i]),
            "participant",
            start_text[i],
            end_text[i],
            float(seconds[i]),
            start_text[i],
            end_text[i],
            from_text[of],
        )
        for i, of in enumerate(owner.tolist())
    ]
    return made, present


def _skewed(random: np.random.Generator, count: int, size: int) -> NDArray[np.int64]:
    return (random.random(size) ** 2 * count).astype(np.int64)


def _texts(times: Times) -> list[str]:
    """As `UtcDateTime` writes them in SQLite; PostgreSQL reads the same."""
    return [f"{at}Z" for at in np.datetime_as_string(times, unit="us").tolist()]


def sqlite_file(folder: Path, count: int) -> Path:
    """The file of a filled SQLite database in `folder`, made once and kept."""
    path = folder / f"catalog-{count}-{EDITION}.db"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".making")
    making.unlink(missing_ok=True)
    database = Database(f"sqlite:///{making}")
    try:
        database.migrate()
        fill(database, count)
    finally:
        database.close()
    making.with_name(f"{making.name}.lock").unlink()
    return making.rename(path)

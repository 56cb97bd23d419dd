"""A new catalog of SQLite, as a copy of one that was migrated once in this process."""

import os
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from catalog.database import Database


def lay_catalog(path: Path) -> None:
    """Put an empty catalog there, whole and at once, unless there is one; several may do so at the same time."""
    if path.exists():
        return
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_bytes(_migrated())
    with suppress(FileExistsError):
        path.hardlink_to(unfinished)
    unfinished.unlink()


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/catalog.db")
        database.migrate()
        database.close()
        return Path(folder, "catalog.db").read_bytes()

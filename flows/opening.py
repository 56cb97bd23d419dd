"""Open what the settings name: the catalog, and a worker on it."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

from catalog.database import Database
from catalog.index import Catalog
from flows.recorders import Recorders
from flows.settings import Settings
from flows.steps.working import Worker
from storage.opening import open_store


@contextmanager
def open_catalog(settings: Settings) -> Iterator[Catalog]:
    """The catalog, with the tables of this version. Raises `CatalogError`."""
    database = Database(settings.catalog)
    try:
        if not database.is_current():
            database.migrate()
        yield Catalog(database)
    finally:
        database.close()


@contextmanager
def open_worker(settings: Settings, *, is_forced: bool = False) -> Iterator[Worker]:
    """A worker, under a name that nobody else has."""
    with open_catalog(settings) as catalog, closing(Recorders(settings)) as recorders:
        yield Worker(
            name=own_name(),
            catalog=catalog,
            settings=settings,
            output=open_store(settings.output),
            is_forced=is_forced,
            recorders=recorders,
        )


def own_name() -> str:
    """Who holds a lease, for people and for telling one life of a process from the next: host, process, and chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"

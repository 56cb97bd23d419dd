"""Whether the catalog of the settings answers."""

from datetime import timedelta

from catalog.database import Database
from catalog.errors import CatalogError
from flows.settings import Settings
from flows.steps.store_checks import Check, fail, ok

_NAME = "catalog"
_PATIENCE = timedelta(seconds=5)


def check_catalog(settings: Settings) -> Check:
    """Ask it for the version of its tables; nothing is made or changed."""
    try:
        database = Database(settings.catalog, patience=_PATIENCE)
    except CatalogError as error:
        return fail(_NAME, str(error), "Correct `catalog` in aftertake.toml, or AFTERTAKE_CATALOG.")
    try:
        is_current = database.is_current()
    except CatalogError as error:
        return fail(_NAME, str(error), "Start the database, or correct `catalog` in aftertake.toml.")
    finally:
        database.close()
    if is_current:
        return ok(_NAME, f"{database.place} answers, its tables are those of this version")
    return ok(_NAME, f"{database.place}: its tables are made, or brought to this version, by the first command")

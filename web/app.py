"""The web application: whether it lives, whether it is ready, and the webhooks of vendors."""

import logging
from collections.abc import Iterable
from datetime import timedelta
from importlib.metadata import version

from fastapi import APIRouter, FastAPI, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from catalog.database import Database
from catalog.errors import CatalogError
from catalog.inbox import Inbox
from catalog.index import Catalog
from flows.recorders import Recorders
from flows.settings import Settings
from flows.vendor_recordings import VendorRecordings
from flows.webhook_keys import WebhookKeys
from vendors.registry import HOOKS
from web.tokens import Tokens
from web.vendor_recordings import router as vendor_recordings
from web.webhooks import Receiving, Webhooks

_log = logging.getLogger(__name__)

_PATIENCE = timedelta(seconds=2)


class Health(BaseModel):
    """Whether all is well, and if not, what is not."""

    ready: bool
    problems: list[str] = []


def build_app(database: Database, receiving: Receiving, routers: Iterable[APIRouter] = ()) -> Webhooks:
    """The application on this catalog, which need not answer yet, with these parts for webhooks, and more routes."""
    app = FastAPI(title="Aftertake", version=version("aftertake"))
    for router in routers:
        app.include_router(router)

    @app.get("/livez", summary="Whether the process answers")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="Whether the catalog answers and has the tables of this version")
    async def readyz(response: Response) -> Health:
        problems = await run_in_threadpool(_problems, database)
        if problems:
            response.status_code = 503
        return Health(ready=not problems, problems=problems)

    return Webhooks(app, receiving)


def create() -> Webhooks:
    """The application of the settings, for a server that is given its name."""
    settings = Settings.load()
    database = Database(settings.catalog, patience=_PATIENCE)
    keys = WebhookKeys(settings)
    vendors = VendorRecordings(settings, Catalog(database), Recorders(settings), keys, actor="api")
    receiving = Receiving(hooks=HOOKS, keys=keys, inbox=Inbox(database))
    return build_app(database, receiving, [vendor_recordings(settings, vendors, Tokens())])


def _problems(database: Database) -> list[str]:
    try:
        if database.is_current():
            return []
    except CatalogError as error:
        _log.error("not ready: %s", error)
        return ["the catalog does not answer; the log says why"]
    return ["the catalog has the tables of another version; it is brought to this one when a worker starts"]

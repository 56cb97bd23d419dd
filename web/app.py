"""The web application: whether it lives, whether it is ready, and the webhooks of vendors."""

import logging
from datetime import timedelta
from importlib.metadata import version

from fastapi import FastAPI, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from catalog.database import Database
from catalog.errors import CatalogError
from catalog.inbox import Inbox
from flows.settings import Settings
from flows.webhook_keys import WebhookKeys
from vendors.registry import HOOKS
from web.webhooks import Receiving, Webhooks

_log = logging.getLogger(__name__)

_PATIENCE = timedelta(seconds=2)


class Health(BaseModel):
    """Whether all is well, and if not, what is not."""

    ready: bool
    problems: list[str] = []


def build_app(database: Database, receiving: Receiving) -> Webhooks:
    """The application on this catalog, which need not answer yet, and with these parts for webhooks."""
    app = FastAPI(title="Aftertake", version=version("aftertake"))

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
    return build_app(database, Receiving(hooks=HOOKS, keys=WebhookKeys(settings), inbox=Inbox(database)))


def _problems(database: Database) -> list[str]:
    try:
        if database.is_current():
            return []
    except CatalogError as error:
        _log.error("not ready: %s", error)
        return ["the catalog does not answer; the log says why"]
    return ["the catalog has the tables of another version; it is brought to this one when a worker starts"]

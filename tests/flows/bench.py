"""A catalog with announcements on their way to one endpoint."""

import base64
from datetime import timedelta
from pathlib import Path

from catalog.announcing import Announcements
from catalog.index import Catalog
from catalog.records import Announced
from flows.endpoints import Endpoint
from flows.steps.addresses import resolve
from flows.steps.announcing import deliver_due
from tests.catalog.leaps import LeapingDatabase
from tests.catalog.steps import hear, settle, take
from tests.migrated import lay_catalog

SECRET, OTHER = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2))
VARIABLE = "AFTERTAKE_CRM_WEBHOOK_SECRET"


class Bench:
    """A catalog whose time passes when a test says so, and the way of its announcements to one endpoint."""

    def __init__(self, root: Path, url: str) -> None:
        lay_catalog(root / "catalog.db")
        self.database = LeapingDatabase(f"sqlite:///{root}/catalog.db")
        self.catalog = Catalog(self.database)
        self.endpoint = Endpoint(name="crm", url=url, private=True)
        self.environment = {VARIABLE: SECRET}

    @property
    def announcements(self) -> Announcements:
        return self.catalog.announcements

    def announce(self, task_id: str = "t1") -> None:
        hear(self.catalog, task_id)
        settle(self.catalog, take(self.catalog, task_id))
        self.announcements.fan_out({self.endpoint.name: frozenset(Announced)})

    def deliver(self, *addresses: str) -> int:
        """With `addresses`, the host of the endpoint has those."""
        lookup = (lambda host, port: addresses) if addresses else resolve  # noqa: ARG005 - of any host
        return deliver_due(
            self.announcements, self.endpoint, environment=self.environment, resolve=lookup, chance=lambda: 0.5
        )

    def later(self, **time: float) -> None:
        self.database.pass_by(timedelta(**time))

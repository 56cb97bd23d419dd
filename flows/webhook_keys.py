"""The secrets of vendors' webhooks: from variables and files, never from the settings themselves.

`AFTERTAKE_{SOURCE}_WEBHOOK_SECRET` is that of one source, `AFTERTAKE_{VENDOR}_WEBHOOK_SECRET` that of all sources of a
vendor; both may hold two, apart by white space, while one replaces the other. A source's `webhook_secrets` names a file
with one a line, which is read again for each message: there a secret is replaced without a restart.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flows.fields import secret_variable
from flows.saying import Once
from flows.settings import Settings
from vendors.hooks import Key
from vendors.registry import VENDORS

_log = logging.getLogger(__name__)


class WebhookKeys:
    """The keys of each vendor's webhooks, as they are now."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        """Variables are read now, files whenever somebody asks."""
        self._settings = settings
        names = (*(source.name for source in settings.sources), *VENDORS)
        self._told = {name: environment.get(secret_variable(name), "").split() for name in names}
        self._said = Once(_log)

    def __call__(self, vendor: str) -> Sequence[Key]:
        """Every secret by which a message of this vendor may be signed."""
        return tuple(self._keys(vendor))

    def _keys(self, vendor: str) -> Iterator[Key]:
        fitting = self._settings.sources_for(vendor)
        for source in fitting:
            for secret in (*self._told[source.name], *self._written(source.webhook_secrets)):
                yield Key(secret=secret, source=source.name, app=source.app)
        for secret in self._told[vendor]:
            yield from (Key(secret=secret, source=source.name, app=source.app) for source in fitting)
            if not fitting:
                yield Key(secret=secret, source=None)

    def _written(self, path: Path | None) -> list[str]:
        if path is None:
            return []
        try:
            secrets = path.read_text(encoding="utf-8").split()
        except (OSError, UnicodeError) as error:
            self._said.error(str(path), f"the webhook secrets in {path} cannot be read: {error}")
            return []
        self._said.is_well(str(path))
        return secrets

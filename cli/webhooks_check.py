"""Whether the webhooks of the configured vendors can be believed."""

from collections.abc import Mapping
from os import environ

from flows.fields import secret_variable
from flows.settings import Settings
from flows.steps.store_checks import Check, ok, skipped, warn
from flows.webhook_keys import WebhookKeys
from vendors.registry import HOOKS

_NAME = "webhooks"


def check_webhooks(settings: Settings, environment: Mapping[str, str] = environ) -> Check:
    """Look for the secrets of every vendor that a source names; nobody is asked."""
    keys = WebhookKeys(settings, environment)
    given = [vendor for vendor in HOOKS if keys(vendor)]
    if not given:
        return skipped(_NAME, "no secret is set here; without one, `web` refuses all that vendors post")
    named = {source.vendor for source in settings.sources}
    if without := [vendor for vendor in HOOKS if vendor in named and vendor not in given]:
        seen = f"no secret for {', '.join(without)}: all that is posted for them is refused"
        return warn(_NAME, seen, f"Set {secret_variable(without[0])} to the secret that the vendor's console shows.")
    return ok(_NAME, f"there are secrets for {', '.join(given)}")

"""Whether the vendors of the configured sources can be asked, and told to record."""

from collections.abc import Mapping
from os import environ

from flows.fields import key_variables
from flows.recorders import Recorders
from flows.settings import Settings
from flows.steps.store_checks import Check, ok, skipped, warn
from vendors.registry import RECORDED

_NAME = "vendors"


def check_vendors(settings: Settings, environment: Mapping[str, str] = environ) -> Check:
    """Look for the key of every source with a vendor's project; no vendor is asked."""
    recorders = Recorders(settings, environment)
    able = [source.name for vendor in RECORDED for source in recorders.able(vendor)]
    wanting = [s for s in settings.sources if s.vendor in RECORDED and s.name not in able and (s.app or s.api_key)]
    if wanting:
        key_id, secret = key_variables(wanting[0].name, "API")
        seen = f"the vendor cannot be asked for {', '.join(source.name for source in wanting)}: there is no key"
        return warn(_NAME, seen, f"Write app, and set {key_id} and {secret}, or write api_key.")
    if not able:
        return skipped(_NAME, "no source has app and the key of its vendor's API; only webhooks tell of recordings")
    return ok(_NAME, f"the vendor can be asked for {', '.join(able)}")

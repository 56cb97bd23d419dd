"""Hear: what a delivered message says, and in which of our sources its recording may lie. Pure."""

from collections.abc import Sequence

from catalog.inbox import Reading
from flows.settings import Settings
from vendors.hooks import Message, parse
from vendors.registry import HOOKS


def read_delivery(settings: Settings, vendor: str, body: bytes, sources: Sequence[str]) -> Reading:
    """The message in a body whose signature speaks for `sources`; of these only those that are configured still."""
    hook = HOOKS[vendor]
    fitting = [source.name for source in settings.sources_for(vendor) if source.name in sources]
    return Reading(
        event=hook.read(Message(body=body, document=parse(body), headers={})),
        covers_body=hook.covers_body,
        has_source=bool(fitting),
        source=fitting[0] if len(fitting) == 1 else None,
    )

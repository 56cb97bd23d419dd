"""What the flows are told by the environment; read once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from storage.base import ObjectStore
from storage.urls import endpoint_of, place_of

PUBLISHED = ("media", "segments", "manifests", "index", "doctor")
"""The first parts of all keys of an output."""


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Store URLs: where recordings lie, where outputs go, and where else lost recordings are looked for."""

    source: str
    output: str
    stores: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read `AFTERTAKE_SOURCE`, `AFTERTAKE_OUTPUT` and `AFTERTAKE_STORES` (URLs, apart by spaces)."""
        return cls(
            source=_required(environment, "AFTERTAKE_SOURCE"),
            output=_required(environment, "AFTERTAKE_OUTPUT"),
            stores=other_stores(environment),
        )


def other_stores(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The stores of `AFTERTAKE_STORES`."""
    return tuple(environment.get("AFTERTAKE_STORES", "").split())


def known_sources(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Every store that recordings may lie in. Raises `SettingsError` if none is configured."""
    source = environment.get("AFTERTAKE_SOURCE")
    known = (*((source,) if source else ()), *other_stores(environment))
    if not known:
        message = (
            "no store is configured. Set AFTERTAKE_SOURCE and AFTERTAKE_STORES to store URLs, or name one with --store."
        )
        raise SettingsError(message)
    return tuple(dict.fromkeys(known))


def require_apart(source: ObjectStore, target: ObjectStore) -> None:
    """Raise `SettingsError` if what is published would come to lie in the source, which is never written."""
    read, written = f"{place_of(source.url).rstrip('/')}/", place_of(target.url).rstrip("/")
    if endpoint_of(source.url) != endpoint_of(target.url):
        return
    if f"{written}/".startswith(read) or any(read.startswith(f"{written}/{top}/") for top in PUBLISHED):
        message = f"the output {target.url} lies in the source, which is never written. Choose another --output."
        raise SettingsError(message)


def _required(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "")
    if not value:
        message = f"{name} is not set. Set it to a store URL, such as file:///srv/recordings."
        raise SettingsError(message)
    return value

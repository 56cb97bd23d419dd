"""What Aftertake is told by `aftertake.toml` and the environment; read once.

The environment wins over the file. Relative paths are taken from the file's folder, or for variables from the working
folder. A variable that is empty is not set.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from enum import StrEnum
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, TypeAdapter, ValidationError, with_config

from flows.apart import why_not_apart
from flows.endpoints import Endpoint, secret_faults
from flows.fields import (
    Address,
    App,
    BaseUrl,
    Catalog,
    Count,
    Duration,
    Folder,
    HostName,
    Lease,
    Listen,
    LongSpan,
    Name,
    SecretsFile,
    Store,
    VendorName,
    problems,
    secret_variable,
    sqlite_url,
)
from media.plan import Pictures
from storage.base import ObjectStore
from storage.credentials import CLOUDS
from storage.urls import StoreUrl, place_of, split_url
from vendors.registry import VENDORS

__all__ = [
    "Address",
    "Endpoint",
    "OnDamage",
    "OnDeadline",
    "Pictures",
    "Settings",
    "SettingsError",
    "Source",
    "known_sources",
    "other_stores",
    "require_apart",
    "require_urls_apart",
]

FILE = "aftertake.toml"
DATA = "aftertake-data"

_NOT_SETTINGS = re.compile(
    r"AFTERTAKE_(PROXY|CA_BUNDLE|LIVE_STORES|CONFIG|[A-Za-z0-9_]{1,60}_(KEY_ID|SECRET|TOKEN))="
    r"|AFTERTAKE_(\w+_)?(SERVICE_HOST=|SERVICE_PORT\w*=|PORT_\d+_(TCP|UDP|SCTP)\w*=|PORT=(tcp|udp|sctp)://)"
)
"""What is read elsewhere, and what Kubernetes sets in pods beside a service that is called `aftertake…`."""


class SettingsError(ValueError):
    """A setting is missing or wrong; each line of the message names one and says what to do."""


class OnDeadline(StrEnum):
    """What becomes of a recording that is not whole at its deadline."""

    PUBLISH = "publish"
    HOLD = "hold"


class OnDamage(StrEnum):
    """What becomes of a recording of which something is lost."""

    PUBLISH = "publish"
    HOLD = "hold"


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place into which recordings are uploaded, of one vendor or (None) of any, and how patient we are with them.

    After `settle_time` without a new object, a recording without a sign of its end is over. At `deadline` after it was
    heard to be over, it is judged as it is. For `late_for` after a verdict with gaps, later slices are looked for.
    Pictures that change their size or rotation are kept so, or encoded anew (`pictures`).
    Every `look_through` the whole place is listed for what no webhook has told of; zero is never. `app` is the vendor's
    project that records into it, `webhook_secrets` a file with the secrets of its webhooks (`flows.webhook_keys`).
    `api_key` and `upload_key` are files with what the vendor is asked with, and writes with (`flows.recorders`), `api`
    the base URLs of its API, the preferred one first, `api_scheme` how Jocloud is signed to, or what ZEGOCLOUD is
    told of tests. `backup_hosts` are those from which files are fetched that the vendor could not upload.
    """

    name: Name
    store: Store
    vendor: VendorName = None
    settle_time: Duration = timedelta(minutes=30)
    deadline: Duration = timedelta(hours=24)
    on_deadline: OnDeadline = OnDeadline.PUBLISH
    on_damage: OnDamage = OnDamage.PUBLISH
    pictures: Pictures = Pictures.AS_RECORDED
    late_for: Duration = timedelta(days=7)
    look_through: Duration = timedelta(minutes=15)
    app: App = None
    webhook_secrets: SecretsFile = None
    api_key: SecretsFile = None
    api: tuple[BaseUrl, ...] = ()
    api_scheme: Literal["token", "signature", "IsTest=true", "IsTest=false"] | None = None
    upload_key: SecretsFile = None
    backup_hosts: tuple[HostName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is configured; store URLs are those by which opened stores call themselves.

    `catalog` may hold a password and is never shown. `stores` are further ones in which missing slices are looked for,
    `public_url` is where vendors reach what `listen` serves, `data` the folder for what one machine keeps, `slots` how
    many recordings one machine works on at once, one of them kept for live ones. A worker that says nothing for as long
    as `lease` loses its recording to another one. One person has `exports_per_person` exports under way at once; one
    that is not made within `export_deadline` has failed; its file is kept for `export_keep` unless somebody says else.
    """

    output: str
    catalog: str = field(repr=False)
    data: Path
    stores: tuple[str, ...] = ()
    listen: Address = Address(host="127.0.0.1", port=8080)  # noqa: RUF009 - it is frozen
    public_url: str | None = None
    slots: int = 2
    lease: timedelta = timedelta(seconds=60)
    exports_per_person: int = 10
    export_keep: timedelta = timedelta(days=7)
    export_deadline: timedelta = timedelta(hours=24)
    sources: tuple[Source, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read `AFTERTAKE_CONFIG`, else `aftertake.toml` if there is one, then the variables.

        Raises SettingsError that names all that is wrong.
        """
        path = _path(environment)
        folder = path.absolute().parent if path else Path.cwd()
        written, faults = _read(_File, _tables(path), folder, f"{path}: ")
        told, more = _read(_Variables, _variables(environment), Path.cwd(), "")
        _refuse([*faults, *more])
        sources = _sources(path, written, told)
        given = {"data": (folder / DATA).resolve(), **written, **told, "sources": tuple(sources.values())}
        given.pop("source", None)
        given.setdefault("output", (given["data"] / "published").resolve().as_uri())
        given.setdefault("catalog", sqlite_url(given["data"] / "catalog.db"))
        settings = cls(**given)
        endpoints = _endpoints(path, written, told)
        strangers = _strange_secrets(environment, [*sources.values(), *endpoints.values()])
        same = [*_same_names({**sources, **endpoints}), *_names_of_vendors(endpoints)]
        _refuse([*same, *_not_apart(sources, settings.output), *strangers])
        return settings

    @property
    def known_stores(self) -> tuple[str, ...]:
        """Every store that recordings may lie in."""
        return tuple(dict.fromkeys((*(source.store for source in self.sources), *self.stores)))

    def source(self, name: str) -> Source:
        """The source of a name. Raises SettingsError with the names that there are."""
        found = next((source for source in self.sources if source.name == name), None)
        if found is None:
            known = ", ".join(source.name for source in self.sources)
            message = f"there is no source {name!r}: {f'there are {known}' if known else 'none is configured'}"
            raise SettingsError(message)
        return found

    def sources_for(self, vendor: str) -> tuple[Source, ...]:
        """The sources in which this vendor's recordings may lie."""
        return tuple(source for source in self.sources if source.vendor in {vendor, None})

    def sources_of(self, vendor: str, name: str | None) -> tuple[Source, ...]:
        """Where a recording of this vendor lies: in the source of that name, or (None) in any of its sources."""
        return tuple(source for source in self.sources_for(vendor) if name in {source.name, None})

    def source_of_url(self, url: str) -> Source | None:
        """The source whose bucket and prefix hold this store URL, the narrowest of several.

        Of buckets with one name, that with the same options. Raises InvalidUrl for a cloud's URL that is none.
        """
        place = _place(url)
        holding = (source for source in self.sources if place.startswith(_place(source.store)))

        def likeness(source: Source) -> tuple[int, bool]:
            return len(_place(source.store)), _options(source.store) == _options(url)

        return max(holding, key=likeness, default=None)

    def require_secrets(self, environment: Mapping[str, str] = os.environ) -> None:
        """Raise SettingsError unless each endpoint has what it signs with: nothing is ever sent unsigned."""
        _refuse([*secret_faults(self.endpoints, environment)])

    def as_environment(self) -> dict[str, str]:
        """Variables from which the same settings load, in any folder, over all that the environment has; no keys."""
        return {
            "AFTERTAKE_CONFIG": os.devnull,
            "AFTERTAKE_OUTPUT": self.output,
            "AFTERTAKE_CATALOG": self.catalog,
            "AFTERTAKE_STORES": " ".join(self.stores),
            "AFTERTAKE_DATA": str(self.data),
            "AFTERTAKE_LISTEN": str(self.listen),
            "AFTERTAKE_PUBLIC_URL": self.public_url or "",
            "AFTERTAKE_SLOTS": str(self.slots),
            "AFTERTAKE_LEASE": _text(self.lease),
            "AFTERTAKE_EXPORTS_PER_PERSON": str(self.exports_per_person),
            "AFTERTAKE_EXPORT_KEEP": _text(self.export_keep),
            "AFTERTAKE_EXPORT_DEADLINE": _text(self.export_deadline),
            "AFTERTAKE_SOURCES": _SOURCES.dump_json(self.sources).decode(),
            "AFTERTAKE_SOURCE": "",
            "AFTERTAKE_ENDPOINTS": _ENDPOINTS.dump_json(self.endpoints).decode(),
        }


_SOURCES = TypeAdapter(tuple[Source, ...])
_ENDPOINTS = TypeAdapter(tuple[Endpoint, ...])


def other_stores(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The stores beside the sources in which missing slices are looked for."""
    return Settings.load(environment).stores


def known_sources(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Every store that recordings may lie in. Raises `SettingsError` if none is configured."""
    known = Settings.load(environment).known_stores
    if not known:
        message = (
            f"no store is configured. Write [[sources]] into {FILE}, set AFTERTAKE_SOURCE or AFTERTAKE_STORES to store "
            "URLs, or name one on the command line."
        )
        raise SettingsError(message)
    return known


def require_apart(source: ObjectStore, target: ObjectStore) -> None:
    """Raise `SettingsError` if what is published would come to lie in the source, which is never written."""
    require_urls_apart(source.url, target.url)


def require_urls_apart(source: str, target: str) -> None:
    """As `require_apart`, of the stores' own URLs; nothing is opened."""
    if message := why_not_apart(source, target):
        raise SettingsError(message)


def _place(url: str) -> str:
    """Where a store lies, ending in `/`: of a cloud scheme, bucket and prefix."""
    place = StoreUrl.parse(url).place if split_url(url).scheme in CLOUDS else place_of(url)
    return f"{place.rstrip('/')}/"


def _text(duration: timedelta) -> str:
    return f"{duration.total_seconds():g}s"


def _options(url: str) -> Mapping[str, str]:
    return StoreUrl.parse(url).options if split_url(url).scheme in CLOUDS else {}


class _File(BaseModel):
    """What `aftertake.toml` may say. No default of these is read: what is not set stays open."""

    model_config = ConfigDict(extra="forbid")

    output: Store = ""
    catalog: Catalog = ""
    stores: tuple[Store, ...] = ()
    data: Folder = Path()
    listen: Listen | None = None
    public_url: BaseUrl | None = None
    slots: Annotated[Count, Field(strict=True)] = 1
    lease: Lease = timedelta()
    exports_per_person: Annotated[Count, Field(strict=True)] = 1
    export_keep: LongSpan = timedelta()
    export_deadline: LongSpan = timedelta()
    sources: tuple[Source, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()


def _variable(name: str) -> str:
    return f"AFTERTAKE_{name.upper()}"


class _Variables(_File):
    """The same as text, and short for one source."""

    model_config = ConfigDict(alias_generator=_variable)

    stores: Annotated[tuple[Store, ...], BeforeValidator(str.split)] = ()
    slots: Count = 1
    exports_per_person: Count = 1
    sources: Json[tuple[Source, ...]] = ()
    endpoints: Json[tuple[Endpoint, ...]] = ()
    source: Store = ""


def _path(environment: Mapping[str, str]) -> Path | None:
    """The file of the settings; None where there is none."""
    if named := environment.get("AFTERTAKE_CONFIG"):
        return Path(named)
    return Path(FILE) if Path(FILE).exists() else None


def _tables(path: Path | None) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
    except OSError as error:
        message = f"{path}: {error.strerror}. Name the file of the settings in AFTERTAKE_CONFIG."
    except ValueError as error:
        message = f"{path}: this is no TOML: {error}"
    raise SettingsError(message)


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith("AFTERTAKE_") and value and not _NOT_SETTINGS.match(f"{name}={value}")
    }


def _read(
    model: type[_File], content: Mapping[str, Any], folder: Path, head: str
) -> tuple[dict[str, Any], Sequence[str]]:
    """The fields that are set, and what is wrong with them, each line beginning with `head`."""
    try:
        read = model.model_validate(content, context=folder)
    except ValidationError as error:
        top = {name: known.alias or name for name, known in model.model_fields.items()}
        tables = {"sources": Source, "endpoints": Endpoint}
        below = {top[name]: [known.name for known in fields(table)] for name, table in tables.items()}
        return {}, [f"{head}{line}" for line in problems(error, top.values(), below)]
    return {name: getattr(read, name) for name in read.model_fields_set}, ()


def _sources(path: Path | None, written: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Source]:
    """All sources, by where they are written; the variable's replace the file's."""
    where = "AFTERTAKE_SOURCES" if "sources" in told else f"{path}: sources"
    listed = told.get("sources", written.get("sources", ()))
    sources = {f"{where}[{number}]": source for number, source in enumerate(listed)}
    if "source" in told:
        sources["AFTERTAKE_SOURCE"] = Source(name="default", store=told["source"])
    return sources


def _endpoints(path: Path | None, written: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Endpoint]:
    """As `_sources`."""
    where = "AFTERTAKE_ENDPOINTS" if "endpoints" in told else f"{path}: endpoints"
    listed = told.get("endpoints", written.get("endpoints", ()))
    return {f"{where}[{number}]": endpoint for number, endpoint in enumerate(listed)}


def _same_names(named: Mapping[str, Source | Endpoint]) -> Iterator[str]:
    """Sources and endpoints share the names of variables in which their secrets are."""
    for (first, one), (second, other) in combinations(named.items(), 2):
        if one.name == other.name:
            yield f"{second}: {other.name!r} is the name of {first} too; write another name"


def _names_of_vendors(endpoints: Mapping[str, Endpoint]) -> Iterator[str]:
    for where, endpoint in endpoints.items():
        if endpoint.name in VENDORS:
            yield f"{where}: {endpoint.name!r} is the name of a vendor, whose secrets have that variable; write another"


def _not_apart(sources: Mapping[str, Source], output: str) -> Iterator[str]:
    for where, source in sources.items():
        if message := why_not_apart(source.store, output):
            yield f"{where}.store: {message}"


def _strange_secrets(environment: Mapping[str, str], named: Iterable[Source | Endpoint]) -> Iterator[str]:
    """A secret that is given to nobody would leave its webhooks refused."""
    known = {secret_variable(name) for name in (*VENDORS, *(each.name for each in named))}
    for variable in (name for name, value in environment.items() if value):
        if variable.startswith("AFTERTAKE_") and variable.endswith("_WEBHOOK_SECRET") and variable not in known:
            yield f"{variable}: no source, endpoint or vendor has that name; there are {', '.join(sorted(known))}"


def _refuse(faults: Sequence[str]) -> None:
    if faults:
        raise SettingsError("\n".join(faults))

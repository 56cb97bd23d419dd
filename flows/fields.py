"""How the values of settings are written, and what is said of those that are not.

pydantic reads them with these types; the context of a validation is the folder from which relative paths are taken.
No message repeats what was written for a URL: it may hold a password.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from storage.credentials import CLOUDS
from storage.errors import StorageError
from storage.opening import open_store
from storage.urls import StoreUrl, split_url
from vendors.registry import VENDORS

_DURATION = re.compile(r"(\d{1,9})([smhd])")
_UNITS: Mapping[str, timedelta] = MappingProxyType(
    {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
)
OWN_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
"""This machine, to which nothing need be encrypted."""
_SHORTEST_LEASE = timedelta(seconds=5)
_LONGEST_LEASE = timedelta(hours=1)
_SHORTEST = timedelta(minutes=1)
_LONGEST = timedelta(days=3650)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written: `127.0.0.1:8080`, `[::1]:8080`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _address(text: object) -> Address:
    with suppress(ValueError):
        parts = urlsplit(f"//{text}")
        if parts.hostname and parts.port is not None and parts.netloc == text and not parts.username:
            return Address(host=parts.hostname, port=parts.port)
    raise ValueError('write HOST:PORT, such as "127.0.0.1:8080"')


def _lease(duration: timedelta) -> timedelta:
    if not _SHORTEST_LEASE <= duration <= _LONGEST_LEASE:
        raise ValueError('write something from "5s" to "1h"')
    return duration


def _long(duration: timedelta) -> timedelta:
    if duration < _SHORTEST:
        raise ValueError('write "1m" or more')
    return duration


def _duration(text: object) -> timedelta:
    written = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if written is None:
        raise ValueError('write a whole number and its unit, such as "90s", "30m", "24h" or "7d"')
    duration = int(written[1]) * _UNITS[written[2]]
    if duration > _LONGEST:
        raise ValueError(f'write "{_LONGEST.days}d" at most')
    return duration


def _seconds(duration: timedelta) -> str:
    return f"{duration // _UNITS['s']}s"


def _store(text: str, info: ValidationInfo[Path]) -> str:
    if text and "://" not in text:
        text = str(info.context / text)
    try:
        return _named(text)
    except StorageError as error:
        raise ValueError(error.detail) from None


def _named(text: str) -> str:
    """The URL by which an opened store calls itself; of a cloud nothing is opened, and no SDK is imported."""
    if split_url(text).scheme not in CLOUDS:
        return open_store(text).url
    url = StoreUrl.parse(text)
    for option in ("endpoint", "domain"):
        url.address(option)
    return str(url)


def _catalog(text: str, info: ValidationInfo[Path]) -> str:
    with suppress(ValueError):
        parts = urlsplit(text)
        if parts.scheme == "postgresql" and parts.path.strip("/") and parts.port != 0:
            return text
    path = text.removeprefix("sqlite:///")
    if path in {"", text, ":memory:"}:
        raise ValueError('write "sqlite:///FILE" or "postgresql://USER:PASSWORD@HOST/DATABASE"')
    return sqlite_url(info.context / path)


def sqlite_url(path: Path) -> str:
    """As SQLAlchemy writes it: of an absolute path it has four slashes."""
    return f"sqlite:///{path.resolve()}"


def secret_variable(name: str) -> str:
    """The variable with the webhook secrets of a source or an endpoint, or of all sources of a vendor."""
    return f"AFTERTAKE_{name.upper().replace('-', '_')}_WEBHOOK_SECRET"


def key_variables(name: str, kind: str) -> tuple[str, str]:
    """The variables with the two halves of a key of a source, or of all sources of a vendor."""
    start = f"AFTERTAKE_{name.upper().replace('-', '_')}_{kind}"
    return f"{start}_KEY_ID", f"{start}_SECRET"


def _base_url(url: str) -> str:
    parts = None
    with suppress(ValueError):
        parts = urlsplit(url)
    if parts is None or not parts.hostname or parts.port == 0 or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("write https://HOST, without a password")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in OWN_HOSTS):
        raise ValueError("write https://HOST; http:// is for this machine alone")
    return url.rstrip("/")


def _folder(path: Path, info: ValidationInfo[Path]) -> Path:
    return (info.context / path).resolve()


def _secrets_file(path: Path | None, info: ValidationInfo[Path]) -> Path | None:
    return None if path is None else (info.context / path).absolute()


def _app(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _vendor(text: str | None) -> str | None:
    if text is None or text in VENDORS:
        return text
    raise ValueError(f"write one of {', '.join(VENDORS)}, or leave it out where any vendor records")


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(_seconds)]
"""`"90s"`, `"30m"`, `"24h"`, `"7d"`."""
LongSpan = Annotated[Duration, AfterValidator(_long)]
Lease = Annotated[Duration, AfterValidator(_lease)]
"""Long enough for a bad moment of the database, short enough for somebody who waits for what a dead worker had."""
Store = Annotated[str, AfterValidator(_store)]
"""A store's URL or a path, read as the URL by which the opened store calls itself."""
Catalog = Annotated[str, AfterValidator(_catalog)]
"""`sqlite:///FILE` or `postgresql://…`."""
Folder = Annotated[Path, AfterValidator(_folder)]
Listen = Annotated[Address, BeforeValidator(_address)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
VendorName = Annotated[str | None, AfterValidator(_vendor)]
SecretsFile = Annotated[Path | None, AfterValidator(_secrets_file)]
"""A file that is read again and again, so that secrets can be changed in it."""
App = Annotated[Annotated[str, Field(pattern=r"^[ -~]{1,64}$")] | None, BeforeValidator(_app)]
"""A vendor's project: its number or its letters."""
BaseUrl = Annotated[str, AfterValidator(_base_url)]
"""`https://HOST`, perhaps with a port and a path."""
HostName = Annotated[
    str, Field(pattern=r"^(\*\.[a-z0-9-]{1,63}\.)?[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?(:[0-9]{1,5})?$")
]
"""A host, or with `*.` before it all below it, though not below a whole top-level domain."""
Count = Annotated[int, Field(ge=1)]


_PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "missing": "it is missing",
        "tuple_type": 'write a list: ["…", "…"], or tables that begin with [[sources]] or [[endpoints]]',
        "dataclass_type": "write a table that begins with [[sources]] or [[endpoints]]",
    }
)
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_SUBJECT = re.compile(r"^\w+ (?=should|is)")


def problems(error: ValidationError, top: Iterable[str], below: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Each field that is wrong, `sources[1].deadline: …`; `top` and, of each table, `below` are the known names."""
    names = tuple(top)
    for wrong in error.errors(include_input=False, include_url=False):
        place = wrong["loc"]
        known = names if len(place) == 1 else tuple(below.get(str(place[0]), ()))
        yield f"{_dotted(place)}: {_said(wrong, known)}"


def _dotted(place: tuple[int | str, ...]) -> str:
    first, *rest = place
    return f"{first}{''.join(f'[{part}]' if isinstance(part, int) else f'.{part}' for part in rest)}"


def _said(wrong: ErrorDetails, known: tuple[str, ...]) -> str:
    if wrong["type"] in _UNKNOWN:
        return _unknown(str(wrong["loc"][-1]), known)
    if wrong["type"] == "value_error":
        return str(wrong["ctx"]["error"])
    return _PLAIN.get(wrong["type"]) or _SUBJECT.sub("it ", wrong["msg"])


def _unknown(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"there is no such setting; {f'did you mean {near[0]}?' if near else 'there are ' + ', '.join(known)}"

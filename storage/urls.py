"""Store URLs: `s3://bucket/prefix/?region=eu-west-1`. They name a place and how to reach it, and hold no secret."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from storage.errors import InvalidUrl

_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUrl:
    """A cloud's store URL, read. `prefix` is empty or ends in `/`; `options` are those of the query."""

    scheme: str
    bucket: str
    prefix: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "StoreUrl":
        """Read a URL. Raises InvalidUrl for one that names no bucket or says something twice."""
        parts = split_url(text)
        place = f"{parts.scheme}://"
        if _UNSAFE.search(text):
            raise _wrong(place, "it has a control character")
        if "@" in parts.netloc:
            raise _wrong(place, "a store URL holds no credentials; write ?credentials= to say where they are")
        bucket, prefix = _decoded(place, parts.netloc), _decoded(place, parts.path.removeprefix("/"))
        if not bucket or "/" in bucket or ":" in parts.netloc or parts.fragment:
            raise _wrong(place, f"it is written {parts.scheme}://bucket/prefix/?option=value")
        return cls(
            scheme=parts.scheme,
            bucket=bucket,
            prefix=prefix if not prefix or prefix.endswith("/") else f"{prefix}/",
            options=_options(place, parts.query),
        )

    def __str__(self) -> str:
        """The URL, which `parse` reads back."""
        query = urlencode(self.options, quote_via=quote, safe=":/")
        return f"{self.place}{'?' if query else ''}{query}"

    @property
    def place(self) -> str:
        """The URL without its options: what people need to recognise it."""
        return f"{self.scheme}://{quote(self.bucket, safe='')}/{quote(self.prefix)}"

    def require_known(self, known: Mapping[str, str]) -> None:
        """Raise InvalidUrl for an option that this store does not have; `known` says what each is for."""
        for name in self.options:
            if name not in known:
                options = ", ".join(f"{option} ({purpose})" for option, purpose in known.items())
                raise _wrong(self.place, f"there is no option {name!r}. There are {options}")

    def choice(self, name: str, values: tuple[str, ...]) -> str:
        """The value of an option with few values; the first of them is the default."""
        value = self.options.get(name, values[0])
        if value not in values:
            raise _wrong(self.place, f"{name}={value} is none of {', '.join(values)}")
        return value

    def required(self, name: str, example: str) -> str:
        """The value of an option that has no default."""
        value = self.options.get(name)
        if not value:
            raise _wrong(self.place, f"write ?{name}=, for example {name}={example}")
        return value

    def address(self, name: str) -> tuple[str, str] | None:
        """Scheme and host (with a port, if it has one) that an option names; None where there is no such option."""
        value = self.options.get(name)
        if value is None:
            return None
        parts = split_url(value)
        plain = parts.scheme in {"http", "https"} and parts.netloc and "@" not in parts.netloc
        if not plain or parts.path.strip("/") or parts.query or parts.fragment:
            raise _wrong(self.place, f"it is written {name}=https://host or {name}=http://host:port")
        return parts.scheme, parts.netloc


def _decoded(place: str, text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _wrong(place, "bucket and prefix are percent-encoded UTF-8") from None


def _options(place: str, query: str) -> dict[str, str]:
    """The options of a URL; what they say is not repeated in errors, as it may be a key that slipped in."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        raise _wrong(place, "behind the '?' it is written option=value&option=value") from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise _wrong(place, "an option is there twice")
    for name, value in pairs:
        if not value:
            raise _wrong(place, f"the option {name!r} is empty")
    return options


def place_of(url: str) -> str:
    """A store's URL without its options, which say how to reach it and not where it is."""
    return url.partition("?")[0]


def split_url(text: str) -> SplitResult:
    """The pieces of a URL. Raises InvalidUrl for what is none, such as `//[`; it is not repeated: it may hold keys."""
    with suppress(ValueError):
        return urlsplit(text)
    raise _wrong(f"{text.partition('://')[0]}://", "this is no URL")


def _wrong(url: str, detail: str) -> InvalidUrl:
    return InvalidUrl("open_store", url, detail)

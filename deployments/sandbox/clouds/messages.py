"""A request as it came, an answer as it goes, and the refusal that becomes one. No sockets, no dialects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, unquote_plus, unquote_to_bytes


class Refusal(Exception):  # noqa: N818 - an answer of the store, no error of ours
    """A request is not carried out. `status` and `code` are the store's own; `details` become elements of the XML."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str = "",
        *,
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message or code
        self.details = dict(details or {})
        self.headers = dict(headers or {})


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request with its whole body. `headers` have lower-case names; `path` and `query_text` are as sent."""

    method: str
    path: str
    query_text: str
    headers: Mapping[str, str]
    body: bytes | bytearray = b""

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The parameters, decoded; of a name that is given twice the first."""
        found: dict[str, str] = {}
        for name, value in self.query_pairs:
            found.setdefault(name, value)
        return found

    @cached_property
    def query_pairs(self) -> tuple[tuple[str, str], ...]:
        """The parameters in the order they came, decoded; '' for those without a value."""
        pieces = (piece.partition("=") for piece in self.query_text.split("&") if piece)
        return tuple((_form_text(name), _form_text(value)) for name, _, value in pieces)

    @cached_property
    def hostname(self) -> str:
        """The Host header without its port, in lower case."""
        host = self.headers.get("host", "").lower()
        return host if host.endswith("]") else host.rpartition(":")[0] or host if _has_port(host) else host

    def header(self, name: str) -> str:
        """The value of a header, '' where it was not sent; `name` is in lower case."""
        return self.headers.get(name, "")


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit()


@dataclass(slots=True, kw_only=True)
class Answer:
    """What goes back. `length` is the Content-Length where it is not that of the body, as for HEAD."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | memoryview = b""
    length: int | None = None


def _form_text(text: str) -> str:
    """A piece of a query: '+' is a space; what is no UTF-8 is replaced, which no signature survives."""
    return unquote_plus(text, errors="replace")


def whole_number(text: str, *, digits: int = 9) -> int | None:
    """A number as the stores take it: ASCII digits, not too many; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= digits else None


def decoded(text: str) -> str:
    """Percent-decoded UTF-8; Refusal 400 where it is none."""
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(400, "InvalidURI", "Couldn't parse the specified URI.") from None


def encoded(text: str, *, keep: str = "") -> str:
    """Percent-encoded as the three signatures want it: only RFC 3986 unreserved signs and `keep` stay."""
    return quote(text.encode("utf-8"), safe="-_.~" + keep)


def sorted_query(pairs: Iterable[tuple[str, str]], *, without: str, bare_names: bool = False) -> str:
    """The canonical query of S3 and OSS V4: encoded, then sorted. `bare_names`: no '=' after a name without value."""
    ready = sorted((encoded(name), encoded(value)) for name, value in pairs if name != without)
    return "&".join(name if bare_names and not value else f"{name}={value}" for name, value in ready)

"""Endpoints: who is told of what we announce, by webhooks after Standard Webhooks 1.0, and with which secrets.

A secret is 24 to 64 random bytes, written `whsec_` and base64. It stands in a variable or in a file, never in the
settings; while it is being exchanged there are two, and each message bears a signature of both.
"""

import os
import re
from base64 import b64decode
from binascii import Error as NotBase64Error
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, with_config

from catalog.records import Announced
from flows.fields import Name, secret_variable

MOST_SECRETS: Final = 2
"""The one that comes and the one that goes."""
_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = range(24, 65)
_FILE_BYTES: Final = 4096
_URL: Final = re.compile(r"[!-~]+")


class SecretError(ValueError):
    """An endpoint has no secret that could sign; the message says what to do, and holds no secret."""


def _url(text: str, info: ValidationInfo[Path]) -> str:
    """The message never repeats a URL: those of some receivers are secrets."""
    if _URL.fullmatch(text):
        with suppress(ValueError):
            parts = urlsplit(text)
            if _is_plain(parts) and (parts.scheme == "https" or info.data.get("private", True)):
                return text
    raise ValueError(
        "write https://HOST/PATH, without user, password and #; http:// is for endpoints with private = true only"
    )


def _is_plain(parts: SplitResult) -> bool:
    is_web = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    return is_web and "@" not in parts.netloc and not parts.fragment


def _secrets_path(path: Path | None, info: ValidationInfo[Path]) -> Path | None:
    """Not resolved: a link is how Kubernetes exchanges its secrets."""
    return path and info.context / path


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where webhooks of these types go. `private` allows addresses that are not public, and no TLS.

    `secrets` is a file with one secret to a line, read at each use; otherwise they are in `variable`.
    """

    name: Name
    private: Annotated[bool, Field(strict=True)] = False
    url: Annotated[str, AfterValidator(_url)] = field(repr=False)
    events: Annotated[tuple[Announced, ...], Field(min_length=1)] = tuple(Announced)
    secrets: Annotated[Path | None, AfterValidator(_secrets_path)] = None

    @property
    def variable(self) -> str:
        """The environment variable of its secrets, apart by white space."""
        return secret_variable(self.name)

    def signing_secrets(self, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Its one or two secrets. Raises `SecretError`."""
        place = f"the file {self.secrets}" if self.secrets else self.variable
        written = self._file().split() if self.secrets else environment.get(self.variable, "").split()
        if not 1 <= len(written) <= MOST_SECRETS or not all(map(_is_secret, written)):
            raise SecretError(
                f"endpoint {self.name}: {place} must hold one secret, or two while they are exchanged, each written "
                f"{_PREFIX} and the base64 of 24 to 64 random bytes: echo {_PREFIX}$(openssl rand -base64 32)"
            )
        return tuple(written)

    def _file(self) -> str:
        try:
            with Path(self.secrets or "").open(encoding="ascii") as file:
                return file.read(_FILE_BYTES)
        except OSError as error:
            raise SecretError(f"endpoint {self.name}: the file {self.secrets}: {error.strerror}") from error
        except ValueError:
            return ""


def secret_faults(endpoints: Iterable[Endpoint], environment: Mapping[str, str]) -> Iterator[str]:
    """Why endpoints cannot sign, a line for each that cannot."""
    for endpoint in endpoints:
        try:
            endpoint.signing_secrets(environment)
        except SecretError as error:
            yield str(error)


def _is_secret(text: str) -> bool:
    try:
        key = b64decode(text.removeprefix(_PREFIX), validate=True)
    except (NotBase64Error, ValueError):
        return False
    return text.startswith(_PREFIX) and len(key) in _SECRET_BYTES

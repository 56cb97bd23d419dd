"""How a request to ZEGOCLOUD is signed (ZEGOCLOUD, Cloud Recording: making API requests). Pure."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vendors.recorder import RefusedCallError
from vendors.zego.names import VENDOR

_MARKS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {f"IsTest={value}": MappingProxyType({"IsTest": value}) for value in ("true", "false")}
)
"""A parameter that stands in older documents, and in requests of older projects, and in the reference no more."""


def mark_of(scheme: str | None) -> Mapping[str, str]:
    """What every query has beside the documented parameters, by the setting. Raises RefusedCallError."""
    if scheme is None:
        return {}
    if scheme in _MARKS:
        return _MARKS[scheme]
    raise RefusedCallError(VENDOR, "settings", "the scheme is not known", f"Known: {', '.join(_MARKS)}.")


def signature(app: str, nonce: str, secret: str, timestamp: int) -> str:
    """Version 2.0: lower-case hex MD5 of app id, nonce, server secret and Unix seconds, put together."""
    signed = f"{app}{nonce}{secret}{timestamp}".encode()
    return hashlib.md5(signed, usedforsecurity=False).hexdigest()


def signed_query(app: str, secret: str, action: str, *, nonce: str, timestamp: int) -> dict[str, str]:
    """The query of a request. `nonce` are 16 hex digits, used once."""
    return {
        "Action": action,
        "AppId": app,
        "SignatureNonce": nonce,
        "Timestamp": str(timestamp),
        "SignatureVersion": "2.0",
        "Signature": signature(app, nonce, secret, timestamp),
    }

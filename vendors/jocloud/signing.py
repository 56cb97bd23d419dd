"""How a request to Jocloud is authenticated; its documents describe two ways, and which holds is not known. Pure.

`token` (English documents: Basic HTTP authentication): the header is called `token`, not `Authorization`.
`signature` (Chinese documents): headers and their names are documented, the rule is not, so there are several guesses.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable
from functools import partial
from typing import Final, Literal, cast, get_args

from vendors.jocloud.names import VENDOR
from vendors.recorder import Access, RefusedCallError

Scheme = Literal["token", "signature"]
DEFAULT_SCHEME: Final[Scheme] = "token"

Way = Callable[[str, int], dict[str, str]]
"""Gives the headers that say who asks, of a nonce and of Unix milliseconds."""


def scheme_of(access: Access) -> Scheme:
    """The configured scheme. Raises RefusedCallError for another one."""
    chosen = access.scheme or DEFAULT_SCHEME
    if chosen in get_args(Scheme):
        return cast("Scheme", chosen)
    raise RefusedCallError(VENDOR, "settings", "the scheme is not known", f"Known: {', '.join(get_args(Scheme))}.")


def basic(access: Access) -> str:
    """base64 of the certificate's id and key, which the console calls restfulId and restfulSecret."""
    return base64.b64encode(f"{access.key_id}:{access.secret}".encode()).decode()


def ways(access: Access) -> tuple[Way, ...]:
    """How requests may be signed by the configured scheme, the likeliest first. Raises RefusedCallError."""
    if scheme_of(access) == "token":
        return (partial(_token_headers, access),)
    return tuple(partial(_signed_headers, access, guess) for guess in GUESSES)


def _joined(app: str, nonce: str, secret: str, timestamp_ms: int) -> str:
    """As ZEGOCLOUD signs requests, with headers of nearly the same names."""
    return hashlib.md5(f"{app}{nonce}{secret}{timestamp_ms}".encode(), usedforsecurity=False).hexdigest()


def _sorted(app: str, nonce: str, secret: str, timestamp_ms: int) -> str:
    """As ZEGOCLOUD, and others in China, sign webhooks: sorted before they are joined."""
    signed = "".join(sorted((app, nonce, secret, str(timestamp_ms))))
    return hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest()


def _keyed(app: str, nonce: str, secret: str, timestamp_ms: int) -> str:
    """As most others do it."""
    return hmac.new(secret.encode(), f"{app}{nonce}{timestamp_ms}".encode(), hashlib.sha256).hexdigest()


GUESSES: Final = (_joined, _sorted, _keyed)
"""What `Signature` may be of AppID, Nonce, AppSecret and Timestamp: the page with the rule could not be read."""


def _token_headers(access: Access, nonce: str, timestamp_ms: int) -> dict[str, str]:  # noqa: ARG001 - of any way
    return {"AppID": access.app, "token": f"Basic {basic(access)}"}


def _signed_headers(
    access: Access, guess: Callable[[str, str, str, int], str], nonce: str, timestamp_ms: int
) -> dict[str, str]:
    signature = guess(access.app, nonce, access.secret, timestamp_ms)
    return {"AppID": access.app, "Nonce": nonce, "Timestamp": str(timestamp_ms), "Signature": signature}

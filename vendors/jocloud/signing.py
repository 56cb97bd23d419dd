"""How a request to Jocloud is authenticated; its documents describe two ways, and which holds is not known. Pure.

`token` (English documents: Basic HTTP authentication): the header is called `token`, not `Authorization`.
`signature` (Chinese documents): headers and their names are documented, the rule is not.
"""

import base64
import hashlib
from typing import Final, Literal, cast, get_args

from vendors.jocloud.names import VENDOR
from vendors.recorder import Access, RefusedCallError

Scheme = Literal["token", "signature"]
DEFAULT_SCHEME: Final[Scheme] = "token"


def scheme_of(access: Access) -> Scheme:
    """The configured scheme. Raises RefusedCallError for another one."""
    chosen = access.scheme or DEFAULT_SCHEME
    if chosen in get_args(Scheme):
        return cast("Scheme", chosen)
    raise RefusedCallError(VENDOR, "settings", "the scheme is not known", f"Known: {', '.join(get_args(Scheme))}.")


def basic(access: Access) -> str:
    """base64 of the certificate's id and key, which the console calls restfulId and restfulSecret."""
    return base64.b64encode(f"{access.key_id}:{access.secret}".encode()).decode()


def guessed_signature(app: str, nonce: str, secret: str, timestamp_ms: int) -> str:
    """A guess: the page with the rule could not be read. Lower-case hex MD5 of AppID, Nonce, AppSecret, Timestamp."""
    signed = f"{app}{nonce}{secret}{timestamp_ms}".encode()
    return hashlib.md5(signed, usedforsecurity=False).hexdigest()


def auth_headers(access: Access, *, nonce: str, timestamp_ms: int) -> dict[str, str]:
    """The headers that say who asks."""
    if scheme_of(access) == "token":
        return {"AppID": access.app, "token": f"Basic {basic(access)}"}
    return {
        "AppID": access.app,
        "Nonce": nonce,
        "Timestamp": str(timestamp_ms),
        "Signature": guessed_signature(access.app, nonce, access.secret, timestamp_ms),
    }

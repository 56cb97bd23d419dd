"""How a request to ZEGOCLOUD is signed (ZEGOCLOUD, Cloud Recording: making API requests). Pure."""

import hashlib


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

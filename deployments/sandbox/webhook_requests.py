"""Webhooks as the three vendors post them, made and signed here, and a way to post them to a server.

Written from the vendors' documents; nothing of `vendors` is used, so that a mistake there is not repeated.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

TIMEOUT_S: Final = 10
"""How long Agora waits for an answer, the only vendor that says so."""
_JSON: Final = MappingProxyType({"Content-Type": "application/json"})
_APP = 1234567890
_NOTIFIED_AFTER_MS = 30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """One request of a vendor; `path_suffix` is what follows the vendor's name in the path."""

    vendor: str
    headers: Mapping[str, str]
    body: bytes
    path_suffix: str = field(default="", repr=False)

    @property
    def path(self) -> str:
        """Where it is posted to."""
        return f"/hooks/{self.vendor}{self.path_suffix}"


def agora(
    event_type: int,
    *,
    sid: str,
    cname: str,
    secret: str,
    sent_at: datetime,
    details: Mapping[str, Any] = MappingProxyType({}),
    uid: str = "527841",
    sequence: int = 0,
    notice_id: str | None = None,
    service: int = 0,
    scene: str | None = None,
    notified_at: datetime | None = None,
) -> Posted:
    """A message of Agora's, under both signatures (Agora, Notifications: verify signatures, event types).

    `sent_at` is when it happened; `notified_at`, which is another one in each delivery, when it is posted.
    """
    notify_ms = unix_ms(notified_at) if notified_at else unix_ms(sent_at) + _NOTIFIED_AFTER_MS
    payload = {
        "cname": cname,
        "uid": uid,
        "sid": sid,
        "sequence": sequence,
        "sendts": unix_ms(sent_at),
        "serviceType": service,
        **({"serviceScene": scene} if scene else {}),
        "details": dict(details),
    }
    body = _json(
        {
            "noticeId": notice_id or secrets.token_hex(16),
            "productId": 3,
            "eventType": event_type,
            "notifyMs": notify_ms,
            "sid": sid,
            "payload": payload,
        }
    )
    signatures = {
        "Agora-Signature": hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
        "Agora-Signature-V2": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    return Posted(vendor="agora", headers={**_JSON, **signatures}, body=body)


def zego(
    event_type: int,
    *,
    task_id: str,
    room: str,
    secret: str,
    sent_at: datetime,
    detail: Mapping[str, Any] = MappingProxyType({}),
    app_id: int = _APP,
    sequence: int = 0,
    nonce: str | None = None,
) -> Posted:
    """A callback of ZEGOCLOUD's (ZEGOCLOUD, recording status callback; signature verification)."""
    nonce = nonce or str(100_000 + secrets.randbelow(900_000))
    timestamp = str(int(sent_at.timestamp()))
    signed = b"".join(sorted(part.encode() for part in (secret, timestamp, nonce)))
    document = {
        "app_id": app_id,
        "task_id": task_id,
        "room_id": room,
        "event_type": event_type,
        "message": "",
        "nonce": nonce,
        "timestamp": timestamp,
        "signature": hashlib.sha1(signed, usedforsecurity=False).hexdigest(),
        "sequence": sequence,
        "detail": dict(detail),
    }
    return Posted(vendor="zego", headers=_JSON, body=_json(document))


def jocloud(
    msgname: str,
    *,
    record_id: str,
    room: str,
    secret: str,
    sent_at: datetime,
    msgtype: int = 2,
    context: Mapping[str, Any] = MappingProxyType({}),
    app_id: int = 123123,
) -> Posted:
    """A callback of Jocloud's, with the secret in the path (Jocloud, RESTful API callback service)."""
    said = {"msgname": msgname, "appid": app_id, "roomid": room, "uid": ["0"], "recordid": record_id, **context}
    document = {
        "msgid": f"RECORD-{record_id}-{unix_ms(sent_at):x}",
        "product": 1,
        "msgtype": msgtype,
        "notifytime": unix_ms(sent_at),
        "context": said,
    }
    return Posted(vendor="jocloud", headers=_JSON, body=_json(document), path_suffix=f"/{quote(secret, safe='')}")


def deliver(posted: Posted, base_url: str) -> int:
    """Post it to the server at this URL; the answer's status, whatever it is. Raises OSError where none answers."""
    return deliver_to(base_url.rstrip("/") + posted.path, posted)


def deliver_to(url: str, posted: Posted, *, timeout_s: float = TIMEOUT_S) -> int:
    """Post it to exactly this URL; otherwise like `deliver`."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"no web server has a URL like {url!r}")
    request = Request(  # noqa: S310 - of the web, see above
        url, data=posted.body, headers=dict(posted.headers), method="POST"
    )
    try:
        with urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return int(answer.status)
    except HTTPError as refused:
        with refused:
            return refused.code


def unix_ms(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()

"""Webhooks as the three vendors post them, made and signed here, and a way to post them to a server.

Written from the vendors' documents; nothing of `vendors` is used, so that a mistake there is not repeated.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TIMEOUT_S: Final = 10
"""How long Agora waits for an answer, the only vendor that says so."""
TEST_TASKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "agora": "7e577e577e577e577e577e577e577e57",
        "zego": "dGVzdHRlc3QAAAAB",
        "jocloud": "7e577e577e577e577e577e577e577e577e5",
    }
)
"""A task id of each vendor's shape that no recording has."""
_JSON: Final = MappingProxyType({"Content-Type": "application/json"})
_APP = 1234567890
_LENGTH = timedelta(seconds=60)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a sample is about: the recording, the secret that signs it, its number and its time."""

    task_id: str
    room: str
    secret: str = field(repr=False)
    sent_at: datetime
    sequence: int = 0

    @property
    def began_ms(self) -> int:
        """When the recording began."""
        return _ms(self.sent_at - _LENGTH)


Maker = Callable[[About], Posted]


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
) -> Posted:
    """A message of Agora's, under both signatures (Agora, Notifications: verify signatures, event types)."""
    payload = {
        "cname": cname,
        "uid": uid,
        "sid": sid,
        "sequence": sequence,
        "sendts": _ms(sent_at),
        "serviceType": 0,
        "details": dict(details),
    }
    body = _json(
        {
            "noticeId": notice_id or secrets.token_hex(16),
            "productId": 3,
            "eventType": event_type,
            "notifyMs": _ms(sent_at) + _NOTIFIED_AFTER_MS,
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
        "msgid": f"RECORD-{record_id}-{_ms(sent_at):x}",
        "product": 1,
        "msgtype": msgtype,
        "notifytime": _ms(sent_at),
        "context": said,
    }
    return Posted(vendor="jocloud", headers=_JSON, body=_json(document), path_suffix=f"/{secret}")


def sample(
    vendor: str, event: str, *, task_id: str, room: str, secret: str, sent_at: datetime, sequence: int = 0
) -> Posted:
    """The event of `SAMPLES` that goes by this name, of this recording. Raises KeyError for a name not in there."""
    return SAMPLES[vendor][event](About(task_id=task_id, room=room, secret=secret, sent_at=sent_at, sequence=sequence))


def deliver(posted: Posted, base_url: str) -> int:
    """Post it to the server at this URL; the answer's status, whatever it is. Raises OSError where none answers."""
    if not base_url.startswith(("http://", "https://")):
        raise ValueError(f"no web server has a URL like {base_url!r}")
    request = Request(  # noqa: S310 - of the web, see above
        base_url.rstrip("/") + posted.path, data=posted.body, headers=dict(posted.headers), method="POST"
    )
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            return int(answer.status)
    except HTTPError as refused:
        with refused:
            return refused.code


_Details = Callable[[About], Mapping[str, Any]]


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _agora_sample(event_type: int, details: _Details) -> Maker:
    return lambda about: agora(
        event_type,
        sid=about.task_id,
        cname=about.room,
        secret=about.secret,
        details=details(about),
        sequence=about.sequence,
        sent_at=about.sent_at,
    )


def _zego_sample(event_type: int, detail: _Details) -> Maker:
    return lambda about: zego(
        event_type,
        task_id=about.task_id,
        room=about.room,
        secret=about.secret,
        detail=detail(about),
        sequence=about.sequence,
        sent_at=about.sent_at,
    )


def _jocloud_sample(about: About) -> Posted:
    """Jocloud's messages have no number; a later one of a recording is told by its time."""
    at = about.sent_at + timedelta(milliseconds=about.sequence)
    context = {
        "filetype": "m3u8",
        "duration": _LENGTH // timedelta(milliseconds=1),
        "fileaddress": f"http://bucket.example/rec/rid_{about.task_id}_{about.room}.m3u8",
        "starttime": _ms(at - _LENGTH),
    }
    return jocloud(
        "recordtask_m3u8_info",
        record_id=about.task_id,
        room=about.room,
        secret=about.secret,
        context=context,
        sent_at=at,
    )


def _named(msg_name: str, **details: object) -> _Details:
    return lambda _: {"msgName": msg_name, **details}


def _slice_started(about: About) -> Mapping[str, Any]:
    started = {"startUtcMs": about.began_ms, "discontinueUtcMs": about.began_ms}
    stream = {"mixedAllUser": True, "streamUid": "0", "trackType": "audio_and_video"}
    return {"msgName": "recorder_slice_start", **started, **stream}


def _agora_files(msg_name: str) -> _Details:
    def details(about: About) -> Mapping[str, Any]:
        playlist = {
            "fileName": f"{about.task_id}_{about.room}.m3u8",
            "trackType": "audio_and_video",
            "uid": "0",
            "mixedAllUser": True,
            "isPlayable": True,
            "sliceStartTime": about.began_ms,
        }
        return {"msgName": msg_name, "status": 0, "fileList": [playlist]}

    return details


def _zego_name(about: About, ending: str) -> str:
    began = about.sent_at.astimezone(UTC) - _LENGTH
    return f"{about.task_id}_{about.room}_mix_VA_{began:%Y%m%d%H%M%S}{began.microsecond // 1000:03d}.{ending}"


def _zego_files(upload_status: int, file_status: int, ending: str, written: str) -> _Details:
    def detail(about: About) -> Mapping[str, Any]:
        name = _zego_name(about, ending)
        info = {
            "file_id": name,
            "output_file_format": written,
            "user_id": "mix",
            "user_name": "mix",
            "stream_id": "mix",
            "video_id": "",
            "file_url": f"https://bucket.example/rec/{name}",
            "file_size": 25_349_026,
            "duration": _LENGTH // timedelta(milliseconds=1),
            "resolution_width": 1280,
            "resolution_height": 720,
            "media_track_type": 3,
            "begin_timestamp": about.began_ms,
            "status": file_status,
        }
        return {"upload_status": upload_status, "file_info": [info]}

    return detail


def _known_playlist(about: About) -> Mapping[str, Any]:
    name = _zego_name(about, "m3u8")
    url = f"https://bucket.example/rec/{name}"
    return {"stream_id": "mix", "file_id": name, "file_url": url, "media_track_type": 3}


def _plain(**detail: object) -> _Details:
    return lambda _: detail


_fatal = _named("cloud_recording_error", module=0, errorLevel=5, errorCode=110, stat=0, errorMsg="")

_AGORA: Mapping[str, tuple[int, _Details]] = {
    "started": (40, _named("recorder_started", status=0)),
    "slice_started": (42, _slice_started),
    "progress": (33, _named("uploading_progress", progress=5000)),
    "uploaded": (31, _agora_files("uploaded")),
    "backed_up": (32, _agora_files("backuped")),
    "error": (1, _fatal),
    "failover": (12, _named("session_failover", newUid=881204)),
    "left": (41, _named("recorder_leave", leaveCode=24)),
    "exit": (11, _named("session_exit", exitStatus=0)),
    "abnormal_exit": (11, _named("session_exit", exitStatus=1)),
}
_ZEGO: Mapping[str, tuple[int, _Details]] = {
    "uploaded": (1, _zego_files(1, 3, "m3u8", "hls")),
    "backed_up": (1, _zego_files(2, 4, "m3u8", "hls")),
    "abnormal": (2, _plain(quit_reason=6)),
    "idle_end": (2, _plain(quit_reason=3)),
    "no_stream": (4, _plain()),
    "left": (5, _plain()),
    "stopped": (7, _plain()),
    "m3u8_known": (102, _known_playlist),
    "paused": (201, _plain()),
    "resumed": (202, _plain()),
    "snapshot": (1, _zego_files(1, 3, "jpg", "jpg")),
}

SAMPLES: Final[Mapping[str, Mapping[str, Maker]]] = MappingProxyType(
    {
        "agora": MappingProxyType({event: _agora_sample(*made) for event, made in _AGORA.items()}),
        "zego": MappingProxyType({event: _zego_sample(*made) for event, made in _ZEGO.items()}),
        "jocloud": MappingProxyType({"m3u8_info": _jocloud_sample}),
    }
)
"""The common events of each vendor, by our names for them."""

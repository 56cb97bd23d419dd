"""The common webhooks of the three vendors, by name: samples to try a receiver with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from deployments.sandbox.webhook_requests import Posted, agora, deliver, jocloud, unix_ms, zego

__all__ = ["SAMPLES", "TEST_TASKS", "About", "Maker", "Posted", "agora", "deliver", "jocloud", "sample", "zego"]

TEST_TASKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "agora": "7e577e577e577e577e577e577e577e57",
        "zego": "dGVzdHRlc3QAAAAB",
        "jocloud": "7e577e577e577e577e577e577e577e577e5",
    }
)
"""A task id of each vendor's shape that no recording has."""
_LENGTH = timedelta(seconds=60)


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
        return unix_ms(self.sent_at - _LENGTH)


Maker = Callable[[About], Posted]


def sample(
    vendor: str, event: str, *, task_id: str, room: str, secret: str, sent_at: datetime, sequence: int = 0
) -> Posted:
    """The event of `SAMPLES` that goes by this name, of this recording. Raises KeyError for a name not in there."""
    return SAMPLES[vendor][event](About(task_id=task_id, room=room, secret=secret, sent_at=sent_at, sequence=sequence))


_Details = Callable[[About], Mapping[str, Any]]


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
        "starttime": unix_ms(at - _LENGTH),
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

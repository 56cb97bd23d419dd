"""The bodies of ZEGOCLOUD's calls (ZEGOCLOUD, Cloud Recording: StartRecord, DescribeTasks). Pure."""

import re
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from vendors.ordering import check_order, idle_seconds, merged
from vendors.recorder import BadCallError, Order, OrderMode
from vendors.storage import StorageSettingsError
from vendors.zego.names import VENDOR
from vendors.zego.storage import storage_params

HISTORY: Final = timedelta(days=3)
"""How far back tasks are listed, and how long a window may be; counted from the start of a recording."""
PAGE_SIZE: Final = 50
RUNNING, ENDED = 2, 3
"""`Status` of DescribeTasks. Whether tasks that ended abnormally are among the ended ones is not documented."""

_SINGLE, _MIXED = 1, 2
_STREAM_TYPES = MappingProxyType({"audio": 1, "video": 2, "both": 3})
_IDLE_S = (5, 86_400)
_MARGIN = timedelta(minutes=1)
"""A window that begins three days ago is too old when it arrives."""
_ODD = re.compile("[^0-9A-Za-z_-]+")
_LONGEST_STREAM_ID = 256
_EVEN_GRID = 2
_PICTURE = MappingProxyType({"Width": 1280, "Height": 720, "Fps": 15, "Bitrate": 1_500_000})
_ADVICE: Final = "Leave it out, or write it into `more` in ZEGOCLOUD's own words: it picks streams, not users."
_TAKES: dict[OrderMode, frozenset[str]] = {
    "individual": frozenset({"users", "most_idle", "callback_url"}),
    "mixed": frozenset({"most_idle", "callback_url"}),
}


def start_body(order: Order) -> dict[str, Any]:
    """For StartRecord; `order.more` is put over it. `order.users` are ids of streams here.

    Raises BadCallError for what ZEGOCLOUD has no words for.
    """
    if order.mode not in _TAKES:
        raise BadCallError(VENDOR, "StartRecord", f"it has no mode {order.mode}", "Choose mode individual or mixed.")
    check_order(VENDOR, order, takes=_TAKES[order.mode], advice=_ADVICE)
    body = {
        "RoomId": order.room,
        "RecordInputParams": _input(order),
        "RecordOutputParams": _output(order),
        "StorageParams": _storage(order),
    }
    return merged(body, order.more)


def tasks_body(status: int, since: datetime, until: datetime, *, room: str | None, page: int) -> dict[str, Any]:
    """For DescribeTasks; pages count from 1."""
    window = {"StartTime": _milliseconds(since), "EndTime": _milliseconds(until)}
    of_room = {} if room is None else {"RoomId": room}
    return {"Status": status, **window, **of_room, "PageOffset": page, "PageSize": PAGE_SIZE}


def clamped(since: datetime, until: datetime, now: datetime) -> tuple[datetime, datetime] | None:
    """The part of a window that ZEGOCLOUD still tells of, if any."""
    first, last = max(since, now - HISTORY + _MARGIN), min(until, now)
    return (first, last) if first < last else None


def _input(order: Order) -> dict[str, Any]:
    params: dict[str, Any] = {"StreamType": _STREAM_TYPES[order.tracks]}
    if order.mode == "mixed":
        params |= {"RecordMode": _MIXED, "MixConfig": _mix(order)}
    else:
        params |= {"RecordMode": _SINGLE}
    if order.users:
        params["RecordStreamList"] = [{"StreamId": stream} for stream in order.users]
    if order.most_idle is not None:
        params["MaxIdleTime"] = idle_seconds(VENDOR, order.most_idle, least=_IDLE_S[0], most=_IDLE_S[1])
    if order.client_id:
        params["ClientTaskId"] = order.client_id
    return params


def _mix(order: Order) -> dict[str, Any]:
    """Its stream's id becomes part of the file's name; a picture must be described wherever there is one."""
    stream = f"mix_{_ODD.sub('-', order.room)}"[:_LONGEST_STREAM_ID]
    mix: dict[str, Any] = {"MixMode": _EVEN_GRID, "MixOutputStreamId": stream}
    return mix if order.tracks == "audio" else {**mix, "MixOutputVideoConfig": dict(_PICTURE)}


def _output(order: Order) -> dict[str, Any]:
    """Slices while it records, in playlists that name them without a path."""
    output: dict[str, Any] = {
        "OutputFileFormat": "hls",
        "OutputFolder": order.place.prefix,
        "RealtimeUploadFragment": True,
        "ShortFragmentPath": True,
    }
    return {**output, "CallbackUrl": order.callback_url} if order.callback_url else output


def _storage(order: Order) -> dict[str, object]:
    try:
        params = storage_params(order.place)
    except StorageSettingsError as error:
        raise BadCallError(VENDOR, "StartRecord", error.given, error.advice) from None
    return {**params, "AccessKeyId": order.upload_key.key_id, "AccessKeySecret": order.upload_key.secret}


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)

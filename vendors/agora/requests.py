"""The bodies of Agora's calls (Agora, Cloud Recording: acquire, start, update, stop). Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from vendors.agora.names import VENDOR
from vendors.agora.storage import storage_config
from vendors.fields import count
from vendors.ordering import check_order, idle_seconds, merged
from vendors.recorder import BadCallError, Order, OrderMode
from vendors.storage import StorageSettingsError

MODES: Final[Mapping[OrderMode, str]] = MappingProxyType(
    {"individual": "individual", "mixed": "mix", "web": "web", "raw": "raw"}
)
LARGEST_UID: Final = 2**32 - 1

_REAL_TIME, _WEB_PAGE, _POSTPONED = 0, 1, 2
_STREAM_TYPES = MappingProxyType({"audio": 0, "video": 1, "both": 2})
_GROUPS = ((2, 0), (7, 1), (12, 2), (17, 3), (32, 4), (49, 5))
"""`subscribeUidGroup`: for how many users at most."""
_MOST_LISTED = 32
_IDLE_S = (5, 2_592_000)
_CALLBACKS = "Agora posts all webhooks of a project to the one URL of its console."
_ADVICE = MappingProxyType(
    {
        "individual": f"Leave it out. {_CALLBACKS}",
        "mixed": f"Leave it out. {_CALLBACKS}",
        "raw": f"Leave it out. {_CALLBACKS}",
        "web": f"Leave it out; a page joins its room by itself. {_CALLBACKS}",
    }
)
_TAKES: Mapping[OrderMode, frozenset[str]] = MappingProxyType(
    {
        "individual": frozenset({"users", "recorder", "room_token", "most_idle"}),
        "mixed": frozenset({"users", "recorder", "room_token", "most_idle"}),
        "raw": frozenset({"users", "recorder", "room_token", "most_idle"}),
        "web": frozenset({"recorder", "page"}),
    }
)
_PAGE = MappingProxyType({"audioProfile": 0, "videoWidth": 1280, "videoHeight": 720, "maxRecordingHour": 24})


def check_uid(uid: str) -> None:
    """Raises BadCallError for what is no uid: everybody in a recorded room has a number of 32 bits."""
    found = count(uid)
    if found is None or not 0 < found <= LARGEST_UID or str(found) != uid:
        said = "the `recorder` is no number from 1 to 2^32 - 1"
        raise BadCallError(VENDOR, "start", said, "Give one that nobody in the room has, or none.")


def acquire_body(order: Order, uid: str) -> dict[str, Any]:
    """For a resource. It has no `startParameter`, so that nothing in it can differ from the start."""
    return {"cname": order.room, "uid": uid, "clientRequest": {"scene": _scene(order)}}


def start_body(order: Order, uid: str) -> dict[str, Any]:
    """For the start; `order.more` is put over it. Raises BadCallError for what Agora has no words for."""
    check_order(VENDOR, order, takes=_TAKES[order.mode], advice=_ADVICE[order.mode])
    asked: dict[str, Any] = {
        "recordingFileConfig": {"avFileType": ["hls"]},
        "storageConfig": _storage(order),
    }
    if order.room_token:
        asked["token"] = order.room_token
    if order.mode == "web":
        asked["extensionServiceConfig"] = _page_service(order)
    else:
        asked["recordingConfig"] = _recording_config(order)
    return merged({"cname": order.room, "uid": uid, "clientRequest": asked}, order.more)


def about(room: str, uid: str, client_request: Mapping[str, Any]) -> dict[str, Any]:
    """For a recording that goes on."""
    return {"cname": room, "uid": uid, "clientRequest": dict(client_request)}


def _scene(order: Order) -> int:
    if order.mode == "web":
        return _WEB_PAGE
    asked = order.more.get("clientRequest")
    return _POSTPONED if isinstance(asked, Mapping) and "appsCollection" in asked else _REAL_TIME


def _storage(order: Order) -> dict[str, object]:
    try:
        config = storage_config(order.place)
    except StorageSettingsError as error:
        raise BadCallError(VENDOR, "start", error.given, error.advice) from None
    return {**config, "accessKey": order.upload_key.key_id, "secretKey": order.upload_key.secret}


def _recording_config(order: Order) -> dict[str, Any]:
    config: dict[str, Any] = {"streamTypes": _STREAM_TYPES[order.tracks]}
    if order.most_idle is not None:
        config["maxIdleTime"] = idle_seconds(VENDOR, order.most_idle, least=_IDLE_S[0], most=_IDLE_S[1])
    if order.users:
        config |= _subscriptions(order)
    if order.mode == "individual":
        config["subscribeUidGroup"] = _group(len(order.users))
    return config


def _subscriptions(order: Order) -> dict[str, Any]:
    """Who is recorded. A list for a track that is not wanted would be refused."""
    if len(order.users) > _MOST_LISTED:
        said = f"{len(order.users)} users are named, and Agora takes {_MOST_LISTED}"
        raise BadCallError(VENDOR, "start", said, "Name none to record all, and leave others out by `more`.")
    listed = {"subscribeAudioUids": order.tracks != "video", "subscribeVideoUids": order.tracks != "audio"}
    return {name: list(order.users) for name, is_wanted in listed.items() if is_wanted}


def _group(users: int) -> int:
    """The largest where it is not known how many will come: who is above it would not be recorded."""
    return next((group for most, group in _GROUPS if 0 < users <= most), _GROUPS[-1][1])


def _page_service(order: Order) -> dict[str, Any]:
    if not order.page:
        raise BadCallError(VENDOR, "start", "mode web needs a page", "Give the URL of the page that is recorded.")
    service = {"serviceName": "web_recorder_service", "errorHandlePolicy": "error_abort"}
    return {
        "errorHandlePolicy": "error_abort",
        "extensionServices": [{**service, "serviceParam": {"url": order.page, **_PAGE}}],
    }

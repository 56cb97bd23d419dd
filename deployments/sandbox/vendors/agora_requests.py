"""What a request to Agora says, and the codes for what is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, cast

from deployments.sandbox.clouds.messages import Request
from deployments.sandbox.packets import TrackType
from deployments.sandbox.vendors.agora_recording import ALL_STREAMS, AgoraOrder, Mode
from deployments.sandbox.vendors.answering import json_answer, json_object

STATUSES: Final[Mapping[int, int]] = MappingProxyType(
    {
        2: 400,
        7: 201,
        15: 500,
        49: 400,
        50: 206,
        53: 400,
        62: 504,
        65: 206,
        404: 404,
        432: 400,
        433: 400,
        435: 206,
        500: 500,
        501: 500,
    }
)
"""The HTTP status of each code; that of 50 and of 501 is not documented: a guess. Any other goes with 400."""
_KINDS: Final[Mapping[int, tuple[TrackType, ...]]] = {0: ("audio",), 1: ("video",), 2: ("audio", "video")}
_MODES: Final = ("individual", "mix", "web")


class AgoraError(Exception):
    """A request is answered with this code."""

    def __init__(self, code: int, reason: str = "", **fields: object) -> None:
        super().__init__(f"{code}: {reason}")
        said = {"reason": reason} if reason else {}
        self.answer = json_answer(STATUSES.get(code, 400), {**fields, "code": code, **said})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request whose shape is right."""

    rid: str
    sid: str
    mode: str
    cname: str
    uid: str
    client: Mapping[str, Any]


def asked_in(request: Request, found: re.Match[str]) -> Asked:
    """The body's own fields; AgoraError 2."""
    document = json_object(request)
    if document is None:
        raise AgoraError(2, "the body is not a JSON object")
    cname, uid = document.get("cname"), document.get("uid")
    if not isinstance(cname, str) or not cname:
        raise AgoraError(2, "cname must be a string")
    if not isinstance(uid, str) or not (uid.isascii() and uid.isdecimal()):
        raise AgoraError(2, "uid must be a string of digits")
    return Asked(
        rid=found["rid"] or "",
        sid=found["sid"] or "",
        mode=found["mode"] or "",
        cname=cname,
        uid=uid,
        client=mapping(document, "clientRequest"),
    )


def mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in it; AgoraError 2."""
    value = document.get(name)
    if not isinstance(value, Mapping):
        raise AgoraError(2, f"{name} must be an object")
    return value


def ordered(asked: Asked) -> AgoraOrder:
    """What the start request orders; AgoraError 2."""
    if asked.mode not in _MODES:
        raise AgoraError(2, "invalid mode")
    mode = cast("Mode", asked.mode)
    service = "extensionServiceConfig" if mode == "web" else "recordingConfig"
    if service not in asked.client or "snapshotConfig" in asked.client:
        # The sandbox takes no snapshots.
        raise AgoraError(2, "services not selected!")
    config = mapping(asked.client, service)
    if mode == "individual" and not isinstance(config.get("subscribeUidGroup"), int):
        raise AgoraError(2, "subscribeUidGroup must be given")
    types = config.get("streamTypes", 2)
    if types not in _KINDS or isinstance(types, bool):
        raise AgoraError(2, "invalid streamTypes")
    return AgoraOrder(
        mode=mode,
        cname=asked.cname,
        uid=asked.uid,
        resource_id=asked.rid,
        kinds=_KINDS[types],
        hears=_uids(config, "subscribeAudioUids"),
        sees=_uids(config, "subscribeVideoUids"),
        is_on_hold=mode == "web" and _begins_on_hold(config),
        has_mp4=_has_mp4(asked.client, mode),
    )


def _begins_on_hold(config: Mapping[str, Any]) -> bool:
    services = config.get("extensionServices")
    if not isinstance(services, list) or not services:
        raise AgoraError(2, "services not selected!")
    params = [one.get("serviceParam") for one in services if isinstance(one, Mapping)]
    return any(isinstance(one, Mapping) and one.get("onhold") is True for one in params)


def _has_mp4(client: Mapping[str, Any], mode: Mode) -> bool:
    files = client.get("recordingFileConfig", {})
    types = files.get("avFileType", ["hls"]) if isinstance(files, Mapping) else None
    if types not in (["hls"], ["hls", "mp4"]) or (mode == "individual" and types != ["hls"]):
        raise AgoraError(2, "invalid avFileType")
    return "mp4" in types


def _uids(config: Mapping[str, Any], name: str) -> frozenset[str] | None:
    uids = config.get(name)
    if uids is None or uids == [ALL_STREAMS]:
        return None
    if not isinstance(uids, list) or not all(isinstance(uid, str) for uid in uids):
        raise AgoraError(2, f"{name} must be an array of strings")
    return frozenset(uids)


def max_idle_s(client: Mapping[str, Any]) -> int:
    """After how long an empty room ends it; AgoraError 2."""
    config = client.get("recordingConfig", {})
    idle_s = config.get("maxIdleTime", 30)
    if isinstance(idle_s, bool) or not isinstance(idle_s, int) or not 5 <= idle_s <= 2_592_000:
        raise AgoraError(2, "maxIdleTime must be between 5 and 2592000")
    return idle_s

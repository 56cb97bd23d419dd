"""Agora's REST API (`cloud-recording/rest-api`): acquire, start, query, update, updateLayout, stop."""

import base64
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, cast

from deployments.sandbox.clouds.messages import Answer, Request
from deployments.sandbox.packets import TrackType
from deployments.sandbox.vendors.accounts import Limits, VendorAccount
from deployments.sandbox.vendors.agora_recording import ALL_STREAMS, AgoraOrder, AgoraRecording, Mode
from deployments.sandbox.vendors.answering import Api, Rate, json_answer, json_object
from deployments.sandbox.vendors.recorder import Order, Studio
from deployments.sandbox.vendors.recordings import Recordings
from deployments.sandbox.vendors.stores import WrongStore, agora_store
from deployments.sandbox.webhook_requests import unix_ms

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
        501: 500,
    }
)
"""The HTTP status of each code; that of 50 and of 501 is not documented: a guess. Any other goes with 400."""
SYNC_STOP_S: Final = 20
_PATH: Final = re.compile(
    r"/v1/apps/(?P<app>[^/]+)/cloud_recording/(?:(?P<acquire>acquire)|resourceid/(?P<rid>[^/]+)"
    r"(?:/sid/(?P<sid>[^/]+))?/mode/(?P<mode>[^/]+)/(?P<call>start|query|update|updateLayout|stop))"
)
_KINDS: Final[Mapping[int, tuple[TrackType, ...]]] = {0: ("audio",), 1: ("video",), 2: ("audio", "video")}
_MODES: Final = ("individual", "mix", "web")


class AgoraError(Exception):
    """A request is answered with this code."""

    def __init__(self, code: int, reason: str = "", **fields: object) -> None:
        super().__init__(f"{code}: {reason}")
        said = {"reason": reason} if reason else {}
        self.answer = json_answer(STATUSES.get(code, 400), {**fields, "code": code, **said})


@dataclass(slots=True, kw_only=True)
class _Resource:
    cname: str
    uid: str
    made_at: float
    start_parameter: object
    sid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A request whose shape is right."""

    rid: str
    sid: str
    mode: str
    cname: str
    uid: str
    client: Mapping[str, Any]


class AgoraApi(Api):
    """One project of Agora's. `resource_s` is how long a resourceId can start a recording.

    `linger_s` is for how many real seconds after its end a recording still answers a stop, with code 49.
    """

    def __init__(
        self, studio: Studio, account: VendorAccount, secret: str, limits: Limits, *, resource_s: float, linger_s: float
    ) -> None:
        super().__init__()
        self.recordings = Recordings[AgoraRecording]()
        self._studio = studio
        self._account = account
        self._secret = secret
        self._limit = limits.agora
        self._resource_s = resource_s
        self._linger_s = linger_s
        self._rate = Rate()
        self._resources: dict[str, _Resource] = {}

    def answer(self, request: Request) -> Answer:
        """Whatever the request is."""
        found = _PATH.fullmatch(request.path)
        if found is None:
            return json_answer(HTTPStatus.NOT_FOUND, {"message": "no Route matched with those values"})
        if not self._is_known(request, found["app"]):
            return json_answer(HTTPStatus.UNAUTHORIZED, {"message": "Invalid authentication credentials"})
        if self._rate.is_exceeded(found["app"], self._limit):
            return json_answer(HTTPStatus.TOO_MANY_REQUESTS, {"message": "API rate limit exceeded"})
        call = found["acquire"] or found["call"]
        method = "GET" if call == "query" else "POST"
        needs_sid = call not in {"acquire", "start"}
        if request.method != method or needs_sid != (found["sid"] is not None):
            return json_answer(HTTPStatus.NOT_FOUND, {"message": "no Route matched with those values"})
        try:
            return self._carry_out(call, request, found)
        except AgoraError as error:
            return error.answer

    def _is_known(self, request: Request, app: str) -> bool:
        pair = f"{self._account.key_id}:{self._account.secret}".encode()
        expected = b"Basic " + base64.b64encode(pair)
        return app == self._account.app and hmac.compare_digest(expected, request.header("authorization").encode())

    def _carry_out(self, call: str, request: Request, found: re.Match[str]) -> Answer:
        code = self.scripted(call)
        if code is not None:
            ids = {"resourceId": found["rid"] or "", "sid": found["sid"] or ""}
            raise AgoraError(code, **ids)
        if call == "query":
            return self._query(found["rid"], found["sid"], found["mode"])
        asked = _asked(request, found)
        calls = {
            "acquire": self._acquire,
            "start": self._start,
            "update": self._update,
            "updateLayout": self._update_layout,
            "stop": self._stop,
        }
        return calls[call](asked)

    def _acquire(self, asked: _Asked) -> Answer:
        scene = asked.client.get("scene", 0)
        if scene not in {0, 1, 2}:
            raise AgoraError(2, "invalid scene")
        rid = secrets.token_urlsafe(180)
        now = time.monotonic()
        with self._lock:
            self._resources = {
                key: one for key, one in self._resources.items() if one.sid or now - one.made_at <= 2 * self._resource_s
            }
            self._resources[rid] = _Resource(
                cname=asked.cname, uid=asked.uid, made_at=now, start_parameter=asked.client.get("startParameter")
            )
        return json_answer(200, {"resourceId": rid})

    def _start(self, asked: _Asked) -> Answer:
        sid = secrets.token_hex(16)
        order = _ordered(asked)
        with self._lock:
            self._claim(asked, sid)
        try:
            base = Order(
                vendor="agora",
                task_id=sid,
                room=asked.cname,
                store=agora_store(_mapping(asked.client, "storageConfig")),
                max_idle_s=_max_idle_s(asked.client),
            )
        except WrongStore as error:
            self._resources[asked.rid].sid = ""
            raise AgoraError(2, str(error)) from None
        recording = AgoraRecording(self._studio, base, order, self._secret)
        self.recordings.add(recording)
        recording.start()
        return json_answer(200, {"cname": asked.cname, "uid": asked.uid, "resourceId": asked.rid, "sid": sid})

    def _claim(self, asked: _Asked, sid: str) -> None:
        """The resource for this recording; AgoraError where it is not for it. Holds the lock."""
        empty = {"resourceId": asked.rid, "sid": ""}
        resource = self._resources.get(asked.rid)
        if resource is None:
            raise AgoraError(2, "invalid resourceId", **empty)
        if (resource.cname, resource.uid) != (asked.cname, asked.uid):
            raise AgoraError(432, "cname or uid differs from acquire", **empty)
        if resource.start_parameter not in (None, asked.client):
            raise AgoraError(2, "request_hash mismatch!")
        if resource.sid:
            recording = self.recordings.find(resource.sid)
            raise AgoraError(7 if recording and recording.is_running else 433, **empty)
        if time.monotonic() - resource.made_at > self._resource_s:
            raise AgoraError(433, "resource expired", **empty)
        if any(
            one.is_running and (one.agora.cname, one.agora.uid) == (asked.cname, asked.uid)
            for one in self.recordings.all()
        ):
            raise AgoraError(53, "the same task exists", **empty)
        resource.sid = sid

    def _alive(self, rid: str, sid: str, mode: str) -> AgoraRecording:
        """The recording that a worker answers for; AgoraError 404 where there is none, or none just now."""
        recording = self.recordings.find(sid)
        known = recording is not None and (recording.agora.resource_id, recording.agora.mode) == (rid, mode)
        if recording is None or not known:
            raise AgoraError(404, "failed to find worker", cname="", uid="")
        # After its end a recording still answers for a while, though only to say that it is ending.
        gone = recording.finished.is_set() and time.monotonic() - recording.left_at > self._linger_s
        if gone or recording.ended_by == "refused" or (recording.is_running and recording.is_lost):
            raise AgoraError(404, "failed to find worker", cname=recording.agora.cname, uid=recording.agora.uid)
        return recording

    def _query(self, rid: str, sid: str, mode: str) -> Answer:
        recording = self._alive(rid, sid, mode)
        if recording.finished.is_set():
            raise AgoraError(404, "failed to find worker", cname=recording.agora.cname, uid=recording.agora.uid)
        if not recording.is_running:
            raise AgoraError(501, "service exiting", **_ids(recording))
        status = 5 if any(file.is_listed for file in recording.files) else 4
        said = {"status": status, **_listed(recording)}
        return json_answer(200, {**_ids(recording), "serverResponse": said})

    def _stop(self, asked: _Asked) -> Answer:
        recording = self._alive(asked.rid, asked.sid, asked.mode)
        if (recording.agora.cname, recording.agora.uid) != (asked.cname, asked.uid):
            raise AgoraError(404, "failed to find worker", cname=asked.cname, uid=asked.uid)
        if not recording.is_running:
            raise AgoraError(49, **_ids(recording), serverResponse=_failed_stop(recording))
        recording.stop()
        if asked.client.get("async_stop") is True:
            return json_answer(200, {**_ids(recording), "serverResponse": _stopped(recording, "unknown")})
        if not recording.finished.wait(SYNC_STOP_S):
            raise AgoraError(50, **_ids(recording))
        if not recording.files:
            raise AgoraError(435, "no recorded data", **_ids(recording))
        uploading = "backuped" if recording.in_backup else "uploaded"
        return json_answer(200, {**_ids(recording), "serverResponse": _stopped(recording, uploading)})

    def _update(self, asked: _Asked) -> Answer:
        recording = self._running(asked)
        web = asked.client.get("webRecordingConfig")
        if isinstance(web, Mapping) and isinstance(web.get("onhold"), bool):
            if recording.agora.mode != "web":
                raise AgoraError(2, "onhold is for web recordings")
            recording.pause(on=web["onhold"])
        return json_answer(200, {**_ids(recording), "serverResponse": {}})

    def _update_layout(self, asked: _Asked) -> Answer:
        recording = self._running(asked)
        if recording.agora.mode != "mix":
            raise AgoraError(2, "updateLayout is for mix recordings")
        return json_answer(200, {**_ids(recording), "serverResponse": {}})

    def _running(self, asked: _Asked) -> AgoraRecording:
        recording = self._alive(asked.rid, asked.sid, asked.mode)
        if not recording.is_running:
            raise AgoraError(404, "failed to find worker", cname=asked.cname, uid=asked.uid)
        return recording


def _asked(request: Request, found: re.Match[str]) -> _Asked:
    """The body's own fields; AgoraError 2."""
    document = json_object(request)
    if document is None:
        raise AgoraError(2, "the body is not a JSON object")
    cname, uid = document.get("cname"), document.get("uid")
    if not isinstance(cname, str) or not cname:
        raise AgoraError(2, "cname must be a string")
    if not isinstance(uid, str) or not (uid.isascii() and uid.isdecimal()):
        raise AgoraError(2, "uid must be a string of digits")
    return _Asked(
        rid=found["rid"] or "",
        sid=found["sid"] or "",
        mode=found["mode"] or "",
        cname=cname,
        uid=uid,
        client=_mapping(document, "clientRequest"),
    )


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    if not isinstance(value, Mapping):
        raise AgoraError(2, f"{name} must be an object")
    return value


def _ordered(asked: _Asked) -> AgoraOrder:
    """What the start request orders; AgoraError 2."""
    if asked.mode not in _MODES:
        raise AgoraError(2, "invalid mode")
    mode = cast("Mode", asked.mode)
    service = "extensionServiceConfig" if mode == "web" else "recordingConfig"
    if service not in asked.client or "snapshotConfig" in asked.client:
        # The sandbox takes no snapshots.
        raise AgoraError(2, "services not selected!")
    config = _mapping(asked.client, service)
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
        hls_only=_hls_only(asked.client),
    )


def _begins_on_hold(config: Mapping[str, Any]) -> bool:
    services = config.get("extensionServices")
    if not isinstance(services, list) or not services:
        raise AgoraError(2, "services not selected!")
    params = [one.get("serviceParam") for one in services if isinstance(one, Mapping)]
    return any(isinstance(one, Mapping) and one.get("onhold") is True for one in params)


def _hls_only(client: Mapping[str, Any]) -> bool:
    files = client.get("recordingFileConfig", {})
    types = files.get("avFileType", ["hls"]) if isinstance(files, Mapping) else None
    if types not in (["hls"], ["hls", "mp4"]):
        raise AgoraError(2, "invalid avFileType")
    if types != ["hls"]:
        raise AgoraError(2, "the sandbox records hls only: avFileType must be ['hls']")
    return True


def _uids(config: Mapping[str, Any], name: str) -> frozenset[str] | None:
    uids = config.get(name)
    if uids is None or uids == [ALL_STREAMS]:
        return None
    if not isinstance(uids, list) or not all(isinstance(uid, str) for uid in uids):
        raise AgoraError(2, f"{name} must be an array of strings")
    return frozenset(uids)


def _max_idle_s(client: Mapping[str, Any]) -> int:
    config = client.get("recordingConfig", {})
    idle_s = config.get("maxIdleTime", 30)
    if isinstance(idle_s, bool) or not isinstance(idle_s, int) or not 5 <= idle_s <= 2_592_000:
        raise AgoraError(2, "maxIdleTime must be between 5 and 2592000")
    return idle_s


def _ids(recording: AgoraRecording) -> dict[str, str]:
    about = recording.agora
    return {
        "cname": about.cname,
        "uid": about.uid,
        "resourceId": about.resource_id,
        "sid": recording.order.task_id,
    }


def _listed(recording: AgoraRecording) -> dict[str, Any]:
    """The files, in the form of this mode."""
    files = recording.listed_files()
    if recording.agora.mode == "web":
        state = "inProgress" if recording.is_running else "exit"
        payload = {
            "fileList": [recording.web_entry(file) for file in files],
            "onhold": recording.is_paused,
            "state": state,
        }
        return {"extensionServiceState": [{"serviceName": "web_recorder_service", "payload": payload}]}
    began = {"sliceStartTime": unix_ms(files[0].begins_at)} if files else {}
    if recording.is_mixed and recording.agora.hls_only:
        return {"fileListMode": "string", "fileList": files[0].key if files else "", **began}
    return {"fileListMode": "json", "fileList": recording.file_list(prefix=recording.order.store.prefix), **began}


def _stopped(recording: AgoraRecording, uploading: str) -> dict[str, Any]:
    listed = _listed(recording)
    if recording.agora.mode == "web":
        upload = {"serviceName": "upload_service", "payload": {"uploadingStatus": uploading}}
        return {"extensionServiceState": [*listed["extensionServiceState"], upload]}
    listed.pop("sliceStartTime", None)
    if uploading == "backuped":
        # As seen: no name is given of what is in the backup store.
        listed = {"fileListMode": "json", "fileList": []}
    return {**listed, "uploadingStatus": uploading}


def _failed_stop(recording: AgoraRecording) -> dict[str, Any]:
    """What comes with code 49, undocumented but seen."""
    files = recording.listed_files()
    return {
        "backuped": 0,
        "fileListMode": "string",
        "fileListStr": files[0].key if files else "",
        "gwWorkerVersion": 1,
        "inProgressBitmask": 1,
        "output": {},
        "payload": {"message": "Failed"},
        "selectionBitmask": 1,
        "subscribeModeBitmask": 1,
    }

"""Agora's REST API (`cloud-recording/rest-api`): acquire, start, query, update, updateLayout, stop."""

import base64
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from deployments.sandbox.clouds.messages import Answer, Request
from deployments.sandbox.vendors.accounts import Limits, VendorAccount
from deployments.sandbox.vendors.agora_recording import AgoraRecording
from deployments.sandbox.vendors.agora_requests import AgoraError, Asked, asked_in, mapping, max_idle_s, ordered
from deployments.sandbox.vendors.answering import Api, Rate, json_answer
from deployments.sandbox.vendors.recorder import Order, Studio
from deployments.sandbox.vendors.recordings import Recordings
from deployments.sandbox.vendors.stores import WrongStore, agora_store
from deployments.sandbox.webhook_requests import unix_ms

SYNC_STOP_S: Final = 20
_PATH: Final = re.compile(
    r"/v1/apps/(?P<app>[^/]+)/cloud_recording/(?:(?P<acquire>acquire)|resourceid/(?P<rid>[^/]+)"
    r"(?:/sid/(?P<sid>[^/]+))?/mode/(?P<mode>[^/]+)/(?P<call>start|query|update|updateLayout|stop))"
)


@dataclass(slots=True, kw_only=True)
class _Resource:
    cname: str
    uid: str
    made_at: float
    start_parameter: object
    sid: str = ""


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
        asked = asked_in(request, found)
        calls = {
            "acquire": self._acquire,
            "start": self._start,
            "update": self._update,
            "updateLayout": self._update_layout,
            "stop": self._stop,
        }
        return calls[call](asked)

    def _acquire(self, asked: Asked) -> Answer:
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

    def _start(self, asked: Asked) -> Answer:
        sid = secrets.token_hex(16)
        order = ordered(asked)
        with self._lock:
            self._claim(asked, sid)
        try:
            base = Order(
                vendor="agora",
                task_id=sid,
                room=asked.cname,
                store=agora_store(mapping(asked.client, "storageConfig")),
                max_idle_s=max_idle_s(asked.client),
            )
        except WrongStore as error:
            self._resources[asked.rid].sid = ""
            raise AgoraError(2, str(error)) from None
        recording = AgoraRecording(self._studio, base, order, self._secret)
        self.recordings.add(recording)
        recording.start()
        return json_answer(200, {"cname": asked.cname, "uid": asked.uid, "resourceId": asked.rid, "sid": sid})

    def _claim(self, asked: Asked, sid: str) -> None:
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
        if self.recordings.is_full:
            raise AgoraError(500, "no recorder is free", **empty)
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

    def _stop(self, asked: Asked) -> Answer:
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

    def _update(self, asked: Asked) -> Answer:
        recording = self._running(asked)
        web = asked.client.get("webRecordingConfig")
        if isinstance(web, Mapping) and isinstance(web.get("onhold"), bool):
            if recording.agora.mode != "web":
                raise AgoraError(2, "onhold is for web recordings")
            recording.pause(on=web["onhold"])
        return json_answer(200, {**_ids(recording), "serverResponse": {}})

    def _update_layout(self, asked: Asked) -> Answer:
        recording = self._running(asked)
        if recording.agora.mode != "mix":
            raise AgoraError(2, "updateLayout is for mix recordings")
        return json_answer(200, {**_ids(recording), "serverResponse": {}})

    def _running(self, asked: Asked) -> AgoraRecording:
        recording = self._alive(asked.rid, asked.sid, asked.mode)
        if not recording.is_running:
            raise AgoraError(404, "failed to find worker", cname=asked.cname, uid=asked.uid)
        return recording


def _ids(recording: AgoraRecording) -> dict[str, str]:
    about = recording.agora
    return {
        "cname": about.cname,
        "uid": about.uid,
        "resourceId": about.resource_id,
        "sid": recording.order.task_id,
    }


def _listed(recording: AgoraRecording, *, with_mp4: bool = False) -> dict[str, Any]:
    """The files, in the form of this mode; MP4s are there at the end only."""
    files = recording.listed_files()
    if recording.agora.mode == "web":
        state = "inProgress" if recording.is_running else "exit"
        payload = {
            "fileList": recording.web_list(with_mp4=with_mp4),
            "onhold": recording.is_paused,
            "state": state,
        }
        return {"extensionServiceState": [{"serviceName": "web_recorder_service", "payload": payload}]}
    began = {"sliceStartTime": unix_ms(files[0].begins_at)} if files else {}
    if recording.is_mixed and not recording.agora.has_mp4:
        return {"fileListMode": "string", "fileList": files[0].key if files else "", **began}
    prefix = recording.order.store.prefix
    return {"fileListMode": "json", "fileList": recording.file_list(prefix, with_mp4=with_mp4), **began}


def _stopped(recording: AgoraRecording, uploading: str) -> dict[str, Any]:
    listed = _listed(recording, with_mp4=True)
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

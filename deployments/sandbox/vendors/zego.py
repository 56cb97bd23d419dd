"""ZEGOCLOUD's server API, version 2 (`server/api-overview`): one path, an Action in the query, answers with a Code."""

import base64
import hashlib
import hmac
import itertools
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from deployments.sandbox.clouds.messages import Answer, Request, whole_number
from deployments.sandbox.vendors.accounts import Limits, VendorAccount
from deployments.sandbox.vendors.answering import Api, Rate, json_answer, json_object
from deployments.sandbox.vendors.recorder import MAX_RECORD_S, Order, Studio
from deployments.sandbox.vendors.recordings import Recordings
from deployments.sandbox.vendors.stores import Store, WrongStore, zego_store
from deployments.sandbox.vendors.zego_recording import KINDS, MIXED, SINGLE, ZegoOrder, ZegoRecording
from deployments.sandbox.webhook_requests import unix_ms

SIGNATURE_EXPIRED, SIGNATURE_WRONG = 100000004, 100000005
NOT_ENABLED, TOO_FAST, BAD_PARAMETER, TOO_MANY = 300000002, 300000003, 300000004, 300000006
NO_TASK, TASK_ENDED, NOT_PAUSED, SYSTEM_ERROR = 300001000, 300001001, 300001004, 300010000
CLOCK_S: Final = 600
WINDOW: Final = timedelta(days=3)


class ZegoError(Exception):
    """A request is answered with this Code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class ZegoApi(Api):
    """One project of ZEGO's. What the customer's store does not take goes to the bucket `backup_bucket`."""

    def __init__(
        self,
        studio: Studio,
        account: VendorAccount,
        secret: str,
        limits: Limits,
        *,
        backup_bucket: str,
        backup_url: str,
    ) -> None:
        super().__init__()
        self.recordings = Recordings[ZegoRecording]()
        self._studio = studio
        self._account = account
        self._secret = secret
        self._limits = limits
        self._backup = {"backup_bucket": backup_bucket, "backup_url": backup_url}
        self._rate = Rate()
        self._ids = itertools.count(1)
        self._actions: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any] | None]] = {
            "StartRecord": self._start,
            "StopRecord": self._stop,
            "PauseRecord": self._pause,
            "ResumeRecord": self._resume,
            "UpdateLayout": self._update_layout,
            "UpdateWhiteboard": self._update,
            "DescribeRecordStatus": self._describe,
            "DescribeTasks": self._describe_tasks,
        }

    def answer(self, request: Request) -> Answer:
        """Whatever the request is: always with HTTP 200."""
        said: dict[str, Any] = {"RequestId": secrets.token_hex(8)}
        try:
            data = self._carry_out(request)
        except ZegoError as error:
            return json_answer(200, {"Code": error.code, "Message": error.message, **said})
        data_said = {} if data is None else {"Data": data}
        return json_answer(200, {"Code": 0, "Message": "succeed", **said, **data_said})

    def _carry_out(self, request: Request) -> Mapping[str, Any] | None:
        query = request.query
        self._check_signature(query)
        action = query.get("Action", "")
        if action not in self._actions:
            raise ZegoError(BAD_PARAMETER, f"unknown Action {action!r}")
        if request.method != "POST" or request.path != "/":
            raise ZegoError(BAD_PARAMETER, "recording actions are POST requests to /")
        fast = action in {"StartRecord", "StopRecord"}
        if self._rate.is_exceeded(action, self._limits.zego_start_stop if fast else self._limits.zego):
            raise ZegoError(TOO_FAST, "too many requests in a second")
        code = self.scripted(action)
        if code is not None:
            raise ZegoError(code, "scripted")
        body = json_object(request)
        if body is None:
            raise ZegoError(BAD_PARAMETER, "the body is not a JSON object")
        return self._actions[action](body)

    def _check_signature(self, query: Mapping[str, str]) -> None:
        app, nonce, timestamp = (query.get(name, "") for name in ("AppId", "SignatureNonce", "Timestamp"))
        if app != self._account.app:
            raise ZegoError(NOT_ENABLED, "the service is not enabled for this AppId")
        seconds = whole_number(timestamp, digits=12)
        if seconds is None or not nonce or query.get("SignatureVersion") != "2.0":
            raise ZegoError(SIGNATURE_WRONG, "signature parameters are missing or wrong")
        signed = f"{app}{nonce}{self._account.secret}{timestamp}".encode()
        expected = hashlib.md5(signed, usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(expected.encode(), query.get("Signature", "").encode()):
            raise ZegoError(SIGNATURE_WRONG, "signature wrong")
        if abs(time.time() - seconds) > CLOCK_S:
            raise ZegoError(SIGNATURE_EXPIRED, "signature expired")

    def _start(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        params = _mapping(body, "RecordInputParams")
        client_id = _text(params, "ClientTaskId", "")
        output = _mapping(body, "RecordOutputParams", optional=True)
        room = _text(body, "RoomId")
        try:
            store = zego_store(_mapping(body, "StorageParams"), _text(output, "OutputFolder", ""))
        except WrongStore as error:
            raise ZegoError(BAD_PARAMETER, str(error)) from None
        zego_order = self._ordered(params, output, store, client_id)
        order = Order(
            vendor="zego",
            task_id=self._task_id(),
            room=room,
            store=store,
            max_idle_s=_number(params, "MaxIdleTime", 30, 5, 86_400),
            max_record_s=_number(params, "MaxRecordTime", MAX_RECORD_S, 300, MAX_RECORD_S),
            slice_s=_number(output, "FragmentSeconds", 0, 2, 60) or None,
            callback_url=_text(output, "CallbackUrl", "") or None,
        )
        with self._lock:
            known = next(
                (one for one in self.recordings.all() if client_id and one.zego.client_task_id == client_id), None
            )
            if known is not None:
                return {"TaskId": known.order.task_id}
            if self.recordings.is_full:
                raise ZegoError(TOO_MANY, "too many recordings are running")
            recording = ZegoRecording(self._studio, order, zego_order, self._secret)
            self.recordings.add(recording)
        recording.start()
        return {"TaskId": order.task_id}

    def _ordered(self, params: Mapping[str, Any], output: Mapping[str, Any], store: Store, client_id: str) -> ZegoOrder:
        mode = _number(params, "RecordMode", None, SINGLE, MIXED)
        if _text(output, "OutputFileFormat", "mp4") != "hls":
            raise ZegoError(BAD_PARAMETER, "the sandbox records hls only: OutputFileFormat must be hls")
        if _number(output, "OutputFileRule", 1, 1, 1) != 1:
            raise ZegoError(BAD_PARAMETER, "OutputFileRule must be 1")
        mix = _mapping(params, "MixConfig", optional=mode == SINGLE)
        return ZegoOrder(
            app_id=int(self._account.app),
            mode=mode,
            stream_type=_number(params, "StreamType", 3, min(KINDS), max(KINDS)),
            mixed_id=_text(mix, "MixOutputStreamId") if mode == MIXED else "",
            streams=_streams(params) if mode == SINGLE else None,
            fills_blank=_flag(params, "FillBlank") or _flag(params, "ResumeWithoutInterruption"),
            always_mixes=_flag(mix, "IsAlwaysMix"),
            realtime=_flag(output, "RealtimeUploadFragment"),
            short_path=_flag(output, "ShortFragmentPath"),
            has_whiteboard=_flag(params, "HasWhiteboard"),
            client_task_id=client_id,
            store_url=f"{self._studio.clouds.endpoint}/{store.bucket}",
            **self._backup,
        )

    def _task_id(self) -> str:
        """16 signs whose first bytes are the time, as all known ones are made."""
        count = next(self._ids).to_bytes(3, "big")
        raw = int(time.time()).to_bytes(4, "big") + b"\xe1\x38" + secrets.token_bytes(3) + count
        return base64.urlsafe_b64encode(raw).decode()

    def _task(self, body: Mapping[str, Any]) -> ZegoRecording:
        """The task that is asked for, if it began within three days; whether older ones are unknown is a guess."""
        recording = self.recordings.find(_text(body, "TaskId"))
        if recording is None or recording.started_at < datetime.now(UTC) - WINDOW:
            raise ZegoError(NO_TASK, "task not exist")
        return recording

    def _running(self, body: Mapping[str, Any]) -> ZegoRecording:
        recording = self._task(body)
        if not recording.is_running:
            raise ZegoError(TASK_ENDED, "task has ended")
        return recording

    def _mixed(self, body: Mapping[str, Any]) -> ZegoRecording:
        recording = self._running(body)
        if recording.zego.mode != MIXED:
            raise ZegoError(BAD_PARAMETER, "only for mixed recordings")
        return recording

    def _stop(self, body: Mapping[str, Any]) -> None:
        self._running(body).stop()

    def _pause(self, body: Mapping[str, Any]) -> None:
        recording = self._mixed(body)
        if not recording.is_paused:
            recording.pause(on=True)

    def _resume(self, body: Mapping[str, Any]) -> None:
        recording = self._mixed(body)
        if not recording.is_paused:
            raise ZegoError(NOT_PAUSED, "task is not paused")
        recording.pause(on=False)

    def _update_layout(self, body: Mapping[str, Any]) -> None:
        self._mixed(body)

    def _update(self, body: Mapping[str, Any]) -> None:
        self._running(body)

    def _describe(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        recording = self._task(body)
        files = [
            _spelled(recording.described(file, recording.file_status(file))) for file in recording.files if file.entries
        ]
        ended_ms = unix_ms(recording.ended_at) if recording.ended_at else 0
        return {
            "RoomId": recording.order.room,
            "RecordMode": recording.zego.mode,
            "StreamType": recording.zego.stream_type,
            "RecordBeginTimestamp": unix_ms(recording.started_at),
            "RecordEndTimestamp": ended_ms,
            "Status": recording.status,
            # Absent, not empty, where nobody published.
            **({"RecordFiles": files} if files else {}),
        }

    def _describe_tasks(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        status = _number(body, "Status", None, 2, 3)
        begin, end = (_moment(body, name) for name in ("StartTime", "EndTime"))
        # A minute's grace: a client computes "three days ago" a little before it is asked for.
        if begin < datetime.now(UTC) - WINDOW - timedelta(minutes=1) or not timedelta(0) <= end - begin <= WINDOW:
            raise ZegoError(BAD_PARAMETER, "StartTime must be within 3 days, and the span at most 3 days")
        room = _text(body, "RoomId", "")
        page = max(_number(body, "PageOffset", 1, 0, 1_000_000), 1)
        size = _number(body, "PageSize", 50, 1, 50)
        # Whether tasks that ended abnormally are among those that ended is not documented: here they are.
        running = status == 2
        found = [
            one
            for one in reversed(self.recordings.all())
            if one.is_running is running and begin <= one.started_at <= end and room in {"", one.order.room}
        ]
        return {
            "PageOffset": page,
            "PageSize": size,
            "TotalCount": len(found),
            "TaskidList": [
                {
                    "RecordBeginTimestamp": unix_ms(one.started_at),
                    "TaskId": one.order.task_id,
                    "RoomId": one.order.room,
                    "Status": one.status,
                }
                for one in found[(page - 1) * size : page * size]
            ],
        }


def _spelled(described: Mapping[str, Any]) -> dict[str, Any]:
    """`file_id` as `FileId`."""
    return {name.title().replace("_", ""): value for name, value in described.items()}


def _mapping(body: Mapping[str, Any], name: str, *, optional: bool = False) -> Mapping[str, Any]:
    value = body.get(name, {} if optional else None)
    if not isinstance(value, Mapping):
        raise ZegoError(BAD_PARAMETER, f"{name} must be an object")
    return value


def _text(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or (default is None and not value):
        raise ZegoError(BAD_PARAMETER, f"{name} must be a string")
    return value


def _number(body: Mapping[str, Any], name: str, default: int | None, least: int, most: int) -> int:
    value = body.get(name, default)
    if name not in body and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ZegoError(BAD_PARAMETER, f"{name} must be a number between {least} and {most}")
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise ZegoError(BAD_PARAMETER, f"{name} must be true or false")
    return value


def _streams(params: Mapping[str, Any]) -> frozenset[str] | None:
    """The ids in `RecordStreamList`; None, for all, where there are none."""
    listed = params.get("RecordStreamList") or []
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise ZegoError(BAD_PARAMETER, "RecordStreamList must be an array of objects")
    return frozenset(_text(one, "StreamId") for one in listed) or None


def _moment(body: Mapping[str, Any], name: str) -> datetime:
    """A time in Unix milliseconds."""
    return datetime.fromtimestamp(_number(body, name, None, 0, 1 << 42) / 1000, UTC)

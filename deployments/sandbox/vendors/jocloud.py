"""Jocloud's REST API (`cloud_recording/api`) and a recording of its.

Little of it can be read today. What could not is a guess: the rule of `Signature`, the codes, the bodies of stoprecord
and updatemixrecord, and the names of slices.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from deployments.sandbox.clouds.messages import Answer, Request, whole_number
from deployments.sandbox.playlists import numbered_text
from deployments.sandbox.vendors.accounts import Limits, VendorAccount
from deployments.sandbox.vendors.answering import Api, Rate, json_answer, json_object
from deployments.sandbox.vendors.feeds import Leg
from deployments.sandbox.vendors.files import Kinds, RecordedFile, Source
from deployments.sandbox.vendors.recorder import Order, Recording, Studio
from deployments.sandbox.vendors.recordings import Recordings
from deployments.sandbox.vendors.stores import Store
from deployments.sandbox.vendors.uploading import Manner
from deployments.sandbox.webhook_requests import jocloud, unix_ms

MIXED, SOURCE = 1, 2
KINDS: Final[Mapping[int, Kinds]] = {0: ("audio", "video"), 1: ("video",), 2: ("audio",)}
SIGNED: Final = "{app}{nonce}{secret}{timestamp}"
"""What `Signature` is the MD5 of, in lower-case hex: a guess after ZEGO's rule, for the page with it cannot be read."""
CLOCK_MS: Final = 600_000
# The codes are guesses; only 0 is documented.
UNAUTHORIZED, BAD_PARAMETER, BAD_RESOURCE, NO_RECORDING, TOO_FAST, NO_STORE, TOO_MANY = (
    401,
    400,
    1001,
    1002,
    429,
    1003,
    1004,
)
_PATH: Final = re.compile(r"/app/(?P<app>[^/]+)/v1/recordoss/(?P<method>\w+)")
_METHODS: Final = {"applyrecord": "GET", "startrecord": "POST", "updatemixrecord": "POST", "stoprecord": "POST"}


class JocloudError(Exception):
    """A request is answered with this code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class JocloudRecording(Recording):
    """One `recordid`. Slices come at once, a playlist when its file is complete."""

    manner = Manner(slices_live=True, playlists_live=False)
    fails_over = False

    def __init__(self, studio: Studio, order: Order, kinds: Kinds, secret: str, *, app_id: int, is_mixed: bool) -> None:
        super().__init__(studio, order)
        self._kinds = kinds
        self._secret = secret
        self._app_id = app_id
        self.is_mixed = is_mixed

    def sources(self, users: Sequence[str]) -> Iterable[Source]:
        """One where all are mixed, otherwise one of each user."""
        names = ["" for _ in users[:1]] if self.is_mixed else users
        return [Source(user=name, kinds=self._kinds) for name in names]

    def new_file(self, source: Source, leg: Leg, begin_s: float) -> RecordedFile:
        """No time is in its name, so there is one of each user, also of one who comes back."""
        user = f"__uid_s_{source.user}__uid_e" if source.user else ""
        return RecordedFile(
            index=len(self.files),
            source=source,
            leg=leg.index,
            started_at=self.started_at,
            begin_s=begin_s,
            base=f"rid_{self.order.task_id}_{self.order.room}{user}",
            prefix=self.order.store.prefix,
            write=lambda entries, ended: numbered_text(entries, ended=ended),
        )

    def on_finished(self) -> None:
        """One message of each playlist; none where nothing could be stored."""
        for file in self.files:
            if file.entries and not file.is_lost:
                self._say(file)

    def _say(self, file: RecordedFile) -> None:
        context = {
            "uid": [file.source.user or "0"],
            "filetype": "m3u8",
            "duration": file.duration_ms,
            "fileaddress": f"{self.studio.clouds.endpoint}/{self.order.store.bucket}/{file.key}",
            "starttime": unix_ms(file.begins_at),
        }
        posted = jocloud(
            "recordtask_m3u8_info",
            record_id=self.order.task_id,
            room=self.order.room,
            secret=self._secret,
            context=context,
            app_id=self._app_id,
            sent_at=datetime.now(UTC),
        )
        self.tell(lambda _: posted)


class JocloudApi(Api):
    """One project of Jocloud's. `store` is what its console was told: where recordings go."""

    def __init__(
        self, studio: Studio, account: VendorAccount, secret: str, limits: Limits, *, resource_s: float
    ) -> None:
        super().__init__()
        self.recordings = Recordings[JocloudRecording]()
        self.store: Store | None = None
        self._studio = studio
        self._account = account
        self._secret = secret
        self._limit = limits.jocloud_apply
        self._resource_s = resource_s
        self._rate = Rate()
        self._resources: dict[str, float] = {}

    def answer(self, request: Request) -> Answer:
        """Whatever the request is."""
        trace = {"traceId": request.query.get("traceId", "")}
        try:
            return json_answer(200, {"code": 0, "message": "success", **self._carry_out(request), **trace})
        except JocloudError as error:
            return json_answer(200, {"code": error.code, "message": error.message, **trace})

    def _carry_out(self, request: Request) -> Mapping[str, Any]:
        found = _PATH.fullmatch(request.path)
        if found is None or _METHODS.get(found["method"]) != request.method:
            raise JocloudError(BAD_PARAMETER, "no such method")
        if found["app"] != self._account.app or not self._is_known(request):
            raise JocloudError(UNAUTHORIZED, "authentication failed")
        code = self.scripted(found["method"])
        if code is not None:
            raise JocloudError(code, "scripted")
        if found["method"] == "applyrecord":
            return self._apply()
        body = json_object(request)
        if body is None:
            raise JocloudError(BAD_PARAMETER, "the body is not a JSON object")
        if str(body.get("appid")) != self._account.app:
            raise JocloudError(BAD_PARAMETER, "appid must be that of the path")
        if found["method"] == "startrecord":
            return self._start(body)
        recording = self._running(body)
        if found["method"] == "stoprecord":
            recording.stop()
        elif not recording.is_mixed:
            raise JocloudError(BAD_PARAMETER, "updatemixrecord is for mixed recordings")
        return {"recordid": recording.order.task_id}

    def _is_known(self, request: Request) -> bool:
        """Either of the two documented schemes."""
        if request.header("appid") != self._account.app:
            return False
        if request.header("token"):
            pair = f"{self._account.key_id}:{self._account.secret}".encode()
            return hmac.compare_digest(b"Basic " + base64.b64encode(pair), request.header("token").encode())
        stamp = whole_number(request.header("timestamp"), digits=15)
        if stamp is None or abs(time.time() * 1000 - stamp) > CLOCK_MS:
            return False
        signed = SIGNED.format(
            app=self._account.app,
            nonce=request.header("nonce"),
            secret=self._account.app_secret,
            timestamp=request.header("timestamp"),
        )
        expected = hashlib.md5(signed.encode(), usedforsecurity=False).hexdigest()
        return hmac.compare_digest(expected.encode(), request.header("signature").encode())

    def _apply(self) -> Mapping[str, Any]:
        if self._rate.is_exceeded("applyrecord", self._limit):
            raise JocloudError(TOO_FAST, "too many requests")
        resid = f"{secrets.token_hex(30)}-{secrets.token_hex(8)}"
        now = time.monotonic()
        with self._lock:
            self._resources = {one: made for one, made in self._resources.items() if now - made <= self._resource_s}
            self._resources[resid] = now
        return {"resid": resid}

    def _start(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        room, kinds = _text(body, "roomid"), KINDS.get(_number(body, "recordtype"))
        streams = _number(body, "streamtype")
        if kinds is None or streams not in {MIXED, SOURCE}:
            raise JocloudError(BAD_PARAMETER, "recordtype must be 0, 1 or 2, and streamtype 1 or 2")
        if self.store is None:
            raise JocloudError(NO_STORE, "no OSS bucket is set up")
        if self.recordings.is_full:
            raise JocloudError(TOO_MANY, "too many recordings are running")
        self._claim(_text(body, "resid"))
        order = Order(
            vendor="jocloud",
            task_id=secrets.token_hex(18)[:35],
            room=room,
            store=self.store,
            callback_url=_text(body, "callbackurl") if "callbackurl" in body else None,
        )
        app_id = int(self._account.app)
        recording = JocloudRecording(self._studio, order, kinds, self._secret, app_id=app_id, is_mixed=streams == MIXED)
        self.recordings.add(recording)
        recording.start()
        return {"recordid": order.task_id}

    def _claim(self, resid: str) -> None:
        with self._lock:
            made_at = self._resources.pop(resid, None)
        if made_at is None or time.monotonic() - made_at > self._resource_s:
            raise JocloudError(BAD_RESOURCE, "resid is unknown, used or expired")

    def _running(self, body: Mapping[str, Any]) -> JocloudRecording:
        recording = self.recordings.find(_text(body, "recordid"))
        if recording is None or not recording.is_running or recording.order.room != _text(body, "roomid"):
            raise JocloudError(NO_RECORDING, "no such recording is running")
        return recording


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise JocloudError(BAD_PARAMETER, f"{name} must be a string")
    return value


def _number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise JocloudError(BAD_PARAMETER, f"{name} must be a number")
    return value

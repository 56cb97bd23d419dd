"""Agora's recorders in the common vocabulary.

A recording is asked for by five ids (room, recorder's uid, resource, sid, mode), of which webhooks tell three: only
whoever began it can ask. After its end it is unknown for good; while it moves to another server, for up to 90 s.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from catalog.events import Word
from catalog.model import RecordingId
from vendors.agora.answers import Acquired, queried, stopped
from vendors.agora.api import AgoraApi
from vendors.agora.codes import FAILOVER_WAITS_S, NO_WORKER
from vendors.agora.names import VENDOR
from vendors.agora.requests import LARGEST_UID, MODES, about, acquire_body, check_uid, start_body
from vendors.calling import Rhythm
from vendors.recorder import (
    BadCallError,
    GoneError,
    Handle,
    NoSuchCallError,
    Order,
    Past,
    Status,
    VendorDownError,
)

_Answer = TypeVar("_Answer")


class AgoraRecorder:
    """See Recorder. `failover_waits_s` are the waits before it is believed that no recorder is found."""

    def __init__(
        self, api: AgoraApi, *, rhythm: Rhythm, failover_waits_s: tuple[float, ...] = FAILOVER_WAITS_S
    ) -> None:
        """Nothing is sent."""
        self._api = api
        self._rhythm = rhythm
        self._failover_waits_s = failover_waits_s

    @property
    def vendor(self) -> str:
        """The vendor's name."""
        return VENDOR

    def close(self) -> None:
        """Let the connections go."""
        self._api.close()

    def start(self, order: Order) -> Handle:
        """Acquire a resource and use it at once. Without `order.recorder` the recorder's uid is random."""
        uid, mode = order.recorder or str(1 + secrets.randbelow(LARGEST_UID)), MODES[order.mode]
        check_uid(uid)
        body = start_body(order, uid)
        hidden = (order.upload_key.secret, order.room_token or "")
        acquired = self._api.acquire(acquire_body(order, uid), hidden=hidden)
        resource_id = _resource(acquired)
        started = self._api.start(resource_id, mode, body, host=acquired.host, hidden=hidden)
        if started.sid is None:
            advice = "Look whether it records before you order again; webhooks tell its sid."
            raise VendorDownError(VENDOR, "start", "no recording began: the answer has no sid", advice)
        return Handle(
            recording=RecordingId(vendor=VENDOR, task_id=started.sid),
            room=order.room,
            host=started.host,
            details={"resource_id": resource_id, "uid": uid, "mode": mode},
        )

    def status(self, handle: Handle) -> Status:
        """How it is, while it lives; one that is not found after the waits may be over or moving: gone, and HEARD."""
        resource_id, _, mode = _ids(handle, "status")
        try:
            answer = self._patiently(
                lambda: self._api.query(resource_id, handle.recording.task_id, mode, host=handle.host)
            )
        except GoneError as error:
            return _gone(Word.HEARD, handle, error)
        return queried(answer)

    def layout(self, handle: Handle, layout: Mapping[str, Any]) -> None:
        """`clientRequest` of updateLayout: `mixedVideoLayout`, `layoutConfig` and so on. Mode mixed only."""
        resource_id, uid, mode = _ids(handle, "layout")
        if mode != MODES["mixed"]:
            raise BadCallError(VENDOR, "layout", f"mode {mode} has no layout", "Only mixed recordings can be arranged.")
        body = about(_room(handle, "layout"), uid, layout)
        task_id = handle.recording.task_id
        self._patiently(lambda: self._api.update_layout(resource_id, task_id, mode, body, host=handle.host))

    def update(self, handle: Handle, client_request: Mapping[str, Any]) -> None:
        """`clientRequest` of update: subscriptions, a page's `onhold`, a fresh STS token; in Agora's own words."""
        resource_id, uid, mode = _ids(handle, "update")
        body = about(_room(handle, "update"), uid, client_request)
        self._patiently(lambda: self._api.update(resource_id, handle.recording.task_id, mode, body, host=handle.host))

    def stop(self, handle: Handle) -> Status:
        """End it and wait for the upload, for about 20 s at most. Over already, and empty, are not errors.

        One that is not found is over, or moves to another server and goes on there, having heard of no stop: LEFT.
        """
        resource_id, uid, mode = _ids(handle, "stop")
        body = about(_room(handle, "stop"), uid, {"async_stop": False})
        try:
            answer = self._patiently(
                lambda: self._api.stop(resource_id, handle.recording.task_id, mode, body, host=handle.host)
            )
        except GoneError as error:
            return _gone(Word.LEFT if error.code == NO_WORKER else Word.ENDED, handle, error)
        return stopped(answer)

    def history(
        self,
        since: datetime,  # noqa: ARG002 - of no recording
        until: datetime,  # noqa: ARG002
        *,
        room: str | None = None,  # noqa: ARG002
    ) -> Iterator[Past]:
        """Raises NoSuchCallError."""
        advice = "List the bucket, or keep what starts and webhooks tell."
        raise NoSuchCallError(VENDOR, "history", "Agora lists no recordings", advice)

    def handle_of(self, recording: RecordingId, room: str | None) -> Handle | None:
        """None: webhooks do not tell the resource."""

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        """Ask again before it is believed that no recorder is found."""
        for wait_s in self._failover_waits_s:
            try:
                return ask()
            except GoneError as error:
                if error.code != NO_WORKER:
                    raise
            self._rhythm.sleep(wait_s)
        return ask()


def _resource(acquired: Acquired) -> str:
    if acquired.resource_id is None:
        raise VendorDownError(VENDOR, "acquire", "the answer has no resourceId", "Try again in a while.")
    return acquired.resource_id


def _gone(word: Word, handle: Handle, error: GoneError) -> Status:
    return Status(word=word, is_gone=True, room=handle.room, details={"code": error.code, "said": error.said})


def _ids(handle: Handle, call: str) -> tuple[str, str, str]:
    """The resource, the recorder's uid and the mode. Raises BadCallError for a handle that somebody else made."""
    known = tuple(handle.details.get(name, "") for name in ("resource_id", "uid", "mode"))
    if not all(known) or known[2] not in MODES.values():
        advice = "Only what was started from here can be asked for: webhooks do not tell the resource."
        raise BadCallError(VENDOR, call, "the resource, the uid or the mode of the recording is not known", advice)
    return known[0], known[1], known[2]


def _room(handle: Handle, call: str) -> str:
    if handle.room is None:
        raise BadCallError(VENDOR, call, "the room of the recording is not known", "Give it.")
    return handle.room

"""Jocloud's recorders in the common vocabulary.

They cannot be asked: what became of a recording shows in the bucket.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from catalog.events import Word
from catalog.model import RecordingId
from vendors.jocloud.api import JocloudApi
from vendors.jocloud.names import VENDOR
from vendors.jocloud.requests import about, start_body
from vendors.recorder import BadCallError, Handle, NoSuchCallError, Order, Past, Status, VendorDownError

_LOOK = "List the bucket: a recording is over when its playlist is there, or when nothing new comes for a while."


class JocloudRecorder:
    """See Recorder."""

    def __init__(self, api: JocloudApi) -> None:
        """Nothing is sent."""
        self._api = api

    @property
    def vendor(self) -> str:
        """The vendor's name."""
        return VENDOR

    def close(self) -> None:
        """Let the connections go."""
        self._api.close()

    def start(self, order: Order) -> Handle:
        """Apply for a resource and use it at once. Where the files go is no part of it: see `requests.start_body`."""
        start_body(self._api.app, "", order)  # what cannot be ordered is said before anything is asked for
        applied = self._api.apply_record()
        if applied.resource_id is None:
            raise VendorDownError(VENDOR, "applyrecord", "the answer has no resid", "Try again in a while.")
        body = start_body(self._api.app, applied.resource_id, order)
        hidden = (order.upload_key.secret, order.callback_url or "")
        started = self._api.start_record(body, host=applied.host, hidden=hidden)
        if started.record_id is None:
            advice = "Look whether it records before you order again."
            raise VendorDownError(VENDOR, "startrecord", "the answer has no recordid", advice)
        recording = RecordingId(vendor=VENDOR, task_id=started.record_id)
        return Handle(recording=recording, room=order.room, host=started.host)

    def status(self, handle: Handle) -> Status:  # noqa: ARG002 - of no recording
        """Raises NoSuchCallError."""
        raise NoSuchCallError(VENDOR, "status", "Jocloud cannot be asked how a recording is", _LOOK)

    def layout(self, handle: Handle, layout: Mapping[str, Any]) -> None:
        """The fields of updatemixrecord beside the ids, in Jocloud's own words."""
        body = about(self._api.app, _room(handle, "updatemixrecord"), handle.recording.task_id, layout)
        self._api.update_mix_record(body, host=handle.host)

    def stop(self, handle: Handle) -> Status:
        """End it. A refusal is taken for "over already" and told as trouble: which codes mean that is not known."""
        body = about(self._api.app, _room(handle, "stoprecord"), handle.recording.task_id)
        try:
            answer = self._api.stop_record(body, host=handle.host)
        except BadCallError as error:
            said = f"Jocloud refused the stop, so it had ended or goes on until the room is empty: {error.said}"
            return Status(word=Word.ENDED, room=handle.room, trouble=said, details={"code": error.code})
        details = {**answer.rest, "code": answer.code, "message": answer.message, "traceId": answer.trace_id}
        return Status(word=Word.ENDED, room=handle.room, details=details)

    def history(
        self,
        since: datetime,  # noqa: ARG002 - of no recording
        until: datetime,  # noqa: ARG002
        *,
        room: str | None = None,  # noqa: ARG002
    ) -> Iterator[Past]:
        """Raises NoSuchCallError."""
        raise NoSuchCallError(VENDOR, "history", "Jocloud lists no recordings", _LOOK)

    def handle_of(self, recording: RecordingId, room: str | None) -> Handle | None:
        """None: somebody else's recording can be stopped by them alone, as far as is documented."""


def _room(handle: Handle, call: str) -> str:
    if handle.room is None:
        raise BadCallError(VENDOR, call, "the room of the recording is not known", "Give it.")
    return handle.room

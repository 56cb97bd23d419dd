"""Jocloud's recorders in the common vocabulary.

They cannot be asked: what became of a recording shows in the bucket.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from catalog.events import Word
from catalog.model import RecordingId
from vendors.jocloud.answers import Answer
from vendors.jocloud.api import JocloudApi
from vendors.jocloud.names import VENDOR
from vendors.jocloud.requests import bodies_about, start_body
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
        details = {"resource_id": applied.resource_id}
        return Handle(recording=recording, room=order.room, host=started.host, details=details)

    def status(self, handle: Handle) -> Status:  # noqa: ARG002 - of no recording
        """Raises NoSuchCallError."""
        raise NoSuchCallError(VENDOR, "status", "Jocloud cannot be asked how a recording is", _LOOK)

    def layout(self, handle: Handle, layout: Mapping[str, Any]) -> None:
        """The fields of updatemixrecord beside the ids, in Jocloud's own words."""
        bodies = bodies_about(self._api.app, handle, "updatemixrecord", layout)
        _told(self._api.update_mix_record, bodies, handle.host)

    def stop(self, handle: Handle) -> Status:
        """End it. A refusal is taken for "over already" and told as trouble: which codes mean that is not known."""
        bodies = bodies_about(self._api.app, handle, "stoprecord")
        try:
            answer = _told(self._api.stop_record, bodies, handle.host)
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


def _told(call: Callable[..., Answer], bodies: Sequence[Mapping[str, Any]], host: str | None) -> Answer:
    """The answer to the first body that is not refused."""
    for body in bodies[:-1]:
        with suppress(BadCallError):
            return call(body, host=host)
    return call(bodies[-1], host=host)

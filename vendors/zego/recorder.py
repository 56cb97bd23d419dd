"""ZEGOCLOUD's recorders in the common vocabulary.

A task is asked for by its id alone, for three days from its start.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from catalog.events import Word
from catalog.model import RecordingId
from vendors.calling import Rhythm
from vendors.recorder import BadCallError, CallError, GoneError, Handle, Order, Past, Status, VendorDownError
from vendors.zego.answers import described, read_tasks
from vendors.zego.api import ZegoApi
from vendors.zego.codes import BAD_PARAMETER
from vendors.zego.names import VENDOR
from vendors.zego.requests import ENDED, RUNNING, clamped, start_body, tasks_body

_log = logging.getLogger(__name__)
_TASK_ID = re.compile("[0-9A-Za-z_-]{16}")
_MOST_PAGES, _MOST_PASSES = 10_000, 10


class ZegoRecorder:
    """See Recorder."""

    def __init__(self, api: ZegoApi, *, rhythm: Rhythm) -> None:
        """Nothing is sent."""
        self._api = api
        self._rhythm = rhythm

    @property
    def vendor(self) -> str:
        """The vendor's name."""
        return VENDOR

    def close(self) -> None:
        """Let the connections go."""
        self._api.close()

    def start(self, order: Order) -> Handle:
        """Begin to record slices, uploaded while it goes on. Orders with one `client_id` begin one task."""
        hidden = (order.upload_key.secret, order.callback_url or "")
        body, is_repeatable = start_body(order), bool(order.client_id)
        answer, host = self._api.start_record(body, is_repeatable=is_repeatable, hidden=hidden)
        if answer.task_id is None:
            advice = "Look whether it records before you order again."
            raise VendorDownError(VENDOR, "StartRecord", "the answer has no TaskId", advice)
        recording = RecordingId(vendor=VENDOR, task_id=answer.task_id)
        return Handle(recording=recording, room=order.room, host=host)

    def status(self, handle: Handle) -> Status:
        """How far the task and the upload of its files are; `is_gone` when it is unknown, or too old."""
        task_id = handle.recording.task_id
        try:
            answer = self._api.describe_record_status(task_id, host=handle.host)
        except GoneError as error:
            return _gone(Word.HEARD, handle, error)
        except BadCallError as error:
            # A well-formed id is the only parameter, so what is wrong with it can only be its age.
            if error.code != BAD_PARAMETER or not _TASK_ID.fullmatch(task_id):
                raise
            return _gone(Word.HEARD, handle, error)
        return described(answer.data)

    def layout(self, handle: Handle, layout: Mapping[str, Any]) -> None:
        """The fields of UpdateLayout beside TaskId: `MixMode`, `MixInputList` and so on."""
        self._api.update_layout(handle.recording.task_id, layout, host=handle.host)

    def whiteboard(self, handle: Handle, whiteboard_id: str) -> None:
        """Record another whiteboard."""
        self._api.update_whiteboard(handle.recording.task_id, whiteboard_id, host=handle.host)

    def pause(self, handle: Handle) -> None:
        """Record nothing for a while; mixed tasks only."""
        self._api.pause_record(handle.recording.task_id, host=handle.host)

    def resume(self, handle: Handle) -> None:
        """Go on; one that is not paused does."""
        self._api.resume_record(handle.recording.task_id, host=handle.host)

    def stop(self, handle: Handle) -> Status:
        """End it; the answer to that holds nothing, so its status is asked for too."""
        try:
            self._api.stop_record(handle.recording.task_id, host=handle.host)
        except GoneError as error:
            return _gone(Word.ENDED, handle, error)
        try:
            status = self.status(handle)
        except CallError as error:
            _log.warning("%s is stopped, its status is not known: %s", handle.recording.task_id, error)
            return Status(word=Word.ENDED, room=handle.room)
        return status if status.word.is_end else replace(status, word=Word.ENDED)

    def history(self, since: datetime, until: datetime, *, room: str | None = None) -> Iterator[Past]:
        """What began in this time, as far as it lies within the last three days; running tasks first."""
        now = datetime.fromtimestamp(self._rhythm.now(), UTC)
        window = clamped(since, until, now)
        if window is None or window[0] > since:
            first = "nothing" if window is None else f"from {window[0]:%Y-%m-%d %H:%M} UTC on"
            _log.warning("ZEGOCLOUD tells of the last three days only: %s of what was asked for is listed", first)
        seen: set[RecordingId] = set()
        for status in (RUNNING, ENDED) if window else ():
            for past in self._listed(status, *window, room=room):  # type: ignore[misc]
                if past.recording not in seen:
                    seen.add(past.recording)
                    yield past

    def handle_of(self, recording: RecordingId, room: str | None) -> Handle | None:
        """Its id is enough."""
        return Handle(recording=recording, room=room)

    def _listed(self, status: int, since: datetime, until: datetime, *, room: str | None) -> Iterator[Past]:
        """All pages, again until nothing is new: of a list that shrinks, tasks move to pages that were read before."""
        seen: set[RecordingId] = set()
        for _ in range(_MOST_PASSES):
            pages, before = 0, len(seen)
            for listed in self._pages(status, since, until, room=room):
                pages += 1
                fresh = [past for past in listed if past.recording not in seen]
                seen.update(past.recording for past in fresh)
                yield from fresh
            if pages < 2 or len(seen) == before:
                return

    def _pages(self, status: int, since: datetime, until: datetime, *, room: str | None) -> Iterator[tuple[Past, ...]]:
        """Until one brings nothing that those before it have not, or the vendor's count is reached."""
        passed: set[RecordingId] = set()
        for page in range(1, _MOST_PAGES):
            body = tasks_body(status, since, until, room=room, page=page)
            listed = read_tasks(self._api.describe_tasks(body).data)
            yield listed.tasks
            here = {past.recording for past in listed.tasks} - passed
            passed |= here
            if not here or (listed.total is not None and len(passed) >= listed.total):
                return


def _gone(word: Word, handle: Handle, error: CallError) -> Status:
    return Status(word=word, is_gone=True, room=handle.room, details={"code": error.code, "said": error.said})

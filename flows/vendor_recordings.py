"""Recordings of a vendor, one vocabulary for three APIs: start, status, layout, stop and history.

What is started is known to the catalog with its source before anybody is told its id; what is stopped is handed to the
pipeline, however often that is said and whether or not it had ended by itself.

A process that dies between the vendor's start and the catalog loses no recording: webhooks and listings find it, and
ZEGOCLOUD answers a repeated order with the same client id by the same task. One of Agora's cannot be stopped through us
then: it ends when its room is empty.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from catalog.errors import CatalogError
from catalog.events import Word
from catalog.index import Catalog
from catalog.model import RecordingId
from catalog.records import Inquiry, Recording, id_text
from catalog.wire import utc_text
from flows.recorders import Recorders
from flows.settings import Settings, Source
from flows.steps.asking import Asker, answer
from flows.webhook_keys import WebhookKeys
from vendors.recorder import NoHandleError, Order, Past, Recorder, Status, read_handle, written
from vendors.registry import HOOKS, MANNERS
from vendors.storage import parse_store_url

_log = logging.getLogger(__name__)

_FIRST_QUESTION: Final = timedelta(seconds=20)
"""After the start; by then a recorder is in the room, or never will be (Agora: 90 s at most)."""
_LISTED: Final = timedelta(days=3)

Ordered = Callable[..., Order]
"""An order that lacks what the source gives: `place`, `upload_key` and `callback_url`."""


def folder_below(text: str) -> str:
    """A folder below a source's own, or none. Raises ValueError that says how it is written."""
    if text and (text[-1] != "/" or {"", ".", ".."} & set(text[:-1].split("/"))):
        raise ValueError("write a folder that ends in '/', such as 2026-05/")
    return text


def lately(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """What of a vendor's own list is looked at: up to now, of three days, unless said otherwise."""
    end = until or datetime.now(UTC)
    return since or (end - _LISTED if end.year > 1 else end), end


class VendorRecordings:
    """The vendors of the configured sources. All calls raise `CallError`, `SettingsError` and `CatalogError`."""

    def __init__(
        self, settings: Settings, catalog: Catalog, recorders: Recorders, keys: WebhookKeys, *, actor: str
    ) -> None:
        """`actor` is who the catalog says did it."""
        self._settings = settings
        self._catalog = catalog
        self._recorders = recorders
        self._keys = keys
        self._actor = actor
        self._asker = Asker(catalog=catalog, settings=settings, recorders=recorders, actor=actor)

    def start(self, source: Source, ordered: Ordered, *, folder: str = "") -> Recording:
        """Begin to record into a source, or into a folder of it, which ends in `/`."""
        recorder = self._recorders.of(source)
        place = parse_store_url(source.store)
        place = replace(place, prefix=f"{place.prefix}{folder}")
        upload_key, callback_url = self._recorders.upload_key(source), self._callback_url(source)
        handle = recorder.start(ordered(place=place, upload_key=upload_key, callback_url=callback_url))
        try:
            self._catalog.inquiries.begin(
                handle.recording,
                source=source.name,
                folder=place.prefix,
                room=handle.room,
                handle=written(handle),
                ask_in=_FIRST_QUESTION if handle.recording.vendor in MANNERS else None,
                actor=self._actor,
            )
        except CatalogError:
            _log.error("%s is being recorded, and is not in the catalog: %s", id_text(handle.recording), handle)
            raise
        return self._catalog.get(handle.recording)

    def status(self, recording: RecordingId) -> Status:
        """What the vendor says of it now; the catalog hears it too. A stop that nobody has heard yet is told again."""
        recorder, inquiry = self._asked(recording)
        status = answer(recorder, inquiry)
        self._asker.hear("status", inquiry, status)
        return status

    def layout(self, recording: RecordingId, layout: Mapping[str, Any]) -> None:
        """Arrange the pictures anew, in the vendor's own words."""
        recorder, inquiry = self._asked(recording)
        recorder.layout(read_handle(recording, inquiry.handle), layout)

    def stop(self, recording: RecordingId) -> Status:
        """End it, and hand it to the pipeline; also where that was done before, or it ended by itself."""
        vouched = self._catalog.vouched(recording)
        if vouched.word and vouched.word.is_end and vouched.word is not Word.LEFT:
            return Status(word=vouched.word, files=vouched.files)
        recorder, inquiry = self._asked(recording)
        status = recorder.stop(read_handle(recording, inquiry.handle))
        self._asker.hear("stop", inquiry, status)
        return status

    def history(self, source: Source, since: datetime, until: datetime, *, room: str | None = None) -> Iterator[Past]:
        """What the vendor has in its own list."""
        return self._recorders.of(source).history(since, until, room=room)

    def _asked(self, recording: RecordingId) -> tuple[Recorder, Inquiry]:
        """Of whom it is asked, and by what. One that somebody else began is asked for from now on, where that works."""
        inquiry = self._catalog.inquiries.of(recording) or self._taken_on(recording)
        return self._recorders.of(self._settings.source(inquiry.source)), inquiry

    def _taken_on(self, recording: RecordingId) -> Inquiry:
        inquiry = self._asker.taken_on(self._catalog.get(recording))
        if inquiry is None:
            name = id_text(recording)
            message = f"{name} was not started through Aftertake, and its vendor cannot be asked for it by its id alone"
            raise NoHandleError(f"{message}. `aftertake submit {name}` has it processed.")
        return inquiry

    def _callback_url(self, source: Source) -> str | None:
        """Where this source's recordings are told of; Jocloud signs nothing, so its secret stands in the URL."""
        hook = HOOKS.get(source.vendor or "")
        if self._settings.public_url is None or hook is None or not hook.is_told:
            return None
        url = f"{self._settings.public_url}/hooks/{hook.vendor}"
        if hook.is_in_url:
            key = next((key for key in self._keys(hook.vendor) if key.source == source.name), None)
            return f"{url}/{quote(key.secret, safe='')}" if key else None
        return url


def status_document(recording: RecordingId, status: Status) -> dict[str, Any]:
    """What the vendor answered, in JSON; `details` is the answer itself."""
    return {
        "vendor": recording.vendor,
        "task_id": recording.task_id,
        "says": status.word.value,
        "is_gone": status.is_gone,
        "room": status.room,
        "began_at": _time_text(status.began_at),
        "ended_at": _time_text(status.ended_at),
        "trouble": status.trouble,
        "files": [
            {
                "name": file.name,
                "kept": file.kept.value,
                "user": file.user,
                "stream": file.stream,
                "size_bytes": file.size_bytes,
                "duration_s": file.duration_s,
                "started_at": _time_text(file.started_at),
            }
            for file in status.files
        ],
        "details": dict(status.details),
    }


def past_document(past: Past) -> dict[str, Any]:
    """One line of a vendor's own list, in JSON."""
    return {
        "vendor": past.recording.vendor,
        "task_id": past.recording.task_id,
        "room": past.room,
        "started_at": _time_text(past.started_at),
        "says": past.word.value,
    }


def _time_text(at: datetime | None) -> str | None:
    return utc_text(at) if at else None

"""Find: a listing, sorted into recordings. One LIST of a folder, or of what one recording's names begin with."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import unquote

from catalog.model import RecordingId
from storage.base import ObjectMeta, ObjectStore
from storage.errors import NotFound
from storage.listing import listed
from storage.urls import place_of
from storage.wrappers import bucket_inside
from vendors.base import RecordingObjects
from vendors.plain.names import VENDOR as PLAIN
from vendors.registry import VENDORS, group

_log = logging.getLogger(__name__)

Found = tuple[RecordingObjects, Mapping[str, ObjectMeta]]
"""The objects of a recording, and what the listing said of them, by key."""


class NothingFoundError(Exception):
    """There is no recording to work on; the message says what was looked at and what to do."""


class NotFinalError(Exception):
    """The recording is not over, or is still being written; the message says what shows it and what to do.

    `damage_digest` is the digest of the plan, if damage is what it may still be uploaded anew for.
    """

    def __init__(self, message: str, damage_digest: str | None = None) -> None:
        """`message` is a sentence."""
        super().__init__(message)
        self.damage_digest = damage_digest


def find_recordings(store: ObjectStore, folder: str = "") -> list[Found]:
    """List a folder once and sort it into recordings. Raises `NothingFoundError` if there is none."""
    metas = _metas(store, folder)
    recordings = group(metas.values()).recordings
    if not recordings:
        what = f"{len(metas)} objects, none of which is a playlist (.m3u8)" if metas else "nothing"
        where = f"{folder} of {store.url}" if folder else store.url
        message = f"no recording in {where}: there is {what}. Point to the folder that holds the .m3u8 and its slices."
        raise NothingFoundError(message)
    return [(named_apart(store, recording), metas) for recording in recordings]


def find_recording(store: ObjectStore, recording: RecordingId, folder: str | None) -> Found | None:
    """One recording in its folder; where that is not known, at the top of the source, then anywhere in it.

    In a folder only names that begin as its own are listed, so that the others there cost nothing. None if no object of
    it is there.
    """
    metas = _metas_of(store, recording, bucket_inside(store)[1] if folder is None else folder)
    if not metas and folder is None:
        metas = _metas(store, "", holding=None if recording.vendor == PLAIN else recording.task_id)
    found = (named_apart(store, each) for each in group(metas.values()).recordings)
    ours = next((each for each in found if (each.vendor, each.task_id) == (recording.vendor, recording.task_id)), None)
    return (ours, metas) if ours else None


def _metas_of(store: ObjectStore, recording: RecordingId, folder: str) -> dict[str, ObjectMeta]:
    metas: dict[str, ObjectMeta] = {}
    for number, start in enumerate(VENDORS[recording.vendor].name_starts(recording.task_id)):
        some = _metas(store, f"{folder}{start}")
        if not some and number:
            break
        metas |= some
    return metas


def _metas(store: ObjectStore, prefix: str, *, holding: str | None = None) -> dict[str, ObjectMeta]:
    try:
        return {
            meta.key: meta
            for meta in listed(store, prefix)
            if (holding is None or holding in meta.key) and _has_unicode_name(meta.key, store)
        }
    except NotFound as error:
        message = f"no such folder: {store.url}. Check the path or URL; name the folder, not the playlist in it."
        raise NothingFoundError(message) from error


def named_apart(store: ObjectStore, recording: RecordingObjects) -> RecordingObjects:
    """Plain HLS has no task id of its own: the same `index.m3u8` lies in many folders, so the folder's URL joins in."""
    if recording.vendor != PLAIN:
        return recording
    url = place_of(store.url).rstrip("/")
    folder = f"{unquote(url.rpartition('/')[2])}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
    return replace(recording, task_id=f"{folder}/{recording.task_id}")


def _has_unicode_name(key: str, store: ObjectStore) -> bool:
    """Folders may hold names that are not UTF-8; no playlist can name them, and no manifest."""
    try:
        key.encode()
    except UnicodeEncodeError:
        _log.warning("%s: %a is left out, because its name is not UTF-8", store.url, key)
        return False
    return True

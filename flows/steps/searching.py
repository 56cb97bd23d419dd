"""Search: a recording, or slices of one, in stores where they were not promised.

Users of these vendors really meet this: a console that names another bucket, a vendor's backup, a project that moved.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flows.steps.planning import RecordingPlan
from media.findings import finding
from storage.base import ObjectStore
from storage.errors import StorageError
from storage.listing import listed
from storage.opening import open_source
from storage.urls import place_of
from vendors.base import ListedObject, RecordingObjects, basename
from vendors.registry import group

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Objects of one recording in one store, as its listing has them."""

    store: str
    vendor: str
    task_id: str
    folder: str
    playlists: int
    segments: int
    size_bytes: int
    newest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One store that was looked through; `failure` says why it could not be."""

    store: str
    sightings: tuple[Sighting, ...] = ()
    failure: StorageError | None = None


def search(url: str, task: str) -> Search:
    """Look through one store, wholly, for the recordings of a task id or `vendor:task_id`.

    The vendors write the task id into every name, so memory holds only what has it there.
    """
    task_id = task.rpartition(":")[2]
    try:
        store = open_source(url)
        found = group(meta for meta in listed(store) if task_id in meta.key).recordings
    except StorageError as error:
        return Search(store=place_of(url), failure=error)
    meant = (recording for recording in found if task in {recording.task_id, f"{recording.vendor}:{recording.task_id}"})
    return Search(store=place_of(url), sightings=tuple(_sighting(store, recording) for recording in meant))


def look_elsewhere(plan: RecordingPlan, stores: Sequence[str]) -> RecordingPlan:
    """The plan, with a finding for each other store that has slices which are missing where they were promised."""
    missing = plan.missing
    if not missing:
        return plan
    seen = tuple(
        finding("segments_elsewhere", place_of(url), f"{len(names)} of the {len(missing)} missing slices lie there")
        for url in stores
        if (names := set(_names_in(url, missing)))
    )
    return replace(plan, findings=(*plan.findings, *seen))


def _names_in(url: str, missing: frozenset[str]) -> Iterator[str]:
    """Those of the missing slices that a store has, in the same folder; a store that cannot be asked has none."""
    names = {basename(key) for key in missing}
    try:
        for meta in listed(open_source(url), os.path.commonprefix(sorted(missing))):  # noqa: RUF071  of text, as prefixes are
            if basename(meta.key) in names:
                yield basename(meta.key)
    except StorageError as error:
        _log.warning("%s could not be searched: %s", place_of(url), error)


def _sighting(store: ObjectStore, recording: RecordingObjects) -> Sighting:
    objects: list[ListedObject] = [*recording.segments, *recording.side_files]
    playlists = [playlist for stream in recording.streams for playlist in stream.playlists]
    objects += playlists + [file for stream in recording.streams for file in stream.media_files]
    return Sighting(
        store=place_of(store.url),
        vendor=recording.vendor,
        task_id=recording.task_id,
        folder=recording.folder,
        playlists=len(playlists),
        segments=len(recording.segments),
        size_bytes=sum(listed.size_bytes for listed in objects),
        newest=max(listed.last_modified for listed in objects),
    )

"""Prepare: what somebody asks for becomes the request of a job, with the truth about it, before any work."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from catalog.covering import Moment
from catalog.export_request import ExportRequest
from catalog.model import Manifest, RecordingId
from catalog.records import Recording
from flows.settings import SettingsError
from flows.steps.cutting import announced
from flows.steps.finding import NotFinalError, NothingFoundError
from flows.steps.movies import Movie, PublishedMovie
from flows.steps.selecting import Selection, Wanted, Wish, select
from flows.steps.unpublished import Provisional, Slices, provisional, slices_of
from flows.steps.working import Worker
from storage.errors import Denied, NotFound

_UNTIMED: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""From where offsets count in a recording whose segments have no times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The request, with where each file really begins and ends, and what of the range is in none of them."""

    selection: Selection
    request: ExportRequest


def prepare(worker: Worker, wanted: Wanted) -> Prepared:
    """What is to be asked of a job; of media, only the heads of outputs are read.

    Where nothing is published yet, the segments around the range are. Raises what `select` and `announced` raise.
    """
    looks: dict[RecordingId, Provisional] = {}

    def look(recording: Recording) -> Manifest | None:
        found = _look(worker, recording, wanted)
        if found is None:
            return None
        looks[recording.id] = found
        return found.manifest

    selection = select(worker.catalog, worker.output, wanted, look)
    selection = replace(selection, wishes=tuple(_pinned(wish, looks) for wish in selection.wishes))

    def open_movie(wish: Wish) -> Movie:
        if wish.manifest is None:
            return looks[wish.recording].movies[wish.origin.key]
        return PublishedMovie(worker.output, wish.origin)

    clips = announced(selection.wishes, selection.mode, open_movie)
    return Prepared(selection=selection.as_cut(clips), request=selection.request(clips))


def _look(worker: Worker, recording: Recording, wanted: Wanted) -> Provisional | None:
    """The recording by its segments, as far as they are there and can be read."""
    try:
        slices = slices_of(worker, recording.id)
    except (SettingsError, NothingFoundError, NotFinalError, Denied, NotFound):
        return None
    return provisional(slices, _at(slices, wanted.begin), _at(slices, wanted.end), wanted.users)


def _at(slices: Slices, moment: Moment) -> datetime:
    if isinstance(moment, datetime):
        return moment
    return (slices.started_at or _UNTIMED) + timedelta(seconds=moment.total_seconds())


def _pinned(wish: Wish, looks: dict[RecordingId, Provisional]) -> Wish:
    """A wish of what is not published, with all that is needed to come back to the very same."""
    if wish.manifest is not None:
        return wish
    found = looks[wish.recording]
    return replace(wish, content_digest=found.digests[wish.stream], segments=found.pinned[wish.stream])

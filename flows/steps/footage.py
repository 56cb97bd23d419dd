"""Footage: what a clip is cut from, be it published or slices of which nothing is yet, and what is known of it."""

from collections.abc import Callable
from dataclasses import dataclass

from catalog.export_request import Clip
from flows.steps.certifying import Told, stream_of, told_by_manifest
from flows.steps.movies import Movie, PublishedMovie
from flows.steps.unpublished import pinned_again, slices_of
from flows.steps.working import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """A movie, and what is told of its stream, once the clip was sent."""

    movie: Movie
    told: Callable[[], Told]


def footage_of(worker: Worker, clip: Clip) -> Footage:
    """What a clip is cut from. Raises `SourceGoneError` if that is not there any more."""
    if clip.manifest is not None:
        manifest = clip.manifest
        movie = PublishedMovie(worker.output, clip.origin)
        return Footage(movie=movie, told=lambda: told_by_manifest(worker.output, clip, manifest))
    found = pinned_again(slices_of(worker, clip.recording), clip)
    assembled = found.movies[clip.origin.key]
    record = stream_of(found.manifest, clip)
    return Footage(movie=assembled, told=lambda: Told(record=record, manifest_sha256=None, segments=assembled.segments))

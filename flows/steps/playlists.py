"""The playlists of a recording, read; what their text alone shows becomes findings."""

from collections.abc import Iterator
from dataclasses import dataclass

from flows.steps.finding import NotFinalError
from media.findings import Finding, finding
from media.playlist import MAX_PLAYLIST_BYTES, MediaPlaylist, MultivariantError, PlaylistError, parse
from storage.base import ObjectMeta, ObjectStore
from storage.errors import Changed, NotFound
from storage.reading import VerifiedReader
from vendors.base import RecordingObjects


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One playlist as it was read; None where it cannot be understood."""

    meta: ObjectMeta
    playlist: MediaPlaylist | None
    findings: tuple[Finding, ...] = ()


def moving(recording: RecordingObjects, what: str) -> NotFinalError:
    """The error for something that changes while it is read."""
    return NotFinalError(
        f"recording {recording.task_id} is not final: {what}. Nothing was published; try again when the upload is over."
    )


def read_playlist(store: ObjectStore, recording: RecordingObjects, meta: ObjectMeta) -> Read | None:
    """One playlist; None for one that only names other playlists. Raises `NotFinalError` if it has just changed."""
    if meta.size_bytes > MAX_PLAYLIST_BYTES:
        return _unreadable(meta, f"{meta.size_bytes} bytes; a playlist has at most {MAX_PLAYLIST_BYTES}")
    try:
        playlist = parse(bytes(VerifiedReader(store).read(meta)[0]))
    except (Changed, NotFound) as error:
        # the listing is older than this playlist, so it cannot say which of its slices are there
        raise moving(recording, f"playlist {meta.key} was rewritten while it was read") from error
    except MultivariantError:
        return None
    except PlaylistError as error:
        return _unreadable(meta, str(error))
    return Read(meta=meta, playlist=playlist, findings=tuple(_findings(meta.key, playlist)))


def _unreadable(meta: ObjectMeta, why: str) -> Read:
    return Read(meta=meta, playlist=None, findings=(finding("playlist_unreadable", meta.key, why),))


def _findings(key: str, playlist: MediaPlaylist) -> Iterator[Finding]:
    for line in playlist.stray_lines:
        yield finding("playlist_stray_uri", key, f"{line[:200]} has no #EXTINF")
    if playlist.dangling_duration is not None:
        lost = playlist.dangling_duration.total_seconds()
        yield finding("playlist_dangling", key, f"its last entry promises {lost:.3f} s and names nothing")

"""Rescue: fetch at once what a vendor could not upload and keeps in its own store for some days.

It goes into the output bucket, below `backup/`, since a source is never written; from there it is read as if it lay in
the source. Only hosts that the settings name are asked (`backup_hosts`), and only for what the vendor answered to us:
an address that came by webhook is never opened.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from catalog.events import Kept, NamedFile, Vouched
from catalog.layout import BackupKey, backup_prefix, decode_key
from catalog.model import RecordingId
from catalog.records import id_text
from flows.steps.planning import RecordingPlan
from media.findings import finding
from media.playlist import MAX_PLAYLIST_BYTES, MultivariantError, PlaylistError, parse
from storage.base import ObjectMeta, ObjectStore
from storage.checksums import Proof
from storage.connection import Connection
from storage.errors import AlreadyExists, Corrupt, Transient
from storage.keys import output_key
from storage.listing import listed
from storage.retry import Retry
from storage.writing import StreamingUpload
from vendors.base import basename

_log = logging.getLogger(__name__)

_PIECE_BYTES: Final = 1024 * 1024
_AT_ONCE: Final = 4
_OWN_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_GONE: Final = frozenset({404, 410})


class UnknownHostError(Exception):
    """The vendor keeps files on a host from which nothing may be fetched; the message says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """What is to be fetched for a recording, from which hosts, and who is asked on the way whether to go on."""

    recording: RecordingId
    files: Sequence[NamedFile]
    hosts: Sequence[str]
    check: Callable[[int], object]


def kept_by_vendor(vouched: Vouched) -> tuple[NamedFile, ...]:
    """The files that the vendor says it keeps itself, and where."""
    return tuple(file for file in vouched.files if file.kept is Kept.BACKUP and file.url)


def fetch(
    rescue: Rescue, output: ObjectStore, *, connection: Connection | None = None, retry: Retry | None = None
) -> int:
    """Fetch what is not there yet; how many objects that was. What the vendor has no more is left to the verdict.

    Raises `UnknownHostError`, and `StorageError` for what may work later.
    """
    pool = (connection or Connection.from_environment()).pool_manager()
    fetching = _Fetching(rescue, output, pool, retry or Retry())
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="rescue") as threads:
        named = [(basename(file.name), file.url or "", file.size_bytes) for file in rescue.files]
        fetched = sum(threads.map(fetching.one, named))
        playlists = [(name, url) for name, url, _ in named if name.endswith(".m3u8")]
        slices = [each for name, url in playlists for each in fetching.slices(name, url)]
        return fetched + sum(threads.map(fetching.one, slices))


def rescued(output: ObjectStore, recording: RecordingId, folder: str) -> Mapping[str, ObjectMeta]:
    """What was fetched of a recording, by the keys that it would have in this folder."""
    return {f"{folder}{name}": meta for name, meta in _rescued(output, recording).items()}


def _rescued(output: ObjectStore, recording: RecordingId) -> Mapping[str, ObjectMeta]:
    """By their names."""
    keys = ((decode_key(meta.key), meta) for meta in listed(output, backup_prefix(recording.vendor, recording.task_id)))
    return {str(key.name): meta for key, meta in keys if isinstance(key, BackupKey)}


class _Fetching:
    """Fetches from the hosts that may be asked."""

    def __init__(self, rescue: Rescue, output: ObjectStore, pool: urllib3.PoolManager, retry: Retry) -> None:
        self._rescue = rescue
        self._output = output
        self._pool = pool
        self._retry = retry
        self._there = _rescued(output, rescue.recording)

    def one(self, wanted: tuple[str, str, int | None]) -> bool:
        """One object, unless it is there already; whether it is now and was not before."""
        name, url, size_bytes = wanted
        if name in self._there:
            return False
        self._require_known(url)
        return self._retry.call(lambda: self._copied(name, url, size_bytes))

    def slices(self, name: str, url: str) -> Iterator[tuple[str, str, int | None]]:
        """What a fetched playlist names, each beside it or on a host that may be asked."""
        meta = next((m for n, m in _rescued(self._output, self._rescue.recording).items() if n == name), None)
        if meta is None or meta.size_bytes > MAX_PLAYLIST_BYTES:
            return
        with self._output.open(meta.key) as opened:
            body = opened.read(meta.size_bytes)
        try:
            playlist = parse(body)
        except (PlaylistError, MultivariantError) as error:
            _log.warning("%s: the fetched %s names nothing: %s", id_text(self._rescue.recording), name, error)
            return
        for segment in playlist.segments:
            address = urljoin(url, segment.uri)
            yield unquote(basename(urlsplit(address).path)), address, None

    def _copied(self, name: str, url: str, size_bytes: int | None) -> bool:
        """Raises Transient and Corrupt, after which another try may help."""
        try:
            answer = self._pool.request("GET", url, preload_content=False, redirect=False, retries=False)
        except HTTPError as error:
            raise Transient("rescue", name, f"the vendor's store does not answer: {type(error).__name__}") from error
        try:
            if answer.status in _GONE:
                _log.error("%s: the vendor has %s no more", id_text(self._rescue.recording), name)
                return False
            if answer.status != 200:
                raise Transient("rescue", name, f"the vendor's store answered {answer.status}")
            self._put(name, answer, size_bytes)
        finally:
            answer.release_conn()
        return True

    def _put(self, name: str, answer: urllib3.BaseHTTPResponse, size_bytes: int | None) -> None:
        recording = self._rescue.recording
        key = output_key(BackupKey(vendor=recording.vendor, task_id=recording.task_id, name=name).key)
        promised, taken = answer.headers.get("Content-Length"), 0
        with StreamingUpload(self._output, key) as upload:
            try:
                for piece in answer.stream(_PIECE_BYTES, decode_content=False):
                    self._rescue.check(len(piece))
                    taken += len(piece)
                    upload.write(piece)
            except HTTPError as error:
                raise Transient("rescue", name, f"its body broke after {taken} bytes") from error
            if promised is not None and taken != int(promised):
                raise Transient("rescue", name, f"its body ended after {taken} of {promised} bytes")
            if size_bytes is not None and not name.endswith(".m3u8") and taken != size_bytes:
                raise Corrupt("rescue", name, f"it has {taken} bytes, the vendor said {size_bytes}", Proof.LENGTH)
            try:
                upload.complete(b"", create_only=True)
            except AlreadyExists:
                _log.info("%s was fetched by somebody else meanwhile", name)

    def _require_known(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        place = host if parts.port in {None, 443} else f"{host}:{parts.port}"
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in _OWN_HOSTS)
        if not is_safe or "@" in parts.netloc or not any(_is_of(place, known) for known in self._rescue.hosts):
            message = f"{id_text(self._rescue.recording)}: the vendor keeps files on {place or 'no host'}"
            advice = "Write it into backup_hosts of its source, if it is the vendor's; they are kept for 3 days."
            raise UnknownHostError(f"{message}, from which nothing is fetched. {advice}")


def _is_of(place: str, known: str) -> bool:
    """Whether a host is the known one, or (`*.`) one below it."""
    return place.endswith(known[1:]) if known.startswith("*.") else place == known


def marked(plan: RecordingPlan, rescued: Mapping[str, ObjectMeta]) -> RecordingPlan:
    """The plan, with word of what in it did not come by the source."""
    used = sorted(key for key in rescued if plan.metas.get(key) and plan.metas[key].etag == rescued[key].etag)
    if not used:
        return plan
    detail = f"{len(used)} objects were fetched from the vendor's own store, such as {used[0]}"
    return replace(plan, findings=(*plan.findings, finding("objects_rescued", plan.objects.task_id, detail)))

"""Rescue: fetch at once what a vendor could not upload and keeps in its own store for some days.

It goes into the output bucket, below `backup/`, since a source is never written; from there it is read as if it lay in
the source. Only hosts that the settings name are asked (`backup_hosts`), and only for what the vendor answered to us:
an address that came by webhook is never opened.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote, urljoin

import urllib3
from urllib3.exceptions import HTTPError

from catalog.components import Abbreviated
from catalog.errors import LayoutError
from catalog.events import Kept, NamedFile, Vouched
from catalog.layout import BackupKey, backup_prefix, decode_key
from catalog.model import RecordingId
from catalog.records import id_text
from flows.fields import OWN_HOSTS
from flows.steps.planning import RecordingPlan
from media.findings import finding
from media.playlist import MAX_PLAYLIST_BYTES, MultivariantError, PlaylistError, parse
from storage.base import ObjectMeta, ObjectStore
from storage.checksums import Proof
from storage.connection import Connection
from storage.errors import AlreadyExists, Corrupt, Denied, InvalidKey, NotFound, StorageError, Transient
from storage.keys import ObjectKey, output_key
from storage.listing import listed
from storage.retry import Retry
from storage.writing import StreamingUpload
from vendors.base import basename, folder

_log = logging.getLogger(__name__)

_PIECE_BYTES: Final = 256 * 1024
_AT_ONCE: Final = 4
_OPERATION: Final = "rescue"
"""That of our errors: what a vendor's store does, and not the output."""
_RETRY: Final = Retry(attempts=3)
"""The recording is looked at again, so nobody waits long here."""
_MOST_DOWN: Final = 8
"""Objects that a store did not give, after which it counts as down."""
_GONE: Final = frozenset({404, 410})
_LATER: Final = frozenset({408, 425, 429})
_WAS_KEPT: Final = frozenset({Kept.BACKUP, Kept.COMING, Kept.LOST})


class UnknownHostError(Exception):
    """The vendor keeps files on a host from which nothing may be fetched; the message says what to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """What is to be fetched for a recording, from which hosts, and who is asked on the way whether to go on.

    `is_last`: the recording is judged now, with or without what cannot be fetched.
    """

    recording: RecordingId
    files: Sequence[NamedFile]
    hosts: Sequence[str]
    check: Callable[[int], object]
    is_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """One object, under the name that it would have in the source."""

    name: str
    url: str
    size_bytes: int | None = None
    is_slice: bool = False


def kept_by_vendor(vouched: Vouched) -> tuple[NamedFile, ...]:
    """The files that the vendor says it keeps itself, and where."""
    return tuple(file for file in vouched.files if file.kept is Kept.BACKUP and file.url)


def may_be_rescued(vouched: Vouched) -> bool:
    """Whether something may have been fetched: what a vendor kept may be lost there now, or on its way after all."""
    return any(file.kept in _WAS_KEPT for file in vouched.files)


def fetch(rescue: Rescue, output: ObjectStore, *, connection: Connection | None = None, retry: Retry = _RETRY) -> int:
    """Fetch what is not there yet; how many objects that was. What the vendor has no more is left to the verdict.

    One that cannot be fetched keeps no other one from it. Raises `UnknownHostError`, and `StorageError` for what may
    work later; of the vendor's store neither if it `is_last`.
    """
    pool = (connection or Connection.from_environment()).pool_manager()
    fetching = _Fetching(rescue, output, pool, retry)
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix=_OPERATION) as threads:
        named = [_Wanted(name=basename(f.name), url=f.url or "", size_bytes=f.size_bytes) for f in rescue.files]
        fetched = sum(threads.map(fetching.one, _each_once(named)))
        slices = [each for playlist in named if _is_playlist(playlist.name) for each in fetching.slices(playlist)]
        fetched += sum(threads.map(fetching.one, _each_once(slices)))
    if fetching.failures and not rescue.is_last:
        raise min(fetching.failures, key=lambda error: isinstance(error, Transient | Corrupt))
    return fetched


def _each_once(wanted: Iterable[_Wanted]) -> Iterable[_Wanted]:
    """The first of each name."""
    return {each.name: each for each in reversed(list(wanted))}.values()


def _is_playlist(name: str) -> bool:
    return name.endswith(".m3u8")


def rescued(
    output: ObjectStore, recording: RecordingId, inside: str, files: Sequence[NamedFile] = ()
) -> Mapping[str, ObjectMeta]:
    """What was fetched of a recording, by the keys that it would have in this folder (`inside`).

    Keys of ours cut long names; what those were, `files` and the playlists say.
    """
    there = _fetched(output, recording)
    found = {key.name: meta for key, meta in there.items() if not isinstance(key.name, Abbreviated)}
    if len(found) < len(there):
        by_key = {meta.key: meta for meta in there.values()}
        named = {basename(file.name) for file in files} | found.keys()
        for name in filter(_is_playlist, sorted(named)):
            named |= {each.name for each in _slices(output, by_key.get(_key_of(recording, name) or ""), "")}
        found |= {name: by_key[key] for name in named if (key := _key_of(recording, name)) in by_key}
    return {f"{inside}{name}": meta for name, meta in found.items()}


def _fetched(output: ObjectStore, recording: RecordingId) -> Mapping[BackupKey, ObjectMeta]:
    """What a person laid there under other names is none of ours; an output may not have its folder yet."""
    found = dict[BackupKey, ObjectMeta]()
    with suppress(NotFound):
        for meta in listed(output, backup_prefix(recording.vendor, recording.task_id)):
            with suppress(LayoutError):
                key = decode_key(meta.key)
                if isinstance(key, BackupKey):
                    found[key] = meta
    return found


def _key_of(recording: RecordingId, name: str) -> ObjectKey | None:
    """Under which an object is kept; None if no object of a folder has that name."""
    try:
        output_key(name)
        key = BackupKey(vendor=recording.vendor, task_id=recording.task_id, name=name).key
        return None if "/" in name else output_key(key)
    except InvalidKey:
        return None


def _slices(output: ObjectStore, meta: ObjectMeta | None, url: str) -> Iterator[_Wanted]:
    """What a fetched playlist names, with its URL resolved against the playlist's."""
    if meta is None or meta.size_bytes > MAX_PLAYLIST_BYTES:
        return
    with output.open(meta.key) as opened:
        body = opened.read(meta.size_bytes)
    with suppress(PlaylistError):
        for segment in parse(body).segments:
            address = _joined(url, segment.uri)
            yield _Wanted(name=unquote(basename(address.partition("?")[0])), url=address, is_slice=True)


def _joined(url: str, uri: str) -> str:
    try:
        return urljoin(url, uri)
    except ValueError:  # such as "http://["
        return uri


class _Fetching:
    """Fetches from the hosts that may be asked, and keeps what went wrong with a vendor's store."""

    def __init__(self, rescue: Rescue, output: ObjectStore, pool: urllib3.PoolManager, retry: Retry) -> None:
        self._rescue = rescue
        self._output = output
        self._pool = pool
        self._retry = retry
        self._there = {meta.key for meta in _fetched(output, rescue.recording).values()}
        self._down = 0
        self.failures: list[UnknownHostError | StorageError] = []

    def one(self, wanted: _Wanted) -> bool:
        """One object, unless it is there already; whether it is now and was not before."""
        key = _key_of(self._rescue.recording, wanted.name)
        if key is None:
            _log.warning("%s: %.200a is no name of an object; it is not fetched", self._named, wanted.name)
            return False
        if key in self._there or self._down >= _MOST_DOWN:
            return False
        try:
            self._require_known(wanted.url)
            return self._retry.call(lambda: self._copied(key, wanted))
        except UnknownHostError as error:
            return self._failed(wanted, error)
        except StorageError as error:
            if error.operation != _OPERATION:
                raise
            self._down += isinstance(error, Transient)
            return self._failed(wanted, error)

    def slices(self, playlist: _Wanted) -> Iterator[_Wanted]:
        """What a playlist that was fetched names: beside itself, or on another host that may be asked."""
        key = _key_of(self._rescue.recording, playlist.name)
        meta = next((m for m in _fetched(self._output, self._rescue.recording).values() if m.key == key), None)
        for each in _slices(self._output, meta, playlist.url):
            if _is_astray(each.url, playlist.url):
                _log.warning("%s: %s names %.200a, which is not beside it", self._named, playlist.name, each.url)
            else:
                yield each

    @property
    def _named(self) -> str:
        return id_text(self._rescue.recording)

    def _failed(self, wanted: _Wanted, error: UnknownHostError | StorageError) -> bool:
        _log.warning("%s: %s is not fetched: %s", self._named, wanted.name, error)
        self.failures.append(error)
        return False

    def _copied(self, key: ObjectKey, wanted: _Wanted) -> bool:
        """Raises Transient and Corrupt, after which another try may help, and Denied."""
        name = wanted.name
        try:
            answer = self._pool.request("GET", wanted.url, preload_content=False, redirect=False, retries=False)
        except HTTPError as error:
            raise Transient(_OPERATION, name, f"the vendor's store does not answer: {type(error).__name__}") from error
        try:
            if answer.status in _GONE:
                # What a playlist names may lie in the source, and is no loss then.
                level = logging.INFO if wanted.is_slice else logging.ERROR
                _log.log(level, "%s: the vendor's store does not have %s", self._named, name)
                return False
            _require_body(answer, wanted)
            self._put(key, wanted, answer)
        finally:
            answer.close()  # of a body that is not read to its end, the connection must not be used again
        return True

    def _put(self, key: ObjectKey, wanted: _Wanted, answer: urllib3.BaseHTTPResponse) -> None:
        with StreamingUpload(self._output, key) as upload:
            for piece in self._pieces(wanted, answer):
                upload.write(piece)
            try:
                upload.complete(b"", create_only=True)
            except AlreadyExists:
                _log.info("%s was fetched by somebody else meanwhile", wanted.name)

    def _pieces(self, wanted: _Wanted, answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """The body, of which a playlist is read first: an error page must never stand in its place."""
        pieces = self._read(wanted, answer)
        if not _is_playlist(wanted.name):
            yield from pieces
            return
        body = bytearray()
        for piece in pieces:
            body += piece
            if len(body) > MAX_PLAYLIST_BYTES:
                raise Denied(_OPERATION, wanted.name, f"a playlist has at most {MAX_PLAYLIST_BYTES} bytes")
        try:
            parse(bytes(body))
        except MultivariantError as error:
            _log.warning("%s: the fetched %s: %s", self._named, wanted.name, error)
        except PlaylistError as error:
            raise Transient(_OPERATION, wanted.name, f"the vendor's store gave no playlist: {error}") from error
        yield bytes(body)

    def _read(self, wanted: _Wanted, answer: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        # The size of a playlist is that of its slices, or of its first version: it is not compared.
        size_bytes = None if _is_playlist(wanted.name) else wanted.size_bytes
        taken = 0
        try:
            for piece in answer.stream(_PIECE_BYTES, decode_content=False):
                self._rescue.check(len(piece))
                taken += len(piece)
                if size_bytes is not None and taken > size_bytes:
                    break
                yield piece
        except HTTPError as error:
            raise Transient(_OPERATION, wanted.name, f"its body broke after {taken} bytes") from error
        if size_bytes is not None and taken != size_bytes:
            detail = f"it has {'more than ' * (taken > size_bytes)}{min(taken, size_bytes)} bytes"
            raise Corrupt(_OPERATION, wanted.name, f"{detail}, the vendor said {size_bytes}", Proof.LENGTH)

    def _require_known(self, url: str) -> None:
        """By the parts that the request will use: other libraries find another host where a backslash is."""
        try:
            parts = urllib3.util.parse_url(url)
        except HTTPError:
            parts = urllib3.util.Url()
        host = (parts.host or "").strip("[]").lower()
        place = host if parts.port in {None, 443} else f"{host}:{parts.port}"
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and host in OWN_HOSTS)
        if not is_safe or parts.auth or not any(_is_of(place, known) for known in self._rescue.hosts):
            how = "" if is_safe or not host else f", by {parts.scheme}://"
            message = f"{self._named}: the vendor keeps files on {place or 'no host'}{how}"
            advice = "Write it into backup_hosts of its source, if it is the vendor's; they are kept for 3 days."
            raise UnknownHostError(f"{message}, from which nothing is fetched. {advice}")


def _require_body(answer: urllib3.BaseHTTPResponse, wanted: _Wanted) -> None:
    """Of redirects none is followed: whoever may write them could lead us anywhere."""
    status, headers = answer.status, answer.headers
    if status >= 500 or status in _LATER:
        raise Transient(_OPERATION, wanted.name, f"the vendor's store answered {status}")
    if status != 200:
        raise Denied(_OPERATION, wanted.name, f"the vendor's store answered {status}")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Transient(_OPERATION, wanted.name, "the vendor's store gave it encoded")
    if "Content-Length" not in headers and not answer.chunked and wanted.size_bytes is None:
        raise Transient(_OPERATION, wanted.name, "the vendor's store does not say how long it is")


def _is_astray(url: str, playlist: str) -> bool:
    """Whether it lies on the playlist's own host and not below its folder: what is there belongs to others."""
    try:
        there, here = urllib3.util.parse_url(url), urllib3.util.parse_url(playlist)
    except HTTPError:
        return True
    is_below = (there.path or "/").startswith(folder(here.path or "/"))
    return there.scheme not in {"http", "https"} or (there.netloc == here.netloc and not is_below)


def _is_of(place: str, known: str) -> bool:
    """Whether a host is the known one, or (`*.`) one below it."""
    return place.endswith(known[1:]) if known.startswith("*.") else place == known


def marked(plan: RecordingPlan, rescued: Mapping[str, ObjectMeta]) -> RecordingPlan:
    """The plan, with word of what in it did not come by the source."""
    used = sorted(key for key, meta in rescued.items() if plan.metas.get(key) == replace(meta, key=key))
    if not used:
        return plan
    detail = f"{len(used)} objects were fetched from the vendor's own store, such as {used[0]}"
    return replace(plan, findings=(*plan.findings, finding("objects_rescued", plan.objects.task_id, detail)))

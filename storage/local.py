"""A folder as a bucket: keys are paths below it.

Whatever is written is first a hidden upload, `.aftertake-uploads/{id}/`, in the same file system, and becomes an object
by one rename. A process that is killed leaves at most such a folder behind; `list_uploads` and `abort_upload` find
and remove it.

What a folder cannot do as a bucket does: a key and another key below it (`a` and `a/b`) are never both possible
(InvalidKey), nor are parts of a key over the file system's limit (255 bytes mostly). Symbolic links below the root are
neither listed nor opened, so that nothing outside of it can be named.
"""

import logging
import os
import shutil
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from storage.base import (
    AS_BYTES,
    Capabilities,
    Multipart,
    ObjectMeta,
    PendingUpload,
    Served,
    check_etag,
    clip_range,
)
from storage.checksums import Buffer
from storage.errors import InvalidKey, NotFound, Unsupported
from storage.keys import ObjectKey, output_key, parent, sort_key
from storage.local_facts import LocalExaminer
from storage.local_files import LocalBody, meta_of, refused
from storage.local_uploads import UPLOADS, LocalUpload, pending_uploads

_log = logging.getLogger(__name__)


class LocalStore:
    """The files below one folder. Reading works on read-only file systems; writing makes the folder if need be.

    The etag is made of inode, time stamp and size: our own writes give every version its own inode and a stamp of
    nanoseconds. A file that another program overwrites in place is noticed at the end of a read.
    """

    def __init__(self, root: str | os.PathLike[str], *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        """`clock_ns` stamps what is written, in nanoseconds since 1970-01-01 UTC."""
        self._root = os.path.realpath(root)
        self._clock_ns = clock_ns

    @property
    def url(self) -> str:
        """`file:///absolute/path`."""
        return Path(self._root).as_uri()

    @property
    def capabilities(self) -> Capabilities:
        """Parts of any size; create_only is atomic (it is a hard link)."""
        return Capabilities()

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[ObjectMeta]:
        """See ObjectStore; walks folder by folder, from the deepest one that the prefix names."""
        folder = parent(prefix)
        if not os.path.isdir(self._root):
            raise NotFound("list", prefix, f"the folder {self._root} does not exist")
        if folder and (_unreachable(folder[:-1]) or not self._is_inside(folder)):
            return iter(())
        return (meta for meta in self._walk(folder, prefix) if sort_key(meta.key) > sort_key(after))

    def head(self, key: str) -> ObjectMeta:
        """See ObjectStore."""
        with self.open(key) as opened:
            return opened.meta

    def open(self, key: str, *, start: int = 0, end: int | None = None, etag: str | None = None) -> LocalBody:
        """See ObjectStore; one file descriptor, so one version."""
        descriptor = self._descriptor("open", key)
        try:
            meta = meta_of(key, os.fstat(descriptor))
            check_etag(meta, etag)
            return LocalBody(descriptor, meta, *clip_range(meta, start, end))
        except BaseException:
            os.close(descriptor)
            raise

    def put(self, key: ObjectKey, data: Buffer, *, create_only: bool = False, served: Served = AS_BYTES) -> ObjectMeta:
        """See ObjectStore; an upload of one part. Folders know no content types: it is dropped."""
        del served
        upload = self._start("put", key)
        try:
            upload.put_part(1, data)
            return upload.complete(create_only=create_only)
        finally:
            upload.abort()

    def start_multipart(self, key: ObjectKey, *, served: Served = AS_BYTES) -> Multipart:
        """See ObjectStore. Folders know no content types: it is dropped."""
        del served
        return self._start("start_multipart", key)

    def list_uploads(self, prefix: str = "") -> Iterator[PendingUpload]:
        """See ObjectStore; one that was killed before it wrote its key has the key ''."""
        return pending_uploads(self._root, prefix)

    def abort_upload(self, key: str, upload_id: str) -> None:
        """See ObjectStore."""
        if upload_id != os.path.basename(upload_id) or upload_id in {"", ".", ".."} or "\0" in upload_id:
            raise InvalidKey("abort_upload", key, f"{upload_id!r} is not the id of an upload")
        shutil.rmtree(os.path.join(self._root, UPLOADS, upload_id), ignore_errors=True)

    def copy(self, source: str, target: ObjectKey) -> ObjectMeta:
        """See ObjectStore; the kernel copies, or shares the blocks where the file system can."""
        descriptor = self._descriptor("copy", source)
        try:
            upload = self._start("copy", target)
            try:
                upload.put_file(1, descriptor)
                return upload.complete()
            finally:
                upload.abort()
        finally:
            os.close(descriptor)

    def delete(self, key: str) -> None:
        """See ObjectStore; folders that become empty stay, as they are no objects."""
        try:
            os.unlink(self._path("delete", key))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            raise refused("delete", key, error) from error

    def presign_get(self, key: str, seconds: int, filename: str) -> str:
        """Unsupported: a folder has no server."""
        del seconds, filename
        raise Unsupported("presign_get", key, "a folder has no URL for others")

    def examine(self) -> LocalExaminer:
        """See Examinable."""
        return LocalExaminer(self._root)

    def _start(self, operation: str, key: ObjectKey) -> LocalUpload:
        path = self._path(operation, output_key(key))
        return LocalUpload.start(self._root, key, path, upload_id=uuid.uuid4().hex, clock_ns=self._clock_ns)

    def _descriptor(self, operation: str, key: str) -> int:
        try:
            descriptor = os.open(self._path(operation, key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise refused(operation, key, error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise NotFound(operation, key, "there is a folder or device of that name, and no object")
        return descriptor

    def _path(self, operation: str, key: str) -> str:
        """Where the object lies, or InvalidKey if that is not below the root."""
        fault = _unreachable(key) or (None if self._is_inside(key) else "it leads through a symbolic link")
        if fault is not None:
            raise InvalidKey(operation, key, f"a folder holds no such key: {fault}")
        return os.path.join(self._root, key)

    def _is_inside(self, key: str) -> bool:
        path = os.path.normpath(os.path.join(self._root, key))
        return os.path.realpath(path) == path

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectMeta]:
        for key, entry in self._entries(folder, prefix):
            if key.endswith("/"):
                yield from self._walk(key, prefix)
            else:
                with suppress(FileNotFoundError):  # deleted since the folder was read
                    yield meta_of(key, entry.stat(follow_symlinks=False))

    def _entries(self, folder: str, prefix: str) -> Sequence[tuple[str, os.DirEntry[str]]]:
        """Files and folders of one folder, the latter with a '/', which is what puts keys in the order of bytes.

        Names are compared first: a folder may hold very many, and the prefix mean few of them.
        """
        start = prefix[len(folder) :] if prefix.startswith(folder) else ""
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:
                found = [(self._key_of(folder, entry), entry) for entry in entries if entry.name.startswith(start)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise refused("list", folder, error) from error
        return sorted(((key, entry) for key, entry in found if key), key=lambda item: sort_key(item[0]))

    def _key_of(self, folder: str, entry: os.DirEntry[str]) -> str:
        """The key of a file, the prefix of a folder, or '' for what is no part of the bucket."""
        if not folder and entry.name == UPLOADS:
            return ""
        if entry.is_symlink():
            _log.warning("list %s: the symbolic link %s%s is left out", self.url, folder, entry.name)
            return ""
        if entry.is_dir(follow_symlinks=False):
            return f"{folder}{entry.name}/"
        return f"{folder}{entry.name}" if entry.is_file(follow_symlinks=False) else ""


def _unreachable(key: str) -> str | None:
    """Why a path below the root cannot, or must not, say this key; None if it can."""
    parts = key.split("/")
    if parts[0] == UPLOADS:
        return f"{UPLOADS} is where unfinished uploads lie"
    if "\0" in key:
        return "it has a NUL character"
    return "it has an empty part, '.' or '..'" if {"", ".", ".."} & set(parts) else None

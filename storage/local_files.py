"""Files under `local.py`: bodies, metadata, and what the errors of the system mean for a store."""

import errno
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, TracebackType
from typing import Self

from storage.base import ObjectMeta
from storage.errors import (
    AlreadyExists,
    Changed,
    Denied,
    InvalidKey,
    NoSpace,
    NotFound,
    StorageError,
    Transient,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ERRORS: Mapping[int, tuple[type[StorageError], str]] = MappingProxyType(
    {
        errno.ENOENT: (NotFound, "there is no such object"),
        errno.ENOTDIR: (NotFound, "a part of the key names a file, so nothing can lie below it"),
        errno.EISDIR: (NotFound, "there is a folder of that name, and no object"),
        errno.EACCES: (Denied, "the file system does not permit it"),
        errno.EPERM: (Denied, "the file system does not permit it"),
        errno.EROFS: (Denied, "the file system is read-only"),
        errno.EEXIST: (AlreadyExists, "the key is taken"),
        errno.ENOSPC: (NoSpace, "the file system is full"),
        errno.EDQUOT: (NoSpace, "the quota is used up"),
        errno.EFBIG: (NoSpace, "the file would be larger than is allowed"),
        errno.ENAMETOOLONG: (InvalidKey, "a part of the key, or the whole path, is longer than the file system allows"),
        errno.ELOOP: (InvalidKey, "it leads through a symbolic link"),
        errno.EINVAL: (InvalidKey, "the file system refuses such a name"),
        errno.EILSEQ: (InvalidKey, "the file system refuses such a name"),
        errno.EIO: (Transient, "the disk had an error"),
        errno.ESTALE: (Transient, "the network file system lost the file"),
        errno.ETIMEDOUT: (Transient, "the network file system did not answer"),
        errno.EMFILE: (Transient, "too many files are open"),
        errno.ENFILE: (Transient, "too many files are open"),
    }
)


def refused(operation: str, key: str, error: OSError) -> StorageError:
    """What an error of the system means for a store."""
    kind, detail = ERRORS.get(error.errno or 0, (StorageError, f"the system says {error.strerror or error}"))
    return kind(operation, key, detail)


def etag_of(status: os.stat_result) -> str:
    """A version token that changes with every rename over a file and every write into it."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"


def meta_of(key: str, status: os.stat_result) -> ObjectMeta:
    """What the file system knows of an object; it offers no checksum."""
    modified = _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
    return ObjectMeta(key=key, size_bytes=status.st_size, etag=etag_of(status), last_modified=modified)


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write everything; the system may take less at a time."""
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def append_file(target: int, source: int) -> None:
    """Copy the rest of one file to the end of another, in the kernel; blocks are shared where it can."""
    os.lseek(target, 0, os.SEEK_END)
    while _copy_some(target, source):
        pass


_COPY_BYTES = 16 * 1024 * 1024
_NO_KERNEL_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


def _copy_some(target: int, source: int) -> int:
    try:
        return os.copy_file_range(source, target, _COPY_BYTES)
    except (OSError, AttributeError) as error:  # a file system, or a system, without it
        if isinstance(error, OSError) and error.errno not in _NO_KERNEL_COPY:
            raise
    data = os.read(source, _COPY_BYTES)
    write_all(target, data)
    return len(data)


def sync_folder(path: str) -> None:
    """Make renames in a folder last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(path: str) -> None:
    """Make a folder and those above it, each of them lasting through a power cut."""
    if not os.path.isdir(path):
        above = os.path.dirname(path)
        make_folders(above)
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
        sync_folder(above)


class LocalBody:
    """An OpenedObject over one file descriptor, unbuffered."""

    __slots__ = ("_descriptor", "_position", "_stop", "meta")

    def __init__(self, descriptor: int, meta: ObjectMeta, start: int, stop: int) -> None:
        """Takes over the descriptor; reads from `start` up to but without `stop`."""
        self.meta = meta
        self._descriptor: int | None = descriptor
        self._position = start
        self._stop = stop

    def read(self, size_bytes: int, /) -> bytes:
        """See OpenedObject. Raises Changed at the end if another program wrote into the file meanwhile."""
        if self._descriptor is None:
            raise StorageError("read", self.meta.key, "the object was closed")
        wanted = min(size_bytes, self._stop - self._position)
        try:
            data = os.pread(self._descriptor, wanted, self._position)
        except OSError as error:
            raise refused("read", self.meta.key, error) from error
        self._position += len(data)
        if self._position == self._stop or len(data) < wanted:
            self._check_version(self._descriptor)
        return data

    def _check_version(self, descriptor: int) -> None:
        if etag_of(os.fstat(descriptor)) != self.meta.etag:
            raise Changed("read", self.meta.key, "the file was written into while it was read")

    def close(self) -> None:
        """See OpenedObject."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close."""
        self.close()

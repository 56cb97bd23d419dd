"""A ZIP of files that are stored as they are, written front to back: nothing is held, and nothing is read again.

Equal members give equal bytes: every member has the time of 1980-01-01 and the same rights. Sizes and sums stand behind
each member and in the directory at the end, which every program that opens a file reads; members and archives of 4 GiB
and more are ZIP64 (APPNOTE.TXT 4.3.9, 4.3.14).
"""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from catalog.naming import is_file_name
from storage.checksums import Buffer

_FIRST_TIME: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_READABLE: Final = 0o644 << 16
"""The rights of an ordinary file, where the archive keeps them."""


class Member(Protocol):
    """A file in an archive, while it is written."""

    def write(self, data: Buffer, /) -> int:
        """Its next bytes."""


class Archive:
    """A ZIP under way. One that is never finished, or one of whose members failed, is never whole."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        """`write` is given the bytes of the archive in their order."""
        self._sink = _Sink(write)
        self._zip = _Unclosed(self._sink, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._names: set[str] = set()

    @contextmanager
    def member(self, name: str, size_bytes: int) -> Iterator[Member]:
        """One more file, which must get exactly so many bytes.

        Raises ValueError for a name that is a path, that some file systems refuse or that another member has in
        whatever case, for another number of bytes, and after a failure or the end.
        """
        self._require_open()
        if not is_file_name(name) or name.casefold() in self._names:
            message = f"{name!r} cannot be the name of a member: it is taken, or not safe in every file system"
            raise ValueError(message)
        self._names.add(name.casefold())
        told = zipfile.ZipInfo(name, _FIRST_TIME)
        told.create_system, told.external_attr, told.file_size = _UNIX, _READABLE, size_bytes
        with self._zip.open(told, "w") as handle:
            member = _Counted(handle.write)
            try:
                yield member
                _require_size(name, member.size_bytes, size_bytes)
            except BaseException:
                self._sink.is_open = False
                raise

    def finish(self) -> None:
        """Write the directory; only then is it an archive."""
        self._require_open()
        self._zip.close()
        self._sink.is_open = False

    def _require_open(self) -> None:
        if not self._sink.is_open:
            raise ValueError("the archive is over")


def _require_size(name: str, size_bytes: int, promised: int) -> None:
    if size_bytes != promised:
        message = f"{name} has {size_bytes} bytes, where {promised} were promised"
        raise ValueError(message)


class _Sink:
    """What `zipfile` takes for a stream without a way back. Once it is not open, what still comes is of no use."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.is_open = True

    def write(self, data: bytes) -> int:
        if self.is_open:
            self._write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


class _Counted:
    def __init__(self, write: Callable[[Buffer], int]) -> None:
        self._write = write
        self.size_bytes = 0

    def write(self, data: Buffer, /) -> int:
        self.size_bytes += len(memoryview(data).cast("B"))
        return self._write(data)


class _Unclosed(zipfile.ZipFile):
    """One that writes no directory when it is merely forgotten: half an archive must not look like a whole one."""

    def __del__(self) -> None:
        pass

"""Uploads under `local.py`: a hidden folder of part files that becomes one object by a rename."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Self

from storage.base import ObjectMeta, PendingUpload, check_part_number
from storage.checksums import Buffer
from storage.errors import InvalidKey, NotFound, StorageError
from storage.keys import ObjectKey, sort_key
from storage.local_files import append_file, make_folders, meta_of, refused, sync_folder, write_all

UPLOADS = ".aftertake-uploads"
"""The hidden folder at the root of the bucket; it is listed as no object."""
_KEY_FILE = "key"
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class LocalUpload:
    """A Multipart of files: `{root}/.aftertake-uploads/{id}/` with `key` and one `{number}.part` for each part."""

    def __init__(
        self, folder: str, key: ObjectKey, target: str, *, upload_id: str, clock_ns: Callable[[], int]
    ) -> None:
        """`target` is the path of the object to come."""
        self.key = key
        self.upload_id = upload_id
        self._folder = folder
        self._target = target
        self._clock_ns = clock_ns

    @classmethod
    def start(cls, root: str, key: ObjectKey, target: str, *, upload_id: str, clock_ns: Callable[[], int]) -> Self:
        """Make the folder of an upload."""
        upload = cls(os.path.join(root, UPLOADS, upload_id), key, target, upload_id=upload_id, clock_ns=clock_ns)
        try:
            os.makedirs(upload._folder)
            upload._write_file(_KEY_FILE, key.encode())
        except OSError as error:
            upload.abort()
            raise refused("start_multipart", key, error) from error
        return upload

    def put_part(self, number: int, data: Buffer, /) -> None:
        """See Multipart."""
        with self._part("put_part", number) as name:
            self._write_file(name, data)

    def put_file(self, number: int, source: int) -> None:
        """A part from an open file, copied by the kernel from where it stands."""
        with self._part("copy", number) as name:
            descriptor = os.open(os.path.join(self._folder, name), _WRITE, 0o666)
            try:
                append_file(descriptor, source)
            finally:
                os.close(descriptor)

    def complete(self, *, create_only: bool = False) -> ObjectMeta:
        """See Multipart. A part is gone once it is appended: the disk holds at most one part more than the object."""
        try:
            meta = self._publish(self._joined(), create_only=create_only)
        except OSError as error:
            raise refused("complete", self.key, error) from error
        self.abort()
        return meta

    def abort(self) -> None:
        """See Multipart."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _part(self, operation: str, number: int) -> Iterator[str]:
        """The name of a part file; it is gone again if writing it fails."""
        check_part_number(operation, self.key, number)
        name = f"{number:05d}.part"
        try:
            yield name
        except OSError as error:
            with suppress(OSError):
                os.unlink(os.path.join(self._folder, name))
            if isinstance(error, FileNotFoundError):
                raise NotFound(operation, self.key, f"upload {self.upload_id} is over") from error
            raise refused(operation, self.key, error) from error

    def _write_file(self, name: str, data: Buffer) -> None:
        descriptor = os.open(os.path.join(self._folder, name), _WRITE, 0o666)
        try:
            write_all(descriptor, data)
        finally:
            os.close(descriptor)

    def _joined(self) -> str:
        """Append the parts to the first one, removing each, and make it last; its path."""
        parts = sorted(name for name in self._names() if name.endswith(".part"))
        if not parts:
            raise StorageError("complete", self.key, "no part was uploaded")
        whole = os.path.join(self._folder, parts[0])
        descriptor = os.open(whole, os.O_RDWR | os.O_CLOEXEC)
        try:
            for name in parts[1:]:
                self._append(descriptor, os.path.join(self._folder, name))
            stamp = self._clock_ns()
            os.utime(descriptor, ns=(stamp, stamp))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return whole

    def _names(self) -> list[str]:
        try:
            return os.listdir(self._folder)
        except FileNotFoundError as error:
            raise NotFound("complete", self.key, f"upload {self.upload_id} is over") from error

    @staticmethod
    def _append(descriptor: int, part: str) -> None:
        source = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            append_file(descriptor, source)
        finally:
            os.close(source)
        os.unlink(part)

    def _publish(self, whole: str, *, create_only: bool) -> ObjectMeta:
        """Give the finished file its name: a link refuses a name that is taken, a rename replaces it."""
        folder = os.path.dirname(self._target)
        meta = meta_of(self.key, os.stat(whole))
        try:
            make_folders(folder)
            (os.link if create_only else os.replace)(whole, self._target)
        except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            if isinstance(error, FileExistsError) and not os.path.isdir(self._target):
                raise
            detail = "a folder cannot hold both an object and objects below its key, and one of them is there"
            raise InvalidKey("complete", self.key, detail) from error
        sync_folder(folder)
        return meta


def pending_uploads(root: str, prefix: str) -> Iterator[PendingUpload]:
    """The upload folders below a root whose keys begin with `prefix`, sorted by key and id."""
    found = (_pending(os.path.join(root, UPLOADS), name) for name in _upload_ids(root))
    mine = [upload for upload in found if upload is not None and upload.key.startswith(prefix)]
    return iter(sorted(mine, key=lambda upload: (sort_key(upload.key), upload.upload_id)))


def _upload_ids(root: str) -> list[str]:
    try:
        return os.listdir(os.path.join(root, UPLOADS))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise refused("list_uploads", "", error) from error


def _pending(uploads: str, upload_id: str) -> PendingUpload | None:
    folder = os.path.join(uploads, upload_id)
    try:
        started = datetime.fromtimestamp(os.stat(folder).st_mtime, UTC)
    except FileNotFoundError:  # over since the folder was read
        return None
    return PendingUpload(key=_key_in(folder), upload_id=upload_id, started_at=started)


def _key_in(folder: str) -> str:
    try:
        with open(os.path.join(folder, _KEY_FILE), encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""

"""Fetch the file of an export with its certificate: proved on the way, and there as a whole or not at all."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from catalog.certificate import Certificate, from_json
from catalog.errors import DocumentError
from catalog.export_records import ExportedFile
from catalog.layout import certificate_name
from flows.steps.verifying import verify
from storage.base import ObjectStore
from storage.checksums import Proof
from storage.errors import Corrupt
from storage.reading import VerifiedReader, read_standing
from storage.retry import Retry

_AGAIN: Final = "Stop the export, and ask for it again."


class InTheWayError(Exception):
    """Something stands already where a file is to be written; it is never overwritten."""


class UnwritableError(Exception):
    """Nothing can be written where a file is wanted: no such folder, no rights, too long a name, or a full disk."""


def require_free(target: Path) -> None:
    """Raise `InTheWayError` if the file or its certificate would overwrite something, `UnwritableError`."""
    with _telling(target):
        for place in (target, beside(target)):
            if place.exists() or place.is_symlink():
                message = f"{place} is there already, and is not overwritten. Choose another name with -o."
                raise InTheWayError(message)
        with _unfinished(target) as place:
            place.touch()


def free_place(wanted: Path, name: str) -> Path:
    """What is wanted, or a file of that name in it, if it is a folder. Raises what `require_free` raises."""
    with _telling(wanted):
        place = wanted / name if wanted.is_dir() else wanted
    require_free(place)
    return place


def beside(target: Path) -> Path:
    """Where the certificate of a file lies."""
    return target.with_name(certificate_name(target.name))


def download(output: ObjectStore, file: ExportedFile, target: Path, tell: Callable[[int], None]) -> Certificate:
    """Write the file to `target`, its certificate beside it, and hold the one against the other.

    Both have other names until all is proved. Raises `InTheWayError`, `UnwritableError`, `Corrupt` if it is not what
    was certified, and errors of the store.
    """
    require_free(target)
    certificate = read_standing(output, file.certificate)
    with _telling(target), _unfinished(target) as place, _unfinished(beside(target)) as place_beside:
        place_beside.write_bytes(certificate)
        with place.open("wb") as written:
            for piece in VerifiedReader(output).stream(Retry().call(lambda: output.head(file.key))):
                written.write(piece)
                tell(len(piece))
        known = _known(certificate, file)
        differences = verify(place, known, lambda _: None)
        if differences:
            said = "; ".join(f"{each.of}: {each.what}" for each in differences)
            raise Corrupt("download", file.key, f"it is not what was certified: {said}. {_AGAIN}", Proof.CRC64XZ)
        _settle(place_beside, beside(target))
        try:
            _settle(place, target)
        except BaseException:
            beside(target).unlink()
            raise
    return known


def _known(body: bytes, file: ExportedFile) -> Certificate:
    """The certificate, if it is that of the file that was made."""
    try:
        known = from_json(body)
    except DocumentError as error:
        raise Corrupt("download", file.certificate, f"it {error}. {_AGAIN}", Proof.CRC64XZ) from error
    if (known.file.size_bytes, known.file.sha256) != (file.size_bytes, file.sha256):
        message = f"it is of another file than was made. {_AGAIN}"
        raise Corrupt("download", file.certificate, message, Proof.CRC64XZ)
    return known


@contextmanager
def _telling(target: Path) -> Iterator[None]:
    """What the system says against it, as `UnwritableError`."""
    try:
        yield
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror}. Write it elsewhere with -o."
        raise UnwritableError(message) from error


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A name in the same folder for what is not finished; nothing is left under it."""
    place = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield place
    finally:
        with suppress(FileNotFoundError):
            place.unlink()


def _settle(place: Path, target: Path) -> None:
    """Give it its name, unless something has that by now."""
    try:
        os.link(place, target)
    except FileExistsError as error:
        message = f"{target} is there by now, and is not overwritten. Choose another name with -o."
        raise InTheWayError(message) from error
    except OSError:  # a file system without links
        if target.exists():
            raise
        place.rename(target)

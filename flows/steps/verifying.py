"""Hold the file of an export against its certificate: offline, in one pass, in bounded memory.

The file is measured as it is read. Of each MP4 in it the head is kept and judged: by itself, and by what the
certificate says of its tracks.
"""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from catalog.certificate import (
    CLIPS_NAME,
    Certificate,
    CertifiedClip,
    CertifiedFile,
    CertifiedTrack,
    clips_from_json,
    from_json,
)
from catalog.errors import AlteredError, DocumentError
from media.mp4.boxes import MOVIE_TIMESCALE, Mp4Error
from media.mp4.check import CheckedTrack, check
from media.mp4.index import head_bytes
from storage.checksums import Crc64

READ_BYTES: Final = 1 << 20
_BEGINNING_BYTES: Final = 64 * 1024
_LARGEST_HEAD_BYTES: Final = 128 << 20
"""Sixteen bytes a sample, or fewer: those of two days are not so long."""
_LARGEST_CLIPS_BYTES: Final = 64 << 20
_LARGEST_CERTIFICATE_BYTES: Final = 128 << 20
_MOST_NAMED: Final = 20
_EXACT_S: Final = 1 / MOVIE_TIMESCALE + 1e-6
"""Edits are whole ticks of the movie, and a certificate tells times in whole microseconds."""


class UnreadableFileError(Exception):
    """A file cannot be read, or is no certificate."""


class NoFileError(UnreadableFileError):
    """There is no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as certified: of the file, or of one of its members."""

    of: str
    what: str


def verify(path: Path, certificate: Certificate, tell: Callable[[int], None]) -> tuple[Difference, ...]:
    """In what the file differs from its certificate; `tell` is told of bytes as they are read.

    Raises `NoFileError`, `UnreadableFileError`.
    """
    with _opened(path) as file:
        measured = _measured(file, tell)
        found = [*_sizes_and_sums(measured, certificate.file)]
        if certificate.is_archive:
            file.seek(0)
            found += _archive(file, certificate, tell)
        else:
            found += _movie(measured, certificate.clips[0])
    return tuple(Difference(of=of, what=what) for of, what in found)


def read_certificate(path: Path) -> Certificate:
    """The certificate in a file. Raises `NoFileError`, `UnreadableFileError`, and `AlteredError` for a changed one."""
    with _opened(path) as file:
        body = file.read(_LARGEST_CERTIFICATE_BYTES)
    try:
        return from_json(body)
    except AlteredError:
        raise
    except DocumentError as error:
        message = f"{path} {error}. Name the certificate with --cert."
        raise UnreadableFileError(message) from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        if path.exists() and not path.is_file():
            message = f"{path} cannot be read: it is no ordinary file"
            raise UnreadableFileError(message)
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        message = f"there is no file {path}"
        raise NoFileError(message) from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise UnreadableFileError(message) from error


_Said = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class _Measured:
    """What was read of a file, and the head of it, if it is an MP4."""

    size_bytes: int = 0
    sha256: str = ""
    crc64xz: str = ""
    head: bytearray = field(default_factory=bytearray)
    head_error: str | None = None


def _measured(file: IO[bytes], tell: Callable[[int], None]) -> _Measured:
    """Read to the end; only the head is kept."""
    measured, sha256, crc64xz = _Measured(), hashlib.sha256(), Crc64()
    wanted = _BEGINNING_BYTES
    while piece := file.read(READ_BYTES):
        measured.size_bytes += len(piece)
        sha256.update(piece)
        crc64xz.update(piece)
        tell(len(piece))
        at = 0
        while measured.head_error is None and len(measured.head) < wanted and at < len(piece):
            missing = wanted - len(measured.head)
            measured.head += piece[at : at + missing]
            at += missing
            wanted = _wanted(measured) if len(measured.head) == wanted else wanted
    measured.sha256, measured.crc64xz = sha256.hexdigest(), crc64xz.hexdigest()
    return measured


def _wanted(measured: _Measured) -> int:
    """How many bytes of the beginning hold the head."""
    try:
        length = head_bytes(bytes(measured.head))
    except Mp4Error as error:
        measured.head_error = str(error)
        return 0
    if length > _LARGEST_HEAD_BYTES:
        measured.head_error = f"its head would have {length} bytes"
    return max(length, len(measured.head))


def _sizes_and_sums(measured: _Measured, certified: CertifiedFile) -> Iterator[_Said]:
    for what, found, expected in (
        ("size in bytes", measured.size_bytes, certified.size_bytes),
        ("SHA-256", measured.sha256, certified.sha256),
        ("CRC-64/XZ", measured.crc64xz, certified.crc64xz),
    ):
        if found != expected:
            yield certified.name, f"its {what} is {found}, and the certificate says {expected}"


def _movie(measured: _Measured, clip: CertifiedClip) -> Iterator[_Said]:
    """An MP4 that holds together, with the tracks that the certificate lists."""
    name = clip.file.name
    if measured.head_error:
        yield name, f"is no whole MP4: {measured.head_error}"
        return
    try:
        length = head_bytes(bytes(measured.head))
        report = check(bytes(measured.head[:length]), measured.size_bytes - length)
    except Mp4Error as error:
        yield name, f"is no whole MP4: {error}"
        return
    found, expected = [track.type for track in report.tracks], [track.type for track in clip.tracks]
    if sorted(found) != sorted(expected):
        yield name, f"has the tracks {', '.join(found)}, and the certificate says {', '.join(expected)}"
        return
    by_type = {track.type: track for track in report.tracks}
    for track in clip.tracks:
        yield from ((name, said) for said in _track(by_type[track.type], track))


def _track(found: CheckedTrack, certified: CertifiedTrack) -> Iterator[str]:
    for what, is_there, expected in (
        ("number of samples", found.samples, certified.copied + certified.inserted),
        ("start in seconds", float(found.starts_at), certified.starts_at_s),
        ("end in seconds", float(found.ends_at), certified.ends_at_s),
    ):
        if abs(is_there - expected) > _EXACT_S:
            yield f"of its {certified.type} the {what} is {is_there:.10g}, and the certificate says {expected:.10g}"


def _archive(file: IO[bytes], certificate: Certificate, tell: Callable[[int], None]) -> Iterator[_Said]:
    """The clips and their manifest, as they are, and nothing else; of other members nothing is read."""
    name = certificate.file.name
    try:
        with zipfile.ZipFile(file) as archive:
            clips = {clip.file.name: clip for clip in certificate.clips}
            members, expected = archive.infolist(), [*clips, CLIPS_NAME]
            strangers = [*_strangers(name, Counter(member.filename for member in members), expected)]
            yield from strangers
            for member in members if not strangers else ():
                yield from _member(archive, member, clips, tell)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        yield name, f"is no whole archive: {error}"


def _strangers(name: str, found: Counter[str], expected: Sequence[str]) -> Iterator[_Said]:
    """What is not there, and what is too much; of that a few are named."""
    for each in expected:
        if not found[each]:
            yield name, f"has no member {each}"
    strange = [each for each, count in (found - Counter(expected)).items() if count]
    for each in strange[:_MOST_NAMED]:
        yield name, f"has a member {each} that is not certified"
    if len(strange) > _MOST_NAMED:
        yield name, f"has {len(strange) - _MOST_NAMED} more of these"


def _member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, clips: dict[str, CertifiedClip], tell: Callable[[int], None]
) -> Iterator[_Said]:
    if member.compress_type != zipfile.ZIP_STORED:
        yield member.filename, "is compressed, and was stored as it is"
        return
    with archive.open(member) as opened:
        if clip := clips.get(member.filename):
            measured = _measured(opened, tell)
            yield from _sizes_and_sums(measured, clip.file)
            yield from _movie(measured, clip)
            return
        clips_told = None
        with suppress(DocumentError):
            clips_told = clips_from_json(opened.read(_LARGEST_CLIPS_BYTES))
        if clips_told != tuple(clips.values()):
            yield member.filename, "says something else than the certificate"


def total_bytes(certificate: Certificate) -> int:
    """How many bytes are read to verify it: those of members twice."""
    return certificate.file.size_bytes + (
        sum(clip.file.size_bytes for clip in certificate.clips) if certificate.is_archive else 0
    )

"""Make the file of an export: cut, proved and certified, from store to store, in one pass.

All of a file but its media is known before the first byte of that is read, so it is written front to back. The
certificate is stored before the file appears under its key: there is no moment in which the one is without the other.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from catalog.certificate import CLIPS_NAME, Asked, Certificate, CertifiedClip, CertifiedFile, clips_to_json, to_json
from catalog.export_request import Clip
from catalog.exports import Export, ExportedFile
from catalog.layout import served
from flows.steps.archiving import Archive
from flows.steps.assembling import Progress
from flows.steps.certifying import certified_clip
from flows.steps.cutting import CutMovie, cut_as_told
from flows.steps.footage import Footage, footage_of
from flows.steps.publishing import software
from flows.steps.working import Worker
from media.samples import Buffer
from storage.checksums import Crc64
from storage.keys import output_key
from storage.writing import StreamingUpload, put_proved, verify_upload


def make(worker: Worker, export: Export, progress: Progress) -> ExportedFile:
    """Write the file of an export and, before it appears, its certificate.

    `progress` is told of bytes of the file as they are made; what it raises ends the work, and leaves nothing under the
    key. Made again, it is the same bytes. Raises `CutDiffersError` if the file would not be what was told of it,
    `SourceGoneError` if what it is cut from is not there any more, and what stores raise.
    """
    key, beside = output_key(export.key.key), output_key(export.key.certificate)
    with StreamingUpload(worker.output, key, served=served(key)) as upload:

        def write(data: Buffer) -> None:
            upload.write(data)
            progress(len(data))

        whole = _Sealed(write)
        clips = tuple(_clips(worker, export, whole))
        certificate = _certificate(export, whole.as_file(_name(export)), clips)
        put_proved(worker.output, beside, to_json(certificate), served=served(beside))
        progress(0)
        uploaded = upload.complete(b"")
    verify_upload(worker.output, uploaded)
    return ExportedFile(
        key=key,
        size_bytes=certificate.file.size_bytes,
        sha256=certificate.file.sha256,
        crc64xz=certificate.file.crc64xz,
        certificate=beside,
        has_gaps=certificate.has_gaps,
    )


class _Sealed:
    """Passes bytes on, and knows what they are together."""

    def __init__(self, write: Callable[[Buffer], object]) -> None:
        self._write = write
        self._sha256 = hashlib.sha256()
        self._crc64xz = Crc64()
        self._size_bytes = 0

    def write(self, data: Buffer) -> None:
        self._write(data)
        self._sha256.update(data)
        self._crc64xz.update(data)
        self._size_bytes += len(data)

    def as_file(self, name: str) -> CertifiedFile:
        return CertifiedFile(
            name=name,
            size_bytes=self._size_bytes,
            sha256=self._sha256.hexdigest(),
            crc64xz=self._crc64xz.hexdigest(),
        )


def _clips(worker: Worker, export: Export, whole: _Sealed) -> Iterator[CertifiedClip]:
    """Write all files of an export, one after another, and certify each."""
    request = export.request
    if not request.is_archive:
        (clip,) = request.clips
        with _cut(worker, clip) as (footage, movie):
            movie.send(whole.write)
            yield certified_clip(clip, footage.told(), movie, whole.as_file(_name(export)))
        return
    archive, done = Archive(whole.write), list[CertifiedClip]()
    for clip in request.clips:
        with _cut(worker, clip) as (footage, movie):
            with archive.member(clip.file, clip.size_bytes) as member:
                alone = _Sealed(member.write)
                movie.send(alone.write)
            done.append(certified_clip(clip, footage.told(), movie, alone.as_file(clip.file)))
            yield done[-1]
    document = clips_to_json(done)
    with archive.member(CLIPS_NAME, len(document)) as member:
        member.write(document)
    archive.finish()


def _name(export: Export) -> str:
    return f"{export.name}.{export.key.extension}"


@contextmanager
def _cut(worker: Worker, clip: Clip) -> Iterator[tuple[Footage, CutMovie]]:
    """What a clip is cut from, and the cut; of several, one index is in memory at a time."""
    footage = footage_of(worker, clip)
    yield footage, cut_as_told(clip, footage.movie)


def _certificate(export: Export, file: CertifiedFile, clips: tuple[CertifiedClip, ...]) -> Certificate:
    request = export.request
    return Certificate(
        export=export.id,
        mode=request.mode,
        made_at=datetime.now(UTC),
        asked=tuple(Asked(by=each.by, at=each.at, reason=each.reason) for each in export.askings),
        from_utc=request.from_utc,
        to_utc=request.to_utc,
        file=file,
        clips=clips,
        software=software(),
    )

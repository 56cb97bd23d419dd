"""Files as exports make them, with their certificates: real cuts of a real recording."""

# ruff: noqa: ANN401 - the changes are whatever fields the value has

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from catalog.certificate import (
    CLIPS_NAME,
    Certificate,
    CertifiedClip,
    CertifiedFile,
    CertifiedTrack,
    clips_to_json,
    to_json,
)
from catalog.export_request import ExportMode
from catalog.layout import certificate_name
from flows.steps.archiving import Archive
from media.cut import Copied, Cut, cut
from storage.checksums import Crc64
from tests.catalog import certified
from tests.media.cutting import source


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The bytes of a file, and what is certified of it."""

    body: bytes
    certificate: Certificate

    def save(self, folder: Path, name: str | None = None) -> Path:
        """The file with its certificate beside it."""
        place = folder / (name or self.certificate.file.name)
        place.write_bytes(self.body)
        place.with_name(certificate_name(place.name)).write_bytes(to_json(self.certificate))
        return place


@cache
def cut_out(begin: Fraction, end: Fraction, zero: Fraction | None = None) -> tuple[bytes, Cut]:
    """A cut of a recording with pictures and sound, as a file."""
    whole = source("continuous")
    made = cut(whole.index, begin, end, zero=zero)
    pieces = (whole.mp4[p.start : p.end] if isinstance(p, Copied) else p.data for p in made.pieces)
    return b"".join([made.head, *pieces]), made


def sums(name: str, body: bytes) -> CertifiedFile:
    """What is certified of some bytes."""
    crc = Crc64()
    crc.update(body)
    return CertifiedFile(
        name=name, size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest(), crc64xz=crc.hexdigest()
    )


def clip(name: str, begin: Fraction, end: Fraction, **changes: Any) -> tuple[bytes, CertifiedClip]:
    """A cut and what is certified of it."""
    body, made = cut_out(begin, end)
    tracks = tuple(
        CertifiedTrack(
            type=track.type,
            codec=track.codec,
            copied=track.copied,
            inserted=track.inserted,
            starts_at_s=float(track.starts_at - made.zero),
            ends_at_s=float(track.ends_at - made.zero),
        )
        for track in made.tracks
    )
    times = {"starts_at_s": float(made.starts_at), "ends_at_s": float(made.ends_at), "zero_s": float(made.zero)}
    asked = {"from_s": float(begin), "to_s": float(end)}
    return body, certified.clip(name, file=sums(name, body), tracks=tracks, **asked, **times, **changes)


def exported(**changes: Any) -> Exported:
    """One MP4."""
    body, one = clip("ann.mp4", Fraction(3, 2), Fraction(4), **changes)
    return Exported(body=body, certificate=certified.certificate(mode=ExportMode.FAST, clips=(one,), file=one.file))


def archived() -> Exported:
    """Two MP4s in an archive."""
    made = [clip("ann.mp4", Fraction(3, 2), Fraction(4)), clip("bob.mp4", Fraction(2), Fraction(5), user="bob")]
    clips = [each for _, each in made]
    body = zipped([(each.file.name, data) for data, each in made] + [(CLIPS_NAME, clips_to_json(clips))])
    return Exported(body=body, certificate=certified.certificate(*clips, file=sums("room.zip", body)))


def zipped(members: Sequence[tuple[str, bytes]]) -> bytes:
    """An archive of ours."""
    written = io.BytesIO()
    archive = Archive(written.write)
    for name, data in members:
        with archive.member(name, len(data)) as member:
            member.write(data)
    archive.finish()
    return written.getvalue()

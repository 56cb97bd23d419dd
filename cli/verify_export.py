"""`aftertake verify-export`: whether a file is what its certificate says, offline; and what that is."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from catalog.certificate import Certificate, CertifiedClip, to_json
from catalog.errors import AlteredError
from catalog.layout import certificate_name
from catalog.records import id_text
from catalog.wire import utc_text
from cli.exits import Exit
from cli.progress import Progress
from cli.report import tell
from flows.steps.verifying import Difference, read_certificate, total_bytes, verify


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file, and by which certificate."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the MP4 or the archive that was exported")
    parser.add_argument("--cert", type=Path, metavar="FILE", help="its certificate; otherwise FILE.certificate.json")


def run(options: argparse.Namespace) -> int:
    """Tell what holds, or what differs."""
    file: Path = options.file
    place: Path = options.cert or file.parent / certificate_name(file.name)
    try:
        certificate = read_certificate(place)
    except AlteredError as error:
        found: Sequence[Difference] = [Difference(of=str(place), what=str(error))]
        return _answer(file, None, found, as_json=options.json)
    return _answer(file, certificate, held_against(file, certificate), as_json=options.json)


def held_against(file: Path, certificate: Certificate) -> Sequence[Difference]:
    """In what the file differs; see `verify`."""
    progress = Progress("verify-export", total_bytes(certificate))
    try:
        return verify(file, certificate, progress.add)
    finally:
        progress.finish()


def _answer(file: Path, certificate: Certificate | None, found: Sequence[Difference], *, as_json: bool) -> Exit:
    tell(document(file, certificate, found), lines(file, certificate, found), as_json=as_json)
    return Exit.LOST if found else Exit.OK


def document(file: Path, certificate: Certificate | None, found: Sequence[Difference]) -> dict[str, Any]:
    """The one JSON object that `--json` prints; `certificate` is null where it was changed itself."""
    return {
        "schema": "aftertake.verify-export/1",
        "file": str(file),
        "holds": not found,
        "differences": [{"of": each.of, "what": each.what} for each in found],
        "certificate": json.loads(to_json(certificate)) if certificate else None,
    }


def lines(file: Path, certificate: Certificate | None, found: Sequence[Difference]) -> Iterator[str]:
    """The same for people."""
    yield f"{file}: {'not as certified' if found else 'as certified'}"
    for each in found:
        yield f"  ! {each.of} {each.what}"
    if certificate is None or found:
        return
    yield f"  export    {certificate.export}, made at {utc_text(certificate.made_at)}"
    for asked in certificate.asked:
        yield f"  asked     by {asked.by} at {utc_text(asked.at)}: {asked.reason}"
    for clip in certificate.clips:
        yield from _clip_lines(clip)


def _clip_lines(clip: CertifiedClip) -> Iterator[str]:
    whose = f"user {clip.user}" if clip.user is not None else f"stream {clip.stream}"
    yield f"  clip      {clip.file.name}: {whose}, room {clip.room or 'not known'}, {id_text(clip.recording)}"
    seconds = f"{clip.starts_at_s:.3f} to {clip.ends_at_s:.3f} s of stream {clip.stream}"
    known = clip.starts_at and clip.ends_at and f"{utc_text(clip.starts_at)} to {utc_text(clip.ends_at)}; "
    yield f"  time      {known or ''}{seconds}"
    for gap in clip.gaps:
        where = f", {gap.segment}" if gap.segment else ""
        yield f"  lost      {gap.from_s:.3f} to {gap.to_s:.3f} s {gap.track}: {gap.cause}{where}"
    for absence in clip.absences:
        yield f"  absent    {absence.from_s:.3f} to {absence.to_s:.3f} s {absence.track}: {absence.evidence}"

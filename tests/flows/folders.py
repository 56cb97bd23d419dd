"""Recordings laid into folders, and output folders read as a careful reader reads them."""

import os
import time
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from catalog.layout import LatestKey
from catalog.manifest import from_json
from catalog.model import Manifest
from catalog.proofs import decode_proofs
from catalog.publishing import read_latest
from catalog.wire import parse_object
from storage.local import LocalStore
from storage.reading import VerifiedReader
from tests.catalog.test_schema import SCHEMAS
from tests.lab import Slice, cut, flash_and_beep

HOUR_S = 3600
VALIDATOR = Draft202012Validator(SCHEMAS["manifest"])


@cache
def slices(count: int = 4) -> tuple[Slice, ...]:
    """Sound slices of two seconds."""
    return tuple(cut(flash_and_beep(2 * count), 2))


def write(folder: Path, **texts: str | bytes) -> Path:
    """Files in a folder; `_` in a name stands for `.`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        data = text.encode() if isinstance(text, str) else text
        (folder / name.replace("_", ".")).write_bytes(data)
    return folder


def aged(folder: Path, hours: float = 2) -> Path:
    """The same folder, its files written some hours ago."""
    then = time.time() - hours * HOUR_S
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))
    return folder


def media_playlist(*uris: str, end: bool = True) -> str:
    """A playlist of two-second entries."""
    entries = [line for uri in uris for line in ("#EXTINF:2.000000,", uri)]
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", *entries, *["#EXT-X-ENDLIST"] * end]
    return "\n".join(lines) + "\n"


def contents(folder: Path) -> dict[str, bytes]:
    """Every object of an output by key; unfinished uploads are none."""
    return {meta.key: (folder / meta.key).read_bytes() for meta in LocalStore(folder).list()} if folder.exists() else {}


def unfinished(folder: Path) -> list[str]:
    """Keys of uploads that are neither complete nor aborted."""
    return [upload.key for upload in LocalStore(folder).list_uploads()]


def manifests(folder: Path) -> list[str]:
    """Keys of manifest revisions."""
    return [key for key in contents(folder) if key.startswith("manifests/") and not key.endswith("latest.json")]


def followed(folder: Path, vendor: str, task_id: str) -> Manifest:
    """The manifest that `latest.json` names, after everything it names was found as it says."""
    store = LocalStore(folder)
    latest = read_latest((folder / LatestKey(vendor=vendor, task_id=task_id).key).read_bytes())
    body = (folder / latest.manifest).read_bytes()
    VALIDATOR.validate(parse_object(body))
    manifest = from_json(body)
    assert (manifest.revision, manifest.verdict) == (latest.revision, latest.verdict)
    for stream in manifest.streams:
        for output in stream.outputs:
            _, proof = VerifiedReader(store).read(store.head(output.key))
            assert (proof.size_bytes, proof.crc64xz) == (output.size_bytes, output.crc64xz)
        assert stream.segments.file is not None
        lines = list(decode_proofs((folder / stream.segments.file.key).read_bytes()))
        assert len(lines) == stream.segments.count
    return manifest

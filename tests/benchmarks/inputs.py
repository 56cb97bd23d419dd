"""The inputs, made once and kept: HLS folders, each with `index.m3u8` and its slices.

    busy        15 s slices of 720p25 at 1.4 Mbit/s, at least 1 GB
    busy_large  the same in slices of 50 MB
    long        four hours of small pictures, 15 s slices
    half        the first half of `long`
    long_large  four hours of what is in `busy`, in slices of 50 MB

Run as a program, by the benchmark: what encodes must not be the parent of what is measured, because a child's peak
memory begins with that of its parent.
"""

import hashlib
import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.clips import Clip, repeated, slices_of
from tests.benchmarks.scales import SCALES, Scale

EDITION = 1
"""Raised when the inputs change, so that older ones are not taken for them."""
_LONG_SIZE = (160, 90)


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice and how long it lasts."""

    data: bytes
    seconds: int


def make(scale: Scale, folder: Path) -> Path:
    """The folder of the inputs, which are made if they are not there."""
    recipe = hashlib.sha256(f"{EDITION} {asdict(scale)}".encode()).hexdigest()[:12]
    done = folder / f"{scale.name}-{recipe}"
    if not done.exists():
        unfinished = folder / f"unfinished-{os.getpid()}"
        _make_all(scale, unfinished)
        unfinished.rename(done)
    return done


def _make_all(scale: Scale, folder: Path) -> None:
    clip = Clip(
        seconds=scale.clip_seconds,
        slice_seconds=scale.slice_seconds,
        size=scale.size,
        video_bit_rate=scale.video_bit_rate,
        audio_bit_rate=64_000,
    )
    small = Clip(
        seconds=scale.clip_seconds,
        slice_seconds=scale.slice_seconds,
        size=_LONG_SIZE,
        video_bit_rate=40_000,
        audio_bit_rate=32_000,
    )
    talk, quiet = slices_of(clip), slices_of(small)
    count = scale.long_seconds // scale.slice_seconds
    _write(folder / "busy", _at_least(_timed(talk, clip), scale.busy_bytes))
    _write(folder / "long", itertools.islice(_timed(quiet, small), count))
    _write(folder / "long_large", _joined(itertools.islice(_timed(talk, clip), count), scale.large_slice_bytes))
    _link_first(folder / "long", folder / "half", wanted_seconds=scale.long_seconds // 2)
    _link_first(folder / "long_large", folder / "busy_large", wanted_bytes=scale.busy_bytes)


def _timed(slices: list[bytes], clip: Clip) -> Iterator[Slice]:
    return (Slice(data, clip.slice_seconds) for data in repeated(slices, clip.seconds))


def _at_least(slices: Iterator[Slice], size_bytes: int) -> Iterator[Slice]:
    while size_bytes > 0:
        piece = next(slices)
        size_bytes -= len(piece.data)
        yield piece


def _joined(slices: Iterator[Slice], size_bytes: int) -> Iterator[Slice]:
    """MPEG-TS back to back is MPEG-TS: slices of at least this size, but for the last."""
    pieces: list[Slice] = []
    for piece in slices:
        pieces.append(piece)
        if sum(len(p.data) for p in pieces) >= size_bytes:
            yield Slice(b"".join(p.data for p in pieces), sum(p.seconds for p in pieces))
            pieces = []
    if pieces:
        yield Slice(b"".join(p.data for p in pieces), sum(p.seconds for p in pieces))


def _write(folder: Path, slices: Iterator[Slice]) -> None:
    folder.mkdir(parents=True)
    entries: list[tuple[str, int]] = []
    for number, piece in enumerate(slices):
        entries.append((f"{number:05d}.ts", piece.seconds))
        (folder / entries[-1][0]).write_bytes(piece.data)
    _write_playlist(folder, entries)


def _link_first(source: Path, folder: Path, *, wanted_bytes: int = 0, wanted_seconds: int = 0) -> None:
    """The first slices of another input, without another copy of their bytes."""
    folder.mkdir()
    entries: list[tuple[str, int]] = []
    size_bytes = seconds = 0
    for name, duration in json.loads((source / "entries.json").read_text(encoding="utf-8")):
        if size_bytes >= wanted_bytes and seconds >= wanted_seconds:
            break
        (folder / name).hardlink_to(source / name)
        entries.append((name, duration))
        size_bytes, seconds = size_bytes + (folder / name).stat().st_size, seconds + duration
    _write_playlist(folder, entries)


def _write_playlist(folder: Path, entries: list[tuple[str, int]]) -> None:
    target = max(seconds for _, seconds in entries)
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{target}", "#EXT-X-MEDIA-SEQUENCE:0"]
    lines += [f"#EXTINF:{seconds}.000,\n{name}" for name, seconds in entries]
    (folder / "index.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]), encoding="utf-8")
    (folder / "entries.json").write_text(json.dumps(entries), encoding="utf-8")


def main() -> None:
    """`python -m tests.benchmarks.inputs SCALE FOLDER` writes the path of the inputs."""
    name, folder = sys.argv[1:]
    parent = Path(folder)
    for old in parent.glob("unfinished-*"):
        shutil.rmtree(old)
    sys.stdout.write(f"{make(SCALES[name], parent)}\n")


if __name__ == "__main__":
    main()

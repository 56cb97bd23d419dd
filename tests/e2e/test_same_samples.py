"""Where nothing is damaged, our samples are those of ffmpeg's own remux, byte by byte."""

import hashlib
import io
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import pytest

from tests.e2e.cases import WHOLE
from tests.lab import Slice
from tests.media.driving import make
from tests.media.recordings import joined, recording

SETS: dict[str, Sequence[Slice]] = {
    "b-frames": recording(6),
    "no b-frames": recording(6, b_frames=0),
    "counters restart": recording(6, restart_counters=True),
    "hevc": recording(6, hevc=True),
    "44.1 kHz stereo": recording(6, sample_rate=44_100, channels=2),
    "sound alone": recording(5.5, video=False),
    "pictures alone": recording(6, audio=False),
    "one slice": recording(6, slice_s=6),
    "60 slices": recording(60, slice_s=1),
}
PROGRAMS = {"wheel": imageio_ffmpeg.get_ffmpeg_exe(), "system": shutil.which("ffmpeg") or ""}
Digests = dict[str, tuple[int, str]]


def libav_mp4(source: bytes) -> bytes:
    """What libav makes of MPEG-TS bytes without a word from us."""
    target = io.BytesIO()
    with av.open(io.BytesIO(source), "r", format="mpegts") as reader, av.open(target, "w", format="mp4") as writer:
        streams = {stream.index: writer.add_stream_from_template(stream, opaque=True) for stream in reader.streams}
        for packet in reader.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                writer.mux(packet)
    return target.getvalue()


def digests(mp4: bytes) -> Digests:
    """Samples and the SHA-256 of their bytes, by type of track."""
    counts: dict[str, int] = {}
    hashes: dict[str, Any] = {}
    with av.open(io.BytesIO(mp4), "r", format="mp4") as source:
        for packet in source.demux():
            if packet.size:
                kind = packet.stream.type
                counts[kind] = counts.get(kind, 0) + 1
                hashes.setdefault(kind, hashlib.sha256()).update(bytes(packet))
    return {kind: (counts[kind], hashes[kind].hexdigest()) for kind in counts}


def packet_counts(source: bytes) -> dict[str, int]:
    """Coded pictures and sound frames that libav finds in MPEG-TS bytes."""
    counts: dict[str, int] = {}
    with av.open(io.BytesIO(source), "r", format="mpegts") as reader:
        for packet in reader.demux():
            if packet.size:
                counts[packet.stream.type] = counts.get(packet.stream.type, 0) + 1
    return counts


@pytest.mark.parametrize("name", SETS)
def test_samples_are_those_of_a_libav_remux(name: str) -> None:
    made = make(SETS[name])
    ours = digests(made.mp4)
    assert ours == digests(libav_mp4(joined(list(SETS[name]))))
    assert {track.type: track.ledger.samples_out for track in made.tracks} == {k: n for k, (n, _) in ours.items()}


@pytest.mark.parametrize("name", SETS)
def test_samples_in_are_as_many_as_libav_finds(name: str) -> None:
    made = make(SETS[name])
    assert {t.type: t.ledger.samples_in for t in made.tracks} == packet_counts(joined(list(SETS[name])))
    assert all(track.ledger.closes for track in made.tracks)


@pytest.mark.parametrize("name", ["stamps restart, tagged", "stamps restart, not tagged"])
def test_stamps_that_restart_change_no_sample(name: str) -> None:
    case = WHOLE[name]()
    assert digests(case.make().mp4) == digests(libav_mp4(joined(list(recording(8)))))


def stream_hashes(program: str, path: Path) -> list[str]:
    """`-f streamhash` of a file: one SHA-256 a stream, in order of type."""
    command = [program, "-v", "error", "-i", str(path), "-map", "0", "-c", "copy", "-f", "streamhash", "-"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout  # noqa: S603
    return sorted(re.sub(r"^\d+,", "", line) for line in printed.splitlines())


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", SETS)
def test_stream_hashes_of_the_ffmpeg_program(name: str, program: str, tmp_path: Path) -> None:
    executable = PROGRAMS[program]
    if not executable:
        pytest.skip("no ffmpeg on the PATH")
    if (name, program) == ("hevc", "system"):
        pytest.skip("Debian's ffmpeg 5.1 gives the first zero of a start code to the HEVC picture before it")
    source, theirs, ours = tmp_path / "source.ts", tmp_path / "theirs.mp4", tmp_path / "ours.mp4"
    source.write_bytes(joined(list(SETS[name])))
    copy = [executable, "-v", "error", "-i", str(source), "-map", "0", "-c", "copy", str(theirs)]
    subprocess.run(copy, check=True, timeout=60)  # noqa: S603
    ours.write_bytes(make(SETS[name]).mp4)
    hashes = stream_hashes(executable, ours)
    assert len(hashes) == len(make(SETS[name]).tracks)
    assert hashes == stream_hashes(executable, theirs)

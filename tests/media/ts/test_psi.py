"""Program maps: which PIDs carry what."""

import pytest

from media.ts.packets import align, usable
from media.ts.psi import ElementaryStream, ProgramMap, crc32, read_program_map
from tests.lab import drop_from_pmt, programme
from tests.media.recordings import recording
from tests.media.ts.made import AAC, AUDIO_PID, H264, PMT_PID, VIDEO_PID, packet, pat, pmt, tables


def read(data: bytes, known: ProgramMap | None = None) -> list[tuple[int, int]]:
    found = read_program_map(usable(align(data))[0], known)
    return [(stream.pid, stream.stream_type) for stream in found.streams]


def test_a_map_says_which_pid_carries_what() -> None:
    assert read(tables((VIDEO_PID, H264), (AUDIO_PID, AAC))) == [(VIDEO_PID, H264), (AUDIO_PID, AAC)]


def test_a_map_that_changes_inside_a_segment_adds_its_streams() -> None:
    data = tables((AUDIO_PID, AAC)) + pmt([(AUDIO_PID, AAC), (VIDEO_PID, H264)], counter=1)
    assert read(data) == [(AUDIO_PID, AAC), (VIDEO_PID, H264)]


def test_a_type_that_changes_is_the_newest() -> None:
    data = tables((VIDEO_PID, H264)) + pmt([(VIDEO_PID, 0x24)], counter=1)
    assert read(data) == [(VIDEO_PID, 0x24)]


def test_without_a_map_the_known_one_holds() -> None:
    known = ProgramMap((ElementaryStream(VIDEO_PID, H264),))
    assert read(packet(VIDEO_PID, b"x" * 184) * 4, known) == [(VIDEO_PID, H264)]
    assert read(packet(VIDEO_PID, b"x" * 184) * 4) == []


@pytest.mark.parametrize("at", [20, 30])
def test_a_map_with_a_wrong_checksum_is_not_believed(at: int) -> None:
    broken = bytearray(pmt([(VIDEO_PID, H264), (AUDIO_PID, AAC)]))
    broken[at] ^= 0x01
    assert read(pat() + bytes(broken)) == []
    assert read(pat() + bytes(broken) + pmt([(AUDIO_PID, AAC)], counter=1)) == [(AUDIO_PID, AAC)]


def test_a_map_that_spans_packets() -> None:
    entries = [(0x200 + n, 0x06) for n in range(60)]
    body = bytes((2, 0xB0 | (9 + 300 + 4) >> 8, (9 + 300 + 4) & 0xFF, 0, 1, 0xC1, 0, 0, 0xE1, 0, 0xF0, 0))
    body += b"".join(bytes((kind, 0xE0 | pid >> 8, pid & 0xFF, 0xF0, 0)) for pid, kind in entries)
    payload = b"\0" + body + crc32(body).to_bytes(4, "big")
    first, second = payload[:184], payload[184:]
    data = pat() + packet(PMT_PID, first, starts=True) + packet(PMT_PID, second.ljust(184, b"\xff"), counter=1)
    assert read(data) == entries


def test_maps_of_real_muxers() -> None:
    data = recording()[0].data
    pids = programme(data)
    assert dict(read(data)) == {pids.video: H264, pids.audio: AAC}
    assert dict(read(drop_from_pmt(data, pids.video))) == {pids.audio: AAC}

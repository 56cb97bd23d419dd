"""The scan of a segment: what its bytes say, whole or in windows."""

import io
from collections.abc import Sequence

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.sandbox.packets import packets, pid_of
from media.samples import Buffer
from media.ts.demux import demux_audio, demux_video
from media.ts.scan import SegmentScan, Window, merge, scan_windows
from tests.lab import programme
from tests.media.driving import cut_up
from tests.media.recordings import first_dts, recording
from tests.media.ts.made import AAC, AUDIO_PID, H264, VIDEO_PID, adts_frame, pes, tables, transport


def scanned(*pieces: Buffer) -> SegmentScan:
    return merge(window.scan for window in scan_windows(pieces))


def counted(data: bytes) -> dict[str, int]:
    counts: dict[str, int] = {}
    with av.open(io.BytesIO(data), "r", format="mpegts") as source:
        for packet in source.demux():
            if packet.size:
                counts[packet.stream.type] = counts.get(packet.stream.type, 0) + 1
    return counts


@pytest.mark.parametrize("number", range(3))
def test_samples_are_counted_as_libav_counts_them(number: int) -> None:
    data = recording(6)[number].data
    assert {track.type: track.samples for track in scanned(data).tracks} == counted(data)


def test_a_sound_segment_says_what_it_is() -> None:
    data = recording(6)[0].data
    found = scanned(data)
    assert found.size_bytes == len(data)
    assert found.packets == len(data) // 188
    assert not found.is_corrupt
    assert not found.ends_broken
    assert not found.falls_short(2 * 90_000)
    assert found.first == first_dts(data)
    assert found.span == pytest.approx(2 * 90_000, abs=9000)
    assert found.unsupported == ()
    audio = found.track("audio")
    assert audio is not None
    assert audio.audio is not None
    assert (audio.audio.sample_rate, audio.audio.channels) == (48_000, 1)


@pytest.mark.parametrize(("promised", "cut"), [(2.0, False), (2.3, False), (2.5, True), (3.0, True)])
def test_less_time_than_promised_is_a_cut(promised: float, *, cut: bool) -> None:
    assert scanned(recording(6)[0].data).falls_short(round(promised * 90_000) + 1) is cut


def test_whole_seconds_are_promised_less_exactly() -> None:
    """EXTINF was a whole number of seconds before protocol version 3 (RFC 8216 §4.3.2.1)."""
    found = scanned(recording(5, slice_s=5, audio=False)[0].data[: 188 * 400])
    promised = found.span + 45_000
    assert found.falls_short(promised) is (promised % 90_000 != 0)
    assert not scanned(recording(6)[0].data).falls_short(2 * 90_000)


def test_a_packet_cut_in_its_middle_is_a_cut() -> None:
    found = scanned(recording(6)[0].data[:-100])
    assert found.partial_bytes == 88
    assert found.ends_broken


@settings(deadline=None, max_examples=25)
@given(st.integers(min_value=6000, max_value=60_000))
def test_pieces_of_any_size_say_the_same(size: int) -> None:
    data = recording(6, slice_s=6)[0].data
    assert scanned(*cut_up(data, size)) == scanned(data)


@settings(deadline=None, max_examples=25)
@given(st.integers(min_value=6000, max_value=60_000))
def test_windows_give_the_same_samples(size: int) -> None:
    data = recording(6, slice_s=6)[0].data
    assert demuxed(list(scan_windows(cut_up(data, size)))) == demuxed(list(scan_windows([data])))


def demuxed(windows: Sequence[Window]) -> tuple[bytes, list[int], bytes, list[int]]:
    video, audio, pictures, sounds = b"", b"", [], []
    for window in windows:
        units = demux_video(window, "h264", parameters_in_force=b"", drop_last=False)
        if units:
            video += bytes(units.data)
            pictures += units.pts.tolist()
        track = window.scan.track("audio")
        if track and track.audio and (frames := demux_audio(window, track.audio)):
            audio += bytes(frames.data)
            sounds += frames.sizes.tolist()
    return video, pictures, audio, sounds


def test_the_program_map_of_the_segment_before_counts_only_where_there_is_none() -> None:
    both, sound = recording(6)[0].data, recording(5.5, video=False)[0].data
    known = scanned(both).program
    after = merge(window.scan for window in scan_windows([sound], known))
    assert {track.type for track in after.tracks} == {"audio"}
    assert after.program == scanned(sound).program
    assert after.unsupported == ()
    pids = programme(both)
    without_tables = b"".join(p for p in packets(both) if pid_of(p) in pids.tracks.values())
    assert {t.type for t in merge(w.scan for w in scan_windows([without_tables], known)).tracks} == {"audio", "video"}
    assert not scanned(without_tables).is_media


def test_the_second_stream_of_a_kind_is_not_assembled() -> None:
    units = [pes(adts_frame(b"x" * 50), pts=n * 1920, video=False) for n in range(10)]
    data = tables((AUDIO_PID, AAC), (0x102, AAC)) + transport(AUDIO_PID, units) + transport(0x102, units)
    found = scanned(data)
    assert [track.pid for track in found.tracks] == [AUDIO_PID]
    assert found.unsupported == ((0x102, AAC),)


def test_the_end_of_sound_counts_the_frames_of_its_last_packet() -> None:
    units = [pes(adts_frame(b"x" * 50) * 5, pts=90_000 + n * 5 * 1920, video=False) for n in range(4)]
    track = scanned(tables((AUDIO_PID, AAC)) + transport(AUDIO_PID, units)).track("audio")
    assert track is not None
    assert track.samples == 20
    assert track.end == 90_000 + 20 * 1920


def test_stamps_are_unwrapped_around_the_first() -> None:
    wrap = 1 << 33
    picture = b"\0\0\0\1\x65\x88\x84"
    units = [pes(picture * 9, pts=wrap - 7200 + n * 3600) for n in range(5)]
    track = scanned(tables((VIDEO_PID, H264)) + transport(VIDEO_PID, units)).track("video")
    assert track is not None
    assert (track.first_dts, track.end) == (wrap - 7200, wrap + 10_800)


@pytest.mark.parametrize(("jump_s", "believed_s"), [(500, 500), (1000, 0), (-1000, 0)])
def test_only_a_jump_that_a_pause_explains_takes_time_inside_a_segment(jump_s: int, believed_s: int) -> None:
    begin = 2000 * 90_000
    stamps = [begin + n * 3600 + (n >= 5) * jump_s * 90_000 for n in range(10)]
    units = [pes(b"\0\0\0\1\x65\x88\x84" * 9, pts=pts) for pts in stamps]
    track = scanned(tables((VIDEO_PID, H264)) + transport(VIDEO_PID, units)).track("video")
    assert track is not None
    assert (track.first_dts, track.end) == (begin, begin + 10 * 3600 + believed_s * 90_000)
    assert track.broken_units == 0


@pytest.mark.parametrize("pieces", [(), (b"",), (b"", b"")])
def test_no_bytes(pieces: tuple[bytes, ...]) -> None:
    assert not scanned(*pieces).is_media

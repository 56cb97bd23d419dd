"""The instrument itself: it must see the fault that stamps alone do not show, and no fault where there is none."""

import io
from pathlib import Path

import av
import pytest

from tests.browser.player import Player, in_one_of_three_plays
from tests.lab import flash_and_beep, judge_mp4

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ONE_FRAME = 1 / 25


def libav_mp4(clip: bytes, *, audio_hole: tuple[float, float] = (0, 0)) -> bytes:
    """Libav's own MP4 of a clip; sound of these seconds is left out, so that one sample lasts as long as the hole."""
    target = io.BytesIO()
    with (
        av.open(io.BytesIO(clip), "r", format="mpegts") as source,
        av.open(target, "w", format="mp4", options={"movie_timescale": "90000"}) as out,
    ):
        streams = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in source.streams}
        zero = min(stream.start_time or 0 for stream in source.streams)
        for packet in source.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - zero, packet.dts - zero
                in_hole = audio_hole[0] <= packet.pts / 90_000 < audio_hole[1]
                if not (packet.stream.type == "audio" and in_hole):
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)
    return target.getvalue()


def test_a_continuous_file_plays_in_sync(player: Player) -> None:
    def judge() -> None:
        heard = player.play(libav_mp4(flash_and_beep(5)))
        assert {1, 2, 3, 4} <= set(heard.offsets)
        assert heard.worst_offset_s < ONE_FRAME
        assert heard.spread_s < ONE_FRAME

    in_one_of_three_plays(judge)


def test_a_hole_in_the_sound_is_played_through(player: Player) -> None:
    """Libav, which goes by the stamps, finds nothing wrong with this file; Chromium plays its end 2 seconds early."""
    holed = libav_mp4(flash_and_beep(7), audio_hole=(2.5, 4.5))
    assert judge_mp4(holed).worst_offset_s < ONE_FRAME

    def judge() -> None:
        heard = player.play(holed)
        assert heard.offsets[1] == pytest.approx(0, abs=ONE_FRAME)
        assert heard.offsets[6] == pytest.approx(-2, abs=2 * ONE_FRAME)

    in_one_of_three_plays(judge)


def test_playing_from_the_middle(player: Player) -> None:
    def judge() -> None:
        heard = player.play(libav_mp4(flash_and_beep(20)), from_s=15.5, to_s=18.5)
        assert set(heard.offsets) == {16, 17, 18}
        assert heard.worst_offset_s < ONE_FRAME

    in_one_of_three_plays(judge)


def test_a_progressive_file_plays_before_it_is_read(player: Player, tmp_path: Path) -> None:
    at_end = libav_mp4(flash_and_beep(60, size=(320, 180)))
    path = tmp_path / "progressive.mp4"
    with av.open(io.BytesIO(at_end), "r") as source, av.open(str(path), "w", options={"movflags": "faststart"}) as out:
        streams = [out.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for packet in source.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    opening = player.open(path.read_bytes(), bytes_per_second=200_000)
    assert opening.requests == (0,)
    assert opening.bytes_sent < path.stat().st_size / 2
    assert len(player.open(at_end, bytes_per_second=200_000).requests) > 1

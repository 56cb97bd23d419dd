"""Slices that are encoded while they are recorded: nothing of the scene is missing, and all of it is in its place."""

import io
from itertools import pairwise

import av
import pytest

from deployments.sandbox import scene
from deployments.sandbox.clips import Clip
from deployments.sandbox.cutting import Slice, mp4_of
from deployments.sandbox.live import Live
from tests.lab.luma import luma_of


def recorded(
    seconds: int, *, begins_at: int = 0, stamped_s: int = 0, audio: bool = True, video: bool = True
) -> list[Slice]:
    live = Live(Clip(seconds=1, audio=audio, video=video), begins_at=begins_at, stamped_s=stamped_s, slice_s=2)
    slices = [piece for second in range(seconds) for piece in live.until(begins_at + second + 1)]
    return slices + live.close()


def pictures(data: bytes, *, container_format: str = "mpegts") -> list[tuple[int, int]]:
    """Second and number of each picture, in order of presentation."""
    with av.open(io.BytesIO(data), "r", format=container_format) as container:
        return [scene.read_picture(luma_of(frame))[1:] for frame in container.decode(video=0)]


def stamps(data: bytes, kind: str) -> list[float]:
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        packets = [packet for packet in container.demux() if packet.size and packet.stream.type == kind]
    return sorted(float((packet.pts or 0) * packet.time_base) for packet in packets)


def joined(slices: list[Slice]) -> bytes:
    return b"".join(piece.data for piece in slices)


def test_every_picture_is_there_once() -> None:
    slices = recorded(5, begins_at=7)
    assert [piece.start_s for piece in slices] == [7, 9, 11]
    assert [piece.duration_s for piece in slices] == [2, 2, 1]
    expected = [(second, frame) for second in range(7, 12) for frame in range(25)]
    assert pictures(joined(slices)) == expected
    assert [pictures(piece.data)[0] for piece in slices] == [(7, 0), (9, 0), (11, 0)], "each can be played alone"
    assert pictures(mp4_of([piece.data for piece in slices]), container_format="mp4") == expected


@pytest.mark.parametrize(("kind", "step"), [("video", 0.04), ("audio", 1024 / 48_000)])
def test_stamps_go_on(kind: str, step: float) -> None:
    times = stamps(joined(recorded(5)), kind)
    assert all(abs(later - earlier - step) < 0.0001 for earlier, later in pairwise(times))


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_one_track_alone(kind: str) -> None:
    slices = recorded(5, audio=kind == "audio", video=kind == "video")
    assert abs(sum(piece.duration_s for piece in slices) - 5) < 0.05
    assert abs(slices[0].start_s) < 0.03


def test_what_goes_on_is_stamped_later() -> None:
    first, second = (stamps(joined(recorded(2, stamped_s=at)), "video")[0] for at in (0, 10))
    assert round(second - first, 4) == 10


def test_what_was_abandoned_leaves_nothing() -> None:
    live = Live(Clip(seconds=1), begins_at=0, stamped_s=0, slice_s=2)
    folder = live._list.parent
    assert folder.exists()
    live.until(1)
    live.abandon()
    assert not folder.exists()

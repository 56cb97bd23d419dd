"""Recordings of every make that the tests judge, as intact slices."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from deployments.sandbox.packets import packets, pid_of, programme, pts_of
from media.timing import TICKS_PER_SECOND
from tests.lab import Slice, cut, first_pts, flash_and_beep, restamp


@cache
def recording(
    seconds: float = 12,
    *,
    slice_s: float = 2,
    restart_counters: bool = False,
    audio: bool = True,
    video: bool = True,
    first_second: int = 0,
    b_frames: int = 2,
    gop: int = 25,
    hevc: bool = False,
    size: tuple[int, int] = (160, 90),
    sample_rate: int = 48_000,
    channels: int = 1,
    flash_frames: int = 2,
    degrees: int = 0,
    open_gop: bool = False,
) -> tuple[Slice, ...]:
    """A clip cut into slices; the same slices for the same wishes."""
    clip = flash_and_beep(
        seconds,
        audio=audio,
        video=video,
        first_second=first_second,
        b_frames=b_frames,
        gop=gop,
        codec="hevc" if hevc else "h264",
        size=size,
        sample_rate=sample_rate,
        channels=channels,
        flash_frames=flash_frames,
        degrees=degrees,
        open_gop=open_gop,
    )
    return tuple(cut(clip, slice_s, restart_counters=restart_counters))


# A clip of sound alone ends with a frame more than its pictures would; half a second keeps its last slice a real one.
MAKES: dict[str, Callable[[], tuple[Slice, ...]]] = {
    "video and audio": recording,
    "audio only": lambda: recording(11.5, video=False),
    "video only": lambda: recording(audio=False),
    "counters restarting": lambda: recording(restart_counters=True),
}
"""The makes of recordings that damages are done to."""


def joined(slices: tuple[Slice, ...] | list[Slice]) -> bytes:
    """All bytes, in order."""
    return b"".join(piece.data for piece in slices)


def resumed(first: tuple[Slice, ...], then: tuple[Slice, ...], at_s: float) -> list[Slice]:
    """A recording that goes on with another one, whose second 0 is recorded `at_s` seconds after the first's."""
    delta = ticks(at_s) + _second_zero(first[0].data) - _second_zero(then[0].data)
    return [*first, *(later(piece, at_s).shows(restamp(piece.data, delta)) for piece in then)]


def _second_zero(data: bytes) -> int:
    """The stamp of the first picture, or of the sound of the same time, in ticks of 90 kHz."""
    tracks = programme(data).tracks
    return first_pts(data, tracks["video" if "video" in tracks else "audio"])


def from_zero(piece: Slice) -> Slice:
    """The slice with stamps that begin at 0, as encoders write that restart with each slice."""
    return piece.shows(restamp(piece.data, -first_dts(piece.data)))


def first_dts(data: bytes) -> int:
    """The earliest decode stamp of all tracks, in ticks of 90 kHz."""
    pids = programme(data).tracks.values()
    stamps = {pid: _first_dts(data, pid) for pid in pids}
    return min(stamps.values())


def _first_dts(data: bytes, pid: int) -> int:
    """A decode stamp equals the presentation stamp where none is written."""
    head = next(p for p in packets(data) if pid_of(p) == pid and pts_of(p) is not None)
    start = head.index(b"\0\0\1", 4)
    if head[start + 7] >> 6 == 3:
        a, b, c, d, e = head[start + 14 : start + 19]
        return (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
    stamp = pts_of(head)
    assert stamp is not None
    return stamp


def undecodable(piece: Slice) -> Slice:
    """The slice with whole pictures of which none but the key frames can be decoded: their slice headers are wrong.

    Only headers that lie in one packet are.
    """
    header = re.compile(rb"(?<=\0\0\x01[\x01\x41])[^\0]{8}", re.DOTALL)
    wrong = (header.sub(lambda _: b"\x80" + b"\x01" * 7, packet) for packet in packets(piece.data))
    return piece.shows(b"".join(wrong))


def later(piece: Slice, seconds: float) -> Slice:
    """The slice at another time of the recording, its stamps as they are."""
    return replace(piece, start_s=piece.start_s + seconds)


def ticks(seconds: float) -> int:
    """Seconds in ticks of 90 kHz."""
    return round(seconds * TICKS_PER_SECOND)

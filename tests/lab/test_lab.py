"""The laboratory measures others, so it is measured first."""

import io
import itertools
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial

import av
import pytest

from deployments.sandbox.packets import WRAP, crc32, packets, pid_of
from media.mp4.boxes import walk
from tests.lab import (
    CASES,
    DAMAGES,
    MIXED,
    Position,
    Slice,
    agora_individual,
    cut,
    drop_from_pmt,
    drop_pid,
    drop_time,
    first_pts,
    flash_and_beep,
    judge_ts,
    programme,
    restamp,
)
from tests.lab.numbers import numbered
from tests.media.driving import make as make_mp4
from tests.media.recordings import recording

ONE_SAMPLE = 1 / 40_000


@pytest.fixture(scope="module")
def clip() -> bytes:
    return flash_and_beep(6)


@pytest.fixture(scope="module")
def slices(clip: bytes) -> list[Slice]:
    return cut(clip, 2)


def joined(slices: list[Slice]) -> bytes:
    return b"".join(piece.data for piece in slices)


def counters(data: bytes, pid: int) -> list[int]:
    return [packet[3] & 15 for packet in packets(data) if pid_of(packet) == pid]


@pytest.mark.parametrize(
    "make",
    [
        partial(flash_and_beep, 6),
        partial(flash_and_beep, 6, codec="hevc"),
        partial(flash_and_beep, 6, b_frames=0, gop=50),
        partial(flash_and_beep, 6, fps=15, size=(320, 180), sample_rate=44_100, channels=2, seed=3),
    ],
    ids=["h264", "hevc", "no b-frames", "other parameters"],
)
def test_flash_and_beep_begin_together(make: Callable[[], bytes]) -> None:
    report = judge_ts(make())
    assert list(report.offsets) == [0, 1, 2, 3, 4, 5]
    assert report.worst_offset_s < ONE_SAMPLE


def test_seconds_know_their_number() -> None:
    assert judge_ts(flash_and_beep(3, first_second=40_000)).seconds == (40_000, 40_001, 40_002)


def test_one_track_alone() -> None:
    assert all(mark.flash_s is None for mark in judge_ts(flash_and_beep(3, video=False)).marks)
    assert all(mark.beep_s is None for mark in judge_ts(flash_and_beep(3, audio=False)).marks)


def test_the_judge_sees_sound_that_is_late_by_a_millisecond(clip: bytes) -> None:
    audio = programme(clip).audio
    late = b"".join(
        restamp(bytes(packet), 90) if pid_of(packet) == audio else bytes(packet) for packet in packets(clip)
    )
    assert judge_ts(late).beyond(judge_ts(clip)) == pytest.approx(0.001, abs=1e-4)


def test_the_judge_sees_sound_that_is_early_by_a_round_number_of_seconds() -> None:
    clip = flash_and_beep(30)
    audio = programme(clip).audio
    early = b"".join(
        restamp(bytes(packet), -20 * 90_000) if pid_of(packet) == audio else bytes(packet) for packet in packets(clip)
    )
    assert judge_ts(early).beyond(judge_ts(clip)) == pytest.approx(20, abs=0.001)


def test_slices_together_are_the_clip(clip: bytes, slices: list[Slice]) -> None:
    assert [(piece.start_s, piece.duration_s) for piece in slices] == [(0, 2), (2, 2), (4, 2)]
    assert judge_ts(joined(slices)).beyond(judge_ts(clip)) < ONE_SAMPLE


def test_counters_go_on_from_slice_to_slice(slices: list[Slice]) -> None:
    video = programme(slices[0].data).video
    assert counters(slices[1].data, video)[0] == (counters(slices[0].data, video)[-1] + 1) % 16


def test_counters_begin_anew_in_each_slice(clip: bytes) -> None:
    again = cut(clip, 2, restart_counters=True)
    assert [counters(piece.data, programme(piece.data).video)[0] for piece in again] == [0, 0, 0]
    assert [piece.start_s for piece in again] == [0, 2, 4]


def test_sound_alone_begins_one_frame_early() -> None:
    first, second, *_ = cut(flash_and_beep(6, video=False), 2)
    assert first.start_s == pytest.approx(-1024 / 48_000)
    assert second.start_s == pytest.approx(first.start_s + first.duration_s)


@pytest.mark.parametrize("delta", [1, -1, 90_000, WRAP - 200_000])
def test_restamp_moves_every_stamp(clip: bytes, delta: int) -> None:
    moved = restamp(clip, delta)
    pids = programme(clip)
    for pid in (pids.audio, pids.video):
        assert first_pts(moved, pid) == (first_pts(clip, pid) + delta) % WRAP
    assert judge_ts(moved).beyond(judge_ts(clip)) < ONE_SAMPLE
    assert restamp(moved, -delta) == clip


def test_a_dropped_track_is_promised_and_absent(clip: bytes) -> None:
    pids = programme(clip)
    silent = drop_pid(clip, pids.audio)
    assert programme(silent) == pids
    assert counters(silent, pids.audio) == []


def test_a_track_that_has_not_begun_is_not_promised(clip: bytes) -> None:
    pids = programme(clip)
    silent = drop_from_pmt(clip, pids.audio)
    assert programme(silent).tracks == {"video": pids.video}
    pmt = next(packet for packet in packets(silent) if pid_of(packet) == pids.pmt)
    assert crc32(bytes(pmt[5 : 5 + 3 + (pmt[6] & 15) * 256 + pmt[7]])) == 0
    assert judge_ts(silent).seconds == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(("renumber", "jumps"), [(True, 0), (False, 1)])
def test_dropped_time_leaves_a_hole(clip: bytes, *, renumber: bool, jumps: int) -> None:
    video = programme(clip).video
    begin = first_pts(clip, video) + 2 * 90_000
    holed = drop_time(clip, video, begin, begin + 90_000, renumber=renumber)
    steps = counters(holed, video)
    assert sum((b - a) % 16 != 1 for a, b in itertools.pairwise(steps)) == jumps
    assert set(judge_ts(holed).offsets) == {0, 1, 3, 4, 5}


@pytest.mark.parametrize(("name", "position"), CASES)
def test_a_damage_changes_what_it_says(slices: list[Slice], name: str, position: Position) -> None:
    damaged = DAMAGES[name].apply(slices, position)
    changed = {at for at, piece in enumerate(damaged.stored) if piece is None or piece.data != slices[at].data}
    assert changed == damaged.at
    assert DAMAGES[name].apply(slices, position) == damaged


def test_thirteen_damages() -> None:
    assert len(DAMAGES) == 13


@pytest.mark.parametrize("vendor", MIXED)
def test_layouts_promise_what_they_hold(slices: list[Slice], vendor: str) -> None:
    laid = MIXED[vendor](slices)
    (playlist,) = laid.playlists
    uris = [line for line in laid.objects[playlist].decode().splitlines() if not line.startswith("#")]
    assert tuple(f"{playlist.rpartition('/')[0]}/{uri}" for uri in uris) == laid.segments
    assert [laid.objects[key] for key in laid.segments] == [piece.data for piece in slices]


def test_a_missing_slice_is_promised_and_not_there(slices: list[Slice]) -> None:
    damaged = DAMAGES["slice missing"].apply(slices, "middle")
    laid = MIXED["agora"](slices, stored=damaged.stored)
    assert [key in laid.objects for key in laid.segments] == [True, False, True]


def test_agora_names_follow_the_slices_true_start(slices: list[Slice]) -> None:
    laid = agora_individual(audio=slices, video=[slices[0], replace(slices[2], start_s=9.5)])
    assert [key[-20:-3] for key in laid.segments[-2:]] == ["20260304093015250", "20260304093024750"]
    video = laid.objects[laid.playlists[1]].decode()
    assert video.count("TRACK-EVENT:EVENT=START,TRACK_TYPE=VIDEO") == 2
    assert "#EXTINF:2.000000\n" in video


def test_every_slice_demuxes_alone(slices: list[Slice]) -> None:
    for piece in slices:
        with av.open(io.BytesIO(piece.data), "r", format="mpegts") as source:
            assert len(source.streams) == 2


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pictures_are_known_by_their_numbers(degrees: int) -> None:
    made = make_mp4(recording(3, degrees=degrees), marks={0: (f"rotate:{degrees}:90x160",)})
    seen = numbered(made.mp4)
    assert [number for number, _ in seen.pictures] == [(second, n) for second in range(3) for n in range(25)]
    assert seen.pictures[30][1] - seen.pictures[0][1] == Fraction(30, 25)
    assert seen.complaints == ()


def test_pictures_that_nobody_can_decode_are_complained_of() -> None:
    mp4 = bytearray(make_mp4(recording(3, audio=False)).mp4)
    begin = next(span.body for span in walk(mp4) if span.kind == b"mdat")
    mp4[begin + 1000 : begin + 4000] = bytes(3000)
    for _ in range(2):
        assert numbered(bytes(mp4)).complaints

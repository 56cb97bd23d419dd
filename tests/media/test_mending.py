"""Damage to what a stream says of itself: one stamp, one parameter set. It costs the sample alone, never the rest."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from deployments.sandbox.packets import PACKET, packets, payload_at, pid_of, programme, starts_unit
from media.plan import FAILOVER_MARK
from media.timing import TICKS_PER_SECOND
from media.ts import scan
from tests.lab import Stored
from tests.media.driving import Made, arrivals, assert_accounted, make, named_walls, planned, run
from tests.media.recordings import later, recording

SECOND = TICKS_PER_SECOND
FRAME = TICKS_PER_SECOND // 25


def with_unit(data: bytes, pid: int, number: int, change: Callable[[bytearray], None]) -> bytes:
    """One packet changed: the one in which the unit of this number begins."""
    changed, seen = [], -1
    for packet in packets(data):
        if pid_of(packet) == pid and starts_unit(packet):
            seen += 1
            if seen == number:
                change(packet)
        changed.append(bytes(packet))
    return b"".join(changed)


def moved(ticks: int) -> Callable[[bytearray], None]:
    """PTS and DTS of the unit moved far away, as a flipped bit does."""

    def change(packet: bytearray) -> None:
        start = payload_at(packet)
        for field in range((packet[start + 7] >> 6) - 1):
            at = start + 9 + 5 * field
            a, b, c, d, e = packet[at : at + 5]
            value = ((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1) + ticks
            packet[at] = a & 0xF1 | (value >> 30 & 7) << 1
            packet[at + 1] = value >> 22 & 0xFF
            packet[at + 2] = (value >> 15 & 0x7F) << 1 | 1
            packet[at + 3] = value >> 7 & 0xFF
            packet[at + 4] = (value & 0x7F) << 1 | 1

    return change


def damaged_in(pid_of_track: str, number: int, change: Callable[[bytearray], None]) -> Made:
    slices = list(recording(6))
    pid = getattr(programme(slices[1].data), pid_of_track)
    slices[1] = slices[1].shows(with_unit(slices[1].data, pid, number, change))
    return make(slices)


@pytest.mark.parametrize("ticks", [40 * SECOND, -40 * SECOND, 1300 * SECOND, -1300 * SECOND])
@pytest.mark.parametrize(("track", "number"), [("video", 3), ("video", 17), ("audio", 1), ("audio", 3)])
def test_a_stamp_far_away_does_not_stretch_the_output(track: str, number: int, ticks: int) -> None:
    made = damaged_in(track, number, moved(ticks))
    assert_accounted(made)
    assert [t.end - t.start == pytest.approx(6 * SECOND, abs=3 * FRAME) for t in made.tracks] == [True, True]
    assert made.said == {("recorder_loss", "slice-1.ts")}


@pytest.mark.parametrize("ticks", [1300 * SECOND, -1300 * SECOND])
def test_nor_does_the_first_stamp_of_a_slice(ticks: int) -> None:
    made = damaged_in("video", 0, moved(ticks))
    assert_accounted(made)
    assert [t.end - t.start == pytest.approx(6 * SECOND, abs=3 * FRAME) for t in made.tracks] == [True, True]


def break_the_sequence_set(packet: bytearray) -> None:
    at = bytes(packet).index(b"\0\0\1\x67", payload_at(packet))
    packet[at + 4 : at + 14] = b"\xff" * 10


def test_a_damaged_sequence_set_costs_its_picture_and_those_that_refer_to_it() -> None:
    made = damaged_in("video", 0, break_the_sequence_set)
    assert_accounted(made)
    video = made.track("video")
    assert len(video.codecs) == 1
    (gap,) = (gap for gap in made.judgement.gaps if gap.track == "video")
    assert gap.end - gap.begin == pytest.approx(SECOND, abs=2 * FRAME)
    assert gap.segment == "slice-1.ts"


def test_without_any_sequence_set_there_is_no_picture_to_show() -> None:
    slices = list(recording(6, gop=250))
    pid = programme(slices[0].data).video
    slices[0] = slices[0].shows(with_unit(slices[0].data, pid, 0, break_the_sequence_set))
    made = make(slices)
    assert_accounted(made)
    assert {track.type for track in made.tracks} <= {"audio", "video"}
    assert made.track("audio").ledger.samples_out > 0


def test_a_file_that_takes_over_with_pictures_that_nobody_can_decode_keeps_its_sound() -> None:
    """The first recorder had sound alone; that the second one has any picture is told by its damaged first slice."""
    sound, then = recording(6, video=False), [later(piece, 6) for piece in recording(8, gop=250, first_second=6)]
    pid = programme(then[0].data).video
    slices = [*sound, then[0].shows(with_unit(then[0].data, pid, 0, break_the_sequence_set)), *then[1:]]
    plan = planned(slices, walls=named_walls(slices))
    second = [replace(segment, file=1, marks=(FAILOVER_MARK,)) for segment in plan.segments[len(sound) :]]
    plan = replace(plan, segments=(*plan.segments[: len(sound)], *second))
    made = run(plan, arrivals(plan, [*slices]))
    assert "keyframe_missing" in made.codes
    audio = made.track("audio")
    assert audio.end - audio.start == pytest.approx(14 * SECOND, abs=SECOND // 10)


@pytest.mark.parametrize("bit", [0, 1])
def test_a_flipped_bit_in_the_only_header_of_a_slice_is_no_fault_of_ours(bit: int) -> None:
    """Sound alone often ends in a slice of one frame, which then has no header that is allowed."""
    slices = list(recording(4, video=False))
    data = bytearray(slices[-1].data)
    data[data.index(b"\xff\xf1", len(data) - PACKET) + 6] ^= 1 << bit
    assert_accounted(make([*slices[:-1], slices[-1].shows(bytes(data))]))


def test_a_broken_frame_alone_in_the_last_window_of_a_slice_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "WINDOW_BYTES", 6 * PACKET)
    first, *rest = recording(4, video=False)
    for cut in range(36 * PACKET, 42 * PACKET, 90):
        stored: Stored = [first.shows(first.data[:cut]), *rest]
        assert_accounted(make([first, *rest], stored=stored))

"""Pictures of several sizes and rotations as one upright track: every one at its own time, upright, on black."""

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import replace

import av
import numpy as np
import pytest

from deployments.sandbox.scene import DARK, Plane, read_picture
from media.mp4.entries import sample_entry
from media.normalise import Normaliser, Sized, Upright, common_form
from media.plan import Pictures
from media.rotation import Turn
from media.timing import TICKS_PER_SECOND
from media.ts import scan
from tests.lab import Slice, drop_time, first_pts, judge_mp4, programme
from tests.lab.luma import luma_of
from tests.media.driving import Made, arrivals, assert_accounted, planned, run
from tests.media.mp4 import made
from tests.media.recordings import recording, resumed, ticks, undecodable

SECOND = TICKS_PER_SECOND
Marks = dict[int, tuple[str, ...]]


def both(slices: Sequence[Slice], marks: Marks | None = None, stored: list[Slice | None] | None = None) -> list[Made]:
    """The recording as it was recorded, and in one form."""
    plan = planned(slices, marks=marks, stored=stored)
    plain = run(plan, arrivals(plan, stored or list(slices)))
    upright = run(plan, arrivals(plan, stored or list(slices)), upright=plain.assembly.upright)
    assert_accounted(upright)
    return [plain, upright]


def pictures(mp4: bytes) -> list[tuple[float, Plane]]:
    """Time and luma of every picture."""
    with av.open(io.BytesIO(mp4), "r", format="mp4") as source:
        return [(float(frame.time or 0), luma_of(frame).copy()) for frame in source.decode(video=0)]


def numbers(mp4: bytes) -> list[int]:
    """Which picture of the scene each one shows."""
    return [25 * second + frame for _, second, frame in (read_picture(luma) for _, luma in pictures(mp4))]


def sound(mp4: bytes) -> list[tuple[int | None, str]]:
    with av.open(io.BytesIO(mp4), "r", format="mp4") as source:
        return [(p.pts, hashlib.sha256(bytes(p)).hexdigest()) for p in source.demux(audio=0) if p.size]


def turned_in_the_middle() -> tuple[list[Slice], Marks]:
    """Upright, then lying and twice as large, then upright and small once more."""
    first = resumed(recording(4), recording(4, first_second=4, size=(320, 180), degrees=90), 4)
    slices = resumed(tuple(first), recording(4, first_second=8, b_frames=0), 8)
    return slices, {2: ("rotate:90:180x320",), 4: ("rotate:0:160x90",)}


def test_every_picture_stands_upright_in_one_size_at_its_own_time() -> None:
    plain, upright = both(*turned_in_the_middle())
    assert [track.entries for track in upright.assembly.parts[0].report.tracks] == [1, 1]
    shown = pictures(upright.mp4)
    assert {luma.shape for _, luma in shown} == {(180, 320)}
    assert numbers(upright.mp4) == list(range(300))
    assert [at for at, _ in shown] == [at for at, _ in pictures(plain.mp4)]
    assert upright.track("video").encoded is not None
    assert upright.track("video").degrees == 0


def test_sound_is_copied_as_it_is() -> None:
    plain, upright = both(*turned_in_the_middle())
    assert sound(upright.mp4) == sound(plain.mp4)
    assert judge_mp4(upright.mp4).beyond(judge_mp4(plain.mp4)) < 0.001


def test_the_same_slices_make_the_same_bytes() -> None:
    assert both(*turned_in_the_middle())[1].mp4 == both(*turned_in_the_middle())[1].mp4


def test_small_windows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "WINDOW_BYTES", 5_000)
    assert numbers(both(*turned_in_the_middle())[1].mp4) == list(range(300))


def test_another_codec_makes_no_new_part() -> None:
    slices = resumed(
        recording(4, audio=False, hevc=True), recording(4, audio=False, first_second=4, size=(320, 180)), 4
    )
    plain, upright = both(slices)
    assert len(plain.files) == 2
    assert numbers(upright.mp4) == list(range(200))
    assert [codec[:4] for codec in upright.track("video").codecs] == ["hvc1", "avc1"]
    assert dict(upright.track("video").parameters) == {"width": 320, "height": 180}


def test_other_sound_makes_a_new_part_of_the_same_size() -> None:
    slices = resumed(recording(4), recording(4, first_second=4, size=(320, 180), channels=2), 4)
    upright = both(slices)[1]
    assert [{luma.shape for _, luma in pictures(file)} for file in upright.files] == [{(180, 320)}] * 2
    assert [numbers(file) for file in upright.files] == [list(range(100)), list(range(100, 200))]


def test_what_has_another_shape_is_put_on_black() -> None:
    """One of 90 x 160 makes 102 x 180 in 320 x 180, between two bars."""
    slices = resumed(recording(4, size=(320, 180)), recording(4, first_second=4, size=(90, 160)), 4)
    _, luma = pictures(both(slices)[1].mp4)[150]
    bars, middle = np.hstack([luma[:, :104], luma[:, -104:]]), luma[:, 109:211]
    assert bars.max() <= DARK
    assert read_picture(np.ascontiguousarray(middle))[1:] == (6, 0)


def test_pictures_that_no_decoder_takes_are_dropped_and_accounted_for() -> None:
    slices, marks = turned_in_the_middle()
    slices[3] = undecodable(slices[3])
    upright = both(slices, marks)[1]
    video = upright.track("video")
    assert 0 < video.refused == video.ledger.dropped < 50
    assert len(pictures(upright.mp4)) == video.ledger.samples_out == 300 - video.refused


@pytest.mark.parametrize("drop_s", [(0, 0.5), (1, 2.5)])
def test_pictures_whose_references_are_lost_are_kept_as_far_as_a_copy_keeps_them(drop_s: tuple[float, float]) -> None:
    """One key frame in six seconds, as calls have it."""
    slices = list(recording(6, gop=150, b_frames=0, slice_s=6))
    video = programme(slices[0].data).video
    begin, end = (first_pts(slices[0].data, video) + ticks(at) for at in drop_s)
    slices[0] = slices[0].shows(drop_time(slices[0].data, video, begin, end))
    plain, upright = both(resumed(tuple(slices), recording(2, first_second=6, size=(320, 180)), 6))
    assert upright.track("video").ledger == plain.track("video").ledger
    assert upright.track("video").refused == 0


def test_a_hole_stays_a_hole() -> None:
    slices, marks = turned_in_the_middle()
    plain, upright = both(slices, marks, [None if n == 3 else piece for n, piece in enumerate(slices)])
    assert [at for at, _ in pictures(upright.mp4)] == [at for at, _ in pictures(plain.mp4)]
    assert upright.judgement == plain.judgement


@pytest.mark.parametrize("marks", [{}, {0: ("rotate:90:90x160",)}])
def test_what_never_changes_needs_no_other_form(marks: Marks) -> None:
    plan = planned(recording(4), marks=marks)
    assert run(plan, arrivals(plan, list(recording(4)))).assembly.upright is None


def sized(at: int, width: int, height: int) -> Sized:
    return Sized(begin=at * SECOND, width=width, height=height)


def turn(at: int, degrees: int) -> Turn:
    return Turn(begin=at * SECOND, degrees=degrees)


@pytest.mark.parametrize(
    ("sizes", "turns", "form"),
    [
        ([], [], None),
        ([sized(0, 640, 480)], [], None),
        ([sized(0, 640, 480)], [turn(0, 90), turn(9, 90)], None),
        ([sized(0, 640, 480), sized(5, 1280, 720)], [], (1280, 720)),
        ([sized(0, 640, 480)], [turn(5, 90)], (640, 480)),
        ([sized(0, 640, 480), sized(5, 480, 640)], [turn(5, 90)], (640, 480)),
        ([sized(0, 640, 480), sized(5, 1280, 720)], [turn(0, 90)], (720, 1280)),
        ([sized(0, 641, 479), sized(5, 64, 48)], [turn(2, 180)], (642, 480)),
        ([sized(3, 640, 480)], [turn(0, 0), turn(1, 90), turn(2, 0)], None),
    ],
)
def test_the_form_is_the_largest_upright_size(
    sizes: list[Sized], turns: list[Turn], form: tuple[int, int] | None
) -> None:
    expected = form and Upright(width=form[0], height=form[1], turns=tuple(turns))
    assert common_form(sizes, turns) == expected


def test_the_policy_is_part_of_the_plan() -> None:
    plan = planned(recording(4))
    assert replace(plan, pictures=Pictures.AS_RECORDED).digest == plan.digest
    assert replace(plan, pictures=Pictures.NORMALISE).digest != plan.digest


class Bits:
    """Reads a sequence parameter set, ITU-T H.264 §7.3.2.1.1."""

    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def u(self, count: int) -> int:
        self.at += count
        return int(self.text[self.at - count : self.at], 2)

    def ue(self) -> int:
        zeros = self.text.index("1", self.at) - self.at
        self.at += zeros
        return self.u(zeros + 1) - 1


def without_vui(sequence_set: bytes) -> bytes:
    """The sequence parameter set of libx264 without what it says of reordering."""
    bits = Bits(sequence_set)
    assert (bits.u(8) & 31, bits.u(8)) == (7, 77)
    bits.u(16)
    set_id, _, order_type = bits.ue(), bits.ue(), bits.ue()
    assert (set_id, order_type) == (0, 0)
    _ = bits.ue(), bits.ue(), bits.u(1), bits.ue(), bits.ue()
    assert bits.u(2) == 3
    for _ in range(4 * bits.u(1)):
        bits.ue()
    text = bits.text[: bits.at] + "01"
    text += "0" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8)
    assert b"\0\0" not in data
    return data


def test_a_stream_that_does_not_say_how_far_it_reorders_comes_out_in_order() -> None:
    samples = []
    for sample in made.video(frames=30, b_frames=3):
        nals = [nal for nal in re.split(rb"\0*\0\0\x01", sample.data) if nal]
        nals = [without_vui(nal) if nal[0] & 31 == 7 else nal for nal in nals]
        samples.append(replace(sample, data=b"".join(b"\0\0\0\x01" + nal for nal in nals)))
    normaliser = Normaliser(Upright(width=96, height=64, turns=()))
    normaliser.enter("h264", sample_entry("h264", samples[0].data))
    normaliser.feed(made.batch(made.length_prefixed(samples)))
    normaliser.close()
    taken = normaliser.take(1)
    assert taken is not None
    assert taken[0].pts.tolist() == [made.STEP * number for number in range(30)]

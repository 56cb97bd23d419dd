"""The assembler: windows and pieces, parts, tables that change inside a slice, sound across PES packets."""

import hashlib
import io
import random
from dataclasses import replace

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.sandbox.packets import PACKET, packets, pid_of, programme, starts_unit
from media.plan import FAILOVER_MARK
from media.timing import TICKS_PER_SECOND
from media.ts import scan
from tests.lab import Slice, flash_and_beep, judge_mp4
from tests.media.driving import Made, arrivals, assert_accounted, assert_intact, make, named_walls, planned, run
from tests.media.recordings import later, recording, resumed
from tests.media.ts.made import AAC, AUDIO_PID, adts_frame, pes, split, tables, transport

Samples = dict[str, list[tuple[int, int, str]]]


def samples(mp4: bytes) -> Samples:
    """Stamps and digest of every sample of each track, in order."""
    found: Samples = {}
    with av.open(io.BytesIO(mp4), "r", format="mp4") as source:
        for packet in source.demux():
            if packet.size and packet.pts is not None and packet.dts is not None:
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                found.setdefault(packet.stream.type, []).append((packet.dts, packet.pts, digest))
    return found


def same(one: Made, other: Made) -> None:
    assert samples(one.mp4) == samples(other.mp4)
    assert one.judgement == other.judgement
    assert [(t.type, t.ledger, t.holes, t.start, t.end) for t in one.tracks] == [
        (t.type, t.ledger, t.holes, t.start, t.end) for t in other.tracks
    ]


@settings(deadline=None, max_examples=15)
@given(size=st.integers(min_value=2000, max_value=90_000), restart=st.booleans())
def test_windows_of_any_size_change_nothing(size: int, *, restart: bool) -> None:
    slices = recording(6, slice_s=3, restart_counters=restart)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "WINDOW_BYTES", size)
        windowed = make(slices)
    assert_intact(windowed)
    same(windowed, make(slices))


@settings(deadline=None, max_examples=15)
@given(size=st.integers(min_value=20_000, max_value=90_000))
def test_segments_used_while_they_are_read_change_nothing(size: int) -> None:
    slices = recording(6, slice_s=3)
    same(make(slices, pieces_of=size), make(slices))


@pytest.mark.parametrize("make_of", ["sound", "pictures"])
def test_one_track_in_pieces(make_of: str) -> None:
    slices = recording(5.5, slice_s=3, audio=make_of == "sound", video=make_of == "pictures")
    same(make(slices, pieces_of=15_000), make(slices))


def test_a_loss_in_a_large_segment_is_the_same_loss() -> None:
    slices = list(recording(6, slice_s=6))
    broken = bytearray(slices[0].data)
    broken[40_000:41_000] = random.Random(3).randbytes(1000)
    damaged = [slices[0].shows(bytes(broken))]
    made = make(damaged, pieces_of=10_000)
    assert_accounted(made)
    whole = make(damaged)
    assert made.codes == whole.codes
    assert {(g.track, g.cause) for g in made.judgement.gaps} == {(g.track, g.cause) for g in whole.judgement.gaps}


def test_a_segment_of_fifty_megabytes_in_pieces() -> None:
    """Pictures of real size, stamps of two minutes; pieces that end anywhere."""
    slices = recording(6, slice_s=6)
    once = slices[0].data
    stuffing = b"".join(bytes((0x47, 0x1F, 0xFF, 0x10)) + b"\xff" * 184 for _ in range(1000))
    bits = [once[at : at + PACKET * 4] for at in range(0, len(once), PACKET * 4)]
    large = slices[0].shows(b"".join(bit + stuffing for bit in bits))
    assert len(large.data) > 20_000_000
    same(make([large], pieces_of=(8 << 20) + 77), make(slices))


@pytest.mark.parametrize("how", [{"sample_rate": 44_100}, {"channels": 2}, {"hevc": True}])
def test_a_codec_or_sound_that_changes_makes_a_new_part(how: dict[str, int]) -> None:
    second = recording(4, first_second=4, **how)
    slices = resumed(recording(4), second, 4)
    made = make(slices, tagged={2})
    assert [part.number for part in made.assembly.parts] == [1, 2]
    assert made.judgement.gaps == ()
    assert_accounted(made)
    for file, source in zip(made.files, (recording(4), second), strict=True):
        alone = samples(make(source).mp4)
        assert {kind: [d for *_, d in rows] for kind, rows in samples(file).items()} == {
            kind: [d for *_, d in rows] for kind, rows in alone.items()
        }


def test_the_second_part_lies_where_its_time_is() -> None:
    made = make(resumed(recording(4), recording(4, first_second=4, hevc=True), 4), tagged={2})
    first, second = made.assembly.parts
    assert min(t.start for t in second.tracks) == pytest.approx(max(t.end for t in first.tracks), abs=9000)


def test_a_track_that_the_pmt_announces_inside_a_segment() -> None:
    """Libav's own MP4 muxer drops such a track; here it is there from its first sample on, at its true time."""
    data = flash_and_beep(4)
    pids = programme(data)
    half = len(data) // PACKET // 2 * PACKET
    early = [p for p in packets(data[:half]) if pid_of(p) not in {0, pids.pmt, pids.video}]
    # The second half may begin inside a picture: nobody has its begin.
    late = list(packets(data[half:]))
    begin = next(at for at, p in enumerate(late) if pid_of(p) == pids.video and starts_unit(p))
    late = [p for at, p in enumerate(late) if at >= begin or pid_of(p) != pids.video]
    stream = tables((pids.audio, AAC)) + b"".join(early) + b"".join(late)
    slices = [Slice(data=stream, duration_s=4, start_s=0)]
    made = make(slices)
    assert {track.type for track in made.tracks} == {"audio", "video"}
    assert made.track("video").start - made.track("audio").start > 90_000
    assert_accounted(made)


@pytest.mark.parametrize("stream_type", [0x03, 0x81, 0x06, 0x02])
def test_streams_that_are_not_assembled_are_named(stream_type: int) -> None:
    units = [pes(b"\x0b\x77" + bytes(200), pts=n * 3600, video=False) for n in range(10)]
    data = tables((AUDIO_PID, stream_type)) + transport(AUDIO_PID, units)
    made = make([Slice(data=data, duration_s=1, start_s=0)])
    assert made.codes == ["segment_unsupported"]
    assert f"0x{stream_type:02x}" in made.judgement.findings[0].detail


def test_sound_whose_frames_lie_across_pes_packets() -> None:
    """PES packets of one size, whatever the frames: a stamp belongs to the first frame that begins in its packet."""
    frames = [adts_frame(bytes([n]) * (150 + n)) for n in range(100)]
    stream = b"".join(frames)
    begins = [sum(map(len, frames[:n])) for n in range(len(frames))]
    units = []
    for at in range(0, len(stream), 700):
        first = next((n for n, begin in enumerate(begins) if begin >= at), len(frames) - 1)
        units.append(pes(stream[at : at + 700], pts=90_000 + first * 1920, sized=True, video=False))
    made = make([Slice(data=tables((AUDIO_PID, AAC)) + transport(AUDIO_PID, units), duration_s=2.13, start_s=0)])
    assert_intact(made)
    assert [digest for *_, digest in samples(made.mp4)["audio"]] == [
        hashlib.sha256(frame[7:]).hexdigest() for frame in frames
    ]
    assert made.track("audio").ledger.inserted == 0


@pytest.mark.parametrize("ppm", [-300, 300])
def test_sound_that_drifts_from_its_stamps_follows_them(ppm: int) -> None:
    """The sound card and the clock disagree: after 200 s no frame is further than half a frame from its stamp."""
    count = 9375
    frames = [adts_frame(bytes([n % 251]) * 20) for n in range(count)]
    step = 1920 * (1 + ppm / 1e6)
    units = [pes(frame, pts=90_000 + round(n * step), sized=True, video=False) for n, frame in enumerate(frames)]
    data = tables((AUDIO_PID, AAC)) + transport(AUDIO_PID, units)
    track = make([Slice(data=data, duration_s=count * step / 90_000, start_s=0)]).track("audio")
    assert track.end - track.start == pytest.approx(count * step, abs=1920)
    assert track.ledger.closes
    moved = track.ledger.inserted if ppm > 0 else track.ledger.trimmed
    assert moved == pytest.approx(count * 300e-6, abs=1)


def test_duplicate_packets_add_nothing() -> None:
    slices = recording(4)
    twice = [
        piece.shows(b"".join(p * 2 if pid_of(p) not in {0, 4096} else p for p in split(piece.data))) for piece in slices
    ]
    made = make(twice)
    assert_intact(made)
    same(made, make(slices))


def test_pictures_without_a_pes_length_of_more_than_64_kb() -> None:
    slices = recording(2, size=(640, 360))
    assert_intact(make(slices))


def test_nothing_at_all() -> None:
    made = run(planned([]), [])
    assert made.files == ()
    assert made.judgement.findings == ()


def test_all_slices_lost() -> None:
    slices = list(recording(4))
    made = make(slices, stored=[None] * len(slices))
    assert made.files == ()
    assert made.codes == ["segment_missing"] * len(slices)


def test_the_same_slices_make_the_same_bytes() -> None:
    assert make(recording(4)).mp4 == make(recording(4)).mp4
    assert planned(recording(4)).digest == planned(recording(4)).digest
    assert planned(recording(4)).digest != planned(recording(4, restart_counters=True), tagged={1}).digest


def test_junk_between_packets_is_damage_and_no_sample_is_lost_for_it() -> None:
    slices = list(recording(4))
    pieces = list(split(slices[0].data))
    slices[0] = slices[0].shows(b"".join(pieces[:50]) + b"junk!" + b"".join(pieces[50:]))
    made = make(slices)
    assert made.codes == ["segment_corrupt"]
    assert [t.ledger.samples_out for t in made.tracks] == [t.ledger.samples_out for t in make(recording(4)).tracks]


def test_pictures_need_their_pid_only() -> None:
    """PIDs that a programme never announced are nobody's business."""
    noise = transport(0x1ABC, [pes(b"noise" * 50, pts=n * 3600) for n in range(5)])
    piece = recording(2)[0]
    made = make([piece.shows(piece.data + noise)])
    assert_intact(made)
    same(made, make(recording(2)))


def overlapping(*, pieces_of: int | None = None) -> Made:
    """Twelve seconds, and from second 7 on another recorder under a clock of its own."""
    first, second = recording(12), recording(8, first_second=7)
    slices = [*first, *(later(piece, 7) for piece in second)]
    slices.sort(key=lambda piece: piece.start_s)
    plan = planned(slices, walls=named_walls(slices))
    files = [int(any(piece.data == other.data for other in second)) for piece in slices]
    marks = [(FAILOVER_MARK,) if file else () for file in files]
    segments = [
        replace(segment, file=file, marks=mark) for segment, file, mark in zip(plan.segments, files, marks, strict=True)
    ]
    plan = replace(plan, segments=tuple(segments))
    return run(plan, arrivals(plan, list(slices), pieces_of=pieces_of))


def test_an_overlap_of_large_segments_is_cut_as_that_of_small_ones() -> None:
    whole, pieces = overlapping(), overlapping(pieces_of=15_000)
    assert whole.judgement.gaps == pieces.judgement.gaps == ()
    assert whole.judgement.absences == ()
    assert_accounted(pieces)
    for made in (whole, pieces):
        report = judge_mp4(made.mp4)
        assert report.seconds == tuple(range(15))
        assert report.worst_offset_s <= 0.04
        assert [round((t.end - t.begin) / TICKS_PER_SECOND) for t in made.judgement.trims] == [5, 5]


def test_a_plan_says_which_file_a_segment_is_of() -> None:
    plan = planned(recording())
    one, *rest = plan.segments
    for change in ({"file": 1}, {"rebuilt": True}, {"marks": (FAILOVER_MARK,)}):
        assert replace(plan, segments=(replace(one, **change), *rest)).digest != plan.digest

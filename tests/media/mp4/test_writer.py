import io
import struct
from dataclasses import fields, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from media.mp4.boxes import Mp4Error, walk
from media.mp4.check import check
from media.mp4.entries import sample_entry
from media.mp4.writer import Chunks, Mp4Writer
from media.samples import Buffer, SampleBatch, Samples
from tests.media.mp4.made import (
    SAMPLE_RATE,
    STBL,
    STEP,
    File,
    adts,
    audio,
    batch,
    inside,
    length_prefixed,
    read,
    video,
)

PICTURE = sample_entry("h264", video()[0].data).box
SOUND = sample_entry("aac", adts(audio()[:3])).box
MEDIA_CODECS = {"libx264": "h264", "libx265": "hevc"}


def written(*, video_at: Fraction = Fraction(0), audio_at: Fraction = Fraction(0), codec: str = "libx264") -> bytes:
    """One video and one audio track, each from its own second on, in chunks of five samples."""
    file = File()
    pictures, sounds = length_prefixed(video(codec)), audio()
    entry = PICTURE if codec == "libx264" else sample_entry("hevc", video(codec)[0].data).box
    shown, heard = file.track("video", entry), file.track("audio", SOUND, timescale=SAMPLE_RATE)
    for first in range(0, max(len(pictures), len(sounds)), 5):
        shown.write(batch(pictures[first : first + 5], at=int(video_at * 90_000)), 1)
        heard.write(batch(sounds[first : first + 5], at=int(audio_at * SAMPLE_RATE), last_duration=1024), 1)
    return file.finished()


def libav_faststart(path: Path, codec: str) -> bytes:
    """The same packets through libav's own MP4 muxer."""
    sources = [
        av.open(io.BytesIO(b"".join(sample.data for sample in video(codec))), "r", format=MEDIA_CODECS[codec]),
        av.open(io.BytesIO(adts(audio())), "r", format="aac"),
    ]
    options = {"movflags": "faststart", "movie_timescale": "90000"}
    with av.open(path, "w", format="mp4", options=options) as output:
        packets = []
        for source, samples, base in zip(sources, (video(codec), audio()), (90_000, SAMPLE_RATE), strict=True):
            stream = output.add_stream_from_template(source.streams[0], opaque=True)
            for packet, sample in zip(source.demux(), samples, strict=False):
                packet.stream, packet.time_base = stream, Fraction(1, base)
                packet.dts, packet.pts = sample.dts, sample.pts
                packet.duration = STEP if base == 90_000 else 1024
                packets.append((Fraction(sample.dts, base), packet))
        for _, packet in sorted(packets, key=lambda item: item[0]):
            output.mux(packet)
    for source in sources:
        source.close()
    return path.read_bytes()


def differences(stamps: list[Fraction]) -> list[Fraction]:
    return [late - early for early, late in pairwise(stamps)]


def edits(mp4: bytes) -> list[list[tuple[int, int]]]:
    """Of each edit list in the file, duration and media time of its edits."""
    lists = []
    for track in (span for span in inside(mp4, b"moov") if span.kind == b"trak"):
        for edts in (span for span in walk(mp4, track.body, track.end) if span.kind == b"edts"):
            (elst,) = walk(mp4, edts.body, edts.end)
            entries = struct.iter_unpack(">IiI", mp4[elst.body + 8 : elst.end])
            lists.append([(duration, media_time) for duration, media_time, _ in entries])
    return lists


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_libav_reads_the_same_packets_as_from_its_own_faststart(codec: str, tmp_path: Path) -> None:
    ours, theirs = read(written(codec=codec)), read(libav_faststart(tmp_path / "oracle.mp4", codec))
    assert [len(track.data) for track in ours] == [len(video(codec)), len(audio())]
    for our, their in zip(ours, theirs, strict=True):
        assert our.data == their.data
        assert our.pts == their.pts
        assert our.sync == their.sync
        assert our.duration == their.duration
        assert differences(our.dts) == differences(their.dts)


def test_every_packet_is_what_was_written() -> None:
    shown, heard = read(written())
    assert shown.data == [sample.data for sample in length_prefixed(video())]
    assert shown.pts == [Fraction(sample.pts, 90_000) for sample in video()]
    assert shown.sync == [sample.sync for sample in video()]
    assert heard.data == [sample.data for sample in audio()]
    assert heard.pts == [Fraction(sample.pts, SAMPLE_RATE) for sample in audio()]


@pytest.mark.parametrize(
    ("video_at", "audio_at"),
    [(Fraction(16, 5), Fraction(0)), (Fraction(0), Fraction(16, 5)), (Fraction(-7), Fraction(-9, 2))],
)
def test_a_late_track_starts_where_it_was_recorded(video_at: Fraction, audio_at: Fraction) -> None:
    mp4 = written(video_at=video_at, audio_at=audio_at)
    shown, heard = read(mp4)
    zero = min(video_at, audio_at)
    assert min(shown.pts) == video_at - zero
    assert heard.pts[0] == audio_at - zero
    length = Fraction(len(audio()) * 1024, SAMPLE_RATE) if audio_at > zero else Fraction(len(video()) * STEP, 90_000)
    late = round(abs(video_at - audio_at) * 90_000)
    assert edits(mp4) == [[(late, -1), (length * 90_000, 0)]]


def test_a_start_is_rounded_and_an_end_is_rounded_up() -> None:
    file = File()
    file.track("video", PICTURE).write(batch(length_prefixed(video())), 1)
    heard = file.track("audio", SOUND, timescale=44_100)
    heard.write(batch(audio(), at=1000, last_duration=1024), 1)
    late, length = Fraction(1000 * 90_000, 44_100), Fraction(len(audio()) * 1024 * 90_000, 44_100)
    assert late % 1 > Fraction(1, 2)
    assert length % 1 < Fraction(1, 2)
    assert edits(file.finished()) == [[(int(late) + 1, -1), (int(length) + 1, 0)]]


def test_tracks_that_start_together_have_no_edit_list() -> None:
    assert edits(written()) == []


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_every_picture_and_sound_decodes(codec: str) -> None:
    with av.open(io.BytesIO(written(codec=codec)), "r") as source:
        assert source.streams.video[0].codec_context.codec_tag == {"libx264": "avc1", "libx265": "hvc1"}[codec]
        pictures = [frame.pts for frame in source.decode(video=0)]
    assert pictures == [number * STEP for number in range(len(video(codec)))]
    with av.open(io.BytesIO(written(codec=codec)), "r") as source:
        assert sum(frame.samples for frame in source.decode(audio=0)) == len(audio()) * 1024


def test_two_resolutions_in_one_track_decode_each_in_its_size() -> None:
    file = File()
    small, large = video(width=96), video(width=160)
    track = file.track("video", PICTURE)
    second = track.add_entry(sample_entry("h264", large[0].data).box, 160, 64)
    track.write(batch(length_prefixed(small)), 1)
    track.write(batch(length_prefixed(large), at=len(small) * STEP), second)
    with av.open(io.BytesIO(file.finished()), "r") as source:
        sizes = [frame.width for frame in source.decode(video=0)]
    assert sizes == [96] * len(small) + [160] * len(large)


def test_the_largest_entry_gives_the_size_of_the_track() -> None:
    file = File()
    track = file.writer.add_track("video", timescale=90_000)
    other = [sample_entry("h264", video(width=width)[0].data).box for width in (96, 160, 128)]
    for entry, width, height in zip(other, (320, 1280, 640), (180, 720, 480), strict=True):
        track.add_entry(entry, width, height)
    track.write(batch(length_prefixed(video())), 1)
    mp4 = file.finished()
    tkhd = next(span for span in inside(mp4, b"moov", b"trak") if span.kind == b"tkhd")
    assert mp4[tkhd.end - 8 : tkhd.end] == (1280 << 16).to_bytes(4) + (720 << 16).to_bytes(4)


def test_an_equal_entry_is_written_once() -> None:
    file = File()
    track = file.writer.add_track("video", timescale=90_000)
    assert [track.add_entry(PICTURE), track.add_entry(SOUND), track.add_entry(PICTURE)] == [1, 2, 1]
    track.write(batch(length_prefixed(video())), 1)
    assert check(file.writer.finish(), len(file.media)).tracks[0].entries == 2


def test_the_boxes_stand_in_progressive_order_with_honest_brands() -> None:
    mp4 = written()
    assert [span.kind for span in walk(mp4)] == [b"ftyp", b"moov", b"mdat"]
    assert mp4[8:32] == b"isom\0\0\2\0isomiso4avc1mp41"
    assert b"hvc1" in written(codec="libx265")[:40]


def test_signed_composition_offsets_are_declared() -> None:
    mp4 = written()
    tables = {span.kind: span for span in inside(mp4, *STBL)}
    assert mp4[tables[b"ctts"].body] == 1
    shift, least, greatest, start, end = np.frombuffer(mp4, ">i4", 5, tables[b"cslg"].body + 4)
    assert (shift, least, start, end) == (-least, -STEP, 0, len(video()) * STEP)
    assert greatest == 2 * STEP


def test_the_same_batches_give_the_same_bytes() -> None:
    assert written() == written()


def test_media_goes_out_as_it_comes_and_in_order() -> None:
    pieces: list[Buffer] = []
    writer = Mp4Writer(pieces.append)
    track = writer.add_track("audio", timescale=SAMPLE_RATE)
    track.add_entry(SOUND)
    first, second = batch(audio()[:3], last_duration=1024), batch(audio()[3:6], last_duration=1024)
    track.write(first, 1)
    assert pieces == [first.data]
    track.write(second, 1)
    assert pieces == [first.data, second.data]
    assert writer.media_bytes == len(first.data) + len(second.data)


def test_a_track_that_comes_late_is_written_like_the_others() -> None:
    file = File()
    heard = file.track("audio", SOUND, timescale=SAMPLE_RATE)
    heard.write(batch(audio(), last_duration=1024), 1)
    shown = file.track("video", PICTURE)
    shown.write(batch(length_prefixed(video()), at=18_000), 1)
    sounds, pictures = read(file.finished())
    assert sounds.data == [sample.data for sample in audio()]
    assert min(pictures.pts) == Fraction(1, 5)


def test_a_hole_keeps_its_length() -> None:
    file = File()
    track = file.track("video", PICTURE)
    pictures = length_prefixed(video())
    track.write(batch(pictures[:6]), 1)
    track.write(batch(pictures[6:], at=270_000), 1)
    (shown,) = read(file.finished())
    assert [float(stamp) for stamp in shown.pts] == pytest.approx(
        [sample.pts / 90_000 + 3 * (number > 5) for number, sample in enumerate(pictures)]
    )


def test_interleaved_tracks_lie_side_by_side_in_time() -> None:
    file = File()
    pictures, sounds = length_prefixed(video()), audio()
    shown, heard = file.track("video", PICTURE), file.track("audio", SOUND, timescale=SAMPLE_RATE)
    file.writer.interleave(
        [
            (shown, batch(pictures[:6]), 1),
            (shown, batch(pictures[6:], at=10 * 90_000), 1),
            (heard, batch(sounds[:6], last_duration=1024), 1),
            (heard, batch(sounds[6:], at=10 * SAMPLE_RATE, last_duration=1024), 1),
        ]
    )
    early, late = [[*pictures[:6], *sounds[:6]], [*pictures[6:], *sounds[6:]]]
    media = bytes(file.media)
    assert max(media.index(sample.data) for sample in early) < min(media.index(sample.data) for sample in late)
    assert [track.data for track in read(file.finished())] == [
        [sample.data for sample in pictures],
        [sample.data for sample in sounds],
    ]


def test_tracks_without_samples_are_left_out() -> None:
    file = File()
    file.track("video", PICTURE)
    heard = file.track("audio", SOUND, timescale=SAMPLE_RATE)
    heard.write(batch(audio(), last_duration=1024), 1)
    heard.write(batch([], last_duration=1024), 1)
    assert len(read(file.finished())) == 1


def test_a_file_without_samples_is_refused() -> None:
    file = File()
    file.track("video", PICTURE)
    with pytest.raises(Mp4Error, match="no track has a sample"):
        file.writer.finish()


def broken(**changes: object) -> SampleBatch:
    good = batch(audio()[:3], last_duration=1024)
    return replace(good, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": b"too short"}, "9 bytes of data"),
        ({"dts": np.array([0, 1024, 1024])}, "dts must rise"),
        ({"dts": np.array([0, 1024, 512])}, "dts must rise"),
        ({"dts": np.array([0, 1024, 1 << 33])}, "dts must rise"),
        ({"dts": np.array([-1024, 0, 1024])}, "dts must rise"),
        ({"pts": np.array([0, 1024, 1 << 32])}, "ticks apart"),
        ({"pts": np.array([0, 1024])}, "differ in length"),
        ({"sizes": np.array([-1, 5, 5]), "data": bytes(9)}, "sample sizes from -1"),
        ({"last_duration": -1}, "last duration of -1"),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused_and_changes_nothing(changes: dict[str, object], said: str) -> None:
    file = File()
    track = file.track("audio", SOUND, timescale=SAMPLE_RATE)
    track.write(batch(audio()[:1], at=-1024, last_duration=1024), 1)
    before = bytes(file.media)
    with pytest.raises(Mp4Error, match=said):
        track.write(broken(**changes), 1)
    assert (bytes(file.media), track.samples) == (before, 1)


def stamped(dts: list[int], pts: list[int]) -> File:
    file = File()
    columns = {"dts": np.array(dts), "pts": np.array(pts), "sizes": np.ones(2, np.int64), "data": b"ab"}
    file.track("audio", SOUND).write(broken(**columns, sync=np.ones(2, np.bool_)), 1)
    return file


def test_a_sample_shown_before_its_decode_time_keeps_its_place() -> None:
    (track,) = read(stamped([0, 2000], [0, 1000]).finished())
    assert track.pts == [0, Fraction(1000, 90_000)]


def test_composition_offsets_too_far_apart_are_refused() -> None:
    far = (1 << 31) - 1
    with pytest.raises(Mp4Error, match="composition offsets from"):
        stamped([0, 1], [-far, far]).finished()


def test_what_was_never_added_or_comes_after_the_end_is_refused() -> None:
    file = File()
    track = file.track("audio", SOUND, timescale=SAMPLE_RATE)
    with pytest.raises(Mp4Error, match="entry 2 was never added"):
        track.write(batch(audio()), 2)
    with pytest.raises(Mp4Error, match="not one whole box"):
        track.add_entry(SOUND[:-1])
    with pytest.raises(Mp4Error, match="timescale of 0"):
        file.writer.add_track("audio", timescale=0)
    track.write(batch(audio()), 1)
    file.writer.finish()
    with pytest.raises(Mp4Error, match="finished already"):
        track.write(batch(audio(), at=1 << 20), 1)
    with pytest.raises(Mp4Error, match="finished already"):
        file.writer.finish()


def test_a_picture_shown_after_the_last_decode_time_is_not_cut() -> None:
    file = File()
    heard, shown = file.track("audio", SOUND, timescale=SAMPLE_RATE), file.track("video", PICTURE)
    heard.write(batch(audio(), last_duration=1024), 1)
    cut_in_a_group = length_prefixed(video())[:2]
    shown.write(batch(cut_in_a_group, at=90_000), 1)
    mp4 = file.finished()
    _, seen = read(mp4)
    assert seen.pts == [1, 1 + Fraction(cut_in_a_group[1].pts, 90_000)]
    assert edits(mp4) == [[(90_000, -1), (cut_in_a_group[1].pts + STEP, 0)]]


def columns(batch: SampleBatch) -> Samples:
    return Samples(**{each.name: getattr(batch, each.name) for each in fields(Samples)})


def chunked(offsets: list[int], counts: list[int], entries: list[int] | None = None) -> Chunks:
    return Chunks(
        offsets=np.array(offsets), counts=np.array(counts), entries=np.array(entries or [1] * len(counts), np.int64)
    )


def test_samples_that_are_announced_give_the_head_of_those_that_are_written() -> None:
    put, told = File(), File()
    sizes = [sum(len(sample.data) for sample in part) for part in (audio()[:7], audio()[7:9], audio()[9:20])]
    written = put.track("audio", SOUND, timescale=SAMPLE_RATE)
    for first, last in ((0, 7), (7, 9), (9, 20)):
        written.write(batch(audio()[first:last], last_duration=1024), 1)
    announced = told.track("audio", SOUND, timescale=SAMPLE_RATE)
    announced.announce(columns(batch(audio()[:9], last_duration=1024)), chunked([0, sizes[0]], [7, 2]))
    announced.announce(columns(batch(audio()[9:20], last_duration=1024)), chunked([sizes[0] + sizes[1]], [11]))
    assert told.writer.media_bytes == put.writer.media_bytes == sum(sizes)
    assert told.writer.finish() == put.writer.finish()
    assert not told.media


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        (chunked([], []), "0 samples were announced"),
        (chunked([0], [2]), "2 samples were announced for 3"),
        (chunked([0, 9], [3, 0]), "announced for 3"),
        (chunked([0], [3], [2]), "entry 2 was never added"),
        (chunked([0, 9], [1, 2], [1, 0]), "entry 0 was never added"),
    ],
)
def test_chunks_that_contradict_their_samples_are_refused_and_change_nothing(chunks: Chunks, said: str) -> None:
    file = File()
    track = file.track("audio", SOUND, timescale=SAMPLE_RATE)
    with pytest.raises(Mp4Error, match=said):
        track.announce(columns(batch(audio()[:3], last_duration=1024)), chunks)
    assert (track.samples, file.writer.media_bytes) == (0, 0)


def test_a_zero_before_the_first_sample_lets_every_track_begin_late() -> None:
    file = File()
    file.track("audio", SOUND, timescale=SAMPLE_RATE).write(batch(audio(), at=SAMPLE_RATE, last_duration=1024), 1)
    head = file.writer.finish(Fraction(1, 4))
    (track,) = check(head, len(file.media)).tracks
    assert track.starts_at == Fraction(3, 4)


def test_a_zero_after_the_first_sample_is_refused() -> None:
    file = File()
    file.track("audio", SOUND, timescale=SAMPLE_RATE).write(batch(audio(), last_duration=1024), 1)
    with pytest.raises(Mp4Error, match="before time 0"):
        file.writer.finish(Fraction(1, SAMPLE_RATE))

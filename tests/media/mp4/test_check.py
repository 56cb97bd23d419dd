import struct
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.mp4 import boxes
from media.mp4.boxes import Mp4Error, walk
from media.mp4.check import check
from media.mp4.entries import sample_entry
from tests.media.mp4.made import SAMPLE_RATE, STEP, File, adts, audio, batch, length_prefixed, video


@cache
def made() -> tuple[bytes, int]:
    """Head and media size of a file with late video and B-frames, in several chunks."""
    file = File()
    heard = file.track("audio", sample_entry("aac", adts(audio()[:3])).box, timescale=SAMPLE_RATE)
    shown = file.track("video", sample_entry("h264", video()[0].data).box)
    pictures = length_prefixed(video())
    for first in range(0, len(audio()), 5):
        heard.write(batch(audio()[first : first + 5], last_duration=1024), 1)
        shown.write(batch(pictures[first : first + 5], at=288_000), 1)
    return file.writer.finish(), len(file.media)


def libav_file(path: Path, **options: str) -> bytes:
    """An MP4 of libav's encoder and muxer, with its priming edit list."""
    with av.open(path, "w", format="mp4", options=options) as output:
        stream = output.add_stream("libx264", rate=25, options={"bf": "2", "g": "6", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(12):
            frame = av.VideoFrame(96, 64, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path.read_bytes()


def find(head: bytes, *path: bytes, nth: int = 0) -> int:
    """Where the body of a box of the nth track begins."""
    start, end = 0, len(head) - 8
    for kind in path:
        spans = [span for span in walk(head, start, end) if span.kind == kind]
        span = spans[nth if kind == b"trak" else 0]
        start, end = span.body, span.end
    return start


def table(kind: bytes, nth: int = 0) -> int:
    return find(made()[0], b"moov", b"trak", b"mdia", b"minf", b"stbl", kind, nth=nth)


def changed(at: int, number: int) -> bytes:
    head = bytearray(made()[0])
    struct.pack_into(">I", head, at, number)
    return bytes(head)


def test_the_report_says_what_was_written() -> None:
    head, media = made()
    report = check(head, media)
    heard, shown = report.tracks
    assert (report.head_bytes, report.media_bytes) == (len(head), media)
    assert report.duration == Fraction(16, 5) + Fraction(len(video()) * STEP, 90_000)
    assert (heard.type, heard.codec, heard.entries) == ("audio", "mp4a", 1)
    assert (heard.samples, heard.timescale) == (len(audio()), SAMPLE_RATE)
    assert heard.duration == heard.declared_duration == len(audio()) * 1024
    assert (heard.starts_at, heard.ends_at) == (Fraction(0), Fraction(len(audio()) * 1024, SAMPLE_RATE))
    assert (shown.type, shown.codec, shown.samples) == ("video", "avc1", len(video()))
    assert shown.duration == shown.declared_duration == len(video()) * STEP
    assert (shown.starts_at, shown.ends_at) == (Fraction(16, 5), report.duration)
    assert heard.size_bytes + shown.size_bytes == media


def test_a_progressive_file_of_libav_is_read_alike(tmp_path: Path) -> None:
    mp4 = libav_file(tmp_path / "libav.mp4", movflags="faststart")
    begin = next(span.body for span in walk(mp4) if span.kind == b"mdat")
    (shown,) = check(mp4[:begin], len(mp4) - begin).tracks
    assert (shown.type, shown.codec, shown.samples) == ("video", "avc1", 12)
    assert (shown.starts_at, shown.ends_at) == (Fraction(0), Fraction(12, 25))


def test_a_file_with_its_moov_behind_is_refused(tmp_path: Path) -> None:
    mp4 = libav_file(tmp_path / "libav.mp4")
    begin = next(span.body for span in walk(mp4) if span.kind == b"mdat")
    with pytest.raises(Mp4Error, match="should be ftyp, moov and last mdat"):
        check(mp4, 0)
    with pytest.raises(Mp4Error):
        check(mp4[:begin], len(mp4) - begin)


@pytest.mark.parametrize("difference", [-1, 1, -1000, 1000])
def test_media_of_another_size_is_refused(difference: int) -> None:
    head, media = made()
    with pytest.raises(Mp4Error):
        check(head, media + difference)


def test_a_head_that_goes_on_into_the_media_is_refused() -> None:
    head, media = made()
    with pytest.raises(Mp4Error, match="media data begins at"):
        check(head + b"??", media - 2)


@pytest.mark.parametrize(("ticks", "shown_for"), [(0, 43_200), (9_000, 9_000), (1 << 20, 43_200)])
def test_an_edit_ends_with_its_media_or_before(ticks: int, shown_for: int) -> None:
    head = changed(find(made()[0], b"moov", b"trak", b"edts", b"elst", nth=1) + 20, ticks)
    shown = check(head, made()[1]).tracks[1]
    assert (shown.starts_at, shown.ends_at) == (Fraction(16, 5), Fraction(16, 5) + Fraction(shown_for, 90_000))


def test_a_stranger_among_the_boxes_is_no_fault() -> None:
    head, media = made()
    assert check(head.replace(b"cslg", b"odd!"), media) == check(head, media)


def test_a_negative_count_is_not_made_up_for_by_another() -> None:
    head = bytearray(made()[0])
    rows = table(b"ctts", 1) + 8
    first, _, second = struct.unpack_from(">III", head, rows)
    struct.pack_into(">I", head, rows, first + second + 1)
    struct.pack_into(">I", head, rows + 8, 0xFFFF_FFFF)
    with pytest.raises(Mp4Error, match="is about"):
        check(bytes(head), made()[1])


@pytest.mark.parametrize(
    ("count", "delta", "offset", "said"),
    [
        (0xFFFF_FFFF, 0xFFFF_FFFF, 0, "duration that no file can have"),
        (0xFFFF_FFFF, 1, (1 << 64) - 8, "number that no file can have"),
        (0xFFFF_FFFF, 1, 0, None),
    ],
)
def test_huge_numbers_are_refused_before_they_overflow(count: int, delta: int, offset: int, said: str | None) -> None:
    def build(at: int) -> bytes:
        movie = boxes.mvhd(duration=1, next_track_id=2)
        tables = boxes.box(
            b"stbl",
            boxes.stsd([b"\0\0\0\x08twos"]),
            boxes.full_box(b"stts", struct.pack(">III", 1, count, delta)),
            boxes.full_box(b"stsc", struct.pack(">IIII", 1, 1, count, 1)),
            boxes.full_box(b"stsz", struct.pack(">II", 1, count)),
            boxes.full_box(b"co64", struct.pack(">IQ", 1, at)),
        )
        media = boxes.box(
            b"mdia", boxes.mdhd(timescale=8000, duration=1), boxes.hdlr("audio"), boxes.box(b"minf", tables)
        )
        track = boxes.tkhd("audio", track_id=1, duration=1, width=0, height=0)
        trak = boxes.box(b"trak", track, media)
        return b"".join(boxes.ftyp([b"isom"]) + boxes.box(b"moov", movie, trak) + boxes.mdat_header(count))

    head = build(offset or len(build(0)))
    if said is None:
        assert check(head, count).tracks[0].samples == count
    else:
        with pytest.raises(Mp4Error, match=said):
            check(head, count)


def test_a_head_cut_anywhere_is_refused() -> None:
    head, media = made()
    for size in range(0, len(head), 7):
        with pytest.raises(Mp4Error):
            check(head[:size], media)
        with pytest.raises(Mp4Error):
            check(head[:size], media + len(head) - size)


FAULTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a chunk before the media data": (lambda: changed(table(b"stco") + 8, 8), "outside the media data"),
    "a chunk beyond the media data": (lambda: changed(table(b"stco") + 8, 1 << 31), "outside the media data"),
    "a chunk over another": (
        lambda: changed(table(b"stco") + 12, len(made()[0]) + 1),
        "over one another",
    ),
    "too many chunks": (lambda: changed(table(b"stco") + 4, 1 << 30), "size of its"),
    "too few samples in a chunk": (lambda: changed(table(b"stsc") + 12, 4), "chunks for"),
    "chunks that begin at two": (lambda: changed(table(b"stsc") + 8, 2), "in order"),
    "a sample entry that is not there": (lambda: changed(table(b"stsc") + 16, 2), "sample entry beyond 1"),
    "no sample in a chunk": (lambda: changed(table(b"stsc") + 12, 0), "empty chunk"),
    "another count of sizes": (lambda: changed(table(b"stsz") + 8, 3), "size of its"),
    "one size for all, too large": (lambda: changed(table(b"stsz") + 4, 1 << 20), "more than the media data"),
    "a sample too large": (lambda: changed(table(b"stsz") + 12, 1 << 30), "outside the media data"),
    "times for fewer samples": (lambda: changed(table(b"stts") + 8, 3), "is about"),
    "offsets for more samples": (lambda: changed(table(b"ctts", 1) + 8, 1 << 31), "is about"),
    "a sync sample beyond": (lambda: changed(table(b"stss", 1) + 12, 99), "names a sample beyond"),
    "sync samples out of order": (lambda: changed(table(b"stss", 1) + 8, 7), "out of order"),
    "two entries declared": (lambda: changed(table(b"stsd") + 4, 2), "says it has 2 entries"),
    "no timescale": (lambda: changed(find(made()[0], b"moov", b"mvhd") + 12, 0), "timescale of 0"),
    "three edits declared": (
        lambda: changed(find(made()[0], b"moov", b"trak", b"edts", b"elst", nth=1) + 4, 3),
        "size of its 3 edits",
    ),
    "only empty edits": (
        lambda: changed(find(made()[0], b"moov", b"trak", b"edts", b"elst", nth=1) + 24, 0xFFFF_FFFF),
        "never shows",
    ),
    "no sizes": (lambda: made()[0].replace(b"stsz", b"free", 1), "has no box b'stsz'"),
    "no movie": (lambda: made()[0].replace(b"moov", b"free"), "should be ftyp, moov"),
    "no file type": (lambda: made()[0].replace(b"ftyp", b"free"), "begin with ftyp"),
    "no tracks": (lambda: made()[0].replace(b"trak", b"free"), "has no sample"),
    "a table twice": (lambda: made()[0].replace(b"cslg", b"stts"), "has 2 boxes b'stts'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str) -> None:
    make, said = FAULTS[fault]
    with pytest.raises(Mp4Error, match=said):
        check(make(), made()[1])


def judged(head: bytes, media: int) -> None:
    """Either a report or `Mp4Error`; any other exception fails the test."""
    said = "box "
    try:
        check(head, media)
    except Mp4Error as error:
        said = str(error)
    assert said.startswith(("box ", "the bytes at "))


@settings(deadline=1000, max_examples=300)
@given(
    flips=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=6),
    cut=st.none() | st.tuples(st.integers(0, 1 << 16), st.integers(0, 64)),
)
def test_no_damage_gives_anything_but_a_report_or_an_error(
    flips: list[tuple[int, int]], cut: tuple[int, int] | None
) -> None:
    head = bytearray(made()[0])
    for at, value in flips:
        head[at % len(head)] = value
    if cut is not None:
        del head[cut[0] % len(head) : cut[0] % len(head) + cut[1]]
    judged(bytes(head), made()[1])


@settings(deadline=1000, max_examples=300)
@given(
    at=st.integers(0, 1 << 16),
    value=st.sampled_from([0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xFFFF_FFFE]),
    wide=st.booleans(),
)
def test_extreme_numbers_anywhere_stay_within_bounds(at: int, value: int, *, wide: bool) -> None:
    head = bytearray(made()[0])
    word = struct.pack(">I", value) * (2 if wide else 1)
    at = at % (len(head) - len(word))
    head[at : at + len(word)] = word
    judged(bytes(head), made()[1])


@settings(deadline=1000)
@given(st.binary(max_size=200), st.integers(0, 1 << 40))
def test_any_bytes_are_judged(head: bytes, media: int) -> None:
    judged(head, media)

import struct
import time
import tracemalloc
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.cut import cut
from media.mp4.boxes import Mp4Error
from media.mp4.index import head_bytes, read_index
from media.mp4.writer import Mp4Writer
from tests.media.cutting import source
from tests.media.mp4.made import SAMPLE_RATE, File, fake_batch
from tests.media.mp4.test_check import find, made
from tests.media.mp4.test_large import GIB, PICTURE, SOUND, four_hours
from tests.media.mp4.test_writer import chunked, columns

BEGINNING = 1 << 16
NAMES = ("continuous", "44.1 kHz stereo", "hevc, open groups", "late video", "late audio", "rejoins with another size")


@pytest.mark.parametrize("name", NAMES)
def test_the_index_says_what_libav_says(name: str) -> None:
    whole = source(name)
    for track in whole.index.tracks:
        packets, ticks = whole.packets[track.type], track.timescale
        assert [Fraction(at, ticks) for at in track.pts.tolist()] == [each.at for each in packets]
        assert np.diff(track.dts).tolist() == [round((b.dts - a.dts) * ticks) for a, b in pairwise(packets)]
        assert track.sizes.tolist() == [len(each.data) for each in packets]
        assert track.offsets.tolist() == [each.offset for each in packets]
        assert track.sync.tolist() == [each.sync for each in packets]
        assert track.durations[:-1].tolist() == np.diff(track.dts).tolist()
    assert abs(whole.index.duration - whole.seconds) <= Fraction(1, 90_000)


def test_chunks_and_entries_are_those_of_the_file() -> None:
    video = source("rejoins with another size").index.track("video")
    assert video is not None
    assert len(video.entries) == 2
    assert video.entry_of.tolist() == [1] * 100 + [2] * 100
    assert (video.width, video.height, video.degrees) == (320, 180, 0)
    begins = video.offsets[video.chunks]
    within = np.delete(video.offsets, video.chunks)
    assert (begins[1:] > begins[:-1]).all()
    assert within.tolist() == np.delete(video.offsets + video.sizes, video.chunks[1:] - 1)[:-1].tolist()
    assert (video.chunks[1:] - video.chunks[:-1]).max() <= 25


def test_pictures_that_lie_are_said_to() -> None:
    video = source("lying").index.track("video")
    assert video is not None
    assert (video.width, video.height, video.degrees) == (90, 160, 90)


def test_the_head_ends_where_the_media_begins() -> None:
    for name in NAMES:
        mp4 = source(name).mp4
        head = head_bytes(mp4[:BEGINNING])
        assert mp4[head - 4 : head] == b"mdat"
        assert head_bytes(mp4[:head]) == head_bytes(mp4) == head


def test_a_head_longer_than_the_beginning_is_known_from_it() -> None:
    """But for the header of mdat, which has 8 bytes or 16: up to 8 bytes of media in the head are no harm."""
    mp4 = source("continuous").mp4
    true = head_bytes(mp4)
    known = {length: head_bytes(mp4[:length]) for length in range(48, true + 20)}
    assert {length for length, head in known.items() if head == true} == set(range(true, true + 20))
    assert {head for length, head in known.items() if length < true} == {true + 8}
    for head in (true, true + 8):
        assert repr(read_index(mp4[:head], len(mp4) - head)) == repr(source("continuous").index)


def test_media_beyond_4_gib_is_found() -> None:
    head, media = large()
    assert head_bytes(head[:BEGINNING]) == len(head)
    index = read_index(head, media)
    assert [int(track.offsets[-1] + track.sizes[-1]) for track in index.tracks] == [len(head) + 3, len(head) + media]


def large() -> tuple[bytes, int]:
    """The head of a file of 5 GiB, and what follows it: one sound, and pictures of a GiB."""
    file = File()
    heard, shown = file.track("audio", SOUND, timescale=SAMPLE_RATE), file.track("video", PICTURE)
    heard.announce(columns(fake_batch([3])), chunked([0], [1]))
    shown.announce(columns(fake_batch([GIB] * 5)), chunked([3, 3 + 2 * GIB, 3 + 4 * GIB], [2, 2, 1]))
    return file.writer.finish(), file.writer.media_bytes


@pytest.mark.parametrize("length", range(0, 40, 5))
def test_a_beginning_without_the_tables_is_refused(length: int) -> None:
    with pytest.raises(Mp4Error):
        head_bytes(source("continuous").mp4[:length])


@pytest.mark.parametrize(
    ("boxes", "said"),
    [
        ([(b"moov", 8), (b"mdat", 8)], "begins with"),
        ([(b"ftyp", 8), (b"mdat", 8), (b"moov", 8)], "begins with"),
        ([(b"ftyp", 8), (b"moov", (1 << 30) + 1)], "further than any tables"),
        ([(b"ftyp", 8), (b"free", (1 << 30) + 1)], "further than any tables"),
        ([(b"ftyp", 8), (b"free", 1 << 20)], "too few"),
        ([(b"ftyp", 7)], "says it has"),
        ([(b"ftyp", 0)], "further than any tables"),
    ],
)
def test_what_is_no_progressive_file_is_refused(boxes: list[tuple[bytes, int]], said: str) -> None:
    beginning = b"".join(struct.pack(">I4s", size, kind) for kind, size in boxes)
    with pytest.raises(Mp4Error, match=said):
        head_bytes(beginning)


@given(st.binary(max_size=200) | st.binary(max_size=60).map((b"\0\0\0\x08ftyp" + b"\0\0\0\x40moov").__add__))
def test_any_beginning_gives_a_length_or_an_error(beginning: bytes) -> None:
    with suppress(Mp4Error):
        assert 0 < head_bytes(beginning) <= (1 << 30) + 16


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_head_with_wrong_numbers_gives_an_index_that_can_be_cut_or_an_error(data: st.DataObject) -> None:
    head, media = made()
    wrong = bytearray(head)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(head) - 4))
        wrong[at : at + 4] = data.draw(st.sampled_from(NUMBERS) | st.binary(min_size=4, max_size=4))
    try:
        index = read_index(bytes(wrong), media)
        made_of_it = cut(index, Fraction(0), Fraction(4))
    except ValueError as error:
        # Of `Mp4Error`, `EntryError` and `NothingToCutError`; numpy has others.
        assert type(error).__module__.startswith("media.")  # noqa: PT017
    else:
        assert sum(len(track.sizes) for track in index.tracks) <= 36
        # Two tracks may claim the same bytes.
        assert made_of_it.media_bytes <= 2 * media


NUMBERS = [struct.pack(">I", number) for number in (0, 1, 2, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)]


def test_a_claim_of_too_many_samples_costs_no_memory() -> None:
    """A table of two numbers can claim four thousand million samples of one byte."""
    file = File()
    track = file.track("audio", SOUND, timescale=SAMPLE_RATE)
    track.announce(columns(fake_batch([1, 1])), chunked([0], [2]))
    head, count = file.writer.finish(), 1 << 31
    for kind, at in ((b"stsz", 12), (b"stts", 12), (b"stsc", 16)):
        place = head.index(kind) + at
        head = head[:place] + struct.pack(">I", count) + head[place + 4 :]
    head = head[:-8] + struct.pack(">I4s", count + 8, b"mdat")
    tracemalloc.start()
    try:
        with pytest.raises(Mp4Error, match="more than any recording"):
            read_index(head, count)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_edits_that_are_not_ours_are_refused() -> None:
    head, media = made()
    at = find(head, b"moov", b"trak", b"edts", b"elst", nth=1) + 24
    with pytest.raises(Mp4Error, match="begin late"):
        read_index(head[:at] + struct.pack(">I", 3600) + head[at + 4 :], media)


def test_two_tracks_of_one_type_are_refused() -> None:
    head, media = made()
    with pytest.raises(Mp4Error, match="several of one type"):
        read_index(head.replace(b"soun", b"vide"), media)


def test_four_hours_are_read_at_once() -> None:
    writer = Mp4Writer(lambda _: None)
    four_hours(writer)
    media, head = writer.media_bytes, writer.finish()
    begun = time.process_time()
    index = read_index(head, media)
    assert time.process_time() - begun < 0.5
    samples = sum(len(track.sizes) for track in index.tracks)
    assert samples == 1_035_000
    begun = time.process_time()
    made_of_it = cut(index, Fraction(7_000), Fraction(7_600))
    assert time.process_time() - begun < 0.2
    assert len(made_of_it.pieces) <= 5
    columns_of = [getattr(track, each) for track in index.tracks for each in ("sizes", "dts", "pts", "offsets")]
    assert sum(column.nbytes for column in columns_of) <= 32 * samples

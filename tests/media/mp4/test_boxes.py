import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.mp4 import boxes
from media.mp4.boxes import Edit, Mp4Error, Parts, walk


def whole(parts: Parts) -> bytes:
    data = b"".join(parts)
    assert len(data) == boxes.size_of(parts)
    return data


def runs(parts: Parts) -> list[tuple[int, int]]:
    data = whole(parts)
    (count,) = struct.unpack_from(">I", data, 12)
    rows = list(struct.iter_unpack(">Ii" if data[8] else ">II", data[16:]))
    assert count == len(rows)
    return rows


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_time_tables_are_run_lengths_of_their_values(values: list[int]) -> None:
    table = runs(boxes.stts(np.array(values, np.uint32)))
    assert [value for count, value in table for _ in range(count)] == values
    assert all(early[1] != late[1] for early, late in pairwise(table))


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40))
def test_composition_offsets_are_signed_only_when_needed(values: list[int]) -> None:
    parts = boxes.ctts(np.array(values, np.int32))
    assert whole(parts)[8] == (min(values) < 0)
    assert [value for count, value in runs(parts) for _ in range(count)] == values


def test_chunks_alike_share_a_row() -> None:
    counts, entries = np.array([5, 5, 5, 2, 2, 2], np.uint32), np.array([1, 1, 2, 2, 2, 1], np.uint32)
    rows = list(struct.iter_unpack(">III", whole(boxes.stsc(counts, entries))[16:]))
    assert rows == [(1, 5, 1), (3, 5, 2), (4, 2, 2), (6, 2, 1)]


def test_equal_sizes_need_no_table() -> None:
    assert whole(boxes.stsz(np.array([7, 7, 7], np.uint32)))[12:] == struct.pack(">II", 7, 3)
    assert whole(boxes.stsz(np.array([7, 8], np.uint32)))[12:] == struct.pack(">IIII", 0, 2, 7, 8)
    assert whole(boxes.stsz(np.array([0, 0], np.uint32)))[12:] == struct.pack(">IIII", 0, 2, 0, 0)


def test_sync_samples_count_from_one() -> None:
    assert whole(boxes.stss(np.array([True, False, True])))[12:] == struct.pack(">III", 2, 1, 3)


@pytest.mark.parametrize(("duration", "version"), [(0xFFFF_FFFE, 0), (0xFFFF_FFFF, 1), (1 << 40, 1)])
def test_headers_widen_with_their_duration(duration: int, version: int) -> None:
    movie = whole(boxes.mvhd(duration=duration, next_track_id=2))
    media = whole(boxes.mdhd(timescale=48_000, duration=duration))
    track = whole(boxes.tkhd("audio", track_id=1, duration=duration, width=0, height=0))
    assert [data[8] for data in (movie, media, track)] == [version] * 3
    clock = ">IQ" if version else ">II"
    assert struct.unpack_from(clock, movie, 28 if version else 20) == (90_000, duration)
    assert struct.unpack_from(clock, media, 28 if version else 20) == (48_000, duration)
    assert struct.unpack_from(">IIQ" if version else ">III", track, 28 if version else 20) == (1, 0, duration)
    assert [len(movie), len(media), len(track)] == ([120, 44, 104] if version else [108, 32, 92])


def test_a_track_is_enabled_and_only_sound_has_a_volume() -> None:
    sound = whole(boxes.tkhd("audio", track_id=1, duration=5, width=0, height=0))
    picture = whole(boxes.tkhd("video", track_id=2, duration=5, width=1280, height=720))
    assert sound[8:12] == picture[8:12] == b"\0\0\0\3"
    assert (sound[44:46], picture[44:46]) == (b"\1\0", b"\0\0")
    assert picture[84:] == struct.pack(">II", 1280 << 16, 720 << 16)


def test_edits_widen_with_their_durations() -> None:
    edits = [Edit(duration=5, media_time=-1), Edit(duration=0xFFFF_FFFF, media_time=0)]
    narrow = whole(boxes.elst(edits))
    assert narrow[8] == 0
    assert narrow[12:] == struct.pack(">IIiIIiI", 2, 5, -1, 0x10000, 0xFFFF_FFFF, 0, 0x10000)
    wide = whole(boxes.elst([*edits, Edit(duration=1 << 32, media_time=0)]))
    assert wide[8] == 1
    assert wide[16:36] == struct.pack(">QqI", 5, -1, 0x10000)


def test_the_media_data_header_widens_at_4_gib() -> None:
    assert whole(boxes.mdat_header(0xFFFF_FFF7)) == b"\xff\xff\xff\xffmdat"
    assert whole(boxes.mdat_header(0xFFFF_FFF8)) == struct.pack(">I4sQ", 1, b"mdat", 0x1_0000_0008)


def test_a_box_beyond_4_gib_is_refused() -> None:
    class Endless(bytes):
        def __len__(self) -> int:
            return 0xFFFF_FFF8

    with pytest.raises(Mp4Error, match="larger than 4 GiB"):
        boxes.box(b"free", Endless())


def test_walking_tells_every_box_known_or_not() -> None:
    data = whole(boxes.box(b"odd!", b"abc")) + struct.pack(">I4sQ", 1, b"wide", 18) + b"xy" + b"\0\0\0\0last+++"
    spans = list(walk(data))
    assert [(span.kind, data[span.body : span.end]) for span in spans] == [
        (b"odd!", b"abc"),
        (b"wide", b"xy"),
        (b"last", b"+++"),
    ]
    assert [span.start for span in spans] == [0, 11, 29]


def test_a_last_box_may_end_beyond_the_data() -> None:
    (span,) = walk(struct.pack(">I4s", 1000, b"mdat"), 0, 1000)
    assert (span.body, span.end) == (8, 1000)


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0",
        b"\0\0\0\x09free",
        b"\0\0\0\x07free",
        b"\0\0\0\x01free\0\0",
        struct.pack(">I4sQ", 1, b"free", 15),
        struct.pack(">I4sQ", 1, b"free", 1 << 63),
        b"\0\0\0\x08free\0",
    ],
)
def test_a_box_that_does_not_fit_is_refused(data: bytes) -> None:
    with pytest.raises(Mp4Error):
        list(walk(data))

"""Cuts, judged by libav and by the numbers that are burnt into the pictures."""

import random
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from media.cut import Copied, Cut, CutTrack, Inserted, NothingToCutError, cut, start_of
from media.mp4.check import check
from media.mp4.index import IndexedTrack, Mp4Index, read_index
from media.samples import TrackType
from tests.lab.numbers import numbered
from tests.media.cutting import SOURCES, TICK, Source, Wish, index_of, judge, packets_of, source, wish, written
from tests.media.mp4.test_index import large
from tests.media.mp4.test_large import GIB

RANDOM = 20
FRAME = Fraction(1, 25)


def of(made: Cut, kind: TrackType) -> CutTrack:
    (track,) = (track for track in made.tracks if track.type == kind)
    return track


def entry_boxes(track: IndexedTrack) -> list[bytes]:
    """The sample entry of each sample."""
    return [track.entries[number - 1] for number in track.entry_of.tolist()]


def made_of(whole: Source, begin: float, end: float, zero: Fraction | None = None) -> tuple[Cut, bytes]:
    made = cut(whole.index, Fraction(begin), Fraction(end), zero=zero)
    return made, written(made, whole.mp4)


def right(name: str, begin: float, end: float, lead: float | None = None) -> None:
    """Every promise of a cut holds."""
    asked = Wish(
        name=name,
        begin=Fraction(begin),
        end=Fraction(end),
        lead=None if lead is None else Fraction(lead).limit_denominator(1000),
    )
    assert judge(asked).wrong == []


@pytest.mark.parametrize("seed", range(RANDOM))
def test_any_range_begins_at_its_keyframe_and_holds_all_that_was_asked_for(seed: int) -> None:
    asked = wish(random.Random(seed), list(SOURCES)[seed % len(SOURCES)])
    assert judge(asked).wrong == [], asked


@pytest.mark.parametrize("name", SOURCES)
def test_all_of_it_is_the_same_samples(name: str) -> None:
    whole = source(name)
    made, mp4 = made_of(whole, 0, float(whole.seconds) + 1)
    found = packets_of(mp4)
    assert [[each.data for each in found[kind]] for kind in found] == [
        [each.data for each in packets] for packets in whole.packets.values()
    ]
    assert abs(made.ends_at - whole.seconds) <= TICK
    assert numbered(mp4).pictures == whole.seen.pictures


def test_it_begins_with_the_sync_sample_before_and_says_so_beforehand() -> None:
    whole = source("groups of 4 s")
    for begin in (0.1, 3.9, 4.1, 7.9, 8.5):
        made, mp4 = made_of(whole, begin, begin + 0.2)
        assert made.starts_at == start_of(whole.index, Fraction(begin), Fraction(begin + 0.2)) <= begin
        assert numbered(mp4).pictures[0] == ((4 * int(made.starts_at / 4), 0), Fraction(0))
        assert begin - made.starts_at < 4 + FRAME


def test_pictures_that_lean_on_the_group_before_are_left_out() -> None:
    whole = source("hevc, open groups")
    made, mp4 = made_of(whole, 3.5, 5)
    assert of(made, "video").left_out == 4
    assert numbered(mp4).pictures[0] == ((3, 0), Fraction(0))
    assert [number for number, _ in numbered(mp4).pictures][:50] == [(3, n) for n in range(25)] + [
        (4, n) for n in range(25)
    ]
    assert check(made.head, made.media_bytes).duration <= made.ends_at - made.starts_at + TICK


def test_a_picture_that_is_held_lasts_as_long_as_asked_for() -> None:
    """For 12 s there is no new picture; sound goes on."""
    whole = source("no pictures for 12 s")
    made, mp4 = made_of(whole, 5.5, 9)
    assert abs(of(made, "video").ends_at - 9) <= TICK
    assert 9 <= of(made, "audio").ends_at < 9 + Fraction(1024, 48_000)
    made, mp4 = made_of(whole, 10, 11)
    assert made.starts_at <= 6
    assert numbered(mp4).pictures[-1][0] == (5, 24)
    assert abs(of(made, "video").ends_at - 11) <= TICK


def test_the_end_of_every_track_is_told() -> None:
    whole = source("continuous")
    for end in (5.0, 5.01, 5.02, 5.03, 5.04):
        made, _ = made_of(whole, 4, end)
        for track in check(made.head, made.media_bytes).tracks:
            said = of(made, "video" if track.type == "video" else "audio")
            assert abs(track.ends_at - (said.ends_at - made.zero)) <= TICK
        assert 0 <= of(made, "video").ends_at - Fraction(end) < 4 * FRAME


def test_only_the_entries_that_are_used_go_along() -> None:
    whole = source("rejoins with another size")
    for begin, end, entries in ((1, 3, 1), (5, 7, 1), (3, 5, 2)):
        made, _ = made_of(whole, begin, end)
        video = next(track for track in check(made.head, made.media_bytes).tracks if track.type == "video")
        assert video.entries == entries
        own, before = index_of(written(made, whole.mp4)).track("video"), whole.index.track("video")
        assert own is not None
        assert before is not None
        assert (own.width, own.height) == (320, 180)
        told = of(made, "video")
        assert entry_boxes(own) == entry_boxes(before)[told.first : told.end]


def test_pictures_that_lie_still_do() -> None:
    _, mp4 = made_of(source("lying"), 2, 3)
    video = index_of(mp4).track("video")
    assert video is not None
    assert (video.width, video.height, video.degrees) == (90, 160, 90)


def test_bytes_are_read_once_in_the_order_of_the_file_and_hardly_any_others() -> None:
    whole = source("both lost for 3 s")
    made, _ = made_of(whole, 2.5, 12)
    copied = [piece for piece in made.pieces if isinstance(piece, Copied)]
    assert len(copied) == len(made.pieces) <= 5
    assert all(piece.start < piece.end for piece in copied)
    assert all(a.end < b.start for a, b in pairwise(copied))
    assert copied[-1].end - copied[0].start <= 1.1 * made.media_bytes


def test_what_is_left_of_a_chunk_stays_a_chunk() -> None:
    whole = source("continuous")
    made, mp4 = made_of(whole, 2.5, 6)
    for before, after in zip(whole.index.tracks, index_of(mp4).tracks, strict=True):
        told = of(made, before.type)
        within = before.chunks[(before.chunks > told.first) & (before.chunks < told.end)] - told.first
        assert after.chunks.tolist() == [0, *within.tolist()]


# ---- where nothing is shown ----


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [("continuous", 9, 10), ("continuous", -2, -1), ("continuous", 3, 3), ("continuous", 5, 3), ("sound alone", 9, 11)],
)
def test_there_is_nothing_to_cut_where_nothing_is_shown(name: str, begin: int, end: int) -> None:
    with pytest.raises(NothingToCutError):
        made_of(source(name), begin, end)
    with pytest.raises(NothingToCutError):
        start_of(source(name).index, Fraction(begin), Fraction(end))


def test_a_range_that_begins_before_the_file_begins_with_it() -> None:
    for name in ("continuous", "late video", "late audio", "sound alone"):
        assert start_of(source(name).index, Fraction(-3), Fraction(4)) == 0
        right(name, -3, 4)


def test_before_the_first_picture_it_begins_with_the_sound() -> None:
    whole = source("late video")
    made, mp4 = made_of(whole, 1, 4)
    assert 1 - Fraction(1024, 48_000) < made.starts_at <= 1
    assert of(made, "video").starts_at == pytest.approx(2.0213, abs=1e-3)
    assert abs(numbered(mp4).pictures[0][1] - (of(made, "video").starts_at - made.zero)) <= TICK
    right("late video", 1, 4)
    right("late video", 0.5, 1.5)


def test_after_the_last_picture_there_is_sound_alone() -> None:
    made, _ = made_of(source("pictures end early"), 5, 6)
    assert [track.type for track in made.tracks] == ["audio"]
    right("pictures end early", 5, 6)
    right("pictures end early", 3, 6)


# ---- with the zero of others ----


def test_sound_that_was_recorded_since_zero_goes_along() -> None:
    whole = source("groups of 4 s")
    made, _ = made_of(whole, 5, 6, zero=Fraction(1))
    assert (of(made, "audio").inserted, made.zero) == (0, Fraction(1))
    assert 1 <= of(made, "audio").starts_at < 1 + Fraction(1024, 48_000)
    assert made.starts_at == of(made, "video").starts_at > 4
    right("groups of 4 s", 5, 6, lead=3)


@pytest.mark.parametrize("name", ["continuous", "44.1 kHz stereo", "sound alone", "late audio", "late video"])
def test_silence_stands_before_what_was_recorded(name: str) -> None:
    whole = source(name)
    made, _ = made_of(whole, 1, 2, zero=Fraction(-2))
    sound = of(made, "audio")
    rate = next(track.timescale for track in whole.index.tracks if track.type == "audio")
    assert 0 <= sound.starts_at + 2 < Fraction(1024, rate)
    assert sound.inserted >= 2 * rate // 1024 - 1
    assert isinstance(made.pieces[0], Inserted)
    right(name, 1, 2, lead=3.3)


def test_silence_lasts_until_the_pictures_where_no_sound_was_recorded() -> None:
    whole = source("late audio")
    made, _ = made_of(whole, 0.5, 1.5, zero=Fraction(-1))
    sound = of(made, "audio")
    assert (sound.copied, sound.starts_at) == (0, Fraction(-1))
    assert 0 <= sound.ends_at - made.starts_at < Fraction(1024, 48_000)
    check(made.head, made.media_bytes)


def test_pictures_alone_begin_late() -> None:
    made, mp4 = made_of(source("pictures alone"), 2, 3, zero=Fraction(-1))
    (track,) = check(made.head, made.media_bytes).tracks
    assert track.starts_at == made.starts_at + 1
    assert all(isinstance(piece, Copied) for piece in made.pieces)
    assert numbered(mp4).pictures[0] == ((2, 0), track.starts_at)


@pytest.mark.parametrize("name", ["continuous", "sound alone"])
def test_a_zero_that_was_rounded_up_is_the_start(name: str) -> None:
    """Documents tell times to the microsecond."""
    whole = source(name)
    for begin in (1.5, 2.5, 3.5, 4.5):
        start = start_of(whole.index, Fraction(begin), Fraction(7))
        rounded, _ = made_of(whole, begin, 7, zero=start + Fraction(1, 1_000_000))
        assert rounded == made_of(whole, begin, 7, zero=start)[0]


def test_a_zero_after_the_start_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot have its zero later"):
        made_of(source("continuous"), 2.5, 3, zero=Fraction(5, 2))


@pytest.mark.parametrize("kind", ["960 samples a unit", "ticks of another rate", "another codec", "seven channels"])
def test_sound_without_a_silence_of_its_kind_begins_late(kind: str) -> None:
    (track,) = source("sound alone").index.tracks
    (entry,) = track.entries
    seven = entry.replace(b"\x11\x88", b"\x11\xd8")
    others: dict[str, dict[str, Any]] = {
        "960 samples a unit": {"durations": np.full(len(track.sizes), 960)},
        "ticks of another rate": {"timescale": 90_000},
        "another codec": {"entries": (entry.replace(b"\x11\x88", b"\x29\x88"),)},
        "seven channels": {"entries": (seven[:24] + b"\0\7" + seven[26:],)},
    }
    other = Mp4Index(tracks=(replace(track, **others[kind]),), duration=Fraction(8))
    made = cut(other, Fraction(1), Fraction(2), zero=Fraction(-1))
    assert made.tracks[0].inserted == 0
    assert np.sum([p.end - p.start for p in made.pieces if isinstance(p, Copied)]) == made.media_bytes


# ---- far beyond what is cut of it ----


def test_media_beyond_4_gib_is_copied_from_there_and_to_there() -> None:
    head, media = large()
    index = read_index(head, media)
    (video,) = (track for track in index.tracks if track.type == "video")
    seconds = Fraction(int(video.pts[-1]), video.timescale) + 1
    whole = cut(index, Fraction(0), seconds)
    assert check(whole.head, whole.media_bytes).media_bytes == media
    assert b"co64" in whole.head
    last = cut(index, Fraction(int(video.pts[-1]), video.timescale), seconds)
    assert [*last.pieces] == [Copied(start=len(head) + media - GIB, end=len(head) + media)]
    assert b"co64" not in last.head
    assert check(last.head, last.media_bytes).media_bytes == GIB

import time
import tracemalloc
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from media.mp4.check import check
from media.mp4.entries import sample_entry
from media.mp4.writer import Mp4Writer
from media.samples import SampleBatch
from tests.media.mp4.made import (
    SAMPLE_RATE,
    STBL,
    STEP,
    File,
    adts,
    audio,
    batch,
    fake_batch,
    inside,
    length_prefixed,
    read,
    video,
)

PICTURE = sample_entry("h264", video()[0].data).box
SOUND = sample_entry("aac", adts(audio()[:3])).box
GIB = 1 << 30
Ticks = NDArray[np.int64]


def fake_file(*chunks: list[int]) -> tuple[bytes, int]:
    """Head and media size of a video that consists of numbers only."""
    writer = Mp4Writer(lambda _: None)
    track = writer.add_track("video", timescale=90_000)
    track.add_entry(PICTURE)
    at = 0
    for sizes in chunks:
        track.write(fake_batch(sizes, at=at), 1)
        at += len(sizes) * STEP
    return writer.finish(), writer.media_bytes


def offsets(head: bytes) -> tuple[bytes, list[int]]:
    tables = {span.kind: span for span in inside(head[: head.rindex(b"mdat") - 4], *STBL)}
    kind = b"co64" if b"co64" in tables else b"stco"
    return kind, np.frombuffer(
        head[tables[kind].body + 8 : tables[kind].end], ">u8" if kind == b"co64" else ">u4"
    ).tolist()


def test_offsets_stay_narrow_while_they_fit() -> None:
    head, media = fake_file([GIB, GIB], [GIB])
    assert offsets(head) == (b"stco", [len(head), len(head) + 2 * GIB])
    assert head.endswith((3 * GIB + 8).to_bytes(4) + b"mdat")
    assert check(head, media).tracks[0].size_bytes == 3 * GIB


def test_beyond_4_gib_offsets_and_mdat_become_wide() -> None:
    head, media = fake_file([GIB, GIB], [GIB, GIB + 5], [9])
    assert offsets(head) == (b"co64", [len(head), len(head) + 2 * GIB, len(head) + 4 * GIB + 5])
    assert head.endswith(b"\0\0\0\1mdat" + (media + 16).to_bytes(8))
    assert check(head, media).tracks[0].size_bytes == media


def test_the_head_itself_can_push_the_last_chunk_beyond_4_gib() -> None:
    size = len(fake_file([1], [1])[0])
    fits, _ = fake_file([4 * GIB - 1 - size - 8], [1])
    assert offsets(fits)[0] == b"stco"
    assert offsets(fits)[1][1] < 4 * GIB
    moved, media = fake_file([4 * GIB - size], [1])
    assert offsets(moved) == (b"co64", [len(moved), len(moved) + 4 * GIB - size])
    assert check(moved, media).head_bytes == len(moved)


def test_durations_beyond_13_hours_are_wide_and_read_back() -> None:
    file = File()
    day = 25 * 3600
    heard, shown = file.track("audio", SOUND, timescale=SAMPLE_RATE), file.track("video", PICTURE)
    heard.write(batch(audio(), last_duration=1024), 1)
    pictures = length_prefixed(video())
    shown.write(batch(pictures[:6], at=day * 90_000), 1)
    for hours in range(5, 30, 5):
        last = hours == 25
        shown.write(batch(pictures[6:] if last else pictures[6:7], at=(day + hours * 3600) * 90_000), 1)
    mp4 = file.finished()
    _, seen = read(mp4)
    assert seen.pts[0] == day
    assert max(seen.pts) == 2 * day + Fraction(pictures[10].pts, 90_000)
    assert check(mp4[: -len(file.media)], len(file.media)).duration == 2 * day + Fraction(12 * STEP, 90_000)


def four_hours(writer: Mp4Writer) -> None:
    """1.04 million samples: 25 pictures a second with B-frames, AAC at 48 kHz, a chunk every 2 seconds."""
    shown, heard = writer.add_track("video", timescale=90_000), writer.add_track("audio", timescale=SAMPLE_RATE)
    shown.add_entry(PICTURE)
    heard.add_entry(SOUND)
    draw = np.random.default_rng(4)
    number, ahead = np.arange(50), np.resize([2, 4, 1, 1], 50)
    for second in range(0, 4 * 3600, 2):
        dts = (second * 25 + number) * STEP
        sizes = draw.integers(500, 9000, 50)
        shown.write(numbers_only(sizes, dts, dts + ahead * STEP, sync=number == 0, last=STEP), 1)
        first, last = -(-second * SAMPLE_RATE // 1024), -(-(second + 2) * SAMPLE_RATE // 1024)
        heard_at = np.arange(first, last) * 1024
        sync = np.ones(last - first, np.bool_)
        heard.write(numbers_only(draw.integers(90, 300, last - first), heard_at, heard_at, sync=sync, last=1024), 1)


def numbers_only(sizes: Ticks, dts: Ticks, pts: Ticks, *, sync: NDArray[np.bool_], last: int) -> SampleBatch:
    data = fake_batch([int(sizes.sum())]).data
    return SampleBatch(sizes=sizes, dts=dts, pts=pts, sync=sync, data=data, last_duration=last)


def test_four_hours_cost_little_memory_and_finish_fast() -> None:
    tracemalloc.start()
    try:
        writer = Mp4Writer(lambda _: None)
        before, _ = tracemalloc.get_traced_memory()
        four_hours(writer)
        samples = sum(track.samples for track in writer._tracks)
        tracemalloc.reset_peak()
        begun = time.process_time()
        head = writer.finish()
        seconds = time.process_time() - begun
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert samples == 1_035_000
    assert (peak - before) / samples <= 60
    assert seconds <= 0.5
    assert sum(track.samples for track in check(head, writer.media_bytes).tracks) == samples

"""Check of an MP4 by its head: whether its boxes, tables and media data fit together, read without the writer.

It shares nothing with the writer but the box walker, and takes heads from anywhere (`media.mp4.reading`).
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from media.mp4 import reading
from media.mp4.boxes import Span
from media.mp4.reading import IMPLAUSIBLE, Chunks, Node, Rows

_TYPES = {b"vide": "video", b"soun": "audio"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTrack:
    """What the head says of one track.

    `codec` is the four-character code of the first sample entry, `duration` the sum of the sample deltas and
    `declared_duration` what mdhd says, both in ticks of `timescale`. `starts_at` and `ends_at` are seconds of the
    movie: when its first sample is presented and when its last one is over, by the edit list.
    """

    type: str
    codec: str
    entries: int
    samples: int
    size_bytes: int
    timescale: int
    duration: int
    declared_duration: int
    starts_at: Fraction
    ends_at: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """A head that holds together; `duration` of the movie in seconds, as mvhd declares it."""

    head_bytes: int
    media_bytes: int
    duration: Fraction
    tracks: tuple[CheckedTrack, ...]


def check(head: bytes, media_bytes: int) -> CheckReport:
    """Check the head of a progressive MP4: all bytes up to the `media_bytes` that its last box, mdat, holds.

    Raises `Mp4Error` with one sentence if boxes are cut or missing, if mdat has not that size, if tables contradict
    each other, or if a sample lies outside mdat or over another one of its track.
    """
    file = Node(memoryview(head), Span(kind=b"", start=0, body=0, end=len(head) + media_bytes), "")
    top = list(file.children())
    kinds = [node.span.kind for node in top]
    if kinds.count(b"moov") != 1 or kinds.count(b"mdat") != 1 or kinds[-1:] != [b"mdat"]:
        raise file.error(f"should be ftyp, moov and last mdat, and is {b' '.join(kinds).decode('latin-1')}")
    if kinds[0] != b"ftyp":
        raise file.error("does not begin with ftyp")
    media = top[-1].span
    if media.body != len(head):
        raise file.error(f"has a head of {len(head)} bytes, but its media data begins at {media.body}")
    moov = top[kinds.index(b"moov")]
    timescale, duration = reading.clock(moov.get(b"mvhd"))
    tracks = [_track(node, timescale, media) for node in moov.children() if node.span.kind == b"trak"]
    if not any(track.samples for track in tracks):
        raise moov.error("has no sample")
    return CheckReport(
        head_bytes=len(head),
        media_bytes=media_bytes,
        duration=Fraction(duration, timescale),
        tracks=tuple(tracks),
    )


def _track(trak: Node, movie_timescale: int, media: Span) -> CheckedTrack:
    trak.get(b"tkhd")
    mdia = trak.get(b"mdia")
    timescale, declared = reading.clock(mdia.get(b"mdhd"))
    handler = reading.handler(mdia)
    stbl = mdia.get(b"minf").get(b"stbl")
    codecs = [node.span.kind.decode("latin-1") for node in reading.sample_entries(stbl.get(b"stsd"))]
    samples, sizes = reading.sizes(stbl.get(b"stsz"))
    reading.sync_numbers(stbl, samples)
    size_bytes = _check_chunks(stbl, reading.chunks(stbl, samples, len(codecs)), samples, sizes, media)
    duration, first, end = _composition(stbl, samples)
    presented = Fraction(first, timescale), Fraction(end, timescale)
    starts_at, ends_at = _edits(trak, presented, movie_timescale, timescale)
    return CheckedTrack(
        type=_TYPES.get(handler, handler.decode("latin-1")),
        codec=codecs[0],
        entries=len(codecs),
        samples=samples,
        size_bytes=size_bytes,
        timescale=timescale,
        duration=duration,
        declared_duration=declared,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _check_chunks(stbl: Node, chunks: Chunks, samples: int, sizes: int | Rows, media: Span) -> int:
    """Chunks lie inside the media data, none over another; their bytes. ISO/IEC 14496-12 §8.7.5."""
    place, (offsets, counts, _) = reading.chunk_offsets(stbl), chunks
    if isinstance(sizes, int):
        if samples * sizes > media.end - media.body:
            raise stbl.error(f"has {samples} samples of {sizes} bytes, more than the media data")
        lengths = counts * sizes
    else:
        before, last = np.concatenate(([0], np.cumsum(sizes))), np.cumsum(counts)
        lengths = before[last] - before[last - counts]
    ends = offsets + lengths
    outside = (offsets < media.body) | (ends > media.end)
    if outside.any():
        chunk = int(np.flatnonzero(outside)[0])
        raise place.error(f"has chunk {chunk + 1} from {offsets[chunk]} to {ends[chunk]}, outside the media data")
    order = np.argsort(offsets, kind="stable")
    if (offsets[order[1:]] < ends[order[:-1]]).any():
        raise place.error("has chunks that lie over one another")
    return int(lengths.sum())


def _composition(stbl: Node, samples: int) -> tuple[int, int, int]:
    """Sum of the deltas, first composition time and end of the last one in ticks, ISO/IEC 14496-12 §8.6.1."""
    stts = stbl.get(b"stts")
    counts, deltas = reading.runs(stts, ">u4", samples)
    # The counts add up to less than 2^32, so this fits in 64 bits.
    duration = int((counts.astype(np.uint64) * deltas.astype(np.uint64)).sum(dtype=np.uint64))
    if duration >= IMPLAUSIBLE:
        raise stts.error("has a duration that no file can have")
    if not samples:
        return 0, 0, 0
    last = int(deltas[-1])
    ctts = stbl.find(b"ctts")
    if ctts is None:
        return duration, 0, duration
    shifted, offsets = reading.runs(ctts, ">i4", samples)
    ends = np.cumsum(shifted)
    # Inside a run of equal offsets composition times never fall.
    first = int((_decode_times(counts, deltas, ends - shifted) + offsets).min())
    end = int((_decode_times(counts, deltas, ends - 1) + offsets).max()) + last
    return duration, first, end


def _decode_times(counts: Rows, deltas: Rows, numbers: Rows) -> Rows:
    """Decode times of the samples with these numbers (from 0)."""
    ends = np.cumsum(counts)
    run = np.searchsorted(ends, numbers, side="right")
    begins = np.cumsum(counts * deltas) - counts * deltas
    times: Rows = begins[run] + (numbers - ends[run] + counts[run]) * deltas[run]
    return times


def _edits(
    trak: Node, presented: tuple[Fraction, Fraction], movie_timescale: int, timescale: int
) -> tuple[Fraction, Fraction]:
    """When the track begins and ends in seconds of the movie, from those of its media; ISO/IEC 14496-12 §8.6.6."""
    first, end = presented
    elst = reading.edit_list(trak)
    if elst is None:
        return presented
    at = Fraction(0)
    shown: tuple[Fraction, Fraction] | None = None
    for duration, media_time in reading.edits(elst):
        length = Fraction(duration, movie_timescale)
        if media_time >= 0:
            skipped = Fraction(media_time, timescale)
            left = max(Fraction(0), end - skipped)
            # A duration of 0 means: to the end.
            length = length or left
            begin = shown[0] if shown else at + max(Fraction(0), first - skipped)
            shown = begin, at + min(length, left)
        at += length
    if shown is None:
        raise elst.error("never shows any media")
    return shown

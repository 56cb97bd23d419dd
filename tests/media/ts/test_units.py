"""PES packets: where units begin, their stamps, and what of them is lost."""

from itertools import pairwise

import numpy as np
import pytest

from media.ts.packets import align, continuity, usable
from media.ts.psi import ElementaryStream
from media.ts.units import STAMP_MODULUS, Units, gather, read_units, stamp_difference
from tests.media.ts.made import H264, VIDEO_PID, Stream, packet, pes, split, transport

STREAM = ElementaryStream(VIDEO_PID, H264)


def units_of(data: bytes) -> Units:
    packets = usable(align(data))[0]
    return read_units(packets, STREAM, continuity(packets, packets.by_pid[VIDEO_PID]))


def payloads(data: bytes) -> list[bytes]:
    """What each unit carries."""
    packets = usable(align(data))[0]
    units = units_of(data)
    stream, offsets = gather(packets, units.index, units.start)
    edges = [*offsets[units.first].tolist(), int(offsets[-1])]
    return [bytes(stream[a:b]) for a, b in pairwise(edges)]


@pytest.mark.parametrize("size", [1, 100, 169, 170, 171, 184, 353, 354, 5000, 70_000])
@pytest.mark.parametrize("sized", [True, False])
def test_units_of_every_length_come_back_whole(size: int, *, sized: bool) -> None:
    bodies = [bytes([n]) * size for n in range(3)]
    fits = size < 65_000 and sized
    data = transport(VIDEO_PID, [pes(b, pts=n * 3600 + 7200, dts=n * 3600, sized=fits) for n, b in enumerate(bodies)])
    assert payloads(data) == bodies
    units = units_of(data)
    assert units.pts.tolist() == [7200, 10_800, 14_400]
    assert units.dts.tolist() == [0, 3600, 7200]
    assert not units.broken.any()
    assert not units.ends_short


def test_without_a_decode_stamp_it_is_the_presentation_stamp() -> None:
    units = units_of(transport(VIDEO_PID, [pes(b"x", pts=5), pes(b"y", pts=3605)]))
    assert units.dts.tolist() == units.pts.tolist() == [5, 3605]


@pytest.mark.parametrize("value", [0, 1, 90_000, (1 << 32) + 12_345, STAMP_MODULUS - 1])
def test_stamps_of_33_bits(value: int) -> None:
    units = units_of(transport(VIDEO_PID, [pes(b"x", pts=value, dts=value - 1)]))
    assert (units.pts[0], units.dts[0]) == (value, (value - 1) % STAMP_MODULUS)


def test_a_unit_longer_than_a_pes_packet_goes_on_in_others() -> None:
    """PES lengths have 16 bits; recorders that declare them split large pictures over PES packets without stamps."""
    parts = [pes(b"a" * 65_000, pts=0, sized=True), pes(b"b" * 65_000, sized=True), pes(b"c" * 10, sized=True)]
    data = transport(VIDEO_PID, [*parts, pes(b"d", pts=3600, sized=True)])
    assert payloads(data) == [b"a" * 65_000 + b"b" * 65_000 + b"c" * 10, b"d"]
    assert not units_of(data).broken.any()


def without(data: bytes, *numbers: int) -> bytes:
    return b"".join(one for at, one in enumerate(split(data)) if at not in numbers)


@pytest.mark.parametrize(("dropped", "broken"), [(2, [0]), (6, [1]), (5, [0, 1]), (10, [1, 2])])
def test_a_lost_packet_breaks_the_units_it_may_belong_to(dropped: int, broken: list[int]) -> None:
    """Units of five packets without lengths: the first packet of one may also have ended the one before."""
    data = transport(VIDEO_PID, [pes(bytes([n]) * 800, pts=n * 3600) for n in range(4)])
    found = without(data, dropped)
    units = units_of(found)
    left = [int(p) // 3600 for p in units.pts]
    assert {left[at] for at in np.flatnonzero(units.broken)} == set(broken) & set(left)


def test_a_declared_length_says_that_a_unit_before_a_loss_is_whole() -> None:
    data = transport(VIDEO_PID, [pes(bytes([n]) * 800, pts=n * 3600, sized=True) for n in range(4)])
    units = units_of(without(data, *range(5, 10)))
    assert units.pts.tolist() == [0, 7200, 10_800]
    assert not units.broken[0]


def test_a_declared_length_that_is_not_reached_breaks_the_unit() -> None:
    data = transport(VIDEO_PID, [pes(b"a" * 800, pts=0, sized=True)])
    units = units_of(without(data, 4))
    assert units.broken.tolist() == [True]
    assert units.ends_short


def test_packets_before_the_first_unit_are_counted() -> None:
    data = transport(VIDEO_PID, [pes(b"a" * 800, pts=0), pes(b"b" * 800, pts=3600)])
    units = units_of(without(data, 0))
    assert units.headless_packets == 4
    assert units.pts.tolist() == [3600]


def test_a_start_without_a_pes_header_is_a_loss() -> None:
    stream = Stream(VIDEO_PID)
    good = stream.packets(pes(b"a" * 300, pts=0))
    bad = packet(VIDEO_PID, b"\xff" * 184, counter=stream.counter, starts=True)
    stream.counter += 1
    units = units_of(b"".join([*good, bad, *stream.packets(pes(b"b" * 300, pts=3600))]))
    assert units.broken.tolist() == [True, False]


@pytest.mark.parametrize(("later", "earlier", "difference"), [(5, 3, 2), (2, STAMP_MODULUS - 3, 5), (0, 1, -1)])
def test_differences_across_the_wrap(later: int, earlier: int, difference: int) -> None:
    assert stamp_difference(np.array([later]), np.array([earlier])).tolist() == [difference]


def test_a_stamp_that_cannot_be_breaks_its_unit() -> None:
    """A picture is shown at most sixteen pictures after it is decoded; further away its stamp is damaged."""
    stamps = [(0, 0), (3600 + 30 * 90_000, 3600), (7200 + 16 * 90_000, 7200)]
    units = units_of(transport(VIDEO_PID, [pes(b"x" * 50, pts=pts, dts=dts) for pts, dts in stamps]))
    assert units.broken.tolist() == [False, True, False]
    assert units.pts.tolist() == [0, 3600, 7200 + 16 * 90_000]

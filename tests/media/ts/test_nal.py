"""Access units: from start codes to lengths, in the way libavformat does it."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from media.ts.nal import AccessUnits, VideoCodec, convert, parameter_sets

AUD, SPS, PPS, SEI = b"\x09\xf0", b"\x67\x42\x00\x1e\xab\x40", b"\x68\xce\x3c\x80", b"\x06\x05\x01\x00\x80"
IDR, PICTURE, LATER_SLICE = b"\x65\x88\x84\x21", b"\x41\x9a\x24\x6c", b"\x41\x1a\x24\x6c"
LONG, SHORT = b"\0\0\0\1", b"\0\0\1"


def annex_b(*nals: bytes, code: bytes = LONG) -> bytes:
    return b"".join(code + nal for nal in nals)


def converted(
    *units: bytes, codec: VideoCodec = "h264", wanted: list[bool] | None = None, in_force: bytes = b""
) -> AccessUnits:
    offsets = np.array([0, *itertools.accumulate(map(len, units))], np.int64)
    chosen = np.ones(len(units), bool) if wanted is None else np.array(wanted)
    return convert(bytearray(b"".join(units)), offsets, codec=codec, wanted=chosen, parameters_in_force=in_force)


def samples(found: AccessUnits) -> list[bytes]:
    edges = [0, *itertools.accumulate(found.sizes[found.kept].tolist())]
    assert edges[-1] == len(found.data)
    return [bytes(found.data[a:b]) for a, b in itertools.pairwise(edges)]


def lengths(*nals: bytes) -> bytes:
    return b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)


@pytest.mark.parametrize("code", [LONG, SHORT], ids=["four bytes", "three bytes"])
def test_start_codes_become_lengths(code: bytes) -> None:
    units = [annex_b(AUD, SPS, PPS, IDR, code=code), annex_b(AUD, PICTURE, code=code)]
    found = converted(*units)
    assert samples(found) == [lengths(AUD, SPS, PPS, IDR), lengths(AUD, PICTURE)]
    assert found.sync.tolist() == [True, False]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from([AUD, SEI, SPS]), max_size=3), st.lists(st.booleans(), min_size=4, max_size=4)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_mixed_start_codes(drawn: list[tuple[list[bytes], list[bool]]]) -> None:
    units, expected = [], []
    for before, long in drawn:
        assume(before.count(AUD) <= 1)
        nals = [*before, PICTURE]
        units.append(b"".join((LONG if wide else SHORT) + nal for nal, wide in zip(nals, long, strict=False)))
        expected.append(lengths(*nals))
    assert samples(converted(*units)) == expected


def test_units_of_several_access_units_are_left_out() -> None:
    found = converted(annex_b(AUD, PICTURE, AUD, PICTURE), annex_b(AUD, IDR))
    assert found.kept.tolist() == [False, True]


def test_units_without_delimiters() -> None:
    assert samples(converted(annex_b(IDR), annex_b(PICTURE))) == [lengths(IDR), lengths(PICTURE)]


@pytest.mark.parametrize("zeros", [1, 2, 7])
def test_leading_zeros_are_no_part_of_a_sample(zeros: int) -> None:
    assert samples(converted(b"\0" * zeros + annex_b(IDR), annex_b(PICTURE))) == [lengths(IDR), lengths(PICTURE)]


def test_several_slices_make_one_picture() -> None:
    assert samples(converted(annex_b(PICTURE, LATER_SLICE))) == [lengths(PICTURE, LATER_SLICE)]


def test_units_without_the_begin_of_a_picture_are_left_out() -> None:
    found = converted(annex_b(LATER_SLICE), annex_b(AUD, SEI), annex_b(PICTURE), b"\xff" * 20)
    assert found.kept.tolist() == [False, False, True, False]
    assert samples(found) == [lengths(PICTURE)]


def test_units_that_are_not_wanted_are_left_out() -> None:
    found = converted(annex_b(IDR), annex_b(PICTURE), annex_b(PICTURE, code=SHORT), wanted=[True, False, True])
    assert samples(found) == [lengths(IDR), lengths(PICTURE)]
    assert found.sizes.tolist() == [8, 0, 8]


def test_a_start_code_across_units_belongs_to_neither() -> None:
    """A unit that ends with zeros, before one that begins with a start code."""
    found = converted(annex_b(IDR) + b"\0", annex_b(PICTURE, code=SHORT))
    assert samples(found) == [lengths(IDR + b"\0"), lengths(PICTURE)]


def test_parameter_sets_are_those_before_the_first_slice() -> None:
    assert parameter_sets("h264", annex_b(AUD, SPS, PPS, IDR, SPS)) == SHORT + SPS + SHORT + PPS
    assert parameter_sets("h264", annex_b(AUD, PPS, IDR)) == b""
    assert parameter_sets("h264", b"") == b""


def test_trailing_zeros_do_not_change_parameter_sets() -> None:
    assert parameter_sets("h264", annex_b(SPS + b"\0", PPS, IDR)) == parameter_sets("h264", annex_b(SPS, PPS, IDR))


def test_changes_are_told_once_each() -> None:
    other = SPS[:-1] + b"\x80"
    units = [annex_b(s, PPS, IDR) for s in (SPS, SPS, other, other, SPS)]
    assert [c.unit for c in converted(*units).changes] == [0, 2, 4]
    assert [c.unit for c in converted(*units, in_force=parameter_sets("h264", units[0])).changes] == [2, 4]
    assert converted(*units).changes[1].access_unit == units[2]


def test_hevc_units() -> None:
    vps, sps, pps = b"\x40\x01\x0c", b"\x42\x01\x01\x60", b"\x44\x01\xc1"
    idr, picture, rest = b"\x26\x01\xaf\x10", b"\x02\x01\xd0\x10", b"\x02\x01\x50\x10"
    units = [annex_b(vps, sps, pps, idr), annex_b(picture, rest), annex_b(rest)]
    found = converted(*units, codec="hevc")
    assert samples(found) == [lengths(vps, sps, pps, idr), lengths(picture, rest)]
    assert found.sync.tolist() == [True, False, False]
    assert found.changes[0].parameter_sets == SHORT + vps + SHORT + sps + SHORT + pps


@settings(deadline=None, max_examples=150)
@given(st.lists(st.binary(max_size=60), max_size=6), st.sampled_from(["h264", "hevc"]))
def test_any_bytes_make_samples_of_their_sizes(units: list[bytes], codec: VideoCodec) -> None:
    samples(converted(*units, codec=codec))


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(st.sampled_from([b"\0", b"\1", b"\x65\x88", b"\x41\x9a", b"\x67"]), max_size=12), max_size=5))
def test_start_codes_of_every_shape_make_samples_of_their_sizes(units: list[list[bytes]]) -> None:
    samples(converted(*(b"".join(unit) for unit in units)))

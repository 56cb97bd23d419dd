"""ADTS frames: found, counted and unwrapped."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.ts import adts
from tests.media.ts.made import adts_frame

NOTHING_LOST = np.zeros(0, np.int64)


@pytest.mark.parametrize(("index", "rate"), [*enumerate(adts.SAMPLE_RATES)])
@pytest.mark.parametrize(("configuration", "channels"), [(1, 1), (2, 2), (6, 6), (7, 8)])
def test_what_a_header_says(index: int, rate: int, configuration: int, channels: int) -> None:
    found = adts.read_parameters(adts_frame(b"xyz", rate_index=index, channels=configuration))
    assert found is not None
    assert (found.object_type, found.sample_rate, found.channels, found.header_bytes) == (2, rate, channels, 7)


def test_a_header_with_a_checksum_is_longer() -> None:
    found = adts.read_parameters(adts_frame(b"xyz", crc=True))
    assert found is not None
    assert found.header_bytes == 9


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xff\xf1\x4c",
        b"\xfe" + adts_frame(b"x")[1:],
        b"\xff\xff" + adts_frame(b"x")[2:],
        adts_frame(b"x", rate_index=13),
        adts_frame(b"x", rate_index=15),
        adts_frame(b"x", channels=0),
        adts_frame(b"x")[:6] + b"\xfd",
    ],
    ids=["empty", "short", "no sync", "layer", "reserved rate", "explicit rate", "no channels", "several blocks"],
)
def test_what_is_no_header(header: bytes) -> None:
    assert adts.read_parameters(header[:7]) is None


FRAMES = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=12)


@settings(deadline=None)
@given(FRAMES, st.booleans())
def test_frames_are_counted_whatever_they_hold(payloads: list[bytes], crc: bool) -> None:
    stream = b"".join(adts_frame(payload, crc=crc) for payload in payloads)
    parameters = adts.read_parameters(stream)
    assert parameters is not None
    assert adts.count_frames(stream, parameters, NOTHING_LOST) == len(payloads)


def test_a_header_inside_a_frame_is_not_counted() -> None:
    inner = adts_frame(b"in" * 10)
    stream = adts_frame(b"a") + adts_frame(b"bb" + inner + b"cc") + adts_frame(b"d")
    parameters = adts.read_parameters(stream)
    assert parameters is not None
    assert adts.count_frames(stream, parameters, NOTHING_LOST) == 3


def test_parameters_are_found_behind_the_rest_of_a_frame() -> None:
    stream = b"\xff\x00\xff\xf1rest" + adts_frame(b"abc") + adts_frame(b"def")
    found = adts.find_parameters(stream)
    assert found is not None
    assert found.sample_rate == 48_000


def test_a_frame_with_a_header_is_the_frame_again() -> None:
    frame = adts_frame(b"payload")
    parameters = adts.read_parameters(frame)
    assert parameters is not None
    again = adts.with_header(parameters, b"payload")
    assert adts.read_parameters(again) == parameters
    assert adts.frame_length(again, 0) == len(again)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=400))
def test_any_bytes_have_a_count(data: bytes) -> None:
    adts.find_parameters(data)
    parameters = adts.read_parameters(adts_frame(b"x"))
    assert parameters is not None
    assert 0 <= adts.count_frames(data, parameters, NOTHING_LOST) <= len(data) // 7 + 1

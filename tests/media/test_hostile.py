"""Hostile and broken bytes: whatever they are, the answer is a value, and every sample is accounted for."""

import io
import random
import time

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.sandbox.packets import PACKET, packets, payload_at, pid_of, programme
from tests.lab import Slice, Stored
from tests.media.driving import Made, assert_accounted, make
from tests.media.recordings import recording
from tests.media.ts.made import AAC, AUDIO_PID, H264, VIDEO_PID, pes, tables, transport

SECONDS = 5.0


def alone(data: bytes) -> Made:
    return make([Slice(data=data, duration_s=2, start_s=0)])


def among_others(data: bytes) -> Made:
    slices = list(recording(6))
    stored: Stored = [slices[0], slices[1].shows(data), slices[2]]
    return make(slices, stored=stored)


def mutated(data: bytes, seed: int) -> bytes:
    """Some bytes overwritten, taken out, repeated or put in."""
    chance = random.Random(seed)
    broken = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at, size = chance.randrange(len(broken)), chance.choice([1, 1, 3, 40, PACKET, 1000])
        match chance.randrange(4):
            case 0:
                broken[at : at + size] = chance.randbytes(min(size, len(broken) - at))
            case 1:
                del broken[at : at + size]
            case 2:
                broken[at:at] = broken[at : at + size]
            case _:
                broken[at:at] = chance.choice([b"\x47", b"\0", b"\xff"]) * size
    return bytes(broken or b"\0")


@settings(deadline=None, max_examples=60)
@given(st.binary(min_size=1, max_size=4000))
def test_any_bytes(data: bytes) -> None:
    made = alone(data)
    assert made.files == ()
    assert len(made.codes) == 1


@settings(deadline=None, max_examples=80)
@given(st.integers(min_value=0))
def test_mutated_slices(seed: int) -> None:
    begun = time.monotonic()
    made = among_others(mutated(recording(6)[1].data, seed))
    assert time.monotonic() - begun < SECONDS
    assert_accounted(made)
    assert not {"ledger_open", "stamps_uncounted"} & set(made.codes)
    for file in made.files:
        with av.open(io.BytesIO(file), "r", format="mp4") as source:
            assert sum(1 for packet in source.demux() if packet.size) == sum(t.ledger.samples_out for t in made.tracks)


@settings(deadline=None, max_examples=40)
@given(st.integers(min_value=0))
def test_mutated_packet_headers(seed: int) -> None:
    """Aimed where it hurts: only headers, adaptation fields and the first payload bytes are changed."""
    chance = random.Random(seed)
    broken = [bytearray(packet) for packet in packets(recording(6)[1].data)]
    for packet in chance.sample(broken, 6):
        packet[chance.choice([1, 2, 3, 4, 5, 10, 12, 18, 19, 25])] = chance.randrange(256)
    made = among_others(b"".join(broken))
    assert_accounted(made)
    assert "ledger_open" not in made.codes


@pytest.mark.parametrize("size", [0, 1, PACKET, 3 * PACKET])
def test_no_more_than_a_few_packets(size: int) -> None:
    made = alone(recording(6)[0].data[:size])
    assert made.files == ()
    assert made.codes in (["segment_empty"], ["segment_not_media"], ["segment_truncated"])


def test_pictures_without_any_start_code() -> None:
    units = [pes(b"\xaa" * 500, pts=n * 3600) for n in range(20)]
    made = alone(tables((VIDEO_PID, H264)) + transport(VIDEO_PID, units))
    assert made.files == ()
    assert all(track.ledger.samples_out == 0 for track in made.tracks)
    assert made.codes


def test_sound_without_any_header() -> None:
    units = [pes(b"\xaa" * 500, pts=n * 3600, video=False) for n in range(20)]
    made = alone(tables((AUDIO_PID, AAC)) + transport(AUDIO_PID, units))
    assert made.files == ()
    assert made.codes


def test_scrambled_pictures_are_no_sound_recording() -> None:
    """transport_scrambling_control is set and the payload is noise: named as an error, whatever else is there."""
    data = recording(6)[1].data
    video, chance = programme(data).video, random.Random(1)
    scrambled = []
    for packet in packets(data):
        if pid_of(packet) == video:
            start = payload_at(packet)
            packet[3] |= 0x80
            packet[start:] = chance.randbytes(PACKET - start)
        scrambled.append(packet)
    made = among_others(b"".join(scrambled))
    assert made.judgement.gaps or made.judgement.findings
    assert_accounted(made)


def test_a_large_segment_of_junk_takes_bounded_time() -> None:
    begun = time.monotonic()
    made = alone(b"\x47" * 2_000_000)
    assert made.files == ()
    assert alone(random.Random(2).randbytes(2_000_000)).files == ()
    assert time.monotonic() - begun < SECONDS

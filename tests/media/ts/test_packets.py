"""Packets: where they lie among junk, and what their counters say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.ts.packets import PACKET_SIZE, Packets, align, continuity, usable
from tests.media.ts.made import VIDEO_PID, packet

WHOLE = b"\x55" * 184


def run_of(count: int, *, counter: int = 0) -> bytes:
    return b"".join(packet(VIDEO_PID, bytes([counter + n]) * 184, counter=counter + n) for n in range(count))


def packets_of(data: bytes) -> Packets:
    return usable(align(data))[0]


def losses(data: bytes, previous: int | None = None) -> list[int]:
    packets = packets_of(data)
    return np.flatnonzero(continuity(packets, packets.by_pid[VIDEO_PID], previous).lost_before).tolist()


def test_packets_without_junk_are_not_copied() -> None:
    data = run_of(5)
    found = align(data)
    assert np.shares_memory(found.rows, np.frombuffer(data, np.uint8))
    assert (len(found.rows), found.junk_bytes, found.partial_bytes) == (5, 0, 0)


@settings(deadline=None)
@given(
    before=st.integers(0, 400),
    between=st.integers(1, 400),
    tail=st.integers(0, 187),
    fill=st.sampled_from([0x00, 0xFF, 0x55]),
)
def test_packets_are_found_again_after_junk_of_any_length(before: int, between: int, tail: int, fill: int) -> None:
    junk = bytes([fill])
    one, two = run_of(6), run_of(7, counter=6)
    found = align(junk * before + one + junk * between + two + junk * tail)
    assert found.rows.tobytes() == one + two
    expected_tail = tail if before or between % PACKET_SIZE or tail else 0
    assert found.junk_bytes == before + between + expected_tail
    assert found.partial_bytes == 0
    assert np.flatnonzero(found.junk_before).tolist() == [*([0] if before else []), 6]
    assert found.junk_before[6] == between


def test_the_beginning_of_a_packet_at_the_end_is_partial() -> None:
    data = run_of(5)
    assert align(data[:-100]).partial_bytes == 88
    found = align(b"\0" * 7 + data[:-100])
    assert (len(found.rows), found.junk_bytes, found.partial_bytes) == (4, 7, 88)


@pytest.mark.parametrize("data", [b"", b"<html>", bytes(5000), b"\x47" + bytes(187 * 9)])
def test_no_packets(data: bytes) -> None:
    found = align(data)
    assert len(packets_of(data).rows) == 0 or found.rows[0, 0] == 0x47
    assert found.junk_bytes + found.partial_bytes + found.rows.size == len(data)


@pytest.mark.parametrize("length", [184, 200, 255])
def test_an_impossible_adaptation_field_is_not_believed(length: int) -> None:
    bad = bytearray(packet(VIDEO_PID, b"x" * 100, counter=1))
    bad[4] = length
    packets, lost = usable(align(run_of(1) + bytes(bad) + run_of(2, counter=2)))
    assert lost == 1
    assert len(packets.rows) == 3
    assert packets.junk_before.tolist() == [0, PACKET_SIZE, 0]


def test_a_transport_error_is_not_believed() -> None:
    data = run_of(1) + packet(VIDEO_PID, WHOLE, counter=1, error=True) + run_of(2, counter=2)
    assert usable(align(data))[1] == 1
    assert losses(data) == [1]


def test_counters_that_run_on_lose_nothing() -> None:
    assert losses(run_of(40)) == []
    assert losses(run_of(40, counter=9), previous=8) == []


@pytest.mark.parametrize("missing", [1, 2, 15])
def test_a_jump_of_the_counter_is_a_loss(missing: int) -> None:
    assert losses(run_of(5) + run_of(5, counter=5 + missing)) == [5]


def test_a_jump_across_pieces_is_a_loss() -> None:
    assert losses(run_of(5, counter=5), previous=3) == [0]


def test_a_packet_repeated_once_is_left_out() -> None:
    twice = packet(VIDEO_PID, b"y" * 184, counter=1)
    data = run_of(1) + twice + twice + run_of(3, counter=2)
    packets = packets_of(data)
    run = continuity(packets, packets.by_pid[VIDEO_PID])
    assert len(run.index) == 5
    assert not run.lost_before.any()


def test_an_equal_counter_with_other_bytes_is_a_loss_of_fifteen() -> None:
    data = run_of(1) + packet(VIDEO_PID, b"y" * 184, counter=1) + packet(VIDEO_PID, b"z" * 184, counter=1)
    assert losses(data) == [2]


def test_packets_without_payload_do_not_count() -> None:
    data = run_of(2) + packet(VIDEO_PID, b"", counter=1) + run_of(2, counter=2)
    packets = packets_of(data)
    run = continuity(packets, packets.by_pid[VIDEO_PID])
    assert len(run.index) == 4
    assert not run.lost_before.any()


def test_a_declared_discontinuity_is_no_loss() -> None:
    data = run_of(2) + packet(VIDEO_PID, b"y" * 100, counter=9, flags=0x80) + run_of(2, counter=10)
    assert losses(data) == []


@pytest.mark.parametrize(("junk", "lost"), [(15, []), (16, [6]), (32, [6])])
def test_after_sixteen_packets_of_junk_an_unbroken_count_proves_nothing(junk: int, lost: list[int]) -> None:
    assert losses(run_of(6) + b"\0" * (junk * PACKET_SIZE) + run_of(4, counter=6)) == lost


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=3000))
def test_any_bytes_are_accounted_for(data: bytes) -> None:
    found = align(data)
    assert found.rows.size + found.junk_bytes + found.partial_bytes == len(data)
    packets, _ = usable(found)
    for index in packets.by_pid.values():
        continuity(packets, index)

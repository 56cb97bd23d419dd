import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.checksums import HASHERS, Checksums, Crc64, Proof, combine, crc64_text


def crc_of(data: bytes) -> int:
    crc = Crc64()
    crc.update(data)
    return crc.value


def test_the_check_value_of_crc64xz() -> None:
    assert crc_of(b"123456789") == 0x995DC9BBDF1939FA
    assert crc_of(b"") == 0


@given(st.lists(st.binary(max_size=200), max_size=6))
def test_the_crc_of_the_whole_from_its_parts(parts: list[bytes]) -> None:
    combined = 0
    running = Crc64()
    for part in parts:
        combined = combine(combined, crc_of(part), len(part))
        running.update(part)
    assert combined == running.value == crc_of(b"".join(parts))


@pytest.mark.parametrize("size", [1, 255, 8 * 1024 * 1024, 8 * 1024 * 1024 + 7])
def test_large_parts_combine(size: int) -> None:
    assert combine(crc_of(b"head"), crc_of(bytes(size)), size) == crc_of(b"head" + bytes(size))


def test_lengths_that_no_test_could_hash() -> None:
    """Zeros in two steps or in one; 5 TiB is the largest object of S3."""
    half, whole = 5 << 39, 5 << 40
    assert combine(combine(1, 0, half), 0, half) == combine(1, 0, whole)


def test_texts_have_sixteen_digits() -> None:
    assert crc64_text(0x1F) == "000000000000001f"
    assert Crc64().hexdigest() == "0" * 16


@pytest.mark.parametrize(
    ("proof", "text"),
    [
        (Proof.CRC64XZ, "995dc9bbdf1939fa"),
        (Proof.CRC32C, "e3069283"),
        (Proof.MD5, hashlib.md5(b"123456789", usedforsecurity=False).hexdigest()),
    ],
)
def test_every_hasher_runs(proof: Proof, text: str) -> None:
    hasher = HASHERS[proof]()
    for piece in (b"1234", b"", memoryview(b"56789")):
        hasher.update(piece)
    assert hasher.hexdigest() == text


def test_the_best_that_can_be_computed() -> None:
    assert Checksums(crc64xz="a", md5="b").best() == (Proof.CRC64XZ, "a")
    assert Checksums(crc32c="a", md5="b").best() == (Proof.CRC32C, "a")
    assert Checksums(crc64nvme="a", md5="b").best() == (Proof.MD5, "b")
    assert Checksums(crc64nvme="a").best() is None

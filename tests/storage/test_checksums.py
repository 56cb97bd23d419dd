import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.checksums import CRC64NVME, CRC64XZ, HASHERS, Checksums, Crc64, Proof, crc64_text, crc64nvme


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
        combined = CRC64XZ.combine(combined, crc_of(part), len(part))
        running.update(part)
    assert combined == running.value == crc_of(b"".join(parts))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_crc64nvme_of_the_whole_from_its_parts(first: bytes, second: bytes) -> None:
    combined = CRC64NVME.combine(crc64nvme(first), crc64nvme(second), len(second))
    assert combined == crc64nvme(first + second)


@pytest.mark.parametrize("size", [1, 255, 8 * 1024 * 1024, 8 * 1024 * 1024 + 7])
def test_large_parts_combine(size: int) -> None:
    assert CRC64XZ.combine(crc_of(b"head"), crc_of(bytes(size)), size) == crc_of(b"head" + bytes(size))


def test_lengths_that_no_test_could_hash() -> None:
    """Zeros in two steps or in one; 5 TiB is the largest object of S3."""
    half, whole = 5 << 39, 5 << 40
    assert CRC64XZ.combine(CRC64XZ.combine(1, 0, half), 0, half) == CRC64XZ.combine(1, 0, whole)


def test_texts_have_sixteen_digits() -> None:
    assert crc64_text(0x1F) == "000000000000001f"
    assert Crc64().hexdigest() == "0" * 16


@pytest.mark.parametrize(
    ("proof", "text"),
    [
        (Proof.CRC64XZ, "995dc9bbdf1939fa"),
        (Proof.CRC64NVME, "ae8b14860a799888"),
        (Proof.CRC32C, "e3069283"),
        (Proof.CRC32, "cbf43926"),
        (Proof.MD5, hashlib.md5(b"123456789", usedforsecurity=False).hexdigest()),
    ],
)
def test_every_hasher_runs(proof: Proof, text: str) -> None:
    hasher = HASHERS[proof]()
    for piece in (b"1234", b"", memoryview(b"56789")):
        hasher.update(piece)
    assert hasher.hexdigest() == text


def test_every_checksum_that_a_store_may_offer_can_be_computed() -> None:
    assert [*HASHERS, Proof.LENGTH] == list(Proof)
    assert set(HASHERS) == set(Checksums.__dataclass_fields__)


def test_the_best_that_is_offered() -> None:
    assert Checksums(crc64xz="a", md5="b").best() == (Proof.CRC64XZ, "a")
    assert Checksums(crc64nvme="a", crc32="b").best() == (Proof.CRC64NVME, "a")
    assert Checksums(crc32="a", md5="b").best() == (Proof.CRC32, "a")
    assert Checksums().best() is None

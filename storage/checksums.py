"""Checksums behind one name: what a store offered for an object, and what showed its bytes to be right.

All checksums are lower-case hex text here: 16 digits for the CRC-64s, 8 for CRC-32C, 32 for MD5. OSS and COS send
their CRC-64 as decimal text; their adapters turn it into ours with `crc64_text(int(header))`.

CRC-64/XZ (poly 0x42F0E1EBA9EA3693 reflected, init and xorout all ones; "crc64ecma" with OSS and COS) is the one we
compute for everything: it is the fastest at hand, and the CRC of a whole follows from those of its parts.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

from fastcrc import crc32, crc64

Buffer = bytes | bytearray | memoryview


class Proof(StrEnum):
    """What showed an object's bytes to be right, the strongest first; `LENGTH` means that no checksum was offered."""

    CRC64XZ = "crc64xz"
    CRC64NVME = "crc64nvme"
    CRC32C = "crc32c"
    MD5 = "md5"
    LENGTH = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksums:
    """What a store offered for a whole object: lower-case hex text, or None where it offered nothing."""

    crc64xz: str | None = None
    crc64nvme: str | None = None
    crc32c: str | None = None
    md5: str | None = None

    def best(self) -> tuple[Proof, str] | None:
        """The strongest checksum that can be computed here, with the value the store gave."""
        for proof in HASHERS:
            value: str | None = getattr(self, proof.value)
            if value is not None:
                return proof, value
        return None


class Hasher(Protocol):
    """A running checksum."""

    def update(self, data: Buffer, /) -> None:
        """Take in the next bytes."""

    def hexdigest(self) -> str:
        """The checksum so far, as lower-case hex text."""


class Crc64:
    """A running CRC-64/XZ."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        """Begins as the CRC of no bytes, which is 0."""
        self.value = 0

    def update(self, data: Buffer, /) -> None:
        """Take in the next bytes; they must not change meanwhile."""
        self.value = crc64.xz(data, self.value)

    def hexdigest(self) -> str:
        """The CRC so far, as 16 hex digits."""
        return crc64_text(self.value)


class Crc32c:
    """A running CRC-32C (Castagnoli; RFC 3720 §B.4)."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        """Begins as the CRC of no bytes, which is 0."""
        self.value = 0

    def update(self, data: Buffer, /) -> None:
        """Take in the next bytes; they must not change meanwhile."""
        self.value = crc32.iscsi(data, self.value)

    def hexdigest(self) -> str:
        """The CRC so far, as 8 hex digits."""
        return f"{self.value:08x}"


def _md5() -> Hasher:
    return hashlib.md5(usedforsecurity=False)


HASHERS: Mapping[Proof, Callable[[], Hasher]] = MappingProxyType(
    {Proof.CRC64XZ: Crc64, Proof.CRC32C: Crc32c, Proof.MD5: _md5}
)
"""The checksums that can be computed here, the strongest first. CRC64NVME needs awscrt, which comes with S3."""


def crc64_text(value: int) -> str:
    """A CRC-64 as 16 lower-case hex digits."""
    return f"{value:016x}"


def combine(crc_a: int, crc_b: int, len_b: int) -> int:
    """The CRC-64/XZ of A + B from those of A and B and the length of B in bytes.

    Zeros appended to A multiply its remainder by x^(8 len_b) modulo the polynomial; the all-ones init and xorout of A
    and B cancel out (the idea of zlib's crc32_combine).
    """
    return _multiply(_power_of_x(8 * len_b), crc_a) ^ crc_b


_POLYNOMIAL = 0xC96C5795D7870F42
"""0x42F0E1EBA9EA3693 with its bits reversed: bit 63 is the coefficient of x^0."""
_ONE = 1 << 63
_X = 1 << 62


def _multiply(a: int, b: int) -> int:
    """A times b modulo the polynomial, over GF(2), bits reversed."""
    product = 0
    bit = _ONE
    while bit:
        if a & bit:
            product ^= b
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
        bit >>= 1
    return product


@lru_cache(maxsize=64)
def _power_of_x(exponent: int) -> int:
    """x^exponent modulo the polynomial, by squaring; cached because nearly all parts have one size."""
    power, square = _ONE, _X
    while exponent:
        if exponent & 1:
            power = _multiply(square, power)
        square = _multiply(square, square)
        exponent >>= 1
    return power

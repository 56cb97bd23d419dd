"""Checksums behind one name: what a store offered for an object, and what showed its bytes to be right.

All checksums are lower-case hex text here: 16 digits for the CRC-64s, 8 for the CRC-32s, 32 for MD5. OSS and COS send
their CRC-64 as decimal text, S3 its checksums as base64; their adapters turn them into ours.

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

from awscrt import checksums as crt
from fastcrc import crc32, crc64

Buffer = bytes | bytearray | memoryview


class Proof(StrEnum):
    """What showed an object's bytes to be right, the strongest first; `LENGTH` means that no checksum was offered."""

    CRC64XZ = "crc64xz"
    CRC64NVME = "crc64nvme"
    CRC32C = "crc32c"
    CRC32 = "crc32"
    MD5 = "md5"
    LENGTH = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksums:
    """What a store offered for a whole object: lower-case hex text, or None where it offered nothing."""

    crc64xz: str | None = None
    crc64nvme: str | None = None
    crc32c: str | None = None
    crc32: str | None = None
    md5: str | None = None

    def best(self) -> tuple[Proof, str] | None:
        """The first of `HASHERS` that the store gave, with its value."""
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


class Crc:
    """A running CRC: `compute` takes bytes and the CRC of those before them."""

    __slots__ = ("_compute", "_digits", "value")

    def __init__(self, compute: Callable[[Buffer, int], int], *, digits: int) -> None:
        """Begins as the CRC of no bytes, which is 0; `digits` is the length of its hex text."""
        self._compute = compute
        self._digits = digits
        self.value = 0

    def update(self, data: Buffer, /) -> None:
        """Take in the next bytes; they must not change meanwhile."""
        self.value = self._compute(data, self.value)

    def hexdigest(self) -> str:
        """The CRC so far, as hex text."""
        return f"{self.value:0{self._digits}x}"


class Crc64(Crc):
    """A running CRC-64/XZ."""

    __slots__ = ()

    def __init__(self) -> None:
        """Begins as the CRC of no bytes, which is 0."""
        super().__init__(crc64.xz, digits=16)


def _crc64nvme() -> Crc:
    return Crc(crt.crc64nvme, digits=16)


def _crc32c() -> Crc:
    return Crc(crc32.iscsi, digits=8)


def _crc32() -> Crc:
    return Crc(crc32.iso_hdlc, digits=8)


def _md5() -> Hasher:
    return hashlib.md5(usedforsecurity=False)


HASHERS: Mapping[Proof, Callable[[], Hasher]] = MappingProxyType(
    {
        Proof.CRC64XZ: Crc64,
        Proof.CRC64NVME: _crc64nvme,
        Proof.CRC32C: _crc32c,
        Proof.CRC32: _crc32,
        Proof.MD5: _md5,
    }
)
"""The checksums that a store may offer, in the order in which one is chosen: fast and long before slow or short."""


def crc64xz(data: Buffer) -> int:
    """The CRC-64/XZ of these bytes."""
    value: int = crc64.xz(data)
    return value


def crc64nvme(data: Buffer) -> int:
    """The CRC-64/NVME of these bytes."""
    value: int = crt.crc64nvme(data)
    return value


def crc64_text(value: int) -> str:
    """A CRC-64 as 16 lower-case hex digits."""
    return f"{value:016x}"


@dataclass(frozen=True, slots=True)
class Polynomial:
    """The generator of a CRC-64 with its bits reversed: bit 63 is the coefficient of x^0."""

    reversed_bits: int

    def combine(self, crc_a: int, crc_b: int, len_b: int) -> int:
        """The CRC of A + B from those of A and B and the length of B in bytes.

        Zeros appended to A multiply its remainder by x^(8 len_b) modulo the polynomial; the all-ones init and xorout
        of A and B cancel out (the idea of zlib's crc32_combine).
        """
        return _multiply(_power_of_x(8 * len_b, self.reversed_bits), crc_a, self.reversed_bits) ^ crc_b


CRC64XZ = Polynomial(0xC96C5795D7870F42)
"""0x42F0E1EBA9EA3693 (ECMA-182)."""
CRC64NVME = Polynomial(0x9A6C9329AC4BC9B5)
"""0xAD93D23594C93659 (NVM Express NVM Command Set §5.2.1.3.4)."""
_ONE = 1 << 63
_X = 1 << 62


def _multiply(a: int, b: int, polynomial: int) -> int:
    """A times b modulo the polynomial, over GF(2), bits reversed."""
    product = 0
    bit = _ONE
    while bit:
        if a & bit:
            product ^= b
        b = (b >> 1) ^ (polynomial if b & 1 else 0)
        bit >>= 1
    return product


@lru_cache(maxsize=128)
def _power_of_x(exponent: int, polynomial: int) -> int:
    """x^exponent modulo the polynomial, by squaring; cached because nearly all parts have one size."""
    power, square = _ONE, _X
    while exponent:
        if exponent & 1:
            power = _multiply(square, power, polynomial)
        square = _multiply(square, square, polynomial)
        exponent >>= 1
    return power

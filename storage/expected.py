"""What an uploaded object must be, from what was sent of it, and whether the store has that."""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from storage.base import ObjectMeta, ObjectStore, Written
from storage.checksums import CRC64NVME, CRC64XZ, Proof, crc64_text, crc64nvme, crc64xz
from storage.errors import Corrupt
from storage.reading import VerifiedReader
from storage.retry import Retry


@dataclass(frozen=True, slots=True)
class MeasuredPart:
    """What is kept of a part once it is up; `digests` are raw SHA-256, one for the head and for each piece of media."""

    size_bytes: int
    crc64xz: int
    crc64nvme: int
    digests: bytes


@dataclass(frozen=True, slots=True)
class Expected:
    """What the finished object must be."""

    size_bytes: int
    crc64xz: str
    crc64nvme: str
    parts_sha256: str = ""


def measure(data: bytearray, head_bytes: int | None, piece_bytes: int) -> MeasuredPart:
    """Measure a part; only part 1 has a head, of `head_bytes`."""
    view = memoryview(data)
    media = view[head_bytes or 0 :]
    pieces = [media[start : start + piece_bytes] for start in range(0, len(media), piece_bytes)]
    if head_bytes is not None:
        pieces.insert(0, view[:head_bytes])
    digests = b"".join(hashlib.sha256(piece).digest() for piece in pieces)
    return MeasuredPart(len(data), crc64xz(data), crc64nvme(data), digests)


def joined(parts: Sequence[MeasuredPart]) -> Expected:
    """The object that the parts make, in this order."""
    xz = nvme = 0
    for part in parts:
        xz = CRC64XZ.combine(xz, part.crc64xz, part.size_bytes)
        nvme = CRC64NVME.combine(nvme, part.crc64nvme, part.size_bytes)
    digests = hashlib.sha256(b"".join(part.digests for part in parts))
    size_bytes = sum(part.size_bytes for part in parts)
    return Expected(size_bytes, crc64_text(xz), crc64_text(nvme), digests.hexdigest())


def check_answer(written: Written, expected: Expected) -> Proof:
    """Hold what the store says it has against what was sent. Raises Corrupt; LENGTH if it says no checksum."""
    if written.size_bytes != expected.size_bytes:
        detail = f"{expected.size_bytes} bytes were sent, the store has {written.size_bytes}"
        raise Corrupt("complete", written.key, detail, Proof.LENGTH)
    offered = written.checksums
    for proof, found, sent in (
        (Proof.CRC64XZ, offered.crc64xz, expected.crc64xz),
        (Proof.CRC64NVME, offered.crc64nvme, expected.crc64nvme),
    ):
        if found is not None:
            _check_crc(written.key, proof, found, sent)
            return proof
    return Proof.LENGTH


def hold(store: ObjectStore, meta: ObjectMeta, expected: Expected, retry: Retry) -> None:
    """Raise Corrupt unless an object is what was sent, reading it if the store does not say."""
    if check_answer(meta, expected) is Proof.LENGTH:
        stream = VerifiedReader(store, retry=retry).stream(meta)
        deque(stream, maxlen=0)
        _check_crc(meta.key, Proof.CRC64XZ, stream.proof.crc64xz, expected.crc64xz)


def _check_crc(key: str, proof: Proof, found: str, sent: str) -> None:
    if found != sent:
        raise Corrupt("complete", key, f"the {proof} sent is {sent}, the store has {found}", proof)

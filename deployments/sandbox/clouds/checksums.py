"""The checksums that the stores keep, as bytes: CRCs big-endian, in base64 and decimal where their headers want it."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from awscrt import checksums as awscrt_checksums
from fastcrc import crc32, crc64

from deployments.sandbox.clouds.messages import Refusal

Data = bytes | bytearray | memoryview


def crc64xz(data: Data) -> int:
    """What OSS and COS call crc64ecma: CRC-64/XZ."""
    return int(crc64.xz(bytes(data)))


def md5(data: Data) -> bytes:
    """The hash behind the ETag of a single put and behind Content-MD5."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def _sha1(data: Data) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _sha256(data: Data) -> bytes:
    return hashlib.sha256(data).digest()


S3_ALGORITHMS: dict[str, Callable[[Data], bytes]] = {
    "crc32": lambda data: crc32.iso_hdlc(bytes(data)).to_bytes(4, "big"),
    "crc32c": lambda data: crc32.iscsi(bytes(data)).to_bytes(4, "big"),
    "crc64nvme": lambda data: awscrt_checksums.crc64nvme(bytes(data)).to_bytes(8, "big"),
    "sha1": _sha1,
    "sha256": _sha256,
}
"""Amazon S3 User Guide, "Checking object integrity": the names after x-amz-checksum-."""

FULL_OBJECT, COMPOSITE = "FULL_OBJECT", "COMPOSITE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """What S3 keeps beside an object: `value` as in its header, base64, with -N after it where it is composite."""

    algorithm: str
    value: str
    kind: str = FULL_OBJECT

    @property
    def header(self) -> str:
        """The name of its header."""
        return f"x-amz-checksum-{self.algorithm}"

    @property
    def element(self) -> str:
        """The name of its XML element."""
        return f"Checksum{self.algorithm.upper()}"


def calculate(algorithm: str, data: Data) -> Checksum:
    """The checksum of the whole data."""
    return Checksum(algorithm=algorithm, value=base64.b64encode(S3_ALGORITHMS[algorithm](data)).decode())


def composite(algorithm: str, parts: list[Checksum]) -> Checksum:
    """The checksum of the parts' checksums, "Checking object integrity", composite checksums."""
    joined = b"".join(base64.b64decode(part.value) for part in parts)
    value = calculate(algorithm, joined).value
    return Checksum(algorithm=algorithm, value=f"{value}-{len(parts)}", kind=COMPOSITE)


def check_content_md5(text: str, body: Data, *, mismatch: str) -> bytes:
    """The MD5 of the body. Refusal InvalidDigest where the header is no MD5, `mismatch` where it is another's."""
    actual = md5(body)
    if not text:
        return actual
    try:
        wanted = base64.b64decode(text, validate=True)
    except binascii.Error:
        wanted = b""
    if len(wanted) != 16:
        raise Refusal(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")
    if wanted != actual:
        details = {"ExpectedDigest": wanted.hex(), "CalculatedDigest": base64.b64encode(actual).decode()}
        raise Refusal(400, mismatch, "The Content-MD5 you specified did not match what we received.", details=details)
    return actual

"""What was asked and what was answered, in the order of the answers."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

WRITES = frozenset(
    {
        "PutObject",
        "CopyObject",
        "DeleteObject",
        "DeleteObjects",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
        "AbortMultipartUpload",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request. `operation` is the API's own name, `action` the one that S3 has for the same thing.

    `status` is the one sent, 0 where nothing was. `sent_bytes` are those of the body that were sent. `faults` names
    what was done to the answer. `query` and `headers` are the request's, the latter with lower-case names and only
    those that say something of the object; signatures and tokens are left out.
    """

    cloud: str
    method: str
    operation: str
    action: str
    bucket: str
    key: str
    status: int
    code: str
    account: str
    sent_bytes: int
    received_bytes: int
    at: datetime
    seconds: float
    faults: tuple[str, ...] = ()
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether the operation changes the bucket, had it been allowed."""
        return self.action in WRITES


TELLING = frozenset(
    {"host", "range", "origin", "cache-control", "content-disposition", "content-length", "content-type"}
)
PREFIXES = ("if-", "x-amz-", "x-oss-", "x-cos-", "content-md5")
SECRET = ("signature", "token", "credential", "accesskeyid", "q-ak")


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What of the headers is written down."""
    return _without_secrets({n: v for n, v in headers.items() if n in TELLING or n.startswith(PREFIXES)})


def kept_query(query: Mapping[str, str]) -> dict[str, str]:
    """What of the query is written down."""
    return _without_secrets(query)


def _without_secrets(values: Mapping[str, str]) -> dict[str, str]:
    secret = [name for name in values if any(part in name.lower() for part in SECRET) and name != "continuation-token"]
    return {name: value for name, value in values.items() if name not in secret}


class Journal:
    """Keeps what was seen; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Seen] = []

    def add(self, seen: Seen) -> None:
        """Write one down."""
        with self._lock:
            self._seen.append(seen)

    def seen(self) -> list[Seen]:
        """All of them so far."""
        with self._lock:
            return list(self._seen)

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._seen.clear()

"""What was asked and what was answered, in the order of the answers."""

import threading
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
    what was done to the answer. `headers` are the request's, with lower-case names, Authorization left out.
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

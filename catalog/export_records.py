"""The rows of exports as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from catalog.export_request import ExportRequest
from catalog.layout import ExportKey
from catalog.records import Lease

EXPORT_LEASE: Final = "export:"
"""What the names of the leases on exports begin with."""


class ExportState(StrEnum):
    """How far an export has come."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


UNDER_WAY: Final = (ExportState.QUEUED, ExportState.RUNNING)
SERVING: Final = (*UNDER_WAY, ExportState.DONE)
"""Whoever asks for the same is given such a one."""
OVER: Final = (ExportState.FAILED, ExportState.CANCELLED, ExportState.EXPIRED)
"""Nothing follows any more, and its file is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """What was made: the object under `key`, and the key of its certificate, which was there first."""

    key: str
    size_bytes: int
    sha256: str
    crc64xz: str
    certificate: str
    has_gaps: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Somebody asked for an export, and wants to have it until `expires_at`, under a name of their own."""

    by: str
    reason: str
    name: str
    at: datetime
    expires_at: datetime
    is_withdrawn: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export; `digest` is that of the request, so that equal ones are found.

    `name` is that of the file without its extension, as the first who asked for it wants it. `cause` says why it
    failed, waits or ended, `advice` what to do about that. `began_at` is when the last try began, `tries` counts all
    but those that were handed back. `file` is there once it is done, and still told of when it has expired.
    """

    id: str
    digest: str
    request: ExportRequest
    name: str
    state: ExportState
    cause: str | None
    advice: str | None
    created_at: datetime
    changed_at: datetime
    began_at: datetime | None
    done_bytes: int
    total_bytes: int
    expires_at: datetime
    tries: int
    run: str | None
    file: ExportedFile | None
    askings: tuple[Asking, ...]

    @property
    def key(self) -> ExportKey:
        """Where its file stands, or would."""
        return export_key(self.id, self.name, self.request)

    @property
    def is_over(self) -> bool:
        """Whether nothing of it can be had, and never will be."""
        return self.state in OVER

    def eta(self, now: datetime) -> float | None:
        """Seconds until its bytes are made, if it goes on as it did; None where nobody can tell."""
        if self.state is not ExportState.RUNNING or self.began_at is None or not self.done_bytes:
            return None
        passed_s = max((now - self.began_at).total_seconds(), 0.0)
        return passed_s / self.done_bytes * max(self.total_bytes - self.done_bytes, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportChange:
    """One change of state: when, from what to what, why, and who made it."""

    at: datetime
    was: ExportState | None
    state: ExportState
    cause: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportClaim:
    """An export that is being made, and the lease under which that is allowed."""

    export: Export
    lease: Lease


def export_key(export: str, name: str, request: ExportRequest) -> ExportKey:
    """Where the file of an export stands. Raises `LayoutError` for a name that no key can have."""
    return ExportKey(export=export, name=name, extension="zip" if request.is_archive else "mp4")


def export_lease(export: str) -> str:
    """The name of the lease of an export."""
    return f"{EXPORT_LEASE}{export}"

# Their names read as what happened: `except NotFound`.
# ruff: noqa: N818
"""What can go wrong with a store, as one tree.

StorageError
├── NotFound        no such object, upload or bucket
├── Denied          the store does not let us
├── Archived        the object must be restored from an archive class first
├── AlreadyExists   create-only, and the key is taken
├── Changed         the object is not the version that was asked for
├── BadRange        the range lies outside the object
├── Corrupt         length or checksum does not hold; `failed` says which
├── NoSpace         the store is full
├── Transient       worth another try: network, throttling, 5xx
├── InvalidKey      this store cannot hold such a key, or must not
└── Unsupported     this store cannot do that at all
    └── InvalidUrl  no store understands this URL

Adapters raise these and nothing else, with the lower library's error as the cause.
"""

from enum import StrEnum
from typing import ClassVar

from storage.checksums import Proof


class StorageError(Exception):
    """A call to a store failed: `operation` on `key`, what happened in `detail`, what to do in `advice`."""

    advice: ClassVar[str] = "Look at the cause; this is not an error that the store is known to give."

    def __init__(self, operation: str, key: str, detail: str) -> None:
        """`operation` is the method of the store ("open"); `detail` is a clause without a full stop."""
        super().__init__(operation, key, detail)
        self.operation = operation
        self.key = key
        self.detail = detail

    @property
    def cause(self) -> BaseException | None:
        """The lower library's error, if there was one."""
        return self.__cause__

    def __str__(self) -> str:
        """One line for people: what was tried, on which key, what happened, what to do."""
        return f"{self.operation} {self.key!r}: {self.detail}. {self.advice}"


class NotFound(StorageError):
    """There is no such object, upload or bucket."""

    advice = "Check the key and the name of the bucket or folder."


class Refusal(StrEnum):
    """Why a store refuses, as far as its answer tells."""

    RIGHTS = "rights"
    KMS = "kms"
    CREDENTIALS = "credentials"
    KEY_ID = "key_id"
    SECRET = "secret"  # noqa: S105  no password
    TOKEN = "token"  # noqa: S105  no password
    CLOCK = "clock"
    REGION = "region"
    CERTIFICATE = "certificate"


class Denied(StorageError):
    """The store refuses: permissions, credentials, or a source that is never written."""

    advice = "Check the credentials and what they may do here; trying again does not help."

    def __init__(self, operation: str, key: str, detail: str, reason: Refusal = Refusal.RIGHTS) -> None:
        """`reason` is what the answer says of it; RIGHTS where it says nothing else."""
        super().__init__(operation, key, detail)
        self.args = (operation, key, detail, reason)
        self.reason = reason


class Archived(StorageError):
    """The object lies in an archive storage class (S3 Glacier, OSS and COS archive) and is not restored."""

    advice = "Restore it with the store's own tools, which may take hours, then run it again."


class AlreadyExists(StorageError):
    """Create-only was asked for, and the key is taken."""

    advice = "Compare the object that stands there with yours, or write under another key."


class Changed(StorageError):
    """The object is no longer the version that was asked for."""

    advice = "List it again and start over with the new version."


class BadRange(StorageError):
    """The range lies outside the object."""

    advice = "Ask for a range that begins inside the object; its size may have changed."


class Corrupt(StorageError):
    """The bytes are not those that the store says they are; `failed` is the check that did not hold."""

    advice = "Do not use these bytes; have the object uploaded again."

    def __init__(self, operation: str, key: str, detail: str, failed: Proof) -> None:
        """`failed` names the check: `Proof.LENGTH` or one of the checksums."""
        super().__init__(operation, key, detail)
        self.args = (operation, key, detail, failed)
        self.failed = failed


class NoSpace(StorageError):
    """The store is full, or the object is larger than it may be there."""

    advice = "Free some space or raise the quota, then run it again."


class Transient(StorageError):
    """The network or the store had a bad moment."""

    advice = "Try again in a while."


class InvalidKey(StorageError):
    """The store cannot hold an object under such a key, or must not."""

    advice = "Choose a key that follows the rules of storage/keys.py and fits this store."


class Unsupported(StorageError):
    """The store cannot do that at all."""

    advice = "Use a store that can; the message says what is missing."


class InvalidUrl(Unsupported):
    """No store understands this URL, or not this part of it."""

    advice = "Correct the store URL; README.md lists the stores and their options."

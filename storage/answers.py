"""What an error answer of S3, OSS or COS means, by status and code: one table for the three.

Sources: the error pages of the three stores (S3 "Error responses", OSS "Error codes", COS "Error codes"). Codes that
none of these rules knows are told apart by their status alone.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from storage.errors import (
    AlreadyExists,
    Archived,
    BadRange,
    Changed,
    Denied,
    InvalidKey,
    NoSpace,
    NotFound,
    Refusal,
    StorageError,
    Transient,
    Unsupported,
)

_MOST_DETAIL = 300

_SAID: Mapping[Refusal, str] = MappingProxyType(
    {
        Refusal.CLOCK: "the clock of this machine is wrong: the store refuses the time of the request. "
        "Set the clock (NTP)",
        Refusal.SECRET: "the secret does not belong to the key id: the store computes another signature",
        Refusal.KEY_ID: "the store does not know the key id",
        Refusal.TOKEN: "the temporary credentials are over, or their token is wrong",
        Refusal.REGION: "the bucket lies in another region than the store URL says",
        Refusal.KMS: "the key that encrypts the object may not be used",
    }
)

_DENIED: Mapping[str, Refusal] = MappingProxyType(
    {
        "RequestTimeTooSkewed": Refusal.CLOCK,
        "RequestIsExpired": Refusal.CLOCK,
        "SignatureDoesNotMatch": Refusal.SECRET,
        "InvalidAccessKeyId": Refusal.KEY_ID,
        "ExpiredToken": Refusal.TOKEN,
        "InvalidToken": Refusal.TOKEN,
        "TokenRefreshRequired": Refusal.TOKEN,
        "SecurityTokenExpired": Refusal.TOKEN,
        "InvalidSecurityToken": Refusal.TOKEN,
        "AuthorizationHeaderMalformed": Refusal.REGION,
        "InvalidRegion": Refusal.REGION,
        "PermanentRedirect": Refusal.REGION,
        "IllegalLocationConstraintException": Refusal.REGION,
    }
)

_TOLD = (
    # neither OSS nor COS has a code of its own for these
    (re.compile(r"(?i)\brequest has expired\b|\brequest is not yet valid\b"), Refusal.CLOCK),
    (re.compile(r"(?i)\bsigning region\b|addressed using the specified endpoint"), Refusal.REGION),
    (re.compile(r"(?i)\bkms\b"), Refusal.KMS),
)
"""What only the message of a refusal (400, 403) tells."""

_KINDS: Mapping[str, type[StorageError]] = MappingProxyType(
    {
        "InvalidObjectState": Archived,
        "FileAlreadyExists": AlreadyExists,
        "InvalidRange": BadRange,
        "KeyTooLongError": InvalidKey,
        "KeyTooLong": InvalidKey,
        "InvalidObjectName": InvalidKey,
        "InvalidURI": InvalidKey,
        "EntityTooLarge": Unsupported,
        "NotImplemented": Unsupported,
        "QuotaExceeded": NoSpace,
        "InsufficientCapacity": NoSpace,
        "BucketQuotaExceeded": NoSpace,
        "XMinioStorageFull": NoSpace,
        # the bytes were damaged on their way: the same ones again may arrive whole
        "BadDigest": Transient,
        "XAmzContentChecksumMismatch": Transient,
        "XAmzContentSHA256Mismatch": Transient,
        "InvalidDigest": Transient,
        "RequestTimeout": Transient,
        "IncompleteBody": Transient,
        "SlowDown": Transient,
        "OperationAborted": Transient,
        "ConditionalRequestConflict": Transient,
    }
)

_STATUSES: Mapping[int, type[StorageError]] = MappingProxyType(
    {301: Denied, 307: Denied, 401: Denied, 403: Denied, 404: NotFound, 408: Transient, 416: BadRange, 429: Transient}
)


def refusal(operation: str, key: str, *, status: int, code: str, message: str) -> StorageError:
    """The error that an answer means; `code` may be empty, as it is where the answer has no body."""
    detail = _detail(status, code, message)
    if "Throttl" in code:
        return Transient(operation, key, detail)
    reason = _DENIED.get(code) or _told(status, message)
    if reason is not None:
        return Denied(operation, key, f"{_SAID[reason]} ({detail})", reason)
    return _kind(operation, status, code)(operation, key, detail)


def broken(operation: str, key: str, error: BaseException) -> StorageError:
    """The connection failed, or the answer broke off; a certificate that is not trusted stays so at the next try."""
    said = _one_line(str(error)) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        detail = f"the store's certificate is not trusted; AFTERTAKE_CA_BUNDLE names authorities of your own ({said})"
        return Denied(operation, key, detail, Refusal.CERTIFICATE)
    return Transient(operation, key, f"the connection failed: {said}")


def _told(status: int, message: str) -> Refusal | None:
    if status not in {400, 403}:
        return None
    return next((reason for pattern, reason in _TOLD if pattern.search(message)), None)


UNREADABLE = (LookupError, ValueError)
"""What we raise at an answer that is not as the store's documents say."""
UNREADABLE_TO_SDKS = (*UNREADABLE, AttributeError, TypeError, RuntimeError)
"""And what oss2 and COS's SDK do."""


def unreadable(operation: str, key: str, error: BaseException) -> Transient:
    """The answer came, but it was damaged on its way, or something else than the store gave it."""
    said = f"{type(error).__name__}: {_one_line(str(error))}"
    return Transient(operation, key, f"the answer is not one that this store gives ({said})")


@contextmanager
def understood(operation: str, key: str) -> Iterator[None]:
    """Where an answer is read: what it lacks, or says in no way that can be read, is Transient."""
    try:
        yield
    except UNREADABLE as error:
        failure = unreadable(operation, key, error)
    else:
        return
    raise failure


def _kind(operation: str, status: int, code: str) -> type[StorageError]:
    if status == 412:
        return AlreadyExists if operation in {"put", "complete"} else Changed
    if code in _KINDS:
        return _KINDS[code]
    # an error with the status of a success: the work began well and failed then, as long copies and completes do
    return Transient if status >= 500 or status < 300 else _STATUSES.get(status, StorageError)


def _detail(status: int, code: str, message: str) -> str:
    """What people need of the answer; signatures and tokens that stores repeat in it are left out."""
    said = _one_line(message)
    return f"{status} {code}: {said}" if said else f"{status} {code or 'without a reason'}"


def _one_line(text: str) -> str:
    plain = _SECRETS.sub(r"\1=…", " ".join(text.split()))
    return plain[:_MOST_DETAIL].rstrip(". ")


_SECRETS = re.compile(
    r"(?i)\b((?:x-(?:amz|oss|cos)-)?(?:security-?token|signature|credential)|q-signature|q-ak|OSSAccessKeyId)=[^&\s]+"
)

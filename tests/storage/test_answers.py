import pytest

from storage.answers import UNREADABLE, broken, refusal, understood, unreadable
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

OPERATIONS = ("open", "put", "complete")


def refused(operation: str = "open", *, status: int = 400, code: str = "", message: str = "") -> StorageError:
    return refusal(operation, "a/b", status=status, code=code, message=message)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("RequestTimeTooSkewed", "clock of this machine is wrong"),
        ("RequestIsExpired", "clock of this machine is wrong"),
        ("SignatureDoesNotMatch", "secret does not belong"),
        ("InvalidAccessKeyId", "does not know the key id"),
        ("ExpiredToken", "are over"),
        ("InvalidToken", "are over"),
        ("TokenRefreshRequired", "are over"),
        ("SecurityTokenExpired", "are over"),
        ("InvalidSecurityToken", "are over"),
        ("AuthorizationHeaderMalformed", "another region"),
        ("InvalidRegion", "another region"),
        ("PermanentRedirect", "another region"),
        ("IllegalLocationConstraintException", "another region"),
    ],
)
def test_who_is_denied_is_told_why_whatever_the_status(operation: str, code: str, says: str) -> None:
    for status in (301, 400, 403, 503):
        error = refused(operation, status=status, code=code, message="So it is.")
        assert type(error) is Denied
        assert says in error.detail
        assert f"({status} {code}: So it is)" in error.detail


def test_cos_says_by_its_message_that_a_clock_is_wrong() -> None:
    assert "clock" in refused(status=403, code="AccessDenied", message="Request has expired").detail
    assert "clock" not in refused(status=403, code="AccessDenied", message="Access Denied.").detail


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "InvalidObjectState", Archived),
        (409, "FileAlreadyExists", AlreadyExists),
        (416, "InvalidRange", BadRange),
        (400, "KeyTooLongError", InvalidKey),
        (400, "KeyTooLong", InvalidKey),
        (400, "InvalidObjectName", InvalidKey),
        (400, "InvalidURI", InvalidKey),
        (400, "EntityTooLarge", Unsupported),
        (501, "NotImplemented", Unsupported),
        (403, "QuotaExceeded", NoSpace),
        (507, "InsufficientCapacity", NoSpace),
        (403, "BucketQuotaExceeded", NoSpace),
        (507, "XMinioStorageFull", NoSpace),
        (400, "BadDigest", Transient),
        (400, "XAmzContentChecksumMismatch", Transient),
        (400, "XAmzContentSHA256Mismatch", Transient),
        (400, "InvalidDigest", Transient),
        (400, "RequestTimeout", Transient),
        (400, "IncompleteBody", Transient),
        (503, "SlowDown", Transient),
        (409, "OperationAborted", Transient),
        (409, "ConditionalRequestConflict", Transient),
        (404, "NoSuchKey", NotFound),
        (404, "NoSuchBucket", NotFound),
        (404, "NoSuchUpload", NotFound),
        (403, "AccessDenied", Denied),
        (500, "InternalError", Transient),
        (200, "InternalError", Transient),
    ],
)
def test_codes_mean_the_same_for_every_operation(
    operation: str, status: int, code: str, kind: type[StorageError]
) -> None:
    assert type(refused(operation, status=status, code=code)) is kind


@pytest.mark.parametrize("code", ["", "SomethingNew"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, Transient),
        (301, Denied),
        (307, Denied),
        (400, StorageError),
        (401, Denied),
        (403, Denied),
        (404, NotFound),
        (405, StorageError),
        (408, Transient),
        (409, StorageError),
        (416, BadRange),
        (418, StorageError),
        (429, Transient),
        (500, Transient),
        (502, Transient),
        (503, Transient),
        (504, Transient),
        (599, Transient),
    ],
)
def test_what_no_table_knows_is_told_by_its_status(
    code: str, operation: str, status: int, kind: type[StorageError]
) -> None:
    error = refused(operation, status=status, code=code)
    assert type(error) is kind
    assert error.detail == f"{status} {code or 'without a reason'}"


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("open", Changed),
        ("copy", Changed),
        ("copy_part", Changed),
        ("put", AlreadyExists),
        ("complete", AlreadyExists),
    ],
)
@pytest.mark.parametrize("code", ["PreconditionFailed", ""])
def test_a_condition_that_failed_is_that_of_the_operation(operation: str, kind: type[StorageError], code: str) -> None:
    assert type(refused(operation, status=412, code=code)) is kind


@pytest.mark.parametrize(
    "said",
    [
        "x-amz-security-token=canary&a=b",
        "Signature=canary",
        "q-signature=canary&q-ak=canary",
        "OSSAccessKeyId=canary",
        "X-OSS-Credential=canary",
        "x-cos-security-token=canary",
    ],
)
def test_what_stores_repeat_of_a_signature_is_left_out(said: str) -> None:
    assert "canary" not in str(refused(message=f"You sent {said} to us"))
    assert "canary" not in str(broken("open", "a/b", OSError(said)))
    assert "canary" not in str(unreadable("open", "a/b", ValueError(said)))


def test_messages_are_one_short_line() -> None:
    assert refused(code="X", message="one\n two\t three. ").detail == "400 X: one two three"
    assert len(refused(code="X", message="y" * 10_000).detail) < 400
    assert broken("open", "a/b", OSError()).detail == "the connection failed: OSError"


def test_a_certificate_that_is_not_trusted_has_a_reason_of_its_own() -> None:
    error = broken("open", "a/b", OSError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate"))
    assert isinstance(error, Denied)
    assert error.reason is Refusal.CERTIFICATE
    assert "AFTERTAKE_CA_BUNDLE" in error.detail


@pytest.mark.parametrize("kind", UNREADABLE)
def test_answers_that_cannot_be_read_are_transient(kind: type[Exception]) -> None:
    with pytest.raises(Transient, match="not one that this store gives"), understood("head", "a/b"):
        raise kind("odd")


def test_what_is_known_already_is_left_as_it_is() -> None:
    with pytest.raises(NotFound), understood("head", "a/b"):
        raise NotFound("head", "a/b", "gone")

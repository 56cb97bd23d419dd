"""What a refusal is for, told by its code or, where the code is a general one, by its message."""

import pytest

from storage.answers import refusal
from storage.errors import Denied, Refusal

CODES = {
    "RequestTimeTooSkewed": Refusal.CLOCK,
    "SignatureDoesNotMatch": Refusal.SECRET,
    "InvalidAccessKeyId": Refusal.KEY_ID,
    "ExpiredToken": Refusal.TOKEN,
    "PermanentRedirect": Refusal.REGION,
    "AccessDenied": Refusal.RIGHTS,
}
MESSAGES = {
    "User: arn:aws:iam::1:user/a is not authorized to perform: kms:Decrypt on the resource": Refusal.KMS,
    "The bucket you are attempting to access must be addressed using the specified endpoint.": Refusal.REGION,
    "Request has expired": Refusal.CLOCK,
    "Access Denied.": Refusal.RIGHTS,
}


def denied(code: str, message: str) -> Denied:
    error = refusal("open", "a", status=403, code=code, message=message)
    assert isinstance(error, Denied)
    return error


@pytest.mark.parametrize("code", CODES)
def test_by_its_code(code: str) -> None:
    assert denied(code, "").reason is CODES[code]


@pytest.mark.parametrize("message", MESSAGES)
def test_by_its_message(message: str) -> None:
    assert denied("AccessDenied", message).reason is MESSAGES[message]


def test_oss_has_no_code_for_a_wrong_region() -> None:
    message = "Invalid signing region in Authorization header."
    error = refusal("list", "", status=400, code="InvalidArgument", message=message)
    assert isinstance(error, Denied)
    assert error.reason is Refusal.REGION


@pytest.mark.parametrize("status", [404, 412, 503])
def test_messages_of_other_answers_are_not_read(status: int) -> None:
    error = refusal("open", "a", status=status, code="Other", message="kms: request has expired")
    assert not isinstance(error, Denied)

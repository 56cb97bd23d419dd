"""The signature of Tencent Cloud COS: q-sign-algorithm=sha1, in the header and in the query.

COS API documentation, "Request Signature" (document 436/7778).
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.messages import Refusal, Request, decoded, encoded, whole_number
from deployments.sandbox.clouds.signatures import MAX_SKEW, Asked, Lookup, check_token, same

FIELDS = frozenset(
    {"q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list", "q-signature"}
)


def signed(request: Request) -> bool:
    """Whether the request says that it is signed this way."""
    return "q-sign-algorithm=" in request.header("authorization") or "q-signature" in request.query


def verify(asked: Asked, lookup: Lookup) -> Account:
    """The account that signed the request, or Refusal."""
    fields = _fields(asked.request)
    account = lookup(fields["q-ak"])
    for name in ("q-sign-time", "q-key-time"):
        _check_time(fields[name], asked.now)
    _check_signature(asked.request, fields, account)
    name = "x-cos-security-token"
    given = asked.request.header(name) or asked.request.query.get(name, "")
    wrong = Refusal(403, "InvalidAccessKeyId", "The security token does not belong to this key.")
    expired = Refusal(403, "ExpiredToken", "The security token has expired.")
    check_token(account, given, asked.now, wrong=wrong, expired=expired)
    return account


def _fields(request: Request) -> Mapping[str, str]:
    text = request.header("authorization")
    if text:
        fields = {name.strip(): value for name, _, value in (piece.partition("=") for piece in text.split("&"))}
    else:
        fields = {name: request.query[name] for name in FIELDS & request.query.keys()}
    if FIELDS - fields.keys() or fields["q-sign-algorithm"] != "sha1":
        raise Refusal(400, "InvalidArgument", "The Authorization is malformed: a field is missing.")
    return fields


def _check_time(text: str, now: datetime) -> None:
    begin, end = (whole_number(piece, digits=11) for piece in text.partition(";")[::2])
    if begin is None or end is None:
        raise Refusal(400, "InvalidArgument", "A time of the signature is malformed.")
    if datetime.fromtimestamp(begin, UTC) > now + MAX_SKEW:
        message = "The difference between the request time and the server's time is too large."
        raise Refusal(403, "RequestTimeTooSkewed", message, details={"ServerTime": f"{now:%Y-%m-%dT%H:%M:%SZ}"})
    if not begin <= now.timestamp() <= end:
        raise Refusal(403, "AccessDenied", "Request has expired", details={"ServerTime": f"{now:%Y-%m-%dT%H:%M:%SZ}"})


def _check_signature(request: Request, fields: Mapping[str, str], account: Account) -> None:
    key = hmac.digest(account.secret.encode(), fields["q-key-time"].encode(), "sha1").hex()
    for host in _hosts(request):
        text = _http_string(request, fields, host)
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        to_sign = f"sha1\n{fields['q-sign-time']}\n{digest}\n"
        if same(fields["q-signature"], hmac.digest(key.encode(), to_sign.encode(), "sha1").hex()):
            return
    details = {"StringToSign": to_sign, "FormatString": text}
    raise Refusal(403, "SignatureDoesNotMatch", "The Signature you specified is invalid.", details=details)


def _hosts(request: Request) -> tuple[str, ...]:
    """The host as sent; and without its port, as the vendor's SDK signs it for a URL that has one."""
    sent = request.header("host")
    return (sent,) if sent.lower() == request.hostname else (sent, request.hostname)


def _http_string(request: Request, fields: Mapping[str, str], host: str) -> str:
    given = {encoded(name).lower(): value for name, value in request.query_pairs}
    headers = {encoded(name).lower(): value for name, value in {**request.headers, "host": host}.items()}
    lines = (
        request.method.lower(),
        decoded(request.path),
        _listed(fields["q-url-param-list"], given),
        _listed(fields["q-header-list"], headers),
    )
    return "".join(f"{line}\n" for line in lines)


def _listed(names: str, values: Mapping[str, str]) -> str:
    """The named ones, in their order; one that was not sent is left out, so that the signature will not match."""
    return "&".join(f"{name}={encoded(values[name])}" for name in names.split(";") if name in values)

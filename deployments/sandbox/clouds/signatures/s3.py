"""AWS Signature Version 4 as Amazon S3 takes it.

Amazon S3 API Reference, "Authenticating Requests: Using the Authorization Header" and "Using Query Parameters".
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.messages import Refusal, Request, decoded, encoded, sorted_query, whole_number
from deployments.sandbox.clouds.signatures import MAX_SKEW, Asked, Lookup, check_token, same

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED, UNSIGNED_TRAILER = "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
LONGEST = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    key_id: str
    date: str
    region: str
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    payload: str

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/s3/aws4_request"


def signed(request: Request) -> bool:
    """Whether the request says that it is signed this way."""
    return request.header("authorization").startswith("AWS4-") or "X-Amz-Algorithm" in request.query


def verify(asked: Asked, lookup: Lookup) -> Account:
    """The account that signed the request, or Refusal."""
    in_query = "X-Amz-Algorithm" in asked.request.query
    claim = _from_query(asked.request) if in_query else _from_header(asked.request)
    if asked.region is not None and claim.region != asked.region:
        raise _wrong_region(claim, asked.region, in_query=in_query)
    account = lookup(claim.key_id)
    signed_at = _time(claim.stamp)
    if in_query:
        _check_lifetime(asked, signed_at)
    elif abs(asked.now - signed_at) > MAX_SKEW:
        raise _skewed(claim, asked.now)
    _check_signature(asked.request, claim, account)
    _check_all_signed(asked.request, claim)
    _check_payload(asked.request, claim)
    given = asked.request.query.get("X-Amz-Security-Token", "") or asked.request.header("x-amz-security-token")
    _check_token(account, given, asked.now)
    return account


def _from_header(request: Request) -> _Claim:
    algorithm, _, rest = request.header("authorization").partition(" ")
    fields = dict(_pair(piece) for piece in rest.split(","))
    if algorithm != ALGORITHM or not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
        raise _malformed("The authorization header is malformed; a field is missing.")
    payload = request.header("x-amz-content-sha256")
    if not payload:
        raise Refusal(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    stamp = request.header("x-amz-date") or request.header("date")
    return _claim(fields["Credential"], fields["SignedHeaders"], fields["Signature"], stamp, payload)


def _pair(piece: str) -> tuple[str, str]:
    name, _, value = piece.strip().partition("=")
    return name, value


def _from_query(request: Request) -> _Claim:
    wanted = ("X-Amz-Credential", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Expires")
    values = [request.query.get(name, "") for name in wanted]
    if not all(values) or request.query["X-Amz-Algorithm"] != ALGORITHM:
        message = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
        message += "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        raise Refusal(400, "AuthorizationQueryParametersError", message)
    credential, headers, signature, stamp, _ = values
    return _claim(credential, headers, signature, stamp, request.header("x-amz-content-sha256") or UNSIGNED)


def _claim(credential: str, headers: str, signature: str, stamp: str, payload: str) -> _Claim:
    pieces = credential.rsplit("/", 4)
    if len(pieces) != 5 or pieces[3:] != ["s3", "aws4_request"] or not stamp.startswith(pieces[1]):
        raise _malformed("The authorization header is malformed; the Credential is mal-formed.")
    key_id, date, region = pieces[:3]
    names = tuple(headers.split(";"))
    return _Claim(
        key_id=key_id, date=date, region=region, signed_headers=names, signature=signature, stamp=stamp, payload=payload
    )


def _malformed(message: str) -> Refusal:
    return Refusal(400, "AuthorizationHeaderMalformed", message)


def _wrong_region(claim: _Claim, region: str, *, in_query: bool) -> Refusal:
    message = f"The authorization header is malformed; the region '{claim.region}' is wrong; expecting '{region}'"
    code = "AuthorizationQueryParametersError" if in_query else "AuthorizationHeaderMalformed"
    return Refusal(400, code, message, details={"Region": region}, headers={"x-amz-bucket-region": region})


def _time(stamp: str) -> datetime:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header") from None


def _check_lifetime(asked: Asked, signed_at: datetime) -> None:
    text = asked.request.query["X-Amz-Expires"]
    seconds = whole_number(text)
    if seconds is None or not 0 < seconds <= LONGEST:
        message = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less "
        raise Refusal(400, "AuthorizationQueryParametersError", message + f"than {LONGEST} seconds")
    if signed_at > asked.now + MAX_SKEW:
        raise Refusal(403, "AccessDenied", "Request is not yet valid")
    end = signed_at + timedelta(seconds=seconds)
    if asked.now > end:
        details = {"X-Amz-Expires": text, "Expires": _iso(end), "ServerTime": _iso(asked.now)}
        raise Refusal(403, "AccessDenied", "Request has expired", details=details)


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def _skewed(claim: _Claim, now: datetime) -> Refusal:
    details = {
        "RequestTime": claim.stamp,
        "ServerTime": _iso(now),
        "MaxAllowedSkewMilliseconds": str(int(MAX_SKEW.total_seconds() * 1000)),
    }
    message = "The difference between the request time and the current time is too large."
    return Refusal(403, "RequestTimeTooSkewed", message, details=details)


def _check_signature(request: Request, claim: _Claim, account: Account) -> None:
    canonical = _canonical_request(request, claim)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{ALGORITHM}\n{claim.stamp}\n{claim.scope}\n{digest}"
    if same(claim.signature, hmac.digest(_signing_key(account.secret, claim), text.encode(), "sha256").hex()):
        return
    message = "The request signature we calculated does not match the signature you provided. Check your key and "
    details = {
        "AWSAccessKeyId": claim.key_id,
        "StringToSign": text,
        "SignatureProvided": claim.signature,
        "CanonicalRequest": canonical,
    }
    raise Refusal(403, "SignatureDoesNotMatch", message + "signing method.", details=details)


def _canonical_request(request: Request, claim: _Claim) -> str:
    path = encoded(decoded(request.path), keep="/")
    query = sorted_query(request.query_pairs, without="X-Amz-Signature")
    lines = (f"{name}:{' '.join(request.header(name).split())}\n" for name in claim.signed_headers)
    names = ";".join(claim.signed_headers)
    return f"{request.method}\n{path}\n{query}\n{''.join(lines)}\n{names}\n{claim.payload}"


def _signing_key(secret: str, claim: _Claim) -> bytes:
    key = f"AWS4{secret}".encode()
    for piece in (claim.date, claim.region, "s3", "aws4_request"):
        key = hmac.digest(key, piece.encode(), "sha256")
    return key


def _check_all_signed(request: Request, claim: _Claim) -> None:
    """The host and every x-amz- header that is sent must be under the signature."""
    must = {"host"} | {name for name in request.headers if name.startswith("x-amz-")}
    unsigned = must - set(claim.signed_headers) - {"x-amz-content-sha256"}
    if unsigned:
        message = "There were headers present in the request which were not signed"
        raise Refusal(403, "AccessDenied", message, details={"HeadersNotSigned": ", ".join(sorted(unsigned))})


def _check_payload(request: Request, claim: _Claim) -> None:
    if claim.payload in {UNSIGNED, UNSIGNED_TRAILER}:
        return
    if claim.payload.startswith("STREAMING-"):
        raise Refusal(501, "NotImplemented", f"A payload of {claim.payload} is not implemented here.")
    actual = hashlib.sha256(request.body).hexdigest()
    if claim.payload != actual:
        details = {"ClientComputedContentSHA256": claim.payload, "S3ComputedContentSHA256": actual}
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise Refusal(400, "XAmzContentSHA256Mismatch", message, details=details)


def _check_token(account: Account, given: str, now: datetime) -> None:
    if account.token and not given:
        wrong = Refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    else:
        wrong = Refusal(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    expired = Refusal(400, "ExpiredToken", "The provided token has expired.")
    check_token(account, given, now, wrong=wrong, expired=expired)

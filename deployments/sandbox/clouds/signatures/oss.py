"""The signatures of Alibaba Cloud OSS: version 4 and version 1, in the header and in the query.

OSS API reference, "Include a V4 signature" and "Include a V1 signature", in the Authorization header and in a URL.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from deployments.sandbox.clouds.accounts import Account
from deployments.sandbox.clouds.messages import Refusal, Request, encoded, sorted_query, whole_number
from deployments.sandbox.clouds.signatures import MAX_SKEW, Asked, Lookup, check_token, same

V4 = "OSS4-HMAC-SHA256"
LONGEST = 7 * 24 * 3600

# "Include a V1 signature", CanonicalizedResource: of the query only these are signed.
SIGNED_PARAMETERS = frozenset(
    {"acl", "append", "bucketInfo", "callback", "callback-var", "cname", "comp", "continuation-token", "cors", "delete"}
    | {"encryption", "endTime", "img", "inventory", "inventoryId", "lifecycle", "live", "location", "logging"}
    | {"objectMeta", "partNumber", "policy", "position", "qos", "referer", "replication", "replicationLocation"}
    | {
        "replicationProgress",
        "requestPayment",
        "restore",
        "security-token",
        "sequential",
        "startTime",
        "stat",
        "status",
    }
    | {"style", "styleName", "symlink", "tagging", "uploadId", "uploads", "versionId", "versioning", "versions", "vod"}
    | {"website", "worm", "wormExtend", "wormId", "x-oss-process", "x-oss-request-payer", "x-oss-traffic-limit"}
    | {"x-oss-ac-source-ip", "x-oss-ac-subnet-mask", "x-oss-ac-vpc-id", "x-oss-ac-forward-allow"}
    | {"response-cache-control", "response-content-disposition", "response-content-encoding"}
    | {"response-content-language", "response-content-type", "response-expires"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    key_id: str
    date: str
    region: str
    additional: tuple[str, ...]
    signature: str
    stamp: str

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/oss/aliyun_v4_request"


def signed(request: Request) -> bool:
    """Whether the request says that it is signed in one of these ways."""
    if request.header("authorization").startswith("OSS"):
        return True
    return "x-oss-signature-version" in request.query or "OSSAccessKeyId" in request.query


def verify(asked: Asked, lookup: Lookup) -> Account:
    """The account that signed the request, or Refusal."""
    authorization = asked.request.header("authorization")
    if authorization.startswith("OSS "):
        return _verify_v1_header(asked, lookup)
    if authorization.startswith(V4):
        return _verify_v4(asked, lookup, _from_header(asked.request), in_query=False)
    if authorization:
        raise _invalid("The Authorization header has an unknown algorithm.")
    if "x-oss-signature-version" in asked.request.query:
        return _verify_v4(asked, lookup, _from_query(asked.request), in_query=True)
    return _verify_v1_query(asked, lookup)


def _invalid(message: str, **details: str) -> Refusal:
    return Refusal(400, "InvalidArgument", message, details=details)


def _from_header(request: Request) -> _Claim:
    pieces = request.header("authorization").removeprefix(V4).split(",")
    fields = {name.strip(): value for name, _, value in (piece.partition("=") for piece in pieces)}
    if not {"Credential", "Signature"} <= fields.keys():
        raise _invalid("The Authorization header lacks a field.", EC="0002-00000202")
    if request.header("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
        raise _invalid("x-oss-content-sha256 must be UNSIGNED-PAYLOAD.", EC="0002-00000209")
    stamp = request.header("x-oss-date") or _stamp_of_date(request.header("date"))
    return _claim(fields["Credential"], fields.get("AdditionalHeaders", ""), fields["Signature"], stamp)


def _stamp_of_date(text: str) -> str:
    return _http_time(text).strftime("%Y%m%dT%H%M%SZ") if text else ""


def _from_query(request: Request) -> _Claim:
    if request.query["x-oss-signature-version"] != V4:
        raise _invalid("The signature version is unknown.", EC="0002-00000222")
    wanted = ("x-oss-credential", "x-oss-signature", "x-oss-date", "x-oss-expires")
    if not all(request.query.get(name) for name in wanted):
        raise _invalid("A parameter of the signature is missing.", EC="0002-00000223")
    credential, signature, stamp, _ = (request.query[name] for name in wanted)
    return _claim(credential, request.query.get("x-oss-additional-headers", ""), signature, stamp)


def _claim(credential: str, additional: str, signature: str, stamp: str) -> _Claim:
    pieces = credential.strip().rsplit("/", 4)
    if len(pieces) != 5 or pieces[3:] != ["oss", "aliyun_v4_request"] or not stamp.startswith(pieces[1]):
        raise _invalid("The Credential is malformed.", EC="0002-00000213")
    names = tuple(sorted(name.strip().lower() for name in additional.split(";") if name.strip()))
    key_id, date, region = pieces[:3]
    return _Claim(key_id=key_id, date=date, region=region, additional=names, signature=signature.strip(), stamp=stamp)


def _verify_v4(asked: Asked, lookup: Lookup, claim: _Claim, *, in_query: bool) -> Account:
    if asked.region is not None and claim.region != asked.region:
        where = "credential" if in_query else "Authorization header"
        code = "0002-00000226" if in_query else "0002-00000228"
        raise _invalid(f"Invalid signing region in {where}.", EC=code, Region=asked.region)
    account = lookup(claim.key_id)
    signed_at = _v4_time(claim.stamp)
    if in_query:
        _check_lifetime(asked, signed_at)
    elif abs(asked.now - signed_at) > MAX_SKEW:
        raise _skewed(claim.stamp, asked.now)
    canonical = _canonical_request(asked, claim)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"{V4}\n{claim.stamp}\n{claim.scope}\n{digest}"
    wanted = hmac.digest(_signing_key(account.secret, claim), text.encode(), "sha256").hex()
    if not same(claim.signature, wanted):
        raise _mismatch(claim.key_id, text, claim.signature, CanonicalRequest=canonical)
    name = "x-oss-security-token"
    _check_token(account, asked.request.query.get(name, "") or asked.request.header(name), asked.now)
    return account


def _v4_time(stamp: str) -> datetime:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(403, "AccessDenied", "OSS authentication requires a valid x-oss-date.") from None


def _check_lifetime(asked: Asked, signed_at: datetime) -> None:
    text = asked.request.query["x-oss-expires"]
    seconds = whole_number(text)
    if seconds is None or not 0 < seconds <= LONGEST:
        raise _invalid(f"x-oss-expires must be between 1 and {LONGEST}.", EC="0002-00000224")
    if signed_at > asked.now + MAX_SKEW:
        raise Refusal(403, "AccessDenied", "Request is not valid yet.")
    _check_not_expired(asked.now, signed_at + timedelta(seconds=seconds))


def _check_not_expired(now: datetime, end: datetime) -> None:
    if now > end:
        details = {"Expires": f"{end:%Y-%m-%dT%H:%M:%S}.000Z", "ServerTime": f"{now:%Y-%m-%dT%H:%M:%S}.000Z"}
        raise Refusal(403, "AccessDenied", "Request has expired.", details=details)


def _canonical_request(asked: Asked, claim: _Claim) -> str:
    request = asked.request
    resource = f"/{asked.bucket}/{asked.key}" if asked.bucket else "/"
    query = sorted_query(request.query_pairs, without="x-oss-signature", bare_names=True)
    names = {name for name in request.headers if name.startswith("x-oss-")}
    names |= {"content-type", "content-md5"} & request.headers.keys()
    names |= set(claim.additional)
    headers = "".join(f"{name}:{request.header(name).strip()}\n" for name in sorted(names))
    path, additional = encoded(resource, keep="/"), ";".join(claim.additional)
    return f"{request.method}\n{path}\n{query}\n{headers}\n{additional}\nUNSIGNED-PAYLOAD"


def _signing_key(secret: str, claim: _Claim) -> bytes:
    key = f"aliyun_v4{secret}".encode()
    for piece in (claim.date, claim.region, "oss", "aliyun_v4_request"):
        key = hmac.digest(key, piece.encode(), "sha256")
    return key


def _verify_v1_header(asked: Asked, lookup: Lookup) -> Account:
    key_id, colon, signature = asked.request.header("authorization").removeprefix("OSS ").rpartition(":")
    if not colon:
        raise _invalid("The Authorization header is malformed.", EC="0002-00000061")
    account = lookup(key_id.strip())
    date = asked.request.header("x-oss-date") or asked.request.header("date")
    if abs(asked.now - _http_time(date)) > MAX_SKEW:
        raise _skewed(date, asked.now)
    _check_v1(asked, account, date, signature)
    _check_token(account, asked.request.header("x-oss-security-token"), asked.now)
    return account


def _http_time(text: str) -> datetime:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal(403, "AccessDenied", "OSS authentication requires a valid Date.") from None


def _verify_v1_query(asked: Asked, lookup: Lookup) -> Account:
    query = asked.request.query
    expires = query.get("Expires", "")
    end = whole_number(expires, digits=11)
    if end is None or not query.get("Signature"):
        message = "Missing parameters of the signature in the URL."
        raise Refusal(403, "AccessDenied", message)
    account = lookup(query["OSSAccessKeyId"])
    _check_not_expired(asked.now, datetime.fromtimestamp(end, UTC))
    _check_v1(asked, account, expires, query["Signature"])
    _check_token(account, query.get("security-token", ""), asked.now)
    return account


def _check_v1(asked: Asked, account: Account, date: str, signature: str) -> None:
    request = asked.request
    names = sorted(name for name in request.headers if name.startswith("x-oss-"))
    headers = "".join(f"{name}:{request.header(name)}\n" for name in names)
    resource = f"/{asked.bucket}/{asked.key}" if asked.bucket else "/"
    parameters = "&".join(_signed_parameters(request.query_pairs))
    resource += f"?{parameters}" if parameters else ""
    lines = (request.method, request.header("content-md5"), request.header("content-type"), date, headers + resource)
    text = "\n".join(lines)
    wanted = base64.b64encode(hmac.digest(account.secret.encode(), text.encode(), "sha1")).decode()
    if not same(signature, wanted):
        raise _mismatch(account.key_id, text, signature)


def _signed_parameters(pairs: Iterable[tuple[str, str]]) -> list[str]:
    chosen = sorted((name, value) for name, value in pairs if name in SIGNED_PARAMETERS)
    return [f"{name}={value}" if value else name for name, value in chosen]


def _mismatch(key_id: str, text: str, signature: str, **details: str) -> Refusal:
    message = "The request signature we calculated does not match the signature you provided. Check your key and "
    shown = {"OSSAccessKeyId": key_id, "SignatureProvided": signature, "StringToSign": text, **details}
    return Refusal(403, "SignatureDoesNotMatch", message + "signing method.", details=shown)


def _skewed(stamp: str, now: datetime) -> Refusal:
    details = {
        "MaxAllowedSkewMilliseconds": str(int(MAX_SKEW.total_seconds() * 1000)),
        "RequestTime": stamp,
        "ServerTime": f"{now:%Y-%m-%dT%H:%M:%S}.000Z",
    }
    message = "The difference between the request time and the current time is too large."
    return Refusal(403, "RequestTimeTooSkewed", message, details=details)


def _check_token(account: Account, given: str, now: datetime) -> None:
    if account.token and not given:
        wrong = Refusal(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records.")
    else:
        wrong = Refusal(403, "InvalidSecurityToken", "The security token you provided is invalid.")
    expired = Refusal(403, "SecurityTokenExpired", "The security token you provided has expired.")
    check_token(account, given, now, wrong=wrong, expired=expired)

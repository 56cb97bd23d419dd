"""How six services that issue temporary credentials answer: `identity.py` says what is imitated and what is guessed."""

import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

Service = Literal["alibaba-metadata", "alibaba-sts", "tencent-metadata", "tencent-sts", "aws-metadata", "aws-sts"]
OnIssue = Callable[[str, str, str, datetime], None]
"""Told of new credentials before they are handed out: key id, secret, session token, expiry in UTC."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of the journal; the names of `headers` are lower case. What is secret is not in its repr."""

    service: Service | None
    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.target).path

    @property
    def parameters(self) -> dict[str, str]:
        """Those of the query and of a form in the body."""
        text = self.body.decode("utf-8", "replace") if "form" in self.headers.get("content-type", "") else ""
        return dict(parse_qsl(urlsplit(self.target).query) + parse_qsl(text))


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = field(repr=False)
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """Credentials that were handed out."""

    service: Service
    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)
    expires_at: datetime

    @property
    def expiration(self) -> str:
        """As all three clouds write it."""
        return self.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True, kw_only=True)
class Issuer:
    """Who may have credentials, and those that were handed out.

    `role` is what the instance has (None: none is attached). `hardened` metadata refuses requests without a session
    token; without `session_tokens` it knows none. `identity_token` is the one that the STS calls accept. `clock` is
    aware. `issued` grows.
    """

    lifetime: timedelta = timedelta(hours=1)
    role: str | None = "recorder"
    hardened: bool = False
    session_tokens: bool = True
    identity_token: str = "header.claims.signature"  # noqa: S105
    on_issue: OnIssue = lambda *_: None
    clock: Callable[[], datetime] = _now
    issued: list[Issued] = field(default_factory=list)
    _sessions: set[str] = field(default_factory=set, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def issue(self, service: Service, prefix: str) -> Issued:
        """New credentials, which `on_issue` knows already."""
        new = Issued(
            service=service,
            key_id=prefix + secrets.token_hex(8).upper(),
            secret=secrets.token_urlsafe(24),
            token=secrets.token_urlsafe(48),
            expires_at=(self.clock() + self.lifetime).replace(microsecond=0),
        )
        self.on_issue(new.key_id, new.secret, new.token, new.expires_at)
        with self._lock:
            self.issued.append(new)
        return new

    def session(self, request: Request, header: str) -> Answer:
        """A session token, for the seconds that `header` says."""
        if not self.session_tokens:
            return Answer(404, b"not found")
        ttl = request.headers.get(header, "")
        if not ttl.isdecimal() or not 1 <= int(ttl) <= 21_600:
            return Answer(400, b"bad ttl")
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions.add(token)
        return Answer(200, token.encode())

    def metadata(self, request: Request, root: str, header: str, document: Callable[[], dict[str, Any]]) -> Answer:
        """The role's name below `root`, or its credentials; `header` carries the session token."""
        token = request.headers.get(header)
        if token not in self._sessions and (token is not None or self.hardened):
            return Answer(401 if header.startswith("x-aws") else 403, b"a session token is needed")
        asked = request.path.removeprefix(root)
        if self.role is None or asked not in {"", self.role}:
            return Answer(404, b"not found")
        return _as_json(document()) if asked else Answer(200, self.role.encode())


def _as_json(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), "application/json")


_ALIBABA_ROOT = "/latest/meta-data/ram/security-credentials/"
_TENCENT_ROOT = "/latest/meta-data/cam/security-credentials/"
_AWS_ROOT = "/latest/meta-data/iam/security-credentials/"
_SESSION_PATH = "/latest/api/token"
_ALIBABA_TTL = "x-aliyun-ecs-metadata-token-ttl-seconds"
_AWS_TTL = "x-aws-ec2-metadata-token-ttl-seconds"


def service_of(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Service | None:
    """Whose request this is; None: nobody's."""
    path = urlsplit(target).path
    if method == "PUT" and path == _SESSION_PATH:
        return "alibaba-metadata" if _ALIBABA_TTL in headers else "aws-metadata"
    roots: dict[str, Service] = {
        _ALIBABA_ROOT: "alibaba-metadata",
        _TENCENT_ROOT: "tencent-metadata",
        _AWS_ROOT: "aws-metadata",
    }
    if method == "GET":
        return next((service for root, service in roots.items() if path.startswith(root)), None)
    if method == "POST" and path == "/":
        return _sts_of(target, headers, body)
    return None


def _sts_of(target: str, headers: Mapping[str, str], body: bytes) -> Service | None:
    if "x-tc-action" in headers:
        return "tencent-sts"
    if "Action=AssumeRoleWithOIDC" in target or b"Action=AssumeRoleWithOIDC" in body:
        return "alibaba-sts"
    return "aws-sts" if b"Action=AssumeRoleWithWebIdentity" in body else None


def answer(issuer: Issuer, request: Request) -> Answer:
    """What the service would say."""
    if request.service is None:
        return Answer(404, b"not found")
    return _ANSWERS[request.service](issuer, request)


def _alibaba_metadata(issuer: Issuer, request: Request) -> Answer:
    if request.method == "PUT":
        return issuer.session(request, _ALIBABA_TTL)

    def document() -> dict[str, Any]:
        new = issuer.issue("alibaba-metadata", "STS.")
        return {
            **_alibaba_fields(new),
            "LastUpdated": issuer.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Code": "Success",
        }

    return issuer.metadata(request, _ALIBABA_ROOT, "x-aliyun-ecs-metadata-token", document)


def _alibaba_fields(new: Issued) -> dict[str, Any]:
    return {
        "AccessKeyId": new.key_id,
        "AccessKeySecret": new.secret,
        "SecurityToken": new.token,
        "Expiration": new.expiration,
    }


def _alibaba_sts(issuer: Issuer, request: Request) -> Answer:
    given = request.parameters
    for name in ("RoleArn", "OIDCProviderArn", "OIDCToken", "RoleSessionName", "Timestamp"):
        if not given.get(name):
            return _as_json(_alibaba_error("MissingParameter", name), 400)
    if given.get("Version") != "2015-04-01" or given.get("Format") != "JSON":
        return _as_json(_alibaba_error("InvalidVersion", "Version"), 400)
    if given["OIDCToken"] != issuer.identity_token:
        return _as_json(_alibaba_error("AuthenticationFail.OIDCToken.Invalid", "OIDCToken"), 401)
    new = issuer.issue("alibaba-sts", "STS.")
    user = {"Arn": f"{given['RoleArn']}/{given['RoleSessionName']}", "AssumedRoleId": "1"}
    return _as_json({"RequestId": secrets.token_hex(8), "AssumedRoleUser": user, "Credentials": _alibaba_fields(new)})


def _alibaba_error(code: str, about: str) -> dict[str, str]:
    return {"RequestId": secrets.token_hex(8), "Code": code, "Message": f"wrong: {about}"}


def _tencent_metadata(issuer: Issuer, request: Request) -> Answer:
    def document() -> dict[str, Any]:
        new = issuer.issue("tencent-metadata", "AKID")
        return {**_tencent_fields(new), **_tencent_expiry(new), "Code": "Success"}

    return issuer.metadata(request, _TENCENT_ROOT, "x-no-such-header", document)


def _tencent_fields(new: Issued) -> dict[str, Any]:
    return {"TmpSecretId": new.key_id, "TmpSecretKey": new.secret, "Token": new.token}


def _tencent_expiry(new: Issued) -> dict[str, Any]:
    return {"ExpiredTime": int(new.expires_at.timestamp()), "Expiration": new.expiration}


def _tencent_sts(issuer: Issuer, request: Request) -> Answer:
    headers = {"x-tc-action": "AssumeRoleWithWebIdentity", "x-tc-version": "2018-08-13", "authorization": "SKIP"}
    wrong = [name for name, value in headers.items() if request.headers.get(name) != value]
    wrong += [name for name in ("x-tc-region", "x-tc-timestamp") if not request.headers.get(name)]
    if wrong:
        return _tencent_error("AuthFailure.SignatureFailure", wrong[0])
    try:
        given = json.loads(request.body)
    except ValueError:
        return _tencent_error("InvalidRequest", "body")
    for name in ("ProviderId", "WebIdentityToken", "RoleArn", "RoleSessionName"):
        if not given.get(name):
            return _tencent_error("MissingParameter", name)
    if given["WebIdentityToken"] != issuer.identity_token:
        return _tencent_error("InvalidParameter.WebIdentityTokenError", "WebIdentityToken")
    new = issuer.issue("tencent-sts", "AKID")
    response = {"Credentials": _tencent_fields(new), **_tencent_expiry(new), "RequestId": secrets.token_hex(8)}
    return _as_json({"Response": response})


def _tencent_error(code: str, about: str) -> Answer:
    error = {"Code": code, "Message": f"wrong: {about}"}
    return _as_json({"Response": {"Error": error, "RequestId": secrets.token_hex(8)}})


def _aws_metadata(issuer: Issuer, request: Request) -> Answer:
    if request.method == "PUT":
        return issuer.session(request, _AWS_TTL)

    def document() -> dict[str, Any]:
        new = issuer.issue("aws-metadata", "ASIA")
        return {
            "Code": "Success",
            "LastUpdated": issuer.clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Type": "AWS-HMAC",
            "AccessKeyId": new.key_id,
            "SecretAccessKey": new.secret,
            "Token": new.token,
            "Expiration": new.expiration,
        }

    return issuer.metadata(request, _AWS_ROOT, "x-aws-ec2-metadata-token", document)


def _aws_sts(issuer: Issuer, request: Request) -> Answer:
    given = request.parameters
    for name in ("RoleArn", "RoleSessionName", "WebIdentityToken"):
        if not given.get(name):
            return _aws_error("ValidationError", name)
    if given["WebIdentityToken"] != issuer.identity_token:
        return _aws_error("InvalidIdentityToken", "WebIdentityToken")
    new = issuer.issue("aws-sts", "ASIA")
    fields = {
        "AccessKeyId": new.key_id,
        "SecretAccessKey": new.secret,
        "SessionToken": new.token,
        "Expiration": new.expiration,
    }
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
    user = f"<AssumedRoleUser><Arn>{escape(given['RoleArn'])}</Arn><AssumedRoleId>1</AssumedRoleId></AssumedRoleUser>"
    result = f"<Credentials>{inner}</Credentials>{user}"
    return _aws_xml(
        200,
        "AssumeRoleWithWebIdentityResponse",
        f"<AssumeRoleWithWebIdentityResult>{result}</AssumeRoleWithWebIdentityResult>",
    )


def _aws_error(code: str, about: str) -> Answer:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>wrong: {about}</Message></Error>"
    return _aws_xml(400, "ErrorResponse", error)


def _aws_xml(status: int, root: str, inner: str) -> Answer:
    metadata = f"<ResponseMetadata><RequestId>{secrets.token_hex(8)}</RequestId></ResponseMetadata>"
    text = f'<{root} xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{inner}{metadata}</{root}>'
    return Answer(status, text.encode(), "text/xml")


_ANSWERS: Mapping[Service, Callable[[Issuer, Request], Answer]] = {
    "alibaba-metadata": _alibaba_metadata,
    "alibaba-sts": _alibaba_sts,
    "tencent-metadata": _tencent_metadata,
    "tencent-sts": _tencent_sts,
    "aws-metadata": _aws_metadata,
    "aws-sts": _aws_sts,
}
